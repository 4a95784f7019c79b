//! A probe under load, traced from its start: it writes no byte to any file, and does not even try to open one for
//! writing, to start a program, or to cut a file off. What the kernel enforces is in its batches and in `probe list`.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use picket_shared::assignment::{Assignment, phase_us};
use picket_shared::batch::Confinement;
use picket_shared::check::{CheckSpec, DnsSpec, HttpSpec, RecordType, TcpSpec};
use picket_shared::ids::MonitorId;
use picket_shared::time::Clock;
use picket_tests::desk::{Desk, REGION};
use picket_tests::net::Place;
use picket_tests::process::{Process, our_program};
use picket_tests::trace::{self, Call};
use picket_tests::wait;
use picket_tests::world::World;
use uuid::Uuid;

const LOAD: Duration = Duration::from_secs(60);
/// Checks a second: each monitor is checked every 5 s.
const RATE: usize = 300;

#[test]
fn a_probe_under_load_writes_nothing() {
    let world = World::local();
    let _shop = world.target(None, &[]);
    let _names = world.resolver(&["www A 192.0.2.1".to_owned()]);
    let desk = Desk::open();
    let (_, resolver) = world.resolver_seat();
    let settings = format!("resolvers = [\"{resolver}\"]\n[egress]\nallow = [\"{}/32\"]\n", world.target_address());
    let config = world.file("probe.toml", &settings);
    let file = world.folder("trace.txt");
    let mut command = trace::command(&Place::here(), &file, &our_program("picket-probe"));
    command.arg("run").env("PICKET_TOKEN", desk.token()).env("PICKET_PROBE_CONFIG", &config);
    let mut probe = Process::start("picket-probe run, traced", command, &world.folder("probe.log"));
    wait::until("its greeting", Duration::from_secs(60), || {
        assert!(probe.runs(), "the probe ended: {}", probe.log());
        if probe.log().contains("runs in region") { Ok(()) } else { Err(probe.log()) }
    });
    desk.assign(monitors(&world));
    thread::sleep(Duration::from_secs(6));
    let from = Clock::system().now();
    thread::sleep(LOAD);
    let to = Clock::system().now();
    thread::sleep(Duration::from_secs(6));
    let done = desk.slots(from, to).len();
    println!("{} checks a second over {LOAD:?}", done as u64 / LOAD.as_secs());
    assert!(done > RATE * 60 / 2, "only {done} checks in {LOAD:?}: no load");
    assert_eq!(probe.stop().and_then(|status| status.code()), Some(0), "{}", probe.log());

    // From the first call of the program to the end of its last thread.
    let lines = trace::finished(&file);
    assert!(lines[0].contains("execve(") && lines[0].contains("picket-probe"), "{}", lines[0]);
    let calls = || lines.iter().filter_map(|line| Call::read(line));
    let confined = calls().position(|call| call.name == "seccomp");
    let confined = confined.expect("the trace holds no seccomp: it did not begin at the start");
    let files = calls().filter(Call::writes_a_file).map(|call| call.line).collect::<Vec<_>>();
    assert!(files.is_empty(), "it wrote: {files:#?}");
    // Before that the kernel is asked whether a write would be refused, once; from then on nothing of the kind happens.
    let tries = calls().enumerate().filter(|(_, call)| call.changes_files()).collect::<Vec<_>>();
    let after_check = tries.iter().filter(|(at, call)| *at > confined && !is_the_test_of_the_filter(call));
    let after_check: Vec<_> = after_check.map(|(_, call)| &call.line).collect();
    assert!(after_check.is_empty(), "it tried: {after_check:#?}");
    assert_eq!(tries.iter().filter(|(_, call)| is_the_test_of_the_filter(call)).count(), 1, "{tries:#?}");
}

/// `confine` tries whether the filter is in force, by opening this one device, and is refused.
fn is_the_test_of_the_filter(call: &Call) -> bool {
    call.name == "openat" && call.line.contains("\"/dev/null\", O_WRONLY") && call.line.contains("EPERM")
}

fn monitors(world: &World) -> Vec<Assignment> {
    let (address, ports) = (world.target_address().to_string(), world.ports());
    let checks = [
        CheckSpec::Http(HttpSpec::get(world.url())),
        CheckSpec::Dns(DnsSpec::ask("www.shop.test", RecordType::A)),
        CheckSpec::Tcp(TcpSpec { host: address, port: ports.http }),
    ];
    let region = REGION.parse().unwrap();
    let of = |check: &CheckSpec| {
        let monitor = MonitorId(Uuid::new_v4());
        let phase_us = phase_us(monitor, &region, Duration::from_secs(5));
        Assignment { monitor, version: 1, interval_s: 5, timeout_ms: 4000, phase_us, check: check.clone() }
    };
    checks.iter().cycle().take(RATE * 5).map(of).collect()
}

#[test]
fn what_the_kernel_enforces_is_reported() {
    let mut world = World::local();
    world.probe("eu");
    let listed = wait::until("a batch", Duration::from_secs(60), || {
        let listed = world.collector.json(&["probe", "list"]);
        if listed[0]["report"].is_null() { Err(listed) } else { Ok(listed) }
    });
    let told: Confinement = serde_json::from_value(listed[0]["report"]["confinement"].clone()).unwrap();
    let log = world.probe_in("eu").log();
    let line = log.lines().find(|line| line.contains("Confined by the kernel")).unwrap().to_owned();

    // Beside what it says of itself, what the kernel says of each of its threads.
    let pid = world.probe_in("eu").pid();
    let threads: Vec<_> = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().map(|task| task.unwrap()).collect();
    assert!(!threads.is_empty(), "the probe ended");
    for thread in &threads {
        let status = std::fs::read_to_string(thread.path().join("status")).unwrap();
        let fields: BTreeMap<&str, &str> =
            status.lines().filter_map(|line| line.split_once(':')).map(|(key, value)| (key, value.trim())).collect();
        assert_eq!(told.seccomp, fields["Seccomp"] == "2", "{status}");
        assert_eq!(told.no_new_privileges, fields["NoNewPrivs"] == "1", "{status}");
    }
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let zero = core.split_whitespace().filter(|word| *word == "0").count() == 2;
    // The files of a process that is not dumpable belong to root, whoever runs it.
    let undumpable = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(format!("/proc/{pid}/maps")).unwrap()) == 0;
    assert_eq!(told.no_core_dumps, zero && undumpable, "{limits}");
    let abi = match told.landlock_abi {
        0 => "Landlock NO".to_owned(),
        abi => format!("Landlock ABI {abi}"),
    };
    assert!(line.contains(&abi), "{line} and {told:?}");
    let kernel = landlock_of_the_kernel();
    assert_eq!((told.landlock_abi > 0, told.landlock_abi <= kernel), (kernel > 0, true), "{told:?}, kernel {kernel}");
    let text = world.collector.run(&["probe", "list"]);
    let whole = told.landlock_abi > 0 && told.seccomp && told.no_new_privileges && told.no_core_dumps;
    assert_eq!(text.contains("NOT "), !whole, "{text}");
    assert!(text.contains(&abi), "the kernel's own words are missing: {text}");
}

/// The ABI that the kernel offers, 0 for none: `landlock_create_ruleset(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION)`.
fn landlock_of_the_kernel() -> u32 {
    let ask = "import ctypes; print(max(0, ctypes.CDLL(None).syscall(444, None, 0, 1)))";
    let output = std::process::Command::new("python3").args(["-c", ask]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}
