//! Signs what the collector vouches for outside its database, and tells whether it did. Ed25519 under a key derived from each
//! master key: whoever has the database alone can sign nothing, and whoever has the public key can check everything.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use super::{KeyRing, MasterKey, VaultError, derived};

/// Signs with the newest key, verifies with any of the ring. Cheap to clone, and all clones follow a rotation.
#[derive(Clone)]
pub struct Notary(Arc<RwLock<Arc<Keys>>>);

struct Keys {
    newest: u32,
    pairs: BTreeMap<u32, Ed25519KeyPair>,
}

/// A signature and the key that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The key's name.
    pub key: u32,
    /// 64 bytes.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Notary {
    /// Without the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notary").field("newest", &self.keys().newest).finish_non_exhaustive()
    }
}

impl Notary {
    /// A notary with every key of the ring.
    ///
    /// # Errors
    /// Only when the cryptographic library fails.
    pub fn new(ring: &KeyRing) -> Result<Self, VaultError> {
        Ok(Self(Arc::new(RwLock::new(Arc::new(Keys::of(ring)?)))))
    }

    /// From now on with the keys of this ring.
    ///
    /// # Errors
    /// Only when the cryptographic library fails.
    pub fn follow(&self, ring: &KeyRing) -> Result<(), VaultError> {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Keys::of(ring)?);
        Ok(())
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Signs.
    ///
    /// # Errors
    /// Only when the cryptographic library fails.
    pub fn sign(&self, bytes: &[u8]) -> Result<Signature, VaultError> {
        let keys = self.keys();
        let pair = keys.pairs.get(&keys.newest).ok_or(VaultError::UnknownKey(keys.newest))?;
        let signature = pair.try_sign(bytes).map_err(|_| VaultError::Unsealed)?;
        Ok(Signature { key: keys.newest, bytes: signature.as_ref().to_vec() })
    }

    /// Whether a key of this ring signed these bytes.
    ///
    /// # Errors
    /// When the key is not in the ring, so that nobody knows.
    pub fn signed(&self, bytes: &[u8], signature: &Signature) -> Result<bool, VaultError> {
        let keys = self.keys();
        let pair = keys.pairs.get(&signature.key).ok_or(VaultError::UnknownKey(signature.key))?;
        let public = UnparsedPublicKey::new(&ED25519, pair.public_key().as_ref());
        Ok(public.verify(bytes, &signature.bytes).is_ok())
    }

    /// The public key of each key, by name: for who checks signatures elsewhere.
    pub fn public_keys(&self) -> Vec<(u32, Vec<u8>)> {
        self.keys().pairs.iter().map(|(id, pair)| (*id, pair.public_key().as_ref().to_vec())).collect()
    }
}

impl Keys {
    fn of(ring: &KeyRing) -> Result<Self, VaultError> {
        let pair = |(id, master): (u32, &Arc<MasterKey>)| {
            let seed = derived(master, &[b"audit notary"])?;
            let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).map_err(|_| VaultError::Unsealed)?;
            Ok((id, pair))
        };
        Ok(Self { newest: ring.newest_id(), pairs: ring.keys().map(pair).collect::<Result<_, VaultError>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_signed_is_known_again_after_a_rotation_and_nothing_else_is() {
        let mut ring = KeyRing::generate().unwrap();
        let signature = Notary::new(&ring).unwrap().sign(b"head").unwrap();
        ring.rotate(picket_shared::time::Timestamp::from_seconds(1)).unwrap();
        let notary = Notary::new(&ring).unwrap();
        assert!(notary.signed(b"head", &signature).unwrap());
        assert!(!notary.signed(b"other", &signature).unwrap());
        assert_ne!(notary.sign(b"head").unwrap().key, signature.key);
        assert!(!notary.signed(b"head", &Signature { bytes: vec![0; 64], ..signature.clone() }).unwrap());
        let stranger = Notary::new(&KeyRing::generate().unwrap()).unwrap();
        assert!(matches!(stranger.signed(b"head", &signature), Err(VaultError::UnknownKey(_))));
        assert_eq!(notary.public_keys().len(), 2);
    }
}
