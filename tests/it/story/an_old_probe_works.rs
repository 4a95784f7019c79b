//! A probe of an earlier version, as recorded (`tests/golden/README.md`), against the collector of today: every request is
//! taken, every outcome is stored as it was said, and receipts say so.
//!
//! `PICKET_RECORD=<program> PICKET_RECORD_AS=<name>` records a probe anew instead.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::Duration;

use picket_shared::assignment::{Assignment, phase_us};
use picket_shared::batch::Batch;
use picket_shared::check::{CheckSpec, DnsSpec, HttpSpec, RecordType, TcpSpec, TlsSpec};
use picket_shared::ids::MonitorId;
use picket_shared::outcome::{Outcome, Status};
use picket_tests::desk::{Desk, REGION, Recorded};
use picket_tests::forger::Answer;
use picket_tests::golden::{Golden, Replay};
use picket_tests::process::Process;
use picket_tests::wait;
use picket_tests::world::World;
use serde_json::{Value, json};
use uuid::Uuid;

/// The oldest probe that must work.
pub(super) const OLDEST: &str = "probe-v0.0.1-golden";

/// What was watched, and how a monitor of it is made today.
const WATCHED: [(&str, &[&str]); 5] = [
    ("redirected", &["http://127.0.0.1/moved", "--kind", "http"]),
    ("missing", &["http://127.0.0.1/missing", "--kind", "http"]),
    ("certificate", &["127.0.0.1", "--kind", "tls", "--port", "443"]),
    ("records", &["www.shop.test", "--kind", "dns"]),
    ("refused", &["127.0.0.1", "--kind", "tcp", "--port", "9"]),
];

#[test]
fn an_old_probe_works() {
    if let Some(program) = std::env::var_os("PICKET_RECORD") {
        let name = std::env::var("PICKET_RECORD_AS").expect("PICKET_RECORD_AS names the recording");
        return record(Path::new(&program), &name);
    }
    let golden = Golden::load(OLDEST);
    let (world, outcomes) = replay(&golden);
    assert!(outcomes.len() > 10, "a recording of {} outcomes shows little", outcomes.len());
    for (monitor, said) in outcomes {
        let shown = world.collector.show(&monitor);
        let stored = shown.outcomes().iter().find(|stored| is_same(stored, &said));
        let stored = stored.unwrap_or_else(|| panic!("{said:#?} is not among {:#?}", shown.outcomes()));
        for (key, expected) in as_shown(&said) {
            assert_eq!(stored[&key], expected, "{key} of {said:#?}, stored as {stored:#}");
        }
    }
    let listed = world.collector.json(&["probe", "list"]);
    assert_eq!(listed[0]["version"], "0.1.0", "{listed:#}");
    assert_eq!(listed[0]["report"]["monitors"], WATCHED.len(), "{listed:#}");
}

/// Sends a recording to a collector of its own; gives the outcomes that were sent, each with its monitor of today.
pub(super) fn replay(golden: &Golden) -> (World, Vec<(String, Outcome)>) {
    let world = World::local();
    let (_, token) = world.collector.add_probe("eu", &[]);
    let monitors: BTreeMap<String, String> = WATCHED
        .iter()
        .map(|(name, how)| {
            let more = [&how[3..], &["--name", name]].concat();
            ((*name).to_owned(), world.collector.monitor(how[0], how[2], &["eu"], &more))
        })
        .collect();
    let mut replay = Replay::new(golden, world.collector.address, &token, &monitors);
    let mut outcomes = Vec::new();
    for request in &golden.requests {
        let answer = replay.send(request);
        assert_eq!(answer.status, 200, "{answer:?} to {request:#?}");
        if request.path == "/probe/v1/batches" {
            let batch: Batch = serde_json::from_str(&replay.moved(&request.body)).unwrap();
            is_received(&answer, &batch);
            outcomes.extend(batch.outcomes.into_iter().map(|outcome| (outcome.monitor.0.to_string(), outcome)));
            // The same again is the same receipt.
            assert_eq!(replay.send(request).body, answer.body);
        } else {
            is_understood(&answer, request, monitors.len());
        }
    }
    (world, outcomes)
}

fn is_received(answer: &Answer, batch: &Batch) {
    assert_eq!(answer.body["accepted"], batch.outcomes.len(), "{answer:?}");
    assert!(answer.body["rejected"].as_array().is_none_or(Vec::is_empty), "{answer:?}");
}

fn is_understood(answer: &Answer, request: &Recorded, monitors: usize) {
    if request.path == "/probe/v1/hello" {
        assert_eq!(answer.body["region"], "eu", "{answer:?}");
    } else if request.path.ends_with("since=0") {
        assert_eq!(answer.body["monitors"].as_array().map(Vec::len), Some(monitors), "{answer:?}");
    }
}

pub(super) fn is_same(stored: &Value, said: &Outcome) -> bool {
    stored["at"] == format!("{:.6}", said.at) && stored["total_us"] == said.total_us
}

/// What `monitor show --json` must print of an outcome, read from what was sent.
fn as_shown(said: &Outcome) -> Vec<(String, Value)> {
    let failure = said.failure.as_ref();
    let failure = failure.map(|f| json!({ "kind": f.kind, "message": f.message, "evidence": f.evidence }));
    let shown = json!({
        "version": said.version, "trigger": said.trigger, "status": said.status, "self_check": said.self_check,
        "failure": failure, "code": said.code, "late_us": said.late_us, "phases": said.phases, "hops": said.hops,
        "address": said.address, "certificate": said.certificate, "answers": said.answers,
    });
    shown.as_object().unwrap().clone().into_iter().collect()
}

/// Lets `program` watch five targets for half a minute and keeps what it sends.
fn record(program: &Path, name: &str) {
    let world = World::local();
    let certificate = world.authority.good(&[&world.target_address().to_string()]);
    let _shop = world.target(Some(&certificate), &[("/moved", &world.url())]);
    let _names = world.resolver(&["www A 192.0.2.1".to_owned()]);
    let (_, resolver) = world.resolver_seat();
    let desk = Desk::recording();
    let config = world.file(
        "old-probe.toml",
        &format!(
            "extra_ca_file = {:?}\nresolvers = [\"{resolver}\"]\n[egress]\nallow = [\"{}/32\"]\n",
            world.authority_file(),
            world.target_address()
        ),
    );
    let watched = watched(&world);
    desk.assign(watched.iter().map(|(_, assignment)| assignment.clone()).collect());
    let mut command = std::process::Command::new(program);
    command.arg("run").env("PICKET_TOKEN", desk.token()).env("PICKET_PROBE_CONFIG", &config);
    let mut probe = Process::start("the probe that is recorded", command, &world.folder("old-probe.log"));
    wait::until("its greeting", Duration::from_secs(20), || {
        if probe.log().contains("runs in region") { Ok(()) } else { Err(probe.log()) }
    });
    thread::sleep(Duration::from_secs(22));
    probe.stop();
    let seen = desk.failure().map(|outcome| outcome.status);
    assert_eq!(seen, Some(Status::Down), "the recording must hold failures");
    let golden = Golden {
        about: format!("{name}: see tests/golden/README.md for how it was recorded"),
        monitors: watched.iter().map(|(name, assignment)| (name.clone(), assignment.monitor.0.to_string())).collect(),
        requests: desk.requests(),
    };
    golden.save(name);
    println!("recorded {} requests as tests/golden/{name}", golden.requests.len());
}

fn watched(world: &World) -> Vec<(String, Assignment)> {
    let (address, ports) = (world.target_address().to_string(), world.ports());
    let tcp = TcpSpec { host: address.clone(), port: 9 };
    let checks = [
        CheckSpec::Http(HttpSpec::get(format!("{}moved", world.url()))),
        CheckSpec::Http(HttpSpec { contains: vec!["closed".to_owned()], ..HttpSpec::get(world.url()) }),
        CheckSpec::Tls(TlsSpec::connect(&address, ports.https)),
        CheckSpec::Dns(DnsSpec::ask("www.shop.test", RecordType::A)),
        CheckSpec::Tcp(tcp),
    ];
    let region = REGION.parse().unwrap();
    let named = WATCHED.iter().map(|(name, _)| *name).zip(checks);
    named
        .map(|(name, check)| {
            let monitor = MonitorId(Uuid::new_v4());
            let phase_us = phase_us(monitor, &region, Duration::from_secs(5));
            let assignment = Assignment { monitor, version: 1, interval_s: 5, timeout_ms: 2000, phase_us, check };
            (name.to_owned(), assignment)
        })
        .collect()
}
