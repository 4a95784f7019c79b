//! One `Decision` -> rows.

use picket_shared::ids::{IncidentId, Region};
use picket_shared::time::Timestamp;
use serde_json::json;

use super::evidence;
use super::gather::Case;
use crate::domain::assignment::STALE_RECHECK;
use crate::domain::outage::{Decision, IncidentAction, Notice, State};
use crate::store::{IncidentKey, StoreError, Worker, dependencies, incidents, notices, rechecks, spans, states};

/// Writes everything that was decided for one monitor.
pub(super) async fn write(
    worker: &mut Worker,
    case: &Case,
    decision: &Decision,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (org, monitor) = (case.row.org_id, case.row.id);
    for span in &decision.spans {
        spans::append(worker, org, monitor, span.start, span.verdict.as_str(), now).await?;
    }
    let mut open = case.open.as_ref().map(|open| open.id);
    for action in &decision.incidents {
        open = incident(worker, case, decision, action, open, now).await?;
    }
    for notice in &decision.notices {
        tell(worker, case, notice).await?;
    }
    for region in &decision.rechecks {
        if let Some(&key) = case.region_keys.get(region.as_str()) {
            rechecks::ask(worker, org, monitor, key, now - STALE_RECHECK, now).await?;
        }
    }
    let standing = &decision.standing;
    let data = serde_json::to_value(standing).map_err(|_| StoreError::Inconsistent {
        table: "states",
        column: "data",
        row: monitor.0,
    })?;
    let written = states::Written {
        monitor,
        revision: case.revision,
        state: standing.state.as_str(),
        since: standing.since,
        data,
        watch: decision.watch,
        due_at: decision.next_due,
    };
    states::write(worker, now, &written).await?;
    if case.input.standing.state.as_str() != standing.state.as_str() {
        dependencies::judge_children(worker, monitor, now).await?;
        if matches!(standing.state, State::Suspect(_)) {
            // Whether what it depends on fails too is to be known soon.
            for (parent, region) in dependencies::above(worker, monitor).await? {
                rechecks::ask(worker, org, parent, region, now - STALE_RECHECK, now).await?;
            }
        }
    }
    log(case, decision);
    Ok(())
}

async fn incident(
    worker: &mut Worker,
    case: &Case,
    decision: &Decision,
    action: &IncidentAction,
    open: Option<IncidentKey>,
    now: Timestamp,
) -> Result<Option<IncidentKey>, StoreError> {
    let org = case.row.org_id;
    let because: Vec<_> = decision.because.iter().map(|because| because.as_str()).collect();
    match action {
        IncidentAction::Open { started_at, confirmed_at, regions, failure, votes } => {
            let failure = failure.as_ref();
            let first = evidence::first(worker, case, regions.iter().map(Region::as_str), *started_at, failure).await?;
            let votes = json!({ "regions": regions, "because": because, "votes": votes });
            let mut detail = first.detail();
            for part in ["regions", "because", "votes"] {
                detail[part] = votes[part].clone();
            }
            let new = incidents::NewIncident {
                org,
                monitor: case.row.id,
                uuid: IncidentId::at(now),
                started_at: *started_at,
                confirmed_at: *confirmed_at,
                failure: &first.failure,
                message: &first.message,
                detail,
            };
            let key = incidents::open(worker, &new).await?;
            incidents::note(worker, org, key, *started_at, "first_failure", &first.detail()).await?;
            incidents::note(worker, org, key, *confirmed_at, "confirmed", &votes).await?;
            Ok(Some(key))
        }
        IncidentAction::Resolve { at, resolution, .. } => {
            let Some(key) = open else { return Ok(None) };
            incidents::resolve(worker, key, *at, resolution.as_str()).await?;
            let detail = json!({ "resolution": resolution.as_str(), "because": because });
            incidents::note(worker, org, key, *at, "resolved", &detail).await?;
            Ok(None)
        }
        IncidentAction::MarkFailing { since, votes, .. } => {
            if let Some(key) = open {
                let detail = json!({ "since": since.to_string(), "because": because, "votes": votes });
                incidents::note(worker, org, key, now, "failing_again", &detail).await?;
            }
            Ok(open)
        }
        IncidentAction::MarkNoData { since, .. } => {
            if let Some(key) = open {
                incidents::note(worker, org, key, now, "no_data", &json!({ "since": since.to_string() })).await?;
            }
            Ok(open)
        }
        IncidentAction::MarkEdited { version, .. } => {
            if let Some(key) = open {
                incidents::note(worker, org, key, now, "edited", &json!({ "version": version })).await?;
            }
            Ok(open)
        }
    }
}

async fn tell(worker: &mut Worker, case: &Case, notice: &Notice) -> Result<(), StoreError> {
    let incident = match notice.incident_started_at {
        Some(started_at) => incidents::started_at(worker, case.row.id, started_at).await?,
        None => None,
    };
    notices::write(worker, &case.row, incident, notice).await
}

fn log(case: &Case, decision: &Decision) {
    if decision.standing.state.as_str() != case.input.standing.state.as_str() {
        let because: Vec<_> = decision.because.iter().map(|because| because.as_str()).collect();
        tracing::info!(
            monitor.id = %case.row.uuid,
            monitor.state = decision.standing.state.as_str(),
            "Judged monitor {}: {} after {} ({})",
            case.row.uuid,
            decision.standing.state.as_str(),
            case.input.standing.state.as_str(),
            because.join(", "),
        );
    }
}
