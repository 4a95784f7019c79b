//! Windows of maintenance by the API: planned, begun now, changed, ended, left out, deleted and restored.

use std::time::Duration;

use picket_collector::flow::maintenance;
use serde_json::{Value, json};

use super::Program;
use crate::common::World;

/// In Berlin, in the nights to Mondays; tests begin on a Monday at 14:13:20 UTC.
fn weekly() -> Value {
    json!({
        "title": "Database", "note": "read-only", "start": "2026-09-28T02:00", "zone": "europe/berlin", "duration_s": 7200,
        "rule": "FREQ=WEEKLY", "announce_before_s": 86_400,
    })
}

async fn monitor(editor: &Program<'_>, name: &str) -> String {
    let body = json!({ "name": name, "spec": { "kind": "tcp", "host": "shop.example", "port": 1 } });
    editor.post("/monitors", body).await.text("/monitor/id").to_owned()
}

#[tokio::test]
async fn a_window_is_planned_shown_changed_left_out_deleted_and_restored() {
    let world = World::new().await;
    let responder = Program::of(&world, "responder").await;
    let made = responder.post("/maintenance", weekly()).await;
    let id = made.text("/id").to_owned();
    assert_eq!((made.status, made.answer.to()), (201, format!("/api/v1/maintenance/{id}").as_str()));
    assert_eq!(
        (made.text("/zone"), made.text("/scope"), made.text("/counts_as")),
        ("Europe/Berlin", "all", "maintenance")
    );
    assert_eq!((made.at("/holds_alerts"), made.at("/shows_on_page")), (&json!(true), &json!(true)));
    assert_eq!((made.at("/running"), made.at("/last_ended_at")), (&Value::Null, &Value::Null));
    assert_eq!(made.text("/created_by"), "responder@example.org");
    // Clocks are set back between the fourth and the fifth.
    let starts: Vec<_> = (0..6).map(|n| made.text(&format!("/next/{n}/starts_at"))[..16].to_owned()).collect();
    assert_eq!(
        starts,
        [
            "2026-09-28T00:00",
            "2026-10-05T00:00",
            "2026-10-12T00:00",
            "2026-10-19T00:00",
            "2026-10-26T01:00",
            "2026-11-02T01:00"
        ]
    );
    assert_eq!(made.at("/next").as_array().unwrap().len(), 10);

    let path = format!("/maintenance/{id}");
    let left_out = responder.send("POST", &format!("{path}/skip"), None).await;
    assert_eq!(
        (left_out.text("/exceptions/0"), left_out.text("/next/0/local")),
        ("2026-09-28T02:00:00", "2026-10-05T02:00:00")
    );
    let effects = json!({ "holds_alerts": false, "shows_on_page": false, "counts_as": "normal", "exceptions": [] });
    let changed = responder.patch(&path, effects).await;
    assert_eq!((changed.at("/holds_alerts"), changed.text("/counts_as")), (&json!(false), "normal"));
    assert_eq!((changed.text("/title"), changed.text("/next/0/local")), ("Database", "2026-09-28T02:00:00"));
    assert_eq!(responder.patch(&path, json!({ "title": "Database" })).await.status, 200, "nothing is changed");

    let viewer = Program::of(&world, "viewer").await;
    let seen = viewer.get("/maintenance").await;
    assert_eq!((seen.text("/items/0/id"), seen.at("/items/0/created_by")), (id.as_str(), &Value::Null));
    assert_eq!(viewer.post("/maintenance", weekly()).await.problem().0, 403);
    assert_eq!(viewer.delete(&path).await.problem().0, 403);

    assert_eq!(responder.delete(&path).await.status, 204);
    assert_eq!(responder.get(&path).await.problem().1, "not-found");
    assert_eq!(responder.get("/maintenance").await.at("/items"), &json!([]));
    assert_eq!(responder.send("POST", &format!("{path}/restore"), None).await.text("/title"), "Database");
    assert_eq!(responder.send("POST", &format!("{path}/restore"), None).await.problem().1, "not-found", "it is there");
    responder.delete(&path).await;
    world.clock.advance(Duration::from_secs(3601));
    assert_eq!(responder.send("POST", &format!("{path}/restore"), None).await.problem().1, "not-found", "too late");
    let audited =
        world.one("SELECT string_agg(action, ' ' ORDER BY seq) FROM audit WHERE action LIKE 'maintenance.%'").await;
    assert_eq!(
        audited,
        "maintenance.create maintenance.update maintenance.update maintenance.delete maintenance.restore maintenance.delete"
    );
}

#[tokio::test]
async fn what_begins_now_runs_at_once_and_is_ended() {
    let world = World::new().await;
    let editor = Program::of(&world, "editor").await;
    let shop = monitor(&editor, "shop").await;
    let body =
        json!({ "title": "Now", "duration_s": 3600, "scope": "monitors", "monitors": [shop], "announce_before_s": 0 });
    let made = editor.post("/maintenance", body).await;
    assert_eq!((made.status, made.text("/running/ends_at")), (201, "2026-09-21T15:13:20.000Z"));
    assert_eq!((made.at("/monitors"), made.at("/next")), (&json!([shop]), &json!([])));
    let path = format!("/maintenance/{}", made.text("/id"));
    maintenance::run(&world.pools(), world.clock.now()).await.unwrap();
    assert!(!world.one("SELECT dirty_at FROM states").await.is_empty(), "the judge looks at it");

    world.clock.advance(Duration::from_secs(60));
    let over = editor.send("POST", &format!("{path}/end"), None).await;
    assert_eq!((over.at("/running"), over.text("/last_ended_at")), (&Value::Null, "2026-09-21T14:14:20.000Z"));
    maintenance::run(&world.pools(), world.clock.now()).await.unwrap();
    let told = world.one("SELECT string_agg(kind, ' ' ORDER BY id) FROM notices").await;
    assert_eq!(told, "maintenance_began maintenance_ended");
    for deed in ["end", "skip"] {
        let refused = editor.send("POST", &format!("{path}/{deed}"), None).await;
        assert_eq!((refused.problem().0, refused.problem().1), (409, "no-maintenance"), "{deed}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_field_and_nothing_is_kept() {
    let world = World::new().await;
    let responder = Program::of(&world, "responder").await;
    for (change, field) in [
        (json!({ "title": "two\nlines" }), "title"),
        (json!({ "title": null }), "title"),
        (json!({ "zone": "Europe/Nowhere" }), "zone"),
        (json!({ "start": "2026-09-28T02:00Z" }), "start"),
        (json!({ "start": "2026-09-29T02:00", "rule": "FREQ=WEEKLY;BYDAY=MO" }), "start"),
        (json!({ "rule": "FREQ=MINUTELY" }), "rule"),
        (json!({ "rule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30" }), "rule"),
        (json!({ "duration_s": 59 }), "duration_s"),
        (json!({ "rule": "FREQ=DAILY", "duration_s": 90_000 }), "duration_s"),
        (json!({ "scope": "monitors", "monitors": [] }), "monitors"),
        (json!({ "scope": "monitors", "monitors": ["01900000-0000-7000-8000-0000000000bb"] }), "monitors"),
        (json!({ "scope": "tags", "tags": [""] }), "tags"),
        (json!({ "counts_as": "up" }), "counts_as"),
        (json!({ "announce_before_s": 9_999_999 }), "announce_before_s"),
        (json!({ "exceptions": ["tomorrow"] }), "exceptions"),
        (json!({ "tells": true }), "tells"),
    ] {
        let mut body = weekly();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let refused = responder.post("/maintenance", body).await;
        let (status, kind, fields) = refused.problem();
        assert_eq!((status, kind), (422, "invalid-body"), "{change}");
        assert!(fields.iter().all(|one| one.starts_with(field)) && !fields.is_empty(), "{change}: {fields:?}");
    }
    assert_eq!(world.one("SELECT count(*) FROM maintenances").await, "0");
    // Not the monitors of another organization either.
    world
        .sql(
            "INSERT INTO monitors (uuid, org_id, name, kind, target, spec, interval_s, timeout_ms, assigned_at_version, created_at, updated_at)
             VALUES ('01900000-0000-7000-8000-0000000000aa', 2, 'theirs', 'tcp', 'x', '{}', 60, 1000, 1, 0, 0)",
        )
        .await;
    let mut body = weekly();
    body["scope"] = json!("monitors");
    body["monitors"] = json!(["01900000-0000-7000-8000-0000000000aa"]);
    assert_eq!(responder.post("/maintenance", body).await.problem(), (422, "invalid-body", vec!["monitors"]));
    assert_eq!(world.one("SELECT count(*) FROM maintenances").await, "0");
}

#[tokio::test]
async fn an_organization_has_200_windows_at_most() {
    let world = World::new().await;
    let responder = Program::of(&world, "responder").await;
    responder.post("/maintenance", weekly()).await;
    world
        .sql(
            "INSERT INTO maintenances (uuid, org_id, title, zone, start, duration_s, scope, holds_alerts, shows_on_page, counts_as, created_by,
                 created_at, updated_at)
             SELECT gen_random_uuid(), 1, title, zone, start, duration_s, scope, holds_alerts, shows_on_page, counts_as, created_by,
                 created_at, updated_at FROM maintenances, generate_series(2, 200)",
        )
        .await;
    assert_eq!(responder.get("/maintenance").await.at("/items").as_array().unwrap().len(), 200);
    assert_eq!(responder.post("/maintenance", weekly()).await.problem(), (422, "invalid-body", vec![""]));
    assert_eq!(world.one("SELECT count(*) FROM maintenances").await, "200");
}
