//! Random bytes for secrets, tokens and nonces.

use aws_lc_rs::rand;

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

#[cfg(test)]
mod tests {
    #[test]
    fn two_draws_differ() {
        assert_ne!(super::random_bytes::<32>().unwrap(), super::random_bytes::<32>().unwrap());
    }
}
