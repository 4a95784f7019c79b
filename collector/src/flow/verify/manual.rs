//! The answer to a manual check: read within bounds, as its probe signed it. Whether the probe was asked, and nobody has
//! answered yet, the write itself decides.

use picket_shared::ids::ManualId;
use picket_shared::manual::{MAX_OUTCOME, ManualAnswer, ManualOutcome, ManualReject};
use picket_shared::outcome::Status;
use picket_shared::time::Timestamp;
use picket_shared::wire::RefusalCode;

use super::freshness::AHEAD;
use super::{Caller, Refused};
use crate::store::{ProbeKey, RegionKey};

/// An answer that a probe signed, within every bound. Only [`open`] makes one.
#[derive(Debug)]
pub struct VerifiedManual {
    pub(in crate::flow) id: ManualId,
    pub(in crate::flow) source: (RegionKey, ProbeKey),
    /// The outcome as JSON, or why it is refused.
    pub(in crate::flow) outcome: Result<String, ManualReject>,
}

/// Reads an answer; does not touch the database.
///
/// # Errors
/// When it is no answer at all.
pub fn open(caller: &Caller, plain: &[u8], now: Timestamp) -> Result<VerifiedManual, Refused> {
    let answer: ManualAnswer = serde_json::from_slice(plain).map_err(|error| {
        // The error's own text may quote the body.
        let place = format!("line {} column {}", error.line(), error.column());
        Refused::rule(RefusalCode::Malformed, format!("the body is no answer to a manual check: {place}"))
    })?;
    let source = (caller.row.region.key, caller.row.key);
    Ok(VerifiedManual { id: answer.id, source, outcome: within_bounds(&answer.outcome, now) })
}

fn within_bounds(outcome: &ManualOutcome, now: Timestamp) -> Result<String, ManualReject> {
    let failed = !matches!(outcome.status, Status::Up);
    if outcome.at > now + AHEAD || failed && outcome.failure.is_none() {
        return Err(ManualReject::Malformed);
    }
    let json = serde_json::to_string(outcome).map_err(|_| ManualReject::Malformed)?;
    // PostgreSQL keeps no U+0000 in a text.
    if json.len() > MAX_OUTCOME || json.contains("\\u0000") { Err(ManualReject::Malformed) } else { Ok(json) }
}
