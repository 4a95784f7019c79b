//! Service members for programs.

use picket_collector::domain::access::Right;
use serde_json::{Value, json};

use super::Program;
use crate::common::World;

#[tokio::test]
async fn a_service_member_is_made_given_a_key_and_removed() {
    let world = World::new().await;
    let program = Program::of(&world, "admin").await;
    let made = program.post("/members", json!({ "name": "deploy", "role": "admin", "until": null })).await;
    assert_eq!((made.status, made.text("/service"), made.at("/email")), (201, "deploy", &Value::Null));
    let path = format!("/members/{}", made.text("/id"));
    assert_eq!(made.answer.header("location"), format!("/api/v1{path}"));
    let again = program.post("/members", json!({ "name": "deploy", "role": "viewer" })).await;
    assert_eq!(again.problem(), (422, "invalid-body", vec!["name"]));
    for (body, field) in [
        (json!({ "name": "x", "role": "owner" }), "role"),
        (json!({ "name": "x", "role": "viewer", "until": "2020-01-01T00:00:00Z" }), "until"),
    ] {
        assert_eq!(
            program.post("/members", body.clone()).await.problem(),
            (422, "invalid-body", vec![field]),
            "{body}"
        );
    }
    let keys = format!("{path}/keys");
    let wish = json!({ "name": "ci", "scopes": ["members:write", "keys:write", "monitors:read"], "days": 30, "networks": ["127.0.0.0/8"] });
    let key = program.post(&keys, wish).await;
    assert_eq!(key.status, 201);
    let service = Program { world: &world, key: key.text("/key").to_owned() };
    assert_eq!(service.get("/monitors").await.status, 200);
    // What a service member does is on record by its name, and it gives no more than it has.
    assert_eq!(service.post("/invitations", json!({ "email": "bob@example.org", "role": "viewer" })).await.status, 201);
    assert_eq!(program.get("/invitations").await.text("/items/0/invited_by"), "deploy");
    let more = service.post(&keys, json!({ "name": "more", "scopes": ["audit:read"] })).await;
    assert_eq!(more.problem(), (422, "invalid-body", vec!["scopes"]));
    assert_eq!(service.post(&keys, json!({ "name": "same", "scopes": ["monitors:read"] })).await.status, 201);
    let narrow = Program { world: &world, key: world.key("admin", &[Right::MembersWrite], &[]).await };
    let refused = narrow.post(&keys, json!({ "name": "n", "scopes": ["monitors:read"] })).await;
    assert_eq!((refused.status, refused.problem().1), (403, "missing-scope"));
    for (body, field) in [
        (json!({ "name": "n", "scopes": ["all"] }), "scopes[0]"),
        (json!({ "name": "n", "scopes": [] }), "scopes"),
        (json!({ "name": "n", "scopes": ["monitors:read"], "networks": ["here"] }), "networks[0]"),
        (json!({ "name": "n", "scopes": ["monitors:read"], "days": 0 }), "days"),
    ] {
        assert_eq!(program.post(&keys, body.clone()).await.problem(), (422, "invalid-body", vec![field]), "{body}");
    }
    let own = format!("/members/{}/keys", world.one("SELECT uuid FROM users WHERE email LIKE 'admin%'").await);
    let persons = program.post(&own, json!({ "name": "n", "scopes": ["monitors:read"] })).await;
    assert_eq!(persons.problem().1, "not-found", "a person makes the own keys");
    assert_eq!(program.delete(&path).await.status, 204);
    assert_eq!(service.get("/monitors").await.problem().1, "invalid-key");
    assert_eq!(
        world
            .one("SELECT string_agg(action, ' ' ORDER BY id) FROM audit WHERE actor LIKE 'key:% service:deploy'")
            .await,
        "invitation.add key.add"
    );
}
