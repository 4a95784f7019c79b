//! The export of an organization becomes the configuration of another: the same again when it is exported there.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Program;
use crate::common::{Browser, World};

/// What differs between two instances, and what no export holds.
const OTHER: &[&str] = &[
    "uuid",
    "external_key",
    "created_at",
    "updated_at",
    "version",
    "imported",
    "muted_at",
    "holds_secret",
    "paused_at",
    "verified_at",
    "verified_by",
    "unset_at",
    "unset_why",
];

async fn set_up(world: &World) -> Program<'_> {
    let owner = Program::of(world, "owner").await;
    let monitors = json!([
        { "name": "shop", "spec": { "kind": "http", "url": "https://shop.example/", "contains": ["Basket"] }, "interval_s": 30,
          "tags": ["shop", "front"], "external_key": "shop/front", "quorum": { "at_least": 2 } },
        { "name": "mail", "spec": { "kind": "tcp", "host": "mail.example", "port": 25 }, "regions": ["eu-1"], "eu_only": true, "paused": true },
        { "name": "inner", "spec": { "kind": "http", "url": "https://inner.example/", "auth": { "scheme": "bearer", "token": "canary-token" } } },
        { "name": "names", "spec": { "kind": "dns", "name": "example.org", "record": "A" } },
    ]);
    for monitor in monitors.as_array().unwrap() {
        let made = owner.post("/monitors", monitor.clone()).await;
        assert_eq!(made.status, 201, "{}", made.json);
    }
    let mail = json!({ "kind": "email", "name": "on call", "settings": { "address": "canary-oncall@example.org" } });
    assert_eq!(owner.post("/channels", mail).await.status, 201);
    let gone = json!({ "kind": "email", "name": "gone", "settings": { "address": "gone@example.org" } });
    let gone = owner.post("/channels", gone).await.text("/channel/id").to_owned();
    assert_eq!(owner.delete(&format!("/channels/{gone}")).await.status, 204);
    world
        .sql(
            "INSERT INTO totp_secrets (user_id, sealed_secret, created_at, confirmed_at, last_step)
                 SELECT id, 'x', 0, 0, 0 FROM users WHERE email = 'owner@example.org';
             UPDATE organizations SET second_factor_since = 5 WHERE id = 1",
        )
        .await;
    owner
}

async fn exported(program: &Program<'_>) -> Value {
    let reply = program.get("/account/export?only=configuration").await;
    assert_eq!(reply.status, 200, "{}", reply.json);
    reply.json
}

/// Tables by the names of their rows, without ids, times and secrets.
fn plain(document: &Value) -> BTreeMap<String, Value> {
    let rows = |table: &str| document["organization"][table].as_array().unwrap().clone();
    let there = |row: &Value| row["deleted_at"].is_null();
    let mut plain = BTreeMap::new();
    let names: BTreeMap<String, String> =
        rows("monitors").iter().map(|row| (row["uuid"].to_string(), row["name"].to_string())).collect();
    for table in ["monitors", "channels"] {
        for mut row in rows(table).into_iter().filter(there) {
            let name = row["name"].as_str().unwrap().to_owned();
            row.as_object_mut().unwrap().retain(|name, _| !OTHER.contains(&&**name));
            plain.insert(format!("{table} {name}"), row);
        }
    }
    for row in rows("monitor_regions") {
        if let Some(name) = names.get(&row["monitor"].to_string()) {
            plain.insert(format!("{name} runs in {}", row["region"]), Value::Null);
        }
    }
    plain
}

#[tokio::test]
async fn what_is_exported_is_imported_elsewhere_and_exported_as_the_same() {
    let (here, there) = (World::new().await, World::new().await);
    let (owner, other) = (set_up(&here).await, Program::of(&there, "owner").await);
    let document = exported(&owner).await;
    assert!(
        document["account"].is_null() && document["organization"]["results"].is_null(),
        "nothing but what it is set up with"
    );
    assert!(!document.to_string().contains("canary-"), "secrets and destinations are in no export");

    let planned = other.post("/organization/import?dry_run=true", document.clone()).await;
    assert_eq!(planned.status, 200, "{}", planned.json);
    assert_eq!(planned.at("/counts"), &json!({ "taken": 4, "changed": 0, "unchanged": 0, "kept": 0, "refused": 0 }));
    assert_eq!((planned.at("/applied"), planned.at("/channels/0/outcome")), (&json!(false), &json!("taken")));
    assert_eq!(
        there.one("SELECT count(*) FROM monitors").await + &there.one("SELECT count(*) FROM channels").await,
        "00"
    );

    let done = other.post("/organization/import", document.clone()).await;
    assert_eq!(done.at("/counts"), planned.at("/counts"));
    // Who has no second factor cannot ask for it.
    assert_eq!((done.at("/second_factor"), done.at("/second_factor_required")), (&json!(true), &json!(false)));
    let again = exported(&other).await;
    assert_eq!(plain(&again), plain(&document));
    assert_eq!(plain(&again).len(), 4 + 1 + 6, "{:?}", plain(&again).keys());
    // What lacks its secret is switched off, and says so; nobody is told of the rest before it is released.
    assert_eq!(
        there.one("SELECT string_agg(name, ' ' ORDER BY name) FROM monitors WHERE paused_at IS NOT NULL").await,
        "inner mail"
    );
    assert_eq!(there.one("SELECT count(*) FROM monitors WHERE muted_at IS NULL").await, "0");
    let inner = done.at("/monitors").as_array().unwrap().iter().find(|row| row["name"] == "inner").unwrap();
    assert!(inner["lost"][0]["why"].as_str().unwrap().contains("so it is paused"), "{inner}");
    let channel = other.get("/channels").await;
    assert_eq!(channel.text("/items/0/without_destination/why"), "imported");
    let id = channel.text("/items/0/id").to_owned();
    assert_eq!(other.post(&format!("/channels/{id}/prove"), Value::Null).await.problem().1, "not-verified");
    let mut browser = Browser::of(&there, "owner").await;
    browser.get(&format!("/channels/{id}")).await.shows("It tells nobody until you replace its settings");
    let set = other
        .put(&format!("/channels/{id}/settings"), json!({ "settings": { "address": "oncall@example.org" } }))
        .await;
    assert_eq!((set.status, set.at("/channel/without_destination")), (200, &Value::Null));

    // The same once more changes nothing.
    let before = there.one("SELECT max(version) FROM monitors").await;
    let twice = other.post("/organization/import", document).await;
    assert_eq!(twice.at("/counts/unchanged"), &json!(4));
    assert_eq!(twice.at("/channels/0/outcome"), &json!("kept"));
    assert_eq!(there.one("SELECT max(version) FROM monitors").await, before);
}

#[tokio::test]
async fn who_may_not_change_channels_takes_monitors_alone_and_what_is_no_export_is_refused() {
    let (here, there) = (World::new().await, World::new().await);
    let document = exported(&set_up(&here).await).await;
    let key = there.key("owner", &[picket_collector::domain::access::Right::MonitorsWrite], &[]).await;
    let program = Program { world: &there, key };
    let done = program.post("/organization/import", document.clone()).await;
    assert_eq!((done.status, done.at("/channels/0/outcome")), (200, &json!("refused")));
    assert_eq!(there.one("SELECT count(*) FROM channels").await, "0");
    let mut broken = document.clone();
    broken["organization"]["monitors"] = json!("none");
    assert_eq!(program.post("/organization/import", broken).await.problem(), (422, "invalid-body", vec![""]));
    let strange = program.post("/organization/import?regions=nowhere-1", document.clone()).await;
    assert_eq!(strange.problem(), (400, "invalid-query", vec!["regions"]));
    let viewer = Program::of(&there, "viewer").await;
    assert_eq!(viewer.post("/organization/import", document).await.problem().0, 403);
}

#[tokio::test]
async fn only_an_owner_has_a_configuration_to_take_along() {
    let world = World::new().await;
    let editor = Program::of(&world, "editor").await;
    assert_eq!(editor.get("/account/export?only=configuration").await.problem(), (400, "invalid-query", vec!["only"]));
    let mut owner = Browser::of(&world, "owner").await;
    owner.get("/account/data").await.shows("only=configuration");
    let file = owner.get("/account/data/export?only=configuration").await;
    assert!(file.header("content-disposition").contains("picket-configuration.json"));
}
