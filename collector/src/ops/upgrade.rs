//! What an upgrade of PostgreSQL asks of the archive: that everything of the old cluster is in it, and that the new one can be restored
//! from it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use picket_shared::time::Timestamp;

use super::archive::catalogue::Backup;
use super::archive::engine::{BackupEngine as _, OwnEngine};
use super::archive::keeper::Waiting;
use super::archive::restore::{self, Order};
use super::archive::shelf::{ArchiveError, Shelf, aside};
use super::archive::{inventory, verify};
use super::drill::needed_at_most;
use super::drill::scratch::Scratch;
use crate::postgres::Access;
use crate::postgres::copy::{Copy, Fate};
use crate::postgres::recovery::Target;

/// For so long WAL that waits to be archived is waited for.
const PATIENCE: Duration = Duration::from_secs(600);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// What is done just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A base backup is taken, for that reason.
    BackingUp(String),
    /// Every object of the path is fetched and opened.
    Opening,
    /// A copy is restored and read.
    Restoring,
}

/// Has everything of a cluster that runs in the archive, a base backup of the last day too; gives that.
///
/// # Errors
/// When it does not come there, or the archive is not whole.
pub async fn secure(engine: &OwnEngine, access: &Access, told: impl Fn(Step)) -> Result<Backup, ArchiveError> {
    engine.must_be_newest().await?;
    access.switch_wal().await?;
    drained(&engine.source.pg_wal).await?;
    if let Some(why) = engine.due().await? {
        told(Step::BackingUp(why));
        engine.backup(&|_| {}).await?;
    }
    engine.note(BTreeMap::new()).await?;
    whole(engine, false).await?;
    last(&engine.shelf).await
}

/// Waits until no WAL waits any more.
///
/// # Errors
/// When some still does after ten minutes.
pub async fn drained(pg_wal: &Path) -> Result<(), ArchiveError> {
    let wait = async {
        loop {
            let folder = pg_wal.to_owned();
            if aside(move || Waiting::in_folder(&folder)).await?.files == 0 {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let late = |_| {
        let why =
            format!("WAL still waits to be archived after {} minutes: mend the archive first", PATIENCE.as_secs() / 60);
        Err(ArchiveError::other(why))
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(late)
}

/// That nothing is missing in the archive of a cluster; with `deep` also that each object opens.
async fn whole(engine: &OwnEngine, deep: bool) -> Result<(), ArchiveError> {
    let verdict = verify::verify(&engine.shelf, &engine.memory, deep, &|_| {}).await?;
    if verdict.wrong.is_empty() {
        return Ok(());
    }
    Err(ArchiveError::other(format!("the archive is not whole: {}", verdict.wrong.join("; "))))
}

async fn last(shelf: &Shelf) -> Result<Backup, ArchiveError> {
    let backups = inventory::backups(shelf).await?;
    backups.last().cloned().ok_or_else(|| ArchiveError::other("the archive holds no complete base backup"))
}

/// Where a copy is restored to see that it can be.
#[derive(Clone, Copy, Debug)]
pub struct Beside<'a> {
    /// The folder in which that is done.
    pub parent: &'a Path,
    /// Where PostgreSQL's programs lie.
    pub binaries: Option<&'a Path>,
}

/// What is known of a base backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// Which it is.
    pub backup: Backup,
    /// Rows of a copy that was restored from it, and tables; `None` when none was.
    pub read: Option<(i64, usize)>,
}

/// Has a base backup of a cluster that runs in the archive, opens every object of its path, and restores a copy of it beside, where that is
/// wanted: every file is held against PostgreSQL's own manifest, the WAL is replayed, and every row is read.
///
/// # Errors
/// What is in the way, or wrong.
pub async fn prove(
    engine: &OwnEngine,
    access: &Access,
    beside: Option<Beside<'_>>,
    restore_command: impl Fn(&Path) -> String,
    told: impl Fn(Step),
) -> Result<Proven, ArchiveError> {
    let backup = secure(engine, access, &told).await?;
    told(Step::Opening);
    whole(engine, true).await?;
    let Some(beside) = beside else { return Ok(Proven { backup, read: None }) };
    told(Step::Restoring);
    let scratch = Scratch::take(beside.parent).await?;
    let read = async {
        scratch.has_room(needed_at_most(&engine.shelf, &backup).await?)?;
        let now = || -> Timestamp { engine.clock.now() };
        read_copy(&engine.shelf, &scratch.data_dir(), beside.binaries, restore_command, now).await
    };
    let read = Box::pin(read).await;
    scratch.give_back().await?;
    Ok(Proven { backup, read: Some(read?) })
}

async fn read_copy(
    shelf: &Shelf,
    into: &Path,
    binaries: Option<&Path>,
    restore_command: impl Fn(&Path) -> String,
    now: impl Fn() -> Timestamp,
) -> Result<(i64, usize), ArchiveError> {
    let order = Order { target: Target::Latest, into, binaries };
    Box::pin(restore::run(shelf, &order, restore_command, now, |_| {})).await?;
    let copy = Copy::start(into, binaries, Fate::Thrown).await?;
    let counted = copy.count().await;
    copy.stop().await;
    let (tables, rows) = counted?;
    Ok((rows, tables))
}
