//! Due monitors -> facts -> [`domain::outage::judge`](crate::domain::outage::judge()) -> rows, in one transaction.
//!
//! In: `states` that are dirty (ingest wrote something new) or due (the judge's own timer). Out: `states`, `spans`,
//! `incidents`, `notices`, `rechecks`. The task takes no input and may run anywhere, any number of times: it locks the rows
//! that it judges, and the same facts give the same decision.

mod apply;
mod correlate;
mod evidence;
mod gather;
mod listening;

use std::time::Duration;

use picket_shared::time::Timestamp;

pub use listening::Listening;

use crate::domain::outage;
use crate::store::{Pools, StoreError, states};

/// How many monitors are judged in one transaction.
const CHUNK: i64 = 200;
/// How long a monitor that could not be judged is put off.
const PUT_OFF: Duration = Duration::from_secs(30);

/// What one run did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Monitors that were judged.
    pub judged: usize,
    /// Decisions that changed something.
    pub changed: usize,
    /// Monitors whose rows could not be read, each logged.
    pub failed: usize,
    /// When the next timer runs out.
    pub next_due: Option<Timestamp>,
}

/// Judges everything that is dirty or due at `now`. `listening_since` is since when it does so without a
/// break ([`Listening`]).
///
/// # Errors
/// When the database fails; what was committed before stays, the rest is judged in the next run.
pub async fn run(pools: &Pools, now: Timestamp, listening_since: Timestamp) -> Result<Report, StoreError> {
    let mut report = Report::default();
    correlate::run(pools, now).await?;
    loop {
        let taken = chunk(pools, now, listening_since, &mut report).await?;
        if taken < usize::try_from(CHUNK).unwrap_or(usize::MAX) {
            break;
        }
    }
    let mut worker = pools.worker().await?;
    report.next_due = states::next_due(&mut worker).await?;
    worker.commit().await?;
    Ok(report)
}

async fn chunk(
    pools: &Pools,
    now: Timestamp,
    listening_since: Timestamp,
    report: &mut Report,
) -> Result<usize, StoreError> {
    let mut worker = pools.worker().await?;
    let due = states::take_due(&mut worker, now, CHUNK).await?;
    let taken = due.len();
    for case in gather::cases(&mut worker, due, now, listening_since).await? {
        let case = match case {
            Ok(case) => case,
            Err(unreadable) => {
                tracing::error!(monitor.row = unreadable.monitor.0, "Could not judge a monitor: {}", unreadable.error);
                states::put_off(&mut worker, unreadable.monitor, now + PUT_OFF).await?;
                report.failed += 1;
                continue;
            }
        };
        let decision = outage::judge(&case.input);
        report.judged += 1;
        if decision.changes(&case.input) {
            report.changed += 1;
        }
        apply::write(&mut worker, &case, &decision, now).await?;
    }
    worker.commit().await?;
    Ok(taken)
}
