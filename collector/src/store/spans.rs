//! Verdict spans: what a monitor was judged to be, from when. Only ever added to.

use picket_shared::time::Timestamp;

use super::{Conn, MonitorKey, OrgKey, StoreError, Worker};

/// The newest span of each monitor: monitor, start, verdict.
///
/// # Errors
/// When the database fails.
pub async fn newest(worker: &mut Worker, monitors: &[i64]) -> Result<Vec<(i64, i64, String)>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT DISTINCT ON (monitor_id) monitor_id, from_at, verdict FROM spans
         WHERE monitor_id = ANY($1) ORDER BY monitor_id, from_at DESC, id DESC",
    )
    .bind(monitors)
    .fetch_all(worker.conn())
    .await?)
}

/// Adds a span; it ends the one before.
///
/// # Errors
/// When the database fails.
pub async fn append(
    worker: &mut Worker,
    org: OrgKey,
    monitor: MonitorKey,
    from: Timestamp,
    verdict: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let done =
        sqlx::query("INSERT INTO spans (org_id, monitor_id, from_at, verdict, noted_at) VALUES ($1, $2, $3, $4, $5)")
            .bind(org)
            .bind(monitor)
            .bind(from.micros())
            .bind(verdict)
            .bind(now.micros())
            .execute(worker.conn())
            .await?;
    StoreError::expect_rows("spans", 1, done.rows_affected())
}

/// The spans of a monitor that touch `[from, to)`, oldest first: start, verdict.
///
/// # Errors
/// When the database fails.
pub async fn range(
    conn: &mut impl Conn,
    monitor: MonitorKey,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<(i64, String)>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT from_at, verdict FROM spans
         WHERE monitor_id = $1 AND from_at < $3
           AND from_at >= coalesce((SELECT max(from_at) FROM spans WHERE monitor_id = $1 AND from_at <= $2), $2)
         ORDER BY from_at, id",
    )
    .bind(monitor)
    .bind(from.micros())
    .bind(to.micros())
    .fetch_all(conn.conn())
    .await?)
}
