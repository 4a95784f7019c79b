//! Both files of the certificate are replaced while the collector runs: new handshakes show the new one, the process is
//! the same, and a pair that does not fit is said once and never shown.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use picket_tests::ca::Certificate;
use picket_tests::curl::{get, shown_certificates};
use picket_tests::wait;
use picket_tests::world::World;

#[test]
fn a_renewed_certificate_is_taken_in_without_a_restart() {
    let mut world = World::of_regions(&["eu"]);
    world.probe("eu");
    let (place, url) = (world.collector.place().clone(), world.collector.url.clone());
    let address = world.collector_address().to_string();
    let pid = world.collector.pid();
    let shown = || shown_certificates(&place, &url).first().cloned().unwrap_or_default();
    // `good` writes each certificate to files of its own; the collector's are the first.
    let first = shown();
    let [chain, key] = [".pem", ".key"].map(|end| {
        let mut files = fs::read_dir(world.folder("certificates")).unwrap().map(|entry| entry.unwrap().path());
        let is_ours = |path: &std::path::PathBuf| {
            path.to_string_lossy().ends_with(end) && path.to_string_lossy().contains("good-")
        };
        files.find(is_ours).unwrap()
    });
    assert_eq!(first, fs::read_to_string(&chain).unwrap());

    let renewed = world.authority.good(&[&address]);
    let put = |from: &Certificate, key_too: bool| {
        fs::copy(&from.file, &chain).unwrap();
        if key_too {
            fs::copy(&from.key, &key).unwrap();
        }
    };
    let limit = Duration::from_secs(40);
    put(&renewed, true);
    let wanted = fs::read_to_string(&renewed.file).unwrap();
    wait::until(
        "the renewed certificate",
        limit,
        || if shown() == wanted { Ok(()) } else { Err(world.collector.log()) },
    );
    assert_eq!(world.collector.pid(), pid);
    let answer = get(&place, &format!("{url}/healthz"), &["--cacert", world.authority_file()]);
    assert_eq!(answer.status, 200, "{answer:?}");

    // A certificate without its key.
    put(&world.authority.good(&[&address]), false);
    let complaint = "cannot be used, and the certificate before it goes on to be shown";
    wait::until("a complaint", limit, || if world.collector.log().contains(complaint) { Ok(()) } else { Err(()) });
    assert_eq!(shown(), wanted);
    let found = world.collector.doctor_report();
    let certificate = found["findings"].as_array().unwrap().iter().find(|finding| finding["name"] == "certificate");
    assert_eq!(certificate.unwrap()["state"], "fail", "{found:#}");

    // What comes next is good again, and nothing was said twice.
    let last = world.authority.good(&[&address]);
    put(&last, true);
    let wanted = fs::read_to_string(&last.file).unwrap();
    wait::until("the last certificate", limit, || if shown() == wanted { Ok(()) } else { Err(world.collector.log()) });
    assert_eq!(world.collector.log().matches(complaint).count(), 1, "{}", world.collector.log());
    assert!(place.connect(SocketAddr::from((world.collector_address(), 8443))).is_ok());
    let listed = world.collector.json(&["probe", "list"]);
    assert_eq!(listed[0]["state"], "heard", "{listed:#}");
}
