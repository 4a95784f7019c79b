//! How many outcomes the real collector takes in, durable and judged, and what they cost it and its PostgreSQL.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::unistd::Pid;
use picket_shared::batch::{MAX_OUTCOMES, Receipt};
use picket_shared::ids::MonitorId;
use picket_shared::outcome::{Failure, FailureKind, Outcome, Phases, SelfCheck, Status, Trigger};
use picket_shared::time::{Clock, Stopwatch, Timestamp};
use picket_tests::ca::Authority;
use picket_tests::collector::{Collector, Settings};
use picket_tests::forger::Forger;
use picket_tests::net::Place;
use uuid::Uuid;

use crate::figure::Figure;
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

/// A probe in our hands.
struct Sender {
    forger: Forger,
    monitors: Vec<MonitorId>,
    sent: u64,
}

/// Measures everything and prints it.
pub(crate) fn run(folder: &Path) {
    let authority = Authority::new(&folder.join("certificates"));
    let place = Place::here();
    let home = folder.join("collector");
    let settings =
        Settings { place: &place, address: ADDRESS, folder: &home, certificate: None, authority: &authority.file };
    let collector = Collector::start(&settings);
    let database = Database::of(&home.join("data"));
    let mut senders: Vec<Sender> = (0..PROBES).map(|n| sender(&collector, n)).collect();
    senders.iter().for_each(|sender| database.add_monitors(&sender.monitors));

    let mut at = Clock::system().now().shifted(-60_000_000);
    let mut round = |batches: usize| {
        let bodies = bodies(&senders, batches, &mut at);
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

fn sender(collector: &Collector, number: usize) -> Sender {
    let name = format!("bench-{number}");
    let added =
        collector.json(&["probe", "add", "--region", "bench", "--network", "bench", "--eu", "--name", name.as_str()]);
    let forger = Forger::enrol(collector.address, added["token"].as_str().unwrap());
    Sender { forger, monitors: (0..MAX_OUTCOMES).map(|_| MonitorId(Uuid::new_v4())).collect(), sent: 0 }
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
            scope.spawn(|| bodies.iter().for_each(|body| sender.send(body)));
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

impl Sender {
    /// Sends one batch until it is taken.
    fn send(&mut self, body: &[u8]) {
        self.sent += 1;
        let mut claims = self.forger.batch_claims(body);
        claims.seq = self.sent;
        loop {
            let token = self.forger.sign_batch(&claims);
            let answer = self.forger.send_batch(&token, body);
            match answer.status {
                200 => {
                    let receipt: Receipt = serde_json::from_value(answer.body).unwrap();
                    assert_eq!((receipt.accepted as usize, receipt.rejected), (MAX_OUTCOMES, Vec::new()));
                    return;
                }
                // It asks for seconds, which would measure our patience.
                429 | 503 => thread::sleep(Duration::from_millis(100)),
                _ => panic!("the collector refused a batch: {answer:?}"),
            }
        }
    }
}

/// For each probe so many bodies; in each, one monitor is down.
fn bodies(senders: &[Sender], batches: usize, at: &mut Timestamp) -> Vec<Vec<Vec<u8>>> {
    let mut all: Vec<Vec<Vec<u8>>> = senders.iter().map(|_| Vec::new()).collect();
    for _ in 0..batches {
        *at = *at + STEP;
        for (sender, bodies) in senders.iter().zip(&mut all) {
            let failing = scattered(at.micros()) % MAX_OUTCOMES;
            let outcomes = sender.monitors.iter().enumerate();
            let outcomes = outcomes.map(|(n, monitor)| outcome(*monitor, *at, n, n == failing)).collect();
            bodies.push(Forger::batch_body(outcomes));
        }
    }
    all
}

/// Scatters numbers, so that times do not compress better than real ones.
fn scattered(seed: i64) -> usize {
    let mixed = (seed.cast_unsigned() ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    usize::try_from((mixed ^ (mixed >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 40).unwrap()
}

fn outcome(monitor: MonitorId, slot: Timestamp, number: usize, fails: bool) -> Outcome {
    // Slots of monitors do not coincide.
    let at = slot.shifted(i64::try_from(number).unwrap() * 500);
    let noise = |part: i64, most: usize| {
        Some(
            u32::try_from(1 + scattered(at.micros() * 8 + part + i64::try_from(number).unwrap() * 977) % most).unwrap(),
        )
    };
    let phases = Phases {
        resolve: noise(1, 3_000),
        connect: noise(2, 20_000),
        tls: noise(3, 40_000),
        send: noise(4, 200),
        wait: noise(5, 60_000),
        receive: noise(6, 1_000),
    };
    let parts = [phases.resolve, phases.connect, phases.tls, phases.send, phases.wait, phases.receive];
    let failure = || Failure::new(FailureKind::HttpStatus, "the server answered with status 503").seen("status", "503");
    Outcome {
        monitor,
        version: 1,
        trigger: Trigger::Scheduled,
        at,
        late_us: noise(7, 2_000).unwrap_or_default(),
        status: if fails { Status::Down } else { Status::Up },
        total_us: parts.iter().flatten().sum(),
        phases,
        address: Some(Ipv4Addr::new(93, 184, 216, 34).into()),
        code: Some(if fails { 503 } else { 200 }),
        failure: fails.then(failure),
        self_check: SelfCheck::Good,
        hops: Vec::new(),
        certificate: None,
        answers: None,
        fold: None,
    }
}

/// The collector's own PostgreSQL, asked by its superuser.
struct Database {
    socket: PathBuf,
    postmaster: Pid,
}

impl Database {
    fn of(data: &Path) -> Self {
        let file = fs::read_to_string(data.join("postgres/postmaster.pid")).unwrap();
        let lines: Vec<&str> = file.lines().collect();
        Self { socket: lines[4].into(), postmaster: Pid::from_raw(lines[0].parse().unwrap()) }
    }

    fn ask(&self, sql: &str) -> String {
        let mut command = Command::new("psql");
        command.args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "picket", "-h"]).arg(&self.socket);
        let output = command.arg("-c").arg(sql).output().unwrap();
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Makes these monitors, all of the one region; thousands at once, which the command line is not for.
    fn add_monitors(&self, monitors: &[MonitorId]) {
        let ids: Vec<String> = monitors.iter().map(ToString::to_string).collect();
        let now = Clock::system().now().micros();
        self.ask(&format!(
            "WITH org AS (SELECT min(id) AS id FROM organizations), new AS (
                INSERT INTO monitors (uuid, org_id, name, kind, target, spec, interval_s, timeout_ms,
                    assigned_at_version, created_at, updated_at)
                SELECT u, org.id, u::text, 'http', 'https://shop.example/',
                    '{{\"kind\":\"http\",\"url\":\"https://shop.example/\"}}', 60, 10000, 1, {now}, {now}
                FROM org, unnest('{{{}}}'::uuid[]) u RETURNING org_id, id
             ), run AS (
                INSERT INTO monitor_regions SELECT new.org_id, new.id, regions.id FROM new, regions
             )
             INSERT INTO states (org_id, monitor_id, state, since, data, watch)
             SELECT org_id, id, 'pending', {now}, '{{}}', false FROM new",
            ids.join(",")
        ));
    }

    /// Nothing is left that the judge was told of.
    fn wait_until_judged(&self) {
        while self.ask("SELECT count(*) FROM states WHERE dirty_at IS NOT NULL") != "0" {
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Bytes of all tables with their indexes, and of the log so far.
    fn bytes(&self) -> (f64, f64) {
        let tables = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r'";
        let log = "SELECT pg_current_wal_lsn() - '0/0'";
        (self.ask(tables).parse().unwrap(), self.ask(log).parse().unwrap())
    }
}
