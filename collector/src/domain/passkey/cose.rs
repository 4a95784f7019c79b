//! Public keys as authenticators write them (RFC 9053): ES256 on P-256, and EdDSA on Ed25519. Nothing but what each needs
//! may be in one.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, UnparsedPublicKey, VerificationAlgorithm,
};

use super::cbor::Reader;
use super::{Fault, edwards};

/// The algorithms that are taken, as COSE numbers them, the first the most wanted.
pub const ALGORITHMS: [i64; 2] = [ES256, EDDSA];

const ES256: i64 = -7;
const EDDSA: i64 = -8;
/// Bytes of a coordinate or key.
const WIDTH: usize = 32;
/// Longest signature: DER of two numbers of 33 bytes.
const LONGEST_SIGNATURE: usize = 72;

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    algorithm: Algorithm,
    /// As `aws-lc-rs` takes it.
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Es256,
    Ed25519,
}

impl Algorithm {
    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::Es256 => &ECDSA_P256_SHA256_ASN1,
            Self::Ed25519 => &ED25519,
        }
    }
}

impl PublicKey {
    /// A key as it is stored: nothing may follow it.
    ///
    /// # Errors
    /// When it is none that is taken.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(bytes);
        let key = Self::read(&mut reader)?;
        reader.end()?;
        Ok(key)
    }

    /// The next key.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        let labels = Labels::read(reader)?;
        let (algorithm, bytes) = match labels {
            Labels { kind: Some(2), algorithm: Some(ES256), curve: Some(1), x: Some(x), y: Some(y) } => {
                (Algorithm::Es256, [&[4], coordinate(x)?, coordinate(y)?].concat())
            }
            Labels { kind: Some(1), algorithm: Some(EDDSA), curve: Some(6), x: Some(x), y: None } => {
                (Algorithm::Ed25519, coordinate(x)?.to_vec())
            }
            _ => return Err(Fault::Algorithm),
        };
        let key = Self { algorithm, bytes };
        if key.is_point() { Ok(key) } else { Err(Fault::Algorithm) }
    }

    /// Whether it is a point of its curve.
    fn is_point(&self) -> bool {
        match self.algorithm {
            Algorithm::Es256 => ParsedPublicKey::new(self.algorithm.verification(), &self.bytes).is_ok(),
            Algorithm::Ed25519 => self.bytes.first_chunk().is_some_and(edwards::is_key),
        }
    }

    /// As COSE numbers it.
    pub(super) const fn algorithm(&self) -> i64 {
        match self.algorithm {
            Algorithm::Es256 => ES256,
            Algorithm::Ed25519 => EDDSA,
        }
    }

    /// Whether the key's owner signed the message.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Fault> {
        if signature.len() > LONGEST_SIGNATURE {
            return Err(Fault::Signature);
        }
        let key = UnparsedPublicKey::new(self.algorithm.verification(), &self.bytes);
        key.verify(message, signature).map_err(|_| Fault::Signature)
    }
}

#[derive(Default)]
struct Labels<'a> {
    kind: Option<i64>,
    algorithm: Option<i64>,
    curve: Option<i64>,
    x: Option<&'a [u8]>,
    y: Option<&'a [u8]>,
}

impl<'a> Labels<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        let mut labels = Self::default();
        for _ in 0..reader.map()? {
            match reader.integer()? {
                1 => once(&mut labels.kind, reader.integer()?)?,
                3 => once(&mut labels.algorithm, reader.integer()?)?,
                -1 => once(&mut labels.curve, reader.integer()?)?,
                -2 => once(&mut labels.x, reader.bytes()?)?,
                -3 => once(&mut labels.y, reader.bytes()?)?,
                _ => return Err(Fault::Algorithm),
            }
        }
        Ok(labels)
    }
}

/// Puts a value down that must not be there yet.
pub(super) fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Fault> {
    if place.replace(value).is_some() { Err(Fault::Malformed) } else { Ok(()) }
}

fn coordinate(bytes: &[u8]) -> Result<&[u8], Fault> {
    if bytes.len() == WIDTH { Ok(bytes) } else { Err(Fault::Algorithm) }
}
