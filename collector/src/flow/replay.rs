//! Late failures -> outages that are over -> incidents of the past.
//!
//! In: `replays` (ingest notes where failures came too late to vote) and `results`. Out: `incidents` that are resolved at once,
//! and a notice while that is news. Verdict spans stay as they were judged: what nobody knew then stays unknown.

use std::collections::BTreeMap;
use std::time::Duration;

use picket_shared::ids::IncidentId;
use picket_shared::outcome::Status;
use picket_shared::time::Timestamp;
use serde_json::json;

use crate::domain::outage::replay::{PastIncident, PastRegion, replay};
use crate::domain::outage::timing::Timing;
use crate::domain::outage::{Notice, NoticeKind, Over, QuorumRule, Resolution};
use crate::store::facts::MonitorRow;
use crate::store::incidents::{self, NewIncident};
use crate::store::replays::ReplayRow;
use crate::store::results::OutcomeRow;
use crate::store::{Pools, StoreError, Worker, facts, notices, replays, results};

/// Probes that were cut off deliver what they hold over some time; a range is looked at when nothing was added for so long.
const QUIET: Duration = Duration::from_secs(60);
/// Ranges in one run.
const AT_ONCE: i64 = 100;
/// Outcomes of one range.
const OUTCOMES: i64 = 50_000;

/// What one run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Ranges that were looked at.
    pub looked: usize,
    /// Outages that were found and not known.
    pub found: usize,
}

/// Looks at every range that has grown quiet.
///
/// # Errors
/// When the database fails; nothing is taken then.
pub async fn run(pools: &Pools, now: Timestamp) -> Result<Report, StoreError> {
    let mut report = Report::default();
    let mut worker = pools.worker().await?;
    for range in replays::take(&mut worker, now - QUIET, AT_ONCE).await? {
        report.looked += 1;
        let Some(monitor) = facts::monitors(&mut worker, &[range.monitor_id.0]).await?.pop() else { continue };
        if monitor.deleted_at.is_some() {
            continue;
        }
        for past in outages(&mut worker, &monitor, &range, now).await? {
            report.found += usize::from(write(&mut worker, &monitor, &past, now).await?);
        }
    }
    worker.commit().await?;
    Ok(report)
}

async fn outages(
    worker: &mut Worker,
    monitor: &MonitorRow,
    range: &ReplayRow,
    now: Timestamp,
) -> Result<Vec<PastIncident>, StoreError> {
    let timing = Timing {
        interval: Duration::from_secs(u64::try_from(monitor.interval_s).unwrap_or(60)),
        timeout: Duration::from_millis(u64::try_from(monitor.timeout_ms).unwrap_or(10_000)),
    };
    // Before it what the regions said then, after it the recovery that ends it.
    let around = timing.freshness() * 2;
    let (from, to) = (Timestamp::from_micros(range.from_at) - around, Timestamp::from_micros(range.to_at) + around);
    let outcomes = results::raw(worker, range.monitor_id, (from, to.min(now)), OUTCOMES).await?;
    // A region without an outcome in the range still counts as assigned.
    let assigned = facts::regions(worker, &[range.monitor_id.0], now).await?;
    let mut regions: BTreeMap<i64, PastRegion> =
        assigned.iter().map(|region| (region.region_id.0, PastRegion { outcomes: Vec::new() })).collect();
    for outcome in &outcomes {
        if let Some(region) = regions.get_mut(&outcome.region.0) {
            region.outcomes.extend(votes(outcome));
        }
    }
    let rule = match &monitor.quorum {
        Some(rule) => serde_json::from_value(rule.clone()).unwrap_or_default(),
        None => QuorumRule::Default,
    };
    let regions: Vec<_> = regions.into_values().collect();
    Ok(replay(&regions, rule, timing, now))
}

/// When a measured check began and whether it was good; both ends of a fold.
fn votes(outcome: &OutcomeRow) -> Vec<(Timestamp, bool)> {
    let good = outcome.status.is_good();
    let measured = good || (outcome.status == Status::Down && outcome.self_check.may_vote());
    let times = [Some(outcome.at), outcome.fold.map(|fold| fold.last)];
    times.into_iter().flatten().filter(|_| measured).map(|at| (at, good)).collect()
}

/// Writes one, unless it is known; whether it did.
async fn write(
    worker: &mut Worker,
    monitor: &MonitorRow,
    past: &PastIncident,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let message =
        format!("was down from {:.0} to {:.0}, found in outcomes that came late", past.started_at, past.ended_at);
    let new = NewIncident {
        org: monitor.org_id,
        monitor: monitor.id,
        uuid: IncidentId::at(now),
        started_at: past.started_at,
        confirmed_at: past.ended_at,
        failure: "other",
        message: &message,
        detail: json!({ "retrospective": true, "found_at": now.to_string() }),
    };
    let resolution = Resolution::Recovered;
    let Some(key) = incidents::write_past(worker, &new, past.ended_at, resolution.as_str()).await? else {
        return Ok(false);
    };
    incidents::note(worker, monitor.org_id, key, now, "found_late", &json!({ "message": message })).await?;
    tracing::info!(monitor.id = %monitor.uuid, "Monitor {} {message}", monitor.uuid);
    // What was over before it was released is told to nobody, as the judge does it.
    if past.tell && monitor.muted_at.is_none() {
        let over = Over { at: past.ended_at, resolution };
        let notice = Notice {
            kind: NoticeKind::Up { over },
            at: now,
            incident_started_at: Some(past.started_at),
            regions: Vec::new(),
        };
        notices::write(worker, monitor, Some((key, new.uuid.0)), &notice).await?;
    }
    Ok(true)
}
