//! Restores a cluster from the archive and the key ring alone: to any second of the window, into an empty folder.
//!
//! The latest base backup that had ended by then is unpacked and verified, and PostgreSQL recovers from it with the archive's WAL. What
//! comes of it is inert: it archives nothing, nobody is told anything, and no collector runs on it, until it is armed.

use std::collections::{HashSet, VecDeque};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use picket_shared::time::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::catalogue::{self, Backup};
use super::chain::Chain;
use super::contents::Inspector;
use super::fetch::Fetcher;
use super::inventory::Inventory;
use super::line::SOCKET;
use super::owner::{self, Owner};
use super::server::{Desk, Server};
use super::shelf::{ArchiveError, Shelf, SystemId, aside};
use super::tar::{Entry, Event, Reader};
use super::wal::WalFile;
use crate::postgres::PostgresError;
use crate::postgres::managed::Layout;
use crate::postgres::recovery::{Room, Target};

/// Parts that are fetched and opened while another is written out.
const AHEAD: usize = 2;
/// What the mark of a copy is called once it is armed.
const ARMED: &str = "armed.json";

/// What is to be restored, and where to.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    /// To which time.
    pub target: Target,
    /// The data directory, which must be empty.
    pub into: &'a Path,
    /// Where PostgreSQL's programs lie, if not where they usually do.
    pub binaries: Option<&'a Path>,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// With this backup it begins.
    Chosen(Box<Backup>),
    /// So many bytes of so many are unpacked.
    Unpacked(u64, u64),
    /// What was unpacked is what was backed up.
    Verified,
    /// This file of the WAL was handed to PostgreSQL.
    Replayed(WalFile),
}

/// What a restore came to, as it is written beside the data too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The cluster of which it is a copy.
    pub system: String,
    /// The base backup with which it began.
    pub backup: String,
    /// The time that was asked for; `None` for the latest.
    pub to: Option<Timestamp>,
    /// When the last transaction was committed that it holds; `None` when none was since the base backup.
    pub last_commit: Option<Timestamp>,
    /// The timeline that it began.
    pub timeline: u32,
    /// Bytes of WAL that were replayed.
    pub wal_bytes: u64,
    /// When it was done.
    pub at: Timestamp,
}

impl From<PostgresError> for ArchiveError {
    fn from(error: PostgresError) -> Self {
        Self::other(error.to_string())
    }
}

/// Restores. `restore_command` makes PostgreSQL's command for a socket.
///
/// # Errors
/// When the archive does not hold what is needed, or any of it is not what was stored. What was unpacked is left to be looked at.
pub async fn run(
    shelf: &Shelf,
    order: &Order<'_>,
    restore_command: impl Fn(&Path) -> String,
    now: impl Fn() -> Timestamp,
    told: impl Fn(Progress),
) -> Result<Restored, ArchiveError> {
    let owner = owner::read(shelf).await?.ok_or_else(|| {
        ArchiveError::other(format!(
            "{} lacks `owner`, which says of which PostgreSQL it is: bring it back",
            shelf.known_as()
        ))
    })?;
    let chain = Chain::read(shelf).await?;
    let (backup, places) = chosen(shelf, &owner, order.target).await?;
    told(Progress::Chosen(Box::new(backup.clone())));
    let room = Room::take(order.into, order.binaries, owner.major, backup.is_foreign)?;
    // From here on nothing runs on it before it is armed, whatever becomes of this restore.
    let unfinished = format!("{{\"restoring\":{:?}}}\n", backup.id);
    write_mark(room.layout(), &unfinished)?;
    unpack(shelf, &backup, &room.layout().pgdata(), &told).await?;
    room.verify().await?;
    told(Progress::Verified);
    let server = Server::open(&room.layout().socket_directory())
        .map_err(|error| ArchiveError::other(format!("the socket for the restore cannot be made: {error}")))?;
    let (sender, mut replayed) = mpsc::unbounded_channel();
    // What the store itself listed a moment ago is there, too: it may be too new for a manifest.
    let listed: HashSet<String> = chain.live.into_keys().chain(places).collect();
    let fetcher = Arc::new(Fetcher::new(shelf.clone(), listed, sender));
    server.counter().begins(Desk::Fetching(Arc::clone(&fetcher)));
    let command = restore_command(&room.layout().socket_directory().join(SOCKET));
    let recovering = room.recover(&command, order.target);
    tokio::pin!(recovering);
    let recovered = loop {
        tokio::select! {
            recovered = &mut recovering => break recovered.map_err(|error| unrecovered(&error, order.target))?,
            Some(file) = replayed.recv() => told(Progress::Replayed(file)),
        }
    };
    let restored = Restored {
        system: shelf.system().to_string(),
        backup: backup.id,
        to: if let Target::Time(time) = order.target { Some(time) } else { None },
        last_commit: recovered.last_commit,
        timeline: recovered.timeline,
        wal_bytes: fetcher.bytes(),
        at: now(),
    };
    let text = serde_json::to_string_pretty(&restored).map_err(|error| ArchiveError::other(error.to_string()))?;
    if let Err(error) = write_mark(room.layout(), &text) {
        // Whoever is told that it failed must not find it fit to be armed.
        let _ = write_mark(room.layout(), &unfinished);
        return Err(error);
    }
    Ok(restored)
}

/// PostgreSQL's own words, and what to do where the archive ends before the time that was asked for.
fn unrecovered(error: &PostgresError, target: Target) -> ArchiveError {
    let said = error.to_string();
    match target {
        Target::Time(time) if said.contains("recovery ended before configured recovery target was reached") => {
            ArchiveError::other(format!(
                "{said}\nNo transaction of {} or later is in the archive: restore to an earlier time, or to `latest`",
                time.exact()
            ))
        }
        _ => ArchiveError::other(said),
    }
}

/// The restored copy that waits to be armed.
///
/// # Errors
/// When there is none, or it was not restored to its end.
pub fn waiting(data_dir: &Path) -> Result<Restored, ArchiveError> {
    let mark = Layout::of(data_dir).unarmed();
    let failed = |error: std::io::Error| ArchiveError::other(format!("{}: {error}", mark.display()));
    let text = match fs::read_to_string(&mark) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let place = data_dir.display();
            return Err(ArchiveError::other(if mark.with_file_name(ARMED).exists() {
                format!("the restored copy in {place} is armed already: a collector may run on it")
            } else {
                format!("in {place} is no restored copy that waits to be armed")
            }));
        }
        Err(error) => return Err(failed(error)),
    };
    serde_json::from_str(&text).map_err(|_| {
        let why = format!(
            "the restore into {} did not come to its end: remove the folder and restore again",
            data_dir.display()
        );
        ArchiveError::other(why)
    })
}

/// Arms a restored copy that was made fit for it: from now on a collector may run on it.
///
/// # Errors
/// As [`waiting`].
pub fn arm(data_dir: &Path) -> Result<Restored, ArchiveError> {
    let mark = Layout::of(data_dir).unarmed();
    let failed = |error: std::io::Error| ArchiveError::other(format!("{}: {error}", mark.display()));
    let restored = waiting(data_dir)?;
    fs::rename(&mark, mark.with_file_name(ARMED)).map_err(failed)?;
    File::open(data_dir).and_then(|folder| folder.sync_all()).map_err(failed)?;
    Ok(restored)
}

/// The base backup with which a restore begins, and every place that is listed.
async fn chosen(
    shelf: &Shelf,
    owner: &Owner,
    target: Target,
) -> Result<(Backup, impl Iterator<Item = String>), ArchiveError> {
    let Inventory { places, backups: all, segments, path } = Inventory::take(shelf).await?;
    let time = if let Target::Time(time) = target { Some(time) } else { None };
    let Some(backup) = catalogue::choose(&all, &path, time) else {
        let first = all.iter().map(|backup| backup.ended_at).min();
        return Err(ArchiveError::other(match (first, owner.follows) {
            (Some(first), Some(origin)) if time >= Some(origin.at) => format!(
                "the oldest base backup since the upgrade to PostgreSQL {}, at {}, ended at {first}: restore to that time or later, or, as \
                 long as the archive has it, to what there was at the upgrade by `--to-time latest --system {}`",
                owner.major,
                origin.at,
                SystemId(origin.system)
            ),
            (Some(first), _) => {
                format!("the oldest base backup ended at {first}: nothing can be restored to a time before that")
            }
            (None, _) => {
                "the archive holds no complete base backup yet: the collector takes one within minutes".to_owned()
            }
        }));
    };
    let missing = catalogue::hole(backup, &path, &segments);
    if let Some(segment) = missing.filter(|segment| backup.own_segments().any(|own| own == *segment)) {
        return Err(ArchiveError::other(format!("{segment}, which the base backup {} needs, is missing", backup.id)));
    }
    Ok((backup.clone(), places.into_keys()))
}

async fn unpack(shelf: &Shelf, backup: &Backup, pgdata: &Path, told: &impl Fn(Progress)) -> Result<(), ArchiveError> {
    let unpacker = Unpacker { pgdata: pgdata.to_owned(), file: None };
    unpacker.folder(pgdata)?;
    let mut tar = Unpacking { reader: Reader::default(), inspector: Inspector::new(backup.checksums), unpacker };
    let fetch =
        |number: usize| tokio::spawn(part(shelf.clone(), backup.part(number), backup.parts[number].sha256.clone()));
    let mut waiting = 0..backup.parts.len();
    // What comes next is fetched and opened while what came is written out.
    let mut coming: VecDeque<_> = waiting.by_ref().take(AHEAD).map(fetch).collect();
    let mut done = 0;
    while let Some(part) = coming.pop_front() {
        let content = part.await.map_err(|error| ArchiveError::other(error.to_string()))??;
        coming.extend(waiting.next().map(fetch));
        done += u64::try_from(content.len()).unwrap_or(0);
        tar = aside(move || tar.take(&content).map(|()| tar)).await??;
        told(Progress::Unpacked(done, backup.tar_bytes));
    }
    tar.reader.finish().map_err(|error| ArchiveError::other(error.to_string()))?;
    tar.inspector.finish().map_err(|flaw| ArchiveError::other(flaw.to_string()))?;
    Ok(())
}

/// The content of one part, which must be the object that was stored.
async fn part(shelf: Shelf, place: String, sha256: String) -> Result<Vec<u8>, ArchiveError> {
    let found = shelf.fetch_kept(&place).await?;
    let (content, kept) = found.ok_or_else(|| ArchiveError::other(format!("{place} is missing in the archive")))?;
    if kept.sha256 != sha256 {
        return Err(ArchiveError::other(format!("{place} is not the object that was stored")));
    }
    Ok(content)
}

/// A tar that is read, looked at, and written out.
struct Unpacking {
    reader: Reader,
    inspector: Inspector,
    unpacker: Unpacker,
}

impl Unpacking {
    fn take(&mut self, content: &[u8]) -> Result<(), ArchiveError> {
        for event in self.reader.take(content).map_err(|error| ArchiveError::other(error.to_string()))? {
            self.inspector.take(&event).map_err(|flaw| ArchiveError::other(flaw.to_string()))?;
            self.unpacker.take(event)?;
        }
        Ok(())
    }
}

/// Writes what comes out of a tar.
struct Unpacker {
    pgdata: PathBuf,
    file: Option<(PathBuf, File)>,
}

impl Unpacker {
    fn take(&mut self, event: Event<'_>) -> Result<(), ArchiveError> {
        match event {
            Event::Begins(Entry::Folder { path }) => self.folder(&self.pgdata.join(path)),
            Event::Begins(Entry::File { path, .. }) => {
                let path = self.pgdata.join(path);
                if let Some(folder) = path.parent() {
                    self.folder(folder)?;
                }
                let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
                let file = opened.map_err(|error| failed(&path, &error))?;
                self.file = Some((path, file));
                Ok(())
            }
            Event::Content(bytes) => match &mut self.file {
                Some((path, file)) => file.write_all(bytes).map_err(|error| failed(path, &error)),
                None => Ok(()),
            },
            Event::Ends => {
                self.file = None;
                Ok(())
            }
        }
    }

    fn folder(&self, path: &Path) -> Result<(), ArchiveError> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| failed(path, &error))
    }
}

fn failed(path: &Path, error: &std::io::Error) -> ArchiveError {
    ArchiveError::other(format!("{}: {error}", path.display()))
}

/// Writes the mark of a copy that is not armed: in the place of the one before, whole or not at all, its name flushed as well. Data
/// without the mark would pass for a collector's own.
fn write_mark(layout: &Layout, text: &str) -> Result<(), ArchiveError> {
    let path = layout.unarmed();
    let beside = path.with_extension("json.new");
    let written = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &path)?;
        File::open(layout.root())?.sync_all()
    };
    written().map_err(|error| failed(&path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restore_that_broke_off_is_never_armed() {
        let folder = tempfile::tempdir().unwrap();
        let error = arm(folder.path()).unwrap_err().to_string();
        assert!(error.contains("no restored copy"), "{error}");
        let layout = Layout::of(folder.path());
        write_mark(&layout, "{\"restoring\":\"x\"}\n").unwrap();
        let error = arm(folder.path()).unwrap_err().to_string();
        assert!(error.contains("did not come to its end"), "{error}");
        assert!(layout.unarmed().exists());
        let restored = Restored {
            system: "7".to_owned(),
            backup: "x".to_owned(),
            to: None,
            last_commit: None,
            timeline: 2,
            wal_bytes: 0,
            at: Timestamp::from_seconds(1),
        };
        write_mark(&layout, &serde_json::to_string(&restored).unwrap()).unwrap();
        assert_eq!(arm(folder.path()).unwrap(), restored);
        assert!(!layout.unarmed().exists());
        let error = arm(folder.path()).unwrap_err().to_string();
        assert!(error.contains("armed already"), "{error}");
    }
}
