//! Sealing: for whoever stores a secret.

use std::sync::Arc;

use picket_shared::secret::Sealed;

use super::{Class, KeyRing, VaultError, envelope};

/// Seals values and can never open one.
#[derive(Clone, Debug)]
pub struct Sealer(Arc<KeyRing>);

impl Sealer {
    /// With the keys of this ring.
    pub fn new(ring: Arc<KeyRing>) -> Self {
        Self(ring)
    }

    /// Seals `plain` for the row that `context` names (its uuid).
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn seal(&self, class: Class, context: &[u8], plain: &[u8]) -> Result<Sealed, VaultError> {
        let (id, key) = self.0.newest().ok_or(VaultError::Library)?;
        envelope::seal(id, key, class, context, plain).map(Sealed)
    }
}
