//! Channels by the API: what their pages do, and nothing that is secret comes back.

use picket_collector::vault::Class;
use serde_json::{Value, json};

use super::Program;
use crate::common::World;

fn mail(name: &str) -> Value {
    json!({ "kind": "email", "name": name, "settings": { "address": "ops@example.org" } })
}

#[tokio::test]
async fn a_channel_is_made_verified_renamed_and_removed() {
    let world = World::new().await;
    let program = Program::of(&world, "editor").await;
    let made = program.post("/channels", mail("ops")).await;
    assert_eq!((made.status, made.at("/signing_secret")), (201, &Value::Null));
    let path = format!("/channels/{}", made.text("/channel/id"));
    assert_eq!((made.at("/channel/verified_at"), made.text("/channel/proof")), (&Value::Null, "code"));
    assert!(!made.answer.text.contains("ops@example.org"), "{}", made.answer.text);
    assert_eq!(program.send("POST", &format!("{path}/test"), None).await.problem().1, "not-verified");

    let wrong = program.post(&format!("{path}/verify"), json!({ "code": "not it" })).await;
    assert_eq!(wrong.problem(), (422, "invalid-body", vec!["code"]));
    let code = world
        .sealed(
            Class::ChannelCode,
            "SELECT sealed_code, d.uuid FROM channel_proofs p JOIN deliveries d ON d.id = p.delivery_id",
        )
        .await;
    let verified = program.post(&format!("{path}/verify"), json!({ "code": code })).await;
    assert!(verified.at("/verified_at").is_string());

    assert_eq!(program.patch(&path, json!({ "name": "night" })).await.text("/name"), "night");
    world.clock.advance(std::time::Duration::from_secs(1));
    program.post("/channels", mail("day")).await;
    assert_eq!(program.patch(&path, json!({ "name": "day" })).await.problem(), (422, "invalid-body", vec!["name"]));
    let list = program.get("/channels?limit=1").await;
    assert_eq!(list.text("/items/0/name"), "night");
    let rest = program.get(&format!("/channels?limit=1&after={}", list.text("/next"))).await;
    assert_eq!((rest.text("/items/0/name"), rest.at("/next")), ("day", &Value::Null));

    let replaced =
        program.put(&format!("{path}/settings"), json!({ "settings": { "address": "new@example.org" } })).await;
    assert_eq!(replaced.at("/channel/verified_at"), &Value::Null, "it has to be verified anew");
    assert_eq!(program.delete(&path).await.status, 204);
    assert_eq!(program.get(&path).await.status, 404);
    let actions =
        world.one("SELECT string_agg(action, ' ' ORDER BY id) FROM audit WHERE action LIKE 'channel.%'").await;
    let wanted = "add prove verify_failed verify rename add prove edit prove remove".replace(' ', " channel.");
    assert_eq!(actions, format!("channel.{wanted}"));
}

#[tokio::test]
async fn of_a_secret_in_the_place_of_a_url_nothing_is_repeated() {
    let world = World::new().await;
    let program = Program::of(&world, "editor").await;
    for url in ["canary", "canary:canary", "https://canary:canary@example.org/", "https://[canary]/"] {
        let refused = program.post("/channels", json!({ "kind": "webhook", "settings": { "url": url } })).await;
        assert_eq!(refused.problem(), (422, "invalid-body", vec!["settings.url"]), "{url}");
        assert!(!refused.answer.text.contains("canary"), "{}", refused.answer.text);
    }
}

#[tokio::test]
async fn a_signing_secret_is_shown_once_and_settings_never() {
    let world = World::new().await;
    let program = Program::of(&world, "editor").await;
    let body = json!({ "kind": "webhook", "settings": { "url": "https://hooks.example.org/?token=canary" } });
    let made = program.post("/channels", body).await;
    assert!(made.text("/signing_secret").starts_with("whsec_"));
    let path = format!("/channels/{}", made.text("/channel/id"));
    for answer in [program.get(&path).await, program.get("/channels").await] {
        assert!(
            !answer.answer.text.contains("canary") && !answer.answer.text.contains("whsec_"),
            "{}",
            answer.answer.text
        );
    }
}

#[tokio::test]
async fn a_signing_secret_is_rotated_and_shown_once() {
    let world = World::new().await;
    let program = Program::of(&world, "editor").await;
    let body = json!({ "kind": "webhook", "settings": { "url": "https://hooks.example.org/" } });
    let made = program.post("/channels", body).await;
    let path = format!("/channels/{}", made.text("/channel/id"));
    let rotated = program.post(&format!("{path}/rotate-secret"), json!({ "former_for_s": 60 })).await;
    assert!(rotated.text("/signing_secret").starts_with("whsec_"));
    assert_ne!(rotated.text("/signing_secret"), made.text("/signing_secret"));
    let until = program.get(&path).await.text("/former_secret_until").to_owned();
    assert_eq!(until, (world.clock.now() + std::time::Duration::from_secs(60)).exact());
    let sealed = "SELECT sealed_key, uuid FROM channels";
    assert_eq!(world.sealed(Class::WebhookKey, sealed).await, rotated.text("/signing_secret"));
    let refused = program.post(&format!("{path}/rotate-secret"), json!({ "former_for_s": 2_592_001 })).await;
    assert_eq!(refused.problem(), (422, "invalid-body", vec!["former_for_s"]));
    let mail = format!("/channels/{}", program.post("/channels", mail("ops")).await.text("/channel/id"));
    assert_eq!(program.post(&format!("{mail}/rotate-secret"), json!({})).await.problem().1, "not-signed");
    let audited =
        world.one("SELECT detail ->> 'former_key_until' FROM audit WHERE action = 'channel.rotate_key'").await;
    assert_eq!(audited, until);
    assert_eq!(program.delete(&path).await.status, 204);
    assert_eq!(world.one("SELECT count(*) FROM channels WHERE sealed_key IS NOT NULL").await, "0");
}

#[tokio::test]
async fn what_cannot_be_is_named() {
    let world = World::new().await;
    let program = Program::of(&world, "editor").await;
    for (body, fields) in [
        (json!({ "kind": "pigeon", "settings": {} }), vec!["kind"]),
        (json!({ "kind": "email", "settings": {} }), vec!["settings.address"]),
        (json!({ "kind": "email", "settings": { "address": "nonsense" } }), vec!["settings.address"]),
        (json!({ "kind": "email", "settings": { "address": "a@b.example", "url": "x" } }), vec!["settings.url"]),
        (json!({ "kind": "email", "settings": { "address": "a@b.example", "adress": "x" } }), vec!["settings.adress"]),
        (json!({ "kind": "email", "settings": { "address": 1 } }), vec!["settings.address"]),
        (json!({ "kind": "email", "name": "a\nb", "settings": { "address": "a@b.example" } }), vec!["name"]),
        (json!({ "kind": "email", "title": "x", "settings": { "address": "a@b.example" } }), vec!["title"]),
    ] {
        assert_eq!(program.post("/channels", body.clone()).await.problem(), (422, "invalid-body", fields), "{body}");
    }
    assert_eq!(world.one("SELECT count(*) FROM channels").await, "0");
}

#[tokio::test]
async fn proofs_are_made_so_often_and_then_have_to_wait() {
    let world = World::new().await;
    let program = Program::of(&world, "editor").await;
    let path = format!("/channels/{}", program.post("/channels", mail("ops")).await.text("/channel/id"));
    world.sql("INSERT INTO deliveries (uuid, org_id, channel_id, payload, state, next_at, created_at, ended_at) SELECT gen_random_uuid(), d.org_id, d.channel_id, d.payload, 'sent', d.next_at, d.created_at, d.created_at FROM deliveries d, generate_series(1, 20)").await;
    let answer = program.send("POST", &format!("{path}/prove"), None).await;
    assert_eq!(answer.problem().1, "too-many");
    assert_eq!(answer.answer.header("retry-after"), "3601");
}
