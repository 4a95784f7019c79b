//! Organizations that others manage, over the API: the rules are those of the pages.

use serde_json::{Value, json};

use super::Program;
use crate::common::World;

const MISS: &str = "01900000-0000-7000-8000-000000000009";

async fn uuid_of(world: &World, org: u8) -> String {
    world.one(&format!("SELECT uuid FROM organizations WHERE id = {org}")).await
}

#[tokio::test]
async fn an_owner_consents_and_revokes_and_sees_what_was() {
    let world = World::new().await;
    let (owner, admin) = (Program::of(&world, "owner").await, Program::of(&world, "admin").await);
    let other = uuid_of(&world, 2).await;
    let consent = json!({ "organization": other, "most": "editor", "until": "2027-01-01T00:00:00Z" });
    assert_eq!(admin.post("/managements", consent.clone()).await.problem().1, "not-allowed");
    let made = owner.post("/managements", consent.clone()).await;
    assert_eq!((made.status, made.text("/status"), made.text("/most")), (201, "waits", "editor"));
    assert_eq!((made.text("/managing/name"), made.text("/managed/name")), ("other", "acme"));
    assert!(made.text("/consented_by").ends_with("user:owner@example.org"), "{}", made.json);
    assert_eq!(made.text("/until"), "2027-01-01T00:00:00.000000Z");
    let place = format!("/managements/{}", made.text("/id"));
    assert_eq!(owner.post("/managements", consent).await.problem().2, ["organization"]);
    for (body, field) in [
        (json!({ "organization": MISS, "most": "viewer" }), "organization"),
        (json!({ "organization": "x".repeat(36), "most": "viewer" }), "organization"),
        (json!({ "organization": uuid_of(&world, 1).await, "most": "viewer" }), "organization"),
        (json!({ "organization": other, "most": "owner" }), "most"),
        (json!({ "organization": other, "most": "viewer", "until": "soon" }), "until"),
        (json!({ "organization": other, "most": "viewer", "until": "2020-01-01T00:00:00Z" }), "until"),
    ] {
        assert_eq!(
            owner.post("/managements", body.clone()).await.problem(),
            (422, "invalid-body", vec![field]),
            "{body}"
        );
    }
    world.sql("UPDATE managements SET accepted_by = 'x', accepted_at = consented_at").await;
    assert_eq!(admin.get(&place).await.text("/status"), "live");
    // The managed organization accepts nothing of its own.
    assert_eq!(owner.send("POST", &place.replace("managements", "managed"), None).await.status, 405);
    assert_eq!(
        owner.send("POST", &format!("{}/accept", place.replace("managements", "managed")), None).await.status,
        404
    );
    assert_eq!(admin.delete(&place).await.status, 204);
    assert_eq!(admin.delete(&place).await.status, 404);
    let over = owner.get(&place).await;
    assert_eq!((over.text("/status"), over.text("/ended_why")), ("over", "revoked"));
    assert_eq!(owner.get("/managements").await.at("/items").as_array().unwrap().len(), 1);
    assert_eq!(owner.get("/managed").await.at("/items"), &json!([]));
}

#[tokio::test]
async fn the_managing_side_accepts_and_leaves_page_by_page() {
    let world = World::new().await;
    let admin = Program::of(&world, "admin").await;
    let viewer = Program::of(&world, "viewer").await;
    for n in 1..=3 {
        world
            .sql(&format!(
                "INSERT INTO organizations (uuid, name, created_at) VALUES (gen_random_uuid(), 'managed {n}', 0);
                 INSERT INTO managements (uuid, org_id, manager_id, most, consented_by, consented_at)
                 SELECT '01900000-0000-7000-8000-00000000010{n}', max(id), 1, 'editor', 'user:eve@example.org', 0 FROM organizations"
            ))
            .await;
    }
    let first = viewer.get("/managed?limit=2").await;
    let names = |reply: &super::Reply| -> Vec<String> {
        let items = reply.at("/items").as_array().unwrap().iter();
        items.map(|item| item["managed"]["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&first), ["managed 1", "managed 2"]);
    let next = viewer.get(&format!("/managed?limit=2&after={}", first.text("/next"))).await;
    assert_eq!((names(&next), next.at("/next")), (vec!["managed 3".to_owned()], &Value::Null));
    let place = "/managed/01900000-0000-7000-8000-000000000101";
    assert_eq!(viewer.send("POST", &format!("{place}/accept"), None).await.problem().1, "missing-scope");
    for _ in 0..2 {
        let accepted = admin.send("POST", &format!("{place}/accept"), None).await;
        assert_eq!((accepted.status, accepted.text("/status")), (200, "live"));
    }
    assert_eq!(
        world.one("SELECT count(*) FROM audit WHERE action = 'management.accept'").await,
        "2",
        "once in each log"
    );
    assert_eq!(admin.delete(place).await.status, 204);
    assert_eq!(admin.get(place).await.text("/ended_why"), "left");
    assert_eq!(admin.send("POST", &format!("{place}/accept"), None).await.status, 404);
    assert_eq!(admin.get(&format!("/managed/{MISS}")).await.status, 404);
}
