//! Files with other than text that are named on the command line. They are read while it is parsed, which is before root's
//! rights are given up.

use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;

use crate::import::MAX_BYTES;

/// What every SQLite database begins with.
const SQLITE: &[u8] = b"SQLite format 3\0";

/// What a file held, and the write-ahead log beside it where it is a database.
#[derive(Clone, Debug)]
pub struct FileBytes {
    /// The file as it was named.
    pub name: String,
    /// Everything in it.
    pub bytes: Arc<[u8]>,
    /// What its database had not yet written back into it.
    pub log: Option<Arc<[u8]>>,
}

/// Reads the file that an argument names: a value parser for clap. No more is read than an import may hold.
///
/// # Errors
/// When it cannot be read or is too large.
pub fn read(path: &str) -> Result<FileBytes, String> {
    let bytes = whole(path)?;
    let log = format!("{path}-wal");
    let has_log = bytes.starts_with(SQLITE) && std::fs::exists(&log).map_err(|error| error.to_string())?;
    let log = if has_log { Some(whole(&log)?).filter(|log| !log.is_empty()) } else { None };
    Ok(FileBytes { name: path.to_owned(), bytes, log })
}

fn whole(path: &str) -> Result<Arc<[u8]>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > MAX_BYTES {
        return Err(format!(
            "{path} has more than {} MiB: of an Uptime Kuma, clear the history (Settings, Monitor History) and shrink the \
             database, then copy it again",
            MAX_BYTES >> 20
        ));
    }
    Ok(bytes.into())
}
