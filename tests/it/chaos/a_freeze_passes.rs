//! Collector and PostgreSQL stop for 20 s as a machine does that is moved or swaps, then PostgreSQL alone, then both for so
//! long that whoever looks at the clock afterwards must think that every region was silent.

use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use picket_tests::world::World;

use super::Busy;

const FROZEN: Duration = Duration::from_secs(20);
/// Longer than the freshness of these monitors (90 s).
const FROZEN_FOR_LONG: Duration = Duration::from_secs(110);

#[test]
fn a_freeze_passes() {
    let mut busy = Busy::start(World::of_lines());
    let collector = busy.world.collector.pid();
    let postgres = busy.world.collector.postgres();
    for (both, time) in [(true, FROZEN), (false, FROZEN), (true, FROZEN_FOR_LONG)] {
        busy.world.ledger.until_in_flight(Duration::from_secs(60));
        if both {
            kill(collector, Signal::SIGSTOP).unwrap();
        }
        postgres.signal(Signal::SIGSTOP);
        thread::sleep(time);
        postgres.signal(Signal::SIGCONT);
        kill(collector, Signal::SIGCONT).unwrap();
        busy.until_heard(Duration::from_secs(90));
    }
    let found = busy.closes(&[]);
    assert!(found.repeated > 0, "no batch had to be sent again: was anything frozen?");
    assert!(busy.world.collector.runs() && busy.world.collector.pid() == collector);
    busy.refused_nothing_for_good();
    busy.judged_nothing();
}
