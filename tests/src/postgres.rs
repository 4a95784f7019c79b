//! The collector's own PostgreSQL, past the collector: its processes, to be hurt, and its rows, to be counted.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use picket_collector::postgres::DATABASE;
use picket_collector::postgres::managed::Layout;
use serde_json::Value;

/// The cluster in one data directory.
#[derive(Clone, Debug)]
pub struct Postgres {
    pgdata: PathBuf,
    socket: PathBuf,
}

impl Postgres {
    /// That of a collector with this data directory.
    pub fn of(data: &Path) -> Self {
        let layout = Layout::of(data);
        Self { pgdata: layout.pgdata(), socket: layout.socket_directory() }
    }

    /// The postmaster, if it runs.
    pub fn postmaster(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.pgdata.join("postmaster.pid")).ok()?;
        let pid: i32 = text.lines().next()?.trim().parse().ok()?;
        let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        // The file may be older than a process that has its number now, and belongs to somebody else.
        let is_ours = command.split(|byte| *byte == 0).any(|word| word == self.pgdata.as_os_str().as_bytes());
        is_ours.then_some(Pid::from_raw(pid))
    }

    /// The postmaster and every process that it started.
    pub fn processes(&self) -> Vec<Pid> {
        let Some(postmaster) = self.postmaster() else { return Vec::new() };
        let mut found = vec![postmaster];
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            if parent(pid) == Some(postmaster.as_raw()) {
                found.push(Pid::from_raw(pid));
            }
        }
        found
    }

    /// A process that serves a connection of this role.
    pub fn backend(&self, role: &str) -> Option<Pid> {
        let rows =
            self.rows(&format!("SELECT pid FROM pg_stat_activity WHERE usename = '{role}' ORDER BY query_start DESC"));
        let pid = i32::try_from(rows.ok()?.first()?["pid"].as_i64()?).unwrap();
        Some(Pid::from_raw(pid))
    }

    /// Sends a signal to every process.
    pub fn signal(&self, signal: Signal) {
        for pid in self.processes() {
            // One that has just ended needs none.
            let _ = kill(pid, signal);
        }
    }

    /// What a query finds, one object a row.
    ///
    /// # Errors
    /// What psql says.
    pub fn rows(&self, query: &str) -> Result<Vec<Value>, String> {
        let text = self.run(&format!("SELECT coalesce(json_agg(x), '[]') FROM ({query}) x"))?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }

    /// Runs a statement as superuser; gives what psql prints, values alone.
    ///
    /// # Errors
    /// What psql says.
    pub fn run(&self, statement: &str) -> Result<String, String> {
        let mut command = Command::new("psql");
        command.args([
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--username=postgres",
            "--dbname",
            DATABASE,
        ]);
        command.arg("--host").arg(&self.socket).arg("--command").arg(statement).env("PGCONNECT_TIMEOUT", "5");
        let output = command.output().map_err(|error| missing("psql", &error))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Everything that is in it, as a plain dump.
    ///
    /// # Panics
    /// When it cannot be had.
    pub fn dump(&self) -> String {
        let mut command = Command::new("pg_dump");
        command.args(["--username=postgres", "--host"]).arg(&self.socket).arg(DATABASE);
        let output = command.output().map_err(|error| missing("pg_dump", &error)).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// What psql and its like say when they cannot be run.
fn missing(program: &str, error: &std::io::Error) -> String {
    format!("{program}: {error}: install postgresql, or run tests/run")
}

fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}
