//! Whose folder of the archive it is: one object, written at the first push.

use picket_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::shelf::{ArchiveError, Shelf};

/// Where it lies.
const PLACE: &str = "owner";

/// What is known of a cluster before anything of it is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The major version of PostgreSQL that wrote the data.
    pub major: u32,
    /// When its first file was archived.
    pub since: Timestamp,
}

/// Takes the shelf for a cluster of that version, or finds that it has it.
///
/// # Errors
/// When the store does not answer, or data of another version is on it.
pub async fn claim(shelf: &Shelf, major: u32, now: Timestamp) -> Result<Owner, ArchiveError> {
    if let Some(owner) = read(shelf).await? {
        if owner.major == major {
            return Ok(owner);
        }
        return Err(ArchiveError::other(format!(
            "the archive of this cluster in {} was written by PostgreSQL {}, and the data is of {major}: give it another archive",
            shelf.place(),
            owner.major
        )));
    }
    let owner = Owner { major, since: now };
    shelf.keep(PLACE, serde_json::to_vec(&owner).map_err(|error| ArchiveError::other(error.to_string()))?).await?;
    Ok(owner)
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
