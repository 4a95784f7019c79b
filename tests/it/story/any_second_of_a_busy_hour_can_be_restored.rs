//! Rows are committed all the time, by several writers. Then the machine is lost, and its database is restored to twenty random seconds: each
//! copy holds every row whose commit was acknowledged before the second, and none that began after it.

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use picket_shared::time::{Clock, Stopwatch, Timestamp};
use picket_tests::archive::{archived, archiving, first_backup, folder, look_at_armed, restore};
use picket_tests::postgres::Postgres;

/// Restores.
const TIMES: usize = 20;
/// How long rows are written.
const WRITES: Duration = Duration::from_secs(45);
/// Writers at a time.
const WRITERS: u64 = 3;

/// A row, when it was begun, and when its commit was acknowledged.
#[derive(Clone, Copy, Debug)]
struct Written {
    row: u64,
    begun: Timestamp,
    done: Timestamp,
}

fn write(postgres: &Postgres, writer: u64, stop: &AtomicBool, written: &Mutex<Vec<Written>>) {
    let clock = Clock::system();
    let mut row = writer;
    while !stop.load(Ordering::Relaxed) {
        row += WRITERS;
        let begun = clock.now();
        postgres.run(&format!("INSERT INTO ledger VALUES ({row}, repeat(md5('{row}'), 200))")).unwrap();
        written.lock().unwrap().push(Written { row, begun, done: clock.now() });
    }
}

#[test]
fn any_second_of_a_busy_hour_can_be_restored() {
    let mut world = archiving();
    first_backup(&world);
    let postgres = world.collector.postgres();
    postgres.run("CREATE TABLE ledger (row bigint PRIMARY KEY, note text)").unwrap();
    let (stop, written) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let clock = Clock::system();
    let from = clock.now();
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (postgres, stop, written) = (&postgres, &stop, &written);
            scope.spawn(move || write(postgres, writer, stop, written));
        }
        let began = Stopwatch::start();
        thread::sleep(WRITES / 2);
        // A base backup under load: some of the seconds are restored from it.
        world.collector.json(&["backup", "now"]);
        thread::sleep(WRITES.saturating_sub(began.elapsed()));
        stop.store(true, Ordering::Relaxed);
    });
    let until = clock.now();
    let written = written.into_inner().unwrap();
    assert!(written.len() > 100, "only {} rows", written.len());
    archived(&postgres);
    world.collector.crashes_under_systemd();
    fs::remove_dir_all(folder(&world).join("data")).unwrap();

    let mut rng = fastrand::Rng::with_seed(7);
    let window = until.micros_since(from);
    let mut held = Vec::new();
    for number in 0..TIMES {
        let moment = from.shifted(rng.i64(1_000_000..window));
        let into = folder(&world).join(format!("restored-{number}"));
        restore(&world, &moment.exact(), &into);
        let rows = look_at_armed(&mut world, &into, |postgres| postgres.rows("SELECT row FROM ledger").unwrap());
        fs::remove_dir_all(&into).unwrap();
        let rows: std::collections::BTreeSet<u64> = rows.iter().map(|row| row["row"].as_u64().unwrap()).collect();
        let missing: Vec<_> = written.iter().filter(|one| one.done <= moment && !rows.contains(&one.row)).collect();
        let early: Vec<_> = written.iter().filter(|one| one.begun > moment && rows.contains(&one.row)).collect();
        assert!(
            missing.is_empty() && early.is_empty(),
            "at {}: {missing:?} are missing, {early:?} are too early",
            moment.exact()
        );
        held.push(rows.len());
    }
    println!("{TIMES} restores to random seconds of {} s, of {} rows: {held:?}", window / 1_000_000, written.len());
    assert!(held.iter().min() < held.iter().max(), "the seconds were not different ones: {held:?}");
}
