//! nginx stops within a window of maintenance: an incident and no message; the window ends by its time, and the outage is told
//! once. It starts again within another window, which is ended by hand: then it is told that it is up. What was announced and is
//! called off is told as that.

use std::time::Duration;

use picket_tests::forger::now;
use picket_tests::mailbox::Mailbox;
use picket_tests::wait;
use picket_tests::world::World;
use serde_json::Value;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn what_fails_in_maintenance_is_told_when_it_ends() {
    let mut world = World::local();
    let mailbox = world.mailbox();
    world.collector.trusted_channel(&["email", "oncall@example.org", "--name", "on call"]);
    let mut shop = world.target(None, &[]);
    world.probe("eu");
    let monitor = world.collector.monitor(&world.url(), "http", &["eu"], &["--name", "shop", "--tag", "disks"]);
    world.collector.until(&monitor, "the monitor up", MINUTE, |shown| shown.state() == "up");

    let made =
        world.collector.json(&["maintenance", "add", "Disks", "--for", "90s", "--tag", "disks", "--announce", "0s"]);
    assert!(made["running"].is_object() && made["scope"] == "tags", "{made:#}");
    comes(&mailbox, &["Maintenance began: Disks"]);
    shop.breaks();
    let shown = world.collector.until(&monitor, "the incident", MINUTE, |shown| shown.state() == "down");
    assert_eq!(shown.incidents().len(), 1, "{shown:#?}");
    wait::never("a message of what fails in maintenance", Duration::from_secs(15), || match mailbox.mails().len() {
        1 => Ok(()),
        more => Err(more),
    });
    // Its minutes pass.
    let ends = made["running"]["ends_at"].as_str().unwrap();
    wait::until(
        "the end of the window",
        2 * MINUTE,
        || if now() >= ends.parse().unwrap() { Ok(()) } else { Err(now()) },
    );
    comes(&mailbox, &["Maintenance began: Disks", "Maintenance over: Disks", "Down: shop"]);

    let id = world.collector.json(&["maintenance", "add", "More disks", "--for", "2h"])["id"].clone();
    let listed = world.collector.run(&["maintenance", "list"]);
    assert!(listed.contains("runs until ") && listed.contains("over"), "{listed}");
    shop.starts();
    world.collector.until(&monitor, "the monitor up again", MINUTE, |shown| shown.state() == "up");
    wait::never("a message within the second window", Duration::from_secs(10), || match mailbox.mails().len() {
        3 => Ok(()),
        more => Err(more),
    });
    let ended = world.collector.run(&["maintenance", "end", id.as_str().unwrap()]);
    assert!(ended.contains("Ended"), "{ended}");
    comes(&mailbox, &["Maintenance began: Disks", "Maintenance over: Disks", "Down: shop", "Up: shop"]);
    let shown = world.collector.show(&monitor);
    // The sums are the wall time, and the minutes of both windows are in none of up and down.
    shown.uptime();
    let maintenance = shown.0["availability"]["30d"]["maintenance_s"].as_f64();
    assert!(maintenance.is_some_and(|seconds| seconds > 90.0), "{shown:#?}");
    is_called_off_and_left_out(&world, &mailbox, id.as_str().unwrap());
}

/// After four messages; `over` is a window that is over.
fn is_called_off_and_left_out(world: &World, mailbox: &Mailbox, over: &str) {
    let tomorrow = (now() + DAY).to_string();
    let later = ["maintenance", "add", "Later", "--start", &tomorrow[..16], "--for", "1h", "--announce", "48h"];
    let later = world.collector.json(&later)["id"].clone();
    wait::until("a message that it is planned", MINUTE, || subject(mailbox, 4, "Maintenance on "));
    let shown = world.collector.run(&["maintenance", "show", later.as_str().unwrap()]);
    assert!(shown.contains("once, on ") && shown.contains("next on "), "{shown}");
    world.collector.run(&["maintenance", "remove", later.as_str().unwrap()]);
    wait::until("a message that it is called off", MINUTE, || subject(mailbox, 5, "Maintenance called off: Later"));
    let daily = [
        "maintenance",
        "add",
        "Backups",
        "--start",
        &tomorrow[..16],
        "--for",
        "1h",
        "--rule",
        "FREQ=DAILY",
        "--count-as-normal",
    ];
    let daily = world.collector.json(&daily)["id"].clone();
    let left_out = world.collector.run(&["maintenance", "skip", daily.as_str().unwrap()]);
    assert!(left_out.contains("Left out of \"Backups\""), "{left_out}");
    let (code, _, error) = world.collector.outcome(&["maintenance", "skip", over]);
    assert!(code == Some(1) && error.contains("no time of \"More disks\" is to come"), "{error}");
    let left = world.collector.json(&["maintenance", "list"]);
    assert_eq!(left.as_array().map(Vec::len), Some(3), "{left:#}");
    assert_eq!(left[0]["exceptions"][0].as_str().map(|start| &start[..16]), Some(&tomorrow[..16]), "{left:#}");
    assert!(left.as_array().unwrap().iter().all(|one| one["running"] == Value::Null));
    let (code, _, error) = world.collector.outcome(&["maintenance", "end", over]);
    assert!(code == Some(1) && error.contains("nothing of \"More disks\" runs now"), "{error}");
}

/// Waits for exactly these, in any order: what the judge tells and what the window does are told beside each other.
#[track_caller]
fn comes(mailbox: &Mailbox, subjects: &[&str]) {
    wait::until("the messages", MINUTE, || {
        let mut seen: Vec<_> = mailbox.mails().iter().map(|mail| mail.header("subject").unwrap_or_default()).collect();
        seen.sort_unstable();
        let mut wanted = subjects.to_vec();
        wanted.sort_unstable();
        let fits = seen.len() == wanted.len() && seen.iter().zip(&wanted).all(|(seen, wanted)| seen.contains(wanted));
        if fits { Ok(()) } else { Err(seen) }
    });
}

fn subject(mailbox: &Mailbox, n: usize, wanted: &str) -> Result<(), Vec<Option<String>>> {
    let mails = mailbox.mails();
    let found = mails.get(n).and_then(|mail| mail.header("subject")).is_some_and(|subject| subject.contains(wanted));
    if found && mails.len() == n + 1 { Ok(()) } else { Err(mails.iter().map(|mail| mail.header("subject")).collect()) }
}
