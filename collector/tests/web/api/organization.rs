//! The organization of a key: what it asks of its members, and what it may have.

use serde_json::{Value, json};

use super::Program;
use crate::common::World;

#[tokio::test]
async fn an_organization_is_shown_with_its_limits() {
    let world = World::new().await;
    let program = Program::of(&world, "responder").await;
    let shown = program.get("/organization").await;
    assert_eq!(shown.text("/id"), world.one("SELECT uuid FROM organizations WHERE id = 1").await);
    assert_eq!((shown.text("/name"), shown.at("/second_factor_required")), ("acme", &json!(false)));
    assert_eq!(shown.at("/limits/monitors"), &Value::Null);
    world.sql("INSERT INTO organization_limits VALUES (1, 2, 30, 4, NULL, 0), (2, 7, 7, 7, 7, 0)").await;
    assert_eq!(
        program.get("/organization").await.at("/limits"),
        &json!({ "monitors": 2, "interval_s": 30, "checks_per_minute": 4, "sms_per_day": null })
    );
}

#[tokio::test]
async fn who_asks_for_a_second_factor_has_one_and_whose_keys_lack_it_are_refused() {
    let world = World::new().await;
    let (owner, editor) = (Program::of(&world, "owner").await, Program::of(&world, "editor").await);
    let ask = json!({ "second_factor_required": true });
    let refused = owner.patch("/organization", ask.clone()).await;
    assert_eq!(refused.problem().1, "not-allowed");
    assert!(refused.text("/detail").contains("set one up on the page Account"), "{}", refused.json);
    assert_eq!(editor.get("/monitors").await.status, 200);
    world
        .sql("INSERT INTO totp_secrets (user_id, sealed_secret, created_at, confirmed_at) SELECT id, '', 1, 1 FROM users WHERE email LIKE 'owner%'")
        .await;
    assert_eq!(editor.patch("/organization", ask.clone()).await.problem().1, "missing-scope");
    assert_eq!(owner.patch("/organization", ask).await.at("/second_factor_required"), &json!(true));
    let refused = editor.get("/monitors").await;
    assert_eq!(refused.problem().1, "second-factor-required");
    assert_eq!(owner.get("/monitors").await.status, 200);
    assert_eq!(world.one("SELECT count(*) FROM organizations WHERE second_factor_since IS NOT NULL").await, "1");
    owner.patch("/organization", json!({ "second_factor_required": false })).await;
    assert_eq!(editor.get("/monitors").await.status, 200);
}
