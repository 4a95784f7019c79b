//! A good certificate replaced by an expired one, one for another name, and a self-signed one: each its own failure,
//! with the certificate as evidence.

use std::time::Duration;

use picket_tests::world::World;

const NAME: &str = "www.shop.test";

#[test]
fn a_certificate_fault_is_told_apart() {
    let mut world = World::local();
    let _names = world.resolver(&[format!("www A {}", world.target_address())]);
    let mut shop = world.target(Some(&world.authority.good(&[NAME])), &[]);
    world.probe("eu");
    let port = world.ports().https.to_string();
    let url = format!("https://{NAME}:{port}/");
    let ca = ["--ca-file", world.authority_file()];
    let by_http = world.collector.monitor(&url, "http", &["eu"], &[&["--name", "page"], &ca[..]].concat());
    let by_tls =
        world.collector.monitor(NAME, "tls", &["eu"], &[&["--name", "handshake", "--port", &port], &ca[..]].concat());
    let both = [by_http, by_tls];
    let limit = Duration::from_secs(60);
    for monitor in &both {
        world.collector.until(monitor, "a good certificate", limit, |shown| shown.is_last("up"));
    }

    for (certificate, kind) in [
        (world.authority.expired(&[NAME]), "certificate_expired"),
        (world.authority.for_another_name(), "certificate_wrong_name"),
        (world.authority.self_signed(&[NAME]), "certificate_self_signed"),
    ] {
        shop.shows(&certificate);
        for monitor in &both {
            let shown = world.collector.until(monitor, kind, limit, |shown| shown.failed_as(kind).is_some());
            let outcome = shown.failed_as(kind).unwrap();
            assert_eq!(outcome["status"], "down", "{outcome:#}");
            assert_eq!(outcome["certificate"]["fingerprint"], certificate.fingerprint.as_str(), "{outcome:#}");
        }
    }

    shop.shows(&world.authority.good(&[NAME]));
    for monitor in &both {
        world.collector.until(monitor, "a good certificate again", limit, |shown| shown.is_last("up"));
    }
}
