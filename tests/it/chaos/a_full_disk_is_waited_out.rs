//! The disk with the collector's data fills up and is freed again, three times: first there is no room for rows; then none
//! for PostgreSQL's write-ahead log either, which ends it, and for so long that silence would be told; then the collector is
//! killed as well, and cannot start. While it is full probes are told to come again and keep what they have; afterwards all
//! of it is stored, nobody had to start anything but the service manager the collector, and nobody was told of a silence
//! that was none.

use std::thread;
use std::time::Duration;

use picket_shared::time::{Stopwatch, Timestamp};
use picket_tests::ledger::End;
use picket_tests::wait;
use picket_tests::world::World;

use super::{Busy, REGIONS, now};

/// A cluster of ours takes about 60 MiB at first.
const MEBIBYTES: u32 = 160;
const FULL: Duration = Duration::from_secs(20);
/// Longer than the freshness of these monitors (90 s): regions that were not heard for so long count as silent.
const FULL_FOR_LONG: Duration = Duration::from_secs(110);
/// As the shipped unit says.
const RESTART_AFTER: Duration = Duration::from_secs(2);

#[test]
fn a_full_disk_is_waited_out() {
    let mut busy = Busy::start(World::of_lines_on_a_disk(MEBIBYTES));
    let postgres = busy.world.collector.postgres();

    let full_at = now();
    wait::until("the database to refuse rows", Duration::from_secs(120), || {
        // What PostgreSQL gives back of its own is taken as well.
        busy.world.disk().fill();
        if refused_since(&busy, full_at) > 0 { Ok(()) } else { Err("every batch is still taken") }
    });
    thread::sleep(FULL);
    assert!(postgres.postmaster().is_some(), "no room for rows is no reason to end");
    busy.world.disk().free();
    busy.until_heard(Duration::from_secs(120));

    let full_at = now();
    until_postgres_ends(&busy);
    thread::sleep(FULL_FOR_LONG);
    assert!(refused_since(&busy, full_at) > 0);
    busy.world.disk().free();
    busy.until_heard(Duration::from_secs(120));
    assert!(busy.world.collector.runs(), "{}", busy.world.collector.log());

    until_postgres_ends(&busy);
    busy.world.collector.crashes_under_systemd();
    let watch = Stopwatch::start();
    let mut starts = 0;
    while watch.elapsed() < FULL {
        thread::sleep(RESTART_AFTER);
        if !busy.world.collector.runs() {
            busy.world.collector.begins_to_start();
            starts += 1;
        }
    }
    busy.world.disk().free();
    let freed_at = now();
    wait::until("a start that holds", Duration::from_secs(120), || {
        if !busy.world.collector.runs() {
            thread::sleep(RESTART_AFTER);
            busy.world.collector.begins_to_start();
            starts += 1;
        }
        busy.world.ledger.acknowledged_since(freed_at, &REGIONS)
    });
    println!("{starts} starts until one held");

    let found = busy.closes(&[]);
    assert_eq!(found.in_gaps, 0, "what probes kept is not lost");
    busy.refused_nothing_for_good();
    busy.judged_nothing();
}

/// Fills the disk, and makes PostgreSQL want more files for its log than there is room for.
fn until_postgres_ends(busy: &Busy) {
    let postgres = busy.world.collector.postgres();
    let before = postgres.postmaster();
    wait::until("PostgreSQL to end for want of room", Duration::from_secs(120), || {
        busy.world.disk().fill();
        let said = postgres.rows("SELECT pg_switch_wal()");
        // What new connections read first is written by the first of them after a change of a table, which needs room.
        if said.as_ref().is_err_and(|fault| fault.contains("could not write init file")) {
            busy.world.disk().free();
            let _ = postgres.rows("SELECT 1");
        }
        if postgres.postmaster() == before { Err(said) } else { Ok(()) }
    });
}

/// How many batches were answered with 503 that were sent after `since`.
fn refused_since(busy: &Busy, since: Timestamp) -> usize {
    let sendings = busy.world.ledger.sendings();
    sendings.iter().filter(|sending| sending.at > since && matches!(sending.end, End::Answered(503, _))).count()
}
