//! Rows -> one frozen `Input` a monitor.

use std::collections::BTreeMap;
use std::time::Duration;

use picket_shared::ids::{IncidentId, MonitorId};
use picket_shared::outcome::{FailureKind, SelfCheck, Status, Trigger};
use picket_shared::time::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::domain::gap::SILENT_AFTER;
use crate::domain::outage::{
    ByHand, FailureFacts, Input, Maintenance, MonitorFacts, OpenIncident, Parent, QuorumRule, RegionFacts,
    RegionResult, RegionalAlert, Span, Standing, Verdict,
};
use crate::store::facts::{MonitorRow, RegionRow};
use crate::store::states::DueState;
use crate::store::{MonitorKey, RegionKey, StoreError, Worker, dependencies, facts, incidents, maintenances, spans};

/// How far back openings matter for flap damping.
const OPENINGS: Duration = Duration::from_secs(1800);

/// One monitor, ready to be judged.
pub(super) struct Case {
    pub(super) row: MonitorRow,
    pub(super) revision: i64,
    pub(super) input: Input,
    pub(super) open: Option<incidents::OpenRow>,
    pub(super) region_keys: BTreeMap<String, RegionKey>,
}

/// A monitor whose rows cannot be read.
pub(super) struct Unreadable {
    pub(super) monitor: MonitorKey,
    pub(super) error: StoreError,
}

/// Gathers the facts of all of `due`.
pub(super) async fn cases(
    worker: &mut Worker,
    due: Vec<DueState>,
    now: Timestamp,
    listening_since: Timestamp,
) -> Result<Vec<Result<Case, Unreadable>>, StoreError> {
    let ids: Vec<i64> = due.iter().map(|state| state.monitor_id.0).collect();
    let mut monitors: BTreeMap<i64, MonitorRow> =
        facts::monitors(worker, &ids).await?.into_iter().map(|row| (row.id.0, row)).collect();
    let mut regions = grouped(facts::regions(worker, &ids, now - SILENT_AFTER).await?, |row| row.monitor_id.0);
    let spans: BTreeMap<i64, (i64, String)> =
        spans::newest(worker, &ids).await?.into_iter().map(|(id, at, verdict)| (id, (at, verdict))).collect();
    let mut open: BTreeMap<i64, incidents::OpenRow> =
        incidents::open_of(worker, &ids).await?.into_iter().map(|row| (row.monitor_id.0, row)).collect();
    let mut by_hand: BTreeMap<i64, (i64, i64)> =
        incidents::by_hand(worker, &ids).await?.into_iter().map(|(id, start, end)| (id, (start, end))).collect();
    let mut openings = grouped(incidents::openings(worker, &ids, now - OPENINGS).await?, |row| row.0);
    let mut windows: BTreeMap<i64, Maintenance> =
        maintenances::of_monitors(worker, &ids, now).await?.into_iter().collect();
    let mut parents = grouped(dependencies::of_monitors(worker, &ids).await?, |row| row.0);
    let mut cases = Vec::with_capacity(due.len());
    for state in due {
        let id = state.monitor_id.0;
        let Some(row) = monitors.remove(&id) else { continue };
        let found = Found {
            regions: regions.remove(&id).unwrap_or_default(),
            span: spans.get(&id).cloned(),
            open: open.remove(&id),
            by_hand: by_hand.remove(&id),
            maintenance: windows.remove(&id).unwrap_or_default(),
            parents: parents.remove(&id).unwrap_or_default().into_iter().map(|(_, parent)| parent).collect(),
            openings: openings.remove(&id).unwrap_or_default().into_iter().map(|(_, at)| at).collect(),
        };
        let case = case(row, state, found, now, listening_since);
        cases.push(case.map_err(|error| Unreadable { monitor: MonitorKey(id), error }));
    }
    Ok(cases)
}

/// What was found of one monitor.
struct Found {
    regions: Vec<RegionRow>,
    span: Option<(i64, String)>,
    open: Option<incidents::OpenRow>,
    by_hand: Option<(i64, i64)>,
    maintenance: Maintenance,
    parents: Vec<Parent>,
    openings: Vec<i64>,
}

fn case(
    row: MonitorRow,
    state: DueState,
    found: Found,
    now: Timestamp,
    listening_since: Timestamp,
) -> Result<Case, StoreError> {
    let id = row.id.0;
    let created_at = Timestamp::from_micros(row.created_at);
    let version = u32::try_from(row.version).unwrap_or(0);
    let standing = if state.data.as_object().is_some_and(serde_json::Map::is_empty) {
        Standing::new(created_at, version)
    } else {
        read(state.data, "states", "data", id)?
    };
    let span = match found.span {
        Some((at, verdict)) => {
            let verdict: Verdict = read(Value::String(verdict), "spans", "verdict", id)?;
            Some(Span { start: Timestamp::from_micros(at), verdict })
        }
        None => None,
    };
    let region_keys = found.regions.iter().map(|region| (region.code.clone(), region.region_id)).collect();
    let input = Input {
        as_of: now,
        listening_since,
        monitor: MonitorFacts {
            parents: found.parents,
            ..monitor_facts(&row, created_at, version, found.maintenance)?
        },
        regions: found.regions.into_iter().map(region_facts).collect::<Result<_, _>>()?,
        standing,
        span,
        incident: found.open.as_ref().map(|open| OpenIncident {
            id: IncidentId(open.uuid),
            started_at: Timestamp::from_micros(open.started_at),
            confirmed_at: Timestamp::from_micros(open.confirmed_at),
            reopened_at: open.reopened_at.map(Timestamp::from_micros),
        }),
        by_hand: found
            .by_hand
            .map(|(start, end)| ByHand { started_at: Timestamp::from_micros(start), at: Timestamp::from_micros(end) }),
        openings: found.openings.into_iter().map(Timestamp::from_micros).collect(),
    };
    Ok(Case { row, revision: state.revision, input, open: found.open, region_keys })
}

fn monitor_facts(
    row: &MonitorRow,
    created_at: Timestamp,
    version: u32,
    maintenance: Maintenance,
) -> Result<MonitorFacts, StoreError> {
    let quorum = match &row.quorum {
        Some(rule) => read(rule.clone(), "monitors", "quorum", row.id.0)?,
        None => QuorumRule::Default,
    };
    Ok(MonitorFacts {
        id: MonitorId(row.uuid),
        version,
        interval: Duration::from_secs(u64::try_from(row.interval_s).unwrap_or(60)),
        timeout: Duration::from_millis(u64::try_from(row.timeout_ms).unwrap_or(10_000)),
        created_at,
        quorum,
        paused_at: row.paused_at.map(Timestamp::from_micros),
        deleted_at: row.deleted_at.map(Timestamp::from_micros),
        maintenance,
        muted_since: row.muted_at.map(Timestamp::from_micros),
        regional: RegionalAlert {
            told: row.tells_regional,
            muted_until: row.regional_muted_until.map(Timestamp::from_micros),
        },
        parents: Vec::new(),
    })
}

fn region_facts(row: RegionRow) -> Result<RegionFacts, StoreError> {
    let id = row.monitor_id.0;
    let inconsistent = |column| StoreError::Inconsistent { table: "region_states", column, row: id };
    let region = row.code.parse().map_err(|_| StoreError::Inconsistent {
        table: "regions",
        column: "code",
        row: row.region_id.0,
    })?;
    let result = match row.status {
        None => None,
        Some(status) => {
            let failure = match row.failure {
                Some(kind) => {
                    let kind: FailureKind = read(Value::String(kind), "region_states", "failure", id)?;
                    Some(FailureFacts { kind, message: row.message.unwrap_or_default() })
                }
                None => None,
            };
            let status: Status = read(Value::String(status), "region_states", "status", id)?;
            let last_trigger: Trigger = read_text(row.last_trigger, "last_trigger", id)?;
            let self_check: SelfCheck = read_text(row.self_check, "self_check", id)?;
            Some(RegionResult {
                version: row.version.and_then(|v| u32::try_from(v).ok()).ok_or_else(|| inconsistent("version"))?,
                status,
                failure,
                fails: row.fails.and_then(|n| u8::try_from(n).ok()).ok_or_else(|| inconsistent("fails"))?,
                oks: row.oks.and_then(|n| u8::try_from(n).ok()).ok_or_else(|| inconsistent("oks"))?,
                since: row.since.map(Timestamp::from_micros).ok_or_else(|| inconsistent("since"))?,
                last_at: row.last_at.map(Timestamp::from_micros).ok_or_else(|| inconsistent("last_at"))?,
                last_trigger,
                self_check,
            })
        }
    };
    Ok(RegionFacts {
        region,
        network: row.network,
        through: row.through.map(Timestamp::from_micros),
        result,
        hold_until: row.hold_until.map(Timestamp::from_micros),
        self_check_bad: row.self_check_bad.unwrap_or(false),
    })
}

fn read_text<T: DeserializeOwned>(text: Option<String>, column: &'static str, row: i64) -> Result<T, StoreError> {
    read(text.map_or(Value::Null, Value::String), "region_states", column, row)
}

fn read<T: DeserializeOwned>(
    value: Value,
    table: &'static str,
    column: &'static str,
    row: i64,
) -> Result<T, StoreError> {
    serde_json::from_value(value).map_err(|_| StoreError::Inconsistent { table, column, row })
}

fn grouped<T>(rows: Vec<T>, key: impl Fn(&T) -> i64) -> BTreeMap<i64, Vec<T>> {
    let mut groups: BTreeMap<i64, Vec<T>> = BTreeMap::new();
    for row in rows {
        groups.entry(key(&row)).or_default().push(row);
    }
    groups
}
