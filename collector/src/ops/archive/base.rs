//! Takes a base backup: `pg_basebackup` writes a tar, which is inspected, cut, sealed and stored as it comes.
//!
//! Nothing lies on a disk in between. The description is written last: when every file is as the manifest says, and every
//! segment of WAL without which the backup is none is in the archive.

use std::fs::DirEntry;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use backon::{ConstantBuilder, ExponentialBuilder, Retryable};
use picket_shared::time::Clock;
use tokio::io::{AsyncReadExt, BufReader};
use tokio::process::{ChildStdout, Command};

use super::catalogue::{self, Backup, Part};
use super::contents::{Flaw, Inspector, Whole};
use super::shelf::{ArchiveError, Kept, Shelf, aside};
use super::tar::{self, TarError};
use super::wal::{Segment, SegmentSize, WalFile};
use crate::postgres::Replication;
use crate::vault::token::random_bytes;

/// Bytes of the tar in one object.
const PART: usize = 16 << 20;
/// For so long the last segments of WAL are waited for.
const PATIENCE: Duration = Duration::from_secs(600);

/// Where from a base backup is taken.
#[derive(Clone, Debug)]
pub struct Source {
    /// How `pg_basebackup` is run.
    pub replication: Replication,
    /// Where PostgreSQL writes its WAL: says how large segments are.
    pub pg_wal: PathBuf,
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
    let mut command = Command::from(source.replication.base_backup(&format!("picket {id}"), source.mib_per_second));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let failed = |error: std::io::Error| ArchiveError::other(format!("pg_basebackup cannot be run: {error}"));
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
    let pg_wal = source.pg_wal.clone();
    let size = aside(move || size_of_segments(&pg_wal)).await??;
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
        bytes: whole.bytes,
        parts,
    };
    wait_for_wal(shelf, &backup).await?;
    let text = serde_json::to_vec(&backup).map_err(|error| ArchiveError::other(error.to_string()))?;
    keep(shelf, &backup.place(), text).await?;
    Ok(backup)
}

async fn store_tar(
    shelf: &Shelf,
    id: &str,
    stdout: ChildStdout,
    told: &(impl Fn(u64) + Send + Sync),
) -> Result<(Whole, Vec<Part>, u64), ArchiveError> {
    let mut stdout = BufReader::with_capacity(1 << 20, stdout);
    let (mut reader, mut inspector) = (tar::Reader::default(), Inspector::default());
    let (mut parts, mut total, mut part) = (Vec::new(), 0_u64, Vec::with_capacity(PART));
    let mut piece = vec![0; 256 << 10];
    loop {
        let length = stdout.read(&mut piece).await.map_err(|error| ArchiveError::other(error.to_string()))?;
        let bytes = &piece[..length];
        for event in reader.take(bytes).map_err(strange)? {
            inspector.take(&event).map_err(flawed)?;
        }
        total += u64::try_from(length).unwrap_or(0);
        let room = (PART - part.len()).min(length);
        part.extend_from_slice(&bytes[..room]);
        if part.len() == PART || (length == 0 && !part.is_empty()) {
            let full = std::mem::replace(&mut part, Vec::with_capacity(PART));
            let kept = keep(shelf, &catalogue::part(id, parts.len()), full).await?;
            parts.push(Part { size: kept.size, sha256: kept.sha256 });
            told(total);
        }
        part.extend_from_slice(&bytes[room..]);
        if length == 0 {
            break;
        }
    }
    reader.finish().map_err(strange)?;
    Ok((inspector.finish().map_err(flawed)?, parts, total))
}

/// Keeps, and tries again for as long as a store may be away in passing.
async fn keep(shelf: &Shelf, place: &str, content: Vec<u8>) -> Result<Kept, ArchiveError> {
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
            std::fs::File::create(folder.path().join(name)).unwrap().set_len(1 << 20).unwrap();
        }
        assert_eq!(newest_timeline(folder.path()), Some(2));
        assert_eq!(size_of_segments(folder.path()).unwrap().bytes(), 1 << 20);
    }
}
