//! NXDOMAIN, SERVFAIL, no record, no answer and a wrong answer: each its own failure.

use std::net::SocketAddr;
use std::time::Duration;

use picket_tests::resolver::Silence;
use picket_tests::world::World;

#[test]
fn a_dns_fault_is_told_apart() {
    let mut world = World::local();
    let names = world.resolver(&["www A 192.0.2.7".to_owned()]);
    let silent_port = 5354;
    let (place, _) = world.resolver_seat();
    let _silence = Silence::at(place, SocketAddr::from((world.target_address(), silent_port)));
    world.probe("eu");
    let server = names.address.ip().to_string();
    let add = |name: &str, label: &str, port: u16, more: &[&str]| {
        let port = port.to_string();
        let fixed = ["--record", "A", "--server", &server, "--port", &port, "--name", label];
        world.collector.monitor(name, "dns", &["eu"], &[&fixed, more].concat())
    };
    let good = add("www.shop.test", "good", 53, &["--expect", "192.0.2.7"]);
    let cases = [
        ("dns_nxdomain", add("none.shop.test", "nxdomain", 53, &[])),
        ("dns_servfail", add("www.broken.test", "servfail", 53, &[])),
        ("dns_refused", add("www.elsewhere.test", "refused", 53, &[])),
        ("dns_timeout", add("www.shop.test", "timeout", silent_port, &[])),
        ("dns_wrong_answer", add("www.shop.test", "wrong", 53, &["--expect", "192.0.2.8"])),
        ("dns_no_data", add("shop.test", "no data", 53, &[])),
    ];
    let limit = Duration::from_secs(60);
    world.collector.until(&good, "a good answer", limit, |shown| shown.is_last("up"));
    for (kind, monitor) in cases {
        let shown = world.collector.until(&monitor, kind, limit, |shown| shown.failed_as(kind).is_some());
        let outcome = shown.failed_as(kind).unwrap();
        assert_eq!(outcome["status"], "down", "{outcome:#}");
        if kind == "dns_wrong_answer" {
            assert!(outcome["answers"].to_string().contains("192.0.2.7"), "{outcome:#}");
        }
    }
}
