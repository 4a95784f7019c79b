//! Two archives of one cluster, taken at the same time: Picket's, and pgBackRest's, which is somebody else's work. Whatever second is
//! restored, both make the same of it: every table row for row, every role, and the place in the log at which the recovery ended.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use picket_collector::postgres::managed::Layout;
use picket_shared::time::{Clock, Timestamp};
use picket_tests::archive::{archived, first_backup, folder, restore};
use picket_tests::pgbackrest::PgBackRest;
use picket_tests::postgres::Postgres;
use picket_tests::world::World;

/// How long rows are written.
const WRITES: Duration = Duration::from_secs(14);
/// Writers at a time.
const WRITERS: u64 = 3;
/// Seconds that are restored; and then everything.
const TIMES: usize = 3;

/// Rows come, change and go, in transactions that are committed and some that are not.
fn write(postgres: &Postgres, writer: u64, stop: &AtomicBool, written: &Mutex<u64>) {
    let mut row = writer;
    while !stop.load(Ordering::Relaxed) {
        row += WRITERS;
        let end = if row.is_multiple_of(7) { "ROLLBACK" } else { "COMMIT" };
        postgres
            .run(&format!(
                "BEGIN; INSERT INTO ledger VALUES ({row}, repeat(md5('{row}'), 200)); \
                 UPDATE ledger SET note = 'changed' WHERE row = {row} - 30; DELETE FROM ledger WHERE row = {row} - 60; {end}"
            ))
            .unwrap();
        *written.lock().unwrap() += 1;
    }
}

/// What a restored copy is, as far as anybody can see.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    /// Everything in the database.
    dump: String,
    /// Roles, with what they know of passwords.
    roles: String,
    /// The timeline that the recovery began, and where, and at which commit.
    history: String,
}

fn look(peer: &PgBackRest, data: &Path) -> Seen {
    let (mut process, postgres) = peer.start_copy(data);
    // Each dump has a word of its own, which keeps its content from passing for commands.
    let dump = postgres.dump().lines().filter(|line| !line.contains("restrict ")).collect::<Vec<_>>().join("\n");
    let roles = postgres.run("SELECT json_agg(r ORDER BY rolname) FROM pg_authid r").unwrap();
    let history = fs::read_to_string(Layout::of(data).pgdata().join("pg_wal/00000002.history")).unwrap();
    process.stop();
    Seen { dump, roles, history }
}

#[test]
fn pgbackrest_restores_the_same() {
    let mut world = World::local();
    let home = folder(&world);
    let peer = PgBackRest::beside(&home.join("data"), &home.join("pgbackrest"));
    let archive = format!("directory = \"{}\"\nswitch_seconds = 5\n", home.join("archive").display());
    peer.begins(&mut world.collector, &archive);
    let postgres = world.collector.postgres();
    postgres.run("CREATE TABLE ledger (row bigint PRIMARY KEY, note text)").unwrap();
    first_backup(&world);
    let (stop, written) = (AtomicBool::new(false), Mutex::new(0));
    let clock = Clock::system();
    let (from, until) = thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (postgres, stop, written) = (&postgres, &stop, &written);
            scope.spawn(move || write(postgres, writer, stop, written));
        }
        // Both are taken while rows are written.
        peer.backup();
        world.collector.json(&["backup", "now"]);
        let from = clock.now();
        thread::sleep(WRITES);
        stop.store(true, Ordering::Relaxed);
        (from, clock.now())
    });
    assert!(*written.lock().unwrap() > 100, "only {written:?} transactions");
    archived(&postgres);
    // What is handed over at the end goes to both, or to none.
    world.collector.stops();

    let mut rng = fastrand::Rng::with_seed(11);
    let window = until.micros_since(from);
    let moments = (0..TIMES).map(|_| Some(from.shifted(rng.i64(1_000_000..window)))).chain([None]);
    let mut dumps = Vec::new();
    for (number, moment) in moments.enumerate() {
        let (ours, theirs) = (home.join(format!("ours-{number}")), home.join(format!("theirs-{number}")));
        let named = moment.map_or_else(|| "latest".to_owned(), Timestamp::exact);
        restore(&world, &named, &ours);
        peer.restore(moment, &theirs);
        let (seen, expected) = (look(&peer, &ours), look(&peer, &theirs));
        assert!(seen.dump.contains("COPY public.ledger"), "the dump has no rows");
        assert_eq!((&seen.history, &seen.roles), (&expected.history, &expected.roles), "at {named}");
        let different = seen.dump.lines().zip(expected.dump.lines()).find(|(ours, theirs)| ours != theirs);
        assert!(seen.dump == expected.dump, "at {named}, ours and theirs: {different:?}");
        dumps.push(seen.dump.lines().count());
    }
    println!(
        "{TIMES} seconds of {} s and the end are restored alike; lines of the dumps: {dumps:?}",
        window / 1_000_000
    );
    dumps.sort_unstable();
    dumps.dedup();
    assert!(dumps.len() > 1, "the seconds were not different ones");
}
