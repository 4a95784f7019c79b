//! PostgreSQL comes to its next major version by one command. It ends only when a base backup of the new cluster was verified; until then,
//! wherever it is killed, the old cluster or the new one is the database, and the command ends well when it is run again. What was before
//! is restored by the PostgreSQL of before, which is named where it is missing.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use picket_shared::time::Timestamp;
use picket_tests::archive::{archived, archiving, first_backup, folder, restore, text};
use picket_tests::newer;
use picket_tests::postgres::Postgres;
use picket_tests::process::our_program;
use picket_tests::wait;
use picket_tests::world::World;
use serde_json::Value;

#[test]
fn a_major_upgrade_ends_with_a_verified_backup() {
    let mut world = archiving();
    let newer = newer::programs(&folder(&world));
    first_backup(&world);
    let old_path = paths(&world)[0]["system"].as_str().unwrap().to_owned();
    let postgres = world.collector.postgres();
    postgres.run("CREATE TABLE ledger (row bigint PRIMARY KEY, note text)").unwrap();
    let (probe, _) = world.collector.add_probe("eu", &[]);
    let first = write(&postgres, 1);
    write(&postgres, 2);
    let refused = world.collector.command(&upgrade(&newer, &[])).unwrap_err();
    assert!(refused.contains("stop it first"), "{refused}");
    assert!(world.collector.run(&["database", "upgrade"]).contains("Nothing to do"));
    world.collector.stops();

    let looked = world.collector.json(&upgrade(&newer, &["--dry-run"]));
    assert_eq!(
        (&looked["from"], &looked["to"], &looked["done"]),
        (&15.into(), &16.into(), &false.into()),
        "{looked:#}"
    );
    assert_eq!(major(&data(&world).join("postgres")), "15");
    assert!(left_over(&world).is_empty(), "{:?}", left_over(&world));
    let wrong = world.collector.command(&upgrade(&newer, &["--to", "17"])).unwrap_err();
    assert!(wrong.contains("are of PostgreSQL 16, not of 17"), "{wrong}");

    let done = world.collector.json(&upgrade(&newer, &[]));
    assert_eq!(done["to"], newer::MAJOR, "{done:#}");
    assert!(done["rows"].as_i64() > Some(10), "{done:#}");
    assert_eq!(major(&data(&world).join("postgres")), "16");
    assert_eq!(major(&data(&world).join("postgres-15")), "15");
    assert_eq!(left_over(&world), ["postgres-15"]);
    // Without the programs of the new version the collector says what it needs.
    let missing = world.collector.command(&["migrate"]).unwrap_err();
    assert!(missing.contains("apt-get install postgresql-16"), "{missing}");
    names_newer(&world, &newer);
    world.collector.starts();
    let postgres = world.collector.postgres();
    assert!(postgres.run("SHOW server_version").unwrap().starts_with("16"));
    assert_eq!(rows(&postgres), [1, 2]);
    let third = write(&postgres, 3);
    archived(&postgres);
    let (code, verdict) = world.collector.judged(&["backup", "verify", "--deep"]);
    assert_eq!(code, Some(0), "{verdict:#}");
    let found = paths(&world);
    let majors: Vec<_> = found.iter().map(|path| path["major"].as_u64().unwrap()).collect();
    assert_eq!(
        (majors.as_slice(), &found[1]["follows"]["system"]),
        ([15, 16].as_slice(), &Value::from(old_path.as_str()))
    );
    assert_eq!(found[1]["backups"][0]["id"], done["backup"]["id"], "the one of the upgrade, and no other was taken");
    let listed = world.collector.run(&["audit", "list", "--action", "database.upgrade"]);
    assert!(listed.contains("database.upgrade"), "{listed}");
    let log = world.collector.log();
    assert!(!log.contains("has not ended"), "{log}");

    // After it a probe is revoked; the ledger is in the new path alone.
    world.collector.run(&["probe", "revoke", &probe]);
    let new_path = found[1]["system"].as_str().unwrap().to_owned();
    wait::until("what ended in the archive", Duration::from_secs(90), || {
        let copies = fs::read_dir(folder(&world).join("archive").join(&new_path).join("ended"));
        let ledger = world.collector.keys().join("ended.ledger");
        let lines = fs::read_to_string(ledger).unwrap_or_default();
        if copies.is_ok() && lines.contains("\"kind\":\"probe\"") { Ok(()) } else { Err(lines) }
    });
    thread::sleep(Duration::from_secs(12));
    world.collector.crashes_under_systemd();
    is_restored_to_before_and_after(&mut world, (&first, &third), (&old_path, &new_path), &done);
}

/// From the store and the key ring alone.
fn is_restored_to_before_and_after(
    world: &mut World,
    (first, third): (&Timestamp, &Timestamp),
    (old_path, new_path): (&str, &str),
    done: &Value,
) {
    fs::remove_dir_all(data(world)).unwrap();
    fs::remove_file(world.collector.keys().join("ended.ledger")).unwrap();
    let (one, other) = (folder(world).join("before"), folder(world).join("after"));
    // Only the newer PostgreSQL is here: the one that is needed is named.
    let refused = without_the_older(world, &["restore", "--to-time", &first.exact(), "--into", text(&one)]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success(), "{refused:?}");
    for part in ["before the upgrade from PostgreSQL 15 to 16", "apt-get install postgresql-15"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    let restored =
        without_the_older(world, &["restore", "--to-time", &third.exact(), "--into", text(&other), "--json"]);
    assert!(restored.status.success(), "{restored:?}");
    let restored: Value = serde_json::from_slice(&restored.stdout).unwrap();
    assert_eq!(restored["restored"]["system"], new_path);
    let between = Timestamp::from_micros(done["backup"]["ended_at"].as_i64().unwrap() - 1000).exact();
    let gap = folder(world).join("between");
    let why = world.collector.command(&["restore", "--to-time", &between, "--into", text(&gap)]).unwrap_err();
    assert!(
        why.contains("since the upgrade to PostgreSQL 16") && why.contains(&format!("--system {old_path}")),
        "{why}"
    );

    let restored = restore(world, &first.exact(), &one);
    assert_eq!(restored["restored"]["system"], old_path);
    assert_eq!(major(&one.join("postgres")), "15");
    let armed = world.collector.json(&["restore", "--arm", "--into", text(&one)]);
    assert_eq!(armed["ended"]["probes"], 1, "what ended after the upgrade ends in a copy of before it: {armed:#}");
    world.collector.lives_in(&one);
    let directory = format!("directory = \"{}\"\n", folder(world).join("archive").display());
    world.collector.is_told(&directory, "");
    world.collector.starts();
    assert_eq!(rows(&world.collector.postgres()), [1]);
}

#[test]
fn wherever_an_upgrade_is_killed_one_cluster_is_the_database_and_the_next_run_ends_well() {
    let mut world = archiving();
    let newer = newer::programs(&folder(&world));
    first_backup(&world);
    let postgres = world.collector.postgres();
    postgres.run("CREATE TABLE ledger (row bigint PRIMARY KEY, note text)").unwrap();
    write(&postgres, 1);
    world.collector.stops();

    killed(&world, &newer, "Making a cluster", Duration::from_millis(300));
    let warned = world.collector.doctor("upgrade");
    assert!(warned.0 == "warning" && warned.1.contains("broke off"), "{warned:?}");
    world.collector.starts();
    write(&postgres, 2);
    assert!(left_over(&world).is_empty(), "{:?}", left_over(&world));
    world.collector.stops();

    // Who is asked to stop clears up first.
    let asked = broken_off(&world, &newer, "Copying", Duration::from_millis(1200), Signal::SIGTERM);
    assert_eq!((asked, left_over(&world)), (Some(1), Vec::new()));
    assert_eq!(servers(&world), 0);
    // pg_upgrade and its servers run on, and the next run ends them.
    killed(&world, &newer, "Copying", Duration::from_millis(1200));
    assert_eq!(major(&data(&world).join("postgres")), "15");
    killed(&world, &newer, "The new cluster is the database", Duration::ZERO);
    assert_eq!((major(&data(&world).join("postgres")), left_over(&world)), ("16".to_owned(), open_and_kept()));
    // As after a crash between the two moves.
    let state = data(&world).join("upgrade.json");
    let noted = fs::read_to_string(&state).unwrap();
    assert!(noted.contains("\"unproven\""), "{noted}");
    fs::create_dir_all(data(&world).join("upgrade")).unwrap();
    fs::rename(data(&world).join("postgres"), data(&world).join("upgrade/new")).unwrap();
    fs::write(&state, noted.replace("\"unproven\"", "\"switching\"")).unwrap();
    for folder in [data(&world).join("upgrade"), state] {
        assert!(Command::new("chown").arg("picket:picket").arg(folder).status().unwrap().success());
    }
    names_newer(&world, &newer);
    world.collector.starts();
    let postgres = world.collector.postgres();
    assert_eq!(rows(&postgres), [1, 2]);
    assert!(
        world.collector.log().contains("the upgrade from PostgreSQL 15 to 16 has not ended"),
        "{}",
        world.collector.log()
    );
    let open = world.collector.doctor("upgrade");
    assert!(open.0 == "fail" && open.1.contains("no verified base backup"), "{open:?}");
    let (_, posture) = world.collector.judged(&["posture"]);
    let found = posture.to_string();
    assert!(found.contains("no verified base backup of it is known since"), "{posture:#}");
    write(&postgres, 3);
    world.collector.stops();

    // The store is away: it has not ended, and says so.
    let (archive, away) = (folder(&world).join("archive"), folder(&world).join("away"));
    fs::rename(&archive, &away).unwrap();
    let failed = world.collector.command(&upgrade(&newer, &[])).unwrap_err();
    assert!(failed.contains("has not ended") && failed.contains("mount its disk"), "{failed}");
    assert!(!archive.exists(), "nothing is put where the archive is not");
    fs::rename(&away, &archive).unwrap();
    killed(&world, &newer, "Opening every object", Duration::from_millis(100));
    assert_eq!(left_over(&world), open_and_kept());
    world.collector.starts();
    // The collector may run meanwhile.
    let done = world.collector.json(&upgrade(&newer, &[]));
    assert_eq!((&done["from"], &done["to"], &done["done"]), (&15.into(), &16.into(), &true.into()), "{done:#}");
    assert_eq!(left_over(&world), ["postgres-15"]);
    assert_eq!(rows(&world.collector.postgres()), [1, 2, 3]);
    let removed = world.collector.run(&["database", "upgrade", "--remove-old"]);
    assert!(removed.contains("Nothing to do") && removed.contains("Removed"), "{removed}");
    assert!(left_over(&world).is_empty());
}

#[test]
fn without_an_archive_an_upgrade_asks_for_a_word_and_what_others_run_they_upgrade() {
    let mut world = World::local();
    let newer = newer::programs(&folder(&world));
    let postgres = world.collector.postgres();
    postgres.run("CREATE TABLE ledger (row bigint PRIMARY KEY, note text)").unwrap();
    write(&postgres, 1);
    world.collector.stops();
    let refused = world.collector.command(&upgrade(&newer, &[])).unwrap_err();
    assert!(refused.contains("--without-archive"), "{refused}");
    assert_eq!(major(&data(&world).join("postgres")), "15");
    let said = world.collector.run(&upgrade(&newer, &["--without-archive", "--remove-old"]));
    assert!(said.contains("Done: the database is of PostgreSQL 16") && said.contains("binaries_dir"), "{said}");
    assert!(left_over(&world).is_empty(), "{:?}", left_over(&world));
    names_newer(&world, &newer);
    world.collector.starts();
    assert_eq!(rows(&world.collector.postgres()), [1]);
    world
        .collector
        .is_told("mode = \"managed\"\n", "mode = \"external\"\nurl = \"postgres://picket@127.0.0.1:1/picket\"\n");
    let refused = world.collector.command(&["database", "upgrade"]).unwrap_err();
    assert!(refused.contains("whoever runs the database upgrades it"), "{refused}");
    world
        .collector
        .is_told("mode = \"external\"\nurl = \"postgres://picket@127.0.0.1:1/picket\"\n", "mode = \"managed\"\n");
}

fn upgrade<'a>(newer: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    [&["database", "upgrade", "--binaries-dir", text(newer)], more].concat()
}

/// From now on the settings name the newer programs.
fn names_newer(world: &World, newer: &Path) {
    let line = format!("[database]\nbinaries_dir = \"{}\"\n", newer.display());
    world.collector.is_told("[database]\n", &line);
}

/// Runs an upgrade and kills it so long after it said that it does this.
#[track_caller]
fn killed(world: &World, newer: &Path, step: &str, after: Duration) {
    assert_eq!(broken_off(world, newer, step, after, Signal::SIGKILL), None);
}

/// The same by any signal; gives its exit code, if it has one.
#[track_caller]
fn broken_off(world: &World, newer: &Path, step: &str, after: Duration, signal: Signal) -> Option<i32> {
    let mut command = world.collector.place().command(our_program("picket-collector"));
    command.arg("--config").arg(folder(world).join("config.toml")).args(upgrade(newer, &[]));
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut said = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        said.push(line.unwrap());
        if said.last().unwrap().starts_with(step) {
            thread::sleep(after);
            assert!(child.try_wait().unwrap().is_none(), "it had ended already: {said:?}");
            kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
            break;
        }
    }
    let ended = child.wait().unwrap();
    assert!(said.last().is_some_and(|last| last.starts_with(step)), "{step} was not said: {said:?}");
    ended.code()
}

/// Servers that run on anything in the data directory.
fn servers(world: &World) -> usize {
    let data = data(world).display().to_string();
    let commands =
        fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let commands = commands.map(|command| String::from_utf8_lossy(&command).into_owned());
    commands.filter(|command| command.contains("postgres\0") && command.contains(&data)).count()
}

/// Runs our program where only the newer PostgreSQL is installed.
fn without_the_older(world: &World, arguments: &[&str]) -> Output {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", "mount -t tmpfs none /usr/lib/postgresql && exec \"$0\" \"$@\""]);
    command.arg(our_program("picket-collector")).arg("--config").arg(folder(world).join("config.toml")).args(arguments);
    command.output().unwrap()
}

fn paths(world: &World) -> Vec<Value> {
    world.collector.json(&["backup", "list"])["paths"].as_array().unwrap().clone()
}

fn data(world: &World) -> PathBuf {
    folder(world).join("data")
}

fn major(pgdata: &Path) -> String {
    fs::read_to_string(pgdata.join("PG_VERSION")).unwrap().trim().to_owned()
}

/// What an upgrade left in the data directory.
fn left_over(world: &World) -> Vec<String> {
    let entries = fs::read_dir(data(world)).unwrap().flatten();
    let names = entries.map(|entry| entry.file_name().into_string().unwrap());
    let mut found: Vec<String> =
        names.filter(|name| name.starts_with("upgrade") || name.starts_with("postgres-")).collect();
    found.sort();
    found
}

fn open_and_kept() -> Vec<String> {
    vec!["postgres-15".to_owned(), "upgrade.json".to_owned()]
}

/// Commits a row, and lets a second pass before and after; gives a time after it.
fn write(postgres: &Postgres, row: u64) -> Timestamp {
    thread::sleep(Duration::from_millis(600));
    postgres.run(&format!("INSERT INTO ledger VALUES ({row}, repeat('x', 1000))")).unwrap();
    thread::sleep(Duration::from_millis(600));
    let after = postgres.run("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").unwrap();
    Timestamp::from_micros(after.parse().unwrap())
}

fn rows(postgres: &Postgres) -> Vec<u64> {
    let rows = postgres.rows("SELECT row FROM ledger ORDER BY row").unwrap();
    rows.iter().map(|row| row["row"].as_u64().unwrap()).collect()
}
