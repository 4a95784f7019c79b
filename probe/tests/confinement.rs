//! The real program, confined by the real kernel: what it must not be able to do, on any of its threads.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use picket_shared::enrolment::EnrolmentToken;
use picket_shared::ids::{CollectorId, ProbeId};
use picket_shared::secret::Secret;
use uuid::Uuid;

const PROGRAM: &str = env!("CARGO_BIN_EXE_picket-probe");

/// A token for a collector that is not there.
fn token() -> String {
    let token = EnrolmentToken {
        probe: ProbeId(Uuid::from_u128(1)),
        collector: CollectorId(Uuid::from_u128(2)),
        secret: Secret::new(vec![7; 32]),
        url: Some("http://127.0.0.1:9".to_owned()),
        pin: None,
    };
    token.to_text().expose().clone()
}

#[test]
fn doctor_finds_that_nothing_can_be_written_or_started() {
    let output = Command::new(PROGRAM).args(["doctor", "--json"]).env("PICKET_TOKEN", token()).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings: HashMap<String, (String, String)> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| {
            let text = |key: &str| finding[key].as_str().unwrap().to_owned();
            (text("name"), (text("state"), text("message")))
        })
        .collect();
    for name in ["settings", "confinement", "statelessness"] {
        assert_eq!(findings[name].0, "pass", "{name}: {}", findings[name].1);
    }
    // On a thread of the runtime that checks run on, each of these was tried and refused.
    let tried = &findings["statelessness"].1;
    for what in
        ["tokio-rt-worker", "creating a file", "opening a file for writing", "truncating a file", "starting a program"]
    {
        assert!(tried.contains(what), "{what}: {tried}");
    }
    // Nobody listens at that port: doctor says so and what to do, and its exit code tells.
    assert_eq!((findings["collector"].0.as_str(), output.status.code()), ("fail", Some(1)));
    assert!(findings["collector"].1.contains("Check that the collector runs"));
}

#[test]
fn every_thread_of_a_running_probe_is_confined_and_its_log_keeps_the_secret() {
    let mut child =
        Command::new(PROGRAM).arg("run").env("PICKET_TOKEN", token()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    // It has tried to reach the collector, so the runtime and the signal handlers are there.
    let mut log: Vec<String> = lines.by_ref().take_while(|line| !line.contains("it tries again")).collect();
    let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
    for thread in tasks {
        let status = std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        let has = |line: &str| status.lines().any(|found| found == line);
        assert!(has("Seccomp:\t2") && has("NoNewPrivs:\t1"), "{status}");
    }
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    log.extend(lines);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let has = |what: &str| log.iter().any(|line| line.contains(what));
    assert!(has("Confined by the kernel") && has("Stopped") && !has("pkt_probe_"), "{log:?}");
}

#[test]
fn settings_that_cannot_be_used_are_refused_with_the_way_out() {
    let run = |key: &str, value: &str| {
        let output = Command::new(PROGRAM).arg("run").env_clear().env(key, value).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = run("PICKET_TOKEN", "");
    assert!(code == Some(2) && said.contains("picket-collector probe add"), "{said}");
    let (code, said) = run("PICKET_TOKEN", "pkt_probe_wrong");
    assert!(code == Some(2) && said.contains("copy the whole line") && !said.contains("pkt_probe_wrong"), "{said}");
    let (code, said) = run("PICKET_PROBE_CONFIG", "/nowhere.toml");
    assert!(code == Some(2) && said.contains("/nowhere.toml"), "{said}");
}
