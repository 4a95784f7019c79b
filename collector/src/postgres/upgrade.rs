//! From one major version to another: a new cluster is made beside the old, filled by `pg_upgrade`, and put in its place.
//!
//! The old cluster is only read, and stays whole beside the new one. How far it is stands in a file of its own: whoever takes the data
//! directory next lets go of a new cluster that was not finished, or finishes the change of places, and never meets a gap.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::statvfs::statvfs;
use nix::unistd::Pid;
use picket_shared::time::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use super::layout::{Layout, is_alive, running};
use super::managed::write_access_rules;
use super::programs::Programs;
use super::recovery::run;
use super::{Access, PostgresError};

/// So much stays free on the disk.
pub const RESERVE: u64 = 1 << 30;
/// How long somebody else's process may take to end.
const END_WITHIN: Duration = Duration::from_secs(20);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// An upgrade that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgrade {
    /// How far it is.
    pub phase: Phase,
    /// The major version of the data before.
    pub from: u32,
    /// The major version that the data comes to.
    pub to: u32,
    /// The number of the cluster before.
    pub system: u64,
    /// The timeline on which that ended.
    pub timeline: u32,
    /// After the last transaction of it.
    pub at: Timestamp,
}

/// How far an upgrade is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The new cluster is made; the old one is the database.
    Making,
    /// The new cluster is whole, and is put in the place of the old.
    Switching,
    /// The new cluster is the database, and no verified base backup of it is known.
    Unproven,
}

impl Upgrade {
    /// The one of this data directory; `None` when there is none.
    ///
    /// # Errors
    /// When what is written down cannot be read.
    pub fn read(layout: &Layout) -> Result<Option<Self>, PostgresError> {
        let file = layout.upgrade();
        let text = match fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(PostgresError::file(file)(error)),
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| PostgresError::file(file)(error.into()))
    }

    /// Why it has not ended; `None` while the old cluster is the database.
    pub fn says(&self) -> Option<String> {
        (self.phase == Phase::Unproven).then(|| {
            format!(
                "the upgrade from PostgreSQL {} to {} has not ended: no verified base backup of the new cluster is known. Run \
                 `picket-collector database upgrade`, which takes one, or looks at the one that was taken since",
                self.from, self.to
            )
        })
    }

    /// Writes down how far it is, durably.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, layout: &Layout) -> Result<(), PostgresError> {
        let file = layout.upgrade();
        let beside = file.with_extension("json.new");
        let text = serde_json::to_vec(self).map_err(|error| PostgresError::file(&file)(error.into()))?;
        let mut new = File::create(&beside).map_err(PostgresError::file(&beside))?;
        new.write_all(&text).and_then(|()| new.sync_all()).map_err(PostgresError::file(&beside))?;
        fs::rename(&beside, &file).map_err(PostgresError::file(&file))?;
        sync(layout.root())
    }

    /// It has ended, or nothing is left of it.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn forget(layout: &Layout) -> Result<(), PostgresError> {
        remove_file(&layout.upgrade())?;
        sync(layout.root())
    }
}

/// Where the cluster of another major version is kept once it is not the database any more.
pub fn kept(layout: &Layout, major: u32) -> PathBuf {
    layout.root().join(format!("postgres-{major}"))
}

/// Clusters of other major versions that are kept, the oldest first.
pub fn all_kept(layout: &Layout) -> Vec<PathBuf> {
    let entries = fs::read_dir(layout.root()).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let rest = entry.file_name().to_str()?.strip_prefix("postgres-")?.to_owned();
            Some((rest.trim_end_matches(".removing").parse().ok()?, entry.path()))
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

/// Removes a cluster that is kept. One that is half removed never looks like one.
///
/// # Errors
/// When it cannot be removed.
pub fn remove_kept(path: &Path) -> Result<(), PostgresError> {
    let mut going = path.to_owned();
    if path.extension().is_none_or(|extension| extension != "removing") {
        going.set_extension("removing");
        fs::rename(path, &going).map_err(PostgresError::file(path))?;
    }
    fs::remove_dir_all(&going).map_err(PostgresError::file(&going))
}

/// Brings a data directory in order in which an upgrade broke off: what was not finished is let go of, and a change of places that was
/// begun is finished. Whoever calls has the directory's lock.
///
/// # Errors
/// When a file cannot be moved or removed, or a process that was left running does not end.
pub async fn settle(layout: &Layout) -> Result<Option<Upgrade>, PostgresError> {
    let found = Upgrade::read(layout)?;
    match &found {
        Some(upgrade) if upgrade.phase == Phase::Switching => return switch(layout, upgrade).map(Some),
        Some(upgrade) if upgrade.phase == Phase::Unproven => return Ok(found),
        None if !layout.upgrading().exists() => return Ok(None),
        _ => {
            tracing::info!("An upgrade of PostgreSQL broke off: the database is as it was, and what is left is removed")
        }
    }
    let_go(layout).await?;
    Ok(None)
}

/// Lets go of a new cluster that is not in place: the old one is the database, as before.
///
/// # Errors
/// When a file cannot be removed, or a process that works on it does not end.
pub async fn let_go(layout: &Layout) -> Result<(), PostgresError> {
    end_left_over(layout).await?;
    remove_folder(&layout.upgrading())?;
    Upgrade::forget(layout)
}

/// Puts the new cluster in the place of the old, or goes on with that; what is done already is not done again.
///
/// # Errors
/// When a cluster cannot be moved.
pub fn switch(layout: &Layout, upgrade: &Upgrade) -> Result<Upgrade, PostgresError> {
    let (pgdata, new, old) = (layout.pgdata(), new_cluster(layout), kept(layout, upgrade.from));
    Upgrade { phase: Phase::Switching, ..upgrade.clone() }.write(layout)?;
    if !old.exists() {
        fs::rename(&pgdata, &old).map_err(PostgresError::file(&pgdata))?;
    }
    if new.exists() {
        fs::rename(&new, &pgdata).map_err(PostgresError::file(&new))?;
    }
    sync(layout.root())?;
    let done = Upgrade { phase: Phase::Unproven, ..upgrade.clone() };
    done.write(layout)?;
    remove_folder(&layout.upgrading())?;
    Ok(done)
}

/// A new cluster that is made; the old one does not run.
#[derive(Debug)]
pub struct Making<'a> {
    /// Where both lie.
    pub layout: &'a Layout,
    /// The programs of the data.
    pub old: &'a Programs,
    /// The programs that it comes to.
    pub new: &'a Programs,
}

impl Making<'_> {
    /// Makes the new cluster, empty.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn begin(&self) -> Result<(), PostgresError> {
        let (folder, new) = (self.layout.upgrading(), new_cluster(self.layout));
        remove_folder(&folder)?;
        for folder in [&folder, &self.layout.socket_directory()] {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(PostgresError::file(folder))?;
        }
        self.new.initdb(&new).await?;
        write_access_rules(&new)
    }

    /// Whether `pg_upgrade` would take the old cluster; nothing is changed.
    ///
    /// # Errors
    /// What it says that is in its way.
    pub async fn check(&self) -> Result<(), PostgresError> {
        self.pg_upgrade(&["--check"]).await
    }

    /// Copies everything into the new cluster, and flushes it.
    ///
    /// # Errors
    /// What `pg_upgrade` says; the old cluster is as it was.
    pub async fn copy(&self) -> Result<(), PostgresError> {
        self.pg_upgrade(&[]).await
    }

    async fn pg_upgrade(&self, more: &[&str]) -> Result<(), PostgresError> {
        let mut command = Command::new(self.new.path("pg_upgrade"));
        command.arg("--old-bindir").arg(self.old.directory()).arg("--new-bindir").arg(self.new.directory());
        command.arg("--old-datadir").arg(self.layout.pgdata()).arg("--new-datadir").arg(new_cluster(self.layout));
        command.arg("--socketdir").arg(self.layout.socket_directory()).arg("--username=postgres");
        // WAL that the old cluster writes meanwhile is kept until it can be archived: the archive has no hole if it goes on.
        command.args(["--old-options", "-c archive_mode=on"]).args(more).current_dir(self.layout.upgrading());
        command.env_clear().env("LC_ALL", "C").env("PATH", std::env::var_os("PATH").unwrap_or_default());
        run("pg_upgrade", command.kill_on_drop(true)).await.map_err(without_what_went_well)
    }
}

/// Ends what an upgrade that broke off left running: programs that work on the new cluster, then the server of the old.
///
/// # Errors
/// When one does not end.
async fn end_left_over(layout: &Layout) -> Result<(), PostgresError> {
    let new = new_cluster(layout);
    for pid in working_on(&new) {
        end(pid, &[Signal::SIGKILL]).await?;
    }
    for pgdata in [new, layout.pgdata()] {
        if let Some(pid) = running(&pgdata) {
            end(pid, &[Signal::SIGQUIT, Signal::SIGKILL]).await?;
        }
    }
    Ok(())
}

async fn end(pid: Pid, signals: &[Signal]) -> Result<(), PostgresError> {
    for signal in signals {
        let _ = kill(pid, *signal);
        let ended = tokio::time::timeout(END_WITHIN, async {
            while is_alive(pid) {
                tokio::time::sleep(LOOK).await;
            }
        });
        if ended.await.is_ok() {
            return Ok(());
        }
    }
    Err(PostgresError::Silent(
        format!("process {pid}, which an upgrade left running, does not end"),
        "/proc".to_owned(),
    ))
}

/// Programs but servers that were told to work on a cluster.
fn working_on(pgdata: &Path) -> Vec<Pid> {
    let told = |pid: &Pid| {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = command.split(|byte| *byte == 0);
        let is_tool =
            words.next().is_some_and(|program| program.ends_with(b"pg_upgrade") || program.ends_with(b"initdb"));
        is_tool && words.any(|word| word == pgdata.as_os_str().as_encoded_bytes())
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw));
    pids.filter(told).collect()
}

/// The room that an upgrade takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes of the data.
    pub data: u64,
    /// Bytes that are free where it lies.
    pub free: u64,
    /// Which disk that is.
    pub disk: u64,
}

impl Room {
    /// Of the cluster of a data directory.
    ///
    /// # Errors
    /// When it cannot be measured.
    pub fn of(layout: &Layout) -> Result<Self, PostgresError> {
        let data = size(&layout.pgdata()).map_err(PostgresError::file(layout.pgdata()))?;
        let root = layout.root();
        let stat = statvfs(root).map_err(|errno| PostgresError::file(root)(errno.into()))?;
        let disk = disk_of(root)?;
        Ok(Self { data, free: stat.blocks_available().saturating_mul(stat.fragment_size()), disk })
    }
}

/// The disk on which a folder lies.
///
/// # Errors
/// When it is not there.
pub fn disk_of(folder: &Path) -> Result<u64, PostgresError> {
    fs::metadata(folder).map(|found| found.dev()).map_err(PostgresError::file(folder))
}

/// Brings the statistics of the planner up to date, of which `pg_upgrade` brings none or not all.
///
/// # Errors
/// What `vacuumdb` says.
pub async fn analyze(access: &Access, programs: &Programs) -> Result<(), PostgresError> {
    let Access::Socket(socket) = access else { return Ok(()) };
    let mut command = Command::new(programs.path("vacuumdb"));
    command.args(["--all", "--analyze-only", "--quiet", "--no-password", "--username=postgres", "--host"]).arg(socket);
    command.env("LC_ALL", "C").kill_on_drop(true);
    run("vacuumdb", command).await
}

fn new_cluster(layout: &Layout) -> PathBuf {
    layout.upgrading().join("new")
}

/// Bytes below a folder, but for the WAL.
fn size(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let found = match entry.metadata() {
            Ok(found) => found,
            // A server that a killed collector left running removed it meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if found.is_dir() {
            bytes += if entry.file_name() == "pg_wal" { 0 } else { size(&entry.path())? };
        } else {
            bytes += found.len();
        }
    }
    Ok(bytes)
}

/// What `pg_upgrade` says step by step is of no use but for the step that failed.
fn without_what_went_well(error: PostgresError) -> PostgresError {
    match error {
        PostgresError::Program { program, output } => {
            let is_told = |line: &&str| !line.is_empty() && !line.ends_with(" ok") && !line.starts_with("---");
            let told: Vec<&str> = output.lines().map(str::trim_end).filter(is_told).collect();
            PostgresError::Program { program, output: told.join("\n") }
        }
        other => other,
    }
}

fn remove_folder(folder: &Path) -> Result<(), PostgresError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(PostgresError::file(folder)(error)),
        _ => Ok(()),
    }
}

fn remove_file(file: &Path) -> Result<(), PostgresError> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(PostgresError::file(file)(error)),
        _ => Ok(()),
    }
}

fn sync(folder: &Path) -> Result<(), PostgresError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(PostgresError::file(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upgrade(phase: Phase) -> Upgrade {
        Upgrade { phase, from: 15, to: 16, system: 7, timeline: 1, at: Timestamp::from_seconds(9) }
    }

    /// A data directory with an old cluster and a new one beside it.
    fn both() -> (tempfile::TempDir, Layout) {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::of(folder.path());
        for (pgdata, major) in [(layout.pgdata(), "15"), (new_cluster(&layout), "16")] {
            fs::create_dir_all(&pgdata).unwrap();
            fs::write(pgdata.join("PG_VERSION"), major).unwrap();
        }
        (folder, layout)
    }

    fn major(pgdata: &Path) -> Option<String> {
        fs::read_to_string(pgdata.join("PG_VERSION")).ok()
    }

    #[tokio::test]
    async fn whatever_a_change_of_places_was_broken_off_at_the_new_cluster_is_there_afterwards() {
        // Before it, after the first cluster was moved, after the second, and after all of it but the note.
        for moved in 0..=2 {
            let (_folder, layout) = both();
            upgrade(Phase::Switching).write(&layout).unwrap();
            if moved > 0 {
                fs::rename(layout.pgdata(), kept(&layout, 15)).unwrap();
            }
            if moved > 1 {
                fs::rename(new_cluster(&layout), layout.pgdata()).unwrap();
            }
            for _ in 0..2 {
                assert_eq!(settle(&layout).await.unwrap(), Some(upgrade(Phase::Unproven)), "moved {moved}");
                assert_eq!(major(&layout.pgdata()).as_deref(), Some("16"));
                assert_eq!(major(&kept(&layout, 15)).as_deref(), Some("15"));
                assert!(!layout.upgrading().exists());
            }
        }
    }

    #[tokio::test]
    async fn a_new_cluster_that_was_not_finished_is_let_go_of_and_the_old_one_is_the_database() {
        for noted in [true, false] {
            let (_folder, layout) = both();
            if noted {
                upgrade(Phase::Making).write(&layout).unwrap();
            }
            assert_eq!(settle(&layout).await.unwrap(), None);
            assert_eq!(major(&layout.pgdata()).as_deref(), Some("15"));
            assert!(!layout.upgrading().exists() && !layout.upgrade().exists());
        }
    }

    #[test]
    fn a_cluster_that_is_kept_is_found_also_when_it_is_half_removed() {
        let (_folder, layout) = both();
        for name in ["postgres-15", "postgres-9.removing", "postgres-x", "postgres.making"] {
            fs::create_dir(layout.root().join(name)).unwrap();
        }
        let kept = all_kept(&layout);
        let names: Vec<_> = kept.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["postgres-9.removing", "postgres-15"]);
        for path in kept {
            remove_kept(&path).unwrap();
        }
        assert_eq!(all_kept(&layout), Vec::<PathBuf>::new());
    }

    #[test]
    fn of_what_pg_upgrade_says_only_the_step_that_failed_is_told() {
        let output = "Performing Checks\n-----------\nChecking a      ok\n\nChecking b      fatal\nwhy".to_owned();
        let told = without_what_went_well(PostgresError::Program { program: "pg_upgrade", output });
        assert_eq!(told.to_string(), "pg_upgrade failed: Performing Checks\nChecking b      fatal\nwhy");
    }
}
