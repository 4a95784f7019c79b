//! Checks that the judge wants at once.

use picket_shared::ids::RecheckId;
use picket_shared::time::Timestamp;

use super::{Conn, MonitorKey, OrgKey, RegionKey, StoreError, Worker};
use crate::wake::Bell;

/// Asks for a check at once in a region, unless one is waiting there; rings for the probes.
///
/// # Errors
/// When the database fails.
pub async fn ask(
    worker: &mut Worker,
    org: OrgKey,
    monitor: MonitorKey,
    region: RegionKey,
    now: Timestamp,
) -> Result<(), StoreError> {
    let done = sqlx::query(
        "INSERT INTO rechecks (uuid, org_id, monitor_id, region_id, asked_at, due_at)
         SELECT $1, $2, $3, $4, $5, $5
         WHERE NOT EXISTS (SELECT FROM rechecks WHERE monitor_id = $3 AND region_id = $4 AND taken_at IS NULL)",
    )
    .bind(RecheckId::at(now).0)
    .bind(org)
    .bind(monitor)
    .bind(region)
    .bind(now.micros())
    .execute(worker.conn())
    .await?;
    if done.rows_affected() > 0 {
        worker.ring(Bell::Assignments).await?;
    }
    Ok(())
}
