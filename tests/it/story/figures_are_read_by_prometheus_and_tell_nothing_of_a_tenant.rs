//! `/metrics` is what Prometheus' own client library reads, has every family that docs/operations.md names, counts what
//! happened, and names no tenant, monitor or target.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use picket_tests::curl::get;
use picket_tests::forger::Forger;
use picket_tests::wait;
use picket_tests::world::World;
use serde_json::Value;

use crate::tidy::root;

/// Reads the text with Debian's python3-prometheus-client; prints families and samples as JSON.
const READ: &str = r#"
import json, sys
from prometheus_client.parser import text_string_to_metric_families as read
out = []
for family in read(sys.stdin.read()):
    samples = [[s.name, s.labels, s.value] for s in family.samples]
    out.append({"name": family.name, "type": family.type, "help": family.documentation, "samples": samples})
print(json.dumps(out))
"#;

/// Every label that may be, and whether its values are words of Picket's own.
const LABELS: [&str; 12] =
    ["version", "result", "reason", "code", "le", "channel", "probe", "region", "state", "pool", "source", "listener"];

#[test]
fn figures_are_read_by_prometheus_and_tell_nothing_of_a_tenant() {
    let world = World::local();
    let (probe, token) = world.collector.add_probe("eu", &[]);
    let forger = Forger::enrol(world.collector.address, &token);
    world.collector.monitor("http://192.0.2.1/secret-path", "http", &["eu"], &["--name", "acme-shop"]);
    let body = Forger::batch_body(Vec::new());
    let claims = forger.batch_claims(&body);
    for _ in 0..2 {
        assert_eq!(forger.send_batch(&forger.sign_batch(&claims), &body).status, 200);
    }
    assert_eq!(forger.send_batch("no token", &body).status, 401);

    let url = format!("{}/metrics", world.collector.url);
    let ask = |arguments: &[&str]| get(world.collector.place(), &url, arguments);
    // The figures of the database are read every 15 s.
    let text = wait::until("the figures of the probe", Duration::from_secs(40), || {
        let got = ask(&[]);
        if got.body.contains("picket_probe_enrolled") && got.body.contains("picket_monitors{") {
            Ok(got.body)
        } else {
            Err(got)
        }
    });
    for tenant in ["acme", "shop", "192.0.2.1", "secret", "default"] {
        assert!(!text.contains(tenant), "{tenant}: {text}");
    }
    let families = read(&text);
    check_conventions(&families);
    let value = |name: &str, labels: &[(&str, &str)]| sample(&families, name, labels);
    assert_eq!(value("picket_batches_total", &[("result", "stored")]), Some(1.0));
    assert_eq!(value("picket_batches_total", &[("result", "repeated")]), Some(1.0));
    assert_eq!(value("picket_batches_total", &[("result", "refused")]), Some(1.0));
    assert_eq!(value("picket_probe_requests_refused_total", &[("code", "bad_token")]), Some(1.0));
    assert_eq!(value("picket_intake_duration_seconds_count", &[]), Some(1.0));
    assert_eq!(value("picket_monitors", &[("state", "pending")]), Some(1.0));
    assert_eq!(value("picket_probe_enrolled", &[("probe", &probe), ("region", "eu")]), Some(1.0));
    assert!(value("picket_probe_lag_seconds", &[("probe", &probe), ("region", "eu")]).is_some_and(|lag| lag < 60.0));
    for name in
        ["picket_wal_size_bytes", "picket_database_size_bytes", "picket_data_disk_free_bytes", "process_open_fds"]
    {
        assert!(value(name, &[]).is_some_and(|bytes| bytes > 0.0), "{name}: {text}");
    }
    let documented = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    for family in families.keys() {
        let told = documented.contains(&format!("`{family}`")) || documented.contains(&format!("`{family}_total`"));
        assert!(told, "docs/operations.md does not name {family}");
    }

    // Whoever comes by way of a proxy on this machine is not this machine; and nobody else is told that there is a page.
    let refused = ask(&["--header", "X-Forwarded-For: 127.0.0.1"]);
    assert!(refused.status == 404 && !refused.body.contains("picket_"), "{refused:?}");
}

type Families = BTreeMap<String, Value>;

fn read(text: &str) -> Families {
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", READ]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "python3-prometheus-client cannot read it (or is missing): {text}");
    let families: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let count = families.len();
    let by_name: Families =
        families.into_iter().map(|family| (family["name"].as_str().unwrap().to_owned(), family)).collect();
    assert_eq!(by_name.len(), count, "a family comes twice: {text}");
    assert_eq!(text.matches("# TYPE ").count(), count, "{text}");
    assert_eq!(text.matches("# HELP ").count(), count, "{text}");
    by_name
}

/// What Prometheus asks of names, and that every label is one of ours.
fn check_conventions(families: &Families) {
    for (name, family) in families {
        let ours = name.starts_with("picket_") || name.starts_with("process_");
        assert!(ours && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        let help = family["help"].as_str().unwrap();
        assert!(help.ends_with('.') && !help.is_empty(), "{name}: {help:?}");
        for sample in family["samples"].as_array().unwrap() {
            let sampled = sample[0].as_str().unwrap();
            let is_counter = family["type"] == "counter";
            assert_eq!(is_counter, sampled.ends_with("_total"), "{name} {sampled}");
            assert!(!sampled.contains("_ms") && !sampled.contains("_kib"), "base units: {sampled}");
            for label in sample[1].as_object().unwrap().keys() {
                assert!(LABELS.contains(&label.as_str()), "{sampled} has the label {label}");
            }
        }
    }
}

fn sample(families: &Families, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let wanted: BTreeMap<&str, &str> = labels.iter().copied().collect();
    let samples = families.values().flat_map(|family| family["samples"].as_array().unwrap());
    let mut found = samples.filter(|sample| {
        let given: BTreeMap<&str, &str> =
            sample[1].as_object().unwrap().iter().map(|(key, value)| (key.as_str(), value.as_str().unwrap())).collect();
        sample[0] == name && given == wanted
    });
    found.next().and_then(|sample| sample[2].as_f64())
}
