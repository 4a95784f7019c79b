//! No certificate, no public URL, nothing set about listening: one command on the collector, what it prints pasted on
//! another machine, and outcomes arrive. With another authority in the collector's place none do.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use picket_tests::curl::get;
use picket_tests::probe::Probe;
use picket_tests::wait;
use picket_tests::world::World;

const BY_DEFAULT: ([u8; 4], u16) = ([127, 0, 0, 1], 8080);

#[test]
fn a_second_region_needs_only_its_token() {
    let mut world = World::of_regions_with(&["us-east"], "", SocketAddr::from(BY_DEFAULT));
    let _shop = world.target(None, &[]);
    let door = SocketAddr::from((world.collector_address(), 8443));
    let place = world.place_of("us-east").clone();
    assert!(place.connect(door).is_err(), "nothing is open before a probe elsewhere was added");

    let printed = world.collector.run(&["probe", "add", "--region", "us-east"]);
    assert!(printed.contains("It calls https://45.64.0.1:8443"), "{printed}");
    assert!(!printed.contains("Nothing answers"), "{printed}");
    let mut probe = Probe::pasted(&place, &printed, &world.folder("pasted.log"));
    let monitor = world.collector.monitor(&world.url(), "http", &["us-east"], &["--name", "shop"]);
    let limit = Duration::from_secs(60);
    world.collector.until(&monitor, "an outcome of the second region", limit, |shown| shown.is_last("up"));
    let listed = world.collector.json(&["probe", "list"]);
    assert_eq!((&listed[0]["state"], &listed[0]["region"]), (&"heard".into(), &"us-east".into()), "{listed:#}");
    let found = world.collector.doctor_report();
    let of = |name: &str| found["findings"].as_array().unwrap().iter().find(|finding| finding["name"] == name).cloned();
    for name in ["probe door", "certificate", "collector"] {
        assert_eq!(of(name).unwrap()["state"], "pass", "{found:#}");
    }

    // At the door there is the probe protocol, and nothing else.
    for (path, status) in
        [("/", 404), ("/healthz", 404), ("/metrics", 404), ("/probe/v1/keys", 401), ("/probe/v1/time", 200)]
    {
        let got = get(&place, &format!("https://{door}{path}"), &["--insecure", "--include"]);
        assert_eq!(got.status, status, "{path}: {got:?}");
        assert!(!got.body.to_ascii_lowercase().contains("strict-transport-security"), "{got:?}");
    }

    // Another start of the collector is the same collector, and opens the same door by itself.
    world.collector.stops();
    world.collector.starts();
    let before = world.collector.show(&monitor).outcomes()[0]["at"].clone();
    world.collector.until(&monitor, "outcomes after a restart", limit, |shown| shown.outcomes()[0]["at"] != before);

    // The authority is made anew, as somebody in between would have another one: the probe tells it nothing.
    world.collector.stops();
    fs::remove_file(world.collector.keys().join("own-authority.pem")).unwrap();
    world.collector.starts();
    wait::until("the probe's complaint", limit, || {
        let log = probe.log();
        if log.contains("does not show the certificate that the token") { Ok(()) } else { Err(log) }
    });
    let ago = |seconds: &serde_json::Value| seconds.as_u64().unwrap();
    let first = ago(&world.collector.json(&["probe", "list"])[0]["batch_seconds_ago"]);
    wait::never("a batch came", Duration::from_secs(12), || {
        let now = ago(&world.collector.json(&["probe", "list"])[0]["batch_seconds_ago"]);
        if now < first { Err(now) } else { Ok(()) }
    });
    probe.stops();
}
