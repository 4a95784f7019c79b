//! The last manifest as this machine remembers it, in a file of its own: who takes the newest manifests away, with all that they
//! list, leaves a chain that is whole and too short.
//!
//! What is remembered is of one archive, by its place and its cluster: another begins without.
//!
//! Beside it lies what makes all who write manifests here take turns: the collector's tasks, and commands while it runs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::chain::{Chain, broken};
use super::shelf::{ArchiveError, Shelf, aside};

/// The memory of a data directory.
#[derive(Clone, Debug)]
pub struct Memory(PathBuf);

#[derive(Serialize, Deserialize)]
struct Remembered {
    /// Which archive; none before this was written down, and then it is the one of the settings.
    #[serde(default)]
    archive: Option<String>,
    number: u64,
    sha256: String,
}

impl Memory {
    /// In that data directory.
    pub fn in_folder(data_dir: &Path) -> Self {
        Self(data_dir.join("archive-head.json"))
    }

    /// The file, for people.
    pub fn file(&self) -> &Path {
        &self.0
    }

    /// Whether a chain is as far as is remembered of this archive.
    ///
    /// # Errors
    /// When it is not, or the memory cannot be read.
    pub async fn check(&self, shelf: &Shelf, chain: &Chain) -> Result<(), ArchiveError> {
        let Some(Remembered { number, sha256, .. }) = self.of(&shelf.known_as()).await? else { return Ok(()) };
        if chain.number < number {
            return Err(broken(number, "is gone, and so may be what it lists"));
        }
        if chain.number == number && chain.head != sha256 {
            return Err(broken(number, "is not the one that was written"));
        }
        Ok(())
    }

    /// Remembers a chain.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn keep(&self, shelf: &Shelf, chain: &Chain) -> Result<(), ArchiveError> {
        let remembered =
            Remembered { archive: Some(shelf.known_as()), number: chain.number, sha256: chain.head.clone() };
        let text = serde_json::to_vec(&remembered).map_err(|error| ArchiveError::other(error.to_string()))?;
        let file = self.0.clone();
        let written = move || {
            let beside = file.with_extension("new");
            let mut new = File::create(&beside)?;
            new.write_all(&text)?;
            new.sync_all()?;
            fs::rename(&beside, &file)?;
            File::open(file.parent().unwrap_or(&file))?.sync_all()
        };
        aside(written).await?.map_err(|error| self.failed(error))
    }

    /// Waits until nobody else here writes manifests or removes what they list; held until it is dropped. Uploads need none.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub async fn turn(&self) -> Result<File, ArchiveError> {
        let file = self.0.with_extension("lock");
        let taken = move || {
            let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(file)?;
            file.lock()?;
            Ok(file)
        };
        aside(taken).await?.map_err(|error| self.failed(error))
    }

    /// Whether anything is remembered of an archive, which then is none that could be empty.
    ///
    /// # Errors
    /// When the memory cannot be read.
    pub async fn knows(&self, archive: &str) -> Result<bool, ArchiveError> {
        Ok(self.of(archive).await?.is_some())
    }

    /// What is remembered of an archive; `None` of one that is new to this machine.
    async fn of(&self, archive: &str) -> Result<Option<Remembered>, ArchiveError> {
        let file = self.0.clone();
        let text = match aside(move || fs::read(file)).await? {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed(error)),
        };
        let remembered: Remembered = serde_json::from_slice(&text).map_err(|error| self.failed(error.into()))?;
        let is_this = remembered.archive.as_ref().is_none_or(|known| known == archive);
        Ok(is_this.then_some(remembered))
    }

    fn failed(&self, error: io::Error) -> ArchiveError {
        ArchiveError::other(format!("{}: {error}", self.0.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::archive::chain::tests::{entries, now, path, shelf};
    use std::collections::BTreeMap;

    #[tokio::test]
    async fn a_chain_that_was_cut_short_is_seen_by_who_remembers_it() {
        let (folder, shelf) = shelf();
        let memory = Memory::in_folder(folder.path());
        memory.check(&shelf, &Chain::default()).await.unwrap();
        for hour in 1..=3 {
            let chain = Chain::append(&shelf, entries(&["x"]), Vec::new(), now(hour)).await.unwrap();
            memory.keep(&shelf, &chain).await.unwrap();
            memory.check(&shelf, &chain).await.unwrap();
        }
        fs::remove_file(path(&folder, 3)).unwrap();
        let short = Chain::read(&shelf).await.unwrap();
        let error = memory.check(&shelf, &short).await.unwrap_err().to_string();
        assert!(error.contains("manifest 3") && error.contains("gone"), "{error}");
        let other = Chain::append(&shelf, entries(&["y"]), Vec::new(), now(4)).await.unwrap();
        assert!(memory.check(&shelf, &other).await.is_err(), "another manifest of that number");
        let later = Chain::append(&shelf, entries(&["z"]), Vec::new(), now(5)).await.unwrap();
        memory.check(&shelf, &later).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_remembered_of_one_archive_says_nothing_of_another() {
        let ((folder, here), (_elsewhere, there)) = (shelf(), shelf());
        let memory = Memory::in_folder(folder.path());
        let chain = Chain::append(&here, entries(&["x"]), Vec::new(), now(1)).await.unwrap();
        memory.keep(&here, &chain).await.unwrap();
        memory.check(&there, &Chain::default()).await.unwrap();
        assert!(memory.check(&here, &Chain::default()).await.is_err());
        // As it was written before it said of which.
        let old = format!("{{\"number\":1,\"sha256\":\"{}\"}}", chain.head);
        fs::write(memory.file(), old).unwrap();
        memory.check(&here, &chain).await.unwrap();
        assert!(
            memory
                .check(&here, &Chain::append(&there, BTreeMap::new(), Vec::new(), now(1)).await.unwrap())
                .await
                .is_err()
        );
    }

    #[tokio::test]
    async fn one_writes_down_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (Memory::in_folder(folder.path()), Memory::in_folder(folder.path()));
        let turn = one.turn().await.unwrap();
        let waiting = tokio::spawn(async move { other.turn().await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(turn);
        waiting.await.unwrap().unwrap();
    }
}
