//! A data directory: where everything of it lies, whose it is, and the lock by which one process alone has it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::{Flock, FlockArg};
use nix::unistd::Pid;

use super::{Access, PostgresError};

/// The longest path of a unix socket is 107 bytes, `/.s.PGSQL.5432` included.
const LONGEST_SOCKET_DIRECTORY: usize = 90;

/// What a cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The number that PostgreSQL gave it when it was made.
    pub system: u64,
    /// The major version of its data.
    pub major: u32,
}

/// Where everything of a data directory lies.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
}

/// The lock of a data directory. Clones are the same lock, which ends with the last of them.
#[derive(Clone, Debug)]
pub struct Hold {
    _lock: Arc<Flock<File>>,
}

impl Hold {
    /// Takes a data directory.
    ///
    /// # Errors
    /// [`PostgresError::Taken`] when another process has it.
    pub fn take(layout: &Layout) -> Result<Self, PostgresError> {
        take(layout.root())
    }
}

impl Layout {
    /// Of a data directory.
    pub fn of(data_dir: &Path) -> Self {
        Self { root: std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned()) }
    }

    /// The data directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// PostgreSQL's own directory.
    pub fn pgdata(&self) -> PathBuf {
        self.root.join("postgres")
    }

    /// Where the WAL of the managed cluster lies.
    pub fn pg_wal(&self) -> PathBuf {
        self.pgdata().join("pg_wal")
    }

    /// Where the WAL of a server is brought that somebody else runs.
    pub fn received(&self) -> PathBuf {
        self.root.join("received-wal")
    }

    /// The mark of a restored copy that nobody armed yet.
    pub fn unarmed(&self) -> PathBuf {
        self.root.join("restored.json")
    }

    /// Where an upgrade to another major version makes the new cluster.
    pub fn upgrading(&self) -> PathBuf {
        self.root.join("upgrade")
    }

    /// How far an upgrade is that has not ended.
    pub fn upgrade(&self) -> PathBuf {
        self.root.join("upgrade.json")
    }

    /// What the cluster is, by its own files; it need not run.
    ///
    /// # Errors
    /// When there is none, or its files cannot be read.
    pub fn identity(&self) -> Result<Identity, PostgresError> {
        let (control, version) = (self.pgdata().join("global/pg_control"), self.pgdata().join("PG_VERSION"));
        let bytes = std::fs::read(&control).map_err(PostgresError::file(&control))?;
        let text = std::fs::read_to_string(&version).map_err(PostgresError::file(&version))?;
        // `ControlFileData` begins with it, in every version.
        let system = bytes.first_chunk().map(|first| u64::from_ne_bytes(*first));
        let strange = |path: &Path| PostgresError::file(path)(std::io::ErrorKind::InvalidData.into());
        Ok(Identity {
            system: system.ok_or_else(|| strange(&control))?,
            major: text.trim().parse().map_err(|_| strange(&version))?,
        })
    }

    /// Where the socket lies: in the data directory, or under /tmp where that path would be too long.
    pub fn socket_directory(&self) -> PathBuf {
        let inside = self.root.join("socket");
        if inside.as_os_str().len() <= LONGEST_SOCKET_DIRECTORY {
            return inside;
        }
        let name = picket_shared::signing::body_hash(self.root.as_os_str().as_encoded_bytes());
        std::env::temp_dir().join(format!("picket-{}", name.get(..16).unwrap_or(&name)))
    }

    /// How commands reach the cluster while a collector runs it.
    ///
    /// # Errors
    /// [`PostgresError::NotRunning`] when none does.
    pub fn access(&self) -> Result<Access, PostgresError> {
        let directory = self.socket_directory();
        if running(&self.pgdata()).is_none() || !directory.join(".s.PGSQL.5432").exists() {
            return Err(PostgresError::NotRunning);
        }
        Ok(Access::Socket(directory))
    }
}

/// Takes the lock of a data directory, which lasts as long as anything has it.
pub(super) fn take(root: &Path) -> Result<Hold, PostgresError> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(root).map_err(PostgresError::file(root))?;
    let path = root.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(PostgresError::file(&path))?;
    let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| PostgresError::Taken(root.to_owned()))?;
    Ok(Hold { _lock: Arc::new(lock) })
}

/// The postmaster that runs in a data directory, by its postmaster.pid and by what that process is.
pub(super) fn running(pgdata: &Path) -> Option<Pid> {
    let text = std::fs::read_to_string(pgdata.join("postmaster.pid")).ok()?;
    let pid: i32 = text.lines().next()?.trim().parse().ok()?;
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    // A pid may have been given to another process since: it must be a postgres with this very directory.
    let is_ours = command.split(|byte| *byte == 0).any(|word| word == pgdata.as_os_str().as_encoded_bytes());
    (is_ours && is_alive(Pid::from_raw(pid))).then_some(Pid::from_raw(pid))
}

pub(super) fn is_alive(pid: Pid) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie has ended; whoever started it has not looked yet.
    state.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}
