//! The form of a sealed value: version, key id, nonce, ciphertext with tag.
//!
//! AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce; the key of a class is HKDF-SHA256 of the ring's key. Version,
//! key id, class and context (the row's id) are authenticated, so that no value can be moved to another row.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use picket_shared::secret::Secret;

use super::{Class, VaultError};

const VERSION: u8 = 1;
const HEADER: usize = 5;
const NONCE: usize = 12;

pub(super) fn seal(
    key_id: u32,
    master: &[u8; 32],
    class: Class,
    context: &[u8],
    plain: &[u8],
) -> Result<Vec<u8>, VaultError> {
    let nonce: [u8; NONCE] = super::token::random_bytes()?;
    let mut sealed = vec![VERSION];
    sealed.extend_from_slice(&key_id.to_be_bytes());
    let aad = authenticated(&sealed, class, context);
    let mut body = plain.to_vec();
    class_key(master, class)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut body)
        .map_err(|_| VaultError::Library)?;
    sealed.extend_from_slice(&nonce);
    sealed.append(&mut body);
    Ok(sealed)
}

/// The id of the key that a value was sealed with.
pub(super) fn key_id(sealed: &[u8]) -> Result<u32, VaultError> {
    match sealed {
        [VERSION, a, b, c, d, ..] => Ok(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => Err(VaultError::Altered),
    }
}

pub(super) fn open(
    master: &[u8; 32],
    class: Class,
    context: &[u8],
    sealed: &[u8],
) -> Result<Secret<Vec<u8>>, VaultError> {
    let (header, rest) = sealed.split_at_checked(HEADER).ok_or(VaultError::Altered)?;
    let (nonce, body) = rest.split_at_checked(NONCE).ok_or(VaultError::Altered)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| VaultError::Altered)?;
    let aad = authenticated(header, class, context);
    let mut body = body.to_vec();
    let length = class_key(master, class)?
        .open_in_place(nonce, Aad::from(aad), &mut body)
        .map_err(|_| VaultError::Altered)?
        .len();
    body.truncate(length);
    Ok(Secret::new(body))
}

fn class_key(master: &[u8; 32], class: Class) -> Result<LessSafeKey, VaultError> {
    let mut key = [0_u8; 32];
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"picket vault v1")
        .extract(master)
        .expand(&[class.label().as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|output| output.fill(&mut key))
        .map_err(|_| VaultError::Library)?;
    let key = Secret::new(key);
    UnboundKey::new(&AES_256_GCM, key.expose()).map(LessSafeKey::new).map_err(|_| VaultError::Library)
}

fn authenticated(header: &[u8], class: Class, context: &[u8]) -> Vec<u8> {
    let mut aad = header.to_vec();
    for part in [class.label().as_bytes(), context] {
        aad.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        aad.extend_from_slice(part);
    }
    aad
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    #[test]
    fn what_was_sealed_opens_in_its_place_and_nowhere_else() {
        let sealed = seal(3, &KEY, Class::ProbeSecret, b"row 1", b"secret").unwrap();
        assert_eq!(key_id(&sealed).unwrap(), 3);
        assert_eq!(open(&KEY, Class::ProbeSecret, b"row 1", &sealed).unwrap().expose(), b"secret");
        assert!(open(&KEY, Class::ProbeSecret, b"row 2", &sealed).is_err());
        assert!(open(&KEY, Class::MonitorSecret, b"row 1", &sealed).is_err());
        assert!(open(&[8; 32], Class::ProbeSecret, b"row 1", &sealed).is_err());
    }

    #[test]
    fn every_altered_or_missing_byte_is_seen() {
        let sealed = seal(3, &KEY, Class::ProbeSecret, b"row", b"secret").unwrap();
        for i in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[i] ^= 1;
            assert!(open(&KEY, Class::ProbeSecret, b"row", &altered).is_err(), "byte {i}");
            assert!(open(&KEY, Class::ProbeSecret, b"row", &sealed[..i]).is_err(), "cut at {i}");
        }
    }

    #[test]
    fn the_same_secret_never_looks_the_same() {
        let one = seal(1, &KEY, Class::ProbeSecret, b"row", b"secret").unwrap();
        assert_ne!(one, seal(1, &KEY, Class::ProbeSecret, b"row", b"secret").unwrap());
    }
}
