//! Programs that the tests start, and end by their process id whatever happens.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long a program may take to stop before it is killed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running program; dropping it ends it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

/// What a log holds so far; it may end in the middle of a character that is being written.
pub fn logged(log: &Path) -> String {
    fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

impl Process {
    /// Starts `command` with its output in `log` and nothing on its standard input.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {name} ({command:?}): {error}"));
        Self { name: name.to_owned(), child, log: log.to_owned() }
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What it wrote so far.
    pub fn log(&self) -> String {
        logged(&self.log)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap_or_else(|error| panic!("cannot signal {}: {error}", self.name));
    }

    /// Sends it a signal, if it still runs.
    pub fn signal_if_it_runs(&self, signal: Signal) {
        let _ = kill(self.pid(), signal);
    }

    /// Asks it to stop and waits until it has; kills it if it takes too long.
    pub fn stop(&mut self) -> Option<ExitStatus> {
        if !self.runs() {
            return self.child.wait().ok();
        }
        let _ = kill(self.pid(), Signal::SIGTERM);
        self.wait(PATIENCE).or_else(|| {
            eprintln!("{} did not stop within {PATIENCE:?} and is killed", self.name);
            self.kill();
            None
        })
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The most memory it ever held, in KiB (`VmHWM`).
    pub fn peak_memory_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        for _ in 0..limit.as_millis() / 20 {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(20));
        }
        None
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- the last lines of {} ---", self.name);
            for line in &lines[lines.len().saturating_sub(40)..] {
                eprintln!("{line}");
            }
        }
    }
}

/// Ends the PostgreSQL that a killed collector left behind in `data`, by the process id in its `postmaster.pid`.
pub fn stop_left_over_postgres(data: &Path) {
    for file in files_named(data, "postmaster.pid", 3) {
        let Some(pid) = fs::read_to_string(&file).ok().and_then(|text| text.lines().next()?.parse().ok()) else {
            continue;
        };
        let pid = Pid::from_raw(pid);
        for (signal, tries) in [(Signal::SIGINT, 250), (Signal::SIGQUIT, 250)] {
            if kill(pid, signal) == Err(Errno::ESRCH) {
                break;
            }
            for _ in 0..tries {
                if !file.exists() {
                    return;
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

fn files_named(folder: &Path, name: &str, depth: usize) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name() == name {
            found.push(entry.path());
        } else if depth > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(files_named(&entry.path(), name, depth - 1));
        }
    }
    found
}

/// Where `cargo build` put one of our programs: beside this one, or above the folder of the tests.
pub fn our_program(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let mut folders = own.ancestors().skip(1).take(2).map(|folder| folder.join(name));
    folders
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{name} is missing: run `cargo build --workspace --bins` first"))
}
