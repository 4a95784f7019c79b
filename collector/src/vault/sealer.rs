//! Seals: what `web` may do with secrets that people type in.

use std::sync::Arc;

use aws_lc_rs::aead::Aad;
use aws_lc_rs::hmac;
use picket_shared::secret::Sealed;

use super::{Class, HEADER, KeyRing, MasterKey, NONCE, TAG, VERSION, VaultError, associated, class_key, mark_key};

/// Turns secrets into sealed values, with the newest key; it cannot read one. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sealer {
    id: u32,
    master: Arc<MasterKey>,
}

impl Sealer {
    /// A sealer with the newest key of the ring.
    pub fn new(ring: &KeyRing) -> Self {
        let (id, master) = ring.newest();
        Self { id, master: Arc::clone(master) }
    }

    /// The name of the key with which it seals.
    pub fn key_id(&self) -> u32 {
        self.id
    }

    /// Seals a secret for one row (`context`, its uuid).
    ///
    /// # Errors
    /// Only when the cryptographic library fails.
    pub fn seal(&self, class: Class, context: &[u8], secret: &[u8]) -> Result<Sealed, VaultError> {
        let mut bytes = Vec::with_capacity(HEADER + NONCE + secret.len() + TAG);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.id.to_be_bytes());
        let aad = Aad::from(associated(&bytes, class, context));
        let mut body = secret.to_vec();
        let key = class_key(&self.master, class)?;
        let nonce = key.seal_in_place_append_tag(aad, &mut body).map_err(|_| VaultError::Unsealed)?;
        bytes.extend_from_slice(nonce.as_ref());
        bytes.extend_from_slice(&body);
        Ok(Sealed(bytes))
    }

    /// Seals what a monitor logs in with at its target; `context` is the monitor's uuid.
    ///
    /// # Errors
    /// Only when the cryptographic library fails.
    pub fn seal_monitor_secret(&self, context: &[u8], secret: &[u8]) -> Result<Sealed, VaultError> {
        self.seal(Class::MonitorSecret, context, secret)
    }

    /// A keyed hash of what a monitor logs in with at its target; `context` is the monitor's uuid.
    ///
    /// # Errors
    /// Only when the cryptographic library fails.
    pub fn mark_monitor_secret(&self, context: &[u8], secret: &[u8]) -> Result<[u8; 32], VaultError> {
        self.mark(Class::MonitorSecret, context, secret)
    }

    /// A keyed hash of a secret of one row (`context`, its uuid): tells whether another is the same. Short secrets cannot be
    /// found from it without the key. After a rotation the same secret has another mark.
    ///
    /// # Errors
    /// Only when the cryptographic library fails.
    pub fn mark(&self, class: Class, context: &[u8], secret: &[u8]) -> Result<[u8; 32], VaultError> {
        let tag = hmac::sign(&mark_key(&self.master, class)?, &associated(secret, class, context));
        tag.as_ref().try_into().map_err(|_| VaultError::Unsealed)
    }
}
