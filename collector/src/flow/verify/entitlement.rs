//! Outcome by outcome: may this probe say this about this monitor at this time? What it may not is refused one by one.

use std::collections::HashMap;

use picket_shared::batch::{Batch, MAX_AGE, RejectReason, Rejected};
use picket_shared::ids::MonitorId;
use picket_shared::outcome::{Outcome, Status};
use picket_shared::time::Timestamp;

use super::Caller;
use super::freshness::AHEAD;
use crate::store::assignments::{self, KnownRow};
use crate::store::results::Detail;
use crate::store::{Intake, StoreError};

/// The part of an outcome that is not in every row may have so many bytes.
const MAX_DETAIL: usize = 64 * 1024;

/// What a batch was found to hold.
#[derive(Debug)]
pub struct Judged {
    /// The monitors that the probe may speak of.
    pub known: HashMap<MonitorId, KnownRow>,
    /// The details of each outcome as JSON.
    pub details: Vec<Option<String>>,
    /// The outcomes refused, in their order.
    pub rejected: Vec<Rejected>,
}

/// The monitors that a batch speaks of, in order.
pub fn named(batch: &Batch) -> Vec<MonitorId> {
    let mut ids: Vec<MonitorId> = batch.outcomes.iter().map(|outcome| outcome.monitor).collect();
    ids.extend(batch.missed.iter().map(|missed| missed.monitor));
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Reads the monitors that a batch speaks of.
///
/// # Errors
/// When the database fails.
pub async fn known(
    conn: &mut Intake,
    caller: &Caller,
    batch: &Batch,
) -> Result<HashMap<MonitorId, KnownRow>, StoreError> {
    let ids = named(batch);
    if ids.is_empty() { Ok(HashMap::new()) } else { assignments::known(conn, caller.row.region.key, &ids).await }
}

/// Judges every outcome of a batch; `known` are the monitors that it speaks of. Pure.
pub fn judge(mut known: HashMap<MonitorId, KnownRow>, caller: &Caller, batch: &Batch, now: Timestamp) -> Judged {
    known.retain(|_, monitor| may_know(caller, monitor, now));
    let mut details = Vec::with_capacity(batch.outcomes.len());
    let mut rejected = Vec::new();
    for (index, outcome) in (0..).zip(&batch.outcomes) {
        let judged = refuse(known.get(&outcome.monitor), outcome, now).map_or_else(|| detail(outcome), Err);
        details.push(judged.unwrap_or_else(|reason| {
            rejected.push(Rejected { index, reason });
            None
        }));
    }
    Judged { known, details, rejected }
}

/// Assigned now, or was until an edit within the time in which a batch may be late.
fn may_know(caller: &Caller, monitor: &KnownRow, now: Timestamp) -> bool {
    let was = monitor.run.is_some() && now.since(monitor.edited_at) <= MAX_AGE;
    caller.row.org.is_none_or(|org| org == monitor.org)
        && (caller.row.region.eu || !monitor.eu_only)
        && (monitor.assigned || was)
}

fn refuse(monitor: Option<&KnownRow>, outcome: &Outcome, now: Timestamp) -> Option<RejectReason> {
    let Some(monitor) = monitor else { return Some(RejectReason::NotAssigned) };
    let last = outcome.fold.map_or(outcome.at, |fold| fold.last);
    let fold_is_wrong = outcome.fold.is_some_and(|fold| {
        fold.count < 2 || fold.last < outcome.at || !outcome.status.is_good() || fold.min_us > fold.max_us
    });
    let failed = outcome.status == Status::Down;
    let version_is_wrong = i64::from(outcome.version) > i64::from(monitor.version) || outcome.version == 0;
    if outcome.at > now + AHEAD || last > now + AHEAD {
        Some(RejectReason::InTheFuture)
    } else if now.since(outcome.at) > MAX_AGE {
        Some(RejectReason::TooOld)
    } else if fold_is_wrong || version_is_wrong || failed && outcome.failure.is_none() {
        Some(RejectReason::Malformed)
    } else {
        None
    }
}

fn detail(outcome: &Outcome) -> Result<Option<String>, RejectReason> {
    let failure = outcome.failure.as_ref();
    let detail = Detail {
        message: failure.map(|failure| failure.message.clone()),
        evidence: failure.map(|failure| failure.evidence.clone()).unwrap_or_default(),
        // That of a good outcome has a column, so that most outcomes have no details at all.
        address: outcome.address.filter(|_| !outcome.status.is_good()),
        hops: outcome.hops.clone(),
        certificate: outcome.certificate.clone(),
        answers: outcome.answers.clone(),
    };
    let json = serde_json::to_string(&detail).map_err(|_| RejectReason::Malformed)?;
    // PostgreSQL keeps no U+0000 in a text; one such outcome must not cost the whole batch.
    if json.len() > MAX_DETAIL || json.contains("\\u0000") {
        return Err(RejectReason::Malformed);
    }
    Ok((json != "{}").then_some(json))
}
