//! The cluster that the collector owns: made, started, found again after a crash, restarted, stopped.
//!
//! It runs in its own process session, so that a signal to the collector's group never reaches it, and it outlives a
//! collector that is killed: the next start finds it by its postmaster.pid and carries on with it.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};
use sqlx::Connection;
use tokio::process::{Child, Command};

use super::layout::{is_alive, running, take};
use super::programs::Programs;
use super::roles::ROLES;
use super::{Access, Archiving, PostgresError, archiving, upgrade};

pub use super::layout::{Hold, Identity, Layout};

/// How long a start may take; recovery after a crash is part of it.
const START_WITHIN: Duration = Duration::from_secs(600);
/// How long a fast shutdown may take before the immediate one.
const STOP_WITHIN: Duration = Duration::from_secs(60);

/// The cluster in one data directory, held by this process alone.
#[derive(Debug)]
pub struct Cluster {
    layout: Layout,
    programs: Programs,
    max_connections: u32,
    archiving: Option<Archiving>,
    postmaster: Option<Postmaster>,
    _lock: Hold,
}

#[derive(Debug)]
enum Postmaster {
    /// Started by this process.
    Own(Child),
    /// Found running.
    Adopted(Pid),
}

impl Cluster {
    /// Takes the data directory, makes the cluster if there is none, and starts it or carries on with a running one.
    ///
    /// # Errors
    /// When another collector has it, programs are missing, or PostgreSQL does not start.
    pub async fn start(
        data_dir: &Path,
        binaries: Option<&Path>,
        max_connections: u32,
        archiving: Option<Archiving>,
    ) -> Result<Self, PostgresError> {
        let layout = Layout::of(data_dir);
        let lock = take(layout.root())?;
        Self::start_held(layout, lock, binaries, max_connections, archiving).await
    }

    /// The same in a data directory that this process has already. An upgrade that broke off in its middle is finished or let go of first.
    ///
    /// # Errors
    /// When programs are missing, or PostgreSQL does not start.
    pub async fn start_held(
        layout: Layout,
        lock: Hold,
        binaries: Option<&Path>,
        max_connections: u32,
        archiving: Option<Archiving>,
    ) -> Result<Self, PostgresError> {
        if layout.unarmed().exists() {
            return Err(PostgresError::Unarmed(layout.root().to_owned()));
        }
        upgrade::settle(&layout).await?;
        let programs = Programs::find(binaries, &layout.pgdata())?;
        let mut cluster = Self { layout, programs, max_connections, archiving, postmaster: None, _lock: lock };
        if !cluster.layout.pgdata().join("PG_VERSION").exists() {
            cluster.initialise().await?;
        }
        write_access_rules(&cluster.layout.pgdata())?;
        cluster.launch().await?;
        Ok(cluster)
    }

    /// How to reach it.
    pub fn access(&self) -> Access {
        Access::Socket(self.layout.socket_directory())
    }

    /// Whether the postmaster still runs.
    pub fn is_running(&mut self) -> bool {
        match &mut self.postmaster {
            Some(Postmaster::Own(child)) => matches!(child.try_wait(), Ok(None)),
            Some(Postmaster::Adopted(pid)) => is_alive(*pid),
            None => false,
        }
    }

    /// Starts it again after it ended by itself.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart(&mut self) -> Result<(), PostgresError> {
        self.postmaster = None;
        self.launch().await
    }

    /// Stops it: fast (open transactions are rolled back, everything acknowledged is kept), then at once.
    ///
    /// # Errors
    /// When it cannot be signalled.
    pub async fn stop(mut self) -> Result<(), PostgresError> {
        let Some(pid) = self.pid() else { return Ok(()) };
        for (signal, patience) in [(Signal::SIGINT, STOP_WITHIN), (Signal::SIGQUIT, Duration::from_secs(10))] {
            match kill(pid, signal) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(errno) => return Err(PostgresError::Silent(format!("it cannot be stopped ({errno})"), self.log())),
            }
            let ended = tokio::time::timeout(patience, async {
                while self.is_running() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
            if ended.await.is_ok() {
                return Ok(());
            }
        }
        Err(PostgresError::Silent("it did not stop within 70 s".to_owned(), self.log()))
    }

    fn pid(&self) -> Option<Pid> {
        match &self.postmaster {
            Some(Postmaster::Own(child)) => child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw),
            Some(Postmaster::Adopted(pid)) => Some(*pid),
            None => None,
        }
    }

    fn log(&self) -> String {
        self.layout.pgdata().join("log").display().to_string()
    }

    async fn initialise(&self) -> Result<(), PostgresError> {
        // Made under another name, because initdb writes PG_VERSION first: a start that was cut off must not pass for one.
        let making = self.layout.root().join("postgres.making");
        if making.exists() {
            std::fs::remove_dir_all(&making).map_err(PostgresError::file(&making))?;
        }
        self.programs.initdb(&making).await?;
        let pgdata = self.layout.pgdata();
        std::fs::rename(&making, &pgdata).map_err(PostgresError::file(&pgdata))
    }

    async fn launch(&mut self) -> Result<(), PostgresError> {
        if let Some(pid) = running(&self.layout.pgdata()) {
            tracing::info!(postgres.pid = pid.as_raw(), "Carrying on with the PostgreSQL that is running already");
            self.postmaster = Some(Postmaster::Adopted(pid));
            let signal = match self.answers(Duration::from_secs(30)).await {
                Ok(()) if archiving::is_as_told(&self.access(), self.archiving.as_ref()).await => return Ok(()),
                Ok(()) => {
                    tracing::info!("It archives in another way than the settings say; starting it anew");
                    Signal::SIGINT
                }
                Err(_) => {
                    tracing::warn!(postgres.pid = pid.as_raw(), "The running PostgreSQL does not answer; stopping it");
                    Signal::SIGQUIT
                }
            };
            let _ = kill(pid, signal);
            while is_alive(pid) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        self.postmaster = Some(Postmaster::Own(self.spawn()?));
        self.answers(START_WITHIN).await
    }

    fn spawn(&self) -> Result<Child, PostgresError> {
        let socket = self.layout.socket_directory();
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&socket).map_err(PostgresError::file(&socket))?;
        // setsid(1) gives it a session of its own and then becomes it: the pid stays the same.
        let mut command = Command::new("setsid");
        command.arg(self.programs.path("postgres")).arg("-D").arg(self.layout.pgdata()).arg("-k").arg(&socket);
        let connections = format!("max_connections={}", self.max_connections);
        for setting in [
            "listen_addresses=",
            "port=5432",
            "unix_socket_permissions=0700",
            &connections,
            "wal_level=replica",
            "wal_compression=on",
            "synchronous_commit=on",
            "fsync=on",
            "full_page_writes=on",
            "shared_buffers=256MB",
            // Compiled queries need memory that is both writable and executable, which the service is denied.
            "jit=off",
            "logging_collector=on",
            "log_filename=postgresql-%a.log",
            "log_truncate_on_rotation=on",
            "log_rotation_age=1d",
            "log_timezone=UTC",
            "log_statement=none",
            "log_parameter_max_length=0",
            "log_parameter_max_length_on_error=0",
        ] {
            command.arg("-c").arg(setting);
        }
        for setting in archiving::settings(self.archiving.as_ref()) {
            command.arg("-c").arg(setting);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map_err(|error| PostgresError::Program {
            program: "setsid",
            output: format!("{error}: install util-linux"),
        })
    }

    async fn answers(&mut self, within: Duration) -> Result<(), PostgresError> {
        let access = self.access();
        let mut last = String::from("no answer yet");
        let answered = tokio::time::timeout(within, async {
            loop {
                match access.connect_admin("postgres").await {
                    Ok(conn) => {
                        let _ = conn.close().await;
                        return true;
                    }
                    Err(error) => last = error.to_string(),
                }
                if !self.is_running() {
                    return false;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        match answered.await {
            Ok(true) => Ok(()),
            Ok(false) => Err(PostgresError::Silent(format!("it ended at its start ({last})"), self.log())),
            Err(_) => Err(PostgresError::Silent(last, self.log())),
        }
    }
}

/// Only the owner of the data and root may log in, by the unix socket, as any of our roles.
pub(super) fn write_access_rules(pgdata: &Path) -> Result<(), PostgresError> {
    let owner = User::from_uid(geteuid()).ok().flatten().map_or_else(|| geteuid().to_string(), |user| user.name);
    let mut map = String::from("# Written by picket-collector at each start.\n");
    for user in [owner.as_str(), "root"] {
        for role in ROLES.iter().chain(&["postgres"]) {
            map.push_str(&format!("picket \"{}\" {role}\n", user.replace('"', "")));
        }
    }
    let rules = "# Written by picket-collector at each start.\nlocal all all peer map=picket\n\
                 local replication picket_backup peer map=picket\n";
    for (name, text) in [("pg_ident.conf", map.as_str()), ("pg_hba.conf", rules)] {
        let path = pgdata.join(name);
        // On a disk that is full the file would be emptied and not be written.
        if std::fs::read_to_string(&path).is_ok_and(|found| found == text) {
            continue;
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .map_err(PostgresError::file(&path))?;
        file.write_all(text.as_bytes()).map_err(PostgresError::file(&path))?;
    }
    Ok(())
}
