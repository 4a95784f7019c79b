//! The line of one region is cut for 2 minutes: its silence is written down with its reason, nobody else is touched, and
//! when the line is back everything that the probe found meanwhile arrives, so that no gap is left.

use std::thread;
use std::time::Duration;

use picket_shared::time::{Stopwatch, Timestamp};
use picket_tests::wait;
use picket_tests::world::World;

use super::{Busy, now};

const CUT: Duration = Duration::from_secs(120);

#[test]
fn a_cut_line_is_a_silence_and_no_loss() {
    let busy = Busy::start(World::of_lines());
    let postgres = busy.world.collector.postgres();
    let silences = || {
        let query = "SELECT r.code AS region, g.reason, g.from_at FROM gaps g JOIN regions r ON r.id = g.region_id \
             WHERE g.monitor_id IS NULL AND g.to_at IS NULL";
        postgres.rows(query).unwrap()
    };
    let (watch, cut_at) = (Stopwatch::start(), now());
    busy.world.line("ap").cut();
    let open = wait::until("a silence of the region", CUT, || {
        let open = silences();
        if open.is_empty() { Err("none") } else { Ok(open) }
    });
    assert_eq!((open.len(), &open[0]["region"], &open[0]["reason"]), (1, &"ap".into(), &"probe_offline".into()));
    let from = Timestamp::from_micros(open[0]["from_at"].as_i64().unwrap());
    assert!(
        from.since(cut_at) < Duration::from_secs(5) && cut_at.since(from) < Duration::from_secs(40),
        "{from} {cut_at}"
    );
    thread::sleep(CUT.saturating_sub(watch.elapsed()));
    busy.world.ledger.acknowledged_since(cut_at + CUT / 2, &["eu", "us-east"]).unwrap();
    assert!(busy.world.ledger.acknowledged_since(cut_at + CUT / 4, &["ap"]).is_err(), "was the line cut?");
    busy.world.line("ap").mend();

    let found = busy.closes(&[]);
    assert_eq!(found.in_gaps, 0, "what a cut line kept back is not lost");
    busy.refused_nothing_for_good();
    busy.judged_nothing_but(&["region_silent", "region_heard"]);
    let silent = "SELECT payload->'notice'->'kind' AS told, count(*) FROM notices GROUP BY 1 ORDER BY 2 DESC";
    let told = postgres.rows(silent).unwrap();
    assert!(!told.is_empty() && told.iter().all(|told| told["told"]["region"] == "ap"), "{told:#?}");
}
