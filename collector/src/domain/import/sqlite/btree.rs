//! The payloads of a table's b-tree, in the order of its row ids.

use std::borrow::Cow;
use std::collections::HashSet;

use super::Damage;
use super::pager::{Pager, start_of};
use super::record::varint;

/// Rows may share overflow pages only in a file that was made to do harm: all payloads together may be as long as the
/// file, and this.
const SLACK: usize = 1 << 20;

/// Calls `visit` with row id and payload of each row below page `root`.
pub(super) fn walk(
    pager: &Pager<'_>,
    root: u32,
    mut visit: impl FnMut(i64, &[u8]) -> Result<(), Damage>,
) -> Result<(), Damage> {
    let mut seen = HashSet::new();
    let mut budget = pager.size().saturating_add(SLACK);
    let mut open = vec![root];
    while let Some(number) = open.pop() {
        if !seen.insert(number) {
            return Err(format!("it is damaged: page {number} is in a table twice"));
        }
        let page = Page { bytes: pager.page(number)?, number, start: start_of(number) };
        match page.kind()? {
            Kind::Interior => {
                // The last child is to be visited last, so it is pushed first.
                open.push(page.word(page.start + 8)?);
                for cell in (0..page.cells()?).rev() {
                    open.push(page.word(page.cell(cell, 12)?)?);
                }
                if open.len() > usize::try_from(pager.pages()).unwrap_or(usize::MAX) {
                    return Err(format!("it is damaged: page {number} has more children than there are pages"));
                }
            }
            Kind::Leaf => {
                for cell in 0..page.cells()? {
                    let (id, payload) = page.leaf(pager, cell)?;
                    budget = budget
                        .checked_sub(payload.len())
                        .ok_or("it is damaged: its rows are longer than the whole file")?;
                    visit(id, &payload)?;
                }
            }
        }
    }
    Ok(())
}

enum Kind {
    Interior,
    Leaf,
}

struct Page<'a> {
    bytes: &'a [u8],
    number: u32,
    start: usize,
}

impl<'a> Page<'a> {
    fn damaged(&self) -> Damage {
        format!("it is damaged: page {} cannot be read", self.number)
    }

    fn kind(&self) -> Result<Kind, Damage> {
        match self.bytes.get(self.start) {
            Some(0x05) => Ok(Kind::Interior),
            Some(0x0d) => Ok(Kind::Leaf),
            _ => Err(self.damaged()),
        }
    }

    fn half(&self, at: usize) -> Result<usize, Damage> {
        let bytes = self.bytes.get(at..at + 2).ok_or_else(|| self.damaged())?;
        Ok(usize::from(u16::from_be_bytes([bytes[0], bytes[1]])))
    }

    fn word(&self, at: usize) -> Result<u32, Damage> {
        let bytes = self.bytes.get(at..at + 4).ok_or_else(|| self.damaged())?;
        Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn cells(&self) -> Result<usize, Damage> {
        self.half(self.start + 3)
    }

    /// Where a cell begins; `header` is the length of the page's header.
    fn cell(&self, index: usize, header: usize) -> Result<usize, Damage> {
        self.half(self.start + header + 2 * index)
    }

    fn leaf(&self, pager: &Pager<'a>, index: usize) -> Result<(i64, Cow<'a, [u8]>), Damage> {
        let at = self.cell(index, 8)?;
        let rest = self.bytes.get(at..).ok_or_else(|| self.damaged())?;
        let (length, rest) = varint(rest).ok_or_else(|| self.damaged())?;
        let (id, rest) = varint(rest).ok_or_else(|| self.damaged())?;
        let length = usize::try_from(length).ok().filter(|length| *length <= pager.size());
        let length = length.ok_or_else(|| self.damaged())?;
        let local = local_part(length, pager.usable());
        let here = rest.get(..local).ok_or_else(|| self.damaged())?;
        if local == length {
            return Ok((id, Cow::Borrowed(here)));
        }
        let mut payload = Vec::with_capacity(length);
        payload.extend_from_slice(here);
        let next = rest.get(local..local + 4).ok_or_else(|| self.damaged())?;
        let mut next = u32::from_be_bytes([next[0], next[1], next[2], next[3]]);
        // Each page of the chain adds something, so the chain ends.
        while payload.len() < length {
            let page = Page { bytes: pager.page(next)?, number: next, start: 0 };
            let part = (pager.usable() - 4).min(length - payload.len());
            payload.extend_from_slice(&page.bytes[4..4 + part]);
            next = page.word(0)?;
        }
        Ok((id, Cow::Owned(payload)))
    }
}

/// How much of a payload of `length` bytes lies in the leaf itself.
fn local_part(length: usize, usable: usize) -> usize {
    let most = usable - 35;
    if length <= most {
        return length;
    }
    let least = (usable - 12) * 32 / 255 - 23;
    let part = least + (length - least) % (usable - 4);
    if part <= most { part } else { least }
}
