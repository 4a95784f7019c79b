//! Links to the trust page that end: a time, and a keyed hash of it. Nothing of them is stored; with another newest key of the ring
//! all of them end.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;

use super::{Class, Sealer, VaultError};

const CONTEXT: &[u8] = b"trust page";
const TIME: usize = 8;
const MARK: usize = 32;

impl Sealer {
    /// The last part of a link that works until then.
    ///
    /// # Errors
    /// Only when the cryptographic library fails.
    pub fn trust_link(&self, until: Timestamp) -> Result<SecretString, VaultError> {
        let time = until.seconds().to_be_bytes();
        let mark = self.mark(Class::TrustLink, CONTEXT, &time)?;
        Ok(SecretString::new(URL_SAFE_NO_PAD.encode([time.as_slice(), &mark].concat())))
    }

    /// Until when such a link works; `None` for what is none of ours.
    pub fn trust_link_until(&self, link: &str) -> Option<Timestamp> {
        let bytes = URL_SAFE_NO_PAD.decode(link).ok().filter(|bytes| bytes.len() == TIME + MARK)?;
        let (time, mark) = bytes.split_at(TIME);
        let expected = self.mark(Class::TrustLink, CONTEXT, time).ok()?;
        verify_slices_are_equal(mark, &expected).ok()?;
        Some(Timestamp::from_seconds(i64::from_be_bytes(time.try_into().ok()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::KeyRing;

    #[test]
    fn a_link_says_until_when_and_no_byte_of_it_can_be_other() {
        let mut ring = KeyRing::generate().unwrap();
        let sealer = Sealer::new(&ring);
        let until = Timestamp::from_seconds(1_790_000_000);
        let link = sealer.trust_link(until).unwrap();
        assert_eq!(sealer.trust_link_until(link.expose()), Some(until));
        let bytes = URL_SAFE_NO_PAD.decode(link.expose()).unwrap();
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_eq!(sealer.trust_link_until(&URL_SAFE_NO_PAD.encode(other)), None, "byte {at}");
        }
        assert_eq!(sealer.trust_link_until(""), None);
        ring.rotate(Timestamp::from_seconds(1)).unwrap();
        assert_eq!(Sealer::new(&ring).trust_link_until(link.expose()), None);
    }
}
