//! A probe is killed with -9 three times and started again: what it had not delivered died with it, and that is written
//! down as what it is. Nothing that was acknowledged is touched, and no other region.

use std::thread;
use std::time::Duration;

use picket_tests::audit::Excuse;
use picket_tests::world::World;

use super::{Busy, now};

const TIMES: u32 = 3;
/// As the shipped unit says.
const RESTART_AFTER: Duration = Duration::from_secs(5);
/// What a probe may hold in memory: a batch is cut every 5 s, and a slot takes its timeout at most.
const IN_MEMORY: Duration = Duration::from_secs(15);

#[test]
fn a_probe_that_is_killed_leaves_a_gap_with_its_reason() {
    let mut busy = Busy::start(World::of_lines());
    let mut excuses = Vec::new();
    for _ in 0..TIMES {
        busy.world.ledger.until_in_flight(Duration::from_secs(60));
        busy.world.probe_in("us-east").crashes();
        let killed_at = now();
        thread::sleep(RESTART_AFTER);
        busy.world.probe_in("us-east").starts();
        busy.until_heard(Duration::from_secs(60));
        let region = "us-east".to_owned();
        excuses.push(Excuse { region, reason: "probe_offline", from: killed_at - IN_MEMORY, to: now() });
    }
    let found = busy.closes(&excuses);
    assert!(found.in_gaps > 0, "a probe that does not run has no outcomes");
    busy.refused_nothing_for_good();
    busy.judged_nothing();
}
