//! The folder of a drill: held by one at a time, bounded, and empty again afterwards, also of what one that was killed left there.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use nix::sys::statvfs::statvfs;

use crate::ops::archive::shelf::ArchiveError;
use crate::postgres::copy;
use crate::postgres::managed::Layout;

/// The folder's name in the one that is given.
const FOLDER: &str = "picket-drill";
/// What says that a folder is a drill's: nothing else is ever removed.
const MARK: &str = ".picket-drill";
/// So much stays free for everybody else on the disk.
pub(super) const RESERVE: u64 = 1 << 30;
/// With less than that a drill that runs is broken off.
const LEAST: u64 = RESERVE / 2;

/// A folder that is a drill's until it is given back.
#[derive(Debug)]
pub struct Scratch {
    folder: PathBuf,
    _lock: Flock<File>,
}

impl Scratch {
    /// Takes the folder for drills in `parent`, and clears away what one that was killed left there.
    ///
    /// # Errors
    /// When another drill has it, it cannot be made, or something is there that is no drill's.
    pub async fn take(parent: &Path) -> Result<Self, ArchiveError> {
        DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(|error| failed(parent, &error))?;
        let path = parent.join(format!("{FOLDER}.lock"));
        let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = opened.map_err(|error| failed(&path, &error))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| {
            ArchiveError::other(format!("another drill runs in {}: wait until it has ended", parent.display()))
        })?;
        let scratch = Self { folder: parent.join(FOLDER), _lock: lock };
        scratch.clear().await?;
        let folder = &scratch.folder;
        DirBuilder::new().mode(0o700).create(folder).map_err(|error| failed(folder, &error))?;
        let mark = folder.join(MARK);
        let mut file = File::create(&mark).map_err(|error| failed(&mark, &error))?;
        file.write_all(b"A restore drill of Picket works here, and removes all of it.\n")
            .map_err(|error| failed(&mark, &error))?;
        Ok(scratch)
    }

    /// Where the copy goes.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// That there is room for so many bytes, and enough is left.
    ///
    /// # Errors
    /// How much is needed and how much there is.
    pub fn has_room(&self, needed: u64) -> Result<u64, ArchiveError> {
        let free = free(&self.folder)?;
        if free >= needed.saturating_add(RESERVE) {
            return Ok(free);
        }
        Err(ArchiveError::other(format!(
            "the drill needs {} MiB in {}, and {} MiB must stay free beside it; {} MiB are free: make room, or name a folder on another \
             disk by [archive] drill_directory",
            needed >> 20,
            self.folder.display(),
            RESERVE >> 20,
            free >> 20
        )))
    }

    /// That the disk is not about to be full.
    ///
    /// # Errors
    /// When it is.
    pub fn is_bounded(&self) -> Result<(), ArchiveError> {
        let free = free(&self.folder)?;
        if free >= LEAST {
            return Ok(());
        }
        Err(ArchiveError::other(format!(
            "only {} MiB are left free in {}: the drill was broken off, so that the disk does not fill up",
            free >> 20,
            self.folder.display()
        )))
    }

    /// Removes everything.
    ///
    /// # Errors
    /// When it cannot be.
    pub async fn give_back(self) -> Result<(), ArchiveError> {
        self.clear().await
    }

    async fn clear(&self) -> Result<(), ArchiveError> {
        let folder = &self.folder;
        let mut entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(folder, &error)),
        };
        if !folder.join(MARK).exists() && entries.next().is_some() {
            let why = format!("{} holds something that is no drill's: move it away", folder.display());
            return Err(ArchiveError::other(why));
        }
        let layout = Layout::of(&self.data_dir());
        copy::end_left_over(&layout).await;
        let socket = layout.socket_directory();
        if !socket.starts_with(folder) {
            let _ = fs::remove_dir_all(&socket);
        }
        // The mark goes last: what is left by a removal that broke off is a drill's too.
        let data = self.data_dir();
        match fs::remove_dir_all(&data) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(&data, &error)),
            _ => {}
        }
        fs::remove_dir_all(folder).map_err(|error| failed(folder, &error))
    }
}

/// Clears away what a drill left that was killed; whether there was anything. Does nothing while one runs.
///
/// # Errors
/// When it cannot be removed.
pub async fn tidy(parent: &Path) -> Result<bool, ArchiveError> {
    if !parent.join(FOLDER).exists() {
        return Ok(false);
    }
    Scratch::take(parent).await?.give_back().await.map(|()| true)
}

fn free(folder: &Path) -> Result<u64, ArchiveError> {
    let stat = statvfs(folder).map_err(|errno| failed(folder, &errno.into()))?;
    Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
}

fn failed(path: &Path, error: &std::io::Error) -> ArchiveError {
    ArchiveError::other(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_is_one_drills_at_a_time_and_empty_afterwards() {
        let parent = tempfile::tempdir().unwrap();
        assert!(!tidy(parent.path()).await.unwrap());
        let scratch = Scratch::take(parent.path()).await.unwrap();
        let error = Scratch::take(parent.path()).await.unwrap_err().to_string();
        assert!(error.contains("another drill"), "{error}");
        fs::create_dir(scratch.data_dir()).unwrap();
        fs::write(scratch.data_dir().join("file"), "x").unwrap();
        // As when its process is killed: the lock is let go of, and the folder stays.
        drop(scratch);
        assert!(parent.path().join(FOLDER).join("data/file").exists());
        let scratch = Scratch::take(parent.path()).await.unwrap();
        assert!(!scratch.data_dir().exists());
        drop(scratch);
        assert!(tidy(parent.path()).await.unwrap());
        assert!(!parent.path().join(FOLDER).exists());
    }

    #[tokio::test]
    async fn what_is_no_drills_is_not_removed() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join(FOLDER).join("mine");
        fs::create_dir(parent.path().join(FOLDER)).unwrap();
        fs::write(&file, "x").unwrap();
        let error = Scratch::take(parent.path()).await.unwrap_err().to_string();
        assert!(error.contains("move it away"), "{error}");
        assert!(file.exists());
    }

    #[tokio::test]
    async fn a_drill_says_how_much_room_it_needs() {
        let parent = tempfile::tempdir().unwrap();
        let scratch = Scratch::take(parent.path()).await.unwrap();
        let error = scratch.has_room(u64::MAX >> 1).unwrap_err().to_string();
        assert!(error.contains("must stay free") && error.contains("drill_directory"), "{error}");
        scratch.give_back().await.unwrap();
    }
}
