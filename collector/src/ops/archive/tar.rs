//! Reads the tar that `pg_basebackup` writes, as it comes: files, folders and links, and nothing else.
//!
//! In: bytes in any pieces. Out: [`Event`]s. Anything that PostgreSQL does not write there is refused: another kind of entry, a
//! path that leads out, a wrong checksum.

const BLOCK: usize = 512;

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A file of so many bytes.
    File {
        /// Its path, which leads nowhere else.
        path: String,
        /// Its size.
        size: u64,
        /// Its permissions.
        mode: u32,
    },
    /// A folder.
    Folder {
        /// Its path.
        path: String,
    },
}

/// What comes out of a tar, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// An entry begins.
    Begins(Entry),
    /// The next bytes of the file that began last.
    Content(&'a [u8]),
    /// The file that began last is whole.
    Ends,
}

/// Why it cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TarError {
    /// A header's checksum is wrong, or a number is none.
    #[error("the tar is damaged")]
    Damaged,
    /// It ends in the middle.
    #[error("the tar ends too early")]
    Short,
    /// An entry that has no place in a base backup.
    #[error("the tar holds {0}, which has no place in it")]
    Strange(String),
}

/// Reads one tar.
#[derive(Debug, Default)]
pub struct Reader {
    waiting: Vec<u8>,
    /// What is left of the file that is being read, and of the filling behind it.
    left: u64,
    filling: usize,
    in_file: bool,
    ended: bool,
}

impl Reader {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// When they are no tar of a base backup.
    pub fn take<'a>(&mut self, mut bytes: &'a [u8]) -> Result<Vec<Event<'a>>, TarError> {
        let mut events = Vec::new();
        while !bytes.is_empty() {
            bytes = self.step(bytes, &mut events)?;
        }
        Ok(events)
    }

    /// Whether the tar came to its end.
    ///
    /// # Errors
    /// When it did not.
    pub fn finish(self) -> Result<(), TarError> {
        if self.ended && !self.in_file { Ok(()) } else { Err(TarError::Short) }
    }

    fn step<'a>(&mut self, bytes: &'a [u8], events: &mut Vec<Event<'a>>) -> Result<&'a [u8], TarError> {
        if self.ended {
            // Nothing but filling follows the end.
            return if bytes.iter().all(|byte| *byte == 0) { Ok(&[]) } else { Err(TarError::Damaged) };
        }
        if self.left > 0 {
            let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
            let (content, rest) = bytes.split_at(here);
            events.push(Event::Content(content));
            self.left -= u64::try_from(here).unwrap_or(0);
            if self.left == 0 {
                self.end_file(events);
            }
            return Ok(rest);
        }
        if self.filling > 0 {
            let here = self.filling.min(bytes.len());
            self.filling -= here;
            return Ok(&bytes[here..]);
        }
        let here = (BLOCK - self.waiting.len()).min(bytes.len());
        self.waiting.extend_from_slice(&bytes[..here]);
        if self.waiting.len() == BLOCK {
            let header = std::mem::take(&mut self.waiting);
            self.header(&header, events)?;
        }
        Ok(&bytes[here..])
    }

    fn end_file(&mut self, events: &mut Vec<Event<'_>>) {
        self.in_file = false;
        events.push(Event::Ends);
    }

    fn header(&mut self, header: &[u8], events: &mut Vec<Event<'_>>) -> Result<(), TarError> {
        if header.iter().all(|byte| *byte == 0) {
            self.ended = true;
            return Ok(());
        }
        let sum: u64 = header
            .iter()
            .enumerate()
            .map(|(at, byte)| u64::from(if (148..156).contains(&at) { b' ' } else { *byte }))
            .sum();
        if octal(&header[148..156])? != sum {
            return Err(TarError::Damaged);
        }
        let path = path(header)?;
        let size = size(&header[124..136])?;
        match header[156] {
            b'0' | 0 => {
                let mode = u32::try_from(octal(&header[100..108])?).map_err(|_| TarError::Damaged)?;
                events.push(Event::Begins(Entry::File { path, size, mode }));
                self.in_file = true;
                self.left = size;
                let block = u64::try_from(BLOCK).unwrap_or(1);
                self.filling = usize::try_from((block - size % block) % block).unwrap_or(0);
                if size == 0 {
                    self.end_file(events);
                }
                Ok(())
            }
            b'5' if size == 0 => {
                events.push(Event::Begins(Entry::Folder { path }));
                Ok(())
            }
            b'2' => Err(TarError::Strange(format!("{path}, a link: a tablespace, or WAL on another disk"))),
            kind => Err(TarError::Strange(format!("{path}, an entry of kind {:?}", char::from(kind)))),
        }
    }
}

/// Name with its front; relative, and leading nowhere up. A path of `./` is the root itself.
fn path(header: &[u8]) -> Result<String, TarError> {
    let text = |field: &[u8]| {
        let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
        String::from_utf8(field[..end].to_vec()).map_err(|_| TarError::Damaged)
    };
    let (name, front) = (text(&header[..100])?, text(&header[345..500])?);
    let whole = if front.is_empty() { name } else { format!("{front}/{name}") };
    let strange = || TarError::Strange(format!("the path {whole:?}"));
    let parts: Vec<&str> = whole.trim_end_matches('/').split('/').filter(|part| *part != ".").collect();
    let leads_out = whole.starts_with('/') || parts.iter().any(|part| part.is_empty() || *part == "..");
    if leads_out && !parts.is_empty() { Err(strange()) } else { Ok(parts.join("/")) }
}

/// Octal digits, or base 256 for what is larger than they can say.
fn size(field: &[u8]) -> Result<u64, TarError> {
    if field[0] & 0x80 == 0 {
        return octal(field);
    }
    let (high, low) = field.split_at(field.len() - 8);
    if high[0] != 0x80 || high[1..].iter().any(|byte| *byte != 0) {
        return Err(TarError::Damaged);
    }
    Ok(u64::from_be_bytes(low.try_into().map_err(|_| TarError::Damaged)?))
}

fn octal(field: &[u8]) -> Result<u64, TarError> {
    let text = std::str::from_utf8(field).map_err(|_| TarError::Damaged)?;
    let digits = text.trim_matches(['\0', ' ']);
    u64::from_str_radix(digits, 8).map_err(|_| TarError::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(path: &str, kind: u8, content: &[u8]) -> Vec<u8> {
        let mut header = vec![0_u8; BLOCK];
        header[..path.len()].copy_from_slice(path.as_bytes());
        header[100..108].copy_from_slice(b"0000600\0");
        header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
        header[148..156].fill(b' ');
        header[156] = kind;
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        header.extend_from_slice(content);
        header.resize(header.len().next_multiple_of(BLOCK), 0);
        header
    }

    fn read(tar: &[u8], piece: usize) -> Result<Vec<(String, Vec<u8>)>, TarError> {
        let (mut reader, mut files) = (Reader::default(), Vec::new());
        for bytes in tar.chunks(piece) {
            for event in reader.take(bytes)? {
                match event {
                    Event::Begins(Entry::File { path, .. } | Entry::Folder { path }) => files.push((path, Vec::new())),
                    Event::Content(bytes) => files.last_mut().unwrap().1.extend(bytes),
                    Event::Ends => {}
                }
            }
        }
        reader.finish()?;
        Ok(files)
    }

    fn end() -> Vec<u8> {
        vec![0; 2 * BLOCK]
    }

    #[test]
    fn files_come_out_whole_however_the_bytes_come_in() {
        let large = vec![7; 3000];
        let tar = [
            entry("./base", b'5', b""),
            entry("backup_label", b'0', b"START"),
            entry("base/1/", b'5', b""),
            entry("base/1/112", b'0', &large),
            entry("empty", b'0', b""),
            end(),
        ]
        .concat();
        for piece in [1, 13, 511, 512, 513, 100_000] {
            let files = read(&tar, piece).unwrap();
            let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["base", "backup_label", "base/1", "base/1/112", "empty"]);
            assert_eq!((&files[1].1[..], &files[3].1), (&b"START"[..], &large));
        }
    }

    #[test]
    fn what_leads_out_or_is_a_link_is_refused() {
        for bad in ["/etc/passwd", "../x", "a/../../x", "a//b", ".."] {
            assert!(matches!(read(&entry(bad, b'0', b"x"), 512), Err(TarError::Strange(_))), "{bad}");
        }
        for kind in [b'1', b'2', b'3', b'x', b'g', b'L'] {
            assert!(matches!(read(&entry("pg_tblspc/1", kind, b""), 512), Err(TarError::Strange(_))), "{kind}");
        }
    }

    #[test]
    fn what_is_damaged_or_cut_off_is_refused() {
        let tar = [entry("a", b'0', b"content"), end()].concat();
        for length in 0..tar.len() - 2 * BLOCK {
            assert_eq!(read(&tar[..length], 100), Err(TarError::Short), "{length}");
        }
        for at in 0..500 {
            let mut changed = tar.clone();
            changed[at] ^= 1;
            assert!(read(&changed, 512).is_err(), "byte {at}");
        }
        assert_eq!(read(&[tar.clone(), b"x".to_vec()].concat(), 512), Err(TarError::Damaged));
        let mut large = entry("a", b'0', b"");
        large[124..136].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]);
        large[148..156].fill(b' ');
        let sum: u32 = large.iter().map(|byte| u32::from(*byte)).sum();
        large[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let mut reader = Reader::default();
        let events = reader.take(&large).unwrap();
        assert_eq!(events, [Event::Begins(Entry::File { path: "a".to_owned(), size: 1 << 33, mode: 0o600 })]);
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
            let _ = read(&bytes, 100);
        }
    }
}
