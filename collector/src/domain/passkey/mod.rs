//! Passkeys (Web Authentication Level 3): what a browser sends when one is made or used, read strictly and judged.
//!
//! In come the bytes as the browser gave them, the challenge that was drawn, and the party that we are; out comes what may
//! be kept of a new passkey ([`register`]), or what was seen when one was used ([`prove`]). Reading order: [`party`] is for
//! whom a passkey is; [`client_data`] what the browser says; [`authenticator`] what the authenticator says, in the CBOR of
//! [`cbor`], with a key of [`cose`], on a curve that [`edwards`] knows; [`attestation`] what comes with a new one.
//! Everything has a longest length, nothing may follow, and no bytes make it panic.

mod attestation;
mod authenticator;
mod cbor;
mod client_data;
mod cose;
mod edwards;
mod party;

#[cfg(test)]
mod tests;

use aws_lc_rs::digest;

use attestation::Attestation;
use authenticator::AuthenticatorData;
use client_data::Ceremony;

pub use client_data::challenge;
pub use cose::{ALGORITHMS, PublicKey};
pub use party::RelyingParty;

/// Random bytes that are signed.
pub type Challenge = [u8; 32];

/// What a browser sends of a passkey that it made.
#[derive(Clone, Debug, Default)]
pub struct NewPasskey {
    /// `clientDataJSON`.
    pub client_data: Vec<u8>,
    /// `attestationObject`.
    pub attestation: Vec<u8>,
}

/// What a browser sends of a passkey that was used.
#[derive(Clone, Debug, Default)]
pub struct Proof {
    /// The passkey's id.
    pub id: Vec<u8>,
    /// `clientDataJSON`.
    pub client_data: Vec<u8>,
    /// `authenticatorData`.
    pub authenticator_data: Vec<u8>,
    /// The signature over both.
    pub signature: Vec<u8>,
    /// Whose the authenticator says it is; empty where it keeps none.
    pub user_handle: Vec<u8>,
}

/// What is kept of a new passkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its id.
    pub id: Vec<u8>,
    /// Its public key, as [`PublicKey::parse`] reads it.
    pub key: Vec<u8>,
    /// What the authenticator saw.
    pub seen: Seen,
}

/// What an authenticator saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whether it knows who it was, by a finger, a face or a PIN.
    pub verified: bool,
    /// Whether the passkey may be copied to other devices.
    pub eligible: bool,
    /// Whether it is.
    pub backed_up: bool,
    /// How often it signed; 0 where that is not counted.
    pub count: u32,
}

/// What is wrong with a passkey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not of the form that the standard says.
    Malformed,
    /// It is for another ceremony.
    Kind,
    /// It answers another challenge.
    Challenge,
    /// It was given to another page.
    Origin,
    /// It is for another party.
    Party,
    /// Nobody was present.
    Absent,
    /// Who was present was not verified, and had to be.
    Unverified,
    /// It says that it is copied and cannot be, or could be copied and now cannot, or the other way round.
    Backup,
    /// It comes with an attestation of a kind that was not asked for.
    Attestation,
    /// Its key is of a kind that is not taken, or is no key.
    Algorithm,
    /// The signature is not that of the key.
    Signature,
}

impl Fault {
    /// Its name in the audit log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Kind => "kind",
            Self::Challenge => "challenge",
            Self::Origin => "origin",
            Self::Party => "party",
            Self::Absent => "absent",
            Self::Unverified => "unverified",
            Self::Backup => "backup",
            Self::Attestation => "attestation",
            Self::Algorithm => "algorithm",
            Self::Signature => "signature",
        }
    }
}

/// What may be kept of a new passkey.
///
/// # Errors
/// What is wrong with it.
pub fn register(party: &RelyingParty, challenge: &Challenge, new: &NewPasskey) -> Result<Registered, Fault> {
    client_data::check(&new.client_data, Ceremony::Create, challenge, party)?;
    let attestation = Attestation::read(&new.attestation)?;
    let data = AuthenticatorData::read(attestation.authenticator_data, party)?;
    let made = data.made.ok_or(Fault::Malformed)?;
    attestation.check(&made.key, &signed(attestation.authenticator_data, &new.client_data))?;
    Ok(Registered { id: made.id.to_vec(), key: made.key_bytes.to_vec(), seen: data.seen })
}

/// What was seen when the passkey of this key was used; `eligible` is what was seen when it was made.
///
/// # Errors
/// What is wrong with the proof.
pub fn prove(
    party: &RelyingParty,
    challenge: &Challenge,
    (key, eligible): (&PublicKey, bool),
    proof: &Proof,
    must_verify: bool,
) -> Result<Seen, Fault> {
    client_data::check(&proof.client_data, Ceremony::Get, challenge, party)?;
    let data = AuthenticatorData::read(&proof.authenticator_data, party)?;
    if data.made.is_some() {
        return Err(Fault::Malformed);
    }
    if must_verify && !data.seen.verified {
        return Err(Fault::Unverified);
    }
    if data.seen.eligible != eligible {
        return Err(Fault::Backup);
    }
    key.verify(&signed(&proof.authenticator_data, &proof.client_data), &proof.signature)?;
    Ok(data.seen)
}

/// What is signed.
fn signed(authenticator_data: &[u8], client_data: &[u8]) -> Vec<u8> {
    [authenticator_data, digest::digest(&digest::SHA256, client_data).as_ref()].concat()
}
