//! The clock of the collector's machine is off, or is set while the collector runs: no incident, no silence, sums that are
//! the wall time exactly, nothing left in the future, and all well again within a minute or two.

use std::time::Duration;

use picket_shared::time::Timestamp;
use picket_tests::collector::{Collector, Shown, Uptime};
use picket_tests::forger::now;
use picket_tests::mailbox::Mailbox;
use picket_tests::target::Target;
use picket_tests::wait;
use picket_tests::world::World;

const REGIONS: [&str; 3] = ["eu", "us-east", "ap"];
const DAY: i64 = 86_400;
const LIMIT: Duration = Duration::from_secs(90);
/// A difference is looked at for 20 s before it is followed.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(60);

/// A world whose collector is so many seconds ahead, with a monitor that every region sees up, and a channel.
fn started(regions: &[&str], ahead: i64) -> (World, String, Mailbox, Target) {
    let mut world = World::with_clocks(regions, ahead);
    let (shop, mailbox) = (world.target(None, &[]), world.mailbox());
    world.collector.run(&["channel", "add", "email", "operator@example.org", "--name", "operator"]);
    if regions.is_empty() {
        world.probe("eu");
    } else {
        world.all_probes();
    }
    let regions = if regions.is_empty() { &["eu"] } else { regions };
    let monitor = world.collector.monitor(&world.url(), "http", regions, &["--name", "shop"]);
    (world, monitor, mailbox, shop)
}

#[track_caller]
fn until_up(collector: &Collector, monitor: &str, regions: &[&str]) {
    collector.until(monitor, "a word from every region", LIMIT, |shown| {
        shown.state() == "up" && regions.iter().all(|region| shown.region(region)["vote"] == "ok")
    });
}

/// What must be so whatever the clocks do.
#[track_caller]
fn is_undisturbed(shown: &Shown, regions: &[&str]) -> Uptime {
    assert_eq!((shown.state().as_str(), shown.incidents().len()), ("up", 0), "{shown:#?}");
    assert!(regions.iter().all(|region| shown.region(region)["silent"] == false), "{shown:#?}");
    let uptime = shown.uptime();
    assert_eq!(uptime.down_us, 0, "{uptime:?}");
    uptime
}

/// How far the collector's time is from the right one, in seconds.
fn off(uptime: &Uptime) -> i64 {
    uptime.to.micros_since(now()) / 1_000_000
}

/// The latest time that is told of anything.
fn latest(shown: &Shown) -> Timestamp {
    fn times(value: &serde_json::Value, found: &mut Vec<Timestamp>) {
        match value {
            serde_json::Value::String(text) => found.extend(text.parse::<Timestamp>()),
            serde_json::Value::Array(items) => items.iter().for_each(|item| times(item, found)),
            serde_json::Value::Object(fields) => fields.values().for_each(|field| times(field, found)),
            _ => {}
        }
    }
    // A certificate's end would lie ahead; there is none here.
    let mut found = Vec::new();
    times(&shown.0, &mut found);
    found.into_iter().max().unwrap()
}

/// The seconds of gaps, by reason.
fn gap_seconds(shown: &Shown, reason: &str) -> i64 {
    let seconds = |gap: &serde_json::Value| {
        let time = |key: &str| gap[key].as_str().map(|text| text.parse::<Timestamp>().unwrap());
        time("to").unwrap_or_else(now).micros_since(time("from").unwrap()) / 1_000_000
    };
    shown.gaps().iter().filter(|gap| gap["reason"] == reason).map(seconds).max().unwrap_or(0)
}

#[track_caller]
fn until_off(collector: &Collector, monitor: &str, what: &str, by: i64) -> Shown {
    collector.until(monitor, what, FOLLOWED_WITHIN, |shown| (off(&shown.uptime()) - by).abs() <= 2)
}

#[track_caller]
fn until_doctor(collector: &Collector, finding: &str, state: &str, said: &str) {
    wait::until(&format!("that doctor says {said:?}"), Duration::from_secs(45), || {
        let found = collector.doctor(finding);
        if found.0 == state && found.1.contains(said) { Ok(()) } else { Err(found) }
    });
}

/// The machine's clock leaps, and no probe's does: the collector goes on in its own time.
#[test]
fn a_collector_whose_machine_is_set_wrong_goes_on_as_before() {
    let (world, monitor, mailbox, _shop) = started(&REGIONS, 0);
    let (collector, clock) = (&world.collector, world.collector_place().clock());
    until_up(collector, &monitor, &REGIONS);
    for ahead in [DAY, -300, 300, -DAY] {
        clock.set_ahead(ahead);
        until_doctor(collector, "machine clock", "fail", &format!("{ahead:+} s off"));
        wait::never("a change", Duration::from_secs(30), || {
            let uptime = is_undisturbed(&collector.show(&monitor), &REGIONS);
            if off(&uptime).abs() <= 2 { Ok(()) } else { Err(uptime) }
        });
    }
    // What is made meanwhile is made in the collector's time.
    let more = collector.monitor(&world.url(), "http", &REGIONS, &["--name", "made meanwhile"]);
    until_up(collector, &more, &REGIONS);
    clock.set_ahead(0);
    until_doctor(collector, "machine clock", "pass", "goes by it");
    for monitor in [&monitor, &more] {
        let shown = collector.show(monitor);
        let uptime = is_undisturbed(&shown, &REGIONS);
        assert!(uptime.unknown_us < 30_000_000, "{uptime:?}");
        assert!(shown.gaps().is_empty() && latest(&shown) <= now() + Duration::from_secs(2), "{shown:#?}");
    }
    assert!(mailbox.mails().is_empty(), "somebody was told");
}

/// The machine's clock is a day ahead from the start, and is set right: what was stored moves to where it belongs.
#[test]
fn a_collector_that_started_a_day_ahead_is_set_back() {
    let (world, monitor, mailbox, mut shop) = started(&REGIONS, DAY);
    let (collector, clock) = (&world.collector, world.collector_place().clock());
    until_up(collector, &monitor, &REGIONS);
    let before = is_undisturbed(&collector.show(&monitor), &REGIONS);
    assert!((off(&before) - DAY).abs() <= 2, "{before:?}");
    until_doctor(collector, "clock", "fail", "set this machine's clock");

    clock.set_ahead(0);
    let shown = until_off(collector, &monitor, "the right time", 0);
    let after = is_undisturbed(&shown, &REGIONS);
    let moved = after.from.micros_since(before.from) / 1_000_000;
    assert!((moved + DAY).abs() <= 2, "when it was made moved by {moved} s, not by a day");
    until_doctor(collector, "machine clock", "warning", "-86400 s");
    until_doctor(collector, "clock", "pass", "");
    until_up(collector, &monitor, &REGIONS);
    let shown = collector.show(&monitor);
    let uptime = is_undisturbed(&shown, &REGIONS);
    assert!(uptime.unknown_us < 60_000_000, "{uptime:?}");
    assert!(latest(&shown) <= now() + Duration::from_secs(2), "something is in the future: {shown:#?}");
    assert!(shown.outcomes().iter().all(|outcome| outcome["status"] == "up"), "{shown:#?}");
    assert!(mailbox.mails().is_empty(), "somebody was told");

    // Nobody is blind: an outage is seen, told once and timed right, and so is its end.
    let broken = now();
    shop.breaks();
    let shown = collector.until(&monitor, "an incident", LIMIT, |shown| shown.state() == "down");
    let started: Timestamp = shown.incidents()[0]["started_at"].as_str().unwrap().parse().unwrap();
    assert!(started >= broken - Duration::from_secs(1) && started <= now(), "{started} {broken}");
    shop.starts();
    let shown = collector.until(&monitor, "its end", LIMIT, |shown| shown.state() == "up");
    assert_eq!(shown.incidents().len(), 1);
    wait::until("two mails", Duration::from_secs(30), || match mailbox.mails().len() {
        2 => Ok(()),
        other => Err(other),
    });
    let uptime = shown.uptime();
    assert!(uptime.down_us > 0 && uptime.down_us < 90_000_000, "{uptime:?}");
}

/// The machine's clock is five minutes behind from the start, and is set right: five minutes are unknown, and said to be.
#[test]
fn a_collector_that_started_five_minutes_behind_is_set_forward() {
    let (world, monitor, mailbox, _shop) = started(&REGIONS, -300);
    let (collector, clock) = (&world.collector, world.collector_place().clock());
    until_up(collector, &monitor, &REGIONS);
    let before = is_undisturbed(&collector.show(&monitor), &REGIONS);
    until_doctor(collector, "clock", "fail", "set this machine's clock");

    clock.set_ahead(0);
    let shown = until_off(collector, &monitor, "the right time", 0);
    let after = shown.uptime();
    assert_eq!(after.from, before.from);
    let leapt = (after.unknown_us - before.unknown_us) / 1_000_000;
    assert!((leapt - 300).abs() <= 2, "{before:?} {after:?}");
    until_up(collector, &monitor, &REGIONS);
    let shown =
        collector.until(&monitor, "the gap", Duration::from_secs(30), |shown| gap_seconds(shown, "clock_set") > 0);
    assert!((gap_seconds(&shown, "clock_set") - 300).abs() <= 10, "{:#?}", shown.gaps());
    wait::never("a change", Duration::from_secs(30), || {
        let uptime = is_undisturbed(&collector.show(&monitor), &REGIONS);
        if uptime.unknown_us == after.unknown_us { Ok(()) } else { Err(uptime) }
    });
    for reason in ["probe_offline", "collector_down", "not_scheduled"] {
        assert!(gap_seconds(&shown, reason) <= 10, "{reason}: {:#?}", shown.gaps());
    }
    assert!(mailbox.mails().is_empty(), "somebody was told");
}

/// One machine for all, so that the only probe's clock leaps too: it is followed, and followed back; and over a restart a year
/// ahead nothing is deleted for its age.
#[test]
fn a_machine_that_leaps_with_its_probe_is_followed_and_followed_back() {
    let regions = ["eu"];
    let (mut world, monitor, _mailbox, _shop) = started(&[], 0);
    let clock = world.collector_place().clock().clone();
    until_up(&world.collector, &monitor, &regions);
    let first = world.collector.show(&monitor).outcomes().last().cloned().unwrap();
    clock.set_ahead(DAY);
    let collector = &world.collector;
    let is_off = |shown: &Shown, by: i64| (off(&shown.uptime()) - by).abs() <= 2;
    let shown = collector.until(&monitor, "tomorrow", FOLLOWED_WITHIN, |shown| is_off(shown, DAY));
    assert!((shown.uptime().unknown_us / 1_000_000 - DAY).abs() < 30, "{:?}", shown.uptime());
    until_up(collector, &monitor, &regions);
    is_undisturbed(&collector.show(&monitor), &regions);
    clock.set_ahead(0);
    collector.until(&monitor, "today", FOLLOWED_WITHIN, |shown| is_off(shown, 0));
    until_up(collector, &monitor, &regions);
    let uptime = is_undisturbed(&collector.show(&monitor), &regions);
    assert!(uptime.unknown_us < 30_000_000, "{uptime:?}");

    world.collector.stops();
    clock.set_ahead(400 * DAY);
    world.collector.starts();
    let collector = &world.collector;
    until_doctor(collector, "machine clock", "warning", "nothing is deleted for its age");
    let shown = collector.until(&monitor, "next year", FOLLOWED_WITHIN, |shown| is_off(shown, 400 * DAY));
    assert!(shown.incidents().is_empty(), "{shown:#?}");
    clock.set_ahead(0);
    collector.until(&monitor, "today", FOLLOWED_WITHIN, |shown| is_off(shown, 0));
    until_up(collector, &monitor, &regions);
    let shown = collector.show(&monitor);
    let uptime = is_undisturbed(&shown, &regions);
    assert!(uptime.unknown_us < 60_000_000, "{uptime:?}");
    assert!(latest(&shown) <= now() + Duration::from_secs(2), "something is in the future: {shown:#?}");
    assert!(shown.outcomes().iter().any(|outcome| outcome["at"] == first["at"]), "what was stored first is gone");
}
