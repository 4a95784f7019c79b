//! Databases of Uptime Kuma 1 and 2.

use picket_collector::import::Found;
use picket_shared::check::CheckSpec;
use serde_json::{Value, json};

use super::Kuma;

/// What Kuma knows and Picket has not, in both versions.
const KINDS: [&str; 16] = [
    "ping",
    "push",
    "docker",
    "steam",
    "gamedig",
    "mqtt",
    "sqlserver",
    "postgres",
    "mysql",
    "mongodb",
    "redis",
    "radius",
    "grpc-keyword",
    "kafka-producer",
    "real-browser",
    "tailscale-ping",
];

fn spec(found: &Found, name: &str) -> Value {
    let candidate = found.candidates.iter().find(|candidate| candidate.name == name);
    serde_json::to_value(&candidate.unwrap_or_else(|| panic!("{name} was not taken")).spec).unwrap()
}

fn lost(found: &Found, name: &str) -> Vec<String> {
    let candidate = found.candidates.iter().find(|candidate| candidate.name == name).unwrap();
    candidate.lost.iter().map(|lost| lost.field.clone()).collect()
}

fn refusal(found: &Found, name: &str) -> String {
    let refused = found.refused.iter().find(|refused| refused.name == name);
    refused.unwrap_or_else(|| panic!("{name} was not refused")).why.clone()
}

fn key(found: &Found, name: &str) -> String {
    found.candidates.iter().find(|candidate| candidate.name == name).unwrap().key.clone()
}

/// What both versions have, and what becomes of it.
fn check_what_both_have(found: &Found) {
    let names: Vec<_> = found.candidates.iter().map(|candidate| candidate.name.as_str()).collect();
    let expected = [
        "Shop front",
        "Search",
        "Search again",
        "No errors",
        "Basic",
        "In the URL",
        "Bearer header",
        "By proxy",
        "Mail",
        "Zone",
        "Reverse",
        "Same name",
        "Same name (2)",
        "[31mred line",
        "Fast",
        "Big body",
        "shop.example:443 (certificate)",
    ];
    let names: Vec<_> = names.into_iter().filter(|name| expected.contains(name)).collect();
    assert_eq!(names, expected);
    for kind in KINDS {
        assert!(refusal(found, &format!("a {kind}")).contains("near"), "{kind}");
    }
    for (name, why) in [
        ("NTLM", "NTLM"),
        ("OAuth", "OAuth 2"),
        ("mTLS", "mTLS"),
        ("Upside down", "upside down"),
        ("JSON", "no JSON query check"),
        ("Bad URL", "use http or https"),
    ] {
        assert!(refusal(found, name).contains(why), "{name}: {}", refusal(found, name));
    }
    let left: Vec<_> = found.left.iter().map(|left| (left.what.as_str(), left.count)).collect();
    let expected = [("notifications", 1), ("maintenance", 1), ("status pages", 1), ("proxies", 1), ("groups", 1)];
    assert_eq!(left, expected);
}

#[test]
fn every_monitor_of_version_1_is_taken_or_refused_with_a_reason() {
    let found = Kuma::new(1, &[]).read();
    check_what_both_have(&found);
    // The 23 + 16 rows and the oldest, less one group, and the certificates of two hosts.
    assert_eq!((found.candidates.len(), found.refused.len()), (19, 22));
}

#[test]
fn every_monitor_of_version_2_is_taken_or_refused_with_a_reason() {
    let found = Kuma::new(2, &[]).read();
    check_what_both_have(&found);
    assert_eq!((found.candidates.len(), found.refused.len()), (19, 35));
    assert!(refusal(&found, "a something-new").contains("does not know Uptime Kuma's kind"));
    assert!(refusal(&found, "TLS alert").contains("TLS alert"));
    assert_eq!(lost(&found, "Bearer"), ["domain_expiry_notification", "cache_bust", "ip_family"]);
    let dns = json!({"kind": "dns", "name": "shop.example", "record": "A", "server": "192.0.2.53",
                     "expect": ["192.0.2.1", "192.0.2.2"], "matching": "any"});
    assert_eq!(spec(&found, "One of two"), dns);
}

#[test]
fn the_same_monitor_has_the_same_key_in_both_versions() {
    let (one, two) = (Kuma::new(1, &[]).read(), Kuma::new(2, &[]).read());
    // Version 1 has one older monitor, so each number is one higher.
    assert_eq!(
        (key(&one, "Basic").as_str(), key(&two, "Basic").as_str()),
        ("kuma:7@20240101000005", "kuma:6@20240101000005")
    );
    let certificate = "shop.example:443 (certificate)";
    assert_eq!(
        (key(&one, certificate), key(&two, certificate)),
        ("kuma:certificate:shop.example:443".into(), "kuma:certificate:shop.example:443".into())
    );
}

#[test]
fn what_has_a_counterpart_is_mapped() {
    let found = Kuma::new(1, &[]).read();
    let front = json!({"kind": "http", "url": "https://shop.example/", "accept_status": ["200-299"]});
    assert_eq!(spec(&found, "Shop front"), front);
    assert_eq!(lost(&found, "Shop front"), ["maxretries", "resend_interval", "description"]);
    let tags = &found.candidates.iter().find(|candidate| candidate.name == "Shop front").unwrap().tags;
    assert_eq!(tags, &["env:prod", "web", "Shop"]);
    let certificate = json!({"kind": "tls", "host": "shop.example", "min_days_left": 30});
    assert_eq!(spec(&found, "shop.example:443 (certificate)"), certificate);
    let search = json!({"kind": "http", "url": "https://shop.example/search?q=a", "method": "POST", "body": "{\"q\": \"a\"}",
        "headers": [["X-Api-Key", "k"], ["X-Team", "shop"], ["Content-Type", "application/json"]],
        "accept_status": ["200-299", "404"], "contains": ["Results"], "max_redirects": 3});
    assert_eq!(spec(&found, "Search"), search);
    assert_eq!(lost(&found, "Search"), ["headers"]);
    let inverted = json!({"kind": "http", "url": "https://shop.example/", "accept_status": ["200-299"],
        "must_not_contain": ["Exception"], "verify": "off"});
    assert_eq!(spec(&found, "No errors"), inverted);
    assert_eq!(spec(&found, "In the URL")["url"], "https://shop.example/private");
    assert_eq!(spec(&found, "Mail"), json!({"kind": "tcp", "host": "mail.example", "port": 25}));
    assert_eq!(
        spec(&found, "Zone"),
        json!({"kind": "dns", "name": "shop.example", "record": "MX", "server": "192.0.2.53", "matching": "all"})
    );
    assert_eq!(lost(&found, "Zone"), ["dns_resolve_server"]);
    let reverse = spec(&found, "Reverse");
    assert_eq!((&reverse["name"], &reverse["port"]), (&json!("1.2.0.192.in-addr.arpa"), &json!(5353)));
    let times = |name: &str| {
        let candidate = found.candidates.iter().find(|candidate| candidate.name == name).unwrap();
        (candidate.interval_s, candidate.timeout_ms, candidate.paused)
    };
    // Two of its three monitors run.
    assert_eq!(times("shop.example:443 (certificate)"), (3600, 10_000, false));
    assert_eq!(times("Reverse"), (300, 48_000, false));
    assert_eq!(times("Shop front"), (60, 48_000, false));
    assert_eq!(times("No errors"), (60, 48_000, true));
    assert_eq!(times("By proxy"), (20, 16_000, false));
    assert_eq!(
        (times("Fast"), lost(&found, "Fast")),
        ((5, 4000, false), vec!["interval".to_owned(), "timeout".to_owned()])
    );
}

#[test]
fn a_row_that_is_older_than_a_column_has_its_default() {
    let found = Kuma::new(1, &[]).read();
    let oldest = json!({"kind": "http", "url": "https://old.example/", "accept_status": ["200-299"]});
    assert_eq!(spec(&found, "Oldest"), oldest);
    // Its timeout is the default of 0, so 0.8 of the interval, and telling of its certificate's end is on by default.
    let candidate = found.candidates.iter().find(|candidate| candidate.name == "Oldest").unwrap();
    assert_eq!(candidate.timeout_ms, 48_000);
    assert!(found.candidates.iter().any(|candidate| candidate.name == "old.example:443 (certificate)"));
}

#[test]
fn a_row_that_is_longer_than_a_page_and_texts_in_utf_16_are_read() {
    let kuma = Kuma::new(1, &["--utf16"]);
    let found = kuma.read();
    assert_eq!(spec(&found, "Big body")["body"].as_str().map(str::len), Some(20_000));
    assert_eq!(spec(&found, "Big body")["headers"][0][1], "application/x-www-form-urlencoded");
    assert_eq!(found.candidates, Kuma::new(1, &[]).read().candidates);
}

#[test]
fn what_lies_only_in_the_write_ahead_log_is_read_with_it() {
    let kuma = Kuma::new(1, &["--wal"]);
    let whole = Kuma::new(1, &[]).read().candidates;
    assert_eq!(kuma.read().candidates, whole);
    let without = Kuma { database: kuma.database.clone(), log: Vec::new() };
    assert_eq!(without.read().candidates.len(), 2);
    // A log that is damaged counts up to its last whole transaction: here there is none.
    let mut log = kuma.log.clone();
    let middle = log.len() / 2;
    log[middle] ^= 1;
    assert_eq!(Kuma { database: kuma.database, log }.read().candidates.len(), 2);
}

#[test]
fn a_thousand_monitors_on_many_pages_are_read_in_order() {
    let found = Kuma::new(2, &["--many", "3000"]).read();
    let many: Vec<_> = found.candidates.iter().filter(|candidate| candidate.name.starts_with("Many ")).collect();
    assert_eq!((many.len(), many[2999].name.as_str()), (3000, "Many 2999"));
    assert!(
        many.iter()
            .all(|candidate| matches!(&candidate.spec, CheckSpec::Http(http) if http.url.starts_with("https://many.")))
    );
}

#[test]
fn no_secret_is_in_what_prints() {
    for version in [1, 2] {
        let printed = format!("{:?}", Kuma::new(version, &[]).read());
        assert!(!printed.contains("canary"), "{printed}");
    }
}
