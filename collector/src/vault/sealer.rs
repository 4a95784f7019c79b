//! Seals: what `web` may do with secrets that people type in.

use std::sync::Arc;

use aws_lc_rs::aead::Aad;
use aws_lc_rs::hmac;
use picket_shared::secret::Sealed;

use super::{
    Class, HEADER, KeyRing, MasterKey, NONCE, TAG, VERSION, VaultError, associated, class_key, fingerprint_key,
};

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

    /// What tells, without opening anything, whether a secret of one row is the same as before: as hexadecimal digits, from
    /// which nobody without the key can learn or try out anything. After a new master key every secret looks like another.
    ///
    /// # Errors
    /// Only when the cryptographic library fails.
    pub fn fingerprint(&self, class: Class, context: &[u8], secret: &[u8]) -> Result<String, VaultError> {
        let key = fingerprint_key(&self.master, class)?;
        let mut sum = hmac::Context::with_key(&key);
        sum.update(&associated(&[], class, context));
        sum.update(secret);
        // Half of it is more than enough to tell two secrets apart.
        Ok(sum.sign().as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }
}
