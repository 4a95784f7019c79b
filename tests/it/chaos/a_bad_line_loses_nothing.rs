//! One line loses pieces, one stalls, one refuses: batches and receipts get lost on the way, come again, and are stored once.

use std::thread;
use std::time::Duration;

use picket_tests::ledger::End;
use picket_tests::relay::Mode;
use picket_tests::world::World;

use super::Busy;

const BAD: Duration = Duration::from_secs(40);

#[test]
fn a_bad_line_loses_nothing() {
    let busy = Busy::start(World::of_lines());
    let set = |modes: [Mode; 3]| {
        for (region, mode) in ["eu", "us-east", "ap"].into_iter().zip(modes) {
            busy.world.line(region).set(mode);
        }
    };
    set([Mode::Losing(0.2), Mode::Stalled, Mode::Passing]);
    thread::sleep(BAD);
    set([Mode::Losing(0.2), Mode::Losing(0.2), Mode::Refusing]);
    thread::sleep(BAD);
    set([Mode::Passing; 3]);
    busy.closes(&[]);
    let lost = busy.world.line("eu").lost() + busy.world.line("us-east").lost();
    let receipts = lost_receipts(&busy);
    println!("{lost} connections were lost, and with them {receipts} receipts that the collector had given");
    assert!(lost >= 10 && receipts > 0, "{lost} {receipts}");
    busy.refused_nothing_for_good();
    // A line that was bad for so long may have kept a region silent for longer than 90 s, and that may be told.
    busy.judged_nothing_but(&["region_silent", "region_heard"]);
}

/// How many receipts were given for batches that came again.
fn lost_receipts(busy: &Busy) -> usize {
    let sendings = busy.world.ledger.sendings();
    let again = |index: usize| sendings[index + 1..].iter().any(|later| later.batch == sendings[index].batch);
    let given = sendings.iter().enumerate().filter(|(_, sending)| matches!(sending.end, End::Answered(200, _)));
    given.filter(|(index, _)| again(*index)).count()
}
