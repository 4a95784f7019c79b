//! What was archived, written down every hour: manifests of which each holds the hash of the one before.
//!
//! Who takes an object away, or puts an older one in its place, would have to do the same to every manifest since, and these are
//! sealed. An object that expires is written down as removed before it is. Every [`EVERY`]th manifest lists everything, so that
//! older ones need not be read, nor kept.

use std::collections::BTreeMap;

use picket_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::shelf::{ArchiveError, Kept, Shelf};

/// Manifests between two that list everything.
const EVERY: u64 = 24;
/// When several write at the same time, one wins, and the others try again.
const TRIES: u32 = 10;

/// What is known of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its size as stored, in bytes.
    pub size: u64,
    /// SHA-256 of what is stored, in hexadecimal.
    pub sha256: String,
}

/// One manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    number: u64,
    /// SHA-256 of the object of the manifest before, in hexadecimal; empty in the first.
    previous: String,
    at: Timestamp,
    /// Whether `added` is everything that there is.
    whole: bool,
    added: BTreeMap<String, Entry>,
    removed: Vec<String>,
}

/// What the chain says is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// The number of the last manifest; 0 when there is none.
    pub number: u64,
    /// SHA-256 of its object, in hexadecimal.
    pub head: String,
    /// When it was written.
    pub at: Option<Timestamp>,
    /// Everything that should be there, by place.
    pub live: BTreeMap<String, Entry>,
}

impl Chain {
    /// Reads the chain, each link of it verified.
    ///
    /// # Errors
    /// When a manifest is missing, or is not the one that the next names.
    pub async fn read(shelf: &Shelf) -> Result<Self, ArchiveError> {
        let numbers = numbers(shelf).await?;
        let Some(last) = numbers.last().copied() else { return Ok(Self::default()) };
        let mut links = Vec::new();
        let mut expected: Option<String> = None;
        for number in (1..=last).rev() {
            let (manifest, sha256) = read(shelf, number).await?.ok_or_else(|| broken(number, "is missing"))?;
            if expected.is_some_and(|expected| expected != sha256) {
                return Err(broken(number, "is not the one that was written"));
            }
            expected = Some(manifest.previous.clone());
            let whole = manifest.whole;
            links.push((manifest, sha256));
            if whole {
                break;
            }
        }
        let mut chain = Self::default();
        while let Some((manifest, sha256)) = links.pop() {
            chain.follow(manifest, sha256);
        }
        Ok(chain)
    }

    /// Writes down what came and what goes, as the next manifest; whoever writes at the same time comes before or after.
    ///
    /// # Errors
    /// When the store fails, or the chain is broken.
    pub async fn append(
        shelf: &Shelf,
        added: BTreeMap<String, Entry>,
        removed: Vec<String>,
        now: Timestamp,
    ) -> Result<Self, ArchiveError> {
        for _ in 0..TRIES {
            let mut chain = Self::read(shelf).await?;
            let manifest = chain.next(added.clone(), removed.clone(), now);
            let content = serde_json::to_vec(&manifest).map_err(|error| ArchiveError::other(error.to_string()))?;
            match shelf.keep(&place(manifest.number), content).await {
                Ok(kept) => {
                    chain.follow(manifest, kept.sha256);
                    return Ok(chain);
                }
                Err(ArchiveError::Differs(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(ArchiveError::other("others write manifests of the archive all the time: try again"))
    }

    fn next(&self, added: BTreeMap<String, Entry>, removed: Vec<String>, at: Timestamp) -> Manifest {
        let number = self.number + 1;
        let whole = number.is_multiple_of(EVERY);
        let previous = self.head.clone();
        let mut manifest = Manifest { number, previous, at, whole, added, removed };
        if whole {
            let mut then = self.clone();
            then.follow(Manifest { whole: false, ..manifest.clone() }, String::new());
            (manifest.added, manifest.removed) = (then.live, Vec::new());
        }
        manifest
    }

    fn follow(&mut self, manifest: Manifest, sha256: String) {
        if manifest.whole {
            self.live.clear();
        }
        self.live.extend(manifest.added);
        for place in &manifest.removed {
            self.live.remove(place);
        }
        (self.number, self.head, self.at) = (manifest.number, sha256, Some(manifest.at));
    }
}

/// Manifests that nobody reads any more: all before the last but one that lists everything.
///
/// # Errors
/// When the store does not answer.
pub async fn expired(shelf: &Shelf) -> Result<Vec<String>, ArchiveError> {
    let numbers = numbers(shelf).await?;
    let last = numbers.last().copied().unwrap_or_default();
    let keep_from = (last / EVERY).saturating_sub(1) * EVERY;
    Ok(numbers.into_iter().filter(|number| *number < keep_from).map(place).collect())
}

/// Whether a place is a manifest's, which no manifest lists.
pub fn is_manifest(place: &str) -> bool {
    place.starts_with("chain/")
}

impl From<&Kept> for Entry {
    fn from(kept: &Kept) -> Self {
        Self { size: kept.size, sha256: kept.sha256.clone() }
    }
}

fn place(number: u64) -> String {
    format!("chain/{number:010}")
}

async fn numbers(shelf: &Shelf) -> Result<Vec<u64>, ArchiveError> {
    let listed = shelf.list("chain/").await?;
    Ok(listed.iter().filter_map(|listed| listed.name.strip_prefix("chain/")?.parse().ok()).collect())
}

async fn read(shelf: &Shelf, number: u64) -> Result<Option<(Manifest, String)>, ArchiveError> {
    let Some((content, kept)) = shelf.fetch_kept(&place(number)).await? else { return Ok(None) };
    match serde_json::from_slice::<Manifest>(&content) {
        Ok(manifest) if manifest.number == number => Ok(Some((manifest, kept.sha256))),
        _ => Err(broken(number, "cannot be read")),
    }
}

pub(super) fn broken(number: u64, what: &str) -> ArchiveError {
    ArchiveError::other(format!("manifest {number} of the archive {what}: somebody changed the archive"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;
    use std::sync::Arc;

    use crate::ops::archive::catalogue::{self, Backup, Part};
    use crate::ops::archive::contents::Checksums;
    use crate::ops::archive::shelf::SystemId;
    use crate::ops::archive::store::{Directory, Store};
    use crate::ops::archive::wal::{Segment, SegmentSize, WalFile};
    use crate::vault::{KeyRing, Opener, Sealer};

    /// Puts what one day leaves: a base backup of one part, and the segment that it needs, which has that number.
    pub(crate) async fn put_day(shelf: &Shelf, major: u32, number: u64, at: Timestamp) {
        let (size, id) = (SegmentSize::USUAL, catalogue::id(at, [0, 0]));
        let part = shelf.keep(&catalogue::part(&id, 0), b"part".to_vec()).await.unwrap();
        let start = number * size.bytes();
        let backup = Backup {
            id,
            major,
            timeline: 1,
            start,
            end: start + 1,
            segment_bytes: size.bytes(),
            began_at: at,
            ended_at: at,
            tar_bytes: 4,
            files: 1,
            is_foreign: false,
            checksums: Checksums::default(),
            bytes: 4,
            parts: vec![Part { size: part.size, sha256: part.sha256 }],
        };
        let segment = WalFile::Segment(Segment::new(1, number, size));
        shelf.keep(&segment.place(), b"wal".to_vec()).await.unwrap();
        shelf.keep(&backup.place(), serde_json::to_vec(&backup).unwrap()).await.unwrap();
    }

    pub(crate) fn shelf() -> (tempfile::TempDir, Shelf) {
        shelf_on(|store| Arc::new(store))
    }

    pub(crate) fn shelf_on(store: impl FnOnce(Directory) -> Arc<dyn Store>) -> (tempfile::TempDir, Shelf) {
        let folder = tempfile::tempdir().unwrap();
        let ring = KeyRing::generate().unwrap();
        let store = store(Directory::open(folder.path()).unwrap());
        (folder, Shelf::new(store, Sealer::new(&ring), Opener::new(&ring), SystemId(7)))
    }

    pub(crate) fn entries(names: &[&str]) -> BTreeMap<String, Entry> {
        names.iter().map(|name| ((*name).to_owned(), Entry { size: 1, sha256: (*name).to_owned() })).collect()
    }

    pub(crate) fn now(hour: i64) -> Timestamp {
        Timestamp::from_seconds(1_790_000_000 + hour * 3600)
    }

    pub(crate) fn path(folder: &tempfile::TempDir, number: u64) -> PathBuf {
        folder.path().join("00000000000000000007").join(place(number))
    }

    #[tokio::test]
    async fn what_came_and_went_is_known_and_old_manifests_are_needed_no_more() {
        let (_folder, shelf) = shelf();
        assert_eq!(Chain::read(&shelf).await.unwrap(), Chain::default());
        for hour in 1..=60 {
            let removed = if hour > 3 { vec![format!("o{}", hour - 3)] } else { Vec::new() };
            let added = entries(&[format!("o{hour}").as_str()]);
            let chain = Chain::append(&shelf, added, removed, now(hour)).await.unwrap();
            assert_eq!(Chain::read(&shelf).await.unwrap(), chain);
        }
        let chain = Chain::read(&shelf).await.unwrap();
        assert_eq!(
            (chain.number, chain.live.keys().cloned().collect::<Vec<_>>().join(" ")),
            (60, "o58 o59 o60".to_owned())
        );
        let old = expired(&shelf).await.unwrap();
        assert_eq!((old.len(), old.last()), (23, Some(&place(23))));
        for place in old {
            shelf.remove(&place).await.unwrap();
        }
        assert_eq!(Chain::read(&shelf).await.unwrap(), chain);
    }

    #[tokio::test]
    async fn a_manifest_that_is_gone_or_another_is_seen() {
        let (folder, shelf) = shelf();
        for hour in 1..=4 {
            Chain::append(&shelf, entries(&["x"]), Vec::new(), now(hour)).await.unwrap();
        }
        let three = fs::read(path(&folder, 3)).unwrap();
        fs::remove_file(path(&folder, 3)).unwrap();
        let error = Chain::read(&shelf).await.unwrap_err().to_string();
        assert!(error.contains("manifest 3") && error.contains("missing"), "{error}");
        // Written anew by somebody who has the key, and says something else.
        shelf
            .keep(
                &place(3),
                serde_json::to_vec(&Manifest {
                    number: 3,
                    previous: String::new(),
                    at: now(3),
                    whole: true,
                    added: entries(&[]),
                    removed: Vec::new(),
                })
                .unwrap(),
            )
            .await
            .unwrap();
        let error = Chain::read(&shelf).await.unwrap_err().to_string();
        assert!(error.contains("not the one"), "{error}");
        fs::write(path(&folder, 3), three).unwrap();
        assert!(Chain::read(&shelf).await.is_ok());
        fs::copy(path(&folder, 2), path(&folder, 3)).unwrap();
        assert!(Chain::read(&shelf).await.is_err(), "one manifest under the name of another does not open");
    }

    #[tokio::test]
    async fn of_several_who_write_at_once_none_is_lost() {
        let (_folder, shelf) = shelf();
        let tasks: Vec<_> = (0..4)
            .map(|number| {
                let shelf = shelf.clone();
                tokio::spawn(async move {
                    Chain::append(&shelf, entries(&[format!("o{number}").as_str()]), Vec::new(), now(number))
                        .await
                        .unwrap()
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let chain = Chain::read(&shelf).await.unwrap();
        assert_eq!((chain.number, chain.live.len()), (4, 4));
    }
}
