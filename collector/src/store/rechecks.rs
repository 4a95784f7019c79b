//! Checks that the judge wants at once; each is handed to one probe, once.

use picket_shared::assignment::Recheck;
use picket_shared::check::Kind;
use picket_shared::ids::{MonitorId, RecheckId};
use picket_shared::time::Timestamp;
use uuid::Uuid;

use super::{Conn, Intake, MonitorKey, OrgKey, RegionKey, StoreError, Worker};
use crate::wake::Bell;

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

/// A check that is due in a region and that nobody took.
#[derive(Clone, Copy, Debug)]
pub struct DueRow {
    /// What to check.
    pub monitor: MonitorId,
    /// Whose it is.
    pub org: OrgKey,
    /// What it asks.
    pub kind: Kind,
    /// It may run in the EU only.
    pub eu_only: bool,
}

/// What is due in a region.
///
/// # Errors
/// When the database fails.
pub async fn due(
    conn: &mut Intake,
    region: RegionKey,
    stale: Timestamp,
    now: Timestamp,
) -> Result<Vec<DueRow>, StoreError> {
    let rows: Vec<(Uuid, OrgKey, String, bool)> = sqlx::query_as(
        "SELECT m.uuid, m.org_id, m.kind, m.eu_only FROM rechecks r JOIN monitors m ON m.id = r.monitor_id
         WHERE r.region_id = $1 AND r.taken_at IS NULL AND r.due_at > $2 AND r.due_at <= $3",
    )
    .bind(region)
    .bind(stale.micros())
    .bind(now.micros())
    .fetch_all(conn.conn())
    .await?;
    let row = |(id, org, kind, eu_only): (Uuid, OrgKey, String, bool)| DueRow {
        monitor: MonitorId(id),
        org,
        kind: kind.parse().unwrap_or(Kind::Other),
        eu_only,
    };
    Ok(rows.into_iter().map(row).collect())
}

/// Asks for a check at once in a region, unless one that is not older than `stale` is waiting there; rings for the probes.
///
/// # Errors
/// When the database fails.
pub async fn ask(
    worker: &mut Worker,
    org: OrgKey,
    monitor: MonitorKey,
    region: RegionKey,
    stale: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    let done = sqlx::query(
        "INSERT INTO rechecks (uuid, org_id, monitor_id, region_id, asked_at, due_at)
         SELECT $1, $2, $3, $4, $5, $5
         WHERE NOT EXISTS (SELECT FROM rechecks WHERE monitor_id = $3 AND region_id = $4 AND taken_at IS NULL
                          AND due_at > $6)",
    )
    .bind(RecheckId::at(now).0)
    .bind(org)
    .bind(monitor)
    .bind(region)
    .bind(now.micros())
    .bind(stale.micros())
    .execute(worker.conn())
    .await?;
    if done.rows_affected() > 0 {
        worker.ring(Bell::Assignments).await?;
    }
    Ok(())
}
