//! The key ring: numbered 256-bit keys in one file (mode 0600), a line a key, the newest last.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use picket_shared::daykeys::hex;
use picket_shared::secret::Secret;

use super::{VaultError, token};

const FILE: &str = "keyring";
const HEAD: &str =
    "# Picket key ring. Copy this file to a safe place apart from the backups: without it no sealed value can be read.";

/// The keys, oldest first; the newest seals, each opens what it sealed.
pub struct KeyRing {
    keys: BTreeMap<u32, Secret<[u8; 32]>>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} keys)", self.keys.len())
    }
}

impl KeyRing {
    /// The file in a directory of keys.
    pub fn file_in(directory: &Path) -> PathBuf {
        directory.join(FILE)
    }

    /// Reads the ring.
    ///
    /// # Errors
    /// When it is missing, damaged, or can be read by others.
    pub fn read(directory: &Path) -> Result<Self, VaultError> {
        let file = Self::file_in(directory);
        let name = file.display().to_string();
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => Secret::new(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(VaultError::Missing(name)),
            Err(error) => return Err(VaultError::File { file: name, error }),
        };
        let mode = std::fs::metadata(&file)
            .map_err(|error| VaultError::File { file: name.clone(), error })?
            .permissions()
            .mode();
        if mode & 0o077 != 0 {
            return Err(VaultError::Readable(name));
        }
        Self::parse(text.expose()).ok_or(VaultError::Damaged(name))
    }

    /// Makes a ring of one key, unless there is a ring already.
    ///
    /// # Errors
    /// When the file or its directory cannot be written.
    pub fn create(directory: &Path) -> Result<Self, VaultError> {
        let file = Self::file_in(directory);
        let failed = |error| VaultError::File { file: file.display().to_string(), error };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        let key: [u8; 32] = token::random_bytes()?;
        let ring = Self { keys: BTreeMap::from([(1, Secret::new(key))]) };
        let mut out =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file).map_err(failed)?;
        out.write_all(ring.text().expose().as_bytes()).and_then(|()| out.sync_all()).map_err(failed)?;
        std::fs::File::open(directory).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Ok(ring)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut keys = BTreeMap::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (id, key) = line.split_once(' ')?;
            let mut bytes = [0; 32];
            if key.len() != 64 || !key.is_ascii() {
                return None;
            }
            for (i, byte) in bytes.iter_mut().enumerate() {
                *byte = u8::from_str_radix(key.get(2 * i..2 * i + 2)?, 16).ok()?;
            }
            keys.insert(id.parse().ok()?, Secret::new(bytes));
        }
        if keys.is_empty() { None } else { Some(Self { keys }) }
    }

    fn text(&self) -> Secret<String> {
        let lines = self.keys.iter().map(|(id, key)| format!("{id} {}\n", hex(key.expose())));
        Secret::new(format!("{HEAD}\n{}", lines.collect::<String>()))
    }

    /// The key that seals.
    pub(super) fn newest(&self) -> Option<(u32, &[u8; 32])> {
        self.keys.last_key_value().map(|(id, key)| (*id, key.expose()))
    }

    /// The key of that number.
    pub(super) fn get(&self, id: u32) -> Result<&[u8; 32], VaultError> {
        self.keys.get(&id).map(Secret::expose).ok_or(VaultError::UnknownKey(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_made_once_kept_private_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("keys");
        assert!(matches!(KeyRing::read(&directory), Err(VaultError::Missing(_))));
        let made = KeyRing::create(&directory).unwrap();
        let read = KeyRing::read(&directory).unwrap();
        assert_eq!(made.newest().map(|(id, key)| (id, *key)), read.newest().map(|(id, key)| (id, *key)));
        assert!(KeyRing::create(&directory).is_err(), "an existing ring is never overwritten");
        assert!(!format!("{read:?}").contains(&hex(read.newest().unwrap().1)));
        let file = KeyRing::file_in(&directory);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(KeyRing::read(&directory), Err(VaultError::Readable(_))));
    }

    #[test]
    fn the_newest_key_seals_and_old_ones_stay() {
        let ring =
            KeyRing::parse(&format!("# x\n1 {}\n10 {}\n2 {}\n", "11".repeat(32), "aa".repeat(32), "22".repeat(32)));
        let ring = ring.unwrap();
        assert_eq!(ring.newest().unwrap().0, 10);
        assert_eq!(ring.get(2).unwrap(), &[0x22; 32]);
        assert!(matches!(ring.get(3), Err(VaultError::UnknownKey(3))));
        for bad in ["", "1", "1 xx", &format!("x {}", "11".repeat(32))] {
            assert!(KeyRing::parse(bad).is_none(), "{bad:?}");
        }
    }
}
