//! Notices: what has to be told. The judge writes them with the transition, dispatch turns them into deliveries.

use picket_shared::time::Timestamp;
use serde_json::{Value, json};
use sqlx::types::Json;
use uuid::Uuid;

use super::facts::MonitorRow;
use super::incidents::Held;
use super::{Conn, IncidentKey, MonitorKey, NoticeKey, OrgKey, Scoped, StoreError, Worker};
use crate::domain::incident::Severity;
use crate::domain::outage::{Notice, NoticeKind};
use crate::wake::Bell;

/// A notice, with what decides whom it is for.
#[derive(Clone, Debug)]
pub struct NoticeRow {
    /// Its row.
    pub key: NoticeKey,
    /// Whose it is.
    pub org: OrgKey,
    /// What has to be told.
    pub notice: Notice,
    /// The monitor that it is about, or those that the incident affects.
    pub monitors: Vec<MonitorKey>,
    /// The incident that it is about.
    pub incident: Option<IncidentKey>,
    /// How often that had been opened again when it was written.
    pub round: i32,
    /// How bad the incident is, or else the monitor's outages are.
    pub severity: Severity,
    /// Whether somebody looks after the incident, or it is over.
    pub is_settled: bool,
}

/// Writes a notice in the transaction that made the transition, with every fact that a message may need, as of now: what is
/// told later is what was decided. Rings for dispatch.
///
/// # Errors
/// When the database fails, or the same notice of the same incident stands already.
pub async fn write(
    worker: &mut Worker,
    monitor: &MonitorRow,
    incident: Option<(IncidentKey, Uuid)>,
    notice: &Notice,
) -> Result<(), StoreError> {
    let payload = json!({
        "monitor": { "id": monitor.uuid, "name": monitor.name, "kind": monitor.kind, "target": monitor.target },
        "incident": incident.map(|(_, uuid)| uuid),
        "notice": notice,
    });
    let done = sqlx::query(
        "INSERT INTO notices (org_id, monitor_id, incident_id, kind, at, payload, round)
         VALUES ($1, $2, $3, $4, $5, $6, coalesce((SELECT round FROM incidents WHERE id = $3), 0))",
    )
    .bind(monitor.org_id)
    .bind(monitor.id)
    .bind(incident.map(|(key, _)| key))
    .bind(notice.kind.as_str())
    .bind(notice.at.micros())
    .bind(payload)
    .execute(worker.conn())
    .await?;
    StoreError::expect_rows("notices", 1, done.rows_affected())?;
    worker.ring(Bell::Dispatch).await
}

/// Writes a notice of what a person did to an incident, in the transaction that did it. Rings for dispatch.
///
/// # Errors
/// When the database fails.
pub async fn write_by_a_person(conn: &mut Scoped, held: &Held, notice: &Notice) -> Result<(), StoreError> {
    let done = sqlx::query(
        "INSERT INTO notices (org_id, monitor_id, incident_id, kind, at, payload, round)
         SELECT org_id, monitor_id, id, $2, $3, $4, round FROM incidents WHERE id = $1",
    )
    .bind(held.key)
    .bind(notice.kind.as_str())
    .bind(notice.at.micros())
    .bind(json!({ "incident": held.id, "notice": notice }))
    .execute(conn.conn())
    .await?;
    StoreError::expect_rows("notices", 1, done.rows_affected())?;
    conn.ring(Bell::Dispatch).await
}

/// Locks up to `limit` notices without deliveries, the oldest first; those that another dispatcher holds are passed over.
///
/// # Errors
/// When the database fails.
pub async fn waiting(conn: &mut Worker, limit: i64) -> Result<Vec<NoticeRow>, StoreError> {
    let keys: Vec<NoticeKey> = sqlx::query_scalar(
        "SELECT id FROM notices WHERE dispatched_at IS NULL ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED",
    )
    .bind(limit)
    .fetch_all(conn.conn())
    .await?;
    if keys.is_empty() { Ok(Vec::new()) } else { read(conn, &keys).await }
}

/// These notices, the oldest first.
///
/// # Errors
/// When the database fails or one cannot be read.
pub async fn read(conn: &mut impl Conn, keys: &[NoticeKey]) -> Result<Vec<NoticeRow>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT n.id, n.org_id, n.payload -> 'notice' AS notice, n.incident_id, n.round, coalesce(i.severity, m.severity, 'critical') AS severity,
                CASE WHEN n.monitor_id IS NULL THEN ARRAY(SELECT a.monitor_id FROM incident_monitors a WHERE a.incident_id = n.incident_id)
                     ELSE ARRAY[n.monitor_id] END AS monitors,
                coalesce(i.resolved_at, i.acknowledged_at) IS NOT NULL AS is_settled
         FROM notices n LEFT JOIN incidents i ON i.id = n.incident_id LEFT JOIN monitors m ON m.id = n.monitor_id
         WHERE n.id = ANY ($1) ORDER BY n.id",
    )
    .bind(keys.iter().map(|key| key.0).collect::<Vec<_>>())
    .fetch_all(conn.conn())
    .await?;
    rows.into_iter().map(Row::notice).collect()
}

#[derive(sqlx::FromRow)]
struct Row {
    id: NoticeKey,
    org_id: OrgKey,
    notice: Json<Notice>,
    incident_id: Option<IncidentKey>,
    round: i32,
    severity: String,
    monitors: Vec<i64>,
    is_settled: bool,
}

impl Row {
    fn notice(self) -> Result<NoticeRow, StoreError> {
        let unreadable = |_| StoreError::Inconsistent { table: "notices", column: "incident_id", row: self.id.0 };
        Ok(NoticeRow {
            key: self.id,
            org: self.org_id,
            notice: self.notice.0,
            monitors: self.monitors.into_iter().map(MonitorKey).collect(),
            incident: self.incident_id,
            round: self.round,
            severity: self.severity.parse().map_err(unreadable)?,
            is_settled: self.is_settled,
        })
    }
}

/// Writes that the incident of `first` still stands and nobody looks after it. Whoever writes it makes its deliveries.
///
/// # Errors
/// When the database fails or the incident is gone.
pub async fn remind(conn: &mut Worker, first: &NoticeRow, now: Timestamp) -> Result<NoticeKey, StoreError> {
    let started_at = first.notice.incident_started_at.unwrap_or(first.notice.at);
    let notice = Notice::by_a_person(NoticeKind::Reminder, now, started_at);
    Ok(sqlx::query_scalar(
        "INSERT INTO notices (org_id, monitor_id, incident_id, kind, at, payload, round, dispatched_at)
         SELECT org_id, monitor_id, id, $2, $3, jsonb_build_object('incident', uuid, 'notice', $4::jsonb), round, $3
         FROM incidents WHERE id = $1 RETURNING id",
    )
    .bind(first.incident)
    .bind(notice.kind.as_str())
    .bind(now.micros())
    .bind(Json(&notice))
    .fetch_one(conn.conn())
    .await?)
}

/// Whether the last that the organization was told of a region after `since`, through any of its monitors, is the same; `kinds`
/// are those that tell of one thing, its end last. Of an end nobody need have been told.
///
/// # Errors
/// When the database fails.
pub async fn told_of_region(
    conn: &mut Worker,
    notice: &NoticeRow,
    region: &str,
    kinds: &[&str],
    since: Timestamp,
) -> Result<bool, StoreError> {
    let last: Option<String> = sqlx::query_scalar(
        "SELECT n.kind FROM notices n
         WHERE n.org_id = $1 AND n.kind = ANY($4)
            AND n.payload #>> '{notice,kind,region}' = $2 AND n.dispatched_at > $3
            AND (EXISTS (SELECT 1 FROM deliveries d WHERE d.notice_id = n.id)
                 OR n.kind = $5 AND n.route ->> 'because' <> 'told_already')
         ORDER BY n.id DESC LIMIT 1",
    )
    .bind(notice.org)
    .bind(region)
    .bind(since.micros())
    .bind(kinds)
    .bind(kinds.last())
    .fetch_optional(conn.conn())
    .await?;
    Ok(last.as_deref() == Some(notice.notice.kind.as_str()))
}

/// Notes that the deliveries of a notice are made, and how they came about.
///
/// # Errors
/// When the database fails or it was dispatched already.
pub async fn mark_dispatched(
    conn: &mut Worker,
    key: NoticeKey,
    route: &Value,
    now: Timestamp,
) -> Result<(), StoreError> {
    let done = sqlx::query("UPDATE notices SET dispatched_at = $2, route = $3 WHERE id = $1 AND dispatched_at IS NULL")
        .bind(key)
        .bind(now.micros())
        .bind(route)
        .execute(conn.conn())
        .await?;
    StoreError::expect_rows("notices", 1, done.rows_affected())
}

/// Notes how more deliveries of a notice that was dispatched came about: `of` says by which policy, `levels` are added to those before.
///
/// # Errors
/// When the database fails or it is gone.
pub async fn add_to_route(conn: &mut Worker, key: NoticeKey, of: &Value, levels: &Value) -> Result<(), StoreError> {
    let done = sqlx::query(
        "UPDATE notices SET route = coalesce(route, '{}') || $2 || jsonb_build_object('levels', coalesce(route -> 'levels', '[]') || $3)
         WHERE id = $1",
    )
    .bind(key)
    .bind(of)
    .bind(levels)
    .execute(conn.conn())
    .await?;
    StoreError::expect_rows("notices", 1, done.rows_affected())
}
