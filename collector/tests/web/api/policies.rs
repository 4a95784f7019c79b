//! Policies by the API: made, shown, changed, removed, and who would be told of a monitor.

use serde_json::{Value, json};

use super::Program;
use super::schedules::member;
use crate::common::World;
use crate::policies::{channel, own};

async fn monitor(editor: &Program<'_>, name: &str, tags: &[&str]) -> String {
    let body = json!({ "name": name, "tags": tags, "spec": { "kind": "tcp", "host": "shop.example", "port": 1 } });
    editor.post("/monitors", body).await.text("/monitor/id").to_owned()
}

#[tokio::test]
async fn a_policy_is_made_shown_changed_and_removed() {
    let world = World::new().await;
    let editor = Program::of(&world, "editor").await;
    let (ops, lead) = (channel(&world, "ops").await, member(&world, "responder").await);
    let body = json!({
        "name": "Nights", "default": true, "tags": ["web"], "repeats": 1, "repeat_after_s": 600, "reminder_s": 1800, "sms_per_day": 5,
        "levels": [{ "wait_s": 0, "members": [lead] }, { "wait_s": 900, "channels": [ops], "members": [lead] }],
    });
    let made = editor.post("/policies", body.clone()).await;
    let path = format!("/policies/{}", made.text("/id"));
    assert_eq!((made.status, made.answer.to()), (201, format!("/api/v1{path}").as_str()));
    assert_eq!(made.at("/levels/0"), &json!({ "wait_s": 0, "channels": [], "members": [lead], "schedules": [] }));
    assert_eq!((made.at("/levels/1/channels"), made.at("/tells_recovery")), (&json!([ops]), &json!(true)));
    assert_eq!(
        (made.at("/default"), made.at("/sms_per_day"), made.at("/version")),
        (&json!(true), &json!(5), &json!(1))
    );

    let other = json!({ "name": "Days", "default": true, "levels": [{ "wait_s": 0, "channels": [ops] }] });
    assert_eq!(editor.post("/policies", other).await.status, 201);
    let list = editor.get("/policies").await;
    assert_eq!((list.text("/items/0/name"), list.text("/items/1/name")), ("Days", "Nights"));
    assert_eq!(list.at("/items/1/default"), &json!(false), "there is one default");

    let mut change = body.clone();
    change["levels"] = json!([{ "wait_s": 60, "channels": [ops, ops] }]);
    change["version"] = json!(1);
    assert_eq!(editor.put(&path, change.clone()).await.problem().1, "changed-meanwhile", "it is no default any more");
    change["version"] = json!(2);
    let changed = editor.put(&path, change).await;
    assert_eq!((changed.at("/levels/0/channels"), changed.at("/version")), (&json!([ops]), &json!(3)));

    let responder = Program::of(&world, "responder").await;
    assert_eq!(responder.get(&path).await.status, 200);
    assert_eq!(responder.post("/policies", body.clone()).await.problem().0, 403);
    assert_eq!(responder.delete(&path).await.problem().0, 403);
    let viewer = Program::of(&world, "viewer").await;
    assert_eq!(viewer.get("/policies").await.problem().0, 403);
    assert_eq!(editor.post("/policies", body).await.problem().2, ["name"]);
    assert_eq!(editor.delete(&path).await.status, 204);
    assert_eq!(editor.get(&path).await.problem().1, "not-found");
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_field_and_nothing_is_kept() {
    let world = World::new().await;
    let editor = Program::of(&world, "editor").await;
    let ops = channel(&world, "ops").await;
    let stranger = "01900000-0000-7000-8000-0000000000bb";
    let body = json!({ "name": "Nights", "levels": [{ "wait_s": 0, "channels": [ops] }] });
    for (field, value, fault) in [
        ("name", json!("two\nlines"), "name"),
        ("tags", json!([" "]), "tags[0]"),
        ("levels", json!([]), "levels"),
        ("levels", json!([{ "wait_s": 0 }]), "levels"),
        ("levels", json!([{ "wait_s": 0, "channels": [stranger] }]), "levels[0].channels[0]"),
        ("levels", json!([{ "wait_s": 0, "members": [stranger] }]), "levels[0].members[0]"),
        ("levels", json!([{ "wait_s": 0, "schedules": [ops] }]), "levels[0].schedules[0]"),
        ("levels", json!([{ "wait_s": 0, "channels": [ops] }, { "wait_s": 59, "channels": [ops] }]), "levels"),
        ("levels", json!([{ "wait_s": 0, "channels": [ops], "other": 1 }]), "levels[0].other"),
        ("reminder_s", json!(1), "reminder_s"),
        ("sms_per_day", json!(-1), "sms_per_day"),
        ("nonsense", json!(1), "nonsense"),
    ] {
        let mut wrong = body.clone();
        wrong[field] = value;
        let refused = editor.post("/policies", wrong).await;
        assert_eq!((refused.problem().0, refused.problem().2), (422, vec![fault]), "{field}");
    }
    let mut short = body;
    short["repeats"] = json!(1);
    short["repeat_after_s"] = json!(60);
    assert_eq!(editor.post("/policies", short).await.problem().2, ["repeat_after_s"]);
    assert_eq!(world.one("SELECT count(*) FROM policies").await, "0");
}

#[tokio::test]
async fn a_monitor_says_who_would_be_told_at_a_time() {
    let world = World::new().await;
    let editor = Program::of(&world, "editor").await;
    let shop = monitor(&editor, "shop", &["web"]).await;
    let (ops, phone) = (channel(&world, "ops").await, channel(&world, "phone").await);
    let responder = member(&world, "responder").await;
    own(&world, &phone, &responder).await;
    let path = format!("/monitors/{shop}/telling");
    let all = editor.get(&path).await;
    assert_eq!((all.at("/policy"), all.text("/levels/0/channels/0/id")), (&Value::Null, ops.as_str()));
    assert_eq!(all.at("/levels/0/channels").as_array().unwrap().len(), 1, "nobody's own channel is told");

    let hours = json!([{ "days": [1], "from": "09:00", "to": "17:00" }]);
    let schedule = json!({ "name": "Primary", "rotations": [{
        "name": "turns", "starts": "2026-09-01T09:00", "every": 1, "unit": "weeks", "members": [responder], "hours": hours,
    }] });
    let schedule = editor.post("/schedules", schedule).await.text("/id").to_owned();
    let policy = json!({ "name": "Nights", "tags": ["web"], "levels": [
        { "wait_s": 300, "schedules": [schedule] }, { "wait_s": 900, "channels": [ops] },
    ] });
    let policy = editor.post("/policies", policy).await.text("/id").to_owned();
    let told = editor.get(&path).await;
    assert_eq!((told.text("/policy/id"), told.text("/policy/by")), (policy.as_str(), "tag"));
    assert_eq!((told.at("/levels/0/after_s"), told.text("/levels/0/channels/0/id")), (&json!(300), phone.as_str()));
    assert_eq!(told.text("/levels/0/channels/0/schedule"), schedule);
    assert_eq!(told.text("/levels/0/channels/0/member"), responder);
    assert_eq!((told.at("/levels/1/after_s"), told.at("/reaches_somebody")), (&json!(1200), &json!(true)));
    let night = editor.get(&format!("{path}?at=2026-09-22T02:00:00Z")).await;
    let miss = json!({ "kind": "schedule", "id": schedule, "why": "nobody_on_call" });
    assert_eq!((night.at("/levels/0/channels"), night.at("/levels/0/misses/0")), (&json!([]), &miss));
    assert_eq!(night.at("/levels/1/after_s"), &json!(300), "a level that reaches nobody gives way at once");

    let viewer = Program::of(&world, "viewer").await;
    assert_eq!(viewer.get(&path).await.problem().0, 403);
}

#[tokio::test]
async fn a_monitor_names_a_policy_which_stays_until_null_is_said() {
    let world = World::new().await;
    let editor = Program::of(&world, "editor").await;
    let ops = channel(&world, "ops").await;
    let policy = json!({ "name": "Nights", "levels": [{ "wait_s": 0, "channels": [ops] }] });
    let policy = editor.post("/policies", policy).await.text("/id").to_owned();
    let body =
        json!({ "name": "shop", "policy": policy, "spec": { "kind": "tcp", "host": "shop.example", "port": 1 } });
    let made = editor.post("/monitors", body.clone()).await;
    assert_eq!(made.text("/monitor/policy"), policy);
    let change = json!({ "field": "policy", "from": null, "to": policy });
    assert!(made.at("/changes").as_array().unwrap().contains(&change), "{}", made.at("/changes"));
    let path = format!("/monitors/{}", made.text("/monitor/id"));
    assert_eq!(editor.get(&format!("{path}/telling")).await.text("/policy/by"), "monitor");
    assert_eq!(editor.get(&format!("/policies/{policy}")).await.at("/monitors"), &json!(1));
    let stays = editor.patch(&path, json!({ "interval_s": 30 })).await;
    assert_eq!(stays.text("/monitor/policy"), policy);
    let dry = editor.patch(&format!("{path}?dry_run=true"), json!({ "policy": null })).await;
    assert_eq!((dry.text("/action"), dry.text("/changes/0/field")), ("changed", "policy"));
    let gone = editor.patch(&path, json!({ "policy": null })).await;
    assert_eq!((gone.at("/monitor/policy"), gone.at("/monitor/version")), (&Value::Null, &json!(2)));
    assert_eq!(editor.patch(&path, json!({ "policy": null })).await.text("/action"), "unchanged");
    let stranger = json!({ "policy": "01900000-0000-7000-8000-0000000000bb" });
    assert_eq!(editor.patch(&path, stranger).await.problem().2, ["policy"]);
}

#[tokio::test]
async fn a_channel_is_quiet_and_a_members_own_as_it_is_said() {
    let world = World::new().await;
    let editor = Program::of(&world, "editor").await;
    let path = format!("/channels/{}", channel(&world, "phone").await);
    let responder = member(&world, "responder").await;
    let quiet = json!({ "zone": "Europe/Berlin", "hours": [{ "days": [6, 7], "from": "22:00", "to": "08:00" }], "passes": "critical" });
    let changed = editor.patch(&path, json!({ "quiet": quiet, "member": responder })).await;
    assert_eq!((changed.at("/quiet"), changed.text("/member")), (&quiet, responder.as_str()));
    assert_eq!(editor.patch(&path, json!({ "name": "mobile" })).await.at("/quiet"), &quiet, "what is absent stays");
    for (body, field) in [
        (
            json!({ "quiet": { "zone": "Nowhere", "hours": [{ "days": [1], "from": "22:00", "to": "08:00" }] } }),
            "quiet.zone",
        ),
        (json!({ "quiet": { "zone": "UTC", "hours": [{ "days": [1], "from": "22:00", "to": "22:00" }] } }), "quiet"),
        (json!({ "quiet": { "zone": "UTC", "hours": [] } }), "quiet.hours"),
        (json!({ "member": "01900000-0000-7000-8000-0000000000bb" }), "member"),
        (json!({}), ""),
    ] {
        assert_eq!(editor.patch(&path, body).await.problem().2, [field]);
    }
    let none = editor.patch(&path, json!({ "quiet": null, "member": null })).await;
    assert_eq!((none.at("/quiet"), none.at("/member")), (&Value::Null, &Value::Null));
}
