//! Notices: what has to be told. The judge writes them with the transition, dispatch turns them into deliveries.

use picket_shared::time::Timestamp;
use serde_json::json;
use sqlx::types::Json;
use uuid::Uuid;

use super::facts::MonitorRow;
use super::incidents::Held;
use super::{Conn, IncidentKey, NoticeKey, OrgKey, Scoped, StoreError, Worker};
use crate::domain::outage::Notice;
use crate::wake::Bell;

/// A notice that no delivery was made for yet.
#[derive(Clone, Debug)]
pub struct NoticeRow {
    /// Its row.
    pub key: NoticeKey,
    /// Whose it is.
    pub org: OrgKey,
    /// What has to be told.
    pub notice: Notice,
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
    let rows: Vec<(NoticeKey, OrgKey, Json<Notice>)> = sqlx::query_as(
        "SELECT id, org_id, payload -> 'notice' FROM notices WHERE dispatched_at IS NULL
         ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED",
    )
    .bind(limit)
    .fetch_all(conn.conn())
    .await?;
    Ok(rows.into_iter().map(|(key, org, Json(notice))| NoticeRow { key, org, notice }).collect())
}

/// Whether the last that the organization was told of a region after `since`, through any of its monitors, is the same;
/// `kinds` are those that tell of one thing.
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
            AND EXISTS (SELECT 1 FROM deliveries d WHERE d.notice_id = n.id)
         ORDER BY n.id DESC LIMIT 1",
    )
    .bind(notice.org)
    .bind(region)
    .bind(since.micros())
    .bind(kinds)
    .fetch_optional(conn.conn())
    .await?;
    Ok(last.as_deref() == Some(notice.notice.kind.as_str()))
}

/// Notes that the deliveries of a notice are made.
///
/// # Errors
/// When the database fails or it was dispatched already.
pub async fn mark_dispatched(conn: &mut Worker, key: NoticeKey, now: Timestamp) -> Result<(), StoreError> {
    let done = sqlx::query("UPDATE notices SET dispatched_at = $2 WHERE id = $1 AND dispatched_at IS NULL")
        .bind(key)
        .bind(now.micros())
        .execute(conn.conn())
        .await?;
    StoreError::expect_rows("notices", 1, done.rows_affected())
}
