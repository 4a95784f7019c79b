//! PostgreSQL is killed with -9 five times while batches are with the collector: four times its postmaster, once a backend.
//! The collector brings it back without ending itself, and tells probes nothing but to come again.

use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use picket_tests::wait;
use picket_tests::world::World;

use super::Busy;

const TIMES: u64 = 5;
/// The time at which only a backend is killed.
const A_BACKEND: u64 = 2;

#[test]
fn a_postgres_that_is_killed_comes_back_by_itself() {
    let mut busy = Busy::start(World::of_lines());
    let collector = busy.world.collector.pid();
    let postgres = busy.world.collector.postgres();
    for time in 0..TIMES {
        let before = postgres.postmaster().unwrap();
        let backend = postgres.backend("picket_intake").unwrap();
        busy.world.ledger.until_in_flight(Duration::from_secs(60));
        thread::sleep(Duration::from_millis(time * 4));
        kill(if time == A_BACKEND { backend } else { before }, Signal::SIGKILL).unwrap();
        if time != A_BACKEND {
            wait::until("another postmaster", Duration::from_secs(60), || {
                postgres.postmaster().filter(|pid| *pid != before).ok_or(())
            });
        }
        busy.until_heard(Duration::from_secs(90));
        assert!(busy.world.collector.runs(), "{}", busy.world.collector.log());
    }
    busy.closes(&[]);
    assert_eq!(busy.world.collector.pid(), collector);
    busy.refused_nothing_for_good();
    busy.judged_nothing();
}
