//! Members over the API: the rules are those of the pages.

use picket_collector::domain::access::Right;
use serde_json::json;

use super::Program;
use crate::common::World;

async fn id(world: &World, role: &str) -> String {
    world.one(&format!("SELECT uuid FROM users WHERE email = '{role}@example.org'")).await
}

#[tokio::test]
async fn members_are_listed_changed_and_removed() {
    let world = World::new().await;
    let program = Program::of(&world, "owner").await;
    let editor = Program::of(&world, "editor").await;
    let list = program.get("/members?limit=1").await;
    assert_eq!(list.at("/items").as_array().unwrap().len(), 1);
    let next = program.get(&format!("/members?limit=1&after={}", list.text("/next"))).await;
    let mut emails = [list.text("/items/0/email"), next.text("/items/0/email")];
    emails.sort_unstable();
    assert_eq!(emails, ["editor@example.org", "owner@example.org"]);
    let path = format!("/members/{}", id(&world, "editor").await);
    assert_eq!(program.get(&path).await.text("/role"), "editor");
    assert_eq!(editor.patch(&path, json!({ "role": "admin" })).await.problem().1, "missing-scope");
    assert_eq!(program.patch(&path, json!({ "role": "viewer" })).await.text("/role"), "viewer");
    assert_eq!(program.patch(&path, json!({ "role": "root" })).await.problem(), (422, "invalid-body", vec!["role"]));
    assert_eq!(editor.get("/monitors").await.status, 200);
    assert_eq!(program.delete(&format!("{path}?successor=none")).await.status, 204);
    assert_eq!(editor.get("/monitors").await.problem().1, "invalid-key");
    assert_eq!(program.delete(&path).await.problem().1, "not-found");
    let actors = world
        .one("SELECT string_agg(action, ' ' ORDER BY id) FROM audit WHERE actor LIKE 'key:% user:owner@example.org'");
    assert_eq!(actors.await, "member.change_role member.remove");
}

#[tokio::test]
async fn the_last_owner_stays_and_nobody_reaches_above() {
    let world = World::new().await;
    let (owner, admin) = (Program::of(&world, "owner").await, Program::of(&world, "admin").await);
    let path = format!("/members/{}", id(&world, "owner").await);
    assert_eq!(owner.delete(&path).await.problem().1, "last-owner");
    assert_eq!(owner.patch(&path, json!({ "role": "admin" })).await.problem().1, "last-owner");
    assert_eq!(admin.delete(&path).await.problem().1, "not-allowed");
    let own = format!("/members/{}", id(&world, "admin").await);
    assert_eq!(admin.patch(&own, json!({ "role": "owner" })).await.problem().1, "not-allowed");
    assert_eq!(world.one("SELECT count(*) FROM memberships WHERE role = 'owner'").await, "1");
}

#[tokio::test]
async fn ownership_goes_to_another_member_and_whoever_gave_it_is_an_administrator() {
    let world = World::new().await;
    let (owner, admin) = (Program::of(&world, "owner").await, Program::of(&world, "admin").await);
    let path = format!("/members/{}/transfer", id(&world, "admin").await);
    let own = format!("/members/{}/transfer", id(&world, "owner").await);
    assert_eq!(admin.send("POST", &own, None).await.problem().1, "not-allowed");
    assert_eq!(owner.send("POST", &own, None).await.problem().1, "not-found", "nobody hands it to oneself");
    assert_eq!(owner.send("POST", &path, None).await.text("/role"), "owner");
    assert_eq!(
        world.one("SELECT string_agg(u.email || ' ' || m.role, ', ' ORDER BY u.email) FROM memberships m JOIN users u ON u.id = m.user_id").await,
        "admin@example.org owner, owner@example.org admin"
    );
    assert_eq!(owner.send("POST", &path, None).await.problem().1, "not-allowed", "it is given away");
    assert_eq!(world.one("SELECT action FROM audit WHERE action LIKE 'organization.%'").await, "organization.transfer");
}

#[tokio::test]
async fn who_leaves_names_the_organization_and_the_last_owner_stays() {
    let world = World::new().await;
    let (owner, editor) = (Program::of(&world, "owner").await, Program::of(&world, "editor").await);
    let leave = |name: &str| json!({ "organization": name });
    assert_eq!(
        editor.post("/members/leave", leave("other")).await.problem(),
        (422, "invalid-body", vec!["organization"])
    );
    assert_eq!(owner.post("/members/leave", leave("acme")).await.problem().1, "last-owner");
    assert_eq!(editor.post("/members/leave", leave("acme")).await.status, 204);
    assert_eq!(editor.get("/monitors").await.problem().1, "invalid-key", "the key went with the membership");
    assert_eq!(world.one("SELECT string_agg(role, ' ') FROM memberships").await, "owner");
    assert_eq!(world.one("SELECT action FROM audit WHERE action LIKE 'member.%'").await, "member.leave");
}

#[tokio::test]
async fn a_member_of_another_organization_is_answered_like_one_that_is_not_there() {
    let world = World::new().await;
    let program = Program::of(&world, "owner").await;
    world.member("viewer").await;
    world.sql("UPDATE memberships SET org_id = 2 WHERE role = 'viewer'").await;
    let theirs = format!("/members/{}", id(&world, "viewer").await);
    let miss = "/members/01900000-0000-7000-8000-000000000009";
    for method in ["GET", "DELETE", "PATCH"] {
        let body = (method == "PATCH").then(|| json!({ "role": "owner" }));
        let (found, missed) =
            (program.send(method, &theirs, body.clone()).await, program.send(method, miss, body).await);
        assert_eq!((found.status, &found.answer.text), (404, &missed.answer.text), "{method}");
    }
    assert_eq!(world.one("SELECT role FROM memberships WHERE org_id = 2").await, "viewer");
}

#[tokio::test]
async fn without_the_second_factor_that_the_organization_wants_a_key_is_refused() {
    let world = World::new().await;
    let program = Program { world: &world, key: world.key("owner", &[Right::MembersRead], &[]).await };
    world.sql("UPDATE organizations SET second_factor_since = 1 WHERE id = 1").await;
    assert_eq!(program.get("/members").await.problem().1, "second-factor-required");
    world.sql("INSERT INTO totp_secrets (user_id, sealed_secret, created_at) SELECT id, '', 1 FROM users").await;
    assert_eq!(program.get("/members").await.problem().1, "second-factor-required", "one that is only begun is none");
    world.sql("UPDATE totp_secrets SET confirmed_at = 1").await;
    assert_eq!(program.get("/members").await.status, 200);
}

#[tokio::test]
async fn an_end_is_set_with_or_without_a_role_all_or_nothing() {
    let world = World::new().await;
    let (owner, admin) = (Program::of(&world, "owner").await, Program::of(&world, "admin").await);
    world.member("viewer").await;
    let path = format!("/members/{}", id(&world, "viewer").await);
    let at = "2026-12-31T18:00:00+01:00";
    assert_eq!(admin.put(&path, json!({ "until": at })).await.text("/until"), "2026-12-31T17:00:00.000000Z");
    assert_eq!(admin.get(&path).await.text("/role"), "viewer");
    let both = admin.put(&path, json!({ "role": "editor", "until": null })).await;
    assert_eq!((both.text("/role"), both.at("/until")), ("editor", &json!(null)));
    for (body, field) in [
        (json!({}), "until"),
        (json!({ "until": "tomorrow" }), "until"),
        (json!({ "until": "2020-01-01T00:00:00Z" }), "until"),
        (json!({ "until": at, "role": "root" }), "role"),
        (json!({ "until": at, "end": at }), "end"),
    ] {
        assert_eq!(admin.put(&path, body.clone()).await.problem(), (422, "invalid-body", vec![field]), "{body}");
    }
    // The end alone could be; the role cannot, so neither is.
    assert_eq!(admin.put(&path, json!({ "role": "owner", "until": at })).await.problem().1, "not-allowed");
    let own = format!("/members/{}", id(&world, "owner").await);
    assert_eq!(owner.put(&own, json!({ "until": at })).await.problem().1, "last-owner");
    assert_eq!(world.one("SELECT count(*) FROM memberships WHERE until_at IS NOT NULL").await, "0");
    assert_eq!(owner.put(&own, json!({ "until": null })).await.status, 200, "it is so already");
    assert_eq!(
        world.one("SELECT string_agg(action, ' ' ORDER BY id) FROM audit WHERE action LIKE 'member.%'").await,
        "member.change_end member.change_role member.change_end"
    );
}
