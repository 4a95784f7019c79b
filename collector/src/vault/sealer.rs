//! Seals: what `web` may do with secrets that people type in.

use std::sync::Arc;

use aws_lc_rs::aead::Aad;
use aws_lc_rs::hmac;
use picket_shared::secret::Sealed;

use super::{
    Class, HEADER, KeyRing, Live, MasterKey, NONCE, TAG, VERSION, VaultError, associated, class_key, mark_key,
};

/// Turns secrets into sealed values, with the newest key; it cannot read one. Cheap to clone, and all clones follow a rotation.
#[derive(Clone, Debug)]
pub struct Sealer(Live);

impl Sealer {
    /// A sealer with the newest key of the ring.
    pub fn new(ring: &KeyRing) -> Self {
        Self(Live::new(ring))
    }

    /// From now on with the newest key of this ring.
    pub fn follow(&self, ring: &KeyRing) {
        self.0.follow(ring);
    }

    fn newest(&self) -> (u32, Arc<MasterKey>) {
        let ring = self.0.read();
        let (id, master) = ring.newest();
        (id, Arc::clone(master))
    }

    /// How every value begins that is sealed now.
    pub fn beginning(&self) -> [u8; HEADER] {
        let mut bytes = [VERSION; HEADER];
        bytes[1..].copy_from_slice(&self.newest().0.to_be_bytes());
        bytes
    }

    /// The name of the key with which it seals.
    pub fn key_id(&self) -> u32 {
        self.newest().0
    }

    /// Seals a secret for one row (`context`, its uuid).
    ///
    /// # Errors
    /// Only when the cryptographic library fails.
    pub fn seal(&self, class: Class, context: &[u8], secret: &[u8]) -> Result<Sealed, VaultError> {
        let mut bytes = Vec::with_capacity(HEADER + NONCE + secret.len() + TAG);
        let (id, master) = self.newest();
        bytes.push(VERSION);
        bytes.extend_from_slice(&id.to_be_bytes());
        let aad = Aad::from(associated(&bytes, class, context));
        let mut body = secret.to_vec();
        let key = class_key(&master, class)?;
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
        mark(&self.newest().1, class, context, secret)
    }

    /// The marks by every key of the ring, the newest last: one of them is that of a secret that was marked before a rotation.
    ///
    /// # Errors
    /// Only when the cryptographic library fails.
    pub fn marks(&self, class: Class, context: &[u8], secret: &[u8]) -> Result<Vec<[u8; 32]>, VaultError> {
        let ring = self.0.read();
        ring.keys().map(|(_, master)| mark(master, class, context, secret)).collect()
    }
}

fn mark(master: &MasterKey, class: Class, context: &[u8], secret: &[u8]) -> Result<[u8; 32], VaultError> {
    let tag = hmac::sign(&mark_key(master, class)?, &associated(secret, class, context));
    tag.as_ref().try_into().map_err(|_| VaultError::Unsealed)
}
