//! Why somebody was told, or was not: what is stored of the incidents of a monitor at a time, of what was told of them, and of what
//! withheld it.

use picket_shared::time::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sqlx::types::Json;

use crate::store::{Conn, MonitorKey, Scoped, StoreError};

/// All that is known.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The incidents that were open then; without a time, the newest.
    pub incidents: Vec<Incident>,
    /// What was decided to be told of them, and what of no incident: of regions, flapping, and checks that do not come.
    pub notices: Vec<Notice>,
    /// The messages that were made of it.
    pub deliveries: Vec<Delivery>,
    /// What is due next of incidents that are told on.
    pub escalations: Vec<Escalation>,
    /// The maintenance that the monitor was in meanwhile.
    pub maintenance: Vec<Maintenance>,
    /// Since when the monitor tells nobody.
    pub muted_since: Option<i64>,
    /// What routes call by their rows: kind, row, name.
    pub names: Vec<(String, i64, String)>,
}

impl Explanation {
    /// The rows of members that routes name.
    pub fn members(&self) -> Vec<i64> {
        let routes = self.notices.iter().filter_map(|notice| notice.route.as_ref()?.0["levels"].as_array()).flatten();
        let misses = routes.filter_map(|level| level["misses"].as_array()).flatten();
        misses.filter_map(|miss| miss["member"].as_i64()).collect()
    }
}

/// An incident.
#[derive(Clone, Debug, Serialize, sqlx::FromRow)]
#[expect(missing_docs, reason = "the columns of `incidents`")]
pub struct Incident {
    #[serde(skip)]
    pub key: i64,
    pub id: uuid::Uuid,
    pub failure: String,
    pub message: String,
    pub severity: String,
    /// Whether anybody is to be told.
    pub tells: bool,
    pub started_at: i64,
    pub confirmed_at: i64,
    pub acknowledged_at: Option<i64>,
    pub resolved_at: Option<i64>,
    /// What happened to it: when, and what.
    pub events: Json<Vec<(i64, String)>>,
}

/// Something that was to be told.
#[derive(Clone, Debug, Serialize, sqlx::FromRow)]
#[expect(missing_docs, reason = "the columns of `notices`")]
pub struct Notice {
    #[serde(skip)]
    pub incident: Option<i64>,
    pub id: i64,
    pub kind: String,
    pub at: i64,
    pub dispatched_at: Option<i64>,
    pub route: Option<Json<Value>>,
}

/// A message to a channel.
#[derive(Clone, Debug, Serialize, sqlx::FromRow)]
#[expect(missing_docs, reason = "the columns of `deliveries`")]
pub struct Delivery {
    pub notice: i64,
    pub id: uuid::Uuid,
    pub channel: String,
    pub kind: String,
    pub state: String,
    pub created_at: i64,
    pub held_until: Option<i64>,
    pub next_at: i64,
    pub ended_at: Option<i64>,
    pub reported: Option<String>,
    /// Each try: when, what came of it, the answer.
    pub tries: Json<Vec<(i64, String, String)>>,
}

/// How far an incident got in its policy.
#[derive(Clone, Debug, Serialize, sqlx::FromRow)]
#[expect(missing_docs, reason = "the columns of `escalations`")]
pub struct Escalation {
    #[serde(skip)]
    pub incident: i64,
    pub policy: String,
    pub round: i16,
    pub level: i16,
    pub level_due_at: Option<i64>,
    pub reminder_due_at: Option<i64>,
}

/// A time of maintenance.
#[derive(Clone, Debug, Serialize, sqlx::FromRow)]
#[expect(missing_docs, reason = "the columns of `maintenance_occurrences`")]
pub struct Maintenance {
    pub title: String,
    pub starts_at: i64,
    pub ends_at: i64,
    /// Whether nobody is told of outages before it ends.
    pub holds_alerts: bool,
}

/// Most incidents that are explained at once.
const MOST: i64 = 5;
/// What was told of no incident is explained for so long before a time, in microseconds.
const DAY: i64 = 86_400_000_000;

/// What is stored of a monitor at `at`, or of its newest incident.
///
/// # Errors
/// When the database fails.
pub async fn of(scoped: &mut Scoped, monitor: MonitorKey, at: Option<Timestamp>) -> Result<Explanation, StoreError> {
    let incidents: Vec<Incident> = sqlx::query_as(
        "SELECT i.id AS key, i.uuid AS id, i.failure, i.message, i.severity, i.tells, i.started_at, i.confirmed_at, i.acknowledged_at, i.resolved_at,
                coalesce((SELECT jsonb_agg(jsonb_build_array(e.at, e.event) ORDER BY e.at, e.id) FROM incident_events e
                    WHERE e.incident_id = i.id), '[]') AS events
         FROM incidents i
         WHERE (i.monitor_id = $1 OR EXISTS (SELECT FROM incident_monitors m WHERE m.incident_id = i.id AND m.monitor_id = $1))
             AND ($2::bigint IS NULL OR i.started_at <= $2 AND (i.resolved_at IS NULL OR i.resolved_at >= $2))
         ORDER BY i.id DESC LIMIT CASE WHEN $2::bigint IS NULL THEN 1 ELSE $3 END",
    )
    .bind(monitor)
    .bind(at.map(Timestamp::micros))
    .bind(MOST)
    .fetch_all(scoped.conn())
    .await?;
    let keys: Vec<i64> = incidents.iter().map(|incident| incident.key).collect();
    let notices: Vec<Notice> = sqlx::query_as(
        "SELECT incident_id AS incident, id, kind, at, dispatched_at, route FROM notices WHERE incident_id = ANY ($1)
         UNION ALL (SELECT NULL, id, kind, at, dispatched_at, route FROM notices WHERE monitor_id = $2 AND incident_id IS NULL
             AND ($3::bigint IS NULL OR at BETWEEN $3 - $4 AND $3) ORDER BY id DESC LIMIT $5)
         ORDER BY id",
    )
    .bind(&keys)
    .bind(monitor)
    .bind(at.map(Timestamp::micros))
    .bind(DAY)
    .bind(MOST)
    .fetch_all(scoped.conn())
    .await?;
    let deliveries = deliveries(scoped, &notices).await?;
    let escalations = sqlx::query_as(
        "SELECT e.incident_id AS incident, p.name AS policy, e.round, e.level, e.level_due_at, e.reminder_due_at
         FROM escalations e JOIN policies p ON p.id = e.policy_id WHERE e.incident_id = ANY ($1)",
    )
    .bind(&keys)
    .fetch_all(scoped.conn())
    .await?;
    let muted_since = sqlx::query_scalar("SELECT muted_at FROM monitors WHERE id = $1")
        .bind(monitor)
        .fetch_one(scoped.conn())
        .await?;
    let names = names(scoped, &notices).await?;
    let maintenance = maintenance(scoped, monitor, &incidents, at).await?;
    Ok(Explanation { incidents, notices, deliveries, escalations, maintenance, muted_since, names })
}

async fn deliveries(scoped: &mut Scoped, notices: &[Notice]) -> Result<Vec<Delivery>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT d.notice_id AS notice, d.uuid AS id, c.name AS channel, c.kind, d.state, d.created_at, d.held_until, d.next_at, d.ended_at, d.reported,
                coalesce((SELECT jsonb_agg(jsonb_build_array(a.at, a.result, a.answer) ORDER BY a.id) FROM delivery_attempts a
                    WHERE a.delivery_id = d.id), '[]') AS tries
         FROM deliveries d JOIN channels c ON c.id = d.channel_id WHERE d.notice_id = ANY ($1) ORDER BY d.id",
    )
    .bind(notices.iter().map(|notice| notice.id).collect::<Vec<_>>())
    .fetch_all(scoped.conn())
    .await?)
}

/// The times of maintenance that overlap the incidents, or hold the time that is asked for.
async fn maintenance(
    scoped: &mut Scoped,
    monitor: MonitorKey,
    incidents: &[Incident],
    at: Option<Timestamp>,
) -> Result<Vec<Maintenance>, StoreError> {
    let at = at.map(Timestamp::micros);
    let from = incidents.iter().map(|incident| incident.started_at).chain(at).min();
    let to = incidents.iter().map(|incident| incident.resolved_at.unwrap_or(i64::MAX)).chain(at).max();
    Ok(sqlx::query_as(
        "SELECT w.title, o.starts_at, o.ends_at, w.holds_alerts
         FROM maintenance_occurrences o JOIN maintenances w ON w.id = o.maintenance_id JOIN monitors m ON m.id = $1
         WHERE maintains(w.id, w.scope, w.tags, m.id, m.tags) AND o.began AND o.starts_at <= $3 AND o.ends_at >= $2
         ORDER BY o.starts_at LIMIT 50",
    )
    .bind(monitor)
    .bind(from)
    .bind(to)
    .fetch_all(scoped.conn())
    .await?)
}

/// The channels and schedules that routes name by their rows, also those that were removed since.
async fn names(scoped: &mut Scoped, notices: &[Notice]) -> Result<Vec<(String, i64, String)>, StoreError> {
    let mut rows: [Vec<i64>; 2] = [Vec::new(), Vec::new()];
    for level in notices.iter().filter_map(|notice| notice.route.as_ref()?.0["levels"].as_array()).flatten() {
        for list in ["told", "misses"] {
            for one in level[list].as_array().into_iter().flatten() {
                rows[0].extend(one["channel"].as_i64());
                rows[1].extend(one["schedule"].as_i64());
            }
        }
    }
    Ok(sqlx::query_as(
        "SELECT 'channel', id, name FROM channels WHERE id = ANY ($1)
         UNION ALL SELECT 'schedule', id, name FROM schedules WHERE id = ANY ($2)",
    )
    .bind(&rows[0])
    .bind(&rows[1])
    .fetch_all(scoped.conn())
    .await?)
}
