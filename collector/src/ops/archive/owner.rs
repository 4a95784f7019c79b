//! Whose folder of the archive it is: one object, written at the first push.

use picket_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::chain::Chain;
use super::memory::Memory;
use super::shelf::{ArchiveError, Shelf};
use super::wal::WalFile;
use crate::postgres::upgrade::Upgrade;

/// Where it lies.
pub(super) const PLACE: &str = "owner";

/// What is known of a cluster before anything of it is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The major version of PostgreSQL that wrote the data.
    pub major: u32,
    /// When its first file was archived.
    pub since: Timestamp,
    /// The cluster from which it came by an upgrade to another major version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<Origin>,
}

/// The cluster that was the database before an upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Its number.
    pub system: u64,
    /// The major version of PostgreSQL that wrote it.
    pub major: u32,
    /// The timeline on which it ended.
    pub timeline: u32,
    /// After its last transaction.
    pub at: Timestamp,
}

impl From<&Upgrade> for Origin {
    fn from(upgrade: &Upgrade) -> Self {
        Self { system: upgrade.system, major: upgrade.from, timeline: upgrade.timeline, at: upgrade.at }
    }
}

/// Takes the shelf for a cluster of that version, or finds that it has it; from then on it is remembered.
///
/// # Errors
/// When the store does not answer, data of another version is on it, or nothing is where something is remembered.
pub async fn claim(
    shelf: &Shelf,
    memory: &Memory,
    (major, follows): (u32, Option<Origin>),
    now: Timestamp,
) -> Result<Owner, ArchiveError> {
    let chain = Chain::read(shelf).await?;
    let owner = match read(shelf).await? {
        Some(owner) if owner.major == major => owner,
        Some(owner) => {
            return Err(ArchiveError::other(format!(
                "the archive of this cluster in {} was written by PostgreSQL {}, and the data is of {major}: give it another archive",
                shelf.place(),
                owner.major
            )));
        }
        None if memory.knows(&shelf.known_as()).await? => {
            return Err(ArchiveError::other(format!(
                "{} was archived to before, and holds nothing of this cluster: bring it back. If what lay there is lost and another \
                 archive is to begin, remove {}",
                shelf.place(),
                memory.file().display()
            )));
        }
        None => {
            let owner = Owner { major, since: now, follows };
            let text = serde_json::to_vec(&owner).map_err(|error| ArchiveError::other(error.to_string()))?;
            shelf.keep(PLACE, text).await?;
            owner
        }
    };
    memory.check(shelf, &chain).await?;
    memory.keep(shelf, &chain).await?;
    Ok(owner)
}

/// That no restored copy of this cluster archives beside it: who goes on as a later timeline is the one that restores follow, and
/// nothing of it is another's to expire.
///
/// # Errors
/// When one does, or the store does not answer.
pub async fn must_be_newest(shelf: &Shelf, timeline: u32) -> Result<(), ArchiveError> {
    let later = timeline.saturating_add(1);
    if !goes_on(shelf, timeline).await? {
        return Ok(());
    }
    Err(ArchiveError::other(format!(
        "a restored copy of this database archives to {} as timeline {later}, and this one is on timeline {timeline}: only one of \
         the two may. Stop this one for good, or give it another archive",
        shelf.place()
    )))
}

/// Whether a restored copy archives as a later timeline.
///
/// # Errors
/// When the store does not answer.
pub async fn goes_on(shelf: &Shelf, timeline: u32) -> Result<bool, ArchiveError> {
    Ok(shelf.look(&WalFile::History(timeline.saturating_add(1)).place()).await?.is_some())
}

/// Whose it is; `None` when it is nobody's yet.
///
/// # Errors
/// When the store does not answer, or says what cannot be read.
pub async fn read(shelf: &Shelf) -> Result<Option<Owner>, ArchiveError> {
    let Some(content) = shelf.fetch(PLACE).await? else { return Ok(None) };
    let owner = serde_json::from_slice(&content);
    owner.map(Some).map_err(|error| ArchiveError::other(format!("whose archive it is cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::archive::chain::tests::{entries, now, shelf};

    #[tokio::test]
    async fn a_shelf_is_taken_once_and_one_that_comes_up_empty_is_not_taken_anew() {
        let (folder, shelf) = shelf();
        let memory = Memory::in_folder(folder.path());
        let owner = claim(&shelf, &memory, (17, None), now(1)).await.unwrap();
        assert_eq!(claim(&shelf, &memory, (17, None), now(2)).await.unwrap(), owner);
        let error = claim(&shelf, &memory, (18, None), now(2)).await.unwrap_err().to_string();
        assert!(error.contains("another archive"), "{error}");
        memory.keep(&shelf, &Chain::append(&shelf, entries(&["x"]), Vec::new(), now(3)).await.unwrap()).await.unwrap();
        std::fs::remove_dir_all(folder.path().join("00000000000000000007")).unwrap();
        let error = claim(&shelf, &memory, (17, None), now(4)).await.unwrap_err().to_string();
        assert!(error.contains("bring it back") && error.contains("archive-head.json"), "{error}");
        assert_eq!(read(&shelf).await.unwrap(), None);
        std::fs::remove_file(memory.file()).unwrap();
        claim(&shelf, &memory, (17, None), now(5)).await.unwrap();
    }

    #[tokio::test]
    async fn of_two_copies_only_the_newest_archives() {
        let (_folder, shelf) = shelf();
        must_be_newest(&shelf, 1).await.unwrap();
        shelf.keep(&WalFile::History(2).place(), b"1\t0/300000\tbefore\n".to_vec()).await.unwrap();
        must_be_newest(&shelf, 2).await.unwrap();
        let error = must_be_newest(&shelf, 1).await.unwrap_err().to_string();
        assert!(error.contains("timeline 2") && error.contains("another archive"), "{error}");
    }
}
