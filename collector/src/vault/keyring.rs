//! The master keys: one text file, mode 0600, outside the data. The last key seals, every key opens.

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

/// The keys in the order in which they were made; there is always one.
#[derive(Clone, Debug)]
pub struct KeyRing {
    older: Vec<(u32, Arc<MasterKey>)>,
    newest: (u32, Arc<MasterKey>),
}

impl KeyRing {
    /// A ring with one new key, in memory.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn generate() -> Result<Self, VaultError> {
        Ok(Self { older: Vec::new(), newest: new_key()? })
    }

    /// Adds a new key, with which everything is sealed from now on.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn rotate(&mut self) -> Result<(), VaultError> {
        let key = new_key()?;
        self.older.push(std::mem::replace(&mut self.newest, key));
        Ok(())
    }

    /// Reads the ring from its directory; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read, others can read it, or it is damaged.
    pub fn load(directory: &Path) -> Result<Option<Self>, VaultError> {
        let path = directory.join(FILE);
        let Some(text) = files::read(&path)? else { return Ok(None) };
        parse(text.expose()).map(Some).map_err(|line| VaultError::Damaged { path, line })
    }

    /// Writes a new ring with its note for people; an existing one is never overwritten.
    ///
    /// # Errors
    /// When the directory or the files cannot be written.
    pub fn create(directory: &Path) -> Result<Self, VaultError> {
        let ring = Self::generate()?;
        let path = directory.join(FILE);
        files::write_new(&path, &ring.text())?;
        let note = directory.join("README.txt");
        fs::write(&note, README).map_err(|error| VaultError::File { path: note, error })?;
        Ok(ring)
    }

    /// The name of the key with which everything is sealed and signed.
    pub fn newest_id(&self) -> u32 {
        self.newest.0
    }

    /// How many keys there are.
    pub fn count(&self) -> usize {
        self.older.len() + 1
    }

    pub(super) fn newest(&self) -> (u32, &Arc<MasterKey>) {
        (self.newest.0, &self.newest.1)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = (u32, &Arc<MasterKey>)> {
        self.older.iter().chain([&self.newest]).map(|(id, key)| (*id, key))
    }

    /// The names of all keys, the newest last.
    pub fn ids(&self) -> Vec<u32> {
        self.keys().map(|(id, _)| id).collect()
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

    /// The ring of a file's text; `None` when it is none.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        parse(text).ok()
    }

    pub(super) fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(format!("{TITLE}\n"));
        for (id, key) in self.keys() {
            let _ = writeln!(text, "{id:08x} {}", *Zeroizing::new(STANDARD.encode(key.expose())));
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

fn new_key() -> Result<(u32, Arc<MasterKey>), VaultError> {
    // A random id, so that two rings are told apart by their ids and not by failing to open.
    Ok((u32::from_be_bytes(token::random_bytes()?), Arc::new(Secret::new(token::random_bytes()?))))
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

fn parse_key(line: &str) -> Option<(u32, Arc<MasterKey>)> {
    let (id, key) = line.split_once(' ')?;
    let bytes = Zeroizing::new(STANDARD.decode(key.trim()).ok()?);
    let key: [u8; 32] = bytes.as_slice().try_into().ok()?;
    Some((u32::from_str_radix(id, 16).ok()?, Arc::new(Secret::new(key))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn a_new_ring_is_private_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("keys");
        assert!(KeyRing::load(&directory).unwrap().is_none());
        let made = KeyRing::create(&directory).unwrap();
        let read = KeyRing::load(&directory).unwrap().unwrap();
        assert_eq!(made.ids(), read.ids());
        assert_eq!(fs::metadata(file(&directory)).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o777, 0o700);
        assert!(fs::read_to_string(directory.join("README.txt")).unwrap().contains("Copy"));
    }

    #[test]
    fn a_ring_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let made = KeyRing::create(folder.path()).unwrap();
        assert!(KeyRing::create(folder.path()).is_err());
        assert_eq!(KeyRing::load(folder.path()).unwrap().unwrap().ids(), made.ids());
    }

    #[test]
    fn a_ring_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        KeyRing::create(folder.path()).unwrap();
        fs::set_permissions(file(folder.path()), fs::Permissions::from_mode(0o640)).unwrap();
        let error = KeyRing::load(folder.path()).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_damaged_ring_says_where() {
        let mut ring = KeyRing::generate().unwrap();
        ring.rotate().unwrap();
        let text = ring.text();
        assert_eq!(parse(&text).unwrap().ids(), ring.ids());
        assert_eq!(parse("").unwrap_err(), 1);
        assert_eq!(parse(&format!("{TITLE}\n")).unwrap_err(), 2);
        assert_eq!(parse(&text[..text.len() - 5]).unwrap_err(), 3);
    }
}
