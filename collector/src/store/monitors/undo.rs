//! Deleting a monitor, and undoing that for an hour.

use std::time::Duration;

use picket_shared::ids::MonitorId;
use picket_shared::time::Timestamp;

use super::switch;
use crate::store::{Conn, MonitorKey, Scoped, StoreError, Worker};

/// Deletes a monitor: it stops and is no longer found; its rows stay until retention takes them. Its credentials go an
/// hour later ([`forget_secrets`]): until then [`restore`] undoes it. False when it was deleted already.
///
/// # Errors
/// When the database fails.
pub async fn delete(conn: &mut Scoped, key: MonitorKey, now: Timestamp) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE monitors SET deleted_at = $2, updated_at = $2, assigned_at_version = $3
                       WHERE id = $1 AND deleted_at IS NULL";
    switch(conn, key, SQL, "monitor.delete", now).await
}

/// How long a deletion can be undone.
pub const UNDO_FOR: Duration = Duration::from_secs(3_600);

/// Undoes a deletion of the last hour. False when there is none.
///
/// # Errors
/// Constraint `monitors_org_name` when another monitor has taken the name; when the database fails.
pub async fn restore(conn: &mut Scoped, id: MonitorId, now: Timestamp) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE monitors SET deleted_at = NULL, updated_at = $2, assigned_at_version = $3
                       WHERE id = $1 AND deleted_at IS NOT NULL";
    let key: Option<MonitorKey> = sqlx::query_scalar("SELECT id FROM monitors WHERE uuid = $1 AND deleted_at > $2")
        .bind(id.0)
        .bind((now - UNDO_FOR).micros())
        .fetch_optional(conn.conn())
        .await?;
    match key {
        Some(key) => switch(conn, key, SQL, "monitor.restore", now).await,
        None => Ok(false),
    }
}

/// Takes the credentials of monitors whose deletion cannot be undone any more.
///
/// # Errors
/// When the database fails.
pub async fn forget_secrets(worker: &mut Worker, now: Timestamp) -> Result<u64, StoreError> {
    let done =
        sqlx::query("UPDATE monitors SET sealed_secret = NULL WHERE deleted_at <= $1 AND sealed_secret IS NOT NULL")
            .bind((now - UNDO_FOR).micros())
            .execute(worker.conn())
            .await?;
    Ok(done.rows_affected())
}
