//! Keeping to the EU, by the API.

use serde_json::json;

use super::Program;
use crate::common::World;

#[tokio::test]
async fn who_keeps_to_the_eu_is_shown_with_what_goes_elsewhere_and_gets_no_more_of_it() {
    let world = World::new().await;
    let (owner, editor) = (Program::of(&world, "owner").await, Program::of(&world, "editor").await);
    let named = |name: &str| json!({ "name": name, "spec": { "kind": "tcp", "host": "shop.example", "port": 25 } });
    let made = editor.post("/monitors", named("shop")).await;
    let (monitor, id) = (format!("/monitors/{}", made.text("/monitor/id")), made.at("/monitor/id").clone());
    let bot = json!({ "kind": "telegram", "name": "bot",
        "settings": { "token": "123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc", "chat": "-1001234567890" } });
    let channel = editor.post("/channels", bot.clone()).await;
    assert_eq!(channel.at("/channel/provider_abroad"), &json!("Telegram"));

    assert_eq!(editor.patch("/organization", json!({ "eu_only": true })).await.problem().1, "missing-scope");
    assert_eq!(owner.patch("/organization", json!({})).await.problem().0, 422);
    let kept = owner.patch("/organization", json!({ "eu_only": true })).await;
    assert_eq!((kept.at("/eu_only"), kept.at("/eu_only_by_operator")), (&json!(true), &json!(false)));
    let abroad = json!({
        "channels": [{ "id": channel.at("/channel/id"), "name": "bot", "provider": "Telegram" }],
        "monitors": [{ "id": id, "name": "shop", "regions": ["us-1"], "paused": false }],
    });
    assert_eq!(owner.get("/organization").await.at("/abroad"), &abroad);
    let actor = world.one("SELECT actor FROM audit WHERE action = 'organization.eu_only' AND org_id = 1").await;
    assert!(actor.starts_with("key:") && actor.ends_with("owner@example.org"), "{actor}");

    let refused = editor.post("/channels", bot).await;
    assert_eq!(refused.problem(), (422, "invalid-body", vec!["kind"]));
    for (name, value, field) in [("eu_only", json!(false), "eu_only"), ("regions", json!(["us-1"]), "regions[0]")] {
        let mut body = named("other");
        body[name] = value;
        assert_eq!(editor.post("/monitors", body).await.problem(), (422, "invalid-body", vec![field]));
    }
    assert_eq!(
        editor.patch(&monitor, json!({ "eu_only": false })).await.problem(),
        (422, "invalid-body", vec!["eu_only"])
    );
    let other = editor.post("/monitors", named("other")).await;
    assert_eq!((other.at("/monitor/eu_only"), other.at("/monitor/regions")), (&json!(true), &json!(["eu-1"])));
    let changed = editor.patch(&monitor, json!({ "interval_s": 30 })).await;
    assert_eq!((changed.at("/monitor/eu_only"), changed.at("/monitor/regions")), (&json!(true), &json!(["eu-1"])));
    assert_eq!(owner.get("/organization").await.at("/abroad/monitors"), &json!([]));
    assert_eq!(owner.patch("/organization", json!({ "eu_only": false })).await.at("/eu_only"), &json!(false));
    assert_eq!(editor.patch(&monitor, json!({ "eu_only": false, "regions": ["us-1"] })).await.status, 200);
}
