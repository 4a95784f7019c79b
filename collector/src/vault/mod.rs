//! All key material, and nothing else: sealing, opening, the key ring, random tokens.
//!
//! [`Sealer`] is for whoever stores a secret, [`Opener`] only for whoever must use one (deliver, login, what probes get).
//! The ring lies outside the data directory and its backups; a sealed row without the ring is noise.

mod envelope;
mod keyring;
mod opener;
mod sealer;
pub mod token;

pub use keyring::KeyRing;
pub use opener::Opener;
pub use sealer::Sealer;

/// What a sealed value is; each class has a key of its own, derived from the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The secret of a probe.
    ProbeSecret,
    /// Credentials of a monitor.
    MonitorSecret,
    /// A channel's settings.
    ChannelSettings,
}

impl Class {
    /// Part of the key derivation and of the authenticated data: never to change.
    const fn label(self) -> &'static str {
        match self {
            Self::ProbeSecret => "probe-secret",
            Self::MonitorSecret => "monitor-secret",
            Self::ChannelSettings => "channel-settings",
        }
    }
}

/// Why a value cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The ring is not there.
    #[error(
        "the key ring {0} is missing, and the database holds sealed values: copy the key ring back from where you keep \
         its copy; without it channels, probes and credentials cannot be used"
    )]
    Missing(String),
    /// The ring cannot be read or written.
    #[error("the key ring {file}: {error}")]
    File {
        /// Which file.
        file: String,
        /// Why.
        error: std::io::Error,
    },
    /// The ring's file is not of its form.
    #[error("the key ring {0} is damaged: copy it back from where you keep its copy")]
    Damaged(String),
    /// Others may read the ring.
    #[error("the key ring {0} can be read by others: run `chmod 600 {0}`")]
    Readable(String),
    /// Sealed with a key that the ring does not hold.
    #[error("a value was sealed with key {0}, which is not in the key ring: add that key again")]
    UnknownKey(u32),
    /// Altered, moved from another row, or of another class.
    #[error("a sealed value was altered or belongs to another row")]
    Altered,
    /// The system gives no random numbers, or the cipher refused.
    #[error("the cryptographic library failed")]
    Library,
}
