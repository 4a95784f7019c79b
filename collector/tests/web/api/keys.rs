//! Keys that programs list, make and revoke.

use picket_collector::domain::access::Right;
use serde_json::{Value, json};

use super::Program;
use crate::common::World;

const KEYS: [Right; 3] = [Right::KeysRead, Right::KeysWrite, Right::MonitorsRead];

#[tokio::test]
async fn a_program_lists_makes_and_revokes_the_keys_of_its_user() {
    let world = World::new().await;
    let program = Program { world: &world, key: world.key("editor", &KEYS, &[]).await };
    let others = Program { world: &world, key: world.key("owner", &KEYS, &[]).await };
    let made = program.post("/keys", json!({ "name": "ci", "scopes": ["monitors:read"], "days": 30 })).await;
    assert_eq!(made.status, 201);
    let path = format!("/keys/{}", made.text("/id"));
    assert_eq!(made.answer.header("location"), format!("/api/v1{path}"));
    let another = Program { world: &world, key: made.text("/key").to_owned() };
    assert_eq!(another.get("/monitors").await.status, 200);
    assert_eq!(another.get("/keys").await.problem().1, "missing-scope");

    let list = program.get("/keys").await;
    let items = list.at("/items").as_array().unwrap();
    assert_eq!(items.len(), 2, "not the owner's: {}", list.json);
    assert!(items.iter().all(|key| key["of"] == "editor@example.org"), "{}", list.json);
    let shown = program.get(&path).await;
    assert_eq!((shown.text("/name"), shown.at("/scopes")), ("ci", &json!(["monitors:read"])));
    assert_eq!(shown.at("/expires_at").as_str().map(str::len), Some(27), "{}", shown.json);
    let key = made.text("/key");
    for page in [&list, &shown] {
        assert!(!page.answer.text.contains(&key[18..]), "a key is shown once");
    }
    let first = program.get("/keys?limit=1").await;
    let second = program.get(&format!("/keys?limit=1&after={}", first.text("/next"))).await;
    assert_ne!(first.text("/items/0/id"), second.text("/items/0/id"));
    assert_eq!(second.at("/next"), &Value::Null);

    assert_eq!(others.delete(&path).await.problem().1, "not-found");
    assert_eq!(program.delete(&path).await.status, 204);
    assert_eq!(another.get("/monitors").await.problem().1, "invalid-key", "at once");
    assert_eq!(program.delete(&path).await.problem().1, "not-found");
    let told = "SELECT string_agg(action || ' ' || subject, ' ' ORDER BY id) FROM audit WHERE actor LIKE 'key:% user:editor%' AND action LIKE 'key.%'";
    assert_eq!(world.one(told).await, format!("key.add {id} key.revoke {id}", id = made.text("/id")));
    let mails = "SELECT count(*) FROM audit WHERE action = 'key.add' AND actor = 'user:editor@example.org'";
    assert_eq!(world.one(mails).await, "0", "the key made it, and it is written so");
}

#[tokio::test]
async fn who_manages_members_sees_and_revokes_everybodys() {
    let world = World::new().await;
    let editor = world.key("editor", &KEYS, &[]).await;
    let admin = Program::of(&world, "admin").await;
    let all = admin.get("/keys").await;
    assert_eq!(all.at("/items").as_array().unwrap().len(), 2, "{}", all.json);
    assert_eq!(admin.delete(&format!("/keys/{}", &editor[9..17])).await.status, 204);
    assert_eq!(Program { world: &world, key: editor }.get("/keys").await.problem().1, "invalid-key");
}

#[tokio::test]
async fn a_key_makes_none_that_has_more_than_itself() {
    let world = World::new().await;
    let program = Program { world: &world, key: world.key("owner", &KEYS, &["127.0.0.0/8"]).await };
    let own = program.get("/keys").await.text("/items/0/id").to_owned();
    world.sql(&format!("UPDATE api_keys SET expires_at = {}", (world.clock.now() + days(10)).micros())).await;
    let wish = |more: Value| {
        let mut wish = json!({ "name": "k", "scopes": ["monitors:read"] });
        wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        wish
    };
    for (more, field) in [
        (json!({ "scopes": ["members:write"] }), "scopes"),
        (json!({ "networks": ["0.0.0.0/0"] }), "networks"),
        (json!({ "networks": ["127.0.0.0/9", "::1/128"] }), "networks"),
        (json!({ "days": 11 }), "days"),
    ] {
        let reply = program.post("/keys", wish(more.clone())).await;
        assert_eq!(reply.problem(), (422, "invalid-body", vec![field]), "{more}");
    }
    let same = program.post("/keys", wish(json!({}))).await;
    let shown = program.get(&format!("/keys/{}", same.text("/id"))).await;
    let first = program.get(&format!("/keys/{own}")).await;
    assert_eq!(shown.at("/networks"), &json!(["127.0.0.0/8"]));
    assert_eq!(shown.at("/expires_at"), first.at("/expires_at"));
    // A service member's key that makes another is bound like it, too.
    let admin = Program::of(&world, "admin").await;
    let service = admin.post("/members", json!({ "name": "deploy", "role": "admin" })).await;
    let keys = format!("/members/{}/keys", service.text("/id"));
    let scopes = json!(["members:write", "keys:write", "keys:read", "monitors:read"]);
    let bound = json!({ "name": "ci", "scopes": scopes, "networks": ["127.0.0.0/8"], "days": 5 });
    let bound = Program { world: &world, key: admin.post(&keys, bound).await.text("/key").to_owned() };
    let reply = bound.post(&keys, wish(json!({ "days": 6 }))).await;
    assert_eq!(reply.problem(), (422, "invalid-body", vec!["days"]));
    let reply = bound.post(&keys, wish(json!({ "networks": ["10.0.0.0/8"] }))).await;
    assert_eq!(reply.problem(), (422, "invalid-body", vec!["networks"]));
    let reply = bound.post(&keys, wish(json!({}))).await;
    let shown = bound.get(&format!("/keys/{}", reply.text("/id"))).await;
    assert_eq!((shown.text("/of"), shown.at("/networks")), ("deploy", &json!(["127.0.0.0/8"])));
    assert_eq!(bound.post("/keys", wish(json!({}))).await.problem().1, "not-allowed");
}

fn days(days: u64) -> std::time::Duration {
    std::time::Duration::from_secs(days * 86_400)
}
