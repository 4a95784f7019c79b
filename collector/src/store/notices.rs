//! Notices: what has to be told about one transition.

use picket_shared::time::Timestamp;
use serde_json::Value;

use super::{Conn, IncidentKey, MonitorKey, OrgKey, StoreError, Worker};
use crate::wake::Bell;

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
