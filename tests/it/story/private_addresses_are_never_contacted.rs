//! A monitor whose name resolves to a private address, redirects there, or rebinds between two look-ups: unmeasured,
//! `blocked_by_policy`, and no connection ever reaches a canary that listens there.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use picket_tests::canary::Canary;
use picket_tests::resolver::{ChangingResolver, Rebinding};
use picket_tests::wait;
use picket_tests::world::World;

/// Where no check may go; each is an address of the probe's own place, where the canary listens.
const PRIVATE: [&str; 4] = ["127.0.0.1", "169.254.169.254", "10.0.0.1", "::1"];

#[test]
fn private_addresses_are_never_contacted() {
    let mut world = World::of_regions(&["eu"]);
    let place = world.place_of("eu").clone();
    place.also_has("169.254.169.254/32");
    place.also_has("10.0.0.1/32");
    let ports = [80, 443];
    let traps: Vec<SocketAddr> =
        PRIVATE.iter().flat_map(|address| ports.map(|port| SocketAddr::new(address.parse().unwrap(), port))).collect();
    let canary = Canary::listen(&place, &traps);

    let public = IpAddr::from(world.target_address());
    let (resolver_place, resolver_address) = world.resolver_seat();
    let names = ChangingResolver::start(resolver_place, resolver_address, names(public));
    let shop = world.target(
        None,
        &[
            ("/to-loopback", "http://127.0.0.1/"),
            ("/to-metadata", "http://169.254.169.254/latest/meta-data/"),
            ("/to-mapped", "http://[::ffff:10.0.0.1]/"),
            ("/to-name", "http://loopback.test/"),
            ("/to-number", "http://2130706433/"),
        ],
    );
    world.probe("eu");
    let add = |url: &str| world.collector.monitor(url, "http", &["eu"], &["--name", url]);
    let good = add("http://shop.test/");
    let blocked: Vec<String> = [
        "http://loopback.test/",
        "https://loopback.test/",
        "http://metadata.test/",
        "http://mapped.test/",
        "http://six.test/",
        "http://shop.test/to-loopback",
        "http://shop.test/to-metadata",
        "http://shop.test/to-mapped",
        "http://shop.test/to-name",
        "http://shop.test/to-number",
    ]
    .map(add)
    .into();
    let rebinding = add("http://rebind.test/");
    let by_tcp = world.collector.monitor("metadata.test", "tcp", &["eu"], &["--port", "80", "--name", "tcp"]);
    let by_tls = world.collector.monitor("loopback.test", "tls", &["eu"], &["--port", "443", "--name", "tls"]);
    let by_dns = world.collector.monitor("a.test", "dns", &["eu"], &["--server", "metadata.test", "--name", "dns"]);

    let limit = Duration::from_secs(60);
    world.collector.until(&good, "a good outcome", limit, |shown| shown.is_last("up"));
    for monitor in blocked.iter().chain([&rebinding, &by_tcp, &by_tls, &by_dns]) {
        let shown =
            world.collector.until(monitor, "a block", limit, |shown| shown.failed_as("blocked_by_policy").is_some());
        let outcome = shown.failed_as("blocked_by_policy").unwrap();
        assert_eq!(outcome["status"], "unmeasured", "{outcome:#}");
        assert!(shown.incidents().is_empty(), "{shown:#?}");
    }
    // Some more rounds, so that the rebinding name is asked at every turn.
    wait::never(
        "a connection",
        Duration::from_secs(12),
        || if canary.hits() == 0 { Ok(()) } else { Err(canary.hits()) },
    );
    assert!(shop.requests() > 0 && names.asked() > 20, "{} requests, {} questions", shop.requests(), names.asked());
}

fn names(public: IpAddr) -> Vec<Rebinding> {
    let name = |name: &str, answers: &[&[IpAddr]]| Rebinding {
        name: name.to_owned(),
        answers: answers.iter().map(|addresses| addresses.to_vec()).collect(),
    };
    let [loopback, metadata, mapped, six]: [IpAddr; 4] =
        ["127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "::1"].map(|text| text.parse().unwrap());
    vec![
        name("shop.test", &[&[public]]),
        name("loopback.test", &[&[loopback]]),
        name("metadata.test", &[&[metadata]]),
        name("mapped.test", &[&[mapped]]),
        name("six.test", &[&[six]]),
        name("rebind.test", &[&[public], &[loopback]]),
    ]
}
