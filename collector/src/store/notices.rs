//! Notices: what has to be told. The judge writes them with the transition, dispatch turns them into deliveries.

use picket_shared::time::Timestamp;
use serde_json::Value;
use sqlx::types::Json;

use super::{Conn, IncidentKey, MonitorKey, NoticeKey, OrgKey, StoreError, Worker};
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

/// Writes a notice in the transaction that made the transition, and rings for dispatch.
///
/// # Errors
/// When the database fails, or the same notice of the same incident stands already.
pub async fn write(
    worker: &mut Worker,
    org: OrgKey,
    monitor: MonitorKey,
    incident: Option<IncidentKey>,
    kind: &str,
    at: Timestamp,
    payload: &Value,
) -> Result<(), StoreError> {
    let done = sqlx::query(
        "INSERT INTO notices (org_id, monitor_id, incident_id, kind, at, payload) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(org)
    .bind(monitor)
    .bind(incident)
    .bind(kind)
    .bind(at.micros())
    .bind(payload)
    .execute(worker.conn())
    .await?;
    StoreError::expect_rows("notices", 1, done.rows_affected())?;
    worker.ring(Bell::Dispatch).await
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

/// Whether the organization was told the same of a region, through any of its monitors, after `since`.
///
/// # Errors
/// When the database fails.
pub async fn told_of_region(
    conn: &mut Worker,
    notice: &NoticeRow,
    region: &str,
    since: Timestamp,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM notices n JOIN deliveries d ON d.notice_id = n.id
            WHERE n.org_id = $1 AND n.kind = $2 AND n.payload #>> '{notice,kind,region}' = $3 AND n.dispatched_at > $4)",
    )
    .bind(notice.org)
    .bind(notice.notice.kind.as_str())
    .bind(region)
    .bind(since.micros())
    .fetch_one(conn.conn())
    .await?)
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
