//! Whether an archive holds what it should.

use std::collections::BTreeMap;

use picket_shared::time::Timestamp;
use serde::Serialize;

use super::catalogue::{self, Backup};
use super::chain::{self, Chain, Entry};
use super::inventory::Inventory;
use super::memory::Memory;
use super::shelf::{ArchiveError, Shelf};
use super::wal::Lsn;

/// What came of verifying.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Objects that are there.
    pub objects: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Complete base backups.
    pub backups: usize,
    /// Objects that came after the last manifest.
    pub unlisted: usize,
    /// From when on every second can be restored, by the oldest backup without a hole behind it.
    pub from: Option<Timestamp>,
    /// What is wrong, a sentence each.
    pub wrong: Vec<String>,
}

/// Whether everything is there that should be; with `deep` also whether each object opens and is what was stored.
///
/// # Errors
/// When the store does not answer, or the manifests are not what was written.
pub async fn verify(
    shelf: &Shelf,
    memory: &Memory,
    deep: bool,
    told: &(dyn Fn(u64) + Send + Sync),
) -> Result<Verdict, ArchiveError> {
    let chain = Chain::read(shelf).await?;
    memory.check(shelf, &chain).await?;
    let Inventory { places: there, backups, segments, path } = Inventory::take(shelf).await?;
    let expected = expected(chain, &backups);
    let mut verdict = Verdict {
        objects: there.len(),
        bytes: there.values().sum(),
        backups: backups.len(),
        unlisted: there.keys().filter(|place| !expected.contains_key(*place) && !chain::is_manifest(place)).count(),
        wrong: wrong(&expected, &there),
        ..Verdict::default()
    };
    for backup in backups.iter().filter(|backup| path.leads_over(backup.timeline, Lsn(backup.end))) {
        match catalogue::hole(backup, &path, &segments) {
            None if verdict.from.is_none() => verdict.from = Some(backup.ended_at),
            None => {}
            Some(segment) => {
                verdict.from = None;
                verdict.wrong.push(format!("{segment}, which the base backup {} needs, is missing", backup.id));
            }
        }
    }
    if deep {
        open_all(shelf, &there, &expected, told, &mut verdict).await?;
    }
    Ok(verdict)
}

/// What should be there by the manifests and by the descriptions of base backups.
pub fn expected(chain: Chain, backups: &[Backup]) -> BTreeMap<String, Entry> {
    let mut expected = chain.live;
    for backup in backups {
        let parts = backup.parts.iter().enumerate();
        expected.extend(
            parts.map(|(number, part)| (backup.part(number), Entry { size: part.size, sha256: part.sha256.clone() })),
        );
    }
    expected
}

/// What of that is not there, or of another size; a sentence each.
pub fn wrong(expected: &BTreeMap<String, Entry>, there: &BTreeMap<String, u64>) -> Vec<String> {
    let sentence = |(place, entry): (&String, &Entry)| match there.get(place) {
        None => Some(format!("{place} is missing")),
        Some(size) if *size != entry.size => Some(format!("{place} has {size} bytes, and {} were stored", entry.size)),
        Some(_) => None,
    };
    expected.iter().filter_map(sentence).collect()
}

async fn open_all(
    shelf: &Shelf,
    there: &BTreeMap<String, u64>,
    expected: &BTreeMap<String, Entry>,
    told: &(dyn Fn(u64) + Send + Sync),
    verdict: &mut Verdict,
) -> Result<(), ArchiveError> {
    let mut bytes = 0;
    for (place, size) in there {
        match shelf.fetch_kept(place).await {
            Ok(Some((_, kept))) => {
                if expected.get(place).is_some_and(|entry| entry.sha256 != kept.sha256) {
                    verdict.wrong.push(format!("{place} is not the object that was stored"));
                }
            }
            Ok(None) => {}
            Err(ArchiveError::Object { name, error }) => verdict.wrong.push(format!("{name}: {error}")),
            Err(error) => return Err(error),
        }
        bytes += size;
        told(bytes);
    }
    Ok(())
}
