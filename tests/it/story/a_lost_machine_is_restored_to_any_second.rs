//! The database is lost with its machine. From the archive and a copy of the key ring alone it is there again as it was at any
//! second, does nothing until it is armed, and then goes on and is archived as a timeline of its own.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use picket_shared::time::Timestamp;
use picket_tests::archive::{archived, archiving, first_backup, folder, look_at_armed, restore, text};
use picket_tests::postgres::Postgres;
use picket_tests::wait;
use serde_json::Value;

/// What is written down while it runs: a row, and a time between its commit and that of the next.
struct Written {
    row: u64,
    after: Timestamp,
}

#[test]
fn a_lost_machine_is_restored_to_any_second() {
    let mut world = archiving();
    let folder = folder(&world);
    let backup = first_backup(&world);
    let postgres = world.collector.postgres();
    postgres.run("CREATE TABLE ledger (row bigint PRIMARY KEY, note text)").unwrap();
    let mut written: Vec<Written> = (1..=4).map(|row| write(&postgres, row)).collect();
    // A second base backup, so that the first is not the only way.
    let second = world.collector.json(&["backup", "now"]);
    assert_ne!(second["id"], backup["id"]);
    written.extend((5..=8).map(|row| write(&postgres, row)));
    archived(&postgres);
    let (code, verdict) = world.collector.judged(&["backup", "verify", "--deep"]);
    assert_eq!((code, &verdict["whole"]), (Some(0), &Value::Bool(true)), "{verdict:#}");
    assert_eq!(verdict["verdict"]["backups"], 2);

    world.collector.crashes_under_systemd();
    fs::remove_dir_all(folder.join("data")).unwrap();
    for (number, moment) in [&written[0], &written[2], &written[5], &written[7]].into_iter().enumerate() {
        let into = folder.join(format!("restored-{number}"));
        let restored = restore(&world, &moment.after.exact(), &into);
        let last: i64 = restored["restored"]["last_commit"].as_i64().unwrap();
        assert!(Timestamp::from_micros(last) <= moment.after, "{restored:#}");
        let wanted = if moment.row > 4 { &second["id"] } else { &backup["id"] };
        assert_eq!(&restored["restored"]["backup"], wanted);
        assert_eq!(
            look_at_armed(&mut world, &into, rows),
            (1..=moment.row).collect::<Vec<_>>(),
            "as of row {}",
            moment.row
        );
    }
}

#[test]
fn a_restored_copy_is_inert_until_it_is_armed_and_then_archived_as_its_own_timeline() {
    let mut world = archiving();
    let folder = folder(&world);
    first_backup(&world);
    let postgres = world.collector.postgres();
    postgres.run("CREATE TABLE ledger (row bigint PRIMARY KEY, note text)").unwrap();
    let kept = write(&postgres, 1);
    write(&postgres, 2);
    archived(&postgres);
    world.collector.crashes_under_systemd();
    fs::remove_dir_all(folder.join("data")).unwrap();
    let data = folder.join("data");
    restore(&world, &kept.after.exact(), &data);
    // Nothing is restored over it, and nothing runs on it.
    let again = world.collector.command(&["restore", "--to-time", "latest", "--into", text(&data)]).unwrap_err();
    assert!(again.contains("never restored over") || again.contains("a cluster in"), "{again}");
    world.collector.begins_to_start();
    wait::until("the refusal", Duration::from_secs(60), || (!world.collector.runs()).then_some(()).ok_or(()));
    assert!(
        world.collector.log().contains("restored copy, which does nothing until it is armed"),
        "{}",
        world.collector.log()
    );
    assert!(world.collector.postgres().postmaster().is_none());

    world.collector.run(&["restore", "--arm", "--into", text(&data)]);
    world.collector.starts();
    let postgres = world.collector.postgres();
    assert_eq!(rows(&postgres), [1]);
    wait::until("a base backup of the new timeline", Duration::from_secs(60), || {
        let listed = world.collector.json(&["backup", "list"]);
        let found = listed["backups"].as_array().unwrap().iter().any(|backup| backup["timeline"] == 2);
        if found { Ok(()) } else { Err(listed) }
    });
    write(&postgres, 3);
    archived(&postgres);
    world.collector.crashes_under_systemd();
    fs::remove_dir_all(&data).unwrap();
    let restored = restore(&world, "latest", &data);
    assert_eq!(restored["restored"]["timeline"], 3);
    assert_eq!(look_at_armed(&mut world, &data, rows), [1, 3], "row 2 was committed in another future");
}

#[test]
fn one_flipped_byte_or_a_missing_object_is_never_restored() {
    let mut world = archiving();
    let folder = folder(&world);
    let backup = first_backup(&world);
    let postgres = world.collector.postgres();
    postgres.run("CREATE TABLE ledger (row bigint PRIMARY KEY, note text)").unwrap();
    let first = write(&postgres, 1);
    archived(&postgres);
    for row in 2..=4 {
        write(&postgres, row);
        archived(&postgres);
    }
    // The manifest of what was archived is written at the start of the task, so at the next start too.
    world.collector.stops();
    world.collector.starts();
    wait::until("the manifests", Duration::from_secs(30), || {
        let (_, verdict) = world.collector.judged(&["backup", "verify"]);
        if verdict["verdict"]["unlisted"].as_u64() < Some(4) { Ok(()) } else { Err(verdict) }
    });
    world.collector.crashes_under_systemd();
    fs::remove_dir_all(folder.join("data")).unwrap();

    let mut entries = fs::read_dir(folder.join("archive")).unwrap().flatten().map(|entry| entry.path());
    let system = entries.find(|path| path.is_dir()).unwrap();
    let part = system.join("base").join(backup["id"].as_str().unwrap()).join("part-000000");
    let whole = fs::read(&part).unwrap();
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    fs::write(&part, &flipped).unwrap();
    let refused = |into: &str, time: &str| {
        let into = folder.join(into);
        let error = world.collector.command(&["restore", "--to-time", time, "--into", text(&into)]).unwrap_err();
        assert!(world.collector.command(&["restore", "--arm", "--into", text(&into)]).is_err());
        error
    };
    let error = refused("one", "latest");
    assert!(error.contains("damaged"), "{error}");
    let (code, verdict) = world.collector.judged(&["backup", "verify", "--deep"]);
    assert_eq!(code, Some(1));
    assert!(verdict["verdict"]["wrong"].to_string().contains("part-000000"), "{verdict:#}");
    fs::write(&part, &whole).unwrap();

    // A segment in the middle is gone: a restore to before it works, and to after it never ends early and calls it a success.
    let wal = system.join("wal/00000001");
    let mut segments: Vec<PathBuf> = fs::read_dir(&wal).unwrap().flatten().map(|entry| entry.path()).collect();
    segments.retain(|path| path.extension().is_none());
    segments.sort();
    let last = segments.len() - 2;
    fs::remove_file(&segments[last]).unwrap();
    let error = refused("two", "latest");
    assert!(error.contains("is missing"), "{error}");
    let (code, verdict) = world.collector.judged(&["backup", "verify"]);
    assert_eq!(code, Some(1), "{verdict:#}");
    let into = folder.join("three");
    restore(&world, &first.after.exact(), &into);
    assert_eq!(look_at_armed(&mut world, &into, rows), [1]);
}

#[test]
fn an_archive_that_is_away_costs_no_wal_and_catches_up_by_itself() {
    let world = archiving();
    let folder = folder(&world);
    first_backup(&world);
    let postgres = world.collector.postgres();
    postgres.run("CREATE TABLE ledger (row bigint PRIMARY KEY, note text)").unwrap();
    let (archive, away) = (folder.join("archive"), folder.join("away"));
    fs::rename(&archive, &away).unwrap();
    for row in 1..=3 {
        write(&postgres, row);
        postgres.run("SELECT pg_switch_wal()").unwrap();
    }
    wait::until("the failures", Duration::from_secs(60), || {
        let rows = postgres.rows("SELECT failed_count FROM pg_stat_archiver").unwrap();
        if rows[0]["failed_count"].as_i64() > Some(0) { Ok(()) } else { Err(rows) }
    });
    assert!(!archive.exists(), "nothing is written where the archive is not");
    assert!(world.collector.log().contains("could not be archived, and is kept"), "{}", world.collector.log());
    let doctor = world.collector.doctor("archive");
    assert_ne!(doctor.0, "fail", "a few seconds are no alarm: {doctor:?}");
    let error = world.collector.command(&["backup", "list"]).unwrap_err();
    assert!(error.contains("mount its disk"), "{error}");
    let store = world.collector.doctor("archive store");
    assert!(store.0 == "fail" && store.1.contains("mount its disk"), "{store:?}");
    assert!(!archive.exists(), "who only looks makes no folder that would take what belongs on the disk");
    fs::rename(&away, &archive).unwrap();
    archived(&postgres);
    let waiting =
        postgres.rows("SELECT count(*) AS n FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'").unwrap();
    assert_eq!(waiting[0]["n"], 0, "{waiting:?}");
    assert_eq!(world.collector.log().matches("could not be archived, and is kept").count(), 1, "told once");
    assert!(world.collector.log().contains("WAL is archived again"), "{}", world.collector.log());
    for name in ["archive store", "archived WAL"] {
        let found = world.collector.doctor(name);
        assert_eq!(found.0, "pass", "{found:?}");
    }
    let (code, verdict) = world.collector.judged(&["backup", "verify", "--deep"]);
    assert_eq!(code, Some(0), "{verdict:#}");
}

#[test]
fn an_archive_is_begun_once_and_nobody_changes_that_of_another() {
    let mut world = archiving();
    let folder = folder(&world);
    first_backup(&world);
    world.collector.stops();
    let (archive, away) = (folder.join("archive"), folder.join("away"));
    fs::rename(&archive, &away).unwrap();
    fs::create_dir(&archive).unwrap();
    world.collector.begins_to_start();
    wait::until("the refusal", Duration::from_secs(60), || (!world.collector.runs()).then_some(()).ok_or(()));
    assert!(world.collector.log().contains("mount its disk"), "{}", world.collector.log());
    assert!(fs::read_dir(&archive).unwrap().next().is_none(), "nothing was put on the mount point");
    fs::remove_dir(&archive).unwrap();
    fs::rename(&away, &archive).unwrap();
    // Another cluster's files, and none of the own: `backup` neither adds to them nor takes them away.
    let own = fs::read_dir(&archive).unwrap().flatten().map(|entry| entry.path()).find(|path| path.is_dir()).unwrap();
    fs::rename(&own, archive.join("00000000000000000007")).unwrap();
    for command in ["now", "expire"] {
        let error = world.collector.command(&["backup", command]).unwrap_err();
        assert!(error.contains("holds nothing of this cluster"), "{error}");
    }
    fs::rename(archive.join("00000000000000000007"), &own).unwrap();
    world.collector.starts();
}

/// Commits a row, and lets a second pass before and after.
fn write(postgres: &Postgres, row: u64) -> Written {
    thread::sleep(Duration::from_millis(600));
    postgres.run(&format!("INSERT INTO ledger VALUES ({row}, repeat('x', 1000))")).unwrap();
    thread::sleep(Duration::from_millis(600));
    let after = postgres.run("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").unwrap();
    Written { row, after: Timestamp::from_micros(after.parse().unwrap()) }
}

fn rows(postgres: &Postgres) -> Vec<u64> {
    let rows = postgres.rows("SELECT row FROM ledger ORDER BY row").unwrap();
    rows.iter().map(|row| row["row"].as_u64().unwrap()).collect()
}
