//! What comes with a new passkey. We ask for no attestation, so there is none (`none`), or what the passkey's own key signed
//! (`packed` without a certificate), which browsers let through. Anything else is refused: nobody here would judge it.

use super::Fault;
use super::cbor::Reader;
use super::cose::{PublicKey, once};

/// Longest that is read, in bytes.
const LONGEST: usize = 8192;

/// What was read: bytes of the authenticator, and who vouches for them.
#[derive(Debug)]
pub(super) struct Attestation<'a> {
    pub(super) authenticator_data: &'a [u8],
    statement: Statement<'a>,
}

#[derive(Debug)]
enum Statement<'a> {
    None,
    Own { algorithm: i64, signature: &'a [u8] },
}

impl<'a> Attestation<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        if bytes.len() > LONGEST {
            return Err(Fault::Malformed);
        }
        let mut reader = Reader::new(bytes);
        let (mut format, mut statement, mut data) = (None, None, None);
        for _ in 0..reader.map()? {
            match reader.text()? {
                "fmt" => once(&mut format, reader.text()?)?,
                "attStmt" => once(&mut statement, reader.raw()?)?,
                "authData" => once(&mut data, reader.bytes()?)?,
                _ => return Err(Fault::Malformed),
            }
        }
        reader.end()?;
        let (Some(format), Some(statement), Some(authenticator_data)) = (format, statement, data) else {
            return Err(Fault::Malformed);
        };
        Ok(Self { authenticator_data, statement: Statement::read(format, statement)? })
    }

    /// Whether who vouches for it is the passkey itself, or nobody.
    pub(super) fn check(&self, key: &PublicKey, message: &[u8]) -> Result<(), Fault> {
        match self.statement {
            Statement::None => Ok(()),
            Statement::Own { algorithm, signature } if algorithm == key.algorithm() => key.verify(message, signature),
            Statement::Own { .. } => Err(Fault::Attestation),
        }
    }
}

impl<'a> Statement<'a> {
    fn read(format: &str, statement: &'a [u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(statement);
        let pairs = reader.map()?;
        match (format, pairs) {
            ("none", 0) => Ok(Self::None),
            ("packed", 2) => {
                let (mut algorithm, mut signature) = (None, None);
                for _ in 0..pairs {
                    match reader.text()? {
                        "alg" => once(&mut algorithm, reader.integer()?)?,
                        "sig" => once(&mut signature, reader.bytes()?)?,
                        _ => return Err(Fault::Attestation),
                    }
                }
                let (Some(algorithm), Some(signature)) = (algorithm, signature) else {
                    return Err(Fault::Attestation);
                };
                Ok(Self::Own { algorithm, signature })
            }
            _ => Err(Fault::Attestation),
        }
    }
}
