//! All key material, and nothing else.
//!
//! [`keyring`] is the master keys, [`source`] where they come from; [`sealer`] turns secrets into [`Sealed`] bytes for a
//! table; [`opener`] turns them back, for the few who must read them; [`token`] makes random bytes, codes and what
//! browsers hold; [`api_key`] is the form of what programs hold; [`totp`] makes codes by time; [`password`] hashes passwords;
//! [`kit`] seals the keys for who has lost everything else; [`row_link`] is addresses that only we can make; [`authority`] signs the collector's own certificates, [`notary`] what it vouches for outside its database.
//!
//! A sealed value is `version (1) | key id (4) | nonce (12) | ciphertext and tag`: AES-256-GCM under a key that
//! HKDF-SHA256 derives from a master key for each [`Class`]. Class and context (the row's uuid) are authenticated, so a
//! value that is copied into another row or column does not open.
//!
//! [`Sealed`]: picket_shared::secret::Sealed

pub mod api_key;
pub mod authority;
mod files;
pub mod keyring;
pub mod kit;
pub mod notary;
pub mod opener;
pub mod password;
mod row_link;
pub mod sealer;
pub mod source;
pub mod token;
pub mod totp;
mod trust_link;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use aws_lc_rs::aead::{AES_256_GCM, RandomizedNonceKey};
use aws_lc_rs::hkdf::{self, HKDF_SHA256, Salt};
use aws_lc_rs::hmac;
use picket_shared::secret::Secret;
use zeroize::Zeroizing;

pub use authority::{Authority, Issued};
pub use keyring::KeyRing;
pub use notary::Notary;
pub use opener::Opener;
pub use sealer::Sealer;

/// What kind of secret it is; each kind has a key of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A probe's secret, from which its day keys come. Context: the probe's uuid.
    ProbeSecret,
    /// What a monitor logs in with at its target. Context: the monitor's uuid.
    MonitorSecret,
    /// Addresses and tokens of a channel. Context: the channel's uuid.
    ChannelSettings,
    /// The code that proves a channel. Context: sealed, the delivery's uuid; as a mark, the channel's.
    ChannelCode,
    /// What a user's one-time codes are made of. Context: the user's uuid.
    TotpSecret,
    /// What a mail about an account says. Context: the mail's uuid.
    AccountMail,
    /// The key of one object of the archive. Context: the object's header and name.
    ArchiveKey,
    /// Links to the trust page. As a mark alone.
    TrustLink,
    /// The address of somebody without an account who was erased. Context: the erasure's uuid.
    ErasedAddress,
    /// A piece of the file of an export. Context: the piece's uuid.
    ExportPiece,
    /// What a provider signs by, of what it says of a channel's messages. Context: the channel's uuid.
    HookSecret,
    /// What a webhook signs by since its key was rotated. Context: the channel's uuid.
    WebhookKey,
    /// Addresses where providers say that. As a mark alone.
    Hook,
    /// Links by which an incident is acknowledged. As a mark alone.
    Acknowledgement,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 14] = [
        Self::ProbeSecret,
        Self::MonitorSecret,
        Self::ChannelSettings,
        Self::ChannelCode,
        Self::TotpSecret,
        Self::AccountMail,
        Self::ArchiveKey,
        Self::TrustLink,
        Self::ErasedAddress,
        Self::ExportPiece,
        Self::HookSecret,
        Self::WebhookKey,
        Self::Hook,
        Self::Acknowledgement,
    ];

    /// Its name, part of every key and every sealed value: never change one.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProbeSecret => "probe-secret",
            Self::MonitorSecret => "monitor-secret",
            Self::ChannelSettings => "channel-settings",
            Self::ChannelCode => "channel-code",
            Self::TotpSecret => "totp-secret",
            Self::AccountMail => "account-mail",
            Self::ArchiveKey => "archive-key",
            Self::TrustLink => "trust-link",
            Self::ErasedAddress => "erased-address",
            Self::ExportPiece => "export-piece",
            Self::HookSecret => "hook-secret",
            Self::WebhookKey => "webhook-key",
            Self::Hook => "hook",
            Self::Acknowledgement => "acknowledgement",
        }
    }
}

/// Why a secret cannot be sealed or opened, or the key ring cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The bytes are none that a vault sealed.
    #[error("the sealed value is damaged: it is too short or of an unknown version")]
    Malformed,
    /// The key is not in the ring.
    #[error("the sealed value needs key {0:08x}, which is not in the key ring: put back the key ring that sealed it")]
    UnknownKey(u32),
    /// The value was changed, or belongs to another row or another kind.
    #[error("the sealed value does not open: it was changed, or belongs to another row")]
    Refused,
    /// Sealing failed inside the cryptographic library.
    #[error("the value could not be sealed")]
    Unsealed,
    /// A recovery kit is another code's, or was changed.
    #[error("the recovery kit does not open: the code belongs to another kit, or the kit was changed")]
    NotThisCode,
    /// The machine gives no random bytes.
    #[error("the system gives no random bytes")]
    NoRandomness,
    /// A file of keys cannot be read or written.
    #[error("the file of keys {path}: {error}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// A file of keys is not one.
    #[error("the file of keys {path} is damaged (line {line}): put back your copy of it", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line that cannot be read.
        line: usize,
    },
    /// A key ring does not come from where it should.
    #[error("the key ring does not come from {place}: it {why}")]
    NoRing {
        /// From where.
        place: String,
        /// Why not.
        why: String,
    },
    /// Others may read a file of keys.
    #[error("the file of keys {path} can be read by others (mode {mode:03o}): chmod 600 {path}", path = path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The collector's own authority cannot be made, or cannot sign.
    #[error("the collector's own authority: {0}")]
    Authority(String),
}

const VERSION: u8 = 1;
const HEADER: usize = 5;
const NONCE: usize = 12;
const TAG: usize = 16;

type MasterKey = Secret<[u8; 32]>;

/// The key ring of this process; who holds it sees a rotation at once.
#[derive(Clone, Debug)]
struct Live(Arc<RwLock<KeyRing>>);

impl Live {
    fn new(ring: &KeyRing) -> Self {
        Self(Arc::new(RwLock::new(ring.clone())))
    }

    fn read(&self) -> RwLockReadGuard<'_, KeyRing> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn follow(&self, ring: &KeyRing) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = ring.clone();
    }
}

/// The key for one class, derived from a master key (RFC 5869).
fn class_key(master: &MasterKey, class: Class) -> Result<RandomizedNonceKey, VaultError> {
    let key = derived(master, &[class.as_str().as_bytes()])?;
    RandomizedNonceKey::new(&AES_256_GCM, key.as_slice()).map_err(|_| VaultError::Unsealed)
}

/// The key for marks of one class: another than the one that seals.
fn mark_key(master: &MasterKey, class: Class) -> Result<hmac::Key, VaultError> {
    let key = derived(master, &[class.as_str().as_bytes(), b" mark"])?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, key.as_slice()))
}

fn derived(master: &MasterKey, info: &[&[u8]]) -> Result<Zeroizing<[u8; 32]>, VaultError> {
    let prk = Salt::new(HKDF_SHA256, b"picket vault 1").extract(master.expose());
    let mut key = Zeroizing::new([0_u8; 32]);
    prk.expand(info, KeyLength).and_then(|okm| okm.fill(key.as_mut_slice())).map_err(|_| VaultError::Unsealed)?;
    Ok(key)
}

struct KeyLength;

impl hkdf::KeyType for KeyLength {
    fn len(&self) -> usize {
        32
    }
}

/// What is authenticated but not encrypted: header, class and context, each with its length in front.
fn associated(header: &[u8], class: Class, context: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in [header, class.as_str().as_bytes(), context] {
        bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use picket_shared::secret::Sealed;

    fn vault() -> (Sealer, Opener, KeyRing) {
        let ring = KeyRing::generate().unwrap();
        (Sealer::new(&ring), Opener::new(&ring), ring)
    }

    #[test]
    fn what_was_sealed_opens_again_and_never_looks_the_same_twice() {
        let (sealer, opener, _) = vault();
        let one = sealer.seal(Class::ProbeSecret, b"row", b"secret").unwrap();
        let two = sealer.seal(Class::ProbeSecret, b"row", b"secret").unwrap();
        assert_ne!(one, two);
        assert_eq!(opener.open(Class::ProbeSecret, b"row", &one).unwrap().expose(), b"secret");
        assert!(!one.0.windows(6).any(|window| window == b"secret"));
    }

    #[test]
    fn a_changed_byte_anywhere_is_noticed() {
        let (sealer, opener, _) = vault();
        let sealed = sealer.seal(Class::MonitorSecret, b"row", b"").unwrap();
        for at in 0..sealed.0.len() {
            let mut changed = sealed.clone();
            changed.0[at] ^= 1;
            assert!(opener.open(Class::MonitorSecret, b"row", &changed).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_value_does_not_open_in_another_row_or_as_another_class() {
        let (sealer, opener, _) = vault();
        let sealed = sealer.seal(Class::MonitorSecret, b"row", b"secret").unwrap();
        assert!(matches!(opener.open(Class::MonitorSecret, b"other", &sealed), Err(VaultError::Refused)));
        assert!(matches!(opener.open(Class::ChannelSettings, b"row", &sealed), Err(VaultError::Refused)));
    }

    #[test]
    fn a_mark_is_the_same_for_the_same_secret_of_the_same_row_and_ring_only() {
        let (sealer, _, _) = vault();
        let (stranger, _, _) = vault();
        let mark = sealer.mark(Class::ChannelCode, b"row", b"482913").unwrap();
        assert_eq!(sealer.mark(Class::ChannelCode, b"row", b"482913").unwrap(), mark);
        for other in [
            sealer.mark(Class::ChannelCode, b"row", b"482914"),
            sealer.mark(Class::ChannelCode, b"other", b"482913"),
            sealer.mark(Class::ChannelSettings, b"row", b"482913"),
            stranger.mark(Class::ChannelCode, b"row", b"482913"),
        ] {
            assert_ne!(other.unwrap(), mark);
        }
    }

    #[test]
    fn another_ring_does_not_open_it_and_says_which_key_is_missing() {
        let (sealer, _, _) = vault();
        let (_, stranger, _) = vault();
        let sealed = sealer.seal(Class::ProbeSecret, b"row", b"secret").unwrap();
        assert!(matches!(stranger.open(Class::ProbeSecret, b"row", &sealed), Err(VaultError::UnknownKey(_))));
    }

    #[test]
    fn a_short_value_is_malformed() {
        let (sealer, opener, _) = vault();
        let sealed = sealer.seal(Class::ProbeSecret, b"row", b"secret").unwrap();
        for length in 0..HEADER + NONCE + TAG {
            let short = Sealed(sealed.0[..length].to_vec());
            assert!(matches!(opener.open(Class::ProbeSecret, b"row", &short), Err(VaultError::Malformed)), "{length}");
        }
        let cut = Sealed(sealed.0[..sealed.0.len() - 1].to_vec());
        assert!(matches!(opener.open(Class::ProbeSecret, b"row", &cut), Err(VaultError::Refused)));
    }

    #[test]
    fn after_a_rotation_old_values_open_and_new_ones_use_the_new_key() {
        let (sealer, _, mut ring) = vault();
        let old = sealer.seal(Class::ProbeSecret, b"row", b"old").unwrap();
        ring.rotate(picket_shared::time::Timestamp::from_seconds(1)).unwrap();
        let new = Sealer::new(&ring).seal(Class::ProbeSecret, b"row", b"new").unwrap();
        let opener = Opener::new(&ring);
        assert_eq!(opener.open(Class::ProbeSecret, b"row", &old).unwrap().expose(), b"old");
        assert_eq!(opener.open(Class::ProbeSecret, b"row", &new).unwrap().expose(), b"new");
        assert_ne!(old.0[1..HEADER], new.0[1..HEADER]);
    }
}
