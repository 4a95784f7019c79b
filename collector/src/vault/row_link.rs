//! Addresses of one row of an organization that only this collector can make: whose it is, its id, and a keyed hash of both. Nothing of
//! them is stored, and what is none of ours is known before the database is asked. One works until the key that it was made with leaves
//! the ring.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use picket_shared::secret::SecretString;
use uuid::Uuid;

use super::{Class, Sealer, VaultError};

const OWNER: usize = 8;
const ROW: usize = 16;
/// Half of the hash: RFC 2104, section 5. A button of Telegram carries 64 bytes.
const MARK: usize = 16;

impl Sealer {
    /// The last part of the address where a delivery is acknowledged; `owner` numbers the organization.
    ///
    /// # Errors
    /// Only when the cryptographic library fails.
    pub fn acknowledgement(&self, owner: i64, delivery: Uuid) -> Result<SecretString, VaultError> {
        self.row_link(Class::Acknowledgement, owner, delivery)
    }

    /// Organization and delivery of such an address; `None` for what is none of ours.
    pub fn of_acknowledgement(&self, link: &str) -> Option<(i64, Uuid)> {
        self.row_of_link(Class::Acknowledgement, link)
    }

    /// The last part of the address where a channel's provider answers; `owner` numbers the organization.
    ///
    /// # Errors
    /// Only when the cryptographic library fails.
    pub fn hook(&self, owner: i64, channel: Uuid) -> Result<SecretString, VaultError> {
        self.row_link(Class::Hook, owner, channel)
    }

    /// Organization and channel of such an address; `None` for what is none of ours.
    pub fn of_hook(&self, link: &str) -> Option<(i64, Uuid)> {
        self.row_of_link(Class::Hook, link)
    }

    fn row_link(&self, class: Class, owner: i64, row: Uuid) -> Result<SecretString, VaultError> {
        let named = [owner.to_be_bytes().as_slice(), row.as_bytes()].concat();
        let mark = self.mark(class, row.as_bytes(), &named)?;
        Ok(SecretString::new(URL_SAFE_NO_PAD.encode([named.as_slice(), &mark[..MARK]].concat())))
    }

    fn row_of_link(&self, class: Class, link: &str) -> Option<(i64, Uuid)> {
        let bytes = URL_SAFE_NO_PAD.decode(link).ok().filter(|bytes| bytes.len() == OWNER + ROW + MARK)?;
        let (named, mark) = bytes.split_at(OWNER + ROW);
        let (owner, row) = named.split_at(OWNER);
        let row = Uuid::from_slice(row).ok()?;
        let marks = self.marks(class, row.as_bytes(), named).ok()?;
        marks.iter().any(|expected| verify_slices_are_equal(mark, &expected[..MARK]).is_ok()).then_some(())?;
        Some((i64::from_be_bytes(owner.try_into().ok()?), row))
    }
}

#[cfg(test)]
mod tests {
    use picket_shared::time::Timestamp;

    use super::*;
    use crate::vault::KeyRing;

    #[test]
    fn a_link_names_its_row_and_no_byte_of_it_can_be_other() {
        let mut ring = KeyRing::generate().unwrap();
        let sealer = Sealer::new(&ring);
        let row = Uuid::from_u128(7);
        let link = sealer.row_link(Class::Acknowledgement, 42, row).unwrap();
        assert!(link.expose().len() <= 54, "{} characters", link.expose().len());
        assert_eq!(sealer.row_of_link(Class::Acknowledgement, link.expose()), Some((42, row)));
        assert_eq!(sealer.row_of_link(Class::Hook, link.expose()), None, "one sort is not the other");
        let bytes = URL_SAFE_NO_PAD.decode(link.expose()).unwrap();
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_eq!(sealer.row_of_link(Class::Acknowledgement, &URL_SAFE_NO_PAD.encode(other)), None, "byte {at}");
        }
        for none in ["", "x", &link.expose()[1..], &format!("{}AA", link.expose())] {
            assert_eq!(sealer.row_of_link(Class::Acknowledgement, none), None, "{none}");
        }
        ring.rotate(Timestamp::from_seconds(1)).unwrap();
        let newer = Sealer::new(&ring);
        assert_eq!(newer.row_of_link(Class::Acknowledgement, link.expose()), Some((42, row)), "a rotation ends none");
        assert_eq!(Sealer::new(&KeyRing::generate().unwrap()).row_of_link(Class::Acknowledgement, link.expose()), None);
    }
}
