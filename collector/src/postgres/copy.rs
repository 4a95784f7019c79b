//! A restored copy that is run for a while, to be looked at or made fit to be armed: it archives nothing, and listens to its owner alone.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::{AssertSqlSafe, Connection};
use tokio::process::{Child, Command};

use super::layout::{Hold, Layout, is_alive, running, take};
use super::programs::Programs;
use super::recovery::{run, tail};
use super::{Access, DATABASE, PostgresError};

/// How long its start may take; it was stopped in order.
const START_WITHIN: Duration = Duration::from_secs(120);
/// How long its stop may take before it is ended at once.
const STOP_WITHIN: Duration = Duration::from_secs(20);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// What becomes of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is thrown away: nothing need be on the disk.
    Thrown,
    /// A collector will run on it.
    Kept,
}

/// A copy that runs.
#[derive(Debug)]
pub struct Copy {
    layout: Layout,
    programs: Programs,
    child: Child,
    _lock: Hold,
}

impl Copy {
    /// Starts the copy in a data directory, once its recovery has ended.
    ///
    /// # Errors
    /// When it does not start, with what it said last.
    pub async fn start(data_dir: &Path, binaries: Option<&Path>, fate: Fate) -> Result<Self, PostgresError> {
        let layout = Layout::of(data_dir);
        let lock = take(layout.root())?;
        let programs = Programs::find(binaries, &layout.pgdata())?;
        let log = layout.root().join("copy.log");
        let file = File::create(&log).map_err(PostgresError::file(&log))?;
        let mut command = Command::new(programs.path("postgres"));
        command.arg("-D").arg(layout.pgdata()).arg("-k").arg(layout.socket_directory());
        for setting in [
            "listen_addresses=",
            "port=5432",
            "unix_socket_permissions=0700",
            "archive_mode=off",
            if fate == Fate::Kept { "fsync=on" } else { "fsync=off" },
            "autovacuum=off",
            "logging_collector=off",
            "log_statement=none",
            "log_parameter_max_length_on_error=0",
            "jit=off",
        ] {
            command.arg("-c").arg(setting);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).kill_on_drop(true);
        let child = command.spawn().map_err(PostgresError::file(programs.path("postgres")))?;
        let mut copy = Self { layout, programs, child, _lock: lock };
        let answers = tokio::time::timeout(START_WITHIN, async {
            loop {
                if let Ok(Some(_)) = copy.child.try_wait() {
                    return false;
                }
                if let Ok(conn) = copy.access().connect_admin(DATABASE).await {
                    let _ = conn.close().await;
                    return true;
                }
                tokio::time::sleep(LOOK).await;
            }
        });
        match answers.await {
            Ok(true) => Ok(copy),
            _ => Err(PostgresError::Program { program: "the start of the restored copy", output: tail(&log) }),
        }
    }

    /// How to reach it.
    pub fn access(&self) -> Access {
        Access::Socket(self.layout.socket_directory())
    }

    /// Reads every table and index, by PostgreSQL's own program.
    ///
    /// # Errors
    /// What is wrong with the first that is.
    pub async fn check(&self) -> Result<(), PostgresError> {
        let mut command = Command::new(self.programs.path("pg_amcheck"));
        command.args(["--install-missing", "--heapallindexed", "--no-password", "--username=postgres"]);
        command.arg("--host").arg(self.layout.socket_directory()).arg("--database").arg(DATABASE);
        command.env("LC_ALL", "C").kill_on_drop(true);
        run("pg_amcheck", command).await
    }

    /// Collations by which an index is sorted and whose rules are other ones on this machine than where the index was made: what is looked
    /// for by such an index may not be found. By name, with both versions.
    ///
    /// # Errors
    /// When the catalogue cannot be read.
    pub async fn other_collations(&self) -> Result<Vec<String>, PostgresError> {
        let mut conn = self.access().connect_admin(DATABASE).await?;
        let found = sqlx::query_scalar(
            "SELECT DISTINCT c.collname || ' ' || coalesce(c.collversion, 'unknown') || ', here ' || coalesce(pg_collation_actual_version(c.oid), 'unknown')
             FROM pg_index i CROSS JOIN LATERAL unnest(i.indcollation) used (oid) JOIN pg_collation c ON c.oid = used.oid
             WHERE c.collname <> 'default' AND c.collversion IS DISTINCT FROM pg_collation_actual_version(c.oid)
             UNION SELECT 'the database''s own ' || coalesce(d.datcollversion, 'unknown') || ', here '
                    || coalesce(pg_database_collation_actual_version(d.oid), 'unknown')
             FROM pg_database d WHERE d.datname = current_database()
               AND d.datcollversion IS DISTINCT FROM pg_database_collation_actual_version(d.oid)
             ORDER BY 1",
        )
        .fetch_all(&mut conn)
        .await?;
        let _ = conn.close().await;
        Ok(found)
    }

    /// How many tables there are, and rows in all of them.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn count(&self) -> Result<(usize, i64), PostgresError> {
        let mut conn = self.access().connect_admin(DATABASE).await?;
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT quote_ident(relname) FROM pg_class
             WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace ORDER BY 1",
        )
        .fetch_all(&mut conn)
        .await?;
        let mut rows = 0;
        for table in &tables {
            // A name that PostgreSQL itself quoted.
            let count: i64 = sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM public.{table}")))
                .fetch_one(&mut conn)
                .await?;
            rows += count;
        }
        let _ = conn.close().await;
        Ok((tables.len(), rows))
    }

    /// Stops it.
    pub async fn stop(mut self) {
        for signal in [Signal::SIGINT, Signal::SIGQUIT] {
            if let Some(pid) = self.child.id().and_then(|id| i32::try_from(id).ok()) {
                let _ = kill(Pid::from_raw(pid), signal);
            }
            if tokio::time::timeout(STOP_WITHIN, self.child.wait()).await.is_ok() {
                return;
            }
        }
    }
}

/// Ends the server that somebody who was killed left running in a data directory.
pub async fn end_left_over(layout: &Layout) {
    let Some(pid) = running(&layout.pgdata()) else { return };
    for signal in [Signal::SIGQUIT, Signal::SIGKILL] {
        let _ = kill(pid, signal);
        let ended = tokio::time::timeout(STOP_WITHIN, async {
            while is_alive(pid) {
                tokio::time::sleep(LOOK).await;
            }
        });
        if ended.await.is_ok() {
            return;
        }
    }
}
