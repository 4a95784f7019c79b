//! Modules that the real blackbox_exporter takes, and the targets of a Prometheus.

use std::process::Command;

use picket_collector::import::{self, Found, Reading, Source, Upload};
use serde_json::{Value, json};

const MODULES: &str = include_str!("blackbox.yml");

const TARGETS: &str = r#"[
    {"targets": ["https://shop.example/", "shop.example/plain"], "labels": {"env": "prod"}},
    {"targets": ["https://shop.example/api"], "labels": {"__param_module": "http_all", "name": "The API"}},
    {"targets": ["https://shop.example/"], "labels": {"module": "http_login"}},
    {"targets": ["shop.example:22"], "labels": {"module": "ssh"}},
    {"targets": ["shop.example:993", "shop.example"], "labels": {"module": "imaps"}},
    {"targets": ["192.0.2.53", "[2001:db8::53]:5353"], "labels": {"module": "zone"}},
    {"targets": ["192.0.2.53"], "labels": {"module": "any"}},
    {"targets": ["192.0.2.1"], "labels": {"module": "icmp"}},
    {"targets": ["shop.example:50051"], "labels": {"module": "grpc"}},
    {"targets": ["https://shop.example/"], "labels": {"module": "http_mtls"}},
    {"targets": ["https://shop.example/"], "labels": {"module": "http_oauth"}},
    {"targets": ["http://shop.example/"], "labels": {"module": "http_without_tls"}},
    {"targets": ["https://shop.example/"], "labels": {"module": "gone"}}
]"#;

fn read(module: Option<&str>) -> Found {
    let files = [
        Upload { name: "blackbox.yml", bytes: MODULES.as_bytes() },
        Upload { name: "t.json", bytes: TARGETS.as_bytes() },
    ];
    let reading = Reading { module: module.map(str::to_owned), interval_s: Some(30) };
    import::read(Source::Blackbox, &files, &reading).unwrap()
}

fn by_key<'f>(found: &'f Found, key: &str) -> (&'f str, Value, Vec<&'f str>) {
    let candidate = found.candidates.iter().find(|candidate| candidate.key == format!("blackbox:{key}"));
    let candidate = candidate.unwrap_or_else(|| panic!("{key} was not taken: {:?}", found.refused));
    let lost = candidate.lost.iter().map(|lost| lost.field.as_str()).collect();
    (&candidate.name, serde_json::to_value(&candidate.spec).unwrap(), lost)
}

#[test]
fn the_real_exporter_takes_these_modules() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("blackbox.yml");
    std::fs::write(&file, MODULES).unwrap();
    let mut exporter = Command::new("prometheus-blackbox-exporter");
    let checked = exporter.arg("--config.check").arg(format!("--config.file={}", file.display())).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn each_target_is_taken_with_what_its_module_says() {
    let found = read(Some("http_2xx"));
    let (name, spec, lost) = by_key(&found, "http_2xx:https://shop.example/");
    let plain = json!({"kind": "http", "url": "https://shop.example/", "accept_status": ["200-299"]});
    assert_eq!((name, spec, lost), ("https://shop.example/ (http_2xx)", plain, vec![]));
    let (name, spec, _) = by_key(&found, "http_2xx:shop.example/plain");
    assert_eq!((name, &spec["url"]), ("shop.example/plain", &json!("http://shop.example/plain")));
    let (name, spec, lost) = by_key(&found, "http_all:https://shop.example/api");
    let all = json!({"kind": "http", "url": "https://shop.example/api", "method": "POST", "body": "{}",
        "headers": [["Content-Type", "application/json"], ["Host", "api.example"]], "accept_status": ["200", "404"],
        "contains": ["\"status\": \"ok\""], "must_not_contain": ["Exception"], "max_redirects": 0, "verify": "off", "http2": false});
    assert_eq!((name, spec), ("The API", all));
    let expected = [
        "compression",
        "fail_if_body_matches_regexp",
        "fail_if_header_not_matches",
        "preferred_ip_protocol",
        "proxy_url",
        "tls_config.min_version",
        "tls_config.server_name",
        "valid_http_versions",
    ];
    assert_eq!(
        {
            let mut lost = lost;
            lost.sort_unstable();
            lost
        },
        expected
    );
    let login = found.candidates.iter().find(|candidate| candidate.key == "blackbox:http_login:https://shop.example/");
    assert!(login.unwrap().auth.is_some() && !format!("{found:?}").contains("canary"));
    let (_, spec, lost) = by_key(&found, "ssh:shop.example:22");
    assert_eq!((spec, lost), (json!({"kind": "tcp", "host": "shop.example", "port": 22}), vec!["query_response"]));
    let (_, spec, _) = by_key(&found, "imaps:shop.example:993");
    assert_eq!(spec, json!({"kind": "tls", "host": "shop.example", "port": 993, "server_name": "imap.example"}));
    let (_, spec, lost) = by_key(&found, "zone:[2001:db8::53]:5353");
    let zone = json!({"kind": "dns", "name": "shop.example", "record": "SOA", "server": "2001:db8::53", "port": 5353, "matching": "all"});
    assert_eq!((spec, lost), (zone, vec!["transport_protocol", "validate_answer_rrs"]));
    assert_eq!((found.candidates[0].interval_s, found.candidates[0].timeout_ms), (30, 5000));
    assert_eq!(found.candidates[0].tags, ["env:prod"]);
}

#[test]
fn what_cannot_be_taken_is_named_with_its_reason() {
    let found = read(Some("http_2xx"));
    let whys: Vec<_> = found.refused.iter().map(|refused| (refused.kind.as_str(), refused.why.as_str())).collect();
    let expected = [
        ("imaps", "HOST:PORT"),
        ("any", "ANY type"),
        ("icmp", "no ping check"),
        ("grpc", "no gRPC check"),
        ("http_mtls", "mTLS"),
        ("http_oauth", "OAuth 2"),
        ("http_without_tls", "fail_if_ssl"),
        ("gone", "there is no module \"gone\""),
    ];
    assert_eq!(whys.len(), expected.len(), "{whys:?}");
    for ((kind, why), (expected, part)) in whys.iter().zip(expected) {
        assert!(*kind == expected && why.contains(part), "{kind}: {why}");
    }
    // Without a module of their own, two targets are for none.
    assert_eq!(read(None).refused.iter().filter(|refused| refused.why.contains("--module")).count(), 2);
}

#[test]
fn modules_without_targets_and_targets_without_modules_are_refused_as_a_whole() {
    let modules = Upload { name: "blackbox.yml", bytes: MODULES.as_bytes() };
    let targets = Upload { name: "t.json", bytes: TARGETS.as_bytes() };
    let error = |files: &[Upload<'_>], module: Option<&str>| {
        let reading = Reading { module: module.map(str::to_owned), interval_s: None };
        import::read(Source::Blackbox, files, &reading).unwrap_err().to_string()
    };
    assert!(error(&[modules], None).contains("--targets FILE"));
    assert!(error(&[targets, modules], None).contains("it has no modules"));
    assert!(error(&[modules, modules], None).contains("names no targets"));
    assert!(error(&[modules, targets], Some("nope")).contains("no module \"nope\""));
}
