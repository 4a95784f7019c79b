//! Three regions, and the own network of one is bad: it reaches neither its reference targets nor its resolver, and the
//! target just as little. What it sees fail does not count, nothing is an incident, the operator is told once, and once more
//! when it is good again.

use std::time::Duration;

use picket_tests::collector::{Collector, Shown};
use picket_tests::mailbox::Mailbox;
use picket_tests::wait;
use picket_tests::world::World;

const REGIONS: [&str; 3] = ["eu", "us-east", "ap"];

#[test]
fn a_region_with_a_bad_network_has_no_vote() {
    let mut world = World::of_regions(&REGIONS);
    let (_shop, mailbox) = (world.target(None, &[]), world.mailbox());
    let _names = world.resolver(&[format!("www A {}", world.target_address())]);
    let (resolver_place, resolver) = world.resolver_seat();
    let (resolver_place, reference) = (resolver_place.clone(), resolver.ip());
    world.references = vec![format!("tcp://{resolver}"), format!("dns:www.shop.test@{reference}")];
    world.all_probes();
    let collector = &world.collector;
    collector.run(&["channel", "add", "email", "operator@example.org", "--name", "operator"]);
    let by_address = collector.monitor(&world.url(), "http", &REGIONS, &["--name", "shop"]);
    let by_name = collector.monitor("http://www.shop.test/", "http", &REGIONS, &["--name", "named"]);
    let monitors = [&by_address, &by_name];
    for monitor in monitors {
        collector.until(monitor, "a word from every region", Duration::from_secs(60), |shown| {
            shown.state() == "up" && REGIONS.iter().all(|region| shown.region(region)["status"] == "up")
        });
    }

    let ap = world.address_of("ap");
    resolver_place.ignores(ap);
    world.target_place().ignores(ap);
    let limit = Duration::from_secs(150);
    wait::until("a word to the operator", limit, || mails(&mailbox, &[("Bad network: region ap", 1)]));
    for monitor in monitors {
        let shown = collector.until(monitor, "outcomes without a vote", Duration::from_secs(30), |shown| {
            shown.region("ap")["self_check"] == "bad"
        });
        is_undisturbed(&shown);
        assert_eq!((&shown.region("ap")["vote"], &shown.region("ap")["silent"]), (&"none".into(), &false.into()));
    }
    // By address the target cannot be reached, by name it cannot even be looked up, which is the probe's own fault.
    has_outcomes(collector, &by_address, "down");
    has_outcomes(collector, &by_name, "unmeasured");
    let listed = collector.run(&["probe", "list"]);
    assert!(listed.contains("IPv4 BAD") && listed.contains("DNS BAD"), "{listed}");
    wait::never("a second word, or an incident", Duration::from_secs(20), || {
        monitors.iter().for_each(|monitor| is_undisturbed(&collector.show(monitor)));
        mails(&mailbox, &[("Bad network: region ap", 1)])
    });

    resolver_place.answers(ap);
    world.target_place().answers(ap);
    let both = [("Bad network: region ap", 1), ("Good network: region ap", 1)];
    wait::until("a word that it is good", limit, || mails(&mailbox, &both));
    wait::never("a third word", Duration::from_secs(15), || mails(&mailbox, &both));
    for monitor in monitors {
        let shown = collector.until(monitor, "its vote", Duration::from_secs(30), |shown| {
            shown.region("ap")["vote"] == "ok" && shown.region("ap")["self_check"] == "good"
        });
        is_undisturbed(&shown);
    }
}

#[track_caller]
fn is_undisturbed(shown: &Shown) {
    assert_eq!((shown.state().as_str(), shown.incidents().len()), ("up", 0), "{shown:#?}");
    assert!(!shown.overlays().contains("regional"), "{shown:#?}");
}

#[track_caller]
fn has_outcomes(collector: &Collector, monitor: &str, status: &str) {
    let shown = collector.show(monitor);
    let seen = shown.outcomes().iter().filter(|outcome| outcome["region"] == "ap" && outcome["self_check"] == "bad");
    assert!(seen.clone().any(|outcome| outcome["status"] == status), "{:#?}", seen.collect::<Vec<_>>());
}

/// Whether exactly these subjects came, each so often.
fn mails(mailbox: &Mailbox, wanted: &[(&str, usize)]) -> Result<(), Vec<String>> {
    let subjects: Vec<_> = mailbox.mails().iter().filter_map(|mail| mail.header("subject")).collect();
    let each = wanted.iter().all(|(subject, count)| subjects.iter().filter(|s| s.contains(subject)).count() == *count);
    let all: usize = wanted.iter().map(|(_, count)| count).sum();
    if each && subjects.len() == all { Ok(()) } else { Err(subjects) }
}
