//! The part of CBOR that authenticators write (RFC 8949 in the form of CTAP2): definite lengths, each number in its
//! shortest form; no tags, no floats. Nothing is allocated, and every length is held to what is there.

use super::Fault;

/// Deepest nesting of a value that is passed over: an attestation has three levels.
const DEPTH: usize = 6;

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const SIMPLE: u8 = 7;

/// Reads one value after the other.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What was not read yet.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// The next bytes as they are.
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Fault::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A whole number.
    pub(super) fn integer(&mut self) -> Result<i64, Fault> {
        let (kind, value) = self.head()?;
        let value = i64::try_from(value).map_err(|_| Fault::Malformed)?;
        match kind {
            UNSIGNED => Ok(value),
            NEGATIVE => Ok(-1 - value),
            _ => Err(Fault::Malformed),
        }
    }

    /// A string of bytes.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.length(BYTES)?;
        self.take(length)
    }

    /// A text.
    pub(super) fn text(&mut self) -> Result<&'a str, Fault> {
        let length = self.length(TEXT)?;
        std::str::from_utf8(self.take(length)?).map_err(|_| Fault::Malformed)
    }

    /// How many pairs follow.
    pub(super) fn map(&mut self) -> Result<usize, Fault> {
        self.length(MAP)
    }

    /// The bytes of the next value, whatever it is.
    pub(super) fn raw(&mut self) -> Result<&'a [u8], Fault> {
        let before = self.0;
        self.pass_over(DEPTH)?;
        before.get(..before.len() - self.0.len()).ok_or(Fault::Malformed)
    }

    /// Nothing may be left.
    pub(super) const fn end(&self) -> Result<(), Fault> {
        if self.0.is_empty() { Ok(()) } else { Err(Fault::Malformed) }
    }

    fn pass_over(&mut self, depth: usize) -> Result<(), Fault> {
        let depth = depth.checked_sub(1).ok_or(Fault::Malformed)?;
        let (kind, value) = self.head()?;
        let count = usize::try_from(value).map_err(|_| Fault::Malformed)?;
        match kind {
            UNSIGNED | NEGATIVE => Ok(()),
            BYTES => self.take(count).map(|_| ()),
            TEXT => std::str::from_utf8(self.take(count)?).map(|_| ()).map_err(|_| Fault::Malformed),
            // Each element has a byte at least, so that a huge count ends with the bytes.
            ARRAY => (0..count).try_for_each(|_| self.pass_over(depth)),
            MAP => (0..count).try_for_each(|_| self.pass_over(depth).and_then(|()| self.pass_over(depth))),
            // False, true and null.
            SIMPLE if (20..=22).contains(&value) => Ok(()),
            _ => Err(Fault::Malformed),
        }
    }

    fn length(&mut self, wanted: u8) -> Result<usize, Fault> {
        match self.head()? {
            (kind, value) if kind == wanted => usize::try_from(value).map_err(|_| Fault::Malformed),
            _ => Err(Fault::Malformed),
        }
    }

    /// The kind of the next value and its number, which must be written as short as it can be.
    fn head(&mut self) -> Result<(u8, u64), Fault> {
        let first = *self.take(1)?.first().ok_or(Fault::Malformed)?;
        let (width, least) = match first & 31 {
            short @ 0..=23 => return Ok((first >> 5, u64::from(short))),
            24 => (1, 24),
            25 => (2, 1 << 8),
            26 => (4, 1 << 16),
            27 => (8, 1 << 32),
            _ => return Err(Fault::Malformed),
        };
        let value = self.take(width)?.iter().fold(0, |value: u64, byte| value << 8 | u64::from(*byte));
        if value < least { Err(Fault::Malformed) } else { Ok((first >> 5, value)) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_those_of_the_standard_in_their_shortest_form() {
        // RFC 8949, appendix A.
        for (bytes, value) in [
            (&b"\x00"[..], 0),
            (b"\x17", 23),
            (b"\x18\x18", 24),
            (b"\x19\x03\xe8", 1000),
            (b"\x1a\x00\x0f\x42\x40", 1_000_000),
            (b"\x1b\x00\x00\x00\xe8\xd4\xa5\x10\x00", 1_000_000_000_000),
            (b"\x20", -1),
            (b"\x38\x63", -100),
            (b"\x39\x03\xe7", -1000),
        ] {
            let mut reader = Reader::new(bytes);
            assert_eq!((reader.integer(), reader.end()), (Ok(value), Ok(())), "{bytes:x?}");
        }
        for bad in [&b""[..], b"\x18\x17", b"\x19\x00\xff", b"\x1a\x00\x00\xff\xff", b"\x1c", b"\x1f", b"\x18"] {
            assert_eq!(Reader::new(bad).integer(), Err(Fault::Malformed), "{bad:x?}");
        }
    }

    #[test]
    fn a_length_beyond_the_end_and_a_nesting_without_end_are_refused() {
        assert_eq!(Reader::new(b"\x43ab").bytes(), Err(Fault::Malformed));
        assert_eq!(Reader::new(b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff").bytes(), Err(Fault::Malformed));
        assert_eq!(Reader::new(b"\x61\xff").text(), Err(Fault::Malformed));
        assert_eq!(Reader::new(&[0x81; 4000]).raw(), Err(Fault::Malformed));
        assert_eq!(Reader::new(b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff\x00").raw(), Err(Fault::Malformed));
        for bad in [&b"\xc0\x00"[..], b"\xf9\x00\x00", b"\x5f\xff", b"\xf7", b"\x82\x00"] {
            assert_eq!(Reader::new(bad).raw(), Err(Fault::Malformed), "{bad:x?}");
        }
        let whole = b"\xa1\x61a\x82\xf5\x41b";
        assert_eq!(Reader::new(whole).raw(), Ok(&whole[..]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = Reader::new(&bytes);
            if let Ok(raw) = reader.raw() {
                prop_assert_eq!([raw, reader.rest()].concat(), bytes);
            }
        }
    }
}
