//! Keeps the ledger of what ended beside the audit log, and a copy of it in the archive: who restores from the store alone has it too.
//!
//! In: entries of the audit log, and the ledger. Out: lines of the ledger, and objects `ended/…` with the lines that no other has.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use picket_shared::daykeys::hex;
use picket_shared::time::Timestamp;
use tokio::sync::Mutex;

use super::archive::ArchiveError;
use super::archive::shelf::{Shelf, aside};
use crate::domain::ended::Ended;
use crate::privacy::ledger::{Ledger, LedgerError};
use crate::store::{self, Pools, StoreError};

/// Where the archive has it.
const PLACE: &str = "ended/";
/// No copy is older than what the archive keeps, so what ended before that has ended in every copy.
const SINCE: Duration = Duration::from_secs(40 * 86_400);
/// What was added meanwhile under a lower number is seen by the next look: so many entries are looked at again.
const AGAIN: i64 = 1_000;

/// Why it is not kept.
#[derive(Debug, thiserror::Error)]
pub enum EndedError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The copy in the archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

/// What was seen so far.
#[derive(Debug, Default)]
pub struct Follower {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The last entry that was looked at; none before the first look.
    after: i64,
    /// Ends that are in the ledger.
    seen: HashSet<Ended>,
    /// The lines that the archive has; none before the first look at it.
    archived: Option<BTreeSet<String>>,
    /// How long the ledger was when the archive had all of it, in bytes.
    copied: u64,
}

impl Follower {
    /// Follows the audit log once; gives how many lines the ledger grew by.
    ///
    /// # Errors
    /// When the database or the file fails.
    pub async fn follow(&self, pools: &Pools, ledger: &Ledger, now: Timestamp) -> Result<usize, EndedError> {
        let mut state = self.state.lock().await;
        let mut worker = pools.worker().await?;
        let (mut ended, last) = store::ended::after(&mut worker, state.after, now - SINCE).await?;
        drop(worker);
        ended.retain(|ended| !state.seen.contains(ended));
        if ended.is_empty() {
            return Ok(0);
        }
        let (ledger, new) = (ledger.clone(), ended.clone());
        let added = aside(move || ledger.add(&new)).await??;
        state.seen.extend(ended);
        state.after = state.after.max(last - AGAIN);
        Ok(added)
    }

    /// Brings what the archive has not there; gives how many lines that were.
    ///
    /// # Errors
    /// When the archive or the file fails.
    pub async fn copy(&self, ledger: &Ledger, shelf: &Shelf) -> Result<usize, EndedError> {
        let mut state = self.state.lock().await;
        let of_file = ledger.clone();
        let copied = state.archived.as_ref().map(|_| state.copied);
        let Some((length, lines)) = aside(move || grown(&of_file, copied)).await?? else { return Ok(0) };
        if state.archived.is_none() {
            let mut known = BTreeSet::new();
            for (_, text) in copies(shelf).await? {
                known.extend(text.lines().map(str::to_owned));
            }
            state.archived = Some(known);
        }
        let Some(known) = &mut state.archived else { return Ok(0) };
        let new: Vec<String> = lines.into_iter().filter(|line| !known.contains(line)).collect();
        if !new.is_empty() {
            let text = new.iter().map(|line| format!("{line}\n")).collect::<String>();
            let place = format!("{PLACE}{}", hex(digest(&SHA256, text.as_bytes()).as_ref()));
            shelf.keep(&place, text.into_bytes()).await?;
            known.extend(new.iter().cloned());
        }
        state.copied = length;
        Ok(new.len())
    }
}

/// How long the ledger is, and its lines; none where that is as long as it was.
fn grown(ledger: &Ledger, copied: Option<u64>) -> Result<Option<(u64, Vec<String>)>, LedgerError> {
    let length = std::fs::metadata(&ledger.file).map_or(0, |found| found.len());
    if copied == Some(length) { Ok(None) } else { Ok(Some((length, ledger.lines()?))) }
}

/// The copies that an archive has: their places, and what is in each.
///
/// # Errors
/// When the store does not answer, or one is not what was put there.
pub async fn copies(shelf: &Shelf) -> Result<Vec<(String, String)>, ArchiveError> {
    let mut found = Vec::new();
    for listed in shelf.list(PLACE).await? {
        if let Some(content) = shelf.fetch(&listed.name).await? {
            found.push((listed.name, String::from_utf8_lossy(&content).into_owned()));
        }
    }
    Ok(found)
}
