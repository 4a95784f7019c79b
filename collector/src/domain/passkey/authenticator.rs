//! What an authenticator says: for which party, whether somebody was there and who it was, how often it was used, and, when
//! a passkey is made, its id and key.

use super::cbor::Reader;
use super::cose::PublicKey;
use super::{Fault, RelyingParty, Seen};

/// Longest that is read, in bytes.
const LONGEST: usize = 4096;
/// Longest id of a passkey, in bytes (Web Authentication Level 3, section 4).
const LONGEST_ID: usize = 1023;

const PRESENT: u8 = 1;
const VERIFIED: u8 = 1 << 2;
const ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const ATTESTED: u8 = 1 << 6;
const EXTENDED: u8 = 1 << 7;

/// What was read.
#[derive(Debug)]
pub(super) struct AuthenticatorData<'a> {
    pub(super) seen: Seen,
    /// Of a passkey that was made.
    pub(super) made: Option<Made<'a>>,
}

/// A passkey that was made.
#[derive(Debug)]
pub(super) struct Made<'a> {
    pub(super) id: &'a [u8],
    pub(super) key: PublicKey,
    /// The key as it was written.
    pub(super) key_bytes: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    /// Reads all of it, which must be for this party, with somebody present.
    pub(super) fn read(bytes: &'a [u8], party: &RelyingParty) -> Result<Self, Fault> {
        if bytes.len() > LONGEST {
            return Err(Fault::Malformed);
        }
        let mut reader = Reader::new(bytes);
        let for_us = party.is(reader.take(32)?);
        let flags = *reader.take(1)?.first().ok_or(Fault::Malformed)?;
        let has = |flag: u8| flags & flag != 0;
        let count = reader.take(4)?.iter().fold(0, |count: u32, byte| count << 8 | u32::from(*byte));
        let made = if has(ATTESTED) { Some(Made::read(&mut reader)?) } else { None };
        if has(EXTENDED) {
            // No extension was asked for; what is said unasked must at least be a map.
            Reader::new(reader.raw()?).map()?;
        }
        reader.end()?;
        if !for_us {
            return Err(Fault::Party);
        }
        if !has(PRESENT) {
            return Err(Fault::Absent);
        }
        if has(BACKED_UP) && !has(ELIGIBLE) {
            return Err(Fault::Backup);
        }
        let seen = Seen { verified: has(VERIFIED), eligible: has(ELIGIBLE), backed_up: has(BACKED_UP), count };
        Ok(Self { seen, made })
    }
}

impl<'a> Made<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        // The model of the authenticator: not asked for, not kept.
        reader.take(16)?;
        let length = reader.take(2)?.iter().fold(0, |length: usize, byte| length << 8 | usize::from(*byte));
        if !(1..=LONGEST_ID).contains(&length) {
            return Err(Fault::Malformed);
        }
        let id = reader.take(length)?;
        let before = reader.rest();
        let key = PublicKey::read(reader)?;
        let key_bytes = before.get(..before.len() - reader.rest().len()).ok_or(Fault::Malformed)?;
        Ok(Self { id, key, key_bytes })
    }
}
