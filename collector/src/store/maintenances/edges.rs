//! What the task does: it notes each edge that was passed, once.

use picket_shared::time::Timestamp;

use super::{Kept, Row, select};
use crate::domain::maintenance::plan;
use crate::domain::outage::{Notice, NoticeKind};
use crate::store::{Conn, MaintenanceKey, StoreError, Worker};
use crate::wake::Bell;

/// A window that is due; why it cannot be read, where it cannot.
pub type Due = (MaintenanceKey, Result<Kept, StoreError>);

/// Locks up to `limit` windows that are due, longest waiting first.
///
/// # Errors
/// When the database fails.
pub async fn due(worker: &mut Worker, now: Timestamp, limit: i64) -> Result<Vec<Due>, StoreError> {
    let sql = select!("WHERE w.due_at <= $1 ORDER BY w.due_at LIMIT $2 FOR UPDATE OF w SKIP LOCKED");
    let rows: Vec<Row> = sqlx::query_as(sql).bind(now.micros()).bind(limit).fetch_all(worker.conn()).await?;
    Ok(rows.into_iter().map(|row| (row.key(), row.kept())).collect())
}

/// The occurrences of a window whose end was not seen to, with their rows; first those that were called off.
///
/// # Errors
/// When the database fails.
pub async fn open(worker: &mut Worker, key: MaintenanceKey) -> Result<Vec<(i64, plan::Kept)>, StoreError> {
    let rows: Vec<(i64, i64, i64, bool, bool, bool)> = sqlx::query_as(
        "SELECT id, starts_at, ends_at, announced, began, called_off FROM maintenance_occurrences
         WHERE maintenance_id = $1 AND NOT ended ORDER BY NOT called_off, starts_at",
    )
    .bind(key)
    .fetch_all(worker.conn())
    .await?;
    let kept = |(id, start, end, announced, began, called_off)| {
        let (start, end) = (Timestamp::from_micros(start), Timestamp::from_micros(end));
        (id, plan::Kept { start, end, announced, began, ended: false, called_off })
    };
    Ok(rows.into_iter().map(kept).collect())
}

/// Notes which edges of an occurrence were seen to.
///
/// # Errors
/// When the database fails.
pub async fn note(worker: &mut Worker, occurrence: i64, kept: plan::Kept) -> Result<(), StoreError> {
    let done = sqlx::query("UPDATE maintenance_occurrences SET announced = $2, began = $3, ended = $4 WHERE id = $1")
        .bind(occurrence)
        .bind(kept.announced)
        .bind(kept.began)
        .bind(kept.ended)
        .execute(worker.conn())
        .await?;
    StoreError::expect_rows("maintenance_occurrences", 1, done.rows_affected())
}

/// Says when the window is to be looked at next.
///
/// # Errors
/// When the database fails.
pub async fn look_again(worker: &mut Worker, key: MaintenanceKey, at: Option<Timestamp>) -> Result<(), StoreError> {
    let done = sqlx::query("UPDATE maintenances SET due_at = $2 WHERE id = $1")
        .bind(key)
        .bind(at.map(Timestamp::micros))
        .execute(worker.conn())
        .await?;
    StoreError::expect_rows("maintenances", 1, done.rows_affected())
}

/// Has the monitors of a window judged, and rings.
///
/// # Errors
/// When the database fails.
pub async fn touch(worker: &mut Worker, key: MaintenanceKey, now: Timestamp) -> Result<(), StoreError> {
    // In the order in which the judge locks nothing twice: it skips what is locked, and so waits for nobody.
    sqlx::query(
        "UPDATE states SET dirty_at = least(coalesce(dirty_at, $2), $2) WHERE monitor_id IN (
             SELECT s.monitor_id FROM maintenances w JOIN monitors m ON m.org_id = w.org_id AND m.deleted_at IS NULL
             JOIN states s ON s.monitor_id = m.id
             WHERE w.id = $1 AND maintains(w.id, w.scope, w.tags, m.id, m.tags) ORDER BY s.monitor_id FOR UPDATE OF s)",
    )
    .bind(key)
    .bind(now.micros())
    .execute(worker.conn())
    .await?;
    worker.ring(Bell::Judge).await?;
    worker.ring(Bell::Pages).await
}

/// Writes that an occurrence is to be told of, once. Rings for dispatch.
///
/// # Errors
/// When the database fails.
pub async fn tell(worker: &mut Worker, occurrence: i64, kind: NoticeKind, now: Timestamp) -> Result<(), StoreError> {
    let notice = Notice::of_maintenance(kind, now);
    sqlx::query(
        "INSERT INTO notices (org_id, occurrence_id, kind, at, payload)
         SELECT org_id, id, $2, $3, $4 FROM maintenance_occurrences WHERE id = $1
         ON CONFLICT (occurrence_id, kind) WHERE occurrence_id IS NOT NULL DO NOTHING",
    )
    .bind(occurrence)
    .bind(notice.kind.as_str())
    .bind(now.micros())
    .bind(serde_json::json!({ "notice": notice }))
    .execute(worker.conn())
    .await?;
    worker.ring(Bell::Dispatch).await
}
