//! Gives a cluster that is being restored its WAL, and never says "there is no more" unless that is so.
//!
//! To PostgreSQL a file that is not there is the end of the archive: it stops there and goes on as a new timeline. So "not there"
//! is answered only when the store itself says so, neither a chain manifest nor the store listed the file, and no later segment of its
//! timeline is there. Everything else is tried again, and then an error that ends the recovery.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use tokio::sync::mpsc::UnboundedSender;

use super::push::check;
use super::shelf::{ArchiveError, Shelf};
use super::wal::{self, WalFile};

/// What the archive has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The file.
    Content(Vec<u8>),
    /// There is no such file, and none is missing.
    NotThere,
}

/// Fetches for one restore.
#[derive(Debug)]
pub struct Fetcher {
    shelf: Shelf,
    /// Places that a chain manifest lists, or that the store listed when the restore began.
    listed: HashSet<String>,
    bytes: AtomicU64,
    told: UnboundedSender<WalFile>,
    patience: ExponentialBuilder,
}

impl Fetcher {
    /// From that shelf, of which these places are known to be there; `told` hears of each segment that was given.
    pub fn new(shelf: Shelf, listed: HashSet<String>, told: UnboundedSender<WalFile>) -> Self {
        let patience = ExponentialBuilder::default().with_min_delay(Duration::from_millis(200)).with_max_times(7);
        Self { shelf, listed, bytes: AtomicU64::new(0), told, patience }
    }

    /// The same, waiting so between tries.
    #[must_use]
    pub fn with_patience(self, patience: ExponentialBuilder) -> Self {
        Self { patience, ..self }
    }

    /// How many bytes of WAL were given.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// A file.
    ///
    /// # Errors
    /// When it should be there and cannot be had, or nobody knows.
    pub async fn fetch(&self, file: WalFile) -> Result<Fetched, ArchiveError> {
        let place = file.place();
        let found = self.patiently(|| self.shelf.fetch(&place)).await?;
        if let Some(content) = found {
            check(file, &content, self.shelf.system())?;
            self.bytes.fetch_add(u64::try_from(content.len()).unwrap_or(0), Ordering::Relaxed);
            let _ = self.told.send(file);
            return Ok(Fetched::Content(content));
        }
        if self.listed.contains(&place) {
            return Err(ArchiveError::other(format!(
                "{file} is missing: the archive lists it. Put it back, or restore to a time before it"
            )));
        }
        if let WalFile::Segment(segment) = file {
            let folder = wal::folder(segment.timeline);
            let listed = self.patiently(|| self.shelf.list(&folder)).await?;
            let names = listed.iter().filter_map(|listed| WalFile::at(&listed.name));
            let later = names.filter(|found| matches!(found, WalFile::Segment(found) if *found > segment)).min();
            if let Some(later) = later {
                return Err(ArchiveError::other(format!(
                    "{file} is missing, and {later} is there: the WAL has a hole. Restore to a time before it, or from a later \
                     base backup"
                )));
            }
        }
        Ok(Fetched::NotThere)
    }

    async fn patiently<T, F, R>(&self, call: F) -> Result<T, ArchiveError>
    where
        F: FnMut() -> R,
        R: Future<Output = Result<T, ArchiveError>>,
    {
        call.retry(self.patience).when(ArchiveError::is_transient).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::ops::archive::shelf::SystemId;
    use crate::ops::archive::store::Directory;
    use crate::ops::archive::store::faulty::Faulty;
    use crate::vault::{KeyRing, Opener, Sealer};

    async fn fetcher(listed: &[&str], away: u32) -> (tempfile::TempDir, Fetcher) {
        let folder = tempfile::tempdir().unwrap();
        let inner = Directory::open(folder.path()).unwrap();
        let store = Arc::new(Faulty::new(inner));
        let ring = KeyRing::generate().unwrap();
        let shelf = Shelf::new(store.clone(), Sealer::new(&ring), Opener::new(&ring), SystemId(7));
        let history = b"1\t0/300000\tbefore\n".to_vec();
        shelf.keep("wal/00000002/00000002.history", history).await.unwrap();
        shelf.keep("wal/00000001/000000010000000000000005", b"later".to_vec()).await.unwrap();
        store.is_away(away);
        let listed = listed.iter().map(|place| (*place).to_owned()).collect();
        let patience = ExponentialBuilder::default().with_min_delay(Duration::from_millis(1)).with_max_times(3);
        let (told, _) = tokio::sync::mpsc::unbounded_channel();
        (folder, Fetcher::new(shelf, listed, told).with_patience(patience))
    }

    #[tokio::test]
    async fn only_what_is_proven_not_to_be_there_is_not_there() {
        let (_folder, fetcher) = fetcher(&["wal/00000001/000000010000000000000009"], 0).await;
        let fetch = async |name: &str| fetcher.fetch(name.parse().unwrap()).await.map_err(|error| error.to_string());
        assert!(matches!(fetch("00000002.history").await, Ok(Fetched::Content(_))));
        assert_eq!(fetch("00000003.history").await, Ok(Fetched::NotThere));
        assert_eq!(fetch("000000010000000000000006").await, Ok(Fetched::NotThere));
        assert_eq!(fetch("000000020000000000000004").await, Ok(Fetched::NotThere));
        assert!(fetch("000000010000000000000009").await.unwrap_err().contains("the archive lists it"));
        assert!(fetch("000000010000000000000004").await.unwrap_err().contains("hole"));
        // What is there and is no segment is not given either.
        assert!(fetch("000000010000000000000005").await.is_err());
    }

    #[tokio::test]
    async fn a_store_that_is_away_is_waited_for_and_then_an_error_never_the_end() {
        for (away, comes_back) in [(1, true), (3, true), (100, false)] {
            let (_folder, fetcher) = fetcher(&[], away).await;
            let fetched = fetcher.fetch("000000010000000000000006".parse().unwrap()).await;
            assert_eq!(matches!(fetched, Ok(Fetched::NotThere)), comes_back, "{away}: {fetched:?}");
            assert!(comes_back || fetched.unwrap_err().is_transient());
        }
    }

    #[tokio::test]
    async fn an_object_that_was_tampered_with_is_an_error() {
        let (folder, fetcher) = fetcher(&[], 0).await;
        let path = folder.path().join("00000000000000000007/wal/00000002/00000002.history");
        let mut object = std::fs::read(&path).unwrap();
        *object.last_mut().unwrap() ^= 1;
        std::fs::write(&path, object).unwrap();
        assert!(fetcher.fetch(WalFile::History(2)).await.is_err());
    }
}
