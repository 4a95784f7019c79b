//! The form of an object in the archive: compressed, then sealed, bound to its name.
//!
//! ```text
//! "PKTO" | version (2) | nonce prefix (7) | sealed key (105) | segments
//! ```
//!
//! The content is compressed by zstd, with its checksum, and then sealed by AES-256-GCM as a STREAM (Hoang, Reyhanitabar, Rogaway and
//! Vizár, 2015): segments of 64 KiB, each under the nonce `prefix (7) | number (4) | 1 if it is the last (1)`, so that none can be
//! left out, moved, doubled or added. Every segment authenticates the whole header and the object's name. The sealed key is a
//! value of the vault: the object's own random key, the size of the content, and the SHA-256 of what it was compressed to, under the
//! newest key of the key ring and bound to the header and the name. Nothing of the content stands outside: who has the store knows
//! names and the compressed size, no hash, no plain size.
//!
//! Objects of version 1 differ in that hash, which is of the content itself, and have no checksum of zstd. They are read, and made
//! no more: what is hashed is a fifth as much now.

use std::io;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest;
use picket_shared::secret::Sealed;
use zeroize::Zeroizing;
use zstd::zstd_safe::CParameter;

use crate::vault::token::random_bytes;
use crate::vault::{Class, Opener, Sealer, VaultError};

/// What an object may hold at most: larger things are cut before.
pub const MOST: usize = 64 << 20;
const MAGIC: &[u8; 4] = b"PKTO";
const VERSION: u8 = 2;
/// The version before, which is still read.
const OLD: u8 = 1;
const PREFIX: usize = 7;
const FRONT: usize = MAGIC.len() + 1 + PREFIX;
const KEY: usize = 32;
/// Key, size of the content, and SHA-256 of what it was compressed to.
const INNER: usize = KEY + 8 + 32;
/// As the vault seals it: version, name of the key, nonce, and tag around it.
const SEALED: usize = 1 + 4 + 12 + INNER + TAG;
/// Bytes in front of the segments.
pub const HEADER: usize = FRONT + SEALED;
const SEGMENT: usize = 64 << 10;
const TAG: usize = 16;
/// The fastest: WAL becomes as small as by level 3 in half the time, and base backups a few percent larger (docs/benchmarks.md).
const LEVEL: i32 = 1;
/// Bytes that an object takes as stored at most: what does not compress grows a little, and each segment has its tag.
pub const MOST_STORED: usize = HEADER + MOST + MOST / 128;

/// Why bytes are no object, or an object cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// It does not begin as one.
    #[error("it is no object of an archive")]
    Foreign,
    /// It begins as one, of another version.
    #[error("it is of version {0}, which this program does not know: use a newer picket-collector")]
    Version(u8),
    /// It was changed, cut off, renamed or put together from others.
    #[error("it is damaged, or lies under a name that is not its own")]
    Damaged,
    /// Its key cannot be had.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The content is larger than an object may be.
    #[error("{0} bytes are more than an object may hold")]
    TooLarge(usize),
    /// The content could not be compressed.
    #[error("it could not be compressed: {0}")]
    Compression(io::Error),
}

/// Seals `content` for the place `name`.
///
/// # Errors
/// When it is too large, or the machine gives no random bytes.
pub fn seal(sealer: &Sealer, name: &str, content: &[u8]) -> Result<Vec<u8>, ObjectError> {
    seal_by(sealer, name, content, Hands::One)
}

/// How many threads compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hands {
    /// One: where several things are compressed at once anyway.
    One,
    /// Two, where somebody waits for this one.
    Two,
}

/// The same, compressed by so many hands: the frame differs a little, and not what comes out of it.
///
/// # Errors
/// As [`seal`].
pub fn seal_by(sealer: &Sealer, name: &str, content: &[u8], hands: Hands) -> Result<Vec<u8>, ObjectError> {
    if content.len() > MOST {
        return Err(ObjectError::TooLarge(content.len()));
    }
    let packed = pack(content, hands).map_err(ObjectError::Compression)?;
    let mut object = Vec::with_capacity(HEADER + packed.len() + (packed.len() / SEGMENT + 1) * TAG);
    object.extend_from_slice(MAGIC);
    object.push(VERSION);
    object.extend_from_slice(&random_bytes::<PREFIX>()?);
    let key = Zeroizing::new(random_bytes::<KEY>()?);
    let mut inner = Zeroizing::new(Vec::with_capacity(INNER));
    inner.extend_from_slice(key.as_slice());
    inner.extend_from_slice(&u64::try_from(content.len()).unwrap_or(u64::MAX).to_be_bytes());
    inner.extend_from_slice(digest::digest(&digest::SHA256, &packed).as_ref());
    object.extend_from_slice(&sealer.seal(Class::ArchiveKey, &bound(&object, name), &inner)?.0);
    let stream = Stream::new(&key, &object, name)?;
    let last = packed.len().saturating_sub(1) / SEGMENT;
    for number in 0..=last {
        let segment = &packed[number * SEGMENT..packed.len().min((number + 1) * SEGMENT)];
        stream.seal(number, number == last, segment, &mut object)?;
    }
    Ok(object)
}

/// One frame, whose checksum shows a mistake in unpacking it.
fn pack(content: &[u8], hands: Hands) -> io::Result<Vec<u8>> {
    let mut packer = zstd::bulk::Compressor::new(LEVEL)?;
    packer.set_parameter(CParameter::ChecksumFlag(true))?;
    if hands == Hands::Two {
        packer.multithread(2)?;
    }
    packer.compress(content)
}

/// Opens an object that was fetched from the place `name`.
///
/// # Errors
/// When it was changed in any way, was sealed for another place, or its key is not in the ring.
pub fn open(opener: &Opener, name: &str, object: &[u8]) -> Result<Vec<u8>, ObjectError> {
    let version = *object.get(MAGIC.len()).ok_or(ObjectError::Foreign)?;
    if !object.starts_with(MAGIC) {
        return Err(ObjectError::Foreign);
    }
    if !matches!(version, OLD | VERSION) {
        return Err(ObjectError::Version(version));
    }
    if object.len() < HEADER + TAG {
        return Err(ObjectError::Damaged);
    }
    let (header, segments) = object.split_at(HEADER);
    let (front, sealed) = header.split_at(FRONT);
    let opened = opener.open(Class::ArchiveKey, &bound(front, name), &Sealed(sealed.to_vec()));
    let inner = opened.map_err(|error| match error {
        VaultError::Refused | VaultError::Malformed => ObjectError::Damaged,
        other => other.into(),
    })?;
    let inner = Inner::read(inner.expose()).ok_or(ObjectError::Damaged)?;
    let stream = Stream::new(&inner.key, header, name)?;
    let last = (segments.len() - 1) / (SEGMENT + TAG);
    let mut packed = Vec::with_capacity(segments.len());
    for (number, segment) in segments.chunks(SEGMENT + TAG).enumerate() {
        stream.open(number, number == last, segment, &mut packed)?;
    }
    let is_hashed = |bytes: &[u8]| digest::digest(&digest::SHA256, bytes).as_ref() == inner.sha256;
    if version == VERSION && !is_hashed(&packed) {
        return Err(ObjectError::Damaged);
    }
    let content = zstd::bulk::decompress(&packed, inner.size).map_err(|_| ObjectError::Damaged)?;
    let whole = content.len() == inner.size && (version == VERSION || is_hashed(&content));
    if whole { Ok(content) } else { Err(ObjectError::Damaged) }
}

/// What the sealed key holds.
struct Inner {
    key: Zeroizing<[u8; KEY]>,
    size: usize,
    sha256: [u8; 32],
}

impl Inner {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (key, rest) = bytes.split_first_chunk::<KEY>()?;
        let (size, sha256) = rest.split_first_chunk::<8>()?;
        let size = usize::try_from(u64::from_be_bytes(*size)).ok().filter(|size| *size <= MOST)?;
        Some(Self { key: Zeroizing::new(*key), size, sha256: sha256.try_into().ok()? })
    }
}

/// The segments of one object.
struct Stream {
    key: LessSafeKey,
    prefix: [u8; PREFIX],
    associated: Vec<u8>,
}

impl Stream {
    fn new(key: &[u8; KEY], header: &[u8], name: &str) -> Result<Self, ObjectError> {
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| VaultError::Unsealed)?;
        let mut prefix = [0; PREFIX];
        prefix.copy_from_slice(&header[FRONT - PREFIX..FRONT]);
        Ok(Self { key: LessSafeKey::new(key), prefix, associated: bound(header, name) })
    }

    fn nonce(&self, number: usize, is_last: bool) -> Result<Nonce, ObjectError> {
        let mut nonce = [0; 12];
        nonce[..PREFIX].copy_from_slice(&self.prefix);
        let number = u32::try_from(number).map_err(|_| ObjectError::TooLarge(number))?;
        nonce[PREFIX..11].copy_from_slice(&number.to_be_bytes());
        nonce[11] = u8::from(is_last);
        Ok(Nonce::assume_unique_for_key(nonce))
    }

    fn seal(&self, number: usize, is_last: bool, segment: &[u8], into: &mut Vec<u8>) -> Result<(), ObjectError> {
        let from = into.len();
        into.extend_from_slice(segment);
        let (nonce, aad) = (self.nonce(number, is_last)?, Aad::from(self.associated.as_slice()));
        let tag = self.key.seal_in_place_separate_tag(nonce, aad, &mut into[from..]);
        into.extend_from_slice(tag.map_err(|_| VaultError::Unsealed)?.as_ref());
        Ok(())
    }

    fn open(&self, number: usize, is_last: bool, segment: &[u8], into: &mut Vec<u8>) -> Result<(), ObjectError> {
        let from = into.len();
        into.extend_from_slice(segment);
        let (nonce, aad) = (self.nonce(number, is_last)?, Aad::from(self.associated.as_slice()));
        let plain = self.key.open_in_place(nonce, aad, &mut into[from..]).map_err(|_| ObjectError::Damaged)?;
        let length = plain.len();
        into.truncate(from + length);
        Ok(())
    }
}

/// Header and name, each with its length in front.
fn bound(header: &[u8], name: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16 + header.len() + name.len());
    for part in [header, name.as_bytes()] {
        bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::KeyRing;
    use proptest::prelude::*;

    const NAME: &str = "7000000000000000001/wal/00000001/000000010000000000000001";

    fn vault() -> (Sealer, Opener) {
        let ring = KeyRing::generate().unwrap();
        (Sealer::new(&ring), Opener::new(&ring))
    }

    /// Bytes that zstd cannot make smaller, so that there are several segments.
    fn noise(length: usize) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(7);
        (0..length).map(|_| random.u8(..)).collect()
    }

    fn segments(object: &[u8]) -> Vec<Vec<u8>> {
        object[HEADER..].chunks(SEGMENT + TAG).map(<[u8]>::to_vec).collect()
    }

    fn with(object: &[u8], segments: &[Vec<u8>]) -> Vec<u8> {
        [&object[..HEADER], &segments.concat()].concat()
    }

    #[test]
    fn what_was_sealed_opens_again_and_never_looks_the_same_twice() {
        let (sealer, opener) = vault();
        for content in [Vec::new(), vec![0], vec![0; 16 << 20], noise(SEGMENT), noise(3 * SEGMENT), noise(200_001)] {
            let object = seal(&sealer, NAME, &content).unwrap();
            assert_eq!(open(&opener, NAME, &object).unwrap(), content);
            assert_ne!(seal(&sealer, NAME, &content).unwrap(), object);
            let object = seal_by(&sealer, NAME, &content, Hands::Two).unwrap();
            assert_eq!(open(&opener, NAME, &object).unwrap(), content);
        }
    }

    #[test]
    fn zeros_are_compressed_and_nothing_but_the_compressed_size_is_shown() {
        let (sealer, _) = vault();
        let object = seal(&sealer, NAME, &vec![0; 16 << 20]).unwrap();
        assert!(object.len() < 4096, "{}", object.len());
        let content = noise(1000);
        let object = seal(&sealer, NAME, &content).unwrap();
        let hash = digest::digest(&digest::SHA256, &content);
        for secret in [hash.as_ref(), &content[..16], &1000_u64.to_be_bytes()] {
            assert!(!object.windows(secret.len()).any(|window| window == secret));
        }
    }

    #[test]
    fn one_flipped_bit_anywhere_is_refused() {
        let (sealer, opener) = vault();
        for content in [Vec::new(), noise(300)] {
            let object = seal(&sealer, NAME, &content).unwrap();
            for at in 0..object.len() {
                for bit in [1, 0x80] {
                    let mut changed = object.clone();
                    changed[at] ^= bit;
                    assert!(open(&opener, NAME, &changed).is_err(), "byte {at}");
                }
            }
        }
    }

    #[test]
    fn a_flipped_byte_in_any_segment_is_refused() {
        let (sealer, opener) = vault();
        let object = seal(&sealer, NAME, &noise(4 * SEGMENT)).unwrap();
        for at in (HEADER..object.len()).step_by(4099).chain([object.len() - 1]) {
            let mut changed = object.clone();
            changed[at] ^= 1;
            assert!(matches!(open(&opener, NAME, &changed), Err(ObjectError::Damaged)), "byte {at}");
        }
    }

    #[test]
    fn any_truncation_is_refused_also_between_segments() {
        let (sealer, opener) = vault();
        let object = seal(&sealer, NAME, &noise(3 * SEGMENT)).unwrap();
        let all = segments(&object);
        assert_eq!(all.len(), 4, "the frame of zstd takes a little more than three");
        for kept in 0..all.len() {
            assert!(open(&opener, NAME, &with(&object, &all[..kept])).is_err(), "{kept} segments");
        }
        for length in (0..object.len()).step_by(997).chain(0..HEADER + 40) {
            assert!(open(&opener, NAME, &object[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn segments_that_are_moved_doubled_or_added_are_refused() {
        let (sealer, opener) = vault();
        let object = seal(&sealer, NAME, &noise(4 * SEGMENT)).unwrap();
        let other = seal(&sealer, NAME, &noise(4 * SEGMENT)).unwrap();
        let all = segments(&object);
        for (one, two) in [(0, 1), (1, 2), (0, 3), (3, 4)] {
            let mut moved = all.clone();
            moved.swap(one, two);
            assert!(open(&opener, NAME, &with(&object, &moved)).is_err(), "{one} and {two} swapped");
        }
        for at in 0..all.len() {
            let mut doubled = all.clone();
            doubled.insert(at, all[at].clone());
            assert!(open(&opener, NAME, &with(&object, &doubled)).is_err(), "{at} doubled");
            let mut without = all.clone();
            without.remove(at);
            assert!(open(&opener, NAME, &with(&object, &without)).is_err(), "{at} left out");
            let mut mixed = all.clone();
            mixed[at] = segments(&other)[at].clone();
            assert!(open(&opener, NAME, &with(&object, &mixed)).is_err(), "{at} of another object");
        }
        for more in [&b"x"[..], &[0; TAG], &object[HEADER..]] {
            assert!(open(&opener, NAME, &[&object, more].concat()).is_err());
        }
        assert!(open(&opener, NAME, &[&other[..HEADER], &object[HEADER..]].concat()).is_err(), "the header of another");
    }

    #[test]
    fn an_object_opens_under_its_own_name_and_ring_only() {
        let (sealer, opener) = vault();
        let (_, stranger) = vault();
        let object = seal(&sealer, NAME, b"content").unwrap();
        for name in ["", &NAME[1..], &NAME.replace("0001", "0002"), &format!("{NAME}.partial")] {
            assert!(matches!(open(&opener, name, &object), Err(ObjectError::Damaged)), "{name}");
        }
        assert!(matches!(open(&stranger, NAME, &object), Err(ObjectError::Vault(VaultError::UnknownKey(_)))));
    }

    #[test]
    fn what_is_no_object_is_told_apart() {
        let (sealer, opener) = vault();
        let mut object = seal(&sealer, NAME, b"content").unwrap();
        assert!(matches!(open(&opener, NAME, b""), Err(ObjectError::Foreign)));
        assert!(matches!(open(&opener, NAME, b"PKT"), Err(ObjectError::Foreign)));
        assert!(matches!(open(&opener, NAME, &object[1..]), Err(ObjectError::Foreign)));
        object[4] = 3;
        assert!(matches!(open(&opener, NAME, &object), Err(ObjectError::Version(3))));
        object[4] = OLD;
        assert!(matches!(open(&opener, NAME, &object), Err(ObjectError::Damaged)), "its version is sealed, too");
        assert!(seal(&sealer, NAME, &noise(MOST)).unwrap().len() <= MOST_STORED);
        assert!(matches!(seal(&sealer, NAME, &vec![0; MOST + 1]), Err(ObjectError::TooLarge(_))));
    }

    #[test]
    fn after_a_rotation_old_objects_open_and_new_ones_use_the_new_key() {
        let mut ring = KeyRing::generate().unwrap();
        let old = seal(&Sealer::new(&ring), NAME, b"old").unwrap();
        ring.rotate(picket_shared::time::Timestamp::from_seconds(1)).unwrap();
        let new = seal(&Sealer::new(&ring), NAME, b"new").unwrap();
        let opener = Opener::new(&ring);
        assert_eq!(open(&opener, NAME, &old).unwrap(), b"old");
        assert_eq!(open(&opener, NAME, &new).unwrap(), b"new");
        assert_ne!(old[FRONT + 1..FRONT + 5], new[FRONT + 1..FRONT + 5]);
    }

    proptest! {
        #[test]
        fn any_content_comes_back_and_any_other_bytes_are_refused(
            content in prop::collection::vec(any::<u8>(), 0..5000),
            at in any::<prop::sample::Index>(),
            flip in 1_u8..,
            junk in prop::collection::vec(any::<u8>(), 0..400),
        ) {
            let (sealer, opener) = vault();
            let object = seal(&sealer, NAME, &content).unwrap();
            prop_assert_eq!(&open(&opener, NAME, &object).unwrap(), &content);
            let mut changed = object.clone();
            changed[at.index(object.len())] ^= flip;
            prop_assert!(open(&opener, NAME, &changed).is_err());
            prop_assert!(open(&opener, NAME, &junk).is_err());
            prop_assert!(open(&opener, NAME, &[&object[..HEADER], &junk].concat()).is_err());
        }
    }
}
