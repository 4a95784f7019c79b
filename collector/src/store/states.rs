//! What the judge holds of each monitor, and which monitors are to be judged.

use picket_shared::time::Timestamp;
use serde_json::Value;

use super::{Conn, MonitorKey, OrgKey, StoreError, Worker};
use crate::wake::Bell;

/// A monitor that is to be judged now; its row is locked until the transaction ends.
#[derive(Debug, sqlx::FromRow)]
pub struct DueState {
    /// Whose monitor.
    pub org_id: OrgKey,
    /// Which monitor.
    pub monitor_id: MonitorKey,
    /// What the last judgement left; an empty object before the first.
    pub data: Value,
    /// What [`Written::revision`] must be.
    pub revision: i64,
}

/// What a judgement leaves.
#[derive(Debug)]
pub struct Written<'a> {
    /// Which monitor.
    pub monitor: MonitorKey,
    /// The revision that was read.
    pub revision: i64,
    /// The name of the state.
    pub state: &'a str,
    /// Since when it is this state.
    pub since: Timestamp,
    /// Everything the judge wants back next time.
    pub data: Value,
    /// Whether ingest must record every outcome of it.
    pub watch: bool,
    /// When to judge again though nothing new was heard.
    pub due_at: Option<Timestamp>,
}

/// Takes up to `limit` monitors that are dirty or due, each for this transaction alone, longest waiting first.
///
/// # Errors
/// When the database fails.
pub async fn take_due(worker: &mut Worker, now: Timestamp, limit: i64) -> Result<Vec<DueState>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT org_id, monitor_id, data, revision FROM states
         WHERE dirty_at IS NOT NULL OR due_at <= $1
         ORDER BY least(dirty_at, due_at)
         LIMIT $2
         FOR UPDATE SKIP LOCKED",
    )
    .bind(now.micros())
    .bind(limit)
    .fetch_all(worker.conn())
    .await?)
}

/// Writes what a judgement leaves, on the row that was read and no other.
///
/// # Errors
/// When the row is gone or was judged by somebody else meanwhile.
pub async fn write(worker: &mut Worker, now: Timestamp, written: &Written<'_>) -> Result<(), StoreError> {
    let done = sqlx::query(
        "UPDATE states SET state = $3, since = $4, data = $5, watch = $6, due_at = $7, dirty_at = NULL,
                judged_at = $8, revision = revision + 1
         WHERE monitor_id = $1 AND revision = $2",
    )
    .bind(written.monitor)
    .bind(written.revision)
    .bind(written.state)
    .bind(written.since.micros())
    .bind(&written.data)
    .bind(written.watch)
    .bind(written.due_at.map(Timestamp::micros))
    .bind(now.micros())
    .execute(worker.conn())
    .await?;
    StoreError::expect_rows("states", 1, done.rows_affected())?;
    worker.ring(Bell::Pages).await
}

/// Puts off monitors that could not be judged, so that one bad row does not stop the others.
///
/// # Errors
/// When the database fails.
pub async fn put_off(worker: &mut Worker, monitor: MonitorKey, until: Timestamp) -> Result<(), StoreError> {
    let done = sqlx::query("UPDATE states SET dirty_at = NULL, due_at = $2 WHERE monitor_id = $1")
        .bind(monitor)
        .bind(until.micros())
        .execute(worker.conn())
        .await?;
    StoreError::expect_rows("states", 1, done.rows_affected())
}

/// The earliest timer of all monitors.
///
/// # Errors
/// When the database fails.
pub async fn next_due(worker: &mut Worker) -> Result<Option<Timestamp>, StoreError> {
    let (due,): (Option<i64>,) = sqlx::query_as("SELECT min(due_at) FROM states").fetch_one(worker.conn()).await?;
    Ok(due.map(Timestamp::from_micros))
}
