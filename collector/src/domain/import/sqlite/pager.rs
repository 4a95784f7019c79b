//! Page numbers -> pages, from the file and from its write-ahead log.

use super::record::Encoding;
use super::{Damage, MAGIC, wal};

const HEADER: usize = 100;

pub(super) struct Pager<'a> {
    bytes: &'a [u8],
    log: wal::Log<'a>,
    page_size: usize,
    usable: usize,
    pages: u32,
    encoding: Encoding,
}

impl<'a> Pager<'a> {
    pub(super) fn open(bytes: &'a [u8], log: Option<&'a [u8]>) -> Result<Self, Damage> {
        if !bytes.starts_with(MAGIC) {
            return Err("it is not an SQLite database, or it is encrypted".to_owned());
        }
        if bytes.len() < HEADER {
            return Err(format!("it is cut short: {} bytes are less than a database's header", bytes.len()));
        }
        let page_size = match u16::from_be_bytes([bytes[16], bytes[17]]) {
            1 => 65_536,
            size if size >= 512 && size.is_power_of_two() => usize::from(size),
            _ => return Err("its header is damaged: the size of a page is none".to_owned()),
        };
        let usable = page_size - usize::from(bytes[20]);
        if usable < 480 || bytes[21..24] != [64, 32, 32] {
            return Err("its header is damaged: the shape of a page is none".to_owned());
        }
        let log = match log {
            Some(log) => wal::Log::open(log, page_size)?,
            None => wal::Log::default(),
        };
        let held = u32::try_from(bytes.len() / page_size).unwrap_or(u32::MAX);
        let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        // The size in the header counts only where the last writer was one that keeps it.
        let named = if word(24) == word(92) { word(28) } else { held };
        let pages = log.pages().unwrap_or(named);
        if log.pages().is_none() && (named > held || held == 0) {
            return Err(format!("it is cut short: it says that it has {named} pages, and holds {held}"));
        }
        let mut pager = Self { bytes, log, page_size, usable, pages, encoding: Encoding::Utf8 };
        pager.encoding = match pager.page(1)?[56..60] {
            [0, 0, 0, 0 | 1] => Encoding::Utf8,
            [0, 0, 0, 2] => Encoding::Utf16Le,
            [0, 0, 0, 3] => Encoding::Utf16Be,
            _ => return Err("its header is damaged: the encoding of texts is none".to_owned()),
        };
        Ok(pager)
    }

    /// A whole page; the first is 1.
    pub(super) fn page(&self, number: u32) -> Result<&'a [u8], Damage> {
        let damaged = || format!("it is damaged or cut short: page {number} is not there");
        if number == 0 || number > self.pages {
            return Err(damaged());
        }
        if let Some(page) = self.log.page(number) {
            return Ok(page);
        }
        let start = usize::try_from(number - 1).unwrap_or(usize::MAX).saturating_mul(self.page_size);
        self.bytes.get(start..start.saturating_add(self.page_size)).ok_or_else(damaged)
    }

    /// Bytes of a page that hold data.
    pub(super) fn usable(&self) -> usize {
        self.usable
    }

    /// How many pages there are.
    pub(super) fn pages(&self) -> u32 {
        self.pages
    }

    /// How many bytes all pages hold.
    pub(super) fn size(&self) -> usize {
        usize::try_from(self.pages).unwrap_or(usize::MAX).saturating_mul(self.page_size)
    }

    pub(super) fn encoding(&self) -> Encoding {
        self.encoding
    }
}

/// Where the header of page 1's b-tree begins: after that of the file.
pub(super) fn start_of(number: u32) -> usize {
    if number == 1 { HEADER } else { 0 }
}
