//! Two collectors archive a database that somebody else runs, by a login that may replicate. Its archive goes away and comes back, the
//! collector that leads is killed with -9; then the database is lost, and restored to random seconds from the archive and the key ring
//! alone: each copy holds every row whose commit was acknowledged before the second, and none that began after it.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use picket_shared::time::{Clock, Timestamp};
use picket_tests::archive::text;
use picket_tests::ca::Authority;
use picket_tests::collector::{Collector, Settings};
use picket_tests::external::External;
use picket_tests::net::Place;
use picket_tests::pair::copied;
use picket_tests::postgres::Postgres;
use picket_tests::wait;
use picket_tests::world::{folder, loopback};
use serde_json::Value;
use tempfile::TempDir;

/// Restores.
const TIMES: usize = 3;
/// A password that a URL does not hold as it is.
const PASSWORD: &str = "s/e:cr@t";

/// Fields end in this order.
struct Room {
    collectors: [Collector; 2],
    database: External,
    folder: TempDir,
}

/// A row, when it was begun, and when its commit was acknowledged.
#[derive(Clone, Copy, Debug)]
struct Written {
    row: u64,
    begun: Timestamp,
    done: Timestamp,
}

impl Room {
    fn new() -> Self {
        let (folder, address, place) = (folder(), loopback(), Place::here());
        let authority = Authority::new(&folder.path().join("certificates"));
        let database = External::start(&folder.path().join("postgres"), SocketAddr::from((address, 5432)));
        let url_file = folder.path().join("replication-url");
        fs::write(&url_file, format!("postgres://archive:s%2Fe%3Acr%40t@{address}/picket?sslmode=disable\n")).unwrap();
        fs::set_permissions(&url_file, fs::Permissions::from_mode(0o600)).unwrap();
        let archive = format!(
            "[archive]\ndirectory = \"{}\"\nreplication_url_file = \"{}\"\nswitch_seconds = 5\n[log]\n",
            folder.path().join("archive").display(),
            url_file.display()
        );
        let collectors = [("one", 8080), ("two", 8082)].map(|(name, port)| {
            let at = SocketAddr::from((address, port));
            let http = format!("[http]\nlisten = \"{at}\"");
            let (folder, authority) = (&folder.path().join(name), &authority.file);
            let settings = Settings { place: &place, address, folder, certificate: None, authority };
            let collector = Collector::of_external(&settings, (&http, at), &database.url_file);
            collector.is_told("[log]\n", &archive);
            collector
        });
        Self { collectors, database, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn refuses(&mut self, why: &str) {
        self.collectors[0].begins_to_start();
        wait::until("the refusal", Duration::from_secs(60), || (!self.collectors[0].runs()).then_some(()).ok_or(()));
        let log = self.collectors[0].log();
        assert!(log.contains(why), "{log}");
    }

    fn backups(&self) -> Vec<Value> {
        let listed = self.collectors[0].json(&["backup", "list"]);
        listed["backups"].as_array().unwrap().clone()
    }

    fn kept_from(&self) -> i64 {
        let query = "SELECT (restart_lsn - '0/0')::bigint AS lsn FROM pg_replication_slots";
        self.database.rows(query).unwrap()[0]["lsn"].as_i64().unwrap()
    }

    /// Waits until everything that is committed is in the archive.
    fn archived(&self) {
        let rows = self.database.rows("SELECT (pg_current_wal_lsn() - '0/0')::bigint AS lsn").unwrap();
        let written = rows[0]["lsn"].as_i64().unwrap();
        wait::until("the archive", Duration::from_secs(90), || {
            let kept = self.kept_from();
            if kept > written { Ok(()) } else { Err(format!("{kept} of {written}: {}", self.collectors[0].log())) }
        });
    }
}

fn write(database: &External, row: u64, written: &Mutex<Vec<Written>>) {
    let clock = Clock::system();
    let begun = clock.now();
    database.run(&format!("INSERT INTO ledger VALUES ({row}, repeat(md5('{row}'), 2000))")).unwrap();
    written.lock().unwrap().push(Written { row, begun, done: clock.now() });
}

#[test]
fn an_external_database_is_archived_and_restored() {
    let mut room = Room::new();
    // Whoever prepares the database is told what is missing, one after the other.
    let grants = [
        ("may not replicate", "ALTER ROLE archive REPLICATION"),
        ("pg_switch_wal", "GRANT EXECUTE ON FUNCTION pg_switch_wal() TO archive"),
    ];
    room.database.admits("archive", PASSWORD);
    for (refusal, statement) in grants {
        room.refuses(refusal);
        room.database.run(statement).unwrap();
    }
    // What the server is set to must not come with a copy of it.
    room.database.run("ALTER SYSTEM SET cluster_name = 'theirs'").unwrap();
    room.collectors[0].starts();
    wait::until("the first base backup", Duration::from_secs(90), || {
        if room.backups().is_empty() { Err(room.collectors[0].log()) } else { Ok(()) }
    });
    copied(&room.collectors[0].keys(), &room.collectors[1].keys());
    room.collectors[1].starts();
    room.database.run("CREATE TABLE ledger (row bigint PRIMARY KEY, note text)").unwrap();

    let (clock, stop, written) = (Clock::system(), AtomicBool::new(false), Mutex::new(Vec::new()));
    let from = clock.now();
    thread::scope(|scope| {
        let (database, written, stop) = (&room.database, &written, &stop);
        scope.spawn(move || {
            for row in 0.. {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                write(database, row, written);
            }
        });
        thread::sleep(Duration::from_secs(10));
        goes_away_and_comes_back(&room);
        stop.store(true, Ordering::Relaxed);
    });
    loses_its_slot(&room);
    let drilled = room.collectors[0].json(&["drill"]);
    assert_eq!(drilled["report"]["passed"], true, "{drilled:#}");
    room.collectors[0].crashes();
    // Nobody receives for a while; the database keeps what is written meanwhile.
    for row in 1_000_000..1_000_020 {
        write(&room.database, row, &written);
    }
    let until = clock.now();
    room.database.run("SELECT pg_current_xact_id()").unwrap();
    room.archived();
    let verdict = room.collectors[1].json(&["backup", "verify", "--deep"]);
    assert_eq!(verdict["whole"], true, "{verdict:#}");
    let (state, says) = room.collectors[1].doctor("recovery point");
    assert_eq!(state, "pass", "{says}");
    assert!(!room.path("two/data/received-wal").join("archive_status").read_dir().unwrap().any(|_| true));

    room.collectors[1].stops();
    let written = written.into_inner().unwrap();
    lost(&mut room, (from, until), &written);
}

/// The archive is away for a while: nothing is lost, and `doctor` says so.
fn goes_away_and_comes_back(room: &Room) {
    let (archive, away) = (room.path("archive"), room.path("away"));
    fs::rename(&archive, &away).unwrap();
    thread::sleep(Duration::from_secs(1));
    let kept = room.kept_from();
    thread::sleep(Duration::from_secs(12));
    assert_eq!(room.kept_from(), kept, "the database lets go of nothing that is not archived");
    assert!(room.collectors[0].log().contains("could not be archived, and is kept"));
    let (_, says) = room.collectors[0].doctor("archive");
    assert!(!says.starts_with("0 files"), "{says}");
    fs::rename(&away, &archive).unwrap();
    wait::until("the archive", Duration::from_secs(60), || {
        if room.kept_from() > kept { Ok(()) } else { Err(room.collectors[0].log()) }
    });
}

/// Somebody drops the slot, and with it WAL may go that is not archived: it is made anew, and what is missing is told.
fn loses_its_slot(room: &Room) {
    room.database.run("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots").unwrap();
    wait::until("a new slot", Duration::from_secs(60), || {
        let rows = room.database.rows("SELECT slot_name FROM pg_replication_slots").unwrap();
        if rows.len() == 1 { Ok(()) } else { Err(room.collectors[0].log()) }
    });
    assert!(room.collectors[0].log().contains("is gone from the external database"));
    room.archived();
}

/// The database's machine is lost. Copies of random seconds become managed databases.
fn lost(room: &mut Room, (from, until): (Timestamp, Timestamp), written: &[Written]) {
    assert!(written.len() > 50, "only {} rows", written.len());
    room.database.is_lost();
    let mut rng = fastrand::Rng::with_seed(11);
    let mut held = Vec::new();
    let external = format!("mode = \"external\"\nurl_file = \"{}\"", room.database.url_file.display());
    let archive = format!("replication_url_file = \"{}\"\n", room.path("replication-url").display());
    for number in 0..TIMES {
        let moment = from.shifted(rng.i64(1_000_000..until.micros_since(from)));
        let into = room.path(&format!("restored-{number}"));
        room.collectors[1].json(&["restore", "--to-time", &moment.exact(), "--into", text(&into)]);
        assert!(into.join("settings-of-the-server/postgresql.auto.conf").exists());
        let managed = format!("mode = \"managed\"\ndata_dir = \"{}\"", into.display());
        // The copy is looked at without an archive, so that the archive stays as it is.
        let without = format!("directory = \"{}\"\n{archive}", room.path("archive").display());
        room.collectors[1].run(&["restore", "--arm", "--into", text(&into)]);
        room.collectors[1].is_told(&external, &managed);
        room.collectors[1].is_told(&without, "");
        room.collectors[1].starts();
        let postgres = Postgres::of(&into);
        assert_eq!(postgres.run("SHOW cluster_name").unwrap(), "");
        let rows = postgres.rows("SELECT row FROM ledger").unwrap();
        room.collectors[1].stops();
        room.collectors[1].is_told(&managed, &external);
        room.collectors[1].is_told("[archive]\n", &format!("[archive]\n{without}"));
        fs::remove_dir_all(&into).unwrap();
        held.push(rows.len());
        let rows: BTreeSet<u64> = rows.iter().map(|row| row["row"].as_u64().unwrap()).collect();
        let missing: Vec<_> = written.iter().filter(|one| one.done <= moment && !rows.contains(&one.row)).collect();
        let early: Vec<_> = written.iter().filter(|one| one.begun > moment && rows.contains(&one.row)).collect();
        let at = moment.exact();
        assert!(missing.is_empty() && early.is_empty(), "at {at}: {missing:?} are missing, {early:?} are too early");
    }
    println!("{TIMES} restores to random seconds, of {} rows: {held:?}", written.len());
}
