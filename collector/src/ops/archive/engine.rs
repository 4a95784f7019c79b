//! What backs a cluster up: our own engine, made of PostgreSQL's own programs and the parts of this folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use picket_shared::time::{Clock, Timestamp};

use super::base::{self, Source};
use super::catalogue::{self, Backup};
use super::chain::{self, Chain, Entry};
use super::inventory::Inventory;
use super::lineage::{self, Window};
use super::memory::Memory;
use super::owner;
use super::shelf::{ArchiveError, Kept, Shelf, aside};
use super::verify;

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
        Box::pin(async {
            self.must_be_newest().await?;
            due(&self.shelf, self.clock.now()).await
        })
    }

    fn expire(&self) -> Answer<'_, usize> {
        Box::pin(async {
            self.must_be_newest().await?;
            expire_all(&self.shelf, &self.memory, DAY * u32::from(self.keep_days), self.clock.now()).await
        })
    }

    fn note(&self, known: BTreeMap<String, Kept>) -> Answer<'_, usize> {
        Box::pin(note(&self.shelf, &self.memory, known, self.clock.now()))
    }
}

impl OwnEngine {
    /// That no restored copy archives beside this cluster.
    ///
    /// # Errors
    /// When one does, or the store does not answer.
    pub async fn must_be_newest(&self) -> Result<(), ArchiveError> {
        let pg_wal = self.source.pg_wal.clone();
        match aside(move || base::newest_timeline(&pg_wal)).await? {
            Some(timeline) => owner::must_be_newest(&self.shelf, timeline).await,
            None => Ok(()),
        }
    }
}

/// Whose shelf it is from which something is removed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Whose<'a> {
    /// That of the cluster that runs, which is remembered.
    Own(&'a Memory),
    /// That of a cluster before it, which is not remembered any more; the turn is taken all the same.
    Earlier(&'a Memory),
}

impl Whose<'_> {
    const fn memory(&self) -> &Memory {
        match self {
            Self::Own(memory) | Self::Earlier(memory) => memory,
        }
    }
}

/// Removes what no restore within `keep` needs, of the own path and of those before it; how many objects.
///
/// # Errors
/// As [`expire`].
pub(super) async fn expire_all(
    shelf: &Shelf,
    memory: &Memory,
    keep: Duration,
    now: Timestamp,
) -> Result<usize, ArchiveError> {
    let own = expire(shelf, Whose::Own(memory), keep, now).await?;
    Ok(own + lineage::let_go(shelf, &Window { memory, keep, now }).await?)
}

/// Removes what no restore within `keep` needs, of one path; how many objects.
///
/// # Errors
/// When the store fails, or the archive is not what was written down: then nothing is removed.
pub(super) async fn expire(
    shelf: &Shelf,
    whose: Whose<'_>,
    keep: Duration,
    now: Timestamp,
) -> Result<usize, ArchiveError> {
    let _turn = whose.memory().turn().await?;
    let chain = Chain::read(shelf).await?;
    whose.memory().check(shelf, &chain).await?;
    let Inventory { places, backups, path, .. } = Inventory::take(shelf).await?;
    let mut expected = verify::expected(chain, &backups);
    let known: BTreeSet<&String> = places.keys().chain(expected.keys()).collect();
    let known: Vec<String> = known.into_iter().cloned().collect();
    let mut gone = catalogue::expired(&backups, &known, &path, now - keep, now);
    for place in &gone {
        expected.remove(place);
    }
    if let Some(wrong) = verify::wrong(&expected, &places).first() {
        return Err(ArchiveError::other(format!(
            "{wrong}, which restores need: nothing is removed from the archive before somebody looked. `picket-collector backup \
             verify` says what else is wrong"
        )));
    }
    if !gone.is_empty() {
        // Written down first: what is gone without a word is what somebody took away.
        let chain = Chain::append(shelf, BTreeMap::new(), gone.clone(), now).await?;
        if let Whose::Own(memory) = whose {
            memory.keep(shelf, &chain).await?;
        }
    }
    gone.extend(chain::expired(shelf).await?);
    for place in &gone {
        shelf.remove(place).await?;
    }
    Ok(gone.len())
}

/// Writes down what came since the last time; `known` is what is known without a look. How many objects.
///
/// # Errors
/// When the store fails, the manifests are not what was written, or an object does not open: all others are written down then.
pub(super) async fn note(
    shelf: &Shelf,
    memory: &Memory,
    known: BTreeMap<String, Kept>,
    now: Timestamp,
) -> Result<usize, ArchiveError> {
    let (found, damaged) = news(shelf, memory, known).await?;
    let count = write_down(shelf, memory, found, now).await?;
    damaged.map_or(Ok(count), Err)
}

/// What no manifest lists, and the first of it that does not open. It takes long where much is to be fetched, so nobody waits for it.
async fn news(
    shelf: &Shelf,
    memory: &Memory,
    mut known: BTreeMap<String, Kept>,
) -> Result<(BTreeMap<String, Entry>, Option<ArchiveError>), ArchiveError> {
    let chain = Chain::read(shelf).await?;
    memory.check(shelf, &chain).await?;
    let (mut found, mut damaged) = (BTreeMap::new(), None);
    for place in unlisted(shelf, &chain).await? {
        let kept = match known.remove(&place) {
            Some(kept) => Some(kept),
            // Opened: the hash of what came over a bad line would be held against the object for ever.
            None => match shelf.fetch_kept(&place).await {
                Ok(fetched) => fetched.map(|(_, kept)| kept),
                Err(error @ ArchiveError::Object { .. }) => {
                    damaged.get_or_insert(error);
                    None
                }
                Err(error) => return Err(error),
            },
        };
        if let Some(kept) = kept {
            found.insert(place, Entry::from(&kept));
        }
    }
    Ok((found, damaged))
}

/// Writes down of `found` what is still there and not listed: meanwhile some of it may have expired.
async fn write_down(
    shelf: &Shelf,
    memory: &Memory,
    mut found: BTreeMap<String, Entry>,
    now: Timestamp,
) -> Result<usize, ArchiveError> {
    if found.is_empty() {
        return Ok(0);
    }
    let _turn = memory.turn().await?;
    let unlisted = unlisted(shelf, &Chain::read(shelf).await?).await?;
    found.retain(|place, _| unlisted.contains(place));
    let count = found.len();
    if count > 0 {
        memory.keep(shelf, &Chain::append(shelf, found, Vec::new(), now).await?).await?;
    }
    Ok(count)
}

/// What is there and no manifest lists, but manifests themselves and parts of base backups, which their descriptions list.
async fn unlisted(shelf: &Shelf, chain: &Chain) -> Result<BTreeSet<String>, ArchiveError> {
    let mut places: BTreeSet<String> = shelf.list("").await?.into_iter().map(|listed| listed.name).collect();
    places.retain(|place| !chain::is_manifest(place) && !is_part(place) && !chain.live.contains_key(place));
    Ok(places)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::archive::chain::tests::{put_day, shelf, shelf_on};
    use crate::ops::archive::store::faulty::{Fault, Faulty};
    use crate::ops::archive::wal::{Segment, SegmentSize, WalFile};
    use std::fs;
    use std::path::PathBuf;
    use std::sync::Arc;

    /// A shelf with a backup of each of these days, each of one part, and a segment for each; noted and remembered.
    struct Room {
        folder: tempfile::TempDir,
        shelf: Shelf,
        memory: Memory,
    }

    fn day(number: u64) -> Timestamp {
        Timestamp::from_seconds(1_790_000_000) + DAY * u32::try_from(number).unwrap()
    }

    fn id(number: u64) -> String {
        catalogue::id(day(number), [0, 0])
    }

    fn segment(number: u64) -> WalFile {
        WalFile::Segment(Segment::new(1, number, SegmentSize::USUAL))
    }

    impl Room {
        async fn new(days: impl Iterator<Item = u64>) -> Self {
            let (folder, shelf) = shelf();
            Self::of(folder, shelf, days).await
        }

        async fn of(folder: tempfile::TempDir, shelf: Shelf, days: impl Iterator<Item = u64>) -> Self {
            let memory = Memory::in_folder(folder.path());
            for number in days {
                put_day(&shelf, 17, number, day(number)).await;
            }
            note(&shelf, &memory, BTreeMap::new(), day(40)).await.unwrap();
            Self { folder, shelf, memory }
        }

        fn path(&self, place: &str) -> PathBuf {
            self.folder.path().join("00000000000000000007").join(place)
        }

        async fn places(&self) -> Vec<String> {
            self.shelf.list("").await.unwrap().into_iter().map(|listed| listed.name).collect()
        }

        async fn expire(&self) -> Result<usize, ArchiveError> {
            expire(&self.shelf, Whose::Own(&self.memory), DAY * 10, day(40)).await
        }

        /// Writes down what came, and expires: what a collector does again and again.
        async fn keeps(&self) -> Result<(), ArchiveError> {
            note(&self.shelf, &self.memory, BTreeMap::new(), day(40)).await?;
            self.expire().await.map(drop)
        }

        /// What is there but manifests, of which there may be more or fewer.
        async fn contents(&self) -> BTreeSet<String> {
            self.places().await.into_iter().filter(|place| !chain::is_manifest(place)).collect()
        }
    }

    #[tokio::test]
    async fn nothing_expires_from_an_archive_that_is_not_what_was_written_down() {
        for damaged in [catalogue::part(&id(39), 0), segment(39).place(), "chain/0000000001".to_owned()] {
            let room = Room::new(1..=40).await;
            fs::remove_file(room.path(&damaged)).unwrap();
            let before = room.places().await;
            let error = room.expire().await.unwrap_err().to_string();
            assert!(error.contains("missing") || error.contains("is gone"), "{error}");
            assert_eq!(room.places().await, before, "{damaged}");
        }
    }

    #[tokio::test]
    async fn what_is_missing_and_would_expire_anyway_holds_nothing_up() {
        let room = Room::new(1..=40).await;
        fs::remove_file(room.path(&segment(2).place())).unwrap();
        assert!(room.expire().await.unwrap() > 0);
        let chain = Chain::read(&room.shelf).await.unwrap();
        assert!(!chain.live.contains_key(&segment(2).place()), "it is no more said to be there");
        assert!(chain.live.contains_key(&segment(30).place()) && !chain.live.contains_key(&segment(29).place()));
        assert_eq!(room.expire().await.unwrap(), 0);
    }

    #[tokio::test]
    async fn what_expires_while_news_are_gathered_is_not_written_down_as_being_there() {
        let room = Room::new(1..=40).await;
        room.shelf.keep(&segment(0).place(), b"wal".to_vec()).await.unwrap();
        room.shelf.keep(&segment(41).place(), b"wal".to_vec()).await.unwrap();
        let (found, damaged) = news(&room.shelf, &room.memory, BTreeMap::new()).await.unwrap();
        assert_eq!((found.len(), damaged.is_none()), (2, true));
        assert!(room.expire().await.unwrap() > 0);
        assert_eq!(write_down(&room.shelf, &room.memory, found, day(40)).await.unwrap(), 1);
        let verdict = verify::verify(&room.shelf, &room.memory, false, &|_| {}).await.unwrap();
        assert_eq!((verdict.wrong, verdict.unlisted), (Vec::new(), 0));
    }

    #[tokio::test]
    async fn whichever_call_fails_nothing_that_is_needed_goes_and_the_next_run_does_the_rest() {
        // Of 13 backups the first two are needed no more.
        let room = async || {
            let mut store = None;
            let (folder, shelf) = shelf_on(|inner| store.insert(Arc::new(Faulty::new(inner))).clone());
            let room = Room::of(folder, shelf, 28..=40).await;
            room.shelf.keep(&segment(41).place(), b"wal".to_vec()).await.unwrap();
            (room, store.unwrap())
        };
        let (whole, _) = room().await;
        whole.keeps().await.unwrap();
        let needed = whole.contents().await;
        assert!(needed.contains(&segment(30).place()) && !needed.contains(&segment(28).place()), "{needed:?}");
        for fault in Fault::ALL {
            for number in 1.. {
                let (room, store) = room().await;
                store.fails_at(number, fault);
                let kept = room.keeps().await;
                if !store.heals() {
                    kept.unwrap();
                    assert!(number > 20, "{number} calls");
                    break;
                }
                let found = room.contents().await;
                assert!(found.is_superset(&needed), "{fault:?}, call {number}: {:?}", needed.difference(&found));
                if kept.is_ok() && !fault.is_silent() {
                    assert_eq!(found, needed, "{fault:?}, call {number}: it said that all was done");
                }
                let again = room.keeps().await;
                assert!(again.is_ok(), "{fault:?}, call {number}: {again:?}");
                assert_eq!(room.contents().await, needed, "{fault:?}, call {number}");
                let verdict = verify::verify(&room.shelf, &room.memory, true, &|_| {}).await.unwrap();
                assert_eq!((verdict.wrong, verdict.unlisted), (Vec::new(), 0), "{fault:?}, call {number}");
            }
        }
    }
}
