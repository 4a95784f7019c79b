//! The service units: accepted by systemd, confined as promised, and without a secret.
//!
//! `systemd-analyze` judges the files alone; no service manager has to run.

use std::fs;
use std::process::Command;

use picket_collector::lifecycle;
use picket_probe::pipeline::{EXIT_REVOKED, EXIT_SUPERSEDED};

use crate::tidy::root;

/// Each unit and the most exposure that it may have, in tenths.
const UNITS: &[(&str, u32)] = &[("probe", 15), ("collector", 25)];
/// What a unit may put into the environment: paths.
const ENVIRONMENT: &[&str] = &["PICKET_CONFIG", "PICKET_PROBE_CONFIG", "PICKET_TOKEN_FILE"];

fn unit(name: &str) -> String {
    fs::read_to_string(root().join(format!("systemd/{name}.service"))).unwrap()
}

/// Every value of a setting, in order.
fn values<'a>(unit: &'a str, setting: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(setting)?.strip_prefix('=')).collect()
}

/// Runs `systemd-analyze` on a unit under its installed name, with a program in it that exists.
fn analyze(name: &str, arguments: &[&str]) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(format!("picket-{name}.service"));
    fs::write(&file, unit(name).replace(&format!("/usr/local/bin/picket-{name}"), "/bin/true")).unwrap();
    // Of the package systemd, which tests/run installs.
    let output = Command::new("systemd-analyze").args(arguments).arg(&file).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn systemd_accepts_every_unit_without_a_word() {
    for (name, _) in UNITS {
        assert_eq!(analyze(name, &["verify"]), (true, String::new()), "{name}");
    }
}

#[test]
fn no_unit_is_more_exposed_than_promised() {
    for (name, most) in UNITS {
        let (good, said) = analyze(name, &["security", "--offline=true", "--no-pager", &format!("--threshold={most}")]);
        let verdict = said.lines().find(|line| line.contains("Overall exposure level")).unwrap_or(&said);
        println!("{verdict}");
        assert!(good, "{name} may have {most} tenths:\n{said}");
        assert!(said.contains("Overall exposure level"), "{name} was not judged:\n{said}");
    }
}

#[test]
fn no_unit_holds_a_secret() {
    for (name, _) in UNITS {
        let unit = unit(name);
        assert!(!unit.contains("pkt_probe_"), "{name} holds an enrolment token");
        for assignment in values(&unit, "Environment").iter().flat_map(|line| line.split_whitespace()) {
            let (key, value) = assignment.split_once('=').unwrap();
            assert!(ENVIRONMENT.contains(&key), "{name} sets {key}");
            assert!(value.starts_with(['/', '%']), "{name} sets {key} to what is no path: {value}");
        }
        for credential in values(&unit, "LoadCredential") {
            let (_, source) = credential.split_once(':').unwrap();
            assert!(source.starts_with("/etc/picket/"), "{name} loads a credential from {source}");
        }
        assert!(values(&unit, "SetCredential").iter().all(|given| given.ends_with(":#")), "{name} holds a credential");
    }
}

#[test]
fn the_collector_stops_postgresql_itself_and_its_memory_is_never_removed() {
    let unit = unit("collector");
    assert_eq!(values(&unit, "KillMode"), ["mixed"]);
    // It would remove the shared memory of a cluster that runs.
    assert!(values(&unit, "RemoveIPC").is_empty());
    let patience: u64 = values(&unit, "TimeoutStopSec")[0].parse().unwrap();
    // Tasks, pools, PostgreSQL's fast and its immediate shutdown.
    assert!(patience > lifecycle::PATIENCE.as_secs() + 5 + 60 + 10, "{patience} s");
}

#[test]
fn a_probe_that_the_collector_ended_is_not_started_again() {
    let unit = unit("probe");
    assert_eq!(values(&unit, "RestartPreventExitStatus"), [format!("{EXIT_REVOKED} {EXIT_SUPERSEDED}")]);
    assert_eq!(values(&unit, "DynamicUser"), ["yes"]);
}
