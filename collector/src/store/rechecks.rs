//! Checks that the judge wants at once; each is handed to one probe, once.

use picket_shared::assignment::Recheck;
use picket_shared::ids::{MonitorId, RecheckId};
use picket_shared::time::Timestamp;
use uuid::Uuid;

use super::{Conn, Intake, RegionKey, StoreError};

/// Takes what is due in a region for these monitors. What is older than `stale` is left to expire.
///
/// # Errors
/// When the database fails.
pub async fn take(
    conn: &mut Intake,
    region: RegionKey,
    monitors: &[Uuid],
    stale: Timestamp,
    now: Timestamp,
) -> Result<Vec<Recheck>, StoreError> {
    let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "UPDATE rechecks r SET taken_at = $4 FROM monitors m
         WHERE m.id = r.monitor_id AND m.uuid = ANY($2) AND r.region_id = $1 AND r.taken_at IS NULL
           AND r.due_at <= $4 AND r.due_at > $3
         RETURNING r.uuid, m.uuid",
    )
    .bind(region)
    .bind(monitors)
    .bind(stale.micros())
    .bind(now.micros())
    .fetch_all(conn.conn())
    .await?;
    Ok(rows.into_iter().map(|(id, monitor)| Recheck { id: RecheckId(id), monitor: MonitorId(monitor) }).collect())
}

/// Whether anything is due in a region, and when the next will be.
///
/// # Errors
/// When the database fails.
pub async fn next_due(conn: &mut Intake, region: RegionKey, stale: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let due: Option<i64> = sqlx::query_scalar(
        "SELECT min(due_at) FROM rechecks WHERE region_id = $1 AND taken_at IS NULL AND due_at > $2",
    )
    .bind(region)
    .bind(stale.micros())
    .fetch_one(conn.conn())
    .await?;
    Ok(due.map(Timestamp::from_micros))
}
