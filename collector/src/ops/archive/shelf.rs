//! The archive of one cluster: seals on the way in, opens on the way out, and never lets two contents have one name.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use picket_shared::daykeys::hex;

use super::object::{self, Hands, ObjectError};
use super::store::{Listed, Put, Store, StoreError};
use crate::vault::{Opener, Sealer};

/// The name that PostgreSQL gave a cluster when it was made: two clusters never share a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SystemId(pub u64);

impl fmt::Display for SystemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}", self.0)
    }
}

impl std::str::FromStr for SystemId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| "it is a number, as `backup list --json` shows it".to_owned())
    }
}

/// Why something cannot be archived, or had from the archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The store.
    #[error("the archive {0}")]
    Store(#[from] StoreError),
    /// An object is none, or not the one of its name.
    #[error("the object {name} of the archive: {error}")]
    Object {
        /// Which.
        name: String,
        /// What is wrong with it.
        error: ObjectError,
    },
    /// Another content has the name already.
    #[error(
        "{0} is in the archive already with another content: two clusters write into one archive, or one was restored and \
         both go on. Nothing was replaced; give one of them another archive"
    )]
    Differs(String),
    /// Anything else, with what to do.
    #[error("{0}")]
    Other(String),
}

impl ArchiveError {
    /// Whether the same call may succeed later without anybody's doing.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_transient())
    }

    /// With that sentence.
    pub fn other(text: impl Into<String>) -> Self {
        Self::Other(text.into())
    }
}

/// What is known of an object that is in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its size as stored, in bytes.
    pub size: u64,
    /// SHA-256 of what is stored, in hexadecimal.
    pub sha256: String,
    /// Whether it was there before.
    pub was_there: bool,
}

/// The archive of one cluster. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shelf {
    store: Arc<dyn Store>,
    sealer: Sealer,
    opener: Opener,
    system: SystemId,
}

impl Shelf {
    /// That of one cluster, in a store, sealed and opened by one key ring.
    pub fn new(store: Arc<dyn Store>, sealer: Sealer, opener: Opener, system: SystemId) -> Self {
        Self { store, sealer, opener, system }
    }

    /// The clusters of which there is anything in a store.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn systems(store: &dyn Store) -> Result<Vec<SystemId>, ArchiveError> {
        let mut found: Vec<SystemId> =
            (store.list("").await?.iter()).filter_map(|listed| listed.name.split('/').next()?.parse().ok()).collect();
        found.dedup();
        Ok(found)
    }

    /// That of another cluster in the same store, by the same key ring.
    #[must_use]
    pub fn of(&self, system: SystemId) -> Self {
        Self { system, ..self.clone() }
    }

    /// The clusters of which there is anything in its store.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn neighbours(&self) -> Result<Vec<SystemId>, ArchiveError> {
        Self::systems(self.store.as_ref()).await
    }

    /// Whose it is.
    pub fn system(&self) -> SystemId {
        self.system
    }

    /// Where it is, for people.
    pub fn place(&self) -> String {
        self.store.place()
    }

    /// Whether its store can be written, and replaces nothing.
    ///
    /// # Errors
    /// Why not.
    pub async fn ready(&self) -> Result<(), ArchiveError> {
        Ok(self.store.ready().await?)
    }

    /// Which archive it is: where, and whose.
    pub fn known_as(&self) -> String {
        known_as(&self.place(), self.system)
    }

    /// Keeps a content at a place, durably. The same content again is fine; another one is refused.
    ///
    /// # Errors
    /// When it is not kept.
    pub async fn keep(&self, place: &str, content: impl Into<Bytes>) -> Result<Kept, ArchiveError> {
        self.keep_by(place, content, Hands::One).await
    }

    /// The same, compressed by so many hands.
    ///
    /// # Errors
    /// As [`Shelf::keep`].
    pub async fn keep_by(&self, place: &str, content: impl Into<Bytes>, hands: Hands) -> Result<Kept, ArchiveError> {
        let (name, content) = (self.name(place), content.into());
        let (sealer, for_name, plain) = (self.sealer.clone(), name.clone(), content.clone());
        let sealed = aside(move || {
            let sealed = Bytes::from(object::seal_by(&sealer, &for_name, &plain, hands)?);
            let kept = kept(&sealed, false);
            Ok((sealed, kept))
        });
        let (sealed, kept_now) = sealed.await?.map_err(|error| ArchiveError::Object { name: name.clone(), error })?;
        match self.store.put(&name, sealed).await? {
            Put::Stored => Ok(kept_now),
            Put::Exists => {
                let found = self.store.get(&name).await?;
                let found = found.ok_or_else(|| ArchiveError::other(format!("{name} came and went; try again")))?;
                if self.open(&name, found.clone()).await? == content {
                    Ok(kept(&found, true))
                } else {
                    Err(ArchiveError::Differs(name))
                }
            }
        }
    }

    /// The content at a place; `None` only when the store says that there is none.
    ///
    /// # Errors
    /// When the store does not answer, or the object is not what was put there.
    pub async fn fetch(&self, place: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
        Ok(self.fetch_kept(place).await?.map(|(content, _)| content))
    }

    /// The content at a place, and what its object is.
    ///
    /// # Errors
    /// As [`Shelf::fetch`].
    pub async fn fetch_kept(&self, place: &str) -> Result<Option<(Vec<u8>, Kept)>, ArchiveError> {
        let name = self.name(place);
        let Some(object) = self.store.get(&name).await? else { return Ok(None) };
        let (opener, for_name) = (self.opener.clone(), name.clone());
        let opened =
            aside(move || object::open(&opener, &for_name, &object).map(|content| (content, kept(&object, true))));
        Ok(Some(opened.await?.map_err(|error| ArchiveError::Object { name, error })?))
    }

    /// What is stored at a place, unopened; `None` when there is nothing.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn look(&self, place: &str) -> Result<Option<Kept>, ArchiveError> {
        Ok(self.store.get(&self.name(place)).await?.map(|object| kept(&object, true)))
    }

    /// Every place that begins with `front`, in order, with sizes as stored.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn list(&self, front: &str) -> Result<Vec<Listed>, ArchiveError> {
        let own = self.name("");
        let mut found = self.store.list(&self.name(front)).await?;
        for listed in &mut found {
            listed.name = listed.name.split_off(own.len().min(listed.name.len()));
        }
        Ok(found)
    }

    /// Removes what is at a place.
    ///
    /// # Errors
    /// When the store does not.
    pub async fn remove(&self, place: &str) -> Result<(), ArchiveError> {
        Ok(self.store.remove(&self.name(place)).await?)
    }

    fn name(&self, place: &str) -> String {
        format!("{}/{place}", self.system)
    }

    async fn open(&self, name: &str, object: Bytes) -> Result<Vec<u8>, ArchiveError> {
        let (opener, for_name) = (self.opener.clone(), name.to_owned());
        let opened = aside(move || object::open(&opener, &for_name, &object)).await?;
        opened.map_err(|error| ArchiveError::Object { name: name.to_owned(), error })
    }
}

/// Which archive one is: where, and whose.
pub fn known_as(place: &str, system: SystemId) -> String {
    format!("{place} of {system}")
}

/// Away from the tasks that wait: sealing takes a core for a tenth of a second, and a disk may take as long as it likes.
pub(in crate::ops) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ArchiveError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| ArchiveError::other(error.to_string()))
}

fn kept(object: &[u8], was_there: bool) -> Kept {
    let sha256 = hex(digest(&SHA256, object).as_ref());
    Kept { size: u64::try_from(object.len()).unwrap_or(u64::MAX), sha256, was_there }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::archive::store::Directory;
    use crate::vault::KeyRing;

    fn shelf(store: &Arc<dyn Store>) -> Shelf {
        let ring = KeyRing::generate().unwrap();
        Shelf::new(Arc::clone(store), Sealer::new(&ring), Opener::new(&ring), SystemId(7))
    }

    #[tokio::test]
    async fn the_same_content_twice_is_fine_and_another_is_refused_loudly() {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(Directory::open(folder.path()).unwrap());
        let shelf = shelf(&store);
        let first = shelf.keep("wal/x", b"one".to_vec()).await.unwrap();
        assert!(!first.was_there);
        let again = shelf.keep("wal/x", b"one".to_vec()).await.unwrap();
        assert_eq!((again.was_there, &again.sha256), (true, &first.sha256));
        let error = shelf.keep("wal/x", b"two".to_vec()).await.unwrap_err();
        assert!(matches!(error, ArchiveError::Differs(_)) && !error.is_transient(), "{error}");
        assert!(error.to_string().contains("another content"), "{error}");
        assert_eq!(shelf.fetch("wal/x").await.unwrap().unwrap(), b"one");
        assert_eq!(shelf.fetch("wal/y").await.unwrap(), None);
        assert_eq!(shelf.list("wal/").await.unwrap()[0].name, "wal/x");
        assert_eq!(Shelf::systems(store.as_ref()).await.unwrap(), [SystemId(7)]);
    }

    #[tokio::test]
    async fn an_object_of_another_ring_is_neither_read_nor_passed_for_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(Directory::open(folder.path()).unwrap());
        shelf(&store).keep("wal/x", b"one".to_vec()).await.unwrap();
        let stranger = shelf(&store);
        assert!(matches!(stranger.fetch("wal/x").await, Err(ArchiveError::Object { .. })));
        assert!(matches!(stranger.keep("wal/x", b"one".to_vec()).await, Err(ArchiveError::Object { .. })));
    }
}
