//! What one check costs the whole probe, beside what it costs the peer; what many monitors need, and how late they are.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use nix::unistd::Pid;
use picket_shared::assignment::{Assignment, phase_us};
use picket_shared::check::{CheckSpec, DnsSpec, HttpSpec, RecordType};
use picket_shared::ids::MonitorId;
use picket_shared::time::Clock;
use picket_tests::ca::Authority;
use picket_tests::net::Place;
use picket_tests::process::{Process, our_program};
use picket_tests::wait;
use uuid::Uuid;

use crate::figure::Figure;
use crate::meter;
use crate::peer::{Exporter, NAME_OF_PEER};
use crate::targets::{self, ADDRESS, NAME, Targets};
use picket_tests::desk::{Desk, REGION, Slot};

const BENCH: &str = "probe";
/// Each figure is measured so often, and the peer after each.
const ROUNDS: usize = 3;
/// The shortest interval there is.
const INTERVAL_S: u32 = 5;
/// From new assignments to the measurement: first checks are done, and batches of slots are on their way.
const WARM_UP: Duration = Duration::from_secs(9);
/// A multiple of the interval, so that every monitor is checked equally often in it.
const WINDOW: Duration = Duration::from_secs(10);
/// The same for 10,000 monitors at 20 s.
const MANY_WINDOW: Duration = Duration::from_secs(40);
/// What is still on its way after the window is here by then.
const DELIVERY: Duration = Duration::from_secs(6);
const PEER_WARM_UP: Duration = Duration::from_secs(1);
const PEER_WINDOW: Duration = Duration::from_secs(4);

/// What is measured: our check, and the peer's module and target for the same.
struct Subject {
    figure: &'static str,
    check: CheckSpec,
    monitors: u32,
    module: &'static str,
    target: String,
}

/// Measures everything and prints it.
pub(crate) fn run(folder: &Path) {
    let authority = Authority::new(&folder.join("certificates"));
    let targets = Targets::start(folder, &authority);
    let exporter = Exporter::start(folder, &authority.file);
    let desk = Desk::open();
    let probe = start_probe(folder, &desk, &authority, "small");
    for subject in subjects(&targets) {
        measure(&subject, &desk, probe.pid(), &exporter);
    }
    drop((probe, exporter));

    let desk = Desk::open();
    let probe = start_probe(folder, &desk, &authority, "large");
    many(&desk, probe.pid(), &targets);
}

fn subjects(targets: &Targets) -> [Subject; 3] {
    let [http, https] = [targets::http_url(), targets::https_url()];
    [
        Subject {
            figure: "cpu_us_per_http_check",
            check: http_check(&http),
            monitors: 5000,
            module: "http",
            target: http,
        },
        Subject {
            figure: "cpu_us_per_https_check",
            check: http_check(&https),
            monitors: 2500,
            module: "https",
            target: https,
        },
        Subject {
            figure: "cpu_us_per_dns_check",
            check: dns_check(),
            monitors: 5000,
            module: "dns",
            target: targets.resolver.address.to_string(),
        },
    ]
}

fn http_check(url: &str) -> CheckSpec {
    CheckSpec::Http(HttpSpec::get(url))
}

/// One question to a server that is named, as the peer asks it.
fn dns_check() -> CheckSpec {
    let mut spec = DnsSpec::ask(NAME, RecordType::A);
    spec.server = Some(ADDRESS.to_string());
    CheckSpec::Dns(spec)
}

fn measure(subject: &Subject, desk: &Desk, probe: Pid, exporter: &Exporter) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let checks: Vec<&CheckSpec> = vec![&subject.check];
    for _ in 0..ROUNDS {
        desk.assign(assignments(&checks, subject.monitors, INTERVAL_S));
        let (cpu_us, slots) = watch(desk, probe, WINDOW);
        ours.push(cpu_us as f64 / slots.len() as f64);

        exporter.probe(subject.module, &subject.target, PEER_WARM_UP);
        let before = meter::tree_cpu_us(exporter.pid());
        let probes = exporter.probe(subject.module, &subject.target, PEER_WINDOW);
        theirs.push((meter::tree_cpu_us(exporter.pid()) - before) as f64 / probes as f64);
    }
    Figure::of(BENCH, subject.figure, "us", &ours).beside(NAME_OF_PEER, &theirs).print();
}

/// 10,000 monitors of all kinds at 20 s: 500 checks a second.
fn many(desk: &Desk, probe: Pid, targets: &Targets) {
    let checks: Vec<CheckSpec> = subjects(targets).into_iter().map(|subject| subject.check).collect();
    desk.assign(assignments(&checks.iter().collect::<Vec<_>>(), 10_000, 20));
    thread::sleep(Duration::from_secs(22));
    let (cpu_us, slots) = watch(desk, probe, MANY_WINDOW);
    let rate = slots.len() as f64 / MANY_WINDOW.as_secs_f64();
    let peak = meter::memory_mib(probe, "VmHWM");
    let mut late: Vec<Duration> = slots.iter().map(|slot| slot.late).collect();
    late.sort();
    let percentile = |share: usize| late[(late.len() - 1) * share / 1000].as_secs_f64() * 1000.0;
    let figure = |name, unit, value: f64| Figure::of(BENCH, name, unit, &[value]).print();
    figure("checks_per_second_10000_monitors", "1/s", rate);
    figure("cpu_us_per_mixed_check_10000_monitors", "us", cpu_us as f64 / slots.len() as f64);
    figure("rss_mib_10000_monitors", "MiB", meter::memory_mib(probe, "VmRSS"));
    figure("peak_rss_mib_10000_monitors", "MiB", peak);
    figure("lateness_ms_p50", "ms", percentile(500));
    figure("lateness_ms_p99", "ms", percentile(990));
    figure("lateness_ms_p999", "ms", percentile(999));
}

/// Processor time of the probe in a window, and the slots of that window; the monitors are taken away after it.
fn watch(desk: &Desk, probe: Pid, window: Duration) -> (u64, Vec<Slot>) {
    thread::sleep(WARM_UP);
    desk.clear();
    let (from, before) = (Clock::system().now(), meter::tree_cpu_us(probe));
    thread::sleep(window);
    let (to, after) = (Clock::system().now(), meter::tree_cpu_us(probe));
    // Monitors that are taken away before their outcomes came would not lose them, but the probe would be busy.
    thread::sleep(DELIVERY);
    let slots = desk.slots(from, to);
    desk.clear();
    desk.assign(Vec::new());
    thread::sleep(Duration::from_secs(1));
    (after - before, slots)
}

fn assignments(checks: &[&CheckSpec], count: u32, interval_s: u32) -> Vec<Assignment> {
    let region = REGION.parse().unwrap();
    let of = |check: &CheckSpec| {
        let monitor = MonitorId(Uuid::new_v4());
        Assignment {
            monitor,
            version: 1,
            interval_s,
            timeout_ms: 4000,
            phase_us: phase_us(monitor, &region, Duration::from_secs(interval_s.into())),
            check: check.clone(),
        }
    };
    checks.iter().cycle().take(count as usize).map(|check| of(check)).collect()
}

fn start_probe(folder: &Path, desk: &Desk, authority: &Authority, name: &str) -> Process {
    let config = folder.join(format!("{name}.toml"));
    let authority = authority.file.display();
    let text = format!(
        "extra_ca_file = \"{authority}\"\nresolvers = [\"{ADDRESS}:53\"]\n[egress]\nallow = [\"{ADDRESS}/32\"]\n"
    );
    fs::write(&config, text).unwrap();
    let mut command = Place::here().command(our_program("picket-probe"));
    command.arg("run").env("PICKET_TOKEN", desk.token()).env("PICKET_PROBE_CONFIG", &config);
    let mut process = Process::start("picket-probe run", command, &folder.join(format!("{name}.log")));
    wait::until("the probe's greeting", Duration::from_secs(20), || {
        assert!(process.runs(), "the probe ended: {}", process.log());
        if process.log().contains("runs in region") { Ok(()) } else { Err(process.log()) }
    });
    process
}
