//! The master keys: one text, by default a file of mode 0600 outside the data. The last key seals, every key opens. Where the text comes
//! from is [`super::source`]'s to know.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use picket_shared::secret::Secret;
use picket_shared::time::Timestamp;
use zeroize::Zeroizing;

use super::{MasterKey, VaultError, files, token};

/// The file's name in the keys' directory.
pub const FILE: &str = "master-keys.txt";
const TITLE: &str = "picket master keys 1";
const README: &str = "\
These are the master keys of a Picket collector. With them it reads the secrets in its database: those of probes, and\n\
the logins of monitors and channels. Copy master-keys.txt away now, to a safe place that is not the place of the\n\
backups. Without it those secrets are lost, and the collector refuses to start. Whoever has it and a copy of the\n\
database can read them. Never edit it.\n";

/// A master key.
#[derive(Clone, Debug)]
struct Key {
    id: u32,
    /// In seconds; rings of before have none.
    made_at: Option<i64>,
    master: Arc<MasterKey>,
}

/// The keys in the order in which they were made; there is always one.
#[derive(Clone, Debug)]
pub struct KeyRing {
    older: Vec<Key>,
    newest: Key,
}

impl KeyRing {
    /// A ring with one new key, in memory.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn generate() -> Result<Self, VaultError> {
        Ok(Self { older: Vec::new(), newest: new_key(None)? })
    }

    /// A ring with one key that is made now.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn make(now: Timestamp) -> Result<Self, VaultError> {
        Ok(Self { older: Vec::new(), newest: new_key(Some(now))? })
    }

    /// Adds a new key, with which everything is sealed from now on.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn rotate(&mut self, now: Timestamp) -> Result<(), VaultError> {
        let key = new_key(Some(now))?;
        self.older.push(std::mem::replace(&mut self.newest, key));
        Ok(())
    }

    /// Without one of the older keys; `None` where that is none of them.
    pub fn without(&self, id: u32) -> Option<Self> {
        let older: Vec<Key> = self.older.iter().filter(|key| key.id != id).cloned().collect();
        (older.len() < self.older.len()).then(|| Self { older, newest: self.newest.clone() })
    }

    /// Writes a new ring with its note for people; an existing one is never overwritten.
    ///
    /// # Errors
    /// When the directory or the files cannot be written.
    pub fn create(directory: &Path, now: Timestamp) -> Result<Self, VaultError> {
        let ring = Self::make(now)?;
        let path = directory.join(FILE);
        files::write_new(&path, &ring.text())?;
        let note = directory.join("README.txt");
        fs::write(&note, README).map_err(|error| VaultError::File { path: note, error })?;
        Ok(ring)
    }

    /// The name of the key with which everything is sealed and signed.
    pub fn newest_id(&self) -> u32 {
        self.newest.id
    }

    /// When a key was made; none where that is not known, or the key is not there.
    pub fn made_at(&self, id: u32) -> Option<Timestamp> {
        self.all().find(|key| key.id == id)?.made_at.map(Timestamp::from_seconds)
    }

    /// When the key after this one was made: from then on nothing is sealed or signed by this one.
    pub fn followed_at(&self, id: u32) -> Option<Timestamp> {
        self.all().skip_while(|key| key.id != id).nth(1)?.made_at.map(Timestamp::from_seconds)
    }

    fn all(&self) -> impl Iterator<Item = &Key> {
        self.older.iter().chain([&self.newest])
    }

    /// How many keys there are.
    pub fn count(&self) -> usize {
        self.older.len() + 1
    }

    pub(super) fn newest(&self) -> (u32, &Arc<MasterKey>) {
        (self.newest.id, &self.newest.master)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = (u32, &Arc<MasterKey>)> {
        self.all().map(|key| (key.id, &key.master))
    }

    /// The names of all keys, the newest last.
    pub fn ids(&self) -> Vec<u32> {
        self.keys().map(|(id, _)| id).collect()
    }

    /// Puts this ring into the place of the one in a directory, or into a file of any name.
    ///
    /// # Errors
    /// When it cannot be written; then the old one is there as it was.
    pub fn replace(&self, path: &Path) -> Result<(), VaultError> {
        files::replace(path, &self.text())
    }

    /// Writes this ring into a directory that has none.
    ///
    /// # Errors
    /// When there is one, or it cannot be written.
    pub fn write(&self, directory: &Path) -> Result<PathBuf, VaultError> {
        let path = directory.join(FILE);
        files::write_new(&path, &self.text())?;
        Ok(path)
    }

    /// The ring of a text.
    ///
    /// # Errors
    /// The line that cannot be read.
    pub(super) fn parse(text: &str) -> Result<Self, usize> {
        parse(text)
    }

    pub(super) fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(format!("{TITLE}\n"));
        for key in self.all() {
            let _ = write!(text, "{:08x} {}", key.id, *Zeroizing::new(STANDARD.encode(key.master.expose())));
            let _ = key.made_at.map(|at| write!(text, " {at}"));
            text.push('\n');
        }
        text
    }
}

/// Where the ring lies in a directory.
pub fn file(directory: &Path) -> PathBuf {
    directory.join(FILE)
}

/// When the ring in a directory was last changed, by its file.
///
/// # Errors
/// When there is none.
pub fn written_at(directory: &Path) -> Result<Timestamp, VaultError> {
    let path = file(directory);
    let found = fs::metadata(&path).map_err(|error| VaultError::File { path, error })?;
    Ok(Timestamp::from_seconds(found.mtime()))
}

fn new_key(now: Option<Timestamp>) -> Result<Key, VaultError> {
    // A random id, so that two rings are told apart by their ids and not by failing to open.
    let (id, master) = (u32::from_be_bytes(token::random_bytes()?), Arc::new(Secret::new(token::random_bytes()?)));
    Ok(Key { id, made_at: now.map(|now| now.micros() / 1_000_000), master })
}

fn parse(text: &str) -> Result<KeyRing, usize> {
    let mut lines = text.lines().enumerate();
    if lines.next().is_none_or(|(_, title)| title != TITLE) {
        return Err(1);
    }
    let mut keys = Vec::new();
    for (index, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        keys.push(parse_key(line).ok_or(index + 1)?);
    }
    let newest = keys.pop().ok_or(2_usize)?;
    Ok(KeyRing { older: keys, newest })
}

fn parse_key(line: &str) -> Option<Key> {
    let mut words = line.split_whitespace();
    let (id, key, made_at) = (words.next()?, words.next()?, words.next());
    let bytes = Zeroizing::new(STANDARD.decode(key).ok()?);
    let key: [u8; 32] = bytes.as_slice().try_into().ok()?;
    let made_at = made_at.map(str::parse).transpose().ok()?;
    let is_whole = words.next().is_none();
    is_whole.then_some(Key { id: u32::from_str_radix(id, 16).ok()?, made_at, master: Arc::new(Secret::new(key)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Keys;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    #[test]
    fn a_new_ring_is_private_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("keys");
        assert!(KeyRing::load(&Keys::in_folder(&directory)).unwrap().is_none());
        let made = KeyRing::create(&directory, NOW).unwrap();
        let read = KeyRing::load(&Keys::in_folder(&directory)).unwrap().unwrap();
        assert_eq!(made.ids(), read.ids());
        assert_eq!(fs::metadata(file(&directory)).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o777, 0o700);
        assert!(fs::read_to_string(directory.join("README.txt")).unwrap().contains("Copy"));
    }

    #[test]
    fn a_ring_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let made = KeyRing::create(folder.path(), NOW).unwrap();
        assert!(KeyRing::create(folder.path(), NOW).is_err());
        assert_eq!(KeyRing::load(&Keys::in_folder(folder.path())).unwrap().unwrap().ids(), made.ids());
    }

    #[test]
    fn a_ring_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        KeyRing::create(folder.path(), NOW).unwrap();
        fs::set_permissions(file(folder.path()), fs::Permissions::from_mode(0o640)).unwrap();
        let error = KeyRing::load(&Keys::in_folder(folder.path())).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_damaged_ring_says_where() {
        let mut ring = KeyRing::generate().unwrap();
        ring.rotate(NOW).unwrap();
        let text = ring.text();
        assert_eq!(parse(&text).unwrap().ids(), ring.ids());
        assert_eq!(parse("").unwrap_err(), 1);
        assert_eq!(parse(&format!("{TITLE}\n")).unwrap_err(), 2);
        assert_eq!(parse(&text[..text.len() - 18]).unwrap_err(), 3);
        assert_eq!(parse(&format!("{} 1\n", text.trim_end())).unwrap_err(), 3);
    }

    #[test]
    fn a_key_knows_when_it_was_made_and_followed_and_only_an_older_one_can_go() {
        let mut ring = KeyRing::make(NOW).unwrap();
        let first = ring.newest_id();
        let later = Timestamp::from_seconds(1_790_000_900);
        ring.rotate(later).unwrap();
        let read = parse(&ring.text()).unwrap();
        assert_eq!((read.made_at(first), read.followed_at(first)), (Some(NOW), Some(later)));
        assert_eq!(read.followed_at(read.newest_id()), None);
        assert!(read.without(read.newest_id()).is_none());
        assert_eq!(read.without(first).unwrap().ids(), [read.newest_id()]);
        // A ring of before says nothing of times.
        let text =
            read.text().lines().map(|line| line.split(" 17").next().unwrap().to_owned() + "\n").collect::<String>();
        let old = parse(&text).unwrap();
        assert_eq!((old.ids(), old.made_at(first)), (read.ids(), None));
    }
}
