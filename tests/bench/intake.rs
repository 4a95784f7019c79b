//! How many outcomes the real collector takes in, durable and judged, and what they cost it and its PostgreSQL.

use std::net::Ipv4Addr;
use std::path::Path;
use std::thread;
use std::time::Duration;

use nix::unistd::Pid;
use picket_shared::batch::MAX_OUTCOMES;
use picket_shared::ids::MonitorId;
use picket_shared::time::{Clock, Stopwatch, Timestamp};
use picket_tests::forger::Forger;
use uuid::Uuid;

use crate::database::{self, Database};
use crate::figure::Figure;
use crate::load::{Sender, outcome, scattered};
use crate::meter;

const BENCH: &str = "intake";
/// A loopback address that no test uses.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 78, 0, 2);
/// Probes that send at once; each is responsible for as many monitors as a batch holds outcomes.
const PROBES: usize = 16;
const ROUNDS: usize = 3;
/// Batches of each probe in a round.
const BATCHES: usize = 15;
/// Batches before the first round: after three good outcomes a monitor's run is not written any more.
const WARM_UP: usize = 4;
/// From an outcome of a monitor to its next: as close as they can be without being too old for the judge at the end.
const STEP: Duration = Duration::from_millis(700);

/// Measures everything and prints it.
pub(crate) fn run(folder: &Path) {
    let (collector, database) = database::start(folder, ADDRESS);
    let mut senders: Vec<Sender> =
        (0..PROBES).map(|n| Sender::enrol(&collector, "bench", &format!("bench-{n}"))).collect();
    let monitors: Vec<Vec<MonitorId>> =
        senders.iter().map(|_| (0..MAX_OUTCOMES).map(|_| MonitorId(Uuid::new_v4())).collect()).collect();
    monitors.iter().for_each(|monitors| database.add_monitors(monitors));

    let mut at = Clock::system().now().shifted(-60_000_000);
    let mut round = |batches: usize| {
        let bodies = bodies(&monitors, batches, &mut at);
        measure(&mut senders, &bodies, &database, collector.pid())
    };
    round(WARM_UP);
    let rounds: Vec<Cost> = (0..ROUNDS).map(|_| round(BATCHES)).collect();
    let print = |name, unit, of: fn(&Cost) -> f64| {
        Figure::of(BENCH, name, unit, &rounds.iter().map(of).collect::<Vec<_>>()).print();
    };
    print("outcomes_per_second", "1/s", |cost| cost.outcomes / cost.seconds);
    print("collector_cpu_us_per_outcome", "us", |cost| cost.collector_us / cost.outcomes);
    print("postgres_cpu_us_per_outcome", "us", |cost| cost.postgres_us / cost.outcomes);
    print("disk_bytes_per_outcome", "B", |cost| cost.table_bytes / cost.outcomes);
    print("wal_bytes_per_outcome", "B", |cost| cost.wal_bytes / cost.outcomes);
    print("sent_bytes_per_outcome", "B", |cost| cost.sent_bytes / cost.outcomes);
    Figure::of(BENCH, "collector_peak_rss_mib", "MiB", &[meter::memory_mib(collector.pid(), "VmHWM")]).print();
}

/// What one round cost.
struct Cost {
    outcomes: f64,
    seconds: f64,
    collector_us: f64,
    postgres_us: f64,
    table_bytes: f64,
    wal_bytes: f64,
    sent_bytes: f64,
}

/// Sends these bodies, each probe its own one after the other, and waits until the judge has nothing left to do.
fn measure(senders: &mut [Sender], bodies: &[Vec<Vec<u8>>], database: &Database, collector: Pid) -> Cost {
    let sent_bytes = bodies.iter().flatten().map(Vec::len).sum::<usize>() as f64;
    let outcomes = (bodies.iter().flatten().count() * MAX_OUTCOMES) as f64;
    let (table_bytes, wal_bytes) = database.bytes();
    let (collector_us, postgres_us) = (meter::cpu_us(collector), meter::tree_cpu_us(database.postmaster));
    let watch = Stopwatch::start();
    thread::scope(|scope| {
        for (sender, bodies) in senders.iter_mut().zip(bodies) {
            scope.spawn(|| bodies.iter().for_each(|body| sender.send(body, MAX_OUTCOMES)));
        }
    });
    database.wait_until_judged();
    let seconds = watch.elapsed().as_secs_f64();
    let used = |after: u64, before: u64| (after - before) as f64;
    let (collector_us, postgres_us) =
        (used(meter::cpu_us(collector), collector_us), used(meter::tree_cpu_us(database.postmaster), postgres_us));
    let (tables_after, wal_after) = database.bytes();
    Cost {
        outcomes,
        seconds,
        collector_us,
        postgres_us,
        table_bytes: tables_after - table_bytes,
        wal_bytes: wal_after - wal_bytes,
        sent_bytes,
    }
}

/// For each probe so many bodies; in each, one monitor is down.
fn bodies(monitors: &[Vec<MonitorId>], batches: usize, at: &mut Timestamp) -> Vec<Vec<Vec<u8>>> {
    let mut all: Vec<Vec<Vec<u8>>> = monitors.iter().map(|_| Vec::new()).collect();
    for _ in 0..batches {
        *at = *at + STEP;
        for (monitors, bodies) in monitors.iter().zip(&mut all) {
            let failing = scattered(at.micros()) % MAX_OUTCOMES;
            let outcomes = monitors.iter().enumerate();
            let outcomes = outcomes.map(|(n, monitor)| outcome(*monitor, *at, n, n == failing)).collect();
            bodies.push(Forger::batch_body(outcomes));
        }
    }
    all
}
