//! One-time codes by time (RFC 6238): HMAC-SHA-1, steps of 30 s, six digits. The secret's 160 bits are what RFC 4226
//! recommends; SHA-1 is what every authenticator knows, and as an HMAC nothing is known against it.

use aws_lc_rs::{constant_time, hmac};
use picket_shared::secret::{Secret, SecretBytes, SecretString};
use picket_shared::time::Timestamp;

use super::VaultError;
use super::token::{base32, random_bytes};

/// Seconds for which one code is the right one.
pub const STEP_SECONDS: i64 = 30;
/// Digits of a code.
pub const DIGITS: usize = 6;
const BYTES: usize = 20;

/// A new secret.
///
/// # Errors
/// When the system gives no random bytes.
pub fn secret() -> Result<SecretBytes, VaultError> {
    Ok(Secret::new(random_bytes::<BYTES>()?.to_vec()))
}

/// A secret as people type it: base32, without padding.
pub fn text(secret: &SecretBytes) -> SecretString {
    SecretString::new(base32(secret.expose()))
}

/// The step that a time lies in.
pub fn step(at: Timestamp) -> i64 {
    at.seconds().div_euclid(STEP_SECONDS)
}

/// The code of a step.
pub fn code(secret: &SecretBytes, step: i64) -> SecretString {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.expose());
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let bytes = tag.as_ref();
    // Dynamic truncation (RFC 4226 section 5.3): the last half-byte says where the number begins.
    let at = usize::from(bytes.last().copied().unwrap_or_default() & 0x0f);
    let number = bytes.iter().skip(at).take(4).fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
    SecretString::new(format!("{:06}", (number & 0x7fff_ffff) % 1_000_000))
}

/// Whether somebody typed the code of a step; compared in constant time, white space does not matter.
pub fn is_code(secret: &SecretBytes, step: i64, typed: &str) -> bool {
    let typed: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
    constant_time::verify_slices_are_equal(typed.as_bytes(), code(secret, step).expose().as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B: SHA-1, the last six of eight digits.
    #[test]
    fn the_codes_are_those_of_the_standard() {
        let secret = Secret::new(b"12345678901234567890".to_vec());
        for (at, expected) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code(&secret, step(Timestamp::from_seconds(at))).expose(), expected, "{at}");
        }
        let now = step(Timestamp::from_seconds(59));
        assert!(is_code(&secret, now, " 287 082\n"));
        for bad in ["", "287083", "28708", "2870820"] {
            assert!(!is_code(&secret, now, bad), "{bad:?}");
        }
        assert!(!is_code(&secret, now + 1, "287082") && !is_code(&secret, now - 1, "287082"), "no skew");
        assert_eq!(text(&secret).expose(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    }

    #[test]
    fn secrets_differ_and_have_160_bits() {
        let (one, other) = (secret().unwrap(), secret().unwrap());
        assert!(one != other && one.expose().len() == 20 && text(&one).expose().len() == 32);
    }
}
