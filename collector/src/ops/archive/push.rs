//! Puts the WAL of a running cluster into the archive: what PostgreSQL asks for, and what it will ask for next.
//!
//! In: the name of a file in `pg_wal`. Out: that it is archived, durably; PostgreSQL removes it then, and never before. While one
//! file is pushed, so are the next that PostgreSQL marked `.ready`; when it comes to them, the answer is there already.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use picket_shared::time::Timestamp;
use tokio::task::JoinSet;

use super::object::Hands;
use super::shelf::{ArchiveError, Kept, Shelf, SystemId, aside};
use super::timeline;
use super::wal::{SegmentSize, WalFile};

/// Files that are pushed at a time.
const AT_ONCE: usize = 4;
/// Histories and backup labels are text of a few lines.
const LONGEST_TEXT: usize = 1 << 20;
/// What a long page header takes at the begin of a segment.
const LONG_HEADER: usize = 40;

/// Pushes from one `pg_wal`.
#[derive(Debug)]
pub struct Pusher {
    pg_wal: PathBuf,
    shelf: Shelf,
    ahead: Mutex<HashSet<WalFile>>,
    news: Mutex<News>,
    failing: Mutex<Option<Failing>>,
}

/// Files are not archived, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Failing {
    times: u32,
    /// Whether it may end without anybody's doing.
    is_transient: bool,
    /// Whether another content has the name, so that somebody else archives to the same place.
    differs: bool,
}

/// What was pushed since somebody looked.
#[derive(Debug, Default)]
struct News {
    kept: BTreeMap<String, Kept>,
    safe_until: Option<Timestamp>,
}

impl Pusher {
    /// From that `pg_wal` to that shelf.
    pub fn new(pg_wal: PathBuf, shelf: Shelf) -> Self {
        Self { pg_wal, shelf, ahead: Mutex::default(), news: Mutex::default(), failing: Mutex::default() }
    }

    /// Where it pushes to.
    pub fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// What was pushed since the last call, by place.
    pub fn news(&self) -> BTreeMap<String, Kept> {
        std::mem::take(&mut lock(&self.news).kept)
    }

    /// When PostgreSQL last wrote to the newest segment that was pushed: what was committed before is safe.
    pub fn safe_until(&self) -> Option<Timestamp> {
        lock(&self.news).safe_until
    }

    /// Archives a file.
    ///
    /// # Errors
    /// When it is not archived: then PostgreSQL keeps it and asks again.
    pub async fn push(&self, file: WalFile) -> Result<(), ArchiveError> {
        let pushed = self.push_with_next(file).await;
        self.tell(file, pushed.as_ref().err());
        pushed
    }

    /// Says when it begins to fail, when the reason becomes another, and when it works again: PostgreSQL asks on and on.
    fn tell(&self, file: WalFile, error: Option<&ArchiveError>) {
        let mut failing = lock(&self.failing);
        let Some(error) = error else {
            if let Some(Failing { times, .. }) = failing.take() {
                tracing::info!(wal.file = %file, archive.failures = times, "WAL is archived again, after {times} failures");
            }
            return;
        };
        let is = Failing {
            times: failing.map_or(0, |was| was.times).saturating_add(1),
            is_transient: error.is_transient(),
            differs: matches!(error, ArchiveError::Differs(_)),
        };
        let same = failing.replace(is).is_some_and(|was| Failing { times: is.times, ..was } == is);
        if same {
            tracing::debug!(wal.file = %file, "{file} could not be archived, and is kept: {error}");
        } else {
            tracing::error!(wal.file = %file, "{file} could not be archived, and is kept: {error}");
        }
    }

    /// Whether somebody else archives to the same place, as the last answer was.
    pub fn is_contested(&self) -> bool {
        lock(&self.failing).is_some_and(|failing| failing.differs)
    }

    async fn push_with_next(&self, file: WalFile) -> Result<(), ArchiveError> {
        if lock(&self.ahead).remove(&file) {
            return Ok(());
        }
        let mut jobs = JoinSet::new();
        let next = self.next(file).await?;
        for file in std::iter::once(file).chain(next.iter().copied()) {
            jobs.spawn(push_one(self.pg_wal.join(file.to_string()), self.shelf.clone(), file));
        }
        let mut answer = Err(ArchiveError::other(format!("{file} was not pushed")));
        while let Some(job) = jobs.join_next().await {
            let (done, result) = job.map_err(|error| ArchiveError::other(error.to_string()))?;
            if let Ok((kept, written)) = &result {
                self.note(done, kept, *written);
            }
            if done == file {
                answer = result.map(|_| ());
            } else if result.is_ok() {
                lock(&self.ahead).insert(done);
            }
        }
        answer
    }

    /// Pushes every history that lies in `pg_wal`. A copy that was restored began its timeline while nothing was archived.
    ///
    /// # Errors
    /// When one is not archived.
    pub async fn push_histories(&self) -> Result<(), ArchiveError> {
        for name in names(self.pg_wal.clone()).await? {
            if let Ok(file @ WalFile::History(_)) = name.parse() {
                let (_, pushed) = push_one(self.pg_wal.join(&name), self.shelf.clone(), file).await;
                let (kept, written) = pushed?;
                self.note(file, &kept, written);
            }
        }
        Ok(())
    }

    /// What PostgreSQL will ask for after `file`, histories first, then in the order of their names, as it does.
    async fn next(&self, file: WalFile) -> Result<Vec<WalFile>, ArchiveError> {
        let names = names(self.pg_wal.join("archive_status")).await?;
        let done = lock(&self.ahead).clone();
        let mut ready: Vec<WalFile> = names
            .iter()
            .filter_map(|name| name.strip_suffix(".ready")?.parse().ok())
            .filter(|ready| *ready != file && !done.contains(ready))
            .collect();
        ready.sort_by_key(|ready| (!matches!(ready, WalFile::History(_)), ready.to_string()));
        ready.truncate(AT_ONCE - 1);
        Ok(ready)
    }

    fn note(&self, file: WalFile, kept: &Kept, written: Timestamp) {
        let mut news = lock(&self.news);
        news.kept.insert(file.place(), kept.clone());
        if matches!(file, WalFile::Segment(_)) {
            news.safe_until = news.safe_until.max(Some(written));
        }
    }
}

async fn push_one(path: PathBuf, shelf: Shelf, file: WalFile) -> (WalFile, Result<(Kept, Timestamp), ArchiveError>) {
    let pushed = async {
        let (content, written) = aside(move || read(&path)).await??;
        check(file, &content, shelf.system())?;
        Ok((shelf.keep_by(&file.place(), content, Hands::Two).await?, written))
    };
    (file, pushed.await)
}

fn read(path: &Path) -> Result<(Vec<u8>, Timestamp), ArchiveError> {
    let failed = |error: std::io::Error| ArchiveError::other(format!("{}: {error}", path.display()));
    let metadata = fs::metadata(path).map_err(failed)?;
    Ok((fs::read(path).map_err(failed)?, modified(&metadata).unwrap_or_default()))
}

/// When a file was last written to; `None` where the disk does not say.
pub(super) fn modified(metadata: &fs::Metadata) -> Option<Timestamp> {
    let since_1970 = metadata.modified().ok()?.duration_since(std::time::SystemTime::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_micros(0) + since_1970)
}

/// Whether a content is what its name says: a whole segment of this cluster and of this place in it, or a readable history.
///
/// # Errors
/// What is wrong.
pub fn check(file: WalFile, content: &[u8], system: SystemId) -> Result<(), ArchiveError> {
    let wrong = |why: &str| Err(ArchiveError::other(format!("{file} is not archived: {why}")));
    match file {
        WalFile::History(timeline) => {
            let text = std::str::from_utf8(content).ok();
            match text.and_then(|text| timeline::Path::parse(timeline, text)) {
                Some(_) => Ok(()),
                None => wrong("it is no history of a timeline"),
            }
        }
        WalFile::Backup(..) if content.is_empty() || content.len() > LONGEST_TEXT => {
            wrong("it is no label of a backup")
        }
        WalFile::Backup(..) => Ok(()),
        WalFile::Segment(segment) | WalFile::Partial(segment) => {
            let Some(header) = Header::read(content) else { return wrong("it does not begin as a segment does") };
            let whole = u64::try_from(content.len()).unwrap_or(u64::MAX) == header.size.bytes();
            if !whole {
                return wrong("it is not whole");
            }
            if header.system != system.0 {
                return wrong("it is of another cluster");
            }
            if header.address != segment.number(header.size) * header.size.bytes() || header.timeline > segment.timeline
            {
                return wrong("it belongs to another place in the WAL");
            }
            Ok(())
        }
    }
}

/// What stands at the begin of every segment (`XLogLongPageHeaderData`).
struct Header {
    timeline: u32,
    address: u64,
    system: u64,
    size: SegmentSize,
}

impl Header {
    fn read(content: &[u8]) -> Option<Self> {
        const LONG: u16 = 2;
        let bytes = content.get(..LONG_HEADER)?;
        let u32_at = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let u64_at = |at: usize| Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let info = u16::from_ne_bytes(bytes.get(2..4)?.try_into().ok()?);
        if info & LONG == 0 {
            return None;
        }
        let size = SegmentSize::of(u64::from(u32_at(32)?))?;
        Some(Self { timeline: u32_at(4)?, address: u64_at(8)?, system: u64_at(24)?, size })
    }
}

async fn names(folder: PathBuf) -> Result<Vec<String>, ArchiveError> {
    aside(move || {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    })
    .await
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::ops::archive::store::faulty::{Fault, Faulty};
    use crate::ops::archive::store::{Directory, Store};
    use crate::ops::archive::wal::Segment;
    use crate::vault::{KeyRing, Opener, Sealer};

    const SYSTEM: SystemId = SystemId(7_000_000_000_000_000_001);

    /// A segment as PostgreSQL writes it, of 1 MiB; `mark` is its content.
    fn segment(timeline: u32, number: u64, system: u64, mark: u8) -> (WalFile, Vec<u8>) {
        let size = SegmentSize::of(1 << 20).unwrap();
        let mut content = vec![mark; 1 << 20];
        content[..LONG_HEADER].fill(0);
        content[..2].copy_from_slice(&0xD110_u16.to_ne_bytes());
        content[2..4].copy_from_slice(&2_u16.to_ne_bytes());
        content[4..8].copy_from_slice(&timeline.to_ne_bytes());
        content[8..16].copy_from_slice(&(number * size.bytes()).to_ne_bytes());
        content[24..32].copy_from_slice(&system.to_ne_bytes());
        content[32..36].copy_from_slice(&(1_u32 << 20).to_ne_bytes());
        (WalFile::Segment(Segment::new(timeline, number, size)), content)
    }

    struct Room {
        folder: tempfile::TempDir,
        pusher: Pusher,
    }

    fn room_with(store: impl FnOnce(Directory) -> Arc<dyn Store>) -> Room {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("pg_wal/archive_status")).unwrap();
        let store = store(Directory::make(&folder.path().join("store"), None).unwrap());
        let ring = KeyRing::generate().unwrap();
        let shelf = Shelf::new(store, Sealer::new(&ring), Opener::new(&ring), SYSTEM);
        let pusher = Pusher::new(folder.path().join("pg_wal"), shelf);
        Room { folder, pusher }
    }

    impl Room {
        fn new() -> Self {
            room_with(|store| Arc::new(store))
        }

        fn write(&self, file: WalFile, content: &[u8]) {
            let pg_wal = self.folder.path().join("pg_wal");
            fs::write(pg_wal.join(file.to_string()), content).unwrap();
            fs::write(pg_wal.join("archive_status").join(format!("{file}.ready")), "").unwrap();
        }

        fn removes(&self, file: WalFile) {
            fs::remove_file(self.folder.path().join("pg_wal").join(file.to_string())).unwrap();
        }

        async fn stored(&self, file: WalFile) -> Option<Vec<u8>> {
            self.pusher.shelf().fetch(&file.place()).await.unwrap()
        }
    }

    #[tokio::test]
    async fn a_file_is_pushed_with_those_that_come_next_and_these_are_answered_from_memory() {
        let room = Room::new();
        let files: Vec<_> = (1..=6).map(|number| segment(1, number, SYSTEM.0, 7)).collect();
        for (file, content) in &files {
            room.write(*file, content);
        }
        let history = WalFile::History(2);
        room.write(history, b"1\t0/300000\tno recovery target specified\n");
        room.pusher.push(files[0].0).await.unwrap();
        for (file, wanted) in [(files[0].0, true), (history, true), (files[2].0, true), (files[3].0, false)] {
            assert_eq!(room.stored(file).await.is_some(), wanted, "{file}");
        }
        // It answers without a look at the file, once; and news has every file once.
        room.removes(files[1].0);
        room.pusher.push(files[1].0).await.unwrap();
        assert!(room.pusher.push(files[1].0).await.is_err());
        let news = room.pusher.news();
        assert!(news.contains_key(&history.place()) && room.pusher.safe_until().is_some());
        assert!(room.pusher.news().is_empty() && room.pusher.safe_until().is_some());
    }

    #[tokio::test]
    async fn after_a_crash_the_same_file_is_fine_and_another_content_is_refused_and_kept() {
        let room = Room::new();
        let (file, content) = segment(1, 1, SYSTEM.0, 7);
        room.write(file, &content);
        room.pusher.push(file).await.unwrap();
        room.pusher.push(file).await.unwrap();
        room.write(file, &segment(1, 1, SYSTEM.0, 8).1);
        let error = room.pusher.push(file).await.unwrap_err();
        assert!(matches!(error, ArchiveError::Differs(_)), "{error}");
        assert_eq!(room.stored(file).await.unwrap(), content);
    }

    #[tokio::test]
    async fn what_is_cut_off_or_of_another_cluster_or_place_is_refused() {
        let room = Room::new();
        let (file, content) = segment(1, 1, SYSTEM.0, 7);
        for (bad, why) in [
            (content[..content.len() - 1].to_vec(), "not whole"),
            (Vec::new(), "begin"),
            (vec![0; 1 << 20], "begin"),
            (segment(1, 1, 42, 7).1, "another cluster"),
            (segment(1, 2, SYSTEM.0, 7).1, "another place"),
            (segment(2, 1, SYSTEM.0, 7).1, "another place"),
        ] {
            room.write(file, &bad);
            let error = room.pusher.push(file).await.unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
            assert!(room.stored(file).await.is_none());
        }
        // At the begin of a timeline the segment is a copy of the old one's.
        let (WalFile::Segment(second), copy) = (segment(2, 1, SYSTEM.0, 7).0, content) else { unreachable!() };
        room.write(WalFile::Segment(second), &copy);
        room.pusher.push(WalFile::Segment(second)).await.unwrap();
        room.write(WalFile::History(2), b"nothing");
        assert!(room.pusher.push(WalFile::History(2)).await.is_err());
    }

    #[tokio::test]
    async fn histories_that_nobody_asked_for_are_pushed_too() {
        let room = Room::new();
        let history = WalFile::History(2);
        room.write(history, b"1\t0/300000\tbefore\n");
        room.pusher.push_histories().await.unwrap();
        room.pusher.push_histories().await.unwrap();
        assert!(room.stored(history).await.is_some());
    }

    #[tokio::test]
    async fn whichever_call_fails_a_push_succeeds_only_when_the_file_is_there_and_the_next_try_mends_it() {
        for fault in Fault::ALL {
            for number in 1..=8 {
                let mut store = None;
                let room = room_with(|inner| store.insert(Arc::new(Faulty::new(inner))).clone());
                store.unwrap().fails_at(number, fault);
                let files: Vec<_> = (1..=3).map(|number| segment(1, number, SYSTEM.0, 7)).collect();
                for (file, content) in &files {
                    room.write(*file, content);
                }
                let plain = room.pusher.shelf().clone();
                for (file, content) in &files {
                    let mut tries = 0;
                    while let Err(error) = room.pusher.push(*file).await {
                        assert!(error.is_transient() || fault == Fault::Refused || fault.is_silent(), "{error}");
                        tries += 1;
                        assert!(tries < 3, "{fault:?}, call {number}");
                    }
                    // Once it said so, the file may go: it is in the archive, whole.
                    room.removes(*file);
                    let found = match plain.fetch(&file.place()).await {
                        Err(_) => plain.fetch(&file.place()).await,
                        found => found,
                    };
                    assert_eq!(found.unwrap().as_ref(), Some(content), "{fault:?}, call {number}, {file}");
                }
            }
        }
    }
}
