//! Files of keys: private to their owner, written whole or not at all; only a rotation replaces one.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use picket_shared::secret::SecretString;

use super::VaultError;

/// Reads a file of keys; `None` when there is none.
///
/// # Errors
/// When it cannot be read, or others can read it too.
pub(super) fn read(path: &Path) -> Result<Option<SecretString>, VaultError> {
    let failed = |error| VaultError::File { path: path.to_owned(), error };
    let text = match fs::read_to_string(path) {
        Ok(text) => SecretString::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mode = fs::metadata(path).map_err(failed)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(VaultError::Exposed { path: path.to_owned(), mode });
    }
    Ok(Some(text))
}

/// Reads what systemd gives, which alone decides who reads it; `None` when there is none.
///
/// # Errors
/// When it cannot be read.
pub(super) fn read_credential(path: &Path) -> Result<Option<SecretString>, VaultError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(SecretString::new(text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(VaultError::File { path: path.to_owned(), error }),
    }
}

/// Writes a new file of keys, in a folder that is made if need be.
///
/// # Errors
/// When it exists, or cannot be written.
pub(super) fn write_new(path: &Path, text: &str) -> Result<(), VaultError> {
    write(path, text).map_err(|error| VaultError::File { path: path.to_owned(), error })
}

/// Writes a file of keys into the place of another, whole or not at all.
///
/// # Errors
/// When it cannot be written; then the other is there as it was.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), VaultError> {
    let put = || {
        let beside = beside(path, text)?;
        fs::rename(&beside, path)?;
        fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    put().map_err(|error| VaultError::File { path: path.to_owned(), error })
}

/// Writes beside and links into place: a crash half-way leaves no half a file, and no key is ever replaced.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let beside = beside(path, text)?;
    fs::hard_link(&beside, path)?;
    fs::remove_file(&beside)?;
    fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

fn beside(path: &Path, text: &str) -> io::Result<PathBuf> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path.parent().unwrap_or(Path::new(".")))?;
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let beside = PathBuf::from(name);
    let _ = fs::remove_file(&beside);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(beside)
}
