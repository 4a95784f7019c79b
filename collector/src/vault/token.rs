//! Random bytes for secrets, tokens and nonces, and codes that people type.

use aws_lc_rs::rand;
use picket_shared::secret::SecretString;

use super::VaultError;

/// Bytes from the system's generator.
///
/// # Errors
/// When the system gives none.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], VaultError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| VaultError::NoRandomness)?;
    Ok(bytes)
}

/// Six digits, each of a million as likely as the others.
///
/// # Errors
/// When the system gives no random bytes.
pub fn code() -> Result<SecretString, VaultError> {
    const CODES: u32 = 1_000_000;
    loop {
        let drawn = u32::from_be_bytes(random_bytes()?);
        // The last, incomplete million would favour its codes.
        if drawn < u32::MAX - u32::MAX % CODES {
            return Ok(SecretString::new(format!("{:06}", drawn % CODES)));
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_code_has_six_digits_and_codes_differ() {
        let codes: Vec<_> = (0..20).map(|_| super::code().unwrap()).collect();
        for code in &codes {
            assert!(code.expose().len() == 6 && code.expose().chars().all(|c| c.is_ascii_digit()), "{}", code.expose());
        }
        assert!(codes.iter().any(|code| *code != codes[0]));
    }

    #[test]
    fn two_draws_differ() {
        assert_ne!(super::random_bytes::<32>().unwrap(), super::random_bytes::<32>().unwrap());
    }
}
