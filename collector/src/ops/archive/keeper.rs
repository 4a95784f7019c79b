//! Looks after the archive of a cluster that runs: manifests and base backups in time; whether WAL waits, for how long, and how
//! much of the disk it takes.
//!
//! WAL is never thrown away to make room. What waits grows until somebody helps, and is told at a quarter, a half and three quarters
//! of the room that there is.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use picket_shared::time::Timestamp;
use tokio::sync::SetOnce;
use tokio_util::sync::CancellationToken;

use super::engine::BackupEngine;
use super::push::{Pusher, modified};
use super::shelf::{ArchiveError, Shelf, aside};

/// So old WAL that waits is a warning...
pub const LATE: Duration = Duration::from_secs(120);
/// ...and so old an error: more than is promised could be lost.
pub const TOO_LATE: Duration = Duration::from_secs(240);
const STEPS: [u64; 3] = [25, 50, 75];

/// Looks after one archive.
#[derive(Debug)]
pub struct Keeper {
    pg_wal: PathBuf,
    slot: Option<String>,
    works: SetOnce<Works>,
    told: Mutex<Told>,
    backing_up: Arc<AtomicBool>,
}

/// What there is as soon as the archive is.
#[derive(Debug)]
struct Works {
    pusher: Arc<Pusher>,
    engine: Arc<dyn BackupEngine>,
}

/// What was said last, so that it is said once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Told {
    step: u64,
    lateness: Lateness,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Lateness {
    #[default]
    None,
    Late,
    TooLate,
}

/// What waits to be archived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Files.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// When the oldest was handed over.
    pub since: Option<Timestamp>,
    /// Bytes that are free on the disk of the WAL.
    pub free: u64,
}

impl Waiting {
    /// What waits in a `pg_wal`.
    pub fn in_folder(pg_wal: &Path) -> Self {
        let mut waiting = Self::default();
        for entry in fs::read_dir(pg_wal.join("archive_status")).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(file) = name.strip_suffix(".ready") else { continue };
            waiting.files += 1;
            waiting.bytes += fs::metadata(pg_wal.join(file)).map_or(0, |metadata| metadata.len());
            if let Some(handed) = entry.metadata().ok().and_then(|metadata| modified(&metadata)) {
                waiting.since = Some(waiting.since.map_or(handed, |since| since.min(handed)));
            }
        }
        if let Ok(stat) = nix::sys::statvfs::statvfs(pg_wal) {
            waiting.free = stat.blocks_available().saturating_mul(stat.fragment_size());
        }
        waiting
    }

    /// The share of the room that it takes, in percent: of itself and what is free.
    pub fn share(&self) -> u64 {
        self.bytes.saturating_mul(100) / self.bytes.saturating_add(self.free).max(1)
    }

    /// For how long the oldest has waited.
    pub fn age(&self, now: Timestamp) -> Duration {
        self.since.map_or(Duration::ZERO, |since| now.since(since))
    }
}

impl Keeper {
    /// Of what waits in that `pg_wal`: the archive itself may be away when the collector starts. `slot` is where a server stands that
    /// somebody else runs, and whose WAL is brought there.
    pub fn new(pg_wal: PathBuf, slot: Option<String>) -> Self {
        Self { pg_wal, slot, works: SetOnce::new(), told: Mutex::default(), backing_up: Arc::default() }
    }

    /// Where the WAL lies that is archived.
    pub fn pg_wal(&self) -> &Path {
        &self.pg_wal
    }

    /// The slot of a server that somebody else runs.
    pub fn slot(&self) -> Option<&str> {
        self.slot.as_deref()
    }

    /// What is archived to; `None` before the archive is there.
    pub fn shelf(&self) -> Option<&Shelf> {
        self.works.get().map(|works| works.pusher.shelf())
    }

    /// What pushes to the archive, as soon as there is one.
    pub async fn pusher(&self) -> Arc<Pusher> {
        Arc::clone(&self.works.wait().await.pusher)
    }

    /// The archive is there: this pusher pushes to it, and this engine backs up.
    pub fn begins(&self, pusher: Arc<Pusher>, engine: Arc<dyn BackupEngine>) {
        let _ = self.works.set(Works { pusher, engine });
    }

    /// Writes a manifest of what was archived since the last, as soon as there is an archive.
    ///
    /// # Errors
    /// When the store fails, or the manifests before it are not what was written.
    pub async fn note(&self) -> Result<usize, ArchiveError> {
        let works = self.works.wait().await;
        works.engine.note(works.pusher.news()).await
    }

    /// Begins a base backup if one is due, as soon as there is an archive, and lets go of what nobody needs after it. It goes on by itself: however long it takes, nobody
    /// waits for it, and `stop` breaks it off.
    ///
    /// # Errors
    /// When the store does not say what it has, or somebody else archives to the same place.
    pub async fn back_up(&self, stop: &CancellationToken) -> Result<Option<String>, ArchiveError> {
        let Works { pusher, engine } = self.works.wait().await;
        if self.backing_up.load(Ordering::Acquire) {
            return Ok(None);
        }
        if pusher.is_contested() {
            return Err(ArchiveError::other(
                "no base backup is taken while somebody else archives to the same place: the WAL there is not this database's",
            ));
        }
        let Some(why) = engine.due().await? else { return Ok(None) };
        tracing::info!("Taking a base backup: {why}");
        let busy = Busy::from(&self.backing_up);
        let (engine, stop) = (Arc::clone(engine), stop.clone());
        tokio::spawn(async move {
            let _busy = busy;
            let taking = async move {
                tokio::select! { () = back_up(engine.as_ref()) => {}, () = stop.cancelled() => {} }
            };
            // On a task of its own, so that a defect in it is told, and the next that is due is taken.
            if let Err(error) = tokio::spawn(taking).await {
                tracing::error!("The base backup broke off by a fault of this program, and is taken again: {error}");
            }
        });
        Ok(Some(why))
    }

    /// Looks, and tells what changed.
    ///
    /// # Errors
    /// When the look broke off.
    pub async fn watch(&self, now: Timestamp) -> Result<Waiting, ArchiveError> {
        let pg_wal = self.pg_wal.clone();
        let waiting = aside(move || Waiting::in_folder(&pg_wal)).await?;
        let is = Told { step: step(waiting.share()), lateness: lateness(waiting.age(now)) };
        let was = std::mem::replace(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner), is);
        let (files, seconds) = (waiting.files, waiting.age(now).as_secs());
        if is.lateness > was.lateness {
            let safe = self.works.get().and_then(|works| works.pusher.safe_until());
            let safe = safe.map_or_else(String::new, |safe| format!(" {safe}"));
            let what = format!(
                "{files} files of WAL wait to be archived, the oldest for {seconds} s: what was committed since{safe} would be lost \
                 with the disk. None is thrown away; the reason is in this log"
            );
            match is.lateness {
                Lateness::TooLate => tracing::error!(archive.waiting_s = seconds, archive.files = files, "{what}"),
                _ => tracing::warn!(archive.waiting_s = seconds, archive.files = files, "{what}"),
            }
        }
        if is.lateness == Lateness::None && was.lateness > Lateness::None {
            tracing::info!("The archive has caught up");
        }
        if is.step > was.step {
            tracing::error!(
                archive.waiting_bytes = waiting.bytes,
                disk.free_bytes = waiting.free,
                "WAL that waits to be archived takes {} % of the room that there is; when it is full, the database stops. Mend the \
                 archive, or make room",
                waiting.share()
            );
        }
        Ok(waiting)
    }
}

/// Says that a base backup is being taken, until it is dropped.
struct Busy(Arc<AtomicBool>);

impl From<&Arc<AtomicBool>> for Busy {
    fn from(is: &Arc<AtomicBool>) -> Self {
        is.store(true, Ordering::Release);
        Self(Arc::clone(is))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

async fn back_up(engine: &dyn BackupEngine) {
    match engine.backup(&|_| {}).await {
        Ok(backup) => tracing::info!(
            backup.id,
            backup.bytes,
            backup.files,
            backup.stored_bytes = backup.stored_bytes(),
            "Took the base backup {}: {} files, {} MiB, {} MiB as stored",
            backup.id,
            backup.files,
            backup.bytes >> 20,
            backup.stored_bytes() >> 20
        ),
        Err(error) => return tracing::error!("The base backup failed: {error}"),
    }
    match engine.expire().await {
        Ok(0) => {}
        Ok(count) => tracing::info!("Removed {count} objects that no restore within the window needs"),
        Err(error) => tracing::error!("What expired could not be removed: {error}"),
    }
}

fn step(share: u64) -> u64 {
    STEPS.into_iter().filter(|step| share >= *step).max().unwrap_or(0)
}

fn lateness(age: Duration) -> Lateness {
    match age {
        age if age >= TOO_LATE => Lateness::TooLate,
        age if age >= LATE => Lateness::Late,
        _ => Lateness::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use crate::ops::archive::catalogue::Backup;
    use crate::ops::archive::engine::Answer;
    use crate::ops::archive::shelf::{Kept, SystemId};
    use crate::ops::archive::store::Directory;
    use crate::vault::{KeyRing, Opener, Sealer};

    /// An engine of which a backup is always due, and which panics when it takes one.
    #[derive(Debug, Default)]
    struct Panicking(Arc<Mutex<u32>>);

    impl BackupEngine for Panicking {
        fn backup<'a>(&'a self, _: &'a (dyn Fn(u64) + Send + Sync)) -> Answer<'a, Backup> {
            Box::pin(async {
                *self.0.lock().unwrap() += 1;
                panic!("as planned")
            })
        }
        fn due(&self) -> Answer<'_, Option<String>> {
            Box::pin(async { Ok(Some("it always is".to_owned())) })
        }
        fn expire(&self) -> Answer<'_, usize> {
            Box::pin(async { Ok(0) })
        }
        fn note(&self, _: BTreeMap<String, Kept>) -> Answer<'_, usize> {
            Box::pin(async { Ok(0) })
        }
    }

    #[tokio::test]
    async fn a_backup_that_panicked_is_taken_again() {
        let folder = tempfile::tempdir().unwrap();
        let ring = KeyRing::generate().unwrap();
        let store = Arc::new(Directory::open(folder.path()).unwrap());
        let shelf = Shelf::new(store, Sealer::new(&ring), Opener::new(&ring), SystemId(7));
        let engine = Panicking::default();
        let taken = Arc::clone(&engine.0);
        let (keeper, stop) = (Keeper::new(folder.path().to_owned(), None), CancellationToken::new());
        tokio::select! {
            biased;
            _ = keeper.back_up(&stop) => unreachable!("there is no archive yet"),
            () = tokio::task::yield_now() => {}
        }
        keeper.begins(Arc::new(Pusher::new(folder.path().to_owned(), shelf)), Arc::new(engine));
        for times in 1..=2 {
            assert!(keeper.back_up(&stop).await.unwrap().is_some());
            assert!(keeper.back_up(&stop).await.unwrap().is_none(), "one at a time");
            while keeper.backing_up.load(Ordering::Acquire) {
                tokio::task::yield_now().await;
            }
            assert_eq!(*taken.lock().unwrap_or_else(PoisonError::into_inner), times);
        }
    }

    #[test]
    fn what_waits_is_counted_and_its_share_of_the_room_told_in_steps() {
        let folder = tempfile::tempdir().unwrap();
        let status = folder.path().join("archive_status");
        fs::create_dir(&status).unwrap();
        for (file, mark) in [("000000010000000000000001", "ready"), ("000000010000000000000002", "done")] {
            fs::write(folder.path().join(file), [0; 1000]).unwrap();
            fs::write(status.join(format!("{file}.{mark}")), "").unwrap();
        }
        let waiting = Waiting::in_folder(folder.path());
        assert_eq!((waiting.files, waiting.bytes), (1, 1000));
        assert!(waiting.free > 0 && waiting.since.is_some());
        let now = waiting.since.unwrap() + Duration::from_secs(130);
        assert_eq!(waiting.age(now), Duration::from_secs(130));
        for (bytes, free, told) in [(0, 100, 0), (24, 76, 0), (25, 75, 25), (60, 40, 50), (75, 25, 75), (1, 0, 75)] {
            assert_eq!(step(Waiting { bytes, free, ..waiting }.share()), told, "{bytes} and {free}");
        }
        assert_eq!(Waiting::default().share(), 0);
    }

    #[test]
    fn two_minutes_are_late_and_four_too_late() {
        for (seconds, is) in [(119, Lateness::None), (120, Lateness::Late), (240, Lateness::TooLate)] {
            assert_eq!(lateness(Duration::from_secs(seconds)), is);
        }
    }
}
