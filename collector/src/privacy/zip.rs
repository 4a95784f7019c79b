//! A ZIP archive as a stream: files one after another, stored as they are, of any size and number (ZIP64). What is written is taken out
//! piece by piece, so that nothing has to be known before, and nothing stays in memory.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use zip::result::ZipResult;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, ZipWriter};

/// Where it is written until it is sent on.
#[derive(Clone, Debug, Default)]
struct Outbox(Arc<Mutex<Vec<u8>>>);

impl Outbox {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Outbox {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An archive that is being written.
pub(super) struct Archive {
    writer: ZipWriter<StreamWriter<Outbox>>,
    outbox: Outbox,
}

impl Archive {
    /// One without a file.
    pub(super) fn new() -> Self {
        let outbox = Outbox::default();
        Self { writer: ZipWriter::new_stream(outbox.clone()), outbox }
    }

    /// Begins a file, after the one before is ended.
    ///
    /// # Errors
    /// When one is called so already.
    pub(super) fn begin(&mut self, name: &str) -> ZipResult<()> {
        // When it was written says the manifest.
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
        self.writer.start_file(name, options)
    }

    /// Adds to the file that was begun; gives what is to be sent on.
    ///
    /// # Errors
    /// When none was.
    pub(super) fn add(&mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        self.writer.write_all(bytes)?;
        Ok(self.outbox.take())
    }

    /// Ends it; gives what is to be sent last.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub(super) fn finish(self) -> ZipResult<Vec<u8>> {
        self.writer.finish()?;
        Ok(self.outbox.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_read_by_another_program() {
        let (mut archive, mut bytes) = (Archive::new(), Vec::new());
        archive.begin("account/users.csv").unwrap();
        for part in ["a,b\r\n", "1,ü\r\n"] {
            let sent = archive.add(part.as_bytes()).unwrap();
            assert!(!sent.is_empty(), "it is sent on as it comes");
            bytes.extend(sent);
        }
        archive.begin("manifest.json").unwrap();
        bytes.extend(archive.add(b"{}").unwrap());
        bytes.extend(archive.finish().unwrap());
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let script = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None
print([(n, z.read(n).decode()) for n in z.namelist()])";
        let read = std::process::Command::new("python3").args(["-c", script]).arg(file.path()).output().unwrap();
        let read = String::from_utf8_lossy(&read.stdout).into_owned();
        assert_eq!(read.trim(), r"[('account/users.csv', 'a,b\r\n1,ü\r\n'), ('manifest.json', '{}')]");
    }
}
