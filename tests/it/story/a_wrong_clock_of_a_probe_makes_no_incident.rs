//! Four regions whose machines' clocks are five minutes and a day ahead and behind: each works as if its clock were right,
//! outcomes carry right times, a certificate that ends today is judged by the right day. Then the clocks are set right while
//! the probes run, and nothing changes.

use std::time::Duration;

use picket_shared::time::Timestamp;
use picket_tests::collector::Shown;
use picket_tests::forger::now;
use picket_tests::wait;
use picket_tests::world::World;

const REGIONS: [(&str, i64); 4] = [("eu", 300), ("us-east", -300), ("ap", 86_400), ("sa", -86_400)];

#[test]
fn a_wrong_clock_of_a_probe_makes_no_incident() {
    let names = REGIONS.map(|(region, _)| region);
    let mut world = World::with_clocks(&names, 0);
    let certificate = world.authority.good_today(&[&world.target_address().to_string()], now());
    let _shop = world.target(Some(&certificate), &[]);
    for (region, ahead) in REGIONS {
        world.place_of(region).clock().set_ahead(ahead);
    }
    world.all_probes();
    let collector = &world.collector;
    let page = collector.monitor(&world.url(), "http", &names, &["--name", "page"]);
    let address = world.target_address().to_string();
    let handshake = ["--name", "handshake", "--ca-file", world.authority_file()];
    let handshake = collector.monitor(&address, "tls", &names, &handshake);
    let all_say = |monitor: &str, status: &str| {
        collector.until(monitor, "a word from every region", Duration::from_secs(90), |shown| {
            shown.state() == "up" && names.iter().all(|region| shown.region(region)["status"] == status)
        })
    };
    all_say(&page, "up");
    // Half a day is less than the 14 days that are wanted, and more than nothing.
    all_say(&handshake, "degraded");
    wait::until("what the clocks are", Duration::from_secs(30), || {
        let listed = collector.json(&["probe", "list"]);
        let off = |region: &str| {
            let probe = listed.as_array().unwrap().iter().find(|probe| probe["region"] == region).unwrap();
            probe["report"]["clock_offset_us"].as_i64()
        };
        let right = REGIONS
            .iter()
            .all(|(region, ahead)| off(region).is_some_and(|us| (us - ahead * 1_000_000).abs() < 1_000_000));
        if right { Ok(()) } else { Err(listed) }
    });
    // As many are ahead as behind: doctor does not blame the collector.
    let (state, said) = collector.doctor("clock");
    assert!(state == "warning" && said.contains("-86") && said.contains("to +86"), "{said}");

    for (region, _) in REGIONS {
        world.place_of(region).clock().set_ahead(0);
    }
    wait::until("that doctor is content", Duration::from_secs(60), || {
        let (state, said) = collector.doctor("clock");
        if state == "pass" { Ok(()) } else { Err(said) }
    });
    let set_right = now();
    for monitor in [&page, &handshake] {
        let shown = collector.until(monitor, "checks after that", Duration::from_secs(30), |shown| {
            let later = |region: &str| shown.outcomes().iter().any(|o| o["region"] == region && at(o) > set_right);
            names.iter().all(|region| later(region))
        });
        is_right(&shown);
    }
}

fn at(outcome: &serde_json::Value) -> Timestamp {
    outcome["at"].as_str().unwrap().parse().unwrap()
}

#[track_caller]
fn is_right(shown: &Shown) {
    assert_eq!((shown.state().as_str(), shown.incidents().len()), ("up", 0), "{shown:#?}");
    assert!(shown.gaps().is_empty(), "{:#?}", shown.gaps());
    let uptime = shown.uptime();
    assert_eq!(uptime.down_us, 0, "{uptime:?}");
    for outcome in shown.outcomes() {
        assert!(outcome["status"] == "up" || outcome["status"] == "degraded", "{outcome:#}");
        let received: Timestamp = outcome["received_at"].as_str().unwrap().parse().unwrap();
        let age = received.micros_since(at(outcome));
        assert!((-100_000..20_000_000).contains(&age), "{age} us from its time to the collector's: {outcome:#}");
    }
}
