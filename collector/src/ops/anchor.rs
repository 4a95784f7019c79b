//! Puts the heads of the audit log's chains outside the database: signed, into a file that is only ever added to, and into
//! the log. What is in the database can then be neither cut off nor written anew unseen.
//!
//! In: the heads, and the file as it is. Out: a line for each chain that grew since its last one. [`super::audit`] verifies
//! the chains against these lines.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use picket_shared::daykeys::hex;
use picket_shared::ids::CollectorId;
use picket_shared::time::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::audit_chain::Mark;
use crate::store::read::audit::{self, Chain, Filter, Walk};
use crate::store::{Auth, Pools, StoreError};
use crate::vault::VaultError;
use crate::vault::notary::{Notary, Signature};

/// What the signature of an anchor is for.
const PURPOSE: &str = "anchor";

/// Who anchors, and where.
#[derive(Clone, Debug)]
pub struct Anchorage {
    /// The file.
    pub file: PathBuf,
    /// Signs and verifies.
    pub notary: Notary,
    /// Whose log it is.
    pub collector: CollectorId,
}

/// What one run did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Chains that grew and were anchored.
    pub anchored: usize,
    /// Chains that are not what their last anchor says; nothing was written for these.
    pub broken: usize,
}

/// Why heads could not be anchored, or anchors not be read.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The signature could not be made or checked.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The file.
    #[error("the anchors of the audit log, {path}: {error}", path = .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A line that this collector did not write.
    #[error("the anchors of the audit log, {path}, line {line}: {why}", path = .path.display())]
    Forged {
        /// Which file.
        path: PathBuf,
        /// Which line.
        line: usize,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// One line of the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Line {
    at: i64,
    collector: Uuid,
    /// The organization; nil for the instance.
    chain: Uuid,
    seq: i64,
    link: String,
    key: String,
    signature: String,
}

/// What the anchors say.
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    /// The marks of each chain, in the order in which they were written.
    pub marks: HashMap<Uuid, Vec<Mark>>,
    /// Lines that are none: a crash while one was written leaves such.
    pub unreadable: Vec<usize>,
}

impl Anchors {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.marks.values().map(Vec::len).sum()
    }
}

/// Runs once; running it again at the same time writes nothing.
///
/// # Errors
/// When the database, the file or signing fails.
pub async fn run(pools: &Pools, anchorage: &Anchorage, now: Timestamp) -> Result<Report, AnchorError> {
    let anchors = anchorage.read(&anchorage.file)?;
    let mut auth = pools.auth().await?;
    let mut report = Report::default();
    let mut lines = Vec::new();
    let chains = audit::chains(&mut auth).await?;
    for gone in anchors.marks.keys().filter(|id| !chains.iter().any(|chain| chain.id == **id)) {
        report.broken += 1;
        tracing::error!(audit.chain = %gone, "The audit log of {gone} is gone, with its organization");
    }
    for chain in chains {
        let last = anchors.marks.get(&chain.id).and_then(|marks| marks.last());
        if let Some(last) = last.filter(|last| chain.base.as_ref().is_none_or(|base| base.mark.seq < last.seq))
            && link_at(&mut auth, &chain, last.seq).await? != Some(*last)
        {
            report.broken += 1;
            let (name, seq) = (name(&chain), last.seq);
            tracing::error!(
                audit.chain = %chain.id, audit.seq = seq,
                "The audit log of {name} is not what it was at entry {seq}: `picket-collector audit verify` says where"
            );
            continue;
        }
        if let Some(head) = chain.head.filter(|head| last != Some(head)) {
            lines.push(anchorage.line(&chain, head, now)?);
        }
    }
    drop(auth);
    report.anchored = lines.len();
    append(&anchorage.file, &lines).map_err(|error| AnchorError::File { path: anchorage.file.clone(), error })?;
    Ok(report)
}

/// What a chain is called for people.
pub fn name(chain: &Chain) -> String {
    chain.name.clone().unwrap_or_else(|| "the instance".to_owned())
}

async fn link_at(auth: &mut Auth, chain: &Chain, seq: i64) -> Result<Option<Mark>, StoreError> {
    let rows = audit::read(auth, chain.org, &Filter::default(), Walk::After(seq - 1), 1).await?;
    Ok(rows.into_iter().map(audit::AuditRow::entry).map(|entry| Mark { seq: entry.seq, link: entry.link }).next())
}

impl Anchorage {
    /// A line for a head, which the log gets too.
    fn line(&self, chain: &Chain, head: Mark, now: Timestamp) -> Result<String, AnchorError> {
        let bytes = head.signed_bytes(PURPOSE, *self.collector.0.as_bytes(), *chain.id.as_bytes(), now.micros());
        let signature = self.notary.sign(&bytes)?;
        let line = Line {
            at: now.micros(),
            collector: self.collector.0,
            chain: chain.id,
            seq: head.seq,
            link: hex(&head.link),
            key: format!("{:08x}", signature.key),
            signature: STANDARD.encode(&signature.bytes),
        };
        tracing::info!(
            audit.chain = %line.chain, audit.seq = line.seq, audit.link = line.link, audit.at = line.at,
            audit.key = line.key, audit.signature = line.signature,
            "Anchored the audit log of {} at entry {}", name(chain), line.seq
        );
        // Serialising cannot fail: every part is text or a number.
        Ok(serde_json::to_string(&line).unwrap_or_default())
    }

    /// Reads a file of anchors; there need not be one yet.
    ///
    /// # Errors
    /// When it cannot be read, or holds a line that this collector did not sign.
    pub fn read(&self, path: &Path) -> Result<Anchors, AnchorError> {
        let failed = |error| AnchorError::File { path: path.to_owned(), error };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Anchors::default()),
            Err(error) => return Err(failed(error)),
        };
        let mut anchors = Anchors::default();
        for (index, line) in BufReader::new(file).split(b'\n').enumerate() {
            let line = line.map_err(failed)?;
            match serde_json::from_slice::<Line>(&line).ok().and_then(|line| Some((mark(&line)?, line))) {
                Some((mark, line)) => {
                    let forged = |why| AnchorError::Forged { path: path.to_owned(), line: index + 1, why };
                    self.check(&line, &mark)?.map_err(forged)?;
                    anchors.marks.entry(line.chain).or_default().push(mark);
                }
                None if line.iter().all(u8::is_ascii_whitespace) => {}
                None => anchors.unreadable.push(index + 1),
            }
        }
        Ok(anchors)
    }

    fn check(&self, line: &Line, mark: &Mark) -> Result<Result<(), &'static str>, AnchorError> {
        if line.collector != self.collector.0 {
            return Ok(Err("it is of another collector"));
        }
        let signature = u32::from_str_radix(&line.key, 16).ok().zip(STANDARD.decode(&line.signature).ok());
        let Some((key, bytes)) = signature else { return Ok(Err("its signature is none")) };
        let signed = mark.signed_bytes(PURPOSE, *line.collector.as_bytes(), *line.chain.as_bytes(), line.at);
        let genuine = self.notary.signed(&signed, &Signature { key, bytes })?;
        Ok(if genuine { Ok(()) } else { Err("this collector did not sign it") })
    }
}

fn mark(line: &Line) -> Option<Mark> {
    let digits = line.link.as_bytes();
    let mut link = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in link.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(Mark { seq: line.seq, link })
}

/// Adds lines in one write, on the disk when this returns. What a crash left of a line gets its end first.
fn append(path: &Path, lines: &[String]) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    let mut text = String::new();
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            text.push('\n');
        }
    }
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
