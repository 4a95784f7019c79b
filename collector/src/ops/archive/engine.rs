//! What backs a cluster up: our own engine, made of PostgreSQL's own programs and the parts of this folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use picket_shared::time::{Clock, Timestamp};
use serde::Serialize;

use super::base::{self, Source};
use super::catalogue::{self, Backup};
use super::chain::{self, Chain, Entry, Memory};
use super::shelf::{ArchiveError, Kept, Shelf};
use super::timeline::Path;
use super::wal::{Segment, WalFile};

const DAY: Duration = Duration::from_secs(86_400);

/// What an engine answers, some time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, ArchiveError>> + Send + 'a>>;

/// What backs a cluster up, says what it has, and throws away what nobody needs.
pub trait BackupEngine: fmt::Debug + Send + Sync {
    /// Takes a base backup, complete with the WAL that it needs; `told` hears how many bytes were stored so far.
    fn backup<'a>(&'a self, told: &'a (dyn Fn(u64) + Send + Sync)) -> Answer<'a, Backup>;

    /// Why a base backup is due; `None` when none is.
    fn due(&self) -> Answer<'_, Option<String>>;

    /// The base backups that are complete, the oldest first.
    fn list(&self) -> Answer<'_, Vec<Backup>>;

    /// Whether everything is there that should be; with `deep` also whether each object opens and is what was stored.
    fn verify<'a>(&'a self, deep: bool, told: &'a (dyn Fn(u64) + Send + Sync)) -> Answer<'a, Verdict>;

    /// Removes what no restore within the window needs; how many objects.
    fn expire(&self) -> Answer<'_, usize>;

    /// Writes down what came since the last time; `known` is what is known without a look. How many objects.
    fn note(&self, known: BTreeMap<String, Kept>) -> Answer<'_, usize>;
}

/// Our own engine.
#[derive(Clone, Debug)]
pub struct OwnEngine {
    /// Where it stores.
    pub shelf: Shelf,
    /// Where from it takes base backups.
    pub source: Source,
    /// Days back to any second of which a restore is to be possible.
    pub keep_days: u16,
    /// Remembers the last manifest.
    pub memory: Memory,
    /// The machine's own clock: PostgreSQL stamps its commits by it.
    pub clock: Clock,
}

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

impl BackupEngine for OwnEngine {
    fn backup<'a>(&'a self, told: &'a (dyn Fn(u64) + Send + Sync)) -> Answer<'a, Backup> {
        Box::pin(base::take(&self.shelf, &self.source, &self.clock, told))
    }

    fn due(&self) -> Answer<'_, Option<String>> {
        Box::pin(due(&self.shelf, self.clock.now()))
    }

    fn list(&self) -> Answer<'_, Vec<Backup>> {
        Box::pin(backups(&self.shelf))
    }

    fn verify<'a>(&'a self, deep: bool, told: &'a (dyn Fn(u64) + Send + Sync)) -> Answer<'a, Verdict> {
        Box::pin(verify(&self.shelf, &self.memory, deep, told))
    }

    fn expire(&self) -> Answer<'_, usize> {
        Box::pin(self.expire_now())
    }

    fn note(&self, known: BTreeMap<String, Kept>) -> Answer<'_, usize> {
        Box::pin(self.note_now(known))
    }
}

impl OwnEngine {
    async fn expire_now(&self) -> Result<usize, ArchiveError> {
        let now = self.clock.now();
        let (backups, path) = (backups(&self.shelf).await?, newest_path(&self.shelf).await?);
        let places: Vec<String> = self.shelf.list("").await?.into_iter().map(|listed| listed.name).collect();
        let mut gone = catalogue::expired(&backups, &places, &path, now - DAY * u32::from(self.keep_days), now);
        if !gone.is_empty() {
            // Written down first: what is gone without a word is what somebody took away.
            self.memory.keep(&Chain::append(&self.shelf, BTreeMap::new(), gone.clone(), now).await?)?;
        }
        gone.extend(chain::expired(&self.shelf).await?);
        for place in &gone {
            self.shelf.remove(place).await?;
        }
        Ok(gone.len())
    }

    async fn note_now(&self, mut known: BTreeMap<String, Kept>) -> Result<usize, ArchiveError> {
        let chain = Chain::read(&self.shelf).await?;
        self.memory.check(&chain)?;
        let mut added = BTreeMap::new();
        for listed in self.shelf.list("").await? {
            let place = listed.name;
            if chain::is_manifest(&place) || is_part(&place) || chain.live.contains_key(&place) {
                continue;
            }
            let kept = match known.remove(&place) {
                Some(kept) => Some(kept),
                None => self.shelf.look(&place).await?,
            };
            if let Some(kept) = kept {
                added.insert(place, Entry::from(&kept));
            }
        }
        let count = added.len();
        if count > 0 {
            self.memory.keep(&Chain::append(&self.shelf, added, Vec::new(), self.clock.now()).await?)?;
        }
        Ok(count)
    }
}

/// The complete base backups on a shelf, the oldest first.
///
/// # Errors
/// When the store does not answer, or a description cannot be read.
pub async fn backups(shelf: &Shelf) -> Result<Vec<Backup>, ArchiveError> {
    let mut found = Vec::new();
    for listed in shelf.list("base/").await?.iter().filter(|listed| listed.name.ends_with("/backup")) {
        // One that expired meanwhile is not there any more.
        let Some(content) = shelf.fetch(&listed.name).await? else { continue };
        let backup: Backup = serde_json::from_slice(&content)
            .map_err(|error| ArchiveError::other(format!("{} cannot be read: {error}", listed.name)))?;
        found.push(backup);
    }
    found.sort_by(|a, b| (a.ended_at, &a.id).cmp(&(b.ended_at, &b.id)));
    Ok(found)
}

/// The way to the present: the past of the newest timeline.
///
/// # Errors
/// When the store does not answer, or a history cannot be read.
pub async fn newest_path(shelf: &Shelf) -> Result<Path, ArchiveError> {
    let names = shelf.list("wal/").await?;
    let files = names.iter().filter_map(|listed| listed.name.rsplit('/').next()?.parse().ok());
    let newest =
        files.filter_map(|file| if let WalFile::History(timeline) = file { Some(timeline) } else { None }).max();
    let Some(timeline) = newest else { return Ok(Path::first()) };
    let content = shelf.fetch(&WalFile::History(timeline).place()).await?.unwrap_or_default();
    Path::parse(timeline, &String::from_utf8_lossy(&content))
        .ok_or_else(|| ArchiveError::other(format!("the history of timeline {timeline} cannot be read")))
}

/// Every segment on a shelf.
///
/// # Errors
/// When the store does not answer.
pub async fn segments(shelf: &Shelf) -> Result<BTreeSet<Segment>, ArchiveError> {
    let listed = shelf.list("wal/").await?;
    let files = listed.iter().filter_map(|listed| listed.name.rsplit('/').next()?.parse().ok());
    Ok(files.filter_map(|file| if let WalFile::Segment(segment) = file { Some(segment) } else { None }).collect())
}

async fn due(shelf: &Shelf, now: Timestamp) -> Result<Option<String>, ArchiveError> {
    let (backups, path) = (backups(shelf).await?, newest_path(shelf).await?);
    let Some(last) = catalogue::choose(&backups, &path, None) else { return Ok(Some("there is none yet".to_owned())) };
    if now.since(last.ended_at) >= DAY {
        return Ok(Some("the last one is a day old".to_owned()));
    }
    if path.timeline() > last.timeline {
        return Ok(Some(format!("the database is on timeline {} now", path.timeline())));
    }
    let missing = catalogue::hole(last, &path, &segments(shelf).await?);
    Ok(missing.map(|segment| format!("{segment} is missing, and nothing after it can be restored from the last one")))
}

fn is_part(place: &str) -> bool {
    place.starts_with("base/") && !place.ends_with("/backup")
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
    memory.check(&chain)?;
    let (backups, path, segments) = (backups(shelf).await?, newest_path(shelf).await?, segments(shelf).await?);
    let mut expected = chain.live.clone();
    for backup in &backups {
        for (number, part) in backup.parts.iter().enumerate() {
            expected.insert(backup.part(number), Entry { size: part.size, sha256: part.sha256.clone() });
        }
    }
    let there: BTreeMap<String, u64> =
        shelf.list("").await?.into_iter().map(|listed| (listed.name, listed.size)).collect();
    let mut verdict = Verdict {
        objects: there.len(),
        bytes: there.values().sum(),
        backups: backups.len(),
        unlisted: there.keys().filter(|place| !expected.contains_key(*place) && !chain::is_manifest(place)).count(),
        ..Verdict::default()
    };
    for (place, entry) in &expected {
        match there.get(place) {
            None => verdict.wrong.push(format!("{place} is missing")),
            Some(size) if *size != entry.size => {
                verdict.wrong.push(format!("{place} has {size} bytes, and {} were stored", entry.size));
            }
            Some(_) => {}
        }
    }
    for backup in backups.iter().filter(|backup| path.leads_over(backup.timeline, super::wal::Lsn(backup.end))) {
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
