//! Where objects lie: a place that gives and takes whole objects by name, and never replaces one.
//!
//! [`directory`] is a folder on another disk, [`s3`] a bucket of a service elsewhere.

pub mod directory;
#[cfg(test)]
pub mod faulty;
pub mod s3;
mod sigv4;
mod xml;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

pub use directory::Directory;
pub use s3::S3;

/// The longest name of an object.
const LONGEST: usize = 255;
/// So many objects are listed at most, several years of segments: a store that never ends a list must not fill the memory.
const MOST_LISTED: usize = if cfg!(test) { 3000 } else { 2_000_000 };

/// What a store answers, some time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A place for objects. An object is there whole or not at all, and it never changes.
pub trait Store: fmt::Debug + Send + Sync {
    /// Whether it can be written, and replaces nothing; the same check that each start makes.
    fn ready(&self) -> Answer<'_, ()>;

    /// Puts an object where none is. It is durable when this answers [`Put::Stored`]; it is left alone when this answers
    /// [`Put::Exists`], and then durable as well.
    fn put<'a>(&'a self, name: &'a str, object: Bytes) -> Answer<'a, Put>;

    /// The object; `None` only when the store itself says that there is none.
    fn get<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Bytes>>;

    /// Every object whose name begins with `front`, in the order of their names.
    fn list<'a>(&'a self, front: &'a str) -> Answer<'a, Vec<Listed>>;

    /// Removes an object; one that is not there is removed already.
    fn remove<'a>(&'a self, name: &'a str) -> Answer<'a, ()>;

    /// Where it is, for people: without credentials.
    fn place(&self) -> String;
}

/// What became of an object that was to be put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is stored.
    Stored,
    /// There is one of that name already, with this content or another: the caller looks.
    Exists,
}

/// An object as a store lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its size as stored, in bytes.
    pub size: u64,
}

/// Why a store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It may work later: the disk, the network, or the service failed.
    #[error("{place}: {why}")]
    Failed {
        /// Which store or file.
        place: String,
        /// What the system or the service says.
        why: String,
    },
    /// It will not work before somebody changes something.
    #[error("{place}: {why}")]
    Refused {
        /// Which store or file.
        place: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// A name that no object may have.
    #[error("{0:?} is no name of an object")]
    Name(String),
}

impl StoreError {
    /// Whether the same call may succeed later without anybody's doing.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

/// What is said of a list that is longer than any archive is.
fn too_many() -> String {
    format!("it lists more than {MOST_LISTED} objects: that is no archive of Picket's")
}

/// Checks a name: parts of letters, digits, dots, dashes and underscores, between slashes; no part begins with a dot, so that
/// none leads out of the store and none looks like a file that is still being written.
///
/// # Errors
/// [`StoreError::Name`].
pub fn check_name(name: &str) -> Result<(), StoreError> {
    let is_part = |part: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(plain)
    };
    if name.len() <= LONGEST && name.split('/').all(is_part) { Ok(()) } else { Err(StoreError::Name(name.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere_else() {
        for good in ["a", "7000000000000000001/wal/00000001/000000010000000000000001.partial", "a-b/c_d/e.f"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "/", "/a", "a/", "a//b", "..", "a/../b", "./a", "a/.b", "a b", "a\0", "ä", "a\\b", "%2e"] {
            assert!(matches!(check_name(bad), Err(StoreError::Name(_))), "{bad:?}");
        }
        assert!(check_name(&"a".repeat(LONGEST + 1)).is_err());
    }
}
