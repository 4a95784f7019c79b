//! A probe of tomorrow: fields at every level, values of every enumeration, a kind of check, a version, a header and a claim
//! that the collector of today does not know. It works, and what is known of it is stored.
//!
//! And a collector of tomorrow: assignments with fields and a kind that the probe of today does not know.

use std::time::Duration;

use picket_shared::assignment::phase_us;
use picket_shared::batch::{Batch, GapReason};
use picket_shared::ids::MonitorId;
use picket_shared::outcome::{Outcome, SelfCheck, Status, Trigger};
use picket_tests::desk::{Desk, REGION};
use picket_tests::golden::Golden;
use picket_tests::net::Place;
use picket_tests::process::{Process, our_program};
use picket_tests::wait;
use picket_tests::world::World;
use serde_json::{Value, json};
use uuid::Uuid;

use super::an_old_probe_works::{OLDEST, is_same, replay};

#[test]
fn a_newer_probe_works() {
    let (world, outcomes) = replay(&Golden::load(OLDEST).of_tomorrow());
    let count = |what: &dyn Fn(&Outcome) -> bool| outcomes.iter().filter(|(_, outcome)| what(outcome)).count();
    assert!(
        count(&|outcome| outcome.status == Status::Other) > 0 && count(&|outcome| outcome.status == Status::Up) > 0
    );
    assert!(count(&|outcome| outcome.trigger == Trigger::Other) > 0);
    for (monitor, said) in &outcomes {
        let shown = world.collector.show(monitor);
        let stored = shown.outcomes().iter().find(|stored| is_same(stored, said));
        let stored = stored.unwrap_or_else(|| panic!("{said:#?} is not among {:#?}", shown.outcomes()));
        // What is known is as it was said; a status that is not known is unmeasured, any other value `other`.
        let status = if said.status == Status::Other { Status::Unmeasured } else { said.status };
        assert_eq!(stored["status"], status.as_str(), "{stored:#}");
        assert_eq!(stored["failure"]["kind"], json!(said.failure.as_ref().map(|failure| failure.kind)), "{stored:#}");
        assert_eq!(stored["phases"], json!(said.phases), "{stored:#}");
        assert_eq!(stored["certificate"], json!(said.certificate), "{stored:#}");
        if said.trigger == Trigger::Other {
            assert_eq!(stored["trigger"], "other", "{stored:#}");
        }
    }
    // A status that is not known is nobody's failure.
    for (monitor, said) in outcomes.iter().filter(|(_, outcome)| outcome.status == Status::Other) {
        assert!(said.failure.is_none());
        assert!(world.collector.show(monitor).state() != "down");
    }
    let listed = world.collector.json(&["probe", "list"]);
    assert_eq!(listed[0]["version"], "9.9.9", "{listed:#}");
}

#[test]
fn a_newer_collector_works() {
    let world = World::local();
    let _shop = world.target(None, &[]);
    let desk = Desk::recording();
    let allow = format!("[egress]\nallow = [\"{}/32\"]\n", world.target_address());
    let config = world.file("probe.toml", &allow);
    let mut command = Place::here().command(our_program("picket-probe"));
    command.arg("run").env("PICKET_TOKEN", desk.token()).env("PICKET_PROBE_CONFIG", &config);
    let mut probe = Process::start("picket-probe run", command, &world.folder("probe.log"));
    let [known, unknown] = [(); 2].map(|()| Uuid::new_v4());
    desk.assign_as(|version| {
        json!({
            "version": version, "full": true, "of_tomorrow": { "deep": [1, { "er": true }] },
            "monitors": [
                assignment(known, &json!({ "kind": "http", "url": world.url(), "of_tomorrow": [1], "shade": "blue" })),
                assignment(unknown, &json!({ "kind": "telepathy", "mind": "yours" })),
            ],
            "removed": [], "rechecks": [{ "id": Uuid::new_v4(), "monitor": known, "of_tomorrow": 7 }],
        })
    });
    let batches = || desk.requests().into_iter().filter(|request| request.path == "/probe/v1/batches");
    let read = || batches().map(|request| serde_json::from_str::<Batch>(&request.body).unwrap()).collect::<Vec<_>>();
    wait::until("outcomes of the one, missed slots of the other", Duration::from_secs(40), || {
        assert!(probe.runs(), "the probe ended: {}", probe.log());
        let batches = read();
        let outcomes: Vec<_> = batches.iter().flat_map(|batch| &batch.outcomes).collect();
        assert!(outcomes.iter().all(|outcome| outcome.monitor == MonitorId(known)), "{outcomes:#?}");
        let good = |outcome: &&&Outcome| outcome.status == Status::Up && outcome.self_check == SelfCheck::Unverified;
        let missed = batches.iter().flat_map(|batch| &batch.missed);
        let missed = missed.filter(|missed| missed.monitor == MonitorId(unknown)).collect::<Vec<_>>();
        assert!(missed.iter().all(|missed| missed.reason == GapReason::NotScheduled), "{missed:#?}");
        let enough = outcomes.iter().filter(good).count() >= 3 && missed.len() >= 2;
        if enough { Ok(()) } else { Err((outcomes.len(), missed.len())) }
    });
    probe.stop();
}

fn assignment(monitor: Uuid, check: &Value) -> Value {
    let phase_us = phase_us(MonitorId(monitor), &REGION.parse().unwrap(), Duration::from_secs(5));
    json!({
        "monitor": monitor, "version": 1, "interval_s": 5, "timeout_ms": 2000, "phase_us": phase_us, "check": check,
        "of_tomorrow": { "a": null },
    })
}
