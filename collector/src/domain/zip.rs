//! Pure: a ZIP archive as a stream (APPNOTE.TXT 6.3.10): files one after another, stored as they are, of any size and number (ZIP64). Sizes
//! and checksums stand behind each file, so that nothing has to be known before.

/// The version that knows ZIP64.
const VERSION: u16 = 45;
/// Sizes stand behind the file; names are UTF-8.
const FLAGS: u16 = 0x0808;
/// The first of January 1980: when a file was written says the manifest.
const DATE: u16 = 0x0021;

/// A file that is done.
#[derive(Clone, Debug)]
struct Entry {
    name: String,
    offset: u64,
    size: u64,
    crc: u32,
}

/// An archive that is being written. What its functions give is to be sent in this order.
#[derive(Clone, Debug, Default)]
pub struct Zip {
    at: u64,
    open: Option<Entry>,
    done: Vec<Entry>,
}

impl Zip {
    /// Begins a file, after the one before is ended.
    pub fn begin(&mut self, name: &str) -> Vec<u8> {
        let mut bytes = self.end();
        let offset = self.at;
        let mut head = Vec::new();
        put4(&mut head, 0x0403_4b50);
        put2(&mut head, &[VERSION, FLAGS, 0, 0, DATE]);
        put4(&mut head, 0);
        put4(&mut head, u32::MAX);
        put4(&mut head, u32::MAX);
        put2(&mut head, &[short(name), 20]);
        head.extend_from_slice(name.as_bytes());
        put2(&mut head, &[1, 16]);
        head.extend_from_slice(&[0; 16]);
        self.at += head.len() as u64;
        self.open = Some(Entry { name: name.to_owned(), offset, size: 0, crc: 0 });
        bytes.extend(head);
        bytes
    }

    /// Notes more of the file that is open.
    pub fn add(&mut self, bytes: &[u8]) {
        self.at += bytes.len() as u64;
        if let Some(entry) = &mut self.open {
            entry.size += bytes.len() as u64;
            entry.crc = crc32(entry.crc, bytes);
        }
    }

    fn end(&mut self) -> Vec<u8> {
        let Some(entry) = self.open.take() else { return Vec::new() };
        let mut tail = Vec::new();
        put4(&mut tail, 0x0807_4b50);
        put4(&mut tail, entry.crc);
        put8(&mut tail, entry.size);
        put8(&mut tail, entry.size);
        self.at += tail.len() as u64;
        self.done.push(entry);
        tail
    }

    /// Ends the archive.
    pub fn finish(mut self) -> Vec<u8> {
        let mut bytes = self.end();
        let begins = self.at;
        let mut list = Vec::new();
        for entry in &self.done {
            put4(&mut list, 0x0201_4b50);
            put2(&mut list, &[VERSION, VERSION, FLAGS, 0, 0, DATE]);
            put4(&mut list, entry.crc);
            put4(&mut list, u32::MAX);
            put4(&mut list, u32::MAX);
            put2(&mut list, &[short(&entry.name), 28, 0, 0, 0]);
            put4(&mut list, 0);
            put4(&mut list, u32::MAX);
            list.extend_from_slice(entry.name.as_bytes());
            put2(&mut list, &[1, 24]);
            for value in [entry.size, entry.size, entry.offset] {
                put8(&mut list, value);
            }
        }
        let (size, count) = (list.len() as u64, self.done.len() as u64);
        bytes.extend(list);
        let mut end = Vec::new();
        put4(&mut end, 0x0606_4b50);
        put8(&mut end, 44);
        put2(&mut end, &[VERSION, VERSION]);
        put4(&mut end, 0);
        put4(&mut end, 0);
        for value in [count, count, size, begins] {
            put8(&mut end, value);
        }
        put4(&mut end, 0x0706_4b50);
        put4(&mut end, 0);
        put8(&mut end, begins + size);
        put4(&mut end, 1);
        put4(&mut end, 0x0605_4b50);
        put2(&mut end, &[0, 0, u16::MAX, u16::MAX]);
        put4(&mut end, u32::MAX);
        put4(&mut end, u32::MAX);
        put2(&mut end, &[0]);
        bytes.extend(end);
        bytes
    }
}

/// Names of tables are short.
fn short(name: &str) -> u16 {
    u16::try_from(name.len()).unwrap_or(u16::MAX)
}

fn put2(to: &mut Vec<u8>, values: &[u16]) {
    values.iter().for_each(|value| to.extend_from_slice(&value.to_le_bytes()));
}

fn put4(to: &mut Vec<u8>, value: u32) {
    to.extend_from_slice(&value.to_le_bytes());
}

fn put8(to: &mut Vec<u8>, value: u64) {
    to.extend_from_slice(&value.to_le_bytes());
}

/// The checksum of what has this checksum, and more (ISO 3309).
fn crc32(crc: u32, bytes: &[u8]) -> u32 {
    let next = |crc: u32, byte: &u8| {
        let index = usize::from(crc.to_le_bytes()[0] ^ byte);
        TABLE[index] ^ (crc >> 8)
    };
    !bytes.iter().fold(!crc, next)
}

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    let mut value = 0_u32;
    while index < 256 {
        let (mut crc, mut bit) = (value, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
        value += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard_however_it_is_cut() {
        assert_eq!(crc32(0, b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(crc32(0, b"1234"), b"56789"), 0xcbf4_3926);
    }

    #[test]
    fn an_archive_is_read_by_another_program() {
        let mut zip = Zip::default();
        let mut bytes = zip.begin("account/users.csv");
        for part in ["a,b\r\n", "1,ü\r\n"] {
            zip.add(part.as_bytes());
            bytes.extend(part.as_bytes());
        }
        bytes.extend(zip.begin("manifest.json"));
        zip.add(b"{}");
        bytes.extend(b"{}");
        bytes.extend(zip.finish());
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let script = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None
print([(n, z.read(n).decode()) for n in z.namelist()])";
        let read = std::process::Command::new("python3").args(["-c", script]).arg(file.path()).output().unwrap();
        let read = String::from_utf8_lossy(&read.stdout).into_owned();
        assert_eq!(read.trim(), r"[('account/users.csv', 'a,b\r\n1,ü\r\n'), ('manifest.json', '{}')]");
    }
}
