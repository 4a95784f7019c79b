//! A write-ahead log: pages that are newer than those of the file.

use std::collections::HashMap;

use super::Damage;

const HEADER: usize = 32;
const FRAME: usize = 24;

/// The pages of every transaction in the log that was committed.
#[derive(Default)]
pub(super) struct Log<'a> {
    newest: HashMap<u32, &'a [u8]>,
    pages: Option<u32>,
}

impl<'a> Log<'a> {
    /// An empty log is one without pages.
    pub(super) fn open(bytes: &'a [u8], page_size: usize) -> Result<Self, Damage> {
        let mut log = Self::default();
        if bytes.is_empty() {
            return Ok(log);
        }
        let order: fn([u8; 4]) -> u32 = match bytes.get(..4) {
            Some([0x37, 0x7f, 0x06, 0x82]) => u32::from_le_bytes,
            Some([0x37, 0x7f, 0x06, 0x83]) => u32::from_be_bytes,
            _ => return Err("its write-ahead log (-wal) is not one".to_owned()),
        };
        let (Some(head), Some(size)) = (bytes.get(..HEADER), word(bytes, 8)) else {
            return Err("its write-ahead log (-wal) is cut short".to_owned());
        };
        if usize::try_from(size) != Ok(page_size) {
            return Err("its write-ahead log (-wal) belongs to another database".to_owned());
        }
        let mut sum = checksum((0, 0), &head[..24], order);
        if Some(sum) != word(bytes, 24).zip(word(bytes, 28)) {
            // As SQLite does: a log whose header is damaged holds nothing.
            return Ok(log);
        }
        let mut open: Vec<(u32, &[u8])> = Vec::new();
        for frame in bytes[HEADER..].chunks_exact(FRAME + page_size) {
            let (head, page) = frame.split_at(FRAME);
            // Frames of before the last restart of the log have other salts; the log ends there.
            if head[8..16] != bytes[16..24] {
                break;
            }
            sum = checksum(checksum(sum, &head[..8], order), page, order);
            if Some(sum) != word(head, 16).zip(word(head, 20)) {
                break;
            }
            let (Some(number), Some(size_then)) = (word(head, 0), word(head, 4)) else { break };
            open.push((number, page));
            if size_then != 0 {
                log.newest.extend(open.drain(..));
                log.pages = Some(size_then);
            }
        }
        Ok(log)
    }

    /// A page, if the log has one.
    pub(super) fn page(&self, number: u32) -> Option<&'a [u8]> {
        self.newest.get(&number).copied()
    }

    /// How many pages the database has after the log's last transaction.
    pub(super) fn pages(&self) -> Option<u32> {
        self.pages
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).map(|four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
}

fn checksum(start: (u32, u32), bytes: &[u8], order: fn([u8; 4]) -> u32) -> (u32, u32) {
    bytes.chunks_exact(8).fold(start, |(a, b), eight| {
        let (left, right) = eight.split_at(4);
        let a = a.wrapping_add(order([left[0], left[1], left[2], left[3]])).wrapping_add(b);
        (a, b.wrapping_add(order([right[0], right[1], right[2], right[3]])).wrapping_add(a))
    })
}
