//! Opening: for deliver, login and what probes get, and nobody else.

use std::sync::Arc;

use picket_shared::secret::{Sealed, SecretBytes};

use super::{Class, KeyRing, VaultError, envelope};

/// Opens sealed values.
#[derive(Clone, Debug)]
pub struct Opener(Arc<KeyRing>);

impl Opener {
    /// With the keys of this ring.
    pub fn new(ring: Arc<KeyRing>) -> Self {
        Self(ring)
    }

    /// Opens what was sealed for the row that `context` names (its uuid).
    ///
    /// # Errors
    /// When the value was altered, belongs to another row or class, or its key is not in the ring.
    pub fn open(&self, class: Class, context: &[u8], sealed: &Sealed) -> Result<SecretBytes, VaultError> {
        let key = self.0.get(envelope::key_id(&sealed.0)?)?;
        envelope::open(key, class, context, &sealed.0)
    }
}
