//! A table is imported while nginx stops: an incident and not a word; the release tells what is down, once. And the
//! database of an Uptime Kuma, by the same commands.

use std::process::Command;
use std::time::Duration;

use picket_tests::wait;
use picket_tests::world::World;
use serde_json::Value;

use crate::tidy::root;

#[test]
fn an_imported_monitor_tells_nobody_before_its_release() {
    let mut world = World::local();
    let mailbox = world.mailbox();
    world.collector.trusted_channel(&["email", "oncall@example.org", "--name", "on call"]);
    let mut shop = world.target(None, &[]);
    world.probe("eu");
    let table =
        world.file("monitors.csv", &format!("name,target,interval,timeout,tags\nshop,{},5s,2s,web\n", world.url()));
    let import = ["monitor", "import", &table, "--from", "csv"];

    let planned = world.collector.run(&[&import[..], &["--dry-run"]].concat());
    assert!(planned.contains("Would take 1") && planned.contains("Nothing was written"), "{planned}");
    assert_eq!(world.collector.json(&["monitor", "list"]), Value::Array(Vec::new()));
    let done = world.collector.run(&import);
    assert!(done.contains("Taken 1,") && done.contains("monitor release --tag imported-"), "{done}");
    let again = world.collector.run(&import);
    assert!(again.contains("Taken 0, changed 0, unchanged 1,"), "{again}");

    let minute = Duration::from_secs(60);
    world.collector.until("shop", "the monitor up", minute, |shown| shown.state() == "up");
    assert!(world.collector.run(&["monitor", "list"]).contains("up, muted"));
    shop.breaks();
    world.collector.until("shop", "the incident", minute, |shown| shown.state() == "down");
    wait::never("a message of a muted monitor", Duration::from_secs(10), || match mailbox.mails().len() {
        0 => Ok(()),
        more => Err(more),
    });
    let released = world.collector.run(&["monitor", "release", "--tag", "web"]);
    assert!(released.contains("Released 1"), "{released}");
    wait::until("a message of what is down", minute, || match mailbox.mails().len() {
        1 => Ok(()),
        other => Err(other),
    });
    assert!(mailbox.mails()[0].header("subject").is_some_and(|subject| subject.contains("shop")));
    takes_a_kuma(&world);
}

/// What was refused makes the exit code 1; the rest is taken all the same.
fn takes_a_kuma(world: &World) {
    let file = world.folder("kuma.db");
    let script = root().join("collector/tests/it/import/kuma.py");
    assert!(Command::new("python3").arg(script).arg("2").arg(&file).arg("--wal").status().unwrap().success());
    let file = file.to_str().unwrap();
    let import = ["monitor", "import", file, "--from", "kuma", "--tag", "kuma", "--not-eu-only"];
    let (code, printed, error) = world.collector.outcome(&import);
    assert_eq!((code, error.as_str()), (Some(1), ""), "{printed}");
    for part in ["Picket has no database check; nearest is a tcp check of port 5432", "Taken 19,", "not taken 35."] {
        assert!(printed.contains(part), "{part} is not in {printed}");
    }
    assert!(!printed.contains("canary") && !printed.contains('\u{1b}'), "{printed}");
    // Everything goes out as JSON and comes in again, elsewhere: here the names are taken.
    let list = world.file("monitors.json", &world.collector.run(&["monitor", "list", "--json"]));
    let (code, printed, _) =
        world.collector.outcome(&["monitor", "import", &list, "--from", "json", "--dry-run", "--json"]);
    let report: Value = serde_json::from_str(&printed).unwrap();
    // The table's and Kuma's have external keys, by which they are known.
    assert_eq!((code, &report["counts"]["unchanged"]), (Some(0), &Value::from(20)), "{report:#}");
    let (code, _, error) = world.collector.outcome(&["monitor", "import", &list, "--from", "kuma"]);
    assert!(code == Some(1) && error.contains("it has no id"), "{error}");
}
