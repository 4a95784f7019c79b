//! Measures how much a lost disk would cost: a row every few seconds, and which of those before it are in the archive.
//!
//! In: what PostgreSQL says that it archived, and what waits in its folder; or from where on a server keeps WAL for us. Out: `heartbeats`. Each row also gives a restore to any
//! second a later commit to stop at, and lets WAL be archived though nothing else is written. The times are the machine's own.

use std::path::Path;
use std::time::Duration;

use picket_shared::time::Timestamp;

use super::archive::shelf::{ArchiveError, aside};
use super::archive::wal::{Segment, SegmentSize, WalFile};
use crate::store::heartbeats::{self, Archived, Beat};
use crate::store::{Pools, StoreError};

/// How often it beats.
pub const PERIOD: Duration = Duration::from_secs(10);
/// Every beat is kept for so long, ...
const FINE: Duration = Duration::from_secs(2 * 86_400);
/// ...then one in so many (one in five minutes), ...
const ONE_IN: i64 = 30;
/// ...for longer than any archive reaches back.
const KEPT: Duration = Duration::from_secs(36 * 86_400);

/// Why a beat could not be written.
#[derive(Debug, thiserror::Error)]
pub enum HeartbeatError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The look at what waits broke off.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

/// Writes one beat of the cluster whose WAL lies in `pg_wal`, or of a server that keeps WAL from `slot` on, and thins old ones now and
/// then.
///
/// # Errors
/// When the database fails.
pub async fn run(pools: &Pools, pg_wal: &Path, slot: Option<&str>, now: Timestamp) -> Result<Beat, HeartbeatError> {
    let mut worker = pools.worker().await?;
    let archived = match slot {
        // It is moved to the end of what is archived, and never further.
        Some(slot) => heartbeats::kept_from(&mut worker, slot).await?,
        None => {
            // In this order: what is archived in between the two looks does not count yet.
            let said = heartbeats::archived(&mut worker).await?;
            let folder = pg_wal.to_owned();
            let waiting = aside(move || lowest_waiting(&folder)).await?;
            archived_through(&said, waiting)
        }
    };
    let beat = heartbeats::beat(&mut worker, archived, now).await?;
    if beat.counter % ONE_IN == 0 {
        heartbeats::thin(&mut worker, now - FINE, ONE_IN, now - KEPT).await?;
    }
    worker.commit().await?;
    Ok(beat)
}

/// All of the log before this is in the archive: up to the end of the last file, and not over any that waits. `None` when
/// that is not known.
fn archived_through(said: &Archived, waiting: Option<Segment>) -> Option<u64> {
    let size = SegmentSize::of(u64::try_from(said.segment_bytes).ok()?)?;
    let last = match said.last_archived_wal.as_deref()?.parse().ok()? {
        WalFile::Segment(segment) => segment.number(size) + 1,
        // Archived after its own segment; how many followed that by then, it does not say.
        WalFile::Backup(segment, _) => segment.number(size) + 1,
        WalFile::History(_) | WalFile::Partial(_) => return None,
    };
    let end = waiting.map_or(last, |waiting| last.min(waiting.number(size)));
    Some(end * size.bytes())
}

/// The first segment that waits to be archived.
fn lowest_waiting(pg_wal: &Path) -> Option<Segment> {
    let entries = std::fs::read_dir(pg_wal.join("archive_status")).into_iter().flatten().flatten();
    let segments = entries.filter_map(|entry| match entry.file_name().to_str()?.strip_suffix(".ready")?.parse() {
        Ok(WalFile::Segment(segment)) => Some(segment),
        _ => None,
    });
    segments.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(last: &str) -> Archived {
        Archived { last_archived_wal: Some(last.to_owned()), segment_bytes: 16 << 20 }
    }

    #[test]
    fn what_is_archived_ends_with_the_last_file_and_before_any_that_waits() {
        let waits = |name: &str| match name.parse() {
            Ok(WalFile::Segment(segment)) => Some(segment),
            _ => None,
        };
        let mib = |many: u64| Some(many << 20);
        assert_eq!(archived_through(&said("000000010000000000000004"), None), mib(80));
        assert_eq!(archived_through(&said("000000020000000000000004"), None), mib(80));
        assert_eq!(archived_through(&said("000000010000000000000004.00000028.backup"), None), mib(80));
        assert_eq!(archived_through(&said("000000010000000000000004"), waits("000000010000000000000005")), mib(80));
        assert_eq!(archived_through(&said("000000010000000000000004"), waits("000000010000000000000003")), mib(48));
        assert_eq!(archived_through(&said("00000002.history"), None), None);
        assert_eq!(archived_through(&Archived { last_archived_wal: None, segment_bytes: 16 << 20 }, None), None);
        assert_eq!(archived_through(&Archived { segment_bytes: 3, ..said("000000010000000000000004") }, None), None);
    }

    #[test]
    fn the_first_segment_that_waits_is_found_among_what_is_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(lowest_waiting(folder.path()), None);
        let status = folder.path().join("archive_status");
        std::fs::create_dir(&status).unwrap();
        for name in [
            "000000010000000000000007.ready",
            "000000010000000000000006.ready",
            "000000010000000000000005.done",
            "00000002.history.ready",
        ] {
            std::fs::write(status.join(name), "").unwrap();
        }
        assert_eq!(lowest_waiting(folder.path()).unwrap().to_string(), "000000010000000000000006");
    }
}
