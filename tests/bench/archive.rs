//! What a base backup, a restore and a segment of WAL cost, beside pgBackRest on the same cluster.
//!
//! Three quarters of the cluster are results of checks as Picket keeps them, one is pgbench's tables, by which load is made.

use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::unistd::Pid;
use picket_collector::postgres::DATABASE;
use picket_collector::postgres::managed::Layout;
use picket_shared::time::{Clock, Stopwatch, Timestamp};
use picket_tests::collector::Collector;
use picket_tests::pgbackrest::PgBackRest;
use picket_tests::postgres::Postgres;
use picket_tests::process::our_program;
use picket_tests::wait;
use serde_json::Value;

use crate::database::{self, Database};
use crate::figure::Figure;
use crate::meter;

const BENCH: &str = "archive";
/// A loopback address that no test uses.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 78, 0, 5);
const PEER: &str = "pgbackrest";
const ROUNDS: usize = 3;
/// Rows of results for each MiB of the cluster, and what pgbench calls its scale.
const ROWS_A_MIB: u64 = 4_400;
const MIB_A_SCALE: u64 = 60;
/// How large the cluster is, in MiB, unless `PICKET_MIB` says otherwise.
const MIB: u64 = 2_048;
/// Results in a batch, and batches in a second.
const BATCH: u64 = 500;
const BATCHES_A_SECOND: u64 = 50;
/// How long WAL is made for the time of a segment, unless `PICKET_SECONDS` says otherwise.
const LOAD: u64 = 120;
const MIB_BYTES: f64 = 1_048_576.0;

/// What one run took.
#[derive(Clone, Copy, Debug)]
struct Cost {
    seconds: f64,
    cpu_s: f64,
    /// What of it is not PostgreSQL's, which sends what ours reads, and does nothing for the peer.
    own_cpu_s: f64,
    /// Of a restore: until the copy answers.
    rto_s: f64,
}

/// A cluster that both archive.
struct Room<'a> {
    home: &'a Path,
    collector: Collector,
    postgres: Postgres,
    peer: PgBackRest,
}

/// Measures everything and prints it.
pub(crate) fn run(folder: &Path) {
    let (mut collector, database) = database::start(folder, ADDRESS);
    let home = folder.join("collector");
    let data = home.join("data");
    fill(&database, &Layout::of(&data));
    let peer = PgBackRest::beside(&data, &home.join("pgbackrest"));
    peer.begins(&mut collector, &format!("directory = \"{}\"\n", home.join("archive").display()));
    let postgres = collector.postgres();
    let room = Room { home: &home, collector, postgres, peer };
    wait::until("the first base backup", Duration::from_secs(300), || {
        room.last_backup().ok_or_else(|| room.collector.log())
    });
    backups(&room);
    restores(&room);
    segments(&room);
}

/// Results of yesterday, as old ones are dropped, and pgbench's tables.
fn fill(database: &Database, layout: &Layout) {
    let mib: u64 = asked("PICKET_MIB", MIB);
    let (rows, scale) = (mib * ROWS_A_MIB, mib / MIB_A_SCALE);
    let yesterday = Clock::system().now().seconds() / 86_400 - 1;
    database.ask(&format!("SELECT ensure_partition('results', {yesterday})"));
    let began = yesterday * 86_400_000_000;
    database.ask(&results(rows, &format!("{began} + n * (86400000000 / {rows})")));
    database.ask("CREATE DATABASE load");
    let made = pgbench(layout, "load").args(["--initialize", "--quiet", &format!("--scale={}", scale.max(1))]).status();
    assert!(made.unwrap().success());
    database.ask("VACUUM ANALYZE results");
    database.ask("CHECKPOINT");
}

/// A statement that adds so many results of 1,000 monitors in three regions, whose times scatter as real ones do.
fn results(rows: u64, at: &str) -> String {
    format!(
        "INSERT INTO results (org_id, monitor_id, region_id, probe_id, at, received_at, version, trigger, status, self_check,
             code, late_us, total_us, resolve_us, connect_us, tls_us, send_us, wait_us, receive_us, address)
         SELECT 1, m, r, r, at, at + 900000 + (random() * 200000)::int, 1, 's', 'u', 'g', 200, (-ln(1 - random()) * 400)::int,
                a + b + c + d + e + f, a, b, c, d, e, f, '93.184.216.34'
         FROM (SELECT n / 3 % 1000 AS m, n % 3 + 1 AS r, {at} AS at,
                      (-ln(1 - random()) * 900)::int AS a, ((n / 3 % 1000) * 17 - ln(1 - random()) * 1500)::int AS b,
                      ((n / 3 % 1000) * 31 - ln(1 - random()) * 2500)::int AS c, (-ln(1 - random()) * 60)::int AS d,
                      ((n / 3 % 1000) * 90 - ln(1 - random()) * 20000)::int AS e, (-ln(1 - random()) * 300)::int AS f
               FROM generate_series(0, {rows} - 1) AS n) x"
    )
}

fn asked(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().map_or(usual, |text| text.parse().unwrap())
}

fn pgbench(layout: &Layout, database: &str) -> Command {
    let mut command = Command::new("pgbench");
    command.args(["--username=postgres", "--host"]).arg(layout.socket_directory());
    command.env("PGDATABASE", database).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

impl Room<'_> {
    fn last_backup(&self) -> Option<Value> {
        let listed: Value = serde_json::from_str(&self.collector.command(&["backup", "list", "--json"]).ok()?).ok()?;
        listed["backups"].as_array()?.last().cloned()
    }

    /// What everything that is part of it used so far, and of that PostgreSQL with what it started: the rest are programs that
    /// ended, and the collector.
    fn cpu_us(&self) -> (u64, u64) {
        let postgres = meter::tree_cpu_us(self.postgres.postmaster().unwrap());
        (meter::cpu_us(Pid::this()) + meter::cpu_us(self.collector.pid()) + postgres, postgres)
    }

    fn measured(&self, work: impl FnOnce()) -> Cost {
        let ((all, postgres), watch) = (self.cpu_us(), Stopwatch::start());
        work();
        let elapsed = watch.elapsed().as_secs_f64();
        let (all_after, postgres_after) = self.cpu_us();
        let own_cpu_s = seconds(all_after - all - (postgres_after - postgres));
        Cost { seconds: elapsed, cpu_s: seconds(all_after - all), own_cpu_s, rto_s: 0.0 }
    }

    /// Has pgbench change its own rows.
    fn load(&self, during: Duration) {
        let layout = Layout::of(&self.home.join("data"));
        let mut command = pgbench(&layout, "load");
        command.args(["--no-vacuum", "--client=4", &format!("--time={}", during.as_secs())]);
        assert!(command.status().unwrap().success());
    }

    /// Has results come in, in as many batches a second as make a segment every other second.
    fn intake(&self, during: Duration) {
        let (layout, script) = (Layout::of(&self.home.join("data")), self.home.join("intake.sql"));
        let now = "(extract(epoch FROM now()) * 1000000)::bigint + n";
        std::fs::write(&script, results(BATCH, now).replace('\n', " ") + ";\n").unwrap();
        let mut command = pgbench(&layout, DATABASE);
        command.args(["--no-vacuum", "--client=4", &format!("--rate={BATCHES_A_SECOND}"), "--file"]).arg(&script);
        assert!(command.arg(format!("--time={}", during.as_secs())).status().unwrap().success());
    }

    /// Restores by ours; the copy must answer. What is timed as the restore ends where the WAL begins: so far goes the peer's, too.
    fn restore(&self, to: Timestamp, into: &Path) -> Cost {
        let mut command = Command::new(our_program("picket-collector"));
        command.arg("--config").arg(self.home.join("config.toml")).args([
            "restore",
            "--to-time",
            &to.exact(),
            "--into",
        ]);
        let watch = Stopwatch::start();
        let mut child = command.arg(into).stdout(Stdio::piped()).spawn().unwrap();
        let pid = Pid::from_raw(child.id().try_into().unwrap());
        let mut cost = None;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            if line.unwrap().starts_with("Every file is as it was backed up") {
                let cpu_s = seconds(meter::tree_cpu_us(pid));
                cost = Some(Cost { seconds: watch.elapsed().as_secs_f64(), cpu_s, own_cpu_s: cpu_s, rto_s: 0.0 });
            }
        }
        assert!(child.wait().unwrap().success());
        let (mut copy, _) = self.peer.start_copy(into);
        let rto_s = watch.elapsed().as_secs_f64();
        copy.stop();
        Cost { rto_s, ..cost.unwrap() }
    }

    fn restore_by_peer(&self, to: Timestamp, into: &Path) -> Cost {
        let (before, watch) = (meter::cpu_us(Pid::this()), Stopwatch::start());
        self.peer.restore(Some(to), into);
        let (seconds_, cpu_s) = (watch.elapsed().as_secs_f64(), seconds(meter::cpu_us(Pid::this()) - before));
        let (mut copy, _) = self.peer.start_copy(into);
        let rto_s = watch.elapsed().as_secs_f64();
        copy.stop();
        Cost { seconds: seconds_, cpu_s, own_cpu_s: cpu_s, rto_s }
    }

    fn bytes(&self) -> (f64, f64) {
        let last = self.last_backup().unwrap();
        let stored: u64 = last["parts"].as_array().unwrap().iter().map(|part| part["size"].as_u64().unwrap()).sum();
        (last["bytes"].as_f64().unwrap(), stored as f64)
    }
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

/// Each of both as often, first every other time.
fn alternately(mut ours: impl FnMut(usize) -> Cost, mut theirs: impl FnMut(usize) -> Cost) -> [Vec<Cost>; 2] {
    let mut costs = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        for turn in [round % 2, 1 - round % 2] {
            costs[turn].push(if turn == 0 { ours(round) } else { theirs(round) });
        }
    }
    costs
}

fn print(name: &str, unit: &'static str, [ours, theirs]: &[Vec<Cost>; 2], of: impl Fn(&Cost) -> f64) {
    let each = |costs: &[Cost]| costs.iter().map(&of).collect::<Vec<_>>();
    Figure::of(BENCH, name, unit, &each(ours)).beside(PEER, &each(theirs)).print();
}

fn backups(room: &Room<'_>) {
    let ours = |_| {
        room.measured(|| {
            room.collector.json(&["backup", "now"]);
        })
    };
    let costs = alternately(ours, |_| room.measured(|| room.peer.backup()));
    let (bytes, stored) = room.bytes();
    print("backup_mib_per_second", "MiB/s", &costs, |cost| bytes / MIB_BYTES / cost.seconds);
    print("backup_cpu_s", "s", &costs, |cost| cost.cpu_s);
    print("backup_cpu_s_without_postgresql", "s", &costs, |cost| cost.own_cpu_s);
    let theirs = room.peer.stored_bytes() as f64 / ROUNDS as f64;
    Figure::of(BENCH, "cluster_mib", "MiB", &[bytes / MIB_BYTES]).print();
    Figure::of(BENCH, "stored_mib", "MiB", &[stored / MIB_BYTES]).beside(PEER, &[theirs / MIB_BYTES]).print();
}

fn restores(room: &Room<'_>) {
    room.load(Duration::from_secs(5));
    let to = Clock::system().now();
    room.load(Duration::from_secs(3));
    picket_tests::archive::archived(&room.postgres);
    let at = |name: &str, round: usize| room.home.join(format!("{name}-{round}"));
    let removed = |into: &Path, cost: Cost| {
        std::fs::remove_dir_all(into).unwrap();
        cost
    };
    let costs = alternately(
        |round| removed(&at("ours", round), room.restore(to, &at("ours", round))),
        |round| removed(&at("theirs", round), room.restore_by_peer(to, &at("theirs", round))),
    );
    let (bytes, _) = room.bytes();
    print("restore_mib_per_second", "MiB/s", &costs, |cost| bytes / MIB_BYTES / cost.seconds);
    print("restore_cpu_s", "s", &costs, |cost| cost.cpu_s);
    print("restore_until_it_answers_s", "s", &costs, |cost| cost.rto_s);
}

/// Both get each segment, one after the other.
fn segments(room: &Room<'_>) {
    let before = room.peer.handed().len();
    room.intake(Duration::from_secs(asked("PICKET_SECONDS", LOAD)));
    picket_tests::archive::archived(&room.postgres);
    let handed = room.peer.handed().split_off(before);
    let of = |who: &str| -> Vec<f64> {
        let segments = handed.iter().filter(|one| one.to == who && one.file.len() == 24);
        let mut took: Vec<f64> = segments.map(|one| one.took.as_secs_f64() * 1e3).collect();
        took.sort_by(f64::total_cmp);
        took
    };
    let (ours, theirs) = (of("picket"), of(PEER));
    Figure::of(BENCH, "segments_handed_over", "", &[ours.len() as f64]).print();
    let p99 = |took: &[f64]| took[(took.len() * 99).div_ceil(100) - 1];
    let mean = |took: &[f64]| took.iter().sum::<f64>() / took.len() as f64;
    Figure::of(BENCH, "segment_ms", "ms", &ours).beside(PEER, &theirs).print();
    Figure::of(BENCH, "segment_ms_mean", "ms", &[mean(&ours)]).beside(PEER, &[mean(&theirs)]).print();
    Figure::of(BENCH, "segment_ms_p99", "ms", &[p99(&ours)]).beside(PEER, &[p99(&theirs)]).print();
}
