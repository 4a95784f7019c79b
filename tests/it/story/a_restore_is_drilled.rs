//! A restore is tried beside the collector that runs, from its archive, and what came of it is written down: that it works and how long
//! it takes, or what is wrong. Whatever becomes of it, nothing is left behind, and the collector does not notice.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use picket_tests::archive::{archived, archiving, folder};
use picket_tests::process::our_program;
use picket_tests::wait;
use picket_tests::world::World;
use serde_json::Value;

#[test]
fn a_restore_is_drilled_beside_the_collector_and_measured() {
    let world = archiving();
    recoverable(&world);
    let postmaster = world.collector.postgres().postmaster().unwrap();
    let drill = passed(&world, &["drill"]);
    let report = &drill["report"];
    assert!(report["restore_ms"].as_u64() > Some(0) && report["rows"].as_i64() > Some(10), "{report:#}");
    assert!(report["to"].as_i64().is_some(), "a second of the window: {report:#}");
    let steps: Vec<_> = report["steps"].as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap()).collect();
    for wanted in ["room", "restore", "amcheck", "collations", "beats", "audit log", "results", "rows"] {
        assert!(steps.contains(&wanted), "{wanted} is not in {steps:?}");
    }
    assert!(report["steps"].as_array().unwrap().iter().all(|step| step["state"] == "passed"), "{report:#}");
    // To the latest, all that was archived when it began must be there.
    passed(&world, &["drill", "--to-time", "latest"]);
    let listed = world.collector.json(&["drill", "list"]);
    let outcomes: Vec<_> = listed["drills"].as_array().unwrap().iter().map(|drill| &drill["outcome"]).collect();
    assert_eq!(outcomes, ["passed", "passed"], "{listed:#}");
    assert_eq!(listed["drills"][1]["id"], drill["id"]);
    assert_eq!(listed["drills"][0]["asked_by"], "command");

    // A row that was acknowledged and is in no backup, as when the archive were of another database.
    let postgres = world.collector.postgres();
    let planted = "INSERT INTO heartbeats SELECT 0, min(beat_at) - 1, min(lsn), NULL FROM heartbeats";
    postgres.run(planted).unwrap();
    let (code, drill) = world.collector.judged(&["drill"]);
    assert_eq!(code, Some(1), "{drill:#}");
    assert!(failure(&drill, "beats").contains("beat 0"), "{drill:#}");
    postgres.run("DELETE FROM heartbeats WHERE counter = 0").unwrap();

    // An index that was sorted by other rules than those of this machine.
    let collation = "CREATE TABLE sorted (word text COLLATE \"de-x-icu\" PRIMARY KEY);
                     UPDATE pg_collation SET collversion = '1.2.3' WHERE collname = 'de-x-icu'";
    postgres.run(collation).unwrap();
    archived(&postgres);
    let (code, drill) = world.collector.judged(&["drill", "--to-time", "latest"]);
    assert_eq!(code, Some(1), "{drill:#}");
    let why = failure(&drill, "collations");
    assert!(why.contains("de-x-icu 1.2.3, here") && why.contains("REINDEX"), "{why}");
    postgres.run("DROP TABLE sorted; UPDATE pg_collation SET collversion = pg_collation_actual_version(oid) WHERE collname = 'de-x-icu'").unwrap();

    // Results and entries of the log that the copy lacks are found too.
    let before = "(SELECT max(at) - 120000000 FROM audit)";
    postgres.run(&format!("ALTER TABLE audit DISABLE TRIGGER USER; UPDATE audit SET at = at - 120000000, link = sha256(link) WHERE at > {before}")).unwrap();
    let (code, drill) = world.collector.judged(&["drill"]);
    assert_eq!(code, Some(1), "{drill:#}");
    assert!(failure(&drill, "audit log").contains("another in the copy"), "{drill:#}");

    assert_eq!(postgres.postmaster(), Some(postmaster), "its own cluster was not touched");
    assert!(!scratch(&world).exists(), "nothing is left behind");
}

#[test]
fn a_drill_of_a_damaged_archive_fails_and_says_what_is_wrong() {
    let world = archiving();
    recoverable(&world);
    let system = fs::read_dir(folder(&world).join("archive")).unwrap().flatten().map(|entry| entry.path());
    let system = system.into_iter().find(|path| path.is_dir()).unwrap();
    let backup = world.collector.json(&["backup", "list"])["backups"][0]["id"].as_str().unwrap().to_owned();
    let part = system.join("base").join(backup).join("part-000000");
    let whole = fs::read(&part).unwrap();
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    fs::write(&part, &flipped).unwrap();
    let (code, drill) = world.collector.judged(&["drill"]);
    assert_eq!(code, Some(1), "{drill:#}");
    let why = failure(&drill, "restore");
    assert!(why.contains("part-000000") && why.contains("damaged"), "{why}");
    assert!(!scratch(&world).exists(), "nothing is left behind");
    fs::write(&part, &whole).unwrap();

    let wal = system.join("wal/00000001");
    let mut segments: Vec<PathBuf> = fs::read_dir(&wal).unwrap().flatten().map(|entry| entry.path()).collect();
    segments.retain(|path| path.extension().is_none());
    segments.sort();
    let missing = segments[segments.len() - 2].clone();
    let name = missing.file_name().unwrap().to_str().unwrap().to_owned();
    let content = fs::read(&missing).unwrap();
    fs::remove_file(&missing).unwrap();
    let (code, drill) = world.collector.judged(&["drill", "--to-time", "latest"]);
    assert_eq!(code, Some(1), "{drill:#}");
    let why = failure(&drill, "restore");
    assert!(why.contains("is missing") && why.contains(&name), "{why}");
    fs::write(&missing, content).unwrap();

    let listed = world.collector.json(&["drill", "list"]);
    let outcomes: Vec<_> = listed["drills"].as_array().unwrap().iter().map(|drill| &drill["outcome"]).collect();
    assert_eq!(outcomes, ["failed", "failed"], "{listed:#}");
    assert!(listed["drills"][1]["steps"].to_string().contains("damaged"), "{listed:#}");
}

#[test]
fn what_a_drill_left_that_was_killed_is_cleared_away_by_the_next() {
    let world = archiving();
    recoverable(&world);
    let mut command = world.collector.place().command(our_program("picket-collector"));
    command.arg("--config").arg(folder(&world).join("config.toml")).arg("drill").stdout(Stdio::null());
    let mut drill = command.spawn().unwrap();
    let pgdata = scratch(&world).join("data/postgres");
    wait::until("the copy that runs", Duration::from_secs(60), || {
        fs::read_to_string(pgdata.join("postmaster.pid")).map_err(|error| error.to_string())
    });
    let stat = fs::read_to_string(format!("/proc/{}/stat", drill.id())).unwrap();
    let niceness = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(16).unwrap().to_owned();
    assert_eq!(niceness, "19", "it yields to the collector");
    drill.kill().unwrap();
    drill.wait().unwrap();
    assert!(pgdata.exists());
    passed(&world, &["drill"]);
    assert!(!scratch(&world).exists(), "nothing is left behind");
    let command = format!("postgres\0-D\0{}", pgdata.display());
    let left = fs::read_dir("/proc").unwrap().flatten().filter(|entry| {
        fs::read(entry.path().join("cmdline")).is_ok_and(|found| String::from_utf8_lossy(&found).contains(&command))
    });
    assert_eq!(left.count(), 0, "no server of a copy runs on");
    let listed = world.collector.json(&["drill", "list"]);
    let outcomes: Vec<_> = listed["drills"].as_array().unwrap().iter().map(|drill| &drill["outcome"]).collect();
    assert_eq!(outcomes, ["passed", "broken_off"], "{listed:#}");
}

#[test]
fn a_recovery_kit_and_the_store_alone_are_enough() {
    let world = archiving();
    recoverable(&world);
    let keys = world.collector.keys();
    let elsewhere = tempfile::tempdir().unwrap();
    let (kit, code) = (elsewhere.path().join("kit.json"), elsewhere.path().join("code"));
    // A first start writes both; a person takes them away.
    fs::copy(keys.join("recovery-kit.json"), &kit).unwrap();
    fs::copy(keys.join("recovery-code.txt"), &code).unwrap();
    fs::remove_file(keys.join("recovery-code.txt")).unwrap();
    let readable = || {
        for path in [elsewhere.path(), kit.as_path(), code.as_path()] {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(path, mode).unwrap();
        }
    };
    readable();
    let (kit, code) = (kit.to_str().unwrap(), code.to_str().unwrap());
    let found = world.collector.doctor("recovery");
    assert!(found.0 == "warning" && found.1.contains("not recoverable") && found.1.contains("keys prove"), "{found:?}");
    world.collector.run(&["keys", "prove", kit, "--code-file", code]);

    // The key ring is away, and so is what the settings say of the archive: the kit and the store are all there is.
    let ring = keys.join("master-keys.txt");
    fs::rename(&ring, keys.join("away")).unwrap();
    assert!(world.collector.command(&["drill"]).unwrap_err().contains("key ring"));
    passed(&world, &["drill", "--kit", kit, "--code-file", code]);
    let other = elsewhere.path().join("other");
    fs::write(&other, "0000-0000-0000-0000-0000-0000-0000-0000-0000-0000").unwrap();
    readable();
    let wrong = world.collector.command(&["drill", "--kit", kit, "--code-file", other.to_str().unwrap()]);
    assert!(wrong.unwrap_err().contains("does not open"));
    // On a machine that has lost it the ring comes out of the kit, and is never put over one.
    world.collector.run(&["keys", "take", kit, "--code-file", code]);
    assert_eq!(fs::read(&ring).unwrap(), fs::read(keys.join("away")).unwrap());
    assert!(world.collector.command(&["keys", "take", kit, "--code-file", code]).is_err());

    let found = world.collector.doctor("recovery");
    assert!(found.0 == "warning" && found.1.contains("lies on this machine"), "{found:?}");
    let attested = "[archive]\nelsewhere_attested = \"A test, 2026-11-26, nowhere\"\n";
    world.collector.is_told("[archive]\n", attested);
    assert_eq!(world.collector.doctor("recovery").0, "pass");
    world.collector.postgres().run("UPDATE drills SET began_at = began_at - 91 * 86400000000 WHERE by_kit").unwrap();
    let found = world.collector.doctor("recovery");
    assert!(found.0 == "fail" && found.1.contains("90 days"), "{found:?}");
}

#[test]
fn the_collector_drills_by_itself_and_tells_what_failed() {
    let world = archiving();
    recoverable(&world);
    let postgres = world.collector.postgres();
    let ago = |hours: i64, outcome: &str| {
        format!(
            "INSERT INTO drills (began_at, ended_at, outcome, asked_by, by_kit)
             SELECT at, at, '{outcome}', 'schedule', false
             FROM (SELECT max(beat_at) - {hours} * 3600000000 AS at FROM heartbeats) x"
        )
    };
    postgres.run(&ago(25, "passed")).unwrap();
    let by_itself = |wanted: &str, count: usize| {
        wait::until("a drill of the schedule", Duration::from_secs(180), || {
            let listed = world.collector.json(&["drill", "list"]);
            let found = listed["drills"].as_array().unwrap().iter();
            let found = found
                .filter(|drill| drill["asked_by"] == "schedule" && drill["backup"].is_string() == (wanted == "passed"));
            let found = found.filter(|drill| drill["outcome"] == wanted).count();
            if found >= count { Ok(()) } else { Err((listed.to_string(), world.collector.log())) }
        });
    };
    by_itself("passed", 1);
    wait::until("the log", Duration::from_secs(20), || {
        let log = world.collector.log();
        if log.contains("The restore drill passed") { Ok(()) } else { Err(log) }
    });
    assert_eq!(world.collector.doctor("restore drill").0, "pass");
    // The base backup is gone; the next drill that is due fails, and the operator is told why.
    let system = fs::read_dir(folder(&world).join("archive")).unwrap().flatten().map(|entry| entry.path());
    let system = system.into_iter().find(|path| path.is_dir()).unwrap();
    fs::rename(system.join("base"), folder(&world).join("base-away")).unwrap();
    postgres.run("UPDATE drills SET began_at = began_at - 26 * 3600000000").unwrap();
    by_itself("failed", 1);
    wait::until("the log", Duration::from_secs(20), || {
        let log = world.collector.log();
        if log.contains("The restore drill failed") { Ok(()) } else { Err(log) }
    });
    let found = world.collector.doctor("restore drill");
    assert!(found.0 == "fail" && found.1.contains("no complete base backup"), "{found:?}");
}

#[track_caller]
fn passed(world: &World, command: &[&str]) -> Value {
    let (code, drill) = world.collector.judged(command);
    assert_eq!((code, &drill["report"]["passed"]), (Some(0), &Value::Bool(true)), "{drill:#}");
    drill
}

/// What a step says that failed.
#[track_caller]
fn failure(drill: &Value, name: &str) -> String {
    let steps = drill["report"]["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["name"] == name && step["state"] == "failed");
    assert!(step.is_some(), "{name} did not fail: {drill:#}");
    step.unwrap()["says"].as_str().unwrap().to_owned()
}

fn scratch(world: &World) -> PathBuf {
    folder(world).join("data").join(Path::new("picket-drill"))
}

/// Waits until there is a base backup, and some seconds after it that can be restored to.
fn recoverable(world: &World) {
    wait::until("a base backup and a beat after it", Duration::from_secs(120), || {
        let listed = world.collector.json(&["backup", "list"]);
        let Some(ended) = listed["backups"][0]["ended_at"].as_i64() else { return Err(world.collector.log()) };
        let query = format!("SELECT count(*) AS n FROM heartbeats WHERE safe_at > {ended} + 3000000");
        let rows = world.collector.postgres().rows(&query)?;
        if rows[0]["n"].as_i64() > Some(0) { Ok(()) } else { Err(rows[0].to_string()) }
    });
}
