//! Passwords: hashed by Argon2id (RFC 9106), two at a time, and with equal work where there is nothing to compare with.
//!
//! 19 MiB, two passes, one lane: the OWASP Password Storage Cheat Sheet's first choice, about 23 ms of a processor here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use picket_shared::secret::SecretString;
use tokio::sync::Semaphore;

use super::VaultError;
use super::token::random_bytes;

/// Most hashes that are made at a time: each takes 19 MiB and a processor.
const AT_ONCE: usize = 2;
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;

/// Makes and compares hashes of passwords. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Passwords {
    room: Arc<Semaphore>,
    /// The hash of no password: what is compared with when nobody has the address that was given.
    nobody: Arc<str>,
    worked: Arc<AtomicU64>,
}

impl Passwords {
    /// Prepares the hash that stands for nobody.
    ///
    /// # Errors
    /// When the machine gives no random bytes.
    pub fn new() -> Result<Self, VaultError> {
        let nobody = hash(&random_bytes::<32>()?)?;
        Ok(Self { room: Arc::new(Semaphore::new(AT_ONCE)), nobody: nobody.into(), worked: Arc::default() })
    }

    /// The hash of a new password, as a PHC string.
    ///
    /// # Errors
    /// When the machine gives no random bytes or no memory.
    pub async fn hash(&self, password: SecretString) -> Result<String, VaultError> {
        self.work(move || hash(password.expose().as_bytes())).await?
    }

    /// Whether the password is the one that was hashed. `None` costs the same work and is never right.
    ///
    /// # Errors
    /// When the machine gives no memory.
    pub async fn matches(&self, password: SecretString, hash: Option<String>) -> Result<bool, VaultError> {
        let nobody = Arc::clone(&self.nobody);
        self.work(move || {
            let compared = hash.as_deref().unwrap_or(&nobody);
            let parsed = PasswordHash::new(compared).map_err(|_| VaultError::Malformed)?;
            let right = argon2()?.verify_password(password.expose().as_bytes(), &parsed).is_ok();
            Ok(right && hash.is_some())
        })
        .await?
    }

    /// How many hashes were made so far, whether to keep or to compare: what a caller made this program work.
    pub fn worked(&self) -> u64 {
        self.worked.load(Ordering::Relaxed)
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, VaultError> {
        self.worked.fetch_add(1, Ordering::Relaxed);
        let place = Arc::clone(&self.room).acquire_owned().await.map_err(|_| VaultError::Unsealed)?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(place);
            done
        });
        done.await.map_err(|_| VaultError::Unsealed)
    }
}

fn argon2() -> Result<Argon2<'static>, VaultError> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|_| VaultError::Unsealed)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &[u8]) -> Result<String, VaultError> {
    let salt = random_bytes::<16>()?;
    let hash: PasswordHash = argon2()?.hash_password_with_salt(password, &salt).map_err(|_| VaultError::Unsealed)?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretString {
        SecretString::new(text.to_owned())
    }

    #[tokio::test]
    async fn only_the_password_that_was_hashed_matches() {
        let passwords = Passwords::new().unwrap();
        let hash = passwords.hash(secret("correct horse battery")).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.matches(secret("correct horse battery"), Some(hash.clone())).await.unwrap());
        assert!(!passwords.matches(secret("correct horse battery "), Some(hash.clone())).await.unwrap());
        assert_ne!(hash, passwords.hash(secret("correct horse battery")).await.unwrap());
    }

    #[tokio::test]
    async fn nobody_has_no_password() {
        let passwords = Passwords::new().unwrap();
        for guess in ["", "password"] {
            assert!(!passwords.matches(secret(guess), None).await.unwrap());
        }
    }
}
