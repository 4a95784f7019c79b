//! Everything about one monitor, for its page and for `monitor show`.

use picket_shared::time::Timestamp;
use serde_json::Value;

use crate::domain::outage::{Span, Verdict};
use crate::store::results::{self, OutcomeRow};
use crate::store::{Conn, IncidentKey, MonitorKey, Scoped, StoreError, spans};

/// A region that runs the monitor, and what it says.
#[derive(Debug, sqlx::FromRow)]
#[expect(missing_docs, reason = "the columns of `regions`, `region_states` and `probe_status`")]
pub struct RegionRow {
    pub id: i64,
    pub code: String,
    pub network: String,
    pub eu: bool,
    pub status: Option<String>,
    pub failure: Option<String>,
    pub message: Option<String>,
    pub fails: Option<i16>,
    pub since: Option<i64>,
    pub last_at: Option<i64>,
    pub last_trigger: Option<String>,
    pub self_check: Option<String>,
    pub through: Option<i64>,
    pub seen_at: Option<i64>,
    pub hold_until: Option<i64>,
}

/// An incident and its timeline.
#[derive(Debug, sqlx::FromRow)]
#[expect(missing_docs, reason = "the columns of `incidents`")]
pub struct IncidentRow {
    pub id: IncidentKey,
    pub uuid: uuid::Uuid,
    pub started_at: i64,
    pub confirmed_at: i64,
    pub resolved_at: Option<i64>,
    pub resolution: Option<String>,
    pub failure: String,
    pub message: String,
    pub detail: Value,
    pub acknowledged_at: Option<i64>,
}

/// A line of a timeline: incident, when, what, further facts.
pub type EventRow = (IncidentKey, i64, String, Value);
/// A gap: region, after, until (none while it lasts), reason.
pub type GapRow = (String, i64, Option<i64>, String);

/// What the page shows beside the monitor's own settings.
#[derive(Debug)]
pub struct Page {
    /// What the judge keeps: state, overlays.
    pub standing: Value,
    /// Its regions, by name.
    pub regions: Vec<RegionRow>,
    /// Incidents, newest first.
    pub incidents: Vec<IncidentRow>,
    /// Their timelines, oldest first.
    pub events: Vec<EventRow>,
    /// Gaps, newest first.
    pub gaps: Vec<GapRow>,
    /// Outcomes, newest first.
    pub outcomes: Vec<OutcomeRow>,
    /// Verdict spans of the last 30 days, oldest first.
    pub spans: Vec<Span>,
}

/// How many incidents and gaps a page shows.
const SHOWN: i64 = 20;
/// How many outcomes a page shows.
const OUTCOMES: usize = 200;
/// How many outcomes are read to find the newest.
const READ: i64 = 5_000;

/// Gathers the page. `recent` is how far back outcomes are shown, `month` how far back spans are summed.
///
/// # Errors
/// When the database fails.
pub async fn page(
    scoped: &mut Scoped,
    monitor: MonitorKey,
    now: Timestamp,
    recent: Timestamp,
    month: Timestamp,
) -> Result<Page, StoreError> {
    let (standing,): (Value,) =
        sqlx::query_as("SELECT data FROM states WHERE monitor_id = $1").bind(monitor).fetch_one(scoped.conn()).await?;
    let incidents = incidents(scoped, monitor).await?;
    let ids: Vec<i64> = incidents.iter().map(|incident| incident.id.0).collect();
    let mut outcomes = results::raw(scoped, monitor, (recent, now.shifted(60_000_000)), READ).await?;
    outcomes.reverse();
    outcomes.truncate(OUTCOMES);
    Ok(Page {
        standing,
        regions: regions(scoped, monitor).await?,
        events: events(scoped, &ids).await?,
        incidents,
        gaps: gaps(scoped, monitor).await?,
        outcomes,
        spans: month_of_spans(scoped, monitor, month, now).await?,
    })
}

async fn regions(scoped: &mut Scoped, monitor: MonitorKey) -> Result<Vec<RegionRow>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT r.id, r.code, r.network, r.eu, s.status, s.failure, s.message, s.fails, s.since, s.last_at,
                s.last_trigger, s.self_check, h.through, h.seen_at, hold.until_at AS hold_until
         FROM monitor_regions mr
         JOIN regions r ON r.id = mr.region_id
         LEFT JOIN region_states s ON s.monitor_id = mr.monitor_id AND s.region_id = mr.region_id
         LEFT JOIN region_holds hold ON hold.region_id = mr.region_id
         LEFT JOIN LATERAL (
             SELECT max(ps.through) AS through, max(ps.seen_at) AS seen_at
             FROM probes p JOIN probe_status ps ON ps.probe_id = p.id
             WHERE p.region_id = r.id AND p.revoked_at IS NULL) h ON true
         WHERE mr.monitor_id = $1 ORDER BY r.code",
    )
    .bind(monitor)
    .fetch_all(scoped.conn())
    .await?)
}

async fn incidents(scoped: &mut Scoped, monitor: MonitorKey) -> Result<Vec<IncidentRow>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT id, uuid, started_at, confirmed_at, resolved_at, resolution, failure, message, detail, acknowledged_at
         FROM incidents WHERE monitor_id = $1 OR id IN (SELECT incident_id FROM incident_monitors WHERE monitor_id = $1)
         ORDER BY started_at DESC, id DESC LIMIT $2",
    )
    .bind(monitor)
    .bind(SHOWN)
    .fetch_all(scoped.conn())
    .await?)
}

async fn events(scoped: &mut Scoped, incidents: &[i64]) -> Result<Vec<EventRow>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT incident_id, at, event, detail FROM incident_events WHERE incident_id = ANY($1) ORDER BY at, id",
    )
    .bind(incidents)
    .fetch_all(scoped.conn())
    .await?)
}

/// The monitor's own gaps, and the silences of its regions since it was made.
async fn gaps(scoped: &mut Scoped, monitor: MonitorKey) -> Result<Vec<GapRow>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT r.code, greatest(g.from_at, m.created_at), g.to_at, g.reason
         FROM monitors m
         JOIN gaps g ON g.monitor_id = m.id
             OR (g.monitor_id IS NULL
                 AND g.region_id IN (SELECT region_id FROM monitor_regions WHERE monitor_id = m.id)
                 AND (g.to_at IS NULL OR g.to_at > m.created_at))
         JOIN regions r ON r.id = g.region_id
         WHERE m.id = $1 ORDER BY g.from_at DESC, g.id DESC LIMIT $2",
    )
    .bind(monitor)
    .bind(SHOWN)
    .fetch_all(scoped.conn())
    .await?)
}

async fn month_of_spans(
    scoped: &mut Scoped,
    monitor: MonitorKey,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<Span>, StoreError> {
    let unreadable = || StoreError::Inconsistent { table: "spans", column: "verdict", row: monitor.0 };
    let rows = spans::range(scoped, monitor, from, to).await?;
    rows.into_iter()
        .map(|(start, verdict)| {
            let verdict: Verdict = serde_json::from_value(Value::String(verdict)).map_err(|_| unreadable())?;
            Ok(Span { start: Timestamp::from_micros(start), verdict })
        })
        .collect()
}
