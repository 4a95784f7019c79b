//! Calls that the real program makes of its files fail in turn, by strace, while it pushes, backs up, expires and restores. It never says
//! that something is done which is not on the disk, what is not whole never counts, and the next try mends it.
//!
//! A number counts in each thread, so several threads may fail once each. The rest is looked at by `PICKET_FULL=1`.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use picket_tests::archive::{archived, archiving, first_backup, folder, look_at_armed, restore, text};
use picket_tests::collector::Collector;
use picket_tests::process::Process;
use picket_tests::trace::{self, Ended, Failing};
use picket_tests::wait;
use picket_tests::world::World;
use serde_json::Value;

/// What a disk answers that fails, is full, or is not to be written.
const ERRORS: [&str; 4] = ["EIO", "ENOSPC", "EACCES", "EROFS"];
/// Runs at a time: they wait for disks and for PostgreSQL.
const AT_ONCE: usize = 4;

fn is_full() -> bool {
    std::env::var_os("PICKET_FULL").is_some()
}

/// A command that is run with failing calls.
struct Bench<'a> {
    world: &'a World,
    folder: PathBuf,
}

/// What came of a run.
struct Run {
    code: Option<i32>,
    out: String,
    said: String,
    calls: Vec<Ended>,
}

impl Bench<'_> {
    fn run(&self, name: &str, failing: Option<&Failing>, more: &[&str], arguments: &[&str]) -> Run {
        let file = self.folder.join(format!("{name}.trace"));
        let mut command = trace::failing(&file, failing);
        command.args(more).arg("-qq").arg("--");
        let (code, out, said) = Collector::outcome_of(self.world.collector.program_under(command, arguments));
        let calls = trace::ended(&fs::read_to_string(&file).unwrap());
        fs::remove_file(&file).unwrap();
        assert!(!said.contains("panicked"), "{name}, {failing:?}: {said}");
        Run { code, out, said, calls }
    }
}

/// The calls of a run that failed at nothing, of which each is to fail once: those whose file is one of these. One error each, in turn;
/// all by `PICKET_FULL=1`.
fn to_fail(calls: &[Ended], is_one: impl Fn(&Ended) -> bool) -> Vec<Failing> {
    let mut found = BTreeSet::new();
    for (at, call) in calls.iter().enumerate() {
        let is_same = |other: &&Ended| other.thread == call.thread && other.name == call.name;
        // What wakes the runtime up is a `write` too, and no call of files.
        if call.name != "write" && is_one(call) {
            found.insert((call.name.clone(), calls[..=at].iter().filter(is_same).count()));
        }
    }
    // Files are opened most of all, and mostly to be read.
    let mut opened = 0;
    found.retain(|(call, _)| {
        opened += usize::from(call == "openat");
        is_full() || call != "openat" || opened % 3 == 1
    });
    let errors = |at: usize| if is_full() { 0..ERRORS.len() } else { at % ERRORS.len()..at % ERRORS.len() + 1 };
    let each = found.into_iter().enumerate();
    each.flat_map(|(at, (call, number))| {
        errors(at).map(move |error| Failing { call: call.clone(), number, error: ERRORS[error] })
    })
    .collect()
}

/// Does it for each, a few at a time.
fn for_each<T: Send>(all: Vec<T>, work: impl Fn(usize, T) + Sync) {
    let next = Mutex::new(all.into_iter().enumerate());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let taken = next.lock().unwrap().next();
                    let Some((number, one)) = taken else { return };
                    work(number, one);
                }
            });
        }
    });
}

fn listed(world: &World) -> Vec<String> {
    let listed = world.collector.json(&["backup", "list"]);
    let ids = listed["backups"].as_array().unwrap().iter().map(|backup| backup["id"].as_str().unwrap().to_owned());
    ids.collect()
}

#[track_caller]
fn must_be_whole(world: &World, deep: bool) {
    let arguments: &[&str] = if deep { &["backup", "verify", "--deep"] } else { &["backup", "verify"] };
    let (code, verdict) = world.collector.judged(arguments);
    assert_eq!((code, &verdict["whole"]), (Some(0), &Value::Bool(true)), "{verdict:#}");
}

#[test]
fn whichever_call_fails_what_is_said_to_be_archived_is_on_the_disk() {
    let mut world = archiving();
    let folder = folder(&world);
    first_backup(&world);
    world.collector.postgres().run("CREATE TABLE ledger (row bigint PRIMARY KEY)").unwrap();
    let archive = folder.join("archive");
    let rows = pushes(&world, &archive);
    let bench = Bench { world: &world, folder: world.folder("traces") };
    fs::create_dir_all(&bench.folder).unwrap();
    backs_up(&bench, &archive);
    writes_fail(&world, &archive);
    expires(&bench, &archive);
    must_be_whole(&world, true);
    archived(&world.collector.postgres());
    let into = folder.join("restored");
    restore(&world, "latest", &into);
    world.collector.stops();
    let found = look_at_armed(&mut world, &into, |postgres| postgres.run("SELECT count(*) FROM ledger").unwrap());
    assert_eq!(found, rows.to_string());
}

/// The collector that runs archives rows while its calls fail; gives how many.
fn pushes(world: &World, archive: &Path) -> usize {
    let postgres = world.collector.postgres();
    let calls = [("fsync", 1), ("fsync", 2), ("linkat", 1), ("openat", 2), ("unlink", 1), ("flock", 1)];
    let all: Vec<Failing> = calls
        .iter()
        .enumerate()
        .flat_map(|(at, (call, number))| {
            let errors: &[&'static str] = if is_full() { &ERRORS } else { &ERRORS[at % 4..=at % 4] };
            errors.iter().map(|error| Failing { call: (*call).to_owned(), number: *number, error })
        })
        .collect();
    let mut hits = 0;
    for (number, failing) in all.iter().enumerate() {
        let (file, log) = (world.folder("push.trace"), world.folder(&format!("strace-{number}.log")));
        let mut command = trace::failing(&file, Some(failing));
        command.arg("-p").arg(world.collector.pid().to_string());
        let mut strace = Process::start("strace", command, &log);
        wait::until("strace", Duration::from_secs(20), || {
            let said = strace.log();
            if said.contains("attached") { Ok(()) } else { Err(said) }
        });
        postgres.run(&format!("INSERT INTO ledger VALUES ({number})")).unwrap();
        archived(&postgres);
        strace.signal(Signal::SIGINT);
        strace.stop();
        assert!(kill(world.collector.pid(), None).is_ok(), "{failing:?}: {}", world.collector.log());
        let calls = trace::ended(&fs::read_to_string(&file).unwrap());
        hits += calls.iter().filter(|call| call.is_injected() && Path::new(call.path()).starts_with(archive)).count();
        assert_eq!(trace::not_flushed(&calls, archive), Vec::<String>::new(), "{failing:?}");
        let is_segment = |call: &&Ended| call.name == "linkat" && call.text.contains("/wal/") && call.worked;
        assert!(calls.iter().any(|call| is_segment(&call)), "{failing:?}: no segment came");
    }
    assert!(hits >= all.len() / 2, "{hits} of {} calls that failed were of the archive", all.len());
    assert!(!world.collector.log().contains("panicked"), "{}", world.collector.log());
    all.len()
}

fn backs_up(bench: &Bench<'_>, archive: &Path) {
    let plain = bench.run("plain", None, &[], &["backup", "now", "--json"]);
    assert_eq!(plain.code, Some(0), "{}", plain.said);
    assert_eq!(trace::not_flushed(&plain.calls, archive), Vec::<String>::new());
    let all = to_fail(&plain.calls, |call| Path::new(call.path()).starts_with(archive));
    let (count, hits) = (all.len(), Mutex::new(0));
    for_each(all, |number, failing| {
        let run = bench.run(&format!("backup-{number}"), Some(&failing), &[], &["backup", "now", "--json"]);
        let hit = run.calls.iter().any(|call| call.is_injected() && Path::new(call.path()).starts_with(archive));
        *hits.lock().unwrap() += usize::from(hit);
        if run.code == Some(0) {
            let backup: Value = serde_json::from_str(&run.out).unwrap();
            assert!(listed(bench.world).contains(&backup["id"].as_str().unwrap().to_owned()), "{failing:?}");
            assert_eq!(trace::not_flushed(&run.calls, archive), Vec::<String>::new(), "{failing:?}");
        } else {
            assert!(run.said.len() > 20, "{failing:?}: {:?} {}", run.code, run.said);
        }
    });
    // The folder of a backup is made once: where it could not be flushed into the one above, that is done before anything in it counts.
    let above = fs::read_dir(archive).unwrap().flatten().map(|entry| entry.path()).find(|path| path.is_dir()).unwrap();
    let above = above.join("base");
    for error in ERRORS {
        let failing = Failing { call: "fsync".to_owned(), number: 1, error };
        let run = bench.run("above", Some(&failing), &["-P", text(&above)], &["backup", "now", "--json"]);
        let came = |worked: bool| run.calls.iter().any(|call| call.name == "fsync" && call.worked == worked);
        assert!(came(false) && (run.code != Some(0) || came(true)), "{error}: {:?} {}", run.code, run.said);
    }
    let hits = hits.into_inner().unwrap();
    assert!(count >= 10 && hits * 2 >= count, "{hits} of {count} calls that failed were of the archive");
    must_be_whole(bench.world, false);
}

/// Writes fail in the middle of an object, until they do not; or they end the program.
fn writes_fail(world: &World, archive: &Path) {
    for_each(vec![1_u64, 5_000, 500_000], |_, most| {
        let mut command = world.collector.place().command("prlimit");
        command.arg(format!("--fsize={most}:")).args(["env", "--ignore-signal=XFSZ"]);
        let mut command = world.collector.program_under(command, &["backup", "now", "--json"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        thread::sleep(Duration::from_secs(4));
        // As the user that it became: root needs a capability for it that a container may lack.
        let mut lifted = Command::new("setpriv");
        lifted.args(["--reuid=picket", "--regid=picket", "--clear-groups", "prlimit", "--fsize=unlimited:", "--pid"]);
        let lifted = lifted.arg(child.id().to_string()).output();
        let output = child.wait_with_output().unwrap();
        // With one byte a file it ended when it looked whether the archive can be written.
        assert_eq!(output.status.success(), most > 1, "{output:?}");
        if output.status.success() {
            assert!(lifted.as_ref().unwrap().status.success(), "{lifted:?}");
            let backup: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert!(listed(world).contains(&backup["id"].as_str().unwrap().to_owned()));
        } else {
            assert!(String::from_utf8_lossy(&output.stderr).contains("File too large"), "{output:?}");
        }
    });
    let before = listed(world);
    let mut command = world.collector.place().command("prlimit");
    command.arg("--fsize=500000:");
    let output = world.collector.program_under(command, &["backup", "now"]).output().unwrap();
    assert_eq!(output.status.signal(), Some(Signal::SIGXFSZ as i32), "{output:?}");
    let files = fs::read_dir(archive).unwrap().flatten().map(|entry| entry.path());
    let is_unfinished = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(".new-");
    let unfinished: Vec<PathBuf> = files.filter(is_unfinished).collect();
    assert!(!unfinished.is_empty(), "it was ended in the middle of an object");
    assert_eq!(listed(world), before, "what was cut off is none");
    assert!(!unfinished.iter().any(|path| path.exists()), "the next command sweeps it away: {unfinished:?}");
    must_be_whole(world, false);
}

/// What a base backup left that did not come to its end expires after two days.
fn expires(bench: &Bench<'_>, archive: &Path) {
    let system = fs::read_dir(archive).unwrap().flatten().map(|entry| entry.path()).find(|path| path.is_dir()).unwrap();
    let left = |number: usize| {
        let id = format!("20200101T000000Z-{number:04x}");
        let to = system.join("base").join(id);
        let status =
            Command::new("cp").arg("-a").arg(system.join("base").join(&listed(bench.world)[0])).arg(&to).status();
        assert!(status.unwrap().success());
        fs::remove_file(to.join("backup")).unwrap();
        to
    };
    let gone = |folder: &Path| fs::read_dir(folder).map_or(0, Iterator::count) == 0;
    let data = bench.world.collector.keys().with_file_name("data");
    let is_ours = |call: &Ended| {
        let path = Path::new(call.path());
        path.starts_with(archive)
            || path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("archive-head"))
    };
    let first = left(0);
    let plain = bench.run("plain", None, &[], &["backup", "expire", "--json"]);
    assert!(plain.code == Some(0) && gone(&first), "{}", plain.said);
    let before = listed(bench.world);
    // Each with parts of its own; one at a time, for each takes all away.
    for (number, failing) in to_fail(&plain.calls, is_ours).into_iter().enumerate() {
        let folder = left(number + 1);
        let run = bench.run("expire", Some(&failing), &[], &["backup", "expire", "--json"]);
        if run.code == Some(0) {
            assert!(gone(&folder), "{failing:?}: it said that all was done");
            for root in [archive, &data] {
                assert_eq!(trace::not_flushed(&run.calls, root), Vec::<String>::new(), "{failing:?}");
            }
        } else {
            assert!(run.said.len() > 20, "{failing:?}: {:?} {}", run.code, run.said);
        }
        let again = bench.world.collector.outcome(&["backup", "expire"]);
        assert!(again.0 == Some(0) && gone(&folder), "{failing:?}: {again:?}");
    }
    assert_eq!(listed(bench.world), before);
    must_be_whole(bench.world, false);
}

#[test]
fn whichever_call_fails_a_restore_is_right_or_is_none() {
    let mut world = archiving();
    let folder = folder(&world);
    first_backup(&world);
    let postgres = world.collector.postgres();
    postgres
        .run("CREATE TABLE ledger (row bigint PRIMARY KEY); INSERT INTO ledger SELECT generate_series(1, 1000)")
        .unwrap();
    archived(&postgres);
    world.collector.stops();
    let bench = Bench { world: &world, folder: world.folder("traces") };
    fs::create_dir_all(&bench.folder).unwrap();
    let restores = |name: &str, failing: Option<&Failing>, more: &[&str]| {
        let into = folder.join(name);
        let run = bench.run(name, failing, more, &["restore", "--to-time", "latest", "--into", text(&into), "--json"]);
        (run, into)
    };
    let (plain, into) = restores("plain", None, &[]);
    assert_eq!(plain.code, Some(0), "{}", plain.said);
    let archive = folder.join("archive");
    let of_archive = to_fail(&plain.calls, |call| Path::new(call.path()).starts_with(&archive));
    // Beside the archive: the first calls of each kind, and some of the many that write files out.
    let of_copy = to_fail(&plain.calls, |call| Path::new(call.path()).starts_with(&into));
    let last = of_copy.len();
    let some = of_copy.into_iter().enumerate().filter(|(at, _)| is_full() || at % (last / 12).max(1) == 0);
    let mut all: Vec<(Failing, Option<&str>)> =
        of_archive.into_iter().chain(some.map(|(_, failing)| failing)).map(|failing| (failing, None)).collect();
    // And those of a file of its own each.
    let (mark, data) = (&["openat", "write", "fsync", "rename"][..], &["openat", "write"][..]);
    let files = [
        ("restored.json.new", 1, mark),
        ("restored.json.new", 2, mark),
        ("postgres/PG_VERSION", 1, data),
        ("postgres/global/pg_control", 1, data),
    ];
    for (at, (file, number, calls)) in files.into_iter().enumerate() {
        for call in calls {
            let failing = Failing { call: (*call).to_owned(), number, error: ERRORS[at % 4] };
            all.push((failing, Some(file)));
        }
    }
    let wanted: Value = serde_json::from_str(&plain.out).unwrap();
    let came = Mutex::new((0, 0));
    for_each(all, |number, (failing, file)| {
        let name = format!("restore-{number}");
        let path = file.map(|file| folder.join(&name).join(file));
        let more: Vec<&str> = path.iter().flat_map(|path| ["-P", text(path)]).collect();
        let (run, into) = restores(&name, Some(&failing), &more);
        let case = format!("{failing:?} of {file:?}");
        if run.code == Some(0) {
            came.lock().unwrap().0 += 1;
            let restored: Value = serde_json::from_str(&run.out).unwrap();
            for key in ["backup", "last_commit", "timeline", "wal_bytes"] {
                assert_eq!(restored["restored"][key], wanted["restored"][key], "{case}");
            }
        } else {
            came.lock().unwrap().1 += 1;
            assert!(run.said.len() > 20, "{case}: {:?} {}", run.code, run.said);
            let (code, _, said) = world.collector.outcome(&["restore", "--arm", "--into", text(&into)]);
            assert!(code != Some(0) && said.len() > 20, "{case}: {said}");
            assert!(
                !into.join("postgres").exists() || into.join("restored.json").exists(),
                "{case}: nothing says that it is a copy"
            );
        }
        fs::remove_dir_all(&into).ok();
    });
    let came = came.into_inner().unwrap();
    println!("{} restores were right, {} failed", came.0, came.1);
    assert!(came.1 >= 5, "{came:?}");
    let found = look_at_armed(&mut world, &into, |postgres| postgres.run("SELECT count(*) FROM ledger").unwrap());
    assert_eq!(found, "1000");
}
