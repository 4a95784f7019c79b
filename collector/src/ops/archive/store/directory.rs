//! A folder as a store: written beside, flushed, linked into place, and the folder flushed.
//!
//! Who archives leaves a mark in the folder, without which nothing is put, and nothing said not to be there: a mount point whose
//! disk is away is an empty folder too.
//!
//! A link fails where a file is already, so nothing is ever replaced, whoever else writes at the same time. A file that could
//! not be flushed is thrown away and written anew: the same handle would say next time that all is well.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::{Answer, Listed, MOST_LISTED, Put, Store, StoreError, check_name, too_many};
use crate::ops::archive::object::MOST_STORED;
use crate::vault::token::random_bytes;

/// Files that are still being written begin so.
const UNFINISHED: &str = ".new-";

/// The mark of a folder that somebody archives to. No object has such a name.
const MARK: &str = ".picket-archive";
const MARK_SAYS: &[u8] =
    b"Picket archives here. Leave this file: where it is missing, the disk is taken for not mounted.\n";

/// A store in a folder.
#[derive(Clone, Debug)]
pub struct Directory {
    root: PathBuf,
    /// Whether it must have its mark; who only looks may look at a copy without.
    is_marked: bool,
    /// Folders whose names are on the disk.
    settled: Arc<Mutex<HashSet<PathBuf>>>,
}

impl Directory {
    /// The store in that folder for who archives; it is made and marked if it is new. `remembered` is the file that says that
    /// something was archived there before: then it is not new.
    ///
    /// # Errors
    /// When it cannot be made, nothing can be written into it, or it is empty and should not be.
    pub fn make(root: &Path, remembered: Option<&Path>) -> Result<Self, StoreError> {
        let store = Self::at(root, true);
        let empty = |remembered: &Path| StoreError::Refused {
            place: store.place(),
            why: format!(
                "it was archived to before, and holds nothing: mount its disk. If what lay there is lost and another archive is to \
                 begin, remove {}",
                remembered.display()
            ),
        };
        if let Some(remembered) = remembered.filter(|_| !store.is_there() && !holds_any(root)) {
            return Err(empty(remembered));
        }
        make_folders(root).and_then(|()| store.mark()).map_err(|error| refused(root, &error))?;
        store.sweep().map_err(|error| refused(root, &error))?;
        Ok(store)
    }

    /// The store in that folder for who only looks; it must be there.
    ///
    /// # Errors
    /// When it is not there.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let store = Self::at(root, false);
        store.sweep().map_err(|error| refused(root, &error))?;
        Ok(store)
    }

    /// The same for who writes into it beside a collector: it must have its mark.
    #[must_use]
    pub fn marked(self) -> Self {
        Self { is_marked: true, ..self }
    }

    fn at(root: &Path, is_marked: bool) -> Self {
        Self { root: root.to_owned(), is_marked, settled: Arc::default() }
    }

    fn mark(&self) -> io::Result<()> {
        if self.is_there() {
            return Ok(());
        }
        match write_whole(&self.root.join(MARK), MARK_SAYS) {
            Ok(_) => flush(&self.root),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn is_there(&self) -> bool {
        self.root.join(MARK).exists()
    }

    /// A disk that is not mounted any more must not be mistaken for a store that is empty.
    fn must_be_there(&self) -> io::Result<()> {
        fs::metadata(&self.root)?;
        if self.is_marked && !self.is_there() {
            return Err(io::Error::new(ErrorKind::NotFound, "its mark is missing: mount its disk"));
        }
        Ok(())
    }

    fn path(&self, name: &str) -> Result<PathBuf, StoreError> {
        check_name(name)?;
        Ok(self.root.join(name))
    }

    /// Throws away what a crash left unfinished: what somebody still writes is locked.
    fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            if !entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                continue;
            }
            match File::open(entry.path()) {
                Ok(file) if file.try_lock().is_ok() => remove_if_there(&entry.path())?,
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// A file on the disk that the store's root is on, and out of the way of listings.
    fn beside(&self) -> io::Result<PathBuf> {
        let mark = random_bytes::<8>().map_err(io::Error::other)?;
        Ok(self.root.join(format!("{UNFINISHED}{:016x}", u64::from_be_bytes(mark))))
    }

    /// Makes a folder and those above it, each flushed into the one above; the root must be there. Also where they are there already: whoever
    /// made them may have failed, or been killed, before it came to that.
    fn settle(&self, folder: &Path) -> io::Result<()> {
        if folder == self.root {
            return Ok(());
        }
        let is_settled = || self.settled.lock().unwrap_or_else(PoisonError::into_inner).contains(folder);
        if is_settled() && folder.is_dir() {
            return Ok(());
        }
        let above = folder.parent().ok_or(ErrorKind::NotFound)?;
        self.settle(above)?;
        make_folder(folder)?;
        flush(above)?;
        self.settled.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned());
        Ok(())
    }

    fn put_now(&self, path: &Path, object: &[u8]) -> io::Result<Put> {
        self.must_be_there()?;
        let folder = path.parent().unwrap_or(&self.root);
        self.settle(folder)?;
        let beside = self.beside()?;
        let put = write_whole(&beside, object).and_then(|_locked| match fs::hard_link(&beside, path) {
            Ok(()) => Ok(Put::Stored),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Put::Exists),
            Err(error) => Err(error),
        });
        let _ = fs::remove_file(&beside);
        // Also where it was there already: whoever put it may have been killed before it came to this.
        put.and_then(|put| flush(folder).and_then(|()| self.must_be_there()).map(|()| put))
    }
}

impl Store for Directory {
    fn ready(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            let store = self.clone();
            blocking(self.root.clone(), move || {
                store.must_be_there()?;
                let beside = store.beside()?;
                let written = write_whole(&beside, b"ready");
                remove_if_there(&beside)?;
                written.map(|_| ())
            })
            .await
        })
    }

    fn put<'a>(&'a self, name: &'a str, object: Bytes) -> Answer<'a, Put> {
        Box::pin(async move {
            let (store, path) = (self.clone(), self.path(name)?);
            blocking(self.root.join(name), move || store.put_now(&path, &object)).await
        })
    }

    fn get<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Bytes>> {
        Box::pin(async move {
            let (store, path) = (self.clone(), self.path(name)?);
            blocking(path.clone(), move || match read_bounded(&path) {
                Ok(object) => Ok(Some(Bytes::from(object))),
                Err(error) if error.kind() == ErrorKind::NotFound => store.must_be_there().map(|()| None),
                Err(error) => Err(error),
            })
            .await
        })
    }

    fn list<'a>(&'a self, front: &'a str) -> Answer<'a, Vec<Listed>> {
        Box::pin(async move {
            let (store, front) = (self.clone(), front.to_owned());
            blocking(self.root.clone(), move || {
                let mut found = Vec::new();
                let folder = front.rsplit_once('/').map_or("", |(folder, _)| folder);
                walk(&store.root, folder, &mut found)?;
                // After the look: what vanished meanwhile is no short list either.
                store.must_be_there()?;
                found.retain(|listed| listed.name.starts_with(&front));
                found.sort_by(|a, b| a.name.cmp(&b.name));
                Ok(found)
            })
            .await
        })
    }

    fn remove<'a>(&'a self, name: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            let path = self.path(name)?;
            blocking(path.clone(), move || {
                remove_if_there(&path)?;
                path.parent().filter(|folder| folder.exists()).map_or(Ok(()), flush)
            })
            .await
        })
    }

    fn place(&self) -> String {
        self.root.display().to_string()
    }
}

async fn blocking<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    let failed = |why: String| StoreError::Failed { place: path.display().to_string(), why };
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| failed(error.to_string())),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// Writes a file, on the disk when this returns; it is locked as long as the handle lives.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.lock()?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(file)
}

/// A whole file, which is one and no larger than an object can be: a pipe would never end.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
    let size = file.metadata().map(|metadata| if metadata.is_file() { Some(metadata.len()) } else { None })?;
    let size = size.and_then(|size| usize::try_from(size).ok()).filter(|size| *size <= MOST_STORED);
    let mut object = Vec::with_capacity(size.ok_or_else(strange)?);
    file.take(u64::try_from(MOST_STORED).unwrap_or(u64::MAX) + 1).read_to_end(&mut object)?;
    if object.len() <= MOST_STORED { Ok(object) } else { Err(strange()) }
}

fn strange() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "it is no file, or larger than any object of an archive")
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether a folder without a mark holds a cluster's, as those do that were made before marks were.
fn holds_any(root: &Path) -> bool {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let is_system = |name: &str| name.len() == 20 && name.bytes().all(|byte| byte.is_ascii_digit());
    entries.filter_map(|entry| entry.file_name().into_string().ok()).any(|name| is_system(&name))
}

fn refused(root: &Path, error: &io::Error) -> StoreError {
    let why =
        format!("{error}: make it a folder that the collector's user may write, and mount its disk if it has one");
    StoreError::Refused { place: root.display().to_string(), why }
}

/// Makes a folder and those above it, each flushed into the one above.
fn make_folders(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().ok_or(ErrorKind::NotFound)?;
    make_folders(above)?;
    make_folder(folder)?;
    flush(above)
}

fn make_folder(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn flush(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Every finished file below `folder` of `root`; one that vanishes meanwhile is not there.
fn walk(root: &Path, folder: &str, found: &mut Vec<Listed>) -> io::Result<()> {
    let entries = match fs::read_dir(root.join(folder)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let file = entry.file_name();
        let file = file.to_string_lossy();
        let name = if folder.is_empty() { file.to_string() } else { format!("{folder}/{file}") };
        if check_name(&name).is_err() {
            continue;
        }
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => walk(root, &name, found)?,
            Ok(metadata) if found.len() < MOST_LISTED => found.push(Listed { name, size: metadata.len() }),
            Ok(_) => return Err(io::Error::other(too_many())),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn bytes(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    fn store() -> (tempfile::TempDir, Directory) {
        let folder = tempfile::tempdir().unwrap();
        let store = Directory::make(&folder.path().join("deep/archive"), None).unwrap();
        (folder, store)
    }

    fn names(listed: &[Listed]) -> Vec<&str> {
        listed.iter().map(|listed| listed.name.as_str()).collect()
    }

    #[tokio::test]
    async fn what_was_put_is_there_and_is_never_replaced() {
        let (_folder, store) = store();
        assert_eq!(store.get("a/b").await.unwrap(), None);
        assert_eq!(store.put("a/b", bytes("one")).await.unwrap(), Put::Stored);
        assert_eq!(store.put("a/b", bytes("two")).await.unwrap(), Put::Exists);
        assert_eq!(store.put("a/b", bytes("one")).await.unwrap(), Put::Exists);
        assert_eq!(store.get("a/b").await.unwrap(), Some(bytes("one")));
        store.remove("a/b").await.unwrap();
        store.remove("a/b").await.unwrap();
        assert_eq!(store.get("a/b").await.unwrap(), None);
    }

    #[tokio::test]
    async fn of_many_who_put_one_name_at_once_one_wins_and_it_is_whole() {
        let (_folder, store) = store();
        let tasks = (0..32_u8).map(|number| {
            let store = store.clone();
            tokio::spawn(async move { store.put("x/y", Bytes::from(vec![number; 100_000])).await.unwrap() })
        });
        let mut stored = 0;
        for task in tasks.collect::<Vec<_>>() {
            stored += usize::from(task.await.unwrap() == Put::Stored);
        }
        assert_eq!(stored, 1);
        let found = store.get("x/y").await.unwrap().unwrap();
        assert!(found.len() == 100_000 && found.iter().all(|byte| *byte == found[0]));
        assert_eq!(store.list("").await.unwrap().len(), 1, "nothing unfinished is listed or left");
    }

    #[tokio::test]
    async fn a_list_has_every_name_that_begins_so_in_order() {
        let (_folder, store) = store();
        for name in ["s/wal/2/b", "s/wal/1/a", "s/wal/1/c", "s/base/1/x", "t/wal/1/a"] {
            store.put(name, bytes("four")).await.unwrap();
        }
        let all = store.list("s/wal/").await.unwrap();
        assert_eq!(names(&all), ["s/wal/1/a", "s/wal/1/c", "s/wal/2/b"]);
        assert_eq!(all[0].size, 4);
        assert_eq!(names(&store.list("s/wal/1/a").await.unwrap()), ["s/wal/1/a"]);
        assert_eq!(names(&store.list("s/w").await.unwrap()).len(), 3);
        assert_eq!(store.list("").await.unwrap().len(), 5);
        assert!(store.list("nothing/").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_file_that_is_no_object_is_not_read_to_its_end() {
        let (folder, store) = store();
        let root = folder.path().join("deep/archive");
        File::create(root.join("huge")).unwrap().set_len(u64::try_from(MOST_STORED).unwrap() + 1).unwrap();
        nix::unistd::mkfifo(&root.join("pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        for name in ["huge", "pipe"] {
            let error = store.get(name).await.unwrap_err();
            assert!(error.to_string().contains("larger than any object"), "{error}");
        }
        fs::create_dir(root.join("many")).unwrap();
        for number in 0..=MOST_LISTED {
            File::create(root.join(format!("many/{number}"))).unwrap();
        }
        assert!(store.list("many/").await.unwrap_err().to_string().contains("no archive"));
    }

    #[tokio::test]
    async fn what_a_crash_left_is_swept_and_seen_by_nobody() {
        let (folder, store) = store();
        let left = folder.path().join("deep/archive").join(format!("{UNFINISHED}0123"));
        fs::write(&left, "half").unwrap();
        assert!(store.list("").await.unwrap().is_empty());
        Directory::open(&folder.path().join("deep/archive")).unwrap();
        assert!(!left.exists());
        // What another process is just writing stays.
        let writing = File::create(&left).unwrap();
        writing.lock().unwrap();
        Directory::open(&folder.path().join("deep/archive")).unwrap();
        assert!(left.exists());
    }

    #[tokio::test]
    async fn a_store_that_went_away_is_an_error_and_not_empty() {
        let (folder, store) = store();
        store.put("a", bytes("one")).await.unwrap();
        fs::remove_dir_all(folder.path().join("deep")).unwrap();
        assert!(store.get("a").await.unwrap_err().is_transient());
        assert!(store.list("").await.is_err());
        // Nothing is put beside the mount point that is gone: the folder above it is not the store.
        assert!(store.put("b", bytes("two")).await.is_err());
        // Who looks at it makes nothing either; only who archives does.
        assert!(Directory::open(&folder.path().join("deep/archive")).is_err());
        assert!(!folder.path().join("deep").exists());
    }

    #[tokio::test]
    async fn an_empty_mount_point_is_neither_a_new_archive_nor_an_empty_one() {
        let (folder, store) = store();
        let (root, memory) = (folder.path().join("deep/archive"), Path::new("/data/archive-head.json"));
        store.put("a/b", bytes("one")).await.unwrap();
        store.ready().await.unwrap();
        assert_eq!(names(&store.list("").await.unwrap()), ["a/b"], "the mark is no object");
        // The disk goes away under it.
        fs::rename(&root, folder.path().join("disk")).unwrap();
        fs::create_dir(&root).unwrap();
        for error in [
            store.put("c", bytes("two")).await.unwrap_err(),
            store.get("a/b").await.unwrap_err(),
            store.list("").await.unwrap_err(),
            store.ready().await.unwrap_err(),
            Directory::open(&root).unwrap().marked().put("c", bytes("two")).await.unwrap_err(),
        ] {
            assert!(error.is_transient() && error.to_string().contains("mount its disk"), "{error}");
        }
        assert!(fs::read_dir(&root).unwrap().next().is_none(), "nothing was put on the mount point");
        // And at the next start.
        let error = Directory::make(&root, Some(memory)).unwrap_err();
        let says = error.to_string();
        assert!(!error.is_transient() && says.contains("mount its disk") && says.contains("archive-head"), "{says}");
        fs::remove_dir(&root).unwrap();
        assert!(Directory::make(&root, Some(memory)).is_err());
        assert!(!root.exists(), "and none is made where it should be mounted");
        fs::rename(folder.path().join("disk"), &root).unwrap();
        Directory::make(&root, Some(memory)).unwrap();
        assert_eq!(store.get("a/b").await.unwrap(), Some(bytes("one")));
    }

    #[tokio::test]
    async fn an_archive_from_before_there_were_marks_is_marked_and_a_copy_without_one_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let system = folder.path().join("00000000000000000007");
        fs::create_dir(&system).unwrap();
        fs::write(system.join("owner"), "one").unwrap();
        let reader = Directory::open(folder.path()).unwrap();
        assert_eq!(reader.get("00000000000000000007/owner").await.unwrap(), Some(bytes("one")));
        assert_eq!(reader.get("00000000000000000008/owner").await.unwrap(), None);
        Directory::make(folder.path(), Some(Path::new("/data/archive-head.json"))).unwrap();
        assert!(folder.path().join(MARK).exists());
    }

    #[tokio::test]
    async fn files_are_private_and_a_wrong_name_reaches_none() {
        let (folder, store) = store();
        store.put("a/b", bytes("one")).await.unwrap();
        let path = folder.path().join("deep/archive/a/b");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        for bad in ["../x", "/etc/passwd", ""] {
            assert!(matches!(store.get(bad).await, Err(StoreError::Name(_))));
            assert!(matches!(store.put(bad, bytes("x")).await, Err(StoreError::Name(_))));
            assert!(matches!(store.remove(bad).await, Err(StoreError::Name(_))));
        }
    }
}
