//! A thousand monitors in one request.

use serde_json::{Value, json};

use super::Program;
use crate::common::World;

fn monitor(n: usize) -> Value {
    json!({ "external_key": format!("k{n}"), "name": format!("m{n}"), "tags": ["fleet"],
        "spec": { "kind": "http", "url": format!("https://{n}.example/") } })
}

fn thousand() -> Value {
    json!({ "monitors": (0..1000).map(monitor).collect::<Vec<_>>() })
}

#[tokio::test]
async fn a_thousand_monitors_are_made_at_once_and_then_left_alone() {
    let world = World::new().await;
    let program = Program::of(&world, "editor").await;
    let dry = program.put("/monitors?dry_run=true", thousand()).await;
    assert_eq!(dry.at("/counts"), &json!({ "created": 1000, "changed": 0, "unchanged": 0 }));
    assert_eq!(dry.at("/monitors/0/id"), &Value::Null);
    assert_eq!(world.one("SELECT count(*) FROM monitors").await, "0");
    let made = program.put("/monitors", thousand()).await;
    assert_eq!(made.at("/counts"), &json!({ "created": 1000, "changed": 0, "unchanged": 0 }));
    assert_eq!(world.one("SELECT count(*) || ' ' || count(muted_at) FROM monitors").await, "1000 0");
    assert_eq!(world.one("SELECT count(*) FROM audit WHERE action = 'monitor.add'").await, "1000");
    assert_eq!(world.one("SELECT count(*) FROM monitor_regions").await, "2000");
    assert_eq!(world.one("SELECT count(*) FROM states WHERE dirty_at IS NOT NULL").await, "1000");
    let clock = world.one("SELECT version FROM assignment_clock").await;

    let again = program.put("/monitors", thousand()).await;
    assert_eq!(again.at("/counts"), &json!({ "created": 0, "changed": 0, "unchanged": 1000 }));
    assert_eq!(again.at("/monitors/7/id"), made.at("/monitors/7/id"));
    assert_eq!(world.one("SELECT version FROM assignment_clock").await, clock, "no probe is told of anything");

    let mut some = thousand();
    some["monitors"][3]["interval_s"] = json!(30);
    some["monitors"][5] = json!({ "external_key": "new", "spec": { "kind": "tcp", "host": "new.example", "port": 1 } });
    let changed = program.put("/monitors", some).await;
    assert_eq!(changed.at("/counts"), &json!({ "created": 1, "changed": 1, "unchanged": 998 }));
    assert_eq!(changed.at("/monitors/3/changes"), &json!([{ "field": "interval_s", "from": 60, "to": 30 }]));
    assert_eq!(
        world.one("SELECT count(*) FROM monitors WHERE deleted_at IS NULL").await,
        "1001",
        "what is not named stays"
    );
}

#[tokio::test]
async fn one_that_cannot_be_keeps_all_of_them_out() {
    let world = World::new().await;
    let program = Program::of(&world, "editor").await;
    program.put("/monitors", json!({ "monitors": [monitor(1)] })).await;
    for (change, fields) in [
        (json!({ "interval_s": 1 }), vec!["monitors[1].interval_s"]),
        (json!({ "spec": { "kind": "http", "url": "x" } }), vec!["monitors[1].spec.url"]),
        (json!({ "external_key": "k2" }), vec!["monitors[1].external_key"]),
        (json!({ "name": "m2" }), vec!["monitors[1].name"]),
        (json!({ "name": "m1" }), vec!["monitors[1].name"]),
        (json!({ "colour": "red" }), vec!["monitors[1].colour"]),
    ] {
        let mut bad = monitor(3);
        bad.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = program.put("/monitors", json!({ "monitors": [monitor(2), bad] })).await;
        assert_eq!(answer.problem(), (422, "invalid-body", fields), "{change}");
    }
    let many = json!({ "monitors": (0..1001).map(monitor).collect::<Vec<_>>() });
    assert_eq!(program.put("/monitors", many).await.problem(), (422, "invalid-body", vec!["monitors"]));
    assert_eq!(program.put("/monitors", json!({ "monitors": [] })).await.status, 422);
    assert_eq!(world.one("SELECT string_agg(name, ' ') FROM monitors").await, "m1");
}

#[tokio::test]
async fn names_may_go_from_one_monitor_to_another() {
    let world = World::new().await;
    let program = Program::of(&world, "editor").await;
    program.put("/monitors", json!({ "monitors": [monitor(1), monitor(2)] })).await;
    let (mut one, mut two) = (monitor(1), monitor(2));
    (one["name"], two["name"]) = (json!("m2"), json!("m1"));
    let mut three = monitor(3);
    three["name"] = json!("m3");
    let swapped = program.put("/monitors", json!({ "monitors": [one, two, three] })).await;
    assert_eq!(swapped.at("/counts"), &json!({ "created": 1, "changed": 2, "unchanged": 0 }));
    assert_eq!(
        world.one("SELECT string_agg(external_key || name, ' ' ORDER BY external_key) FROM monitors").await,
        "k1m2 k2m1 k3m3"
    );
}
