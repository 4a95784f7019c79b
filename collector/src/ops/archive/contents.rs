//! What PostgreSQL says that a base backup holds (`backup_manifest`), held against what came.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{Context, SHA256, digest};
use picket_shared::daykeys::hex;
use serde::{Deserialize, Serialize};

use super::tar::{Entry, Event};
use super::wal::Lsn;

/// The manifest's own name.
const FILE: &str = "backup_manifest";
/// A manifest of a million files is smaller.
const LONGEST: u64 = 512 << 20;

/// Why a base backup is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// The manifest cannot be read, or its own checksum is wrong.
    #[error("its manifest cannot be read: {0}")]
    Manifest(String),
    /// There is none.
    #[error("it has no manifest")]
    NoManifest,
    /// A file is not as the manifest says.
    #[error("{0} is not what the manifest says")]
    Changed(String),
    /// A file that the manifest lists did not come.
    #[error("{0} is missing")]
    Missing(String),
    /// A file came that the manifest does not list.
    #[error("{0} is in it and not in the manifest")]
    Added(String),
}

/// What a whole base backup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole {
    /// The timeline on which it ended.
    pub timeline: u32,
    /// From where on WAL is needed.
    pub start: Lsn,
    /// Up to where WAL is needed, at least.
    pub end: Lsn,
    /// Files.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// By which checksums a manifest lists its files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Checksums {
    /// Of backups of before this was chosen.
    #[default]
    #[serde(rename = "SHA256")]
    Sha256,
    /// Against damage on the way; against people the objects are sealed.
    #[serde(rename = "CRC32C")]
    Crc32c,
}

impl Checksums {
    /// As PostgreSQL calls them.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA256",
            Self::Crc32c => "CRC32C",
        }
    }
}

/// A checksum that is being made.
enum Sum {
    Sha256(Context),
    Crc32c(u32),
}

impl Sum {
    fn new(checksums: Checksums) -> Self {
        match checksums {
            Checksums::Sha256 => Self::Sha256(Context::new(&SHA256)),
            Checksums::Crc32c => Self::Crc32c(0),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(context) => context.update(bytes),
            Self::Crc32c(crc) => *crc = crc32c::crc32c_append(*crc, bytes),
        }
    }

    /// As the manifest writes it: the bytes as they lie in memory.
    fn finish(self) -> String {
        match self {
            Self::Sha256(context) => hex(context.finish().as_ref()),
            Self::Crc32c(crc) => hex(&crc.to_ne_bytes()),
        }
    }
}

/// Looks at a tar as it goes by.
pub struct Inspector {
    checksums: Checksums,
    came: BTreeMap<String, (u64, String)>,
    now: Option<(String, u64, Sum)>,
    manifest: Option<Vec<u8>>,
    in_manifest: bool,
}

impl Inspector {
    /// Of a base backup whose manifest lists its files by these checksums.
    pub fn new(checksums: Checksums) -> Self {
        Self { checksums, came: BTreeMap::new(), now: None, manifest: None, in_manifest: false }
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// When it cannot belong to a base backup.
    pub fn take(&mut self, event: &Event<'_>) -> Result<(), Flaw> {
        match event {
            Event::Begins(Entry::File { path, size, .. }) => {
                self.in_manifest = path == FILE;
                if self.in_manifest && *size > LONGEST {
                    return Err(Flaw::Manifest(format!("it has {size} bytes")));
                }
                if self.in_manifest {
                    self.manifest = Some(Vec::new());
                }
                self.now = Some((path.clone(), *size, Sum::new(self.checksums)));
            }
            Event::Begins(Entry::Folder { .. }) => {}
            Event::Content(bytes) => {
                if let Some((_, _, sum)) = &mut self.now {
                    sum.update(bytes);
                }
                if let Some(manifest) = self.manifest.as_mut().filter(|_| self.in_manifest) {
                    manifest.extend_from_slice(bytes);
                }
            }
            Event::Ends => {
                if let Some((path, size, sum)) = self.now.take().filter(|_| !self.in_manifest)
                    && self.came.insert(path.clone(), (size, sum.finish())).is_some()
                {
                    return Err(Flaw::Added(path));
                }
            }
        }
        Ok(())
    }

    /// Whether everything that the manifest lists came, as it says, and nothing else.
    ///
    /// # Errors
    /// The first flaw.
    pub fn finish(mut self) -> Result<Whole, Flaw> {
        let manifest = Manifest::parse(&self.manifest.take().ok_or(Flaw::NoManifest)?)?;
        let mut bytes = 0_u64;
        for file in &manifest.files {
            let path = file.path()?;
            let Some((size, sum)) = self.came.remove(&path) else { return Err(Flaw::Missing(path)) };
            if size != file.size || file.algorithm != self.checksums.as_str() || sum != file.checksum {
                return Err(Flaw::Changed(path));
            }
            bytes += size;
        }
        if let Some((path, _)) = self.came.pop_first() {
            return Err(Flaw::Added(path));
        }
        let range = |range: Option<&Range>| {
            let range = range.ok_or_else(|| Flaw::Manifest("it names no WAL".to_owned()))?;
            let lsn = |text: &str| text.parse().map_err(|()| Flaw::Manifest(format!("{text} is no position")));
            Ok((range.timeline, lsn(&range.start)?, lsn(&range.end)?))
        };
        let (_, start, _) = range(manifest.ranges.first())?;
        let (timeline, _, end) = range(manifest.ranges.last())?;
        Ok(Whole { timeline, start, end, files: manifest.files.len(), bytes })
    }
}

#[derive(Debug, Deserialize)]
struct Manifest {
    #[serde(rename = "PostgreSQL-Backup-Manifest-Version")]
    version: u32,
    #[serde(rename = "Files")]
    files: Vec<Listed>,
    #[serde(rename = "WAL-Ranges")]
    ranges: Vec<Range>,
    #[serde(rename = "Manifest-Checksum")]
    checksum: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    path: Option<String>,
    #[serde(rename = "Encoded-Path")]
    encoded: Option<String>,
    size: u64,
    #[serde(rename = "Checksum-Algorithm", default)]
    algorithm: String,
    #[serde(default)]
    checksum: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Range {
    timeline: u32,
    #[serde(rename = "Start-LSN")]
    start: String,
    #[serde(rename = "End-LSN")]
    end: String,
}

impl Listed {
    fn path(&self) -> Result<String, Flaw> {
        match (&self.path, &self.encoded) {
            (Some(path), None) => Ok(path.clone()),
            // A name that is no UTF-8, which PostgreSQL itself gives to no file.
            (_, encoded) => Err(Flaw::Manifest(format!("it lists the file {}", encoded.as_deref().unwrap_or("?")))),
        }
    }
}

impl Manifest {
    fn parse(bytes: &[u8]) -> Result<Self, Flaw> {
        let wrong = |why: &str| Flaw::Manifest(why.to_owned());
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| Flaw::Manifest(error.to_string()))?;
        // 2 (PostgreSQL 17) adds the system's identifier.
        if !matches!(manifest.version, 1 | 2) {
            return Err(Flaw::Manifest(format!("its version {} is unknown", manifest.version)));
        }
        // The checksum is over everything before the last line.
        let body = bytes.strip_suffix(b"\n").and_then(|rest| rest.iter().rposition(|byte| *byte == b'\n'));
        let body = &bytes[..body.ok_or_else(|| wrong("it is cut off"))? + 1];
        if hex(digest(&SHA256, body).as_ref()) != manifest.checksum {
            return Err(wrong("its checksum is another"));
        }
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Checksums; 2] = [Checksums::Sha256, Checksums::Crc32c];

    fn manifest(checksums: Checksums, files: &[(&str, &[u8])]) -> Vec<u8> {
        let kind = checksums.as_str();
        let rows: Vec<String> = (files.iter())
            .map(|(path, content)| {
                let mut sum = Sum::new(checksums);
                sum.update(content);
                let checksum = sum.finish();
                format!(
                    "{{ \"Path\": \"{path}\", \"Size\": {}, \"Last-Modified\": \"2026-11-23 08:00:00 GMT\", \
                     \"Checksum-Algorithm\": \"{kind}\", \"Checksum\": \"{checksum}\" }}",
                    content.len()
                )
            })
            .collect();
        let body = format!(
            "{{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n\"Files\": [\n{}\n],\n\"WAL-Ranges\": [\n{{ \"Timeline\": 1, \
             \"Start-LSN\": \"0/2000028\", \"End-LSN\": \"0/2000100\" }}\n],\n",
            rows.join(",\n")
        );
        let sum = hex(digest(&SHA256, body.as_bytes()).as_ref());
        format!("{body}\"Manifest-Checksum\": \"{sum}\"}}\n").into_bytes()
    }

    fn inspect(checksums: Checksums, files: &[(&str, &[u8])], manifest: Option<&[u8]>) -> Result<Whole, Flaw> {
        let mut inspector = Inspector::new(checksums);
        for (path, content) in files.iter().copied().chain(manifest.map(|manifest| (FILE, manifest))) {
            let size = u64::try_from(content.len()).unwrap();
            inspector.take(&Event::Begins(Entry::File { path: path.to_owned(), size, mode: 0o600 }))?;
            for piece in content.chunks(3) {
                inspector.take(&Event::Content(piece))?;
            }
            inspector.take(&Event::Ends)?;
        }
        inspector.finish()
    }

    const FILES: &[(&str, &[u8])] = &[("backup_label", b"START"), ("base/1/112", b"rows"), ("empty", b"")];

    #[test]
    fn what_came_as_listed_is_whole() {
        for checksums in BOTH {
            let whole = inspect(checksums, FILES, Some(&manifest(checksums, FILES))).unwrap();
            assert_eq!((whole.files, whole.bytes, whole.timeline), (3, 9, 1));
            assert_eq!((whole.start, whole.end), (Lsn(0x200_0028), Lsn(0x200_0100)));
        }
        assert_eq!(
            inspect(Checksums::Crc32c, FILES, Some(&manifest(Checksums::Sha256, FILES))),
            Err(Flaw::Changed("backup_label".to_owned()))
        );
    }

    #[test]
    fn checksums_are_written_as_postgresql_writes_them() {
        // The check value of CRC-32C is e3069283 (RFC 3720, B.4, has others); PostgreSQL writes its bytes as they lie in memory.
        let mut sum = Sum::new(Checksums::Crc32c);
        sum.update(b"12345");
        sum.update(b"6789");
        assert_eq!(sum.finish(), "839206e3");
    }

    #[test]
    fn every_flaw_is_found() {
        for checksums in BOTH {
            let inspect = |files: &[_], manifest: Option<&[u8]>| inspect(checksums, files, manifest);
            let listed = manifest(checksums, FILES);
            let changed = [("backup_label", &b"STARt"[..]), FILES[1], FILES[2]];
            assert_eq!(inspect(&changed, Some(&listed)), Err(Flaw::Changed("backup_label".to_owned())));
            assert_eq!(inspect(&FILES[1..], Some(&listed)), Err(Flaw::Missing("backup_label".to_owned())));
            let more = [FILES, &[("evil", b"x")]].concat();
            assert_eq!(inspect(&more, Some(&listed)), Err(Flaw::Added("evil".to_owned())));
            assert_eq!(inspect(&[FILES, FILES].concat(), Some(&listed)), Err(Flaw::Added("backup_label".to_owned())));
            assert_eq!(inspect(FILES, None), Err(Flaw::NoManifest));
            for at in (0..listed.len()).step_by(7) {
                let mut flipped = listed.clone();
                flipped[at] ^= 1;
                assert!(inspect(FILES, Some(&flipped)).is_err(), "byte {at}");
            }
        }
    }
}
