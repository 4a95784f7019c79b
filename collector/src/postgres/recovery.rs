//! What backups and restores ask of PostgreSQL's programs: a base backup, its check, and a recovery to a point in time.

use std::borrow::BorrowMut;
use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use picket_shared::time::Timestamp;
use sqlx::Connection;
use tokio::process::Command;

use super::layout::{Hold, Layout, take};
use super::managed::write_access_rules;
use super::programs::Programs;
use super::{Access, PostgresError, roles};

/// How often a recovery is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How long the recovered server may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(300);
/// Bytes from which on a file is worth to be shared out; there are some dozens of them, not thousands.
const LARGE: u64 = 64 << 20;
/// Where the settings of a foreign server are put, in the data directory.
const SETTINGS: &str = "settings-of-the-server";
/// What of its log is shown when a recovery fails.
const LOG_LINES: usize = 12;

/// A data directory into which a cluster is restored, held by this process alone.
#[derive(Debug)]
pub struct Room {
    layout: Layout,
    programs: Programs,
    is_foreign: bool,
    _lock: Hold,
}

/// Where a recovery ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// With the last transaction that was committed by then.
    Time(Timestamp),
    /// With the last that is archived.
    Latest,
}

/// What a recovery came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// When the last transaction was committed that it holds; `None` when none was since the base backup.
    pub last_commit: Option<Timestamp>,
    /// The timeline that it began.
    pub timeline: u32,
}

impl Room {
    /// Takes an empty data directory for data of that major version. What is foreign comes of a server that somebody else ran: its
    /// settings are put aside, and its roles may log in here, as those of a managed cluster.
    ///
    /// # Errors
    /// When it is not empty, or PostgreSQL of that version is not installed.
    pub fn take(data_dir: &Path, binaries: Option<&Path>, major: u32, is_foreign: bool) -> Result<Self, PostgresError> {
        let layout = Layout::of(data_dir);
        if layout.pgdata().exists() {
            return Err(PostgresError::Occupied(layout.pgdata()));
        }
        let lock = take(layout.root())?;
        Ok(Self { programs: Programs::of_major(binaries, major)?, layout, is_foreign, _lock: lock })
    }

    /// Where everything of it lies.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Whether what was unpacked is what the backup's manifest says, by PostgreSQL's own program.
    ///
    /// # Errors
    /// What it says when it is not.
    pub async fn verify(&self) -> Result<(), PostgresError> {
        let [one, other] = halves(&self.layout.pgdata());
        // Everything that was unpacked is on the disk before anything says so.
        let mut sync = Command::new(self.programs.path("initdb"));
        sync.arg("--sync-only").arg("--pgdata").arg(self.layout.pgdata());
        let verified = async {
            if other.is_empty() {
                return self.verify_without(&[]).await;
            }
            tokio::try_join!(self.verify_without(&one), self.verify_without(&other)).map(|_| ())
        };
        tokio::try_join!(verified, run("initdb", sync)).map(|_| ())
    }

    /// What a foreign server was set to says nothing of this machine: it may name files that are not here, or listen to anybody.
    fn put_settings_aside(&self) -> Result<(), PostgresError> {
        let (pgdata, aside) = (self.layout.pgdata(), self.layout.root().join(SETTINGS));
        std::fs::create_dir_all(&aside).map_err(PostgresError::file(&aside))?;
        for name in ["postgresql.conf", "postgresql.auto.conf", "pg_hba.conf", "pg_ident.conf"] {
            let (from, to) = (pgdata.join(name), aside.join(name));
            match std::fs::rename(&from, &to) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(PostgresError::File { path: from, error });
                }
                _ => {}
            }
        }
        let own = pgdata.join("postgresql.conf");
        let says = "# The settings of the server that this is a copy of lie beside the data; none of them is used.\n";
        std::fs::write(&own, says).map_err(PostgresError::file(&own))
    }

    async fn verify_without(&self, others: &[String]) -> Result<(), PostgresError> {
        let mut command = Command::new(self.programs.path("pg_verifybackup"));
        // The WAL is not in it: it comes from the archive.
        command.args(["--no-parse-wal", "--quiet", "--exit-on-error"]).env("LC_ALL", "C");
        command.args(others.iter().map(|path| format!("--ignore={path}"))).arg(self.layout.pgdata());
        run("pg_verifybackup", command).await
    }

    /// Recovers up to the target and stops again. The server archives nothing and listens to nobody but the owner.
    ///
    /// # Errors
    /// When it does not get there, with what it said last.
    pub async fn recover(&self, restore_command: &str, target: Target) -> Result<Recovered, PostgresError> {
        let pgdata = self.layout.pgdata();
        if self.is_foreign {
            self.put_settings_aside()?;
        }
        write_access_rules(&pgdata)?;
        let signal = pgdata.join("recovery.signal");
        std::fs::write(&signal, "").map_err(PostgresError::file(&signal))?;
        let log = self.layout.root().join("restore.log");
        let file = File::create(&log).map_err(PostgresError::file(&log))?;
        let mut command = Command::new(self.programs.path("postgres"));
        command.arg("-D").arg(&pgdata).arg("-k").arg(self.layout.socket_directory());
        for setting in settings(restore_command, target) {
            command.arg("-c").arg(setting);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).kill_on_drop(true);
        let failed = |error| PostgresError::file(self.programs.path("postgres"))(error);
        let mut child = command.spawn().map_err(failed)?;
        let access = Access::Socket(self.layout.socket_directory());
        let found = loop {
            if let Ok(Some(_)) = child.try_wait() {
                return Err(PostgresError::Program { program: "the recovery", output: tail(&log) });
            }
            if let Ok(found) = look(&access).await {
                if self.is_foreign {
                    admit(&access).await?;
                }
                break found;
            }
            tokio::time::sleep(LOOK).await;
        };
        if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
        }
        match tokio::time::timeout(STOP_WITHIN, child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(found),
            _ => Err(PostgresError::Program { program: "the recovered server's stop", output: tail(&log) }),
        }
    }
}

/// Lets the roles log in, as they do in a managed cluster.
async fn admit(access: &Access) -> Result<(), PostgresError> {
    let mut conn = access.connect_admin("postgres").await?;
    roles::admit(&mut conn).await?;
    Ok(conn.close().await?)
}

/// The large files of tables, as two halves of about the same size: `pg_verifybackup` reads one file after the other, so two of
/// it run, of which each leaves one half to the other. What is not large, and what is missing, both look for.
fn halves(pgdata: &Path) -> [Vec<String>; 2] {
    let entries = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut large: Vec<(u64, String)> = entries(&pgdata.join("base"))
        .flat_map(|database| entries(&database.path()))
        .filter_map(|file| {
            let size = file.metadata().ok().filter(std::fs::Metadata::is_file)?.len();
            Some((size, file.path().strip_prefix(pgdata).ok()?.to_str()?.to_owned()))
        })
        .filter(|(size, _)| *size >= LARGE)
        .collect();
    large.sort_unstable_by(|a, b| b.cmp(a));
    let mut halves = [(0, Vec::new()), (0, Vec::new())];
    for (size, path) in large {
        let smaller = usize::from(halves[1].0 < halves[0].0);
        halves[smaller].0 += size;
        halves[smaller].1.push(path);
    }
    halves.map(|(_, paths)| paths)
}

fn settings(restore_command: &str, target: Target) -> Vec<String> {
    let mut settings: Vec<String> = [
        "listen_addresses=",
        "port=5432",
        "unix_socket_permissions=0700",
        "archive_mode=off",
        "recovery_target_timeline=latest",
        "recovery_target_action=promote",
        // Nobody looks at it before it is there; and so its limits need not be those of the server that was backed up.
        "hot_standby=off",
        // Reading ahead would ask for WAL behind the target, which may be missing, and need not be there.
        "recovery_prefetch=off",
        "logging_collector=off",
        "log_timezone=UTC",
        "log_statement=none",
        "log_parameter_max_length_on_error=0",
        "jit=off",
    ]
    .map(str::to_owned)
    .to_vec();
    settings.push(format!("restore_command={restore_command}"));
    if let Target::Time(time) = target {
        // Zones by name are not known yet when this setting is read.
        settings.push(format!("recovery_target_time={}", time.exact().replace('T', " ").replace('Z', "+00")));
        settings.push("recovery_target_inclusive=on".to_owned());
    }
    settings
}

async fn look(access: &Access) -> Result<Recovered, PostgresError> {
    let mut conn = access.connect_admin("postgres").await?;
    let sql = "SELECT pg_is_in_recovery(), \
               (extract(epoch FROM pg_last_xact_replay_timestamp()) * 1000000)::bigint, \
               ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int";
    let (recovering, micros, timeline): (bool, Option<i64>, i32) = sqlx::query_as(sql).fetch_one(&mut conn).await?;
    let _ = conn.close().await;
    if recovering {
        return Err(PostgresError::NotRunning);
    }
    Ok(Recovered { last_commit: micros.map(Timestamp::from_micros), timeline: u32::try_from(timeline).unwrap_or(0) })
}

pub(super) async fn run(program: &'static str, mut command: impl BorrowMut<Command>) -> Result<(), PostgresError> {
    let output = command.borrow_mut().stdin(Stdio::null()).output().await.map_err(PostgresError::file(program))?;
    if output.status.success() {
        return Ok(());
    }
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(PostgresError::Program { program, output: said.trim().to_owned() })
}

pub(super) fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    format!("{}\n(all of it is in {})", lines[lines.len().saturating_sub(LOG_LINES)..].join("\n"), log.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_files_are_shared_out_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let make = |path: &str, size: u64| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            File::create(path).unwrap().set_len(size).unwrap();
        };
        assert_eq!(halves(folder.path()), [Vec::<String>::new(), Vec::new()]);
        for (path, size) in [
            ("base/5/1", 4 * LARGE),
            ("base/5/2", LARGE),
            ("base/5/2.1", 2 * LARGE),
            ("base/6/3", LARGE),
            ("base/6/4", LARGE - 1),
            ("pg_xact/0000", 9 * LARGE),
        ] {
            make(path, size);
        }
        let [one, other] = halves(folder.path());
        assert_eq!(one, ["base/5/1"]);
        assert_eq!(other, ["base/5/2.1", "base/6/3", "base/5/2"]);
    }
}
