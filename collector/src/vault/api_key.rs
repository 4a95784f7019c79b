//! The form of an API key: `pkt_live_<id>_<secret><checksum>`, 67 characters.
//!
//! The id (8 characters) finds the row and may be shown. The secret is 256 random bits as 43 characters of base62. The
//! checksum is the CRC-32 of everything before it as 6 characters: what was mistyped or made up is refused without asking
//! the database, and scanners for leaked secrets find keys and little else by `pkt_live_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}`.
//! Only the SHA-256 of the whole key is stored.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use picket_shared::secret::SecretString;

use super::VaultError;
use super::token::random_bytes;

const PREFIX: &str = "pkt_live_";
/// Characters of the id.
pub const ID: usize = 8;
const SECRET: usize = 43;
const CHECKSUM: usize = 6;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A key as its user holds it. Never stored, never printed.
#[derive(Clone, Debug)]
pub struct ApiKey(SecretString);

impl ApiKey {
    /// A new key.
    ///
    /// # Errors
    /// When the machine gives no random bytes.
    pub fn new() -> Result<Self, VaultError> {
        Ok(Self::of(random_bytes()?, random_bytes()?))
    }

    /// The key of these bytes.
    fn of(id: [u8; 16], secret: [u8; 32]) -> Self {
        let mut text = format!("{PREFIX}{}_{}", base62(&id, ID), base62(&secret, SECRET));
        text.push_str(&checksum(&text));
        Self(SecretString::new(text))
    }

    /// A key as it came back; `None` unless its form and its checksum are right.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(PREFIX)?;
        let (id, secret) = rest.split_once('_')?;
        let is_plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if id.len() != ID || secret.len() != SECRET + CHECKSUM || !is_plain(id) || !is_plain(secret) {
            return None;
        }
        let (body, sum) = text.split_at(text.len() - CHECKSUM);
        (checksum(body) == sum).then(|| Self(SecretString::new(text.to_owned())))
    }

    /// The id: what names the key in lists and in the audit log.
    pub fn id(&self) -> &str {
        self.0.expose().get(PREFIX.len()..PREFIX.len() + ID).unwrap_or_default()
    }

    /// The key itself, to be shown once.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What is stored of it.
    pub fn hash(&self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, self.expose().as_bytes()).as_ref());
        hash
    }

    /// Whether this is the key that was hashed; compared in constant time.
    pub fn is(&self, hash: &[u8]) -> bool {
        verify_slices_are_equal(&self.hash(), hash).is_ok()
    }
}

fn checksum(text: &str) -> String {
    base62(&crc32(text.as_bytes()).to_be_bytes(), CHECKSUM)
}

/// CRC-32 as in zip and Ethernet: reflected, polynomial 0x04C11DB7.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let polynomial = if crc & 1 == 1 { 0xEDB8_8320 } else { 0 };
            crc = crc >> 1 ^ polynomial;
        }
    }
    !crc
}

/// The last `places` digits of a number (big-endian) to the base 62.
fn base62(number: &[u8], places: usize) -> String {
    let mut number = number.to_vec();
    let mut digits = vec![b'0'; places];
    for digit in digits.iter_mut().rev() {
        let mut rest = 0_u32;
        for byte in &mut number {
            let value = rest << 8 | u32::from(*byte);
            // Below 256, as the rest is below 62.
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            rest = value % 62;
        }
        *digit = DIGITS[usize::try_from(rest).unwrap_or(0)];
    }
    digits.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_form_and_comes_back_as_itself() {
        let key = ApiKey::new().unwrap();
        assert_eq!((key.expose().len(), key.id().len()), (67, 8));
        assert!(key.expose().starts_with(&format!("pkt_live_{}_", key.id())));
        let back = ApiKey::parse(key.expose()).unwrap();
        assert!(back.is(&key.hash()) && back.id() == key.id());
        let other = ApiKey::new().unwrap();
        assert!(!other.is(&key.hash()) && other.id() != key.id());
        assert!(!key.is(&key.hash()[..31]) && !key.is(&[]));
        assert!(!format!("{key:?}").contains(key.id()));
    }

    #[test]
    fn the_form_is_the_one_that_is_documented() {
        // Reckoned by another program.
        let id = std::array::from_fn(|index| u8::try_from(index).unwrap());
        let wanted = "pkt_live_OGusQGwp_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp136h27h";
        assert_eq!(ApiKey::of(id, [255; 32]).expose(), wanted);
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(base62(&[0, 61], 2), "0z");
        assert_eq!(base62(&[0, 62], 2), "10");
    }

    #[test]
    fn one_wrong_character_anywhere_is_noticed() {
        let key = ApiKey::new().unwrap();
        for at in 0..key.expose().len() {
            for other in ['a', 'Z', '7', '_'] {
                let mut text: Vec<char> = key.expose().chars().collect();
                if text[at] != other {
                    text[at] = other;
                    let text: String = text.into_iter().collect();
                    assert!(ApiKey::parse(&text).is_none(), "{text}");
                }
            }
        }
    }

    #[test]
    fn what_has_not_the_form_is_no_key() {
        let key = ApiKey::new().unwrap();
        for bad in ["", "pkt_live_", "pkt_live__", &key.expose()[1..], &format!("{} ", key.expose()), "pkt_live_ääää_x"]
        {
            assert!(ApiKey::parse(bad).is_none(), "{bad:?}");
        }
    }
}
