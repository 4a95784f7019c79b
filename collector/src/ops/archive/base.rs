//! Takes a base backup: `pg_basebackup` writes a tar, which is inspected, cut, sealed and stored as it comes.
//!
//! Nothing lies on a disk in between. The description is written last: when every file is as the manifest says, and every
//! segment of WAL without which the backup is none is in the archive.

use std::fs::{DirEntry, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use backon::{ConstantBuilder, ExponentialBuilder, Retryable};
use bytes::Bytes;
use nix::fcntl::{FcntlArg, fcntl};
use picket_shared::time::Clock;
use tokio::io::AsyncReadExt;
use tokio::process::{ChildStdout, Command};
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};

use super::catalogue::{self, Backup, Part};
use super::contents::{Checksums, Flaw, Inspector, Whole};
use super::shelf::{ArchiveError, Kept, Shelf, aside};
use super::tar::{self, TarError};
use super::wal::{Segment, SegmentSize, WalFile};
use crate::postgres::Replication;
use crate::vault::token::random_bytes;

/// Hashing by SHA-256 took PostgreSQL, us and each restore a tenth of their time.
const CHECKSUMS: Checksums = Checksums::Crc32c;
/// Bytes of the tar in one object.
const PART: usize = 16 << 20;
/// Parts that are sealed and put at a time.
const AT_ONCE: usize = 2;
/// Bytes that wait between pg_basebackup and us.
const PIPE: i32 = 1 << 20;
/// For so long they come together before they are read: at a GiB a second they are full by then.
const GATHERS: Duration = Duration::from_millis(1);
/// For so long the last segments of WAL are waited for.
const PATIENCE: Duration = Duration::from_secs(600);

/// Where from a base backup is taken.
#[derive(Clone, Debug)]
pub struct Source {
    /// How `pg_basebackup` is run.
    pub replication: Replication,
    /// Where PostgreSQL writes its WAL, or where it is brought from a server that somebody else runs.
    pub pg_wal: PathBuf,
    /// How large segments are; the files in `pg_wal` say it if not known.
    pub segments: Option<SegmentSize>,
    /// Whether somebody else runs the server, with settings of their own.
    pub is_foreign: bool,
    /// The major version of the data.
    pub major: u32,
    /// MiB a second at most; 0 is as fast as it goes.
    pub mib_per_second: u32,
}

/// Takes a base backup, and waits until it is complete. `told` hears how many bytes were stored so far.
///
/// # Errors
/// When it did not come to its end; what is stored of it expires.
pub async fn take(
    shelf: &Shelf,
    source: &Source,
    clock: &Clock,
    told: impl Fn(u64) + Send + Sync,
) -> Result<Backup, ArchiveError> {
    let began_at = clock.now();
    let mark = random_bytes().map_err(|error| ArchiveError::other(error.to_string()))?;
    let id = catalogue::id(began_at, mark);
    let mut command = Command::from(source.replication.base_backup(
        &format!("picket {id}"),
        CHECKSUMS.as_str(),
        source.mib_per_second,
    )?);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let failed = |error: io::Error| ArchiveError::other(format!("pg_basebackup cannot be run: {error}"));
    let mut child = command.spawn().map_err(failed)?;
    let stdout = child.stdout.take().ok_or_else(|| ArchiveError::other("pg_basebackup has no output"))?;
    let mut stderr = child.stderr.take().ok_or_else(|| ArchiveError::other("pg_basebackup has no output"))?;
    let said = tokio::spawn(async move {
        let mut text = String::new();
        let _ = stderr.read_to_string(&mut text).await;
        text
    });
    let stored = store_tar(shelf, &id, stdout, &told).await;
    let status = child.wait().await.map_err(failed)?;
    let said = said.await.unwrap_or_default();
    // A store that failed ends pg_basebackup too, and is then the reason; a tar that ends early is none of its own.
    let (whole, parts, tar_bytes) = match stored {
        Ok(stored) if status.success() => stored,
        Err(error) if status.success() || !matches!(error, ArchiveError::Other(_)) => return Err(error),
        _ => return Err(ArchiveError::other(format!("pg_basebackup failed: {}", said.trim()))),
    };
    let ended_at = clock.now();
    let size = match source.segments {
        Some(size) => size,
        None => {
            let pg_wal = source.pg_wal.clone();
            aside(move || size_of_segments(&pg_wal)).await??
        }
    };
    let backup = Backup {
        id,
        major: source.major,
        timeline: whole.timeline,
        start: whole.start.0,
        end: whole.end.0,
        segment_bytes: size.bytes(),
        began_at,
        ended_at,
        tar_bytes,
        files: whole.files,
        is_foreign: source.is_foreign,
        checksums: CHECKSUMS,
        bytes: whole.bytes,
        parts,
    };
    wait_for_wal(shelf, &backup).await?;
    let text = serde_json::to_vec(&backup).map_err(|error| ArchiveError::other(error.to_string()))?;
    keep(shelf, &backup.place(), text.into()).await?;
    Ok(backup)
}

/// Reads the tar to its end. While one part is read, the one before it is inspected, and sealed and put.
async fn store_tar(
    shelf: &Shelf,
    id: &str,
    stdout: ChildStdout,
    told: &(impl Fn(u64) + Send + Sync),
) -> Result<(Whole, Vec<Part>, u64), ArchiveError> {
    let is_wide = fcntl(&stdout, FcntlArg::F_SETPIPE_SZ(PIPE)).is_ok();
    let pipe = Pipe { file: File::from(stdout.into_owned_fd().map_err(unread)?), is_wide };
    let mut putting =
        Putting { shelf: shelf.clone(), id: id.to_owned(), jobs: JoinSet::new(), parts: Vec::new(), stored: 0 };
    let mut reading = spawn_blocking(move || next_part(pipe));
    let (mut looking, mut total) = (spawn_blocking(|| Ok(Looking::new())), 0_u64);
    loop {
        let (pipe, part) = finished(reading).await?.map_err(unread)?;
        if part.is_empty() {
            break;
        }
        reading = spawn_blocking(move || next_part(pipe));
        let part = Bytes::from(part);
        total += u64::try_from(part.len()).unwrap_or(0);
        let (mut tar, seen) = (finished(looking).await??, part.clone());
        looking = spawn_blocking(move || tar.take(&seen).map(|()| tar));
        putting.begin(part).await?;
        told(putting.stored);
    }
    let parts = putting.finish().await?;
    let tar = finished(looking).await??;
    tar.reader.finish().map_err(strange)?;
    Ok((tar.inspector.finish().map_err(flawed)?, parts, total))
}

/// A tar that is read and looked at.
struct Looking {
    reader: tar::Reader,
    inspector: Inspector,
}

impl Looking {
    fn new() -> Self {
        Self { reader: tar::Reader::default(), inspector: Inspector::new(CHECKSUMS) }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        for event in self.reader.take(bytes).map_err(strange)? {
            self.inspector.take(&event).map_err(flawed)?;
        }
        Ok(())
    }
}

async fn finished<T>(job: JoinHandle<T>) -> Result<T, ArchiveError> {
    job.await.map_err(|error| ArchiveError::other(error.to_string()))
}

/// What pg_basebackup writes into; the machine may refuse to make it wide.
struct Pipe {
    file: File,
    is_wide: bool,
}

/// Reads until a part is full, or there is no more. It lets much come together before it looks again: PostgreSQL sends in pieces of a
/// few KiB, and to be woken for each costs more than to read it.
fn next_part(mut pipe: Pipe) -> io::Result<(Pipe, Vec<u8>)> {
    let (mut part, mut filled) = (vec![0; PART], 0);
    while filled < PART {
        match pipe.file.read(&mut part[filled..]) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if pipe.is_wide {
            thread::sleep(GATHERS);
        }
    }
    part.truncate(filled);
    Ok((pipe, part))
}

fn unread(error: io::Error) -> ArchiveError {
    ArchiveError::other(format!("what pg_basebackup writes cannot be read: {error}"))
}

/// Parts that are sealed and put, a few at a time.
struct Putting {
    shelf: Shelf,
    id: String,
    jobs: JoinSet<(usize, u64, Result<Kept, ArchiveError>)>,
    parts: Vec<Option<Part>>,
    /// Bytes of the tar in those that are stored.
    stored: u64,
}

impl Putting {
    /// Begins with the next part, as soon as there is a hand free for it.
    async fn begin(&mut self, part: Bytes) -> Result<(), ArchiveError> {
        while self.jobs.len() >= AT_ONCE {
            self.one_is_done().await?;
        }
        let (shelf, number) = (self.shelf.clone(), self.parts.len());
        let place = catalogue::part(&self.id, number);
        self.parts.push(None);
        let length = u64::try_from(part.len()).unwrap_or(0);
        self.jobs.spawn(async move { (number, length, keep(&shelf, &place, part).await) });
        Ok(())
    }

    async fn one_is_done(&mut self) -> Result<(), ArchiveError> {
        let Some(done) = self.jobs.join_next().await else { return Ok(()) };
        let (number, length, kept) = done.map_err(|error| ArchiveError::other(error.to_string()))?;
        let kept = kept?;
        self.stored += length;
        self.parts[number] = Some(Part { size: kept.size, sha256: kept.sha256 });
        Ok(())
    }

    /// Waits for all of them.
    async fn finish(mut self) -> Result<Vec<Part>, ArchiveError> {
        while !self.jobs.is_empty() {
            self.one_is_done().await?;
        }
        let parts: Option<Vec<Part>> = self.parts.into_iter().collect();
        parts.ok_or_else(|| ArchiveError::other("a part of the base backup was not stored"))
    }
}

/// Keeps, and tries again for as long as a store may be away in passing.
async fn keep(shelf: &Shelf, place: &str, content: Bytes) -> Result<Kept, ArchiveError> {
    let waits = ExponentialBuilder::default().with_max_times(8).with_max_delay(Duration::from_secs(30));
    (|| shelf.keep(place, content.clone())).retry(waits).when(ArchiveError::is_transient).await
}

/// Every file of a segment is as large as segments are.
fn size_of_segments(pg_wal: &Path) -> Result<SegmentSize, ArchiveError> {
    let size = segments(pg_wal).find_map(|(_, entry)| SegmentSize::of(entry.metadata().ok()?.len()));
    size.ok_or_else(|| ArchiveError::other(format!("there is no segment of WAL in {}", pg_wal.display())))
}

/// The timeline on which a cluster is, by its own WAL; `None` when there is no segment.
pub fn newest_timeline(pg_wal: &Path) -> Option<u32> {
    segments(pg_wal).map(|(segment, _)| segment.timeline).max()
}

fn segments(pg_wal: &Path) -> impl Iterator<Item = (Segment, DirEntry)> {
    let entries = std::fs::read_dir(pg_wal).into_iter().flatten().flatten();
    entries.filter_map(|entry| match entry.file_name().to_str()?.parse() {
        Ok(WalFile::Segment(segment)) => Some((segment, entry)),
        _ => None,
    })
}

async fn wait_for_wal(shelf: &Shelf, backup: &Backup) -> Result<(), ArchiveError> {
    let look = async || {
        let listed = shelf.list(&super::wal::folder(backup.timeline)).await?;
        for segment in backup.own_segments() {
            let place = WalFile::Segment(segment).place();
            if !listed.iter().any(|listed| listed.name == place) {
                return Err(ArchiveError::other(format!(
                    "{segment}, which the base backup needs, did not come into the archive"
                )));
            }
        }
        Ok(())
    };
    look.retry(waiting()).await
}

fn waiting() -> ConstantBuilder {
    let times = usize::try_from(PATIENCE.as_secs()).unwrap_or(usize::MAX);
    ConstantBuilder::default().with_delay(Duration::from_secs(1)).with_max_times(times)
}

fn strange(error: TarError) -> ArchiveError {
    ArchiveError::other(format!("what pg_basebackup wrote cannot be used: {error}"))
}

fn flawed(flaw: Flaw) -> ArchiveError {
    ArchiveError::other(format!("the base backup is not whole: {flaw}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_on_the_newest_timeline_of_its_own_wal() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(newest_timeline(folder.path()), None);
        for name in ["000000010000000000000005", "000000020000000000000005", "00000003.history", "archive_status"] {
            File::create(folder.path().join(name)).unwrap().set_len(1 << 20).unwrap();
        }
        assert_eq!(newest_timeline(folder.path()), Some(2));
        assert_eq!(size_of_segments(folder.path()).unwrap().bytes(), 1 << 20);
    }
}
