//! Opens sealed values: for `deliver`, logins and the probes' own requests, for nobody else.

use std::sync::Arc;

use aws_lc_rs::aead::{Aad, Nonce};
use picket_shared::secret::{Sealed, Secret, SecretBytes};

use super::{Class, HEADER, KeyRing, Live, NONCE, TAG, VERSION, VaultError, associated, class_key};

/// Turns sealed values back into secrets, with any key of the ring. Cheap to clone, and all clones follow a rotation.
#[derive(Clone, Debug)]
pub struct Opener(Live);

impl Opener {
    /// An opener with every key of the ring.
    pub fn new(ring: &KeyRing) -> Self {
        Self(Live::new(ring))
    }

    /// The names of all its keys, the newest last.
    pub fn key_ids(&self) -> Vec<u32> {
        self.0.read().ids()
    }

    /// From now on with the keys of this ring.
    pub fn follow(&self, ring: &KeyRing) {
        self.0.follow(ring);
    }

    /// Opens what was sealed for this class and context.
    ///
    /// # Errors
    /// When the value was changed, belongs elsewhere, or its key is not in the ring.
    pub fn open(&self, class: Class, context: &[u8], sealed: &Sealed) -> Result<SecretBytes, VaultError> {
        let bytes = &sealed.0;
        if bytes.len() < HEADER + NONCE + TAG || bytes[0] != VERSION {
            return Err(VaultError::Malformed);
        }
        let (header, rest) = bytes.split_at(HEADER);
        let (nonce, body) = rest.split_at(NONCE);
        let id = key_of(header).ok_or(VaultError::Malformed)?;
        let master = self.0.read().keys().find(|(known, _)| *known == id).map(|(_, master)| Arc::clone(master));
        let master = master.ok_or(VaultError::UnknownKey(id))?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| VaultError::Malformed)?;
        let aad = Aad::from(associated(header, class, context));
        let mut body = body.to_vec();
        let opened = class_key(&master, class)?.open_in_place(nonce, aad, &mut body).map(|plain| plain.len());
        let length = opened.map_err(|_| VaultError::Refused)?;
        body.truncate(length);
        Ok(Secret::new(body))
    }
}

/// The name of the key that a value is sealed by, as its beginning says; `None` for what is no sealed value.
pub fn key_of(beginning: &[u8]) -> Option<u32> {
    match beginning.get(..HEADER)? {
        [VERSION, id @ ..] => Some(u32::from_be_bytes(id.try_into().ok()?)),
        _ => None,
    }
}
