//! Random bytes from the operating system.

use aws_lc_rs::rand::fill;

use super::VaultError;

/// `N` random bytes, fit for keys.
///
/// # Errors
/// When the system gives none.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], VaultError> {
    let mut bytes = [0; N];
    fill(&mut bytes).map_err(|_| VaultError::Library)?;
    Ok(bytes)
}
