//! What lies on a shelf: one listing, sorted into what it means.

use std::collections::{BTreeMap, BTreeSet};

use super::catalogue::Backup;
use super::shelf::{ArchiveError, Shelf};
use super::timeline::Path;
use super::wal::{Segment, WalFile};

/// What lies on a shelf.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// Every place, with its size as stored.
    pub places: BTreeMap<String, u64>,
    /// The base backups that are complete, the oldest first.
    pub backups: Vec<Backup>,
    /// Every segment.
    pub segments: BTreeSet<Segment>,
    /// The way to the present: the past of the newest timeline.
    pub path: Path,
}

impl Inventory {
    /// Looks at everything.
    ///
    /// # Errors
    /// When the store does not answer, or a description or a history cannot be read.
    pub async fn take(shelf: &Shelf) -> Result<Self, ArchiveError> {
        let places: BTreeMap<String, u64> =
            shelf.list("").await?.into_iter().map(|listed| (listed.name, listed.size)).collect();
        let (mut segments, mut newest) = (BTreeSet::new(), None);
        for file in places.keys().filter_map(|place| WalFile::at(place)) {
            match file {
                WalFile::Segment(segment) => _ = segments.insert(segment),
                WalFile::History(timeline) => newest = newest.max(Some(timeline)),
                WalFile::Partial(_) | WalFile::Backup(..) => {}
            }
        }
        let path = match newest {
            Some(timeline) => past(shelf, timeline).await?,
            None => Path::first(),
        };
        let backups = described(shelf, places.keys()).await?;
        Ok(Self { places, backups, segments, path })
    }
}

/// The base backups on a shelf that are complete, the oldest first, without a look at anything else.
///
/// # Errors
/// When the store does not answer, or a description cannot be read.
pub async fn backups(shelf: &Shelf) -> Result<Vec<Backup>, ArchiveError> {
    let listed = shelf.list("base/").await?;
    described(shelf, listed.iter().map(|listed| &listed.name)).await
}

async fn described(shelf: &Shelf, places: impl Iterator<Item = &String>) -> Result<Vec<Backup>, ArchiveError> {
    let mut found = Vec::new();
    for place in places.filter(|place| place.starts_with("base/") && place.ends_with("/backup")) {
        // One that expired meanwhile is not there any more.
        let Some(content) = shelf.fetch(place).await? else { continue };
        let backup: Backup = serde_json::from_slice(&content)
            .map_err(|error| ArchiveError::other(format!("{place} cannot be read: {error}")))?;
        found.push(backup);
    }
    found.sort_by(|a, b| (a.ended_at, &a.id).cmp(&(b.ended_at, &b.id)));
    Ok(found)
}

async fn past(shelf: &Shelf, timeline: u32) -> Result<Path, ArchiveError> {
    let content = shelf.fetch(&WalFile::History(timeline).place()).await?.unwrap_or_default();
    Path::parse(timeline, &String::from_utf8_lossy(&content))
        .ok_or_else(|| ArchiveError::other(format!("the history of timeline {timeline} cannot be read")))
}
