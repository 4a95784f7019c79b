//! What ended for good, outside the database: a file of lines, each signed. Random ids alone stand in it, and sealed the address of who was
//! erased without an account. A database that was restored to before something ended has it again, and loses it again by these lines (`ops::arming`).
//!
//! An erasure is on the disk here before its first row goes; of everything else the lines follow the audit log.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use picket_shared::ids::CollectorId;
use picket_shared::time::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::ended::{Ended, Kind};
use crate::vault::notary::{Notary, Signature};
use crate::vault::{KeyRing, Opener, Sealer, VaultError};

/// What the signature of a line is for.
const PURPOSE: &str = "picket ended 1";
/// The file's name beside the keys.
pub const FILE: &str = "ended.ledger";

/// The ledger of one collector.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// The file.
    pub file: PathBuf,
    /// Signs and verifies.
    pub notary: Notary,
    /// Whose it is.
    pub collector: CollectorId,
    /// Seals addresses.
    pub sealer: Sealer,
    /// Opens them.
    pub opener: Opener,
}

/// Why it cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file.
    #[error("the ledger of what ended, {path}: {error}", path = .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A line that this collector did not write.
    #[error(
        "the ledger of what ended, {place}, line {line}, is not what this collector wrote there: copy it back from a backup"
    )]
    Forged {
        /// Which file, or object of the archive.
        place: String,
        /// Which line.
        line: usize,
    },
    /// A signature could not be made or checked.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// One line, as it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Line {
    at: i64,
    collector: Uuid,
    kind: Kind,
    subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    org: Option<Uuid>,
    key: u32,
    signature: String,
}

impl Line {
    fn signed_bytes(&self) -> Vec<u8> {
        let kind = serde_json::to_string(&self.kind).unwrap_or_default();
        let org = self.org.map(|org| org.to_string()).unwrap_or_default();
        format!("{PURPOSE}\0{}\0{kind}\0{}\0{org}\0{}", self.collector, self.subject, self.at).into_bytes()
    }
}

impl Ledger {
    /// The ledger in a file, of a ring.
    ///
    /// # Errors
    /// Only when the cryptographic library fails.
    pub fn of(file: PathBuf, ring: &KeyRing, collector: CollectorId) -> Result<Self, VaultError> {
        let (sealer, opener) = (Sealer::new(ring), Opener::new(ring));
        Ok(Self { file, notary: Notary::new(ring)?, collector, sealer, opener })
    }

    /// Everything in it, in the order in which it was written; there need not be one yet. What a crash left of a line says nothing.
    ///
    /// # Errors
    /// When it cannot be read, or holds a whole line that this collector did not sign.
    pub fn read(&self) -> Result<Vec<Ended>, LedgerError> {
        let lines = self.verified(&self.text()?, &self.file.display().to_string())?;
        Ok(lines.into_iter().map(|(_, ended)| ended).collect())
    }

    /// Its whole lines as they stand there, for a copy elsewhere.
    ///
    /// # Errors
    /// As [`Ledger::read`].
    pub fn lines(&self) -> Result<Vec<String>, LedgerError> {
        let lines = self.verified(&self.text()?, &self.file.display().to_string())?;
        Ok(lines.into_iter().map(|(line, _)| line).collect())
    }

    /// Takes lines in that a copy has, and this does not; gives how many.
    ///
    /// # Errors
    /// When one of them is not this collector's, or the file cannot be written.
    pub fn take_in(&self, text: &str, place: &str) -> Result<usize, LedgerError> {
        let known = self.read()?;
        let new =
            self.verified(text, place)?.into_iter().filter(|(_, ended)| !known.iter().any(|known| ended.is(known)));
        let new: Vec<String> = new.map(|(line, _)| line).collect();
        self.append(&new)?;
        Ok(new.len())
    }

    /// Adds what is not in it yet; it is on the disk when this returns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&self, ended: &[Ended]) -> Result<usize, LedgerError> {
        let known = self.read()?;
        let new = ended.iter().filter(|entry| !known.iter().any(|known| entry.is(known)));
        let lines: Vec<String> = new.map(|entry| self.written(entry)).collect::<Result<_, _>>()?;
        self.append(&lines)?;
        Ok(lines.len())
    }

    fn written(&self, entry: &Ended) -> Result<String, LedgerError> {
        let mut line = Line {
            at: entry.at.micros(),
            collector: self.collector.0,
            kind: entry.kind,
            subject: entry.subject.clone(),
            org: entry.org,
            key: 0,
            signature: String::new(),
        };
        let signature = self.notary.sign(&line.signed_bytes())?;
        line.key = signature.key;
        line.signature = STANDARD.encode(&signature.bytes);
        // Serialising cannot fail: every part is text or a number.
        Ok(serde_json::to_string(&line).unwrap_or_default())
    }

    fn verified(&self, text: &str, place: &str) -> Result<Vec<(String, Ended)>, LedgerError> {
        let mut found = Vec::new();
        for (index, text) in text.lines().enumerate() {
            let Ok(line) = serde_json::from_str::<Line>(text) else { continue };
            let forged = || LedgerError::Forged { place: place.to_owned(), line: index + 1 };
            let bytes = STANDARD.decode(&line.signature).map_err(|_| forged())?;
            // A key that the ring does not hold signed nothing of this collector's.
            let genuine = self.notary.signed(&line.signed_bytes(), &Signature { key: line.key, bytes });
            if !genuine.unwrap_or(false) || line.collector != self.collector.0 {
                return Err(forged());
            }
            let at = Timestamp::from_micros(line.at);
            found.push((text.to_owned(), Ended { kind: line.kind, subject: line.subject, org: line.org, at }));
        }
        Ok(found)
    }

    fn text(&self) -> Result<String, LedgerError> {
        match fs::read(&self.file) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(LedgerError::File { path: self.file.clone(), error }),
        }
    }

    fn append(&self, lines: &[String]) -> Result<(), LedgerError> {
        if lines.is_empty() {
            return Ok(());
        }
        let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        self.append_text(&text).map_err(|error| LedgerError::File { path: self.file.clone(), error })
    }

    fn append_text(&self, text: &str) -> io::Result<()> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&self.file)?;
        if file.metadata()?.len() > 0 {
            file.seek(SeekFrom::End(-1))?;
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
            }
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        match self.file.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> (tempfile::TempDir, Ledger) {
        let folder = tempfile::tempdir().unwrap();
        let ring = KeyRing::generate().unwrap();
        let ledger = Ledger::of(folder.path().join(FILE), &ring, CollectorId(Uuid::from_u128(7))).unwrap();
        (folder, ledger)
    }

    fn ended(kind: Kind, subject: u128, at: i64) -> Ended {
        Ended { kind, subject: format!("{subject:03}"), org: None, at: Timestamp::from_seconds(at) }
    }

    #[test]
    fn what_was_written_is_read_and_what_was_changed_is_refused() {
        let (_folder, ledger) = ledger();
        assert_eq!(ledger.read().unwrap(), []);
        let one = ended(Kind::ErasedAccount, 1, 9);
        let two = Ended { org: Some(Uuid::from_u128(5)), ..ended(Kind::Membership, 2, 9) };
        assert_eq!(ledger.add(std::slice::from_ref(&one)).unwrap(), 1);
        // A crash in the middle of a line.
        ledger.append_text("{\"at\":1").unwrap();
        let again = Ended { at: Timestamp::from_seconds(10), ..one.clone() };
        assert_eq!(ledger.add(&[again, two.clone()]).unwrap(), 1, "what is in it is not added again");
        assert_eq!(ledger.read().unwrap(), [one, two.clone()]);
        // The same may end twice.
        let later = Ended { at: Timestamp::from_seconds(11), ..two.clone() };
        assert_eq!(ledger.add(&[two, later]).unwrap(), 1);
        let text = fs::read_to_string(&ledger.file).unwrap();
        for (from, to) in [("\"002\"", "\"003\""), ("\"membership\"", "\"key\""), ("000000000005", "000000000006")] {
            fs::write(&ledger.file, text.replace(from, to)).unwrap();
            assert!(matches!(ledger.read(), Err(LedgerError::Forged { line: 3, .. })), "{from}");
        }
    }

    #[test]
    fn a_copy_brings_back_what_the_file_lost_and_nothing_of_others() {
        let (_folder, ours) = ledger();
        ours.add(&[ended(Kind::Key, 1, 1), ended(Kind::Key, 2, 2)]).unwrap();
        let copy = ours.lines().unwrap().join("\n");
        fs::remove_file(&ours.file).unwrap();
        ours.add(&[ended(Kind::Key, 2, 2)]).unwrap();
        assert_eq!(ours.take_in(&copy, "a copy").unwrap(), 1);
        assert_eq!(ours.read().unwrap(), [ended(Kind::Key, 2, 2), ended(Kind::Key, 1, 1)]);
        let (_other_folder, theirs) = ledger();
        theirs.add(&[ended(Kind::Key, 3, 3)]).unwrap();
        let error = ours.take_in(&theirs.lines().unwrap().join("\n"), "a copy").unwrap_err();
        assert!(error.to_string().contains("a copy, line 1"), "{error}");
    }
}
