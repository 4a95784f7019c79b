//! What backs a cluster up: our own engine, made of PostgreSQL's own programs and the parts of this folder.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use picket_shared::time::{Clock, Timestamp};

use super::base::{self, Source};
use super::catalogue::{self, Backup};
use super::chain::{self, Chain, Entry, Memory};
use super::inventory::Inventory;
use super::shelf::{ArchiveError, Kept, Shelf};

const DAY: Duration = Duration::from_secs(86_400);

/// What an engine answers, some time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, ArchiveError>> + Send + 'a>>;

/// What backs a cluster up, writes down what there is, and throws away what nobody needs.
pub trait BackupEngine: fmt::Debug + Send + Sync {
    /// Takes a base backup, complete with the WAL that it needs; `told` hears how many bytes were stored so far.
    fn backup<'a>(&'a self, told: &'a (dyn Fn(u64) + Send + Sync)) -> Answer<'a, Backup>;

    /// Why a base backup is due; `None` when none is.
    fn due(&self) -> Answer<'_, Option<String>>;

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

impl BackupEngine for OwnEngine {
    fn backup<'a>(&'a self, told: &'a (dyn Fn(u64) + Send + Sync)) -> Answer<'a, Backup> {
        Box::pin(base::take(&self.shelf, &self.source, &self.clock, told))
    }

    fn due(&self) -> Answer<'_, Option<String>> {
        Box::pin(due(&self.shelf, self.clock.now()))
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
        let Inventory { places, backups, path, .. } = Inventory::take(&self.shelf).await?;
        let places: Vec<String> = places.into_keys().collect();
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

async fn due(shelf: &Shelf, now: Timestamp) -> Result<Option<String>, ArchiveError> {
    let Inventory { backups, segments, path, .. } = Inventory::take(shelf).await?;
    let Some(last) = catalogue::choose(&backups, &path, None) else { return Ok(Some("there is none yet".to_owned())) };
    if now.since(last.ended_at) >= DAY {
        return Ok(Some("the last one is a day old".to_owned()));
    }
    if path.timeline() > last.timeline {
        return Ok(Some(format!("the database is on timeline {} now", path.timeline())));
    }
    let missing = catalogue::hole(last, &path, &segments);
    Ok(missing.map(|segment| format!("{segment} is missing, and nothing after it can be restored from the last one")))
}

fn is_part(place: &str) -> bool {
    place.starts_with("base/") && !place.ends_with("/backup")
}
