//! A key is added to the ring while everything runs: the collector seals with it, seals again what the older one did, and tells and
//! hears as before. The older key stays while something needs it. A ring may come from a command, too.

use std::fs;
use std::time::Duration;

use picket_tests::wait;
use picket_tests::world::World;
use serde_json::Value;

fn keys(world: &World) -> Vec<Value> {
    world.collector.json(&["keys", "list"])["keys"].as_array().unwrap().clone()
}

#[test]
fn a_rotated_key_stops_nothing() {
    let mut world = World::local();
    let (receiver, hook) = world.receiver();
    let secret = world.file("webhook-secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    world.collector.trusted_channel(&["webhook", &hook, "--name", "hook", "--secret-file", &secret]);
    let _shop = world.target(None, &[]);
    world.probe("eu");
    let monitor = world.collector.monitor(&world.url(), "http", &["eu"], &[]);
    world.collector.until(&monitor, "an outcome", Duration::from_secs(30), |shown| shown.state() == "up");
    let before = keys(&world);
    assert_eq!(before.len(), 1);
    assert!(before[0]["sealed_values"].as_i64() >= Some(2), "a channel and a probe: {before:#?}");
    let old = before[0]["key"].as_str().unwrap().to_owned();
    let refused = world.collector.command(&["keys", "retire", &old]).unwrap_err();
    assert!(refused.contains("rotate first"), "{refused}");

    let new = world.collector.json(&["keys", "rotate"])["key"].as_str().unwrap().to_owned();
    let after = wait::until("everything sealed by the new key", Duration::from_secs(60), || {
        let found = keys(&world);
        if found[0]["sealed_values"] == 0 && found[1]["sealed_values"].as_i64() >= Some(2) {
            Ok(found)
        } else {
            Err(found)
        }
    });
    assert_eq!((&after[0]["key"], &after[1]["key"]), (&Value::from(old.as_str()), &Value::from(new.as_str())));
    assert_eq!((&after[0]["seals"], &after[1]["seals"]), (&false.into(), &true.into()));
    assert!(world.collector.log().contains(&format!("{new} seals")), "{}", world.collector.log());
    // It tells, with the secret of before, and hears the probe, without a restart of either.
    let calls = receiver.calls().len();
    world.collector.run(&["channel", "test", "hook"]);
    assert!(receiver.calls().len() > calls);
    let outcomes = || world.collector.postgres().rows("SELECT count(*) AS n FROM results").unwrap()[0]["n"].as_i64();
    let heard = outcomes();
    world.collector.command(&["monitor", "check", &monitor]).ok();
    wait::until("an outcome after the rotation", Duration::from_secs(90), || {
        if outcomes() > heard { Ok(()) } else { Err(outcomes()) }
    });
    assert!(world.collector.run(&["audit", "verify"]).contains("are whole"));
    assert!(world.collector.run(&["audit", "list", "--action", "keys.rotate"]).contains(&new));
    // What it signed needs it still.
    let refused = world.collector.command(&["keys", "retire", &old]).unwrap_err();
    assert!(refused.contains("signed line") && refused.contains("stays"), "{refused}");
    fs::remove_file(world.collector.keys().join("audit-anchors.ndjson")).unwrap();
    assert!(world.collector.run(&["keys", "retire", &old]).contains("nothing needed it"));
    assert_eq!(keys(&world).len(), 1);
    world.collector.stops();
    world.collector.starts();
    assert_eq!(world.collector.run(&["keys", "list"]).matches(" seals ").count(), 1);
}

#[test]
fn a_ring_may_come_from_a_command() {
    let mut world = World::local();
    world.collector.stops();
    let ring = world.collector.keys().join("master-keys.txt");
    let kept = world.file("kept-keys", &fs::read_to_string(&ring).unwrap());
    fs::remove_file(&ring).unwrap();
    let section = format!("[keys]\nfrom = \"command\"\ncommand = [\"/bin/cat\", \"{kept}\"]\n");
    world.collector.is_told("[keys]\n", &section);
    world.collector.starts();
    assert!(!ring.exists(), "the collector makes none");
    let found = world.collector.doctor("keys");
    assert!(found.0 == "pass" && found.1.contains("/bin/cat"), "{found:?}");
    let refused = world.collector.command(&["keys", "rotate"]).unwrap_err();
    assert!(refused.contains("--out"), "{refused}");
    let out = world.folder("next").join("ring.txt");
    fs::create_dir_all(out.parent().unwrap()).unwrap();
    fs::set_permissions(out.parent().unwrap(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    world.collector.run(&["keys", "rotate", "--out", out.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(&out).unwrap().lines().count(), 3, "a title and two keys");
    // A command that fails is told, and what it printed is not.
    world.collector.stops();
    world.collector.is_told("\"/bin/cat\"", "\"/bin/ls\", \"/nowhere\"");
    world.collector.begins_to_start();
    wait::until("the refusal", Duration::from_secs(60), || (!world.collector.runs()).then_some(()).ok_or(()));
    assert!(world.collector.log().contains("does not come from the command /bin/ls"), "{}", world.collector.log());
}
