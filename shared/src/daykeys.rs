//! Day keys: what a probe signs batches with, derived on both sides so that no key ever travels.
//!
//! HKDF-SHA256 (RFC 5869): input key = the probe's 256-bit secret, salt = the day's random nonce from the collector,
//! info = length-prefixed probe id and key id. A leaked day key is worth one day and ten minutes.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use aws_lc_rs::hkdf;
use serde::{Deserialize, Serialize};

use crate::ids::ProbeId;
use crate::secret::{Secret, SecretBytes};
use crate::time::Timestamp;

/// How long a day key is for signing.
pub const DAY_KEY_LIFE: Duration = Duration::from_secs(24 * 3600);
/// How long after its end the collector still accepts it.
pub const DAY_KEY_OVERLAP: Duration = Duration::from_secs(600);
/// How long before a key's end its successor is announced.
pub const DAY_KEY_AHEAD: Duration = Duration::from_secs(2 * 3600);

/// The fixed salt of the key that signs every request but batches.
const REQUEST_SALT: &[u8] = b"picket probe-request v1";

/// From what a day key is derived, and how long it holds. No secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayKeyGrant {
    /// Counts up for each probe, from 1.
    pub number: u64,
    /// 32 random bytes in lower-case hexadecimal.
    pub nonce: String,
    /// From when it signs.
    pub not_before: Timestamp,
    /// Until when it signs.
    pub not_after: Timestamp,
}

impl DayKeyGrant {
    /// Whether the probe may sign with it at `now`.
    pub fn signs_at(&self, now: Timestamp) -> bool {
        self.not_before <= now && now < self.not_after
    }

    /// Whether the collector accepts it at `now`.
    pub fn accepted_at(&self, now: Timestamp) -> bool {
        self.not_before <= now + Duration::from_secs(60) && now < self.not_after + DAY_KEY_OVERLAP
    }
}

/// Which key signed a token: the probe, and the number of its day key or its request key. The `kid` of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyId {
    /// Whose key.
    pub probe: ProbeId,
    /// Which day key; `None` for the request key.
    pub day: Option<u64>,
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.day {
            Some(number) => write!(f, "{}.{number}", self.probe),
            None => write!(f, "{}.r", self.probe),
        }
    }
}

/// A `kid` that is not of Picket's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key id is not of the form <probe id>.<number>")]
pub struct InvalidKeyId;

impl FromStr for KeyId {
    type Err = InvalidKeyId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (probe, key) = text.split_once('.').ok_or(InvalidKeyId)?;
        let probe = probe.parse().map_err(|_| InvalidKeyId)?;
        let day = if key == "r" { None } else { Some(key.parse().map_err(|_| InvalidKeyId)?) };
        let id = Self { probe, day };
        // Only the canonical spelling is an id: "01" and "1" must not be two names of one key.
        if id.to_string() == text { Ok(id) } else { Err(InvalidKeyId) }
    }
}

/// 256 bits that sign and verify by HMAC-SHA256; never printed, never sent.
#[derive(Clone, Debug)]
pub struct SigningKey(Secret<[u8; 32]>);

impl SigningKey {
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        self.0.expose()
    }
}

/// The nonce of a grant is not 32 bytes in hexadecimal, or the secret is not 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a day key needs a secret of 32 bytes and a nonce of 32 bytes in hexadecimal")]
pub struct InvalidKeyMaterial;

/// Derives the day key that `grant` describes.
///
/// # Errors
/// When the secret or the nonce has not 32 bytes.
pub fn day_key(secret: &SecretBytes, probe: ProbeId, grant: &DayKeyGrant) -> Result<SigningKey, InvalidKeyMaterial> {
    let nonce = unhex(&grant.nonce).ok_or(InvalidKeyMaterial)?;
    derive(secret, &nonce, probe, &grant.number.to_string())
}

/// Derives the key that signs every request of `probe` but its batches.
///
/// # Errors
/// When the secret has not 32 bytes.
pub fn request_key(secret: &SecretBytes, probe: ProbeId) -> Result<SigningKey, InvalidKeyMaterial> {
    derive(secret, REQUEST_SALT, probe, "r")
}

fn derive(secret: &SecretBytes, salt: &[u8], probe: ProbeId, key_id: &str) -> Result<SigningKey, InvalidKeyMaterial> {
    if secret.expose().len() != 32 {
        return Err(InvalidKeyMaterial);
    }
    let probe = probe.to_string();
    let mut info = Vec::new();
    for part in [probe.as_bytes(), key_id.as_bytes()] {
        info.extend_from_slice(&u16::try_from(part.len()).unwrap_or(u16::MAX).to_be_bytes());
        info.extend_from_slice(part);
    }
    let pseudorandom = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret.expose());
    let mut key = [0; 32];
    pseudorandom
        .expand(&[&info], hkdf::HKDF_SHA256)
        .and_then(|output| output.fill(&mut key))
        .map_err(|_| InvalidKeyMaterial)?;
    Ok(SigningKey(Secret::new(key)))
}

/// The grant to sign with at `now`: the newest that holds.
pub fn current(grants: &[DayKeyGrant], now: Timestamp) -> Option<&DayKeyGrant> {
    grants.iter().filter(|grant| grant.signs_at(now)).max_by_key(|grant| grant.number)
}

/// Whether a probe should fetch keys: none holds, or none is known that holds an hour from now.
pub fn wants_refresh(grants: &[DayKeyGrant], now: Timestamp) -> bool {
    current(grants, now).is_none() || current(grants, now + DAY_KEY_AHEAD / 2).is_none()
}

/// From when a grant is to hold that is still wanting at `now`, given those in force: one for now, or the successor that is
/// announced ahead. `None` when none is.
pub fn wanting(grants: &[DayKeyGrant], now: Timestamp) -> Option<Timestamp> {
    let Some(key) = current(grants, now) else { return Some(now) };
    let announced = grants.iter().any(|grant| grant.number > key.number);
    (!announced && key.not_after <= now + DAY_KEY_AHEAD).then_some(key.not_after)
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for digit in bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]) {
        text.extend(char::from_digit(u32::from(digit), 16));
    }
    text
}

/// 32 bytes from lower-case hexadecimal.
fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
        return None;
    }
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn grant(number: u64, from: i64, to: i64) -> DayKeyGrant {
        DayKeyGrant {
            number,
            nonce: hex(&[7; 32]),
            not_before: Timestamp::from_seconds(from),
            not_after: Timestamp::from_seconds(to),
        }
    }

    #[test]
    fn keys_differ_by_secret_nonce_probe_and_number() {
        let secret = SecretBytes::new(vec![1; 32]);
        let probe = ProbeId(Uuid::from_u128(1));
        let base = day_key(&secret, probe, &grant(1, 0, 10)).unwrap();
        let mut other_nonce = grant(1, 0, 10);
        other_nonce.nonce = hex(&[8; 32]);
        for other in [
            day_key(&SecretBytes::new(vec![2; 32]), probe, &grant(1, 0, 10)),
            day_key(&secret, probe, &other_nonce),
            day_key(&secret, ProbeId(Uuid::from_u128(2)), &grant(1, 0, 10)),
            day_key(&secret, probe, &grant(2, 0, 10)),
            request_key(&secret, probe),
        ] {
            assert_ne!(other.unwrap().bytes(), base.bytes());
        }
        assert_eq!(day_key(&secret, probe, &grant(1, 5, 50)).unwrap().bytes(), base.bytes());
    }

    #[test]
    fn the_newest_key_signs_and_the_old_one_is_accepted_ten_minutes_more() {
        let keys = [grant(1, 0, 86_400), grant(2, 86_000, 172_400)];
        let at = Timestamp::from_seconds;
        assert_eq!(current(&keys, at(85_000)).map(|k| k.number), Some(1));
        assert_eq!(current(&keys, at(86_100)).map(|k| k.number), Some(2));
        assert!(keys[0].accepted_at(at(86_400 + 599)) && !keys[0].accepted_at(at(86_400 + 600)));
        assert!(!wants_refresh(&keys, at(100)) && wants_refresh(&keys, at(172_000)) && wants_refresh(&[], at(0)));
    }

    #[test]
    fn a_key_is_wanting_when_none_holds_and_its_successor_two_hours_before_its_end() {
        let at = Timestamp::from_seconds;
        let one = [grant(1, 0, 86_400)];
        assert_eq!((wanting(&[], at(5)), wanting(&one, at(79_199))), (Some(at(5)), None));
        assert_eq!(wanting(&one, at(79_200)), Some(at(86_400)));
        assert_eq!(wanting(&[grant(2, 86_400, 172_800), grant(1, 0, 86_400)], at(79_200)), None);
    }

    #[test]
    fn key_ids_have_one_spelling() {
        let id = KeyId { probe: ProbeId(Uuid::from_u128(9)), day: Some(12) };
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "x.1", &format!("{}.012", id.probe), &format!("{}.", id.probe), &format!("{}.R", id.probe)] {
            assert_eq!(bad.parse::<KeyId>(), Err(InvalidKeyId), "{bad:?}");
        }
    }
}
