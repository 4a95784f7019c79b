//! What PostgreSQL calls the files that it archives, and where each lies.

use std::fmt;
use std::str::FromStr;

/// A position in the WAL: bytes since its beginning. Written as PostgreSQL does, `16/B374D848`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

impl FromStr for Lsn {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (high, low) = text.split_once('/').ok_or(())?;
        let half = |text: &str| {
            let digits = (1..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            if digits { u64::from_str_radix(text, 16).map_err(|_| ()) } else { Err(()) }
        };
        Ok(Self(half(high)? << 32 | half(low)?))
    }
}

/// How large the segments of a cluster are: a power of two from 1 MiB to 1 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentSize(u64);

impl SegmentSize {
    /// The usual one: 16 MiB.
    pub const USUAL: Self = Self(16 << 20);

    /// Of so many bytes; `None` if no cluster can have it.
    pub fn of(bytes: u64) -> Option<Self> {
        (bytes.is_power_of_two() && (1 << 20..=1 << 30).contains(&bytes)).then_some(Self(bytes))
    }

    /// In bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The number of the segment that holds the byte at `lsn`.
    pub const fn number_of(self, lsn: Lsn) -> u64 {
        lsn.0 / self.0
    }

    /// The number of the segment that holds the last byte before `lsn`.
    pub const fn number_before(self, lsn: Lsn) -> u64 {
        lsn.0.saturating_sub(1) / self.0
    }

    const fn per_id(self) -> u64 {
        (1 << 32) / self.0
    }
}

/// One segment of one timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Segment {
    /// The timeline.
    pub timeline: u32,
    high: u32,
    low: u32,
}

impl Segment {
    /// The segment of that number.
    pub fn new(timeline: u32, number: u64, size: SegmentSize) -> Self {
        let half = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Self { timeline, high: half(number / size.per_id()), low: half(number % size.per_id()) }
    }

    /// Its number in its timeline.
    pub fn number(self, size: SegmentSize) -> u64 {
        u64::from(self.high) * size.per_id() + u64::from(self.low)
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08X}{:08X}{:08X}", self.timeline, self.high, self.low)
    }
}

/// A file that PostgreSQL archives, or asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WalFile {
    /// Where a timeline came from. First, because recovery cannot find the others without it.
    History(u32),
    /// A whole segment.
    Segment(Segment),
    /// The last segment of a timeline that was left, as far as it was written. Recovery never takes it by itself.
    Partial(Segment),
    /// Where a base backup began and ended: the segment and the byte in it where it began.
    Backup(Segment, u32),
}

impl WalFile {
    /// The timeline that it belongs to.
    pub const fn timeline(self) -> u32 {
        match self {
            Self::History(timeline) => timeline,
            Self::Segment(segment) | Self::Partial(segment) | Self::Backup(segment, _) => segment.timeline,
        }
    }

    /// What lies at a place of the archive; `None` when no file of the WAL does.
    pub fn at(place: &str) -> Option<Self> {
        place.strip_prefix("wal/")?.rsplit('/').next()?.parse().ok()
    }

    /// Its place below the system's folder: `wal/00000001/000000010000000000000001`.
    pub fn place(self) -> String {
        format!("{}{self}", folder(self.timeline()))
    }
}

/// Where everything of one timeline lies, below the system's folder.
pub fn folder(timeline: u32) -> String {
    format!("wal/{timeline:08X}/")
}

impl fmt::Display for WalFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::History(timeline) => write!(f, "{timeline:08X}.history"),
            Self::Segment(segment) => write!(f, "{segment}"),
            Self::Partial(segment) => write!(f, "{segment}.partial"),
            Self::Backup(segment, offset) => write!(f, "{segment}.{offset:08X}.backup"),
        }
    }
}

/// A name that no file of the WAL has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no file of the WAL: name a segment, a .history, a .partial or a .backup")]
pub struct NotWal(String);

impl FromStr for WalFile {
    type Err = NotWal;

    fn from_str(name: &str) -> Result<Self, NotWal> {
        parse(name).ok_or_else(|| NotWal(name.to_owned()))
    }
}

fn parse(name: &str) -> Option<WalFile> {
    if let Some(timeline) = name.strip_suffix(".history") {
        return (timeline.len() == 8).then(|| hex(timeline).map(WalFile::History)).flatten();
    }
    let segment =
        Segment { timeline: hex(name.get(..8)?)?, high: hex(name.get(8..16)?)?, low: hex(name.get(16..24)?)? };
    match name.get(24..)? {
        "" => Some(WalFile::Segment(segment)),
        ".partial" => Some(WalFile::Partial(segment)),
        rest => {
            let offset = rest.strip_prefix('.')?.strip_suffix(".backup").filter(|offset| offset.len() == 8)?;
            Some(WalFile::Backup(segment, hex(offset)?))
        }
    }
}

/// Digits as PostgreSQL writes them: in capitals.
fn hex(text: &str) -> Option<u32> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
    text.bytes().all(is_digit).then(|| u32::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_kind_of_file_is_told_apart_and_written_again() {
        for (name, kind) in [
            ("00000002.history", "History"),
            ("0000000100000000000000FE", "Segment"),
            ("0000000100000000000000FE.partial", "Partial"),
            ("0000000100000000000000FE.00000028.backup", "Backup"),
        ] {
            let file: WalFile = name.parse().unwrap();
            assert!(format!("{file:?}").starts_with(kind), "{file:?}");
            assert_eq!(file.to_string(), name);
        }
        let history: WalFile = "0000000A.history".parse().unwrap();
        assert_eq!(history.place(), "wal/0000000A/0000000A.history");
        assert_eq!(WalFile::at(&history.place()), Some(history));
        assert_eq!(WalFile::at("base/0000000A.history"), None);
    }

    #[test]
    fn what_is_none_is_refused() {
        for bad in [
            "",
            "x",
            "0000000100000000000000F",
            "0000000100000000000000FE0",
            "0000000100000000000000fe",
            "0000000100000000000000FE.",
            "0000000100000000000000FE.part",
            "0000000100000000000000FE.0000028.backup",
            "0000000100000000000000FE.000000281.backup",
            "../../../../etc/passwd.history",
            "+0000001.history",
            "2.history",
            "0000000100000000000000FE.gz",
            "ä000000100000000000000FE",
        ] {
            assert!(bad.parse::<WalFile>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn positions_are_written_as_postgresql_does() {
        let lsn: Lsn = "16/B374D848".parse().unwrap();
        assert_eq!(lsn, Lsn(0x16_B374_D848));
        assert_eq!(lsn.to_string(), "16/B374D848");
        for bad in ["", "1", "1/", "/1", "1/2/3", "g/1", "1/123456789", "+1/1"] {
            assert!(bad.parse::<Lsn>().is_err(), "{bad}");
        }
        assert_eq!(SegmentSize::of(3), None);
        assert_eq!(SegmentSize::of(16 << 20), Some(SegmentSize::USUAL));
    }

    #[test]
    fn a_position_lies_in_its_segment() {
        let size = SegmentSize::USUAL;
        assert_eq!(size.number_of(Lsn(16 << 20)), 1);
        assert_eq!(size.number_before(Lsn(16 << 20)), 0);
        assert_eq!(Segment::new(1, 256, size).to_string(), "000000010000000100000000");
    }

    proptest! {
        #[test]
        fn numbers_and_names_are_the_same_thing(timeline in 1_u32.., number in 0_u64..1 << 40, power in 20_u32..=30) {
            let size = SegmentSize::of(1 << power).unwrap();
            let number = number % (1 << (64 - power));
            let segment = Segment::new(timeline, number, size);
            prop_assert_eq!(segment.number(size), number);
            prop_assert_eq!(segment.to_string().parse::<WalFile>().unwrap(), WalFile::Segment(segment));
        }
    }
}
