//! Verifies the audit log: every chain from its beginning to its end, and against what was anchored outside. And removes what
//! is too old, leaving a signed beginning.

use std::collections::HashSet;
use std::time::Duration;

use picket_shared::time::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::anchor::{AnchorError, Anchorage, Anchors, name};
use crate::domain::audit_chain::{Break, Fault, Mark, Verifier, Whole};
use crate::store::audit::{self as store, Author};
use crate::store::read::audit::{self, Base, Chain, Filter, Walk};
use crate::store::{Auth, Pools};
use crate::vault::notary::Signature;

/// What the signature of a beginning is for.
const PURPOSE: &str = "base";
/// Entries read at a time.
const PAGE: i64 = 2_000;
/// Entries removed in one transaction.
const AT_ONCE: i64 = 5_000;

/// What came of verifying.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Chains that have entries, or should have.
    pub chains: usize,
    /// Of those that hold: entries, how many of them erased, and anchors that fit.
    pub whole: Whole,
    /// The first broken place of each chain that does not.
    pub broken: Vec<Broken>,
}

/// A chain that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which; nil for the instance's.
    pub chain: Uuid,
    /// What it is called.
    pub name: String,
    /// Where and what.
    pub why: Why,
}

/// Why a chain does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// An entry.
    Entry(Break),
    /// It says that entries up to this one were removed for their age, and this collector did not sign that.
    Base(i64),
}

impl Broken {
    /// A sentence for people.
    pub fn says(&self) -> String {
        let log = format!("The audit log of {}", self.name);
        let entries = |seq, through| match seq == through {
            true => format!("entry {seq}"),
            false => format!("entries {seq} to {through}"),
        };
        match self.why {
            Why::Base(seq) => format!(
                "{log} begins after entry {seq}, as if what was before it was removed for its age; this collector did not \
                 sign that"
            ),
            Why::Entry(Break { fault, seq, through }) => match fault {
                Fault::Changed => format!("{log} is broken at entry {seq}: it is not what was written there"),
                Fault::Missing => format!("{log} is broken at entry {seq}: {} not there", is(&entries(seq, through))),
                Fault::Repeated => format!("{log} is broken at entry {seq}: it is there more than once"),
                Fault::Rewritten => format!(
                    "{log} is broken at {}: what is there was written anew and does not fit the anchor of entry {through}",
                    entries(seq, through)
                ),
                Fault::CutOff => {
                    format!(
                        "{log} is cut off at entry {seq}: by its anchors {} been there",
                        had(&entries(seq, through))
                    )
                }
            },
        }
    }
}

fn is(entries: &str) -> String {
    format!("{entries} {}", if entries.starts_with("entries") { "are" } else { "is" })
}

fn had(entries: &str) -> String {
    format!("{entries} {}", if entries.starts_with("entries") { "have" } else { "has" })
}

/// Verifies every chain. Anchors must have been read before: entries that come meanwhile do no harm.
///
/// # Errors
/// When the database fails, or a key that signed is not in the ring.
pub async fn verify(pools: &Pools, anchorage: &Anchorage, anchors: &Anchors) -> Result<Verdict, AnchorError> {
    let mut auth = pools.auth().await?;
    let chains = audit::chains(&mut auth).await?;
    let mut verdict = Verdict::default();
    for chain in &chains {
        let marks = anchors.marks.get(&chain.id).cloned().unwrap_or_default();
        if chain.head.is_none() && chain.base.is_none() && marks.is_empty() {
            continue;
        }
        let found = match &chain.base {
            Some(base) if !is_signed(anchorage, chain, base)? => Err(Why::Base(base.mark.seq)),
            _ => walk(&mut auth, chain, marks).await?.map_err(Why::Entry),
        };
        verdict.add(chain.id, &name(chain), found);
    }
    let known: HashSet<Uuid> = chains.iter().map(|chain| chain.id).collect();
    let mut gone: Vec<_> = anchors.marks.iter().filter(|(chain, _)| !known.contains(chain)).collect();
    gone.sort_by_key(|(chain, _)| **chain);
    // An organization that is gone with all of its log.
    for (chain, marks) in gone {
        let found = Verifier::new(*chain.as_bytes(), None, marks.clone()).and_then(Verifier::finish);
        verdict.add(*chain, &chain.to_string(), found.map_err(Why::Entry));
    }
    Ok(verdict)
}

impl Verdict {
    fn add(&mut self, chain: Uuid, name: &str, found: Result<Whole, Why>) {
        self.chains += 1;
        match found {
            Ok(whole) => {
                self.whole.entries += whole.entries;
                self.whole.erased += whole.erased;
                self.whole.marks += whole.marks;
            }
            Err(why) => self.broken.push(Broken { chain, name: name.to_owned(), why }),
        }
    }
}

fn is_signed(anchorage: &Anchorage, chain: &Chain, base: &Base) -> Result<bool, AnchorError> {
    let signed = signed_bytes(anchorage, base.mark, chain.id, base.removed_at);
    Ok(anchorage.notary.signed(&signed, &Signature { key: base.key, bytes: base.signature.clone() })?)
}

fn signed_bytes(anchorage: &Anchorage, mark: Mark, chain: Uuid, at: Timestamp) -> Vec<u8> {
    mark.signed_bytes(PURPOSE, *anchorage.collector.0.as_bytes(), *chain.as_bytes(), at.micros())
}

async fn walk(auth: &mut Auth, chain: &Chain, marks: Vec<Mark>) -> Result<Result<Whole, Break>, AnchorError> {
    let base = chain.base.as_ref().map(|base| base.mark);
    let mut verifier = match Verifier::new(*chain.id.as_bytes(), base, marks) {
        Ok(verifier) => verifier,
        Err(broken) => return Ok(Err(broken)),
    };
    // What is numbered below one was never written so.
    let mut after = i64::MIN;
    loop {
        let rows = audit::read(auth, chain.org, &Filter::default(), Walk::After(after), PAGE).await?;
        let Some(last) = rows.last() else { return Ok(verifier.finish()) };
        after = last.seq;
        for row in rows {
            if let Err(broken) = verifier.take(&row.entry()) {
                return Ok(Err(broken));
            }
        }
    }
}

/// Removes entries older than `keep`, whole beginnings of chains, and says so in each chain. Gives how many.
///
/// # Errors
/// When the database fails or signing does.
pub async fn remove_old(
    pools: &Pools,
    anchorage: &Anchorage,
    keep: Duration,
    now: Timestamp,
) -> Result<u64, AnchorError> {
    let cutoff = now - keep;
    let mut removed = 0;
    loop {
        let mut worker = pools.worker().await?;
        let expired = store::expired(&mut worker, cutoff, AT_ONCE).await?;
        drop(worker);
        if expired.is_empty() {
            return Ok(removed);
        }
        for old in expired {
            let signature = anchorage.notary.sign(&signed_bytes(anchorage, old.last, old.chain, now))?;
            let mut worker = pools.worker().await?;
            let author = Author { org: old.org, ..Author::of_instance("collector") };
            let detail = json!({ "through": old.last.seq, "entries": old.entries });
            store::append(&mut worker, &author.did("audit.remove", "", detail, now)).await?;
            removed += store::remove(&mut worker, &old, (cutoff, now), (signature.key, &signature.bytes)).await?;
            worker.commit().await?;
        }
    }
}
