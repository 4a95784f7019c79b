//! Faults, one promise a file: many monitors are watched from three regions over long lines, something is killed, frozen,
//! cut or filled up, and afterwards a ledger that the tests keep by themselves is compared with PostgreSQL.
//!
//! In each of them nothing that was acknowledged is lost or stored twice, every slot has an outcome or a gap with a reason
//! that fits, no incident is opened that was none, and the system is well again without a hand.

mod a_bad_line_loses_nothing;
mod a_collector_that_is_killed_loses_nothing;
mod a_collector_that_is_killed_tells_every_verdict_once;
mod a_cut_line_is_a_silence_and_no_loss;
mod a_freeze_passes;
mod a_full_disk_is_waited_out;
mod a_postgres_that_is_killed_comes_back_by_itself;
mod a_probe_that_is_killed_leaves_a_gap_with_its_reason;

use std::thread;
use std::time::Duration;

use picket_shared::time::{Clock, Timestamp};
use picket_tests::audit::{self, Excuse, Found};
use picket_tests::target::Target;
use picket_tests::wait;
use picket_tests::world::{LINES, World};
use serde_json::Value;

const REGIONS: [&str; 3] = [LINES[0].0, LINES[1].0, LINES[2].0];
/// How many monitors, each checked every 5 s from each region.
const MONITORS: usize = 60;

/// A world in which everything is well and much is going on.
struct Busy {
    // Probes end before what they watch.
    world: World,
    _shop: Target,
    /// From when on every slot must be accounted for.
    since: Timestamp,
}

fn now() -> Timestamp {
    Clock::system().now()
}

/// Adds a monitor in every region, as patient as can be: a machine that all stories share may be slow, and that is no
/// failure.
fn watch(world: &World, target: &str, kind: &str, name: &str) {
    let add = ["monitor", "add", target, "--kind", kind, "--name", name, "--every", "5s", "--timeout", "4900ms"];
    world.collector.run(&add);
}

impl Busy {
    fn start(mut world: World) -> Self {
        let shop = world.target(None, &[]);
        world.all_probes();
        let tcp = format!("{}:{}", world.target_address(), world.ports().http);
        thread::scope(|scope| {
            for part in 0..2 {
                let (world, tcp) = (&world, &tcp);
                scope.spawn(move || {
                    for number in (part..MONITORS).step_by(2) {
                        let name = format!("shop {number}");
                        // Every fourth asks for a page; the others cost the machine less.
                        let (target, kind) = if number % 4 == 0 { (world.url(), "http") } else { (tcp.clone(), "tcp") };
                        watch(world, &target, kind, &name);
                    }
                });
            }
        });
        let mut busy = Self { world, _shop: shop, since: now() };
        busy.until_well(busy.since, Duration::from_secs(120));
        busy.since = now();
        busy
    }

    /// Waits until all is well: each monitor is up in each region, nobody is silent, and the slots of every region are
    /// accounted for up to some time after `since`, which it gives.
    #[track_caller]
    fn until_well(&self, since: Timestamp, limit: Duration) -> Timestamp {
        wait::until("all to be well", limit, || {
            let rows = self.world.collector.postgres().rows(
                "SELECT (SELECT count(*) FROM states WHERE state <> 'up') AS not_up, \
                 (SELECT count(*) FROM monitor_regions) AS all_of_them, \
                 (SELECT count(*) FROM region_states WHERE status = 'up') AS good, \
                 (SELECT count(*) FROM gaps WHERE to_at IS NULL) AS silent, \
                 (SELECT min(through) FROM probe_status) AS through",
            );
            let row = rows.map_err(|error| (error, Vec::new()))?.remove(0);
            let number = |key: &str| row[key].as_u64().unwrap_or_default();
            let through = Timestamp::from_micros(row["through"].as_i64().unwrap_or_default());
            let all_good = number("not_up") == 0 && number("good") == number("all_of_them");
            if all_good && number("silent") == 0 && through > since {
                return Ok(through);
            }
            thread::sleep(Duration::from_millis(400));
            Err((row.to_string(), self.world.ledger.statuses_but(&[200]).into_iter().collect()))
        })
    }

    /// Waits until a batch that was sent from now on is acknowledged in every region.
    #[track_caller]
    fn until_heard(&self, limit: Duration) {
        let since = now();
        wait::until("a receipt in each region", limit, || self.world.ledger.acknowledged_since(since, &REGIONS));
    }

    /// Waits until all is well, compares ledger and database, and says what was found.
    #[track_caller]
    fn closes(&self, excuses: &[Excuse]) -> Found {
        let until = self.until_well(now(), Duration::from_secs(150));
        let postgres = self.world.collector.postgres();
        let found = audit::compare(&self.world.ledger, &postgres, (self.since, until), excuses);
        println!("{found:#?}");
        println!("answers but 200: {:?}", self.world.ledger.statuses_but(&[200]));
        assert!(found.complaints.is_empty(), "{}", found.complaints.join("\n"));
        assert!(found.acknowledged > MONITORS * REGIONS.len() * 3, "too little went on: {found:#?}");
        found
    }

    /// Whatever the collector could not take it wants to be sent again: no answer makes a probe drop anything.
    #[track_caller]
    fn refused_nothing_for_good(&self) {
        let others = self.world.ledger.statuses_but(&[200, 503]);
        assert!(others.is_empty(), "{others:?}");
    }

    /// The targets were fine all along: no verdict ever changed, no incident was opened, nobody was told anything.
    #[track_caller]
    fn judged_nothing(&self) {
        self.judged_nothing_but(&[]);
    }

    /// The same, but notices of these kinds may have been written.
    #[track_caller]
    fn judged_nothing_but(&self, kinds: &[&str]) {
        let kinds = kinds.join("','");
        for query in [
            "SELECT * FROM incidents",
            "SELECT * FROM spans WHERE verdict NOT IN ('pending', 'up') ORDER BY id",
            &format!("SELECT * FROM notices WHERE kind NOT IN ('{kinds}') ORDER BY id"),
        ] {
            let rows = self.world.collector.postgres().rows(query).unwrap();
            assert!(rows.is_empty(), "{query}: {} rows: {:#?}", rows.len(), &rows[..rows.len().min(3)]);
        }
    }

    /// Every incident that was ever opened.
    #[track_caller]
    fn incidents(&self) -> Vec<Value> {
        self.world.collector.postgres().rows("SELECT * FROM incidents ORDER BY id").unwrap()
    }
}
