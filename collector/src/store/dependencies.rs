//! What monitors depend on.

use picket_shared::ids::MonitorId;
use picket_shared::time::Timestamp;
use serde_json::json;

use super::monitors::{MonitorRow, mark_dirty, place};
use super::{Conn, MonitorKey, RegionKey, Scoped, StoreError, Worker, audit};
use crate::domain::outage::Parent;

/// Most that one monitor depends on.
pub const MOST: usize = 10;

/// A monitor that another depends on, or that depends on it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Related {
    /// Its id.
    pub uuid: uuid::Uuid,
    /// What it is called.
    pub name: String,
    /// What the judge holds of it.
    pub state: String,
}

/// What became of what a person wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It depends on these now.
    Set,
    /// It did so already.
    Already,
    /// The places of those that are not there.
    Missing(Vec<usize>),
    /// This one depends on it already, directly or by others.
    Circle(String),
}

/// What a monitor depends on, by name.
///
/// # Errors
/// When the database fails.
pub async fn parents(conn: &mut Scoped, of: MonitorKey) -> Result<Vec<Related>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT m.uuid, m.name, s.state FROM monitor_dependencies d JOIN monitors m ON m.id = d.parent_id
         JOIN states s ON s.monitor_id = m.id WHERE d.monitor_id = $1 AND m.deleted_at IS NULL ORDER BY m.name, m.id",
    )
    .bind(of)
    .fetch_all(conn.conn())
    .await?)
}

/// What depends on a monitor, by name; 500 at most.
///
/// # Errors
/// When the database fails.
pub async fn children(conn: &mut Scoped, of: MonitorKey) -> Result<Vec<Related>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT m.uuid, m.name, s.state FROM monitor_dependencies d JOIN monitors m ON m.id = d.monitor_id
         JOIN states s ON s.monitor_id = m.id WHERE d.parent_id = $1 AND m.deleted_at IS NULL ORDER BY m.name, m.id LIMIT 500",
    )
    .bind(of)
    .fetch_all(conn.conn())
    .await?)
}

/// Says what a monitor depends on: these, [`MOST`] at most, and no others. It is no edit: what is watched stays what it was.
///
/// # Errors
/// When the database fails.
pub async fn set(
    conn: &mut Scoped,
    row: &MonitorRow,
    wanted: &[MonitorId],
    now: Timestamp,
) -> Result<Outcome, StoreError> {
    // Two that are changed at once could make a circle that neither saw. Any number will do that nothing else locks: the digits
    // spell "depend".
    let org = conn.org();
    sqlx::query("SELECT pg_advisory_xact_lock(337363, $1::int)")
        .bind(i32::try_from(org.0 % i64::from(i32::MAX)).unwrap_or(0))
        .execute(conn.conn())
        .await?;
    let uuids: Vec<uuid::Uuid> = wanted.iter().map(|id| id.0).collect();
    let found: Vec<(MonitorKey, uuid::Uuid, String)> = sqlx::query_as(
        "SELECT id, uuid, name FROM monitors WHERE uuid = ANY ($1) AND deleted_at IS NULL ORDER BY name",
    )
    .bind(&uuids)
    .fetch_all(conn.conn())
    .await?;
    let is_missing = |id: &uuid::Uuid| !found.iter().any(|(_, known, _)| known == id);
    let missing: Vec<usize> = uuids.iter().enumerate().filter(|(_, id)| is_missing(id)).map(|(at, _)| at).collect();
    if !missing.is_empty() {
        return Ok(Outcome::Missing(missing));
    }
    let keys: Vec<i64> = found.iter().map(|(key, ..)| key.0).collect();
    if let Some(circle) = circle(conn, row.key, &keys).await? {
        return Ok(Outcome::Circle(circle));
    }
    let before = parents(conn, row.key).await?;
    let (was, is): (Vec<_>, Vec<_>) =
        (before.iter().map(|one| one.uuid).collect(), found.iter().map(|(_, id, _)| *id).collect());
    if was == is {
        return Ok(Outcome::Already);
    }
    sqlx::query("DELETE FROM monitor_dependencies WHERE monitor_id = $1").bind(row.key).execute(conn.conn()).await?;
    sqlx::query(
        "INSERT INTO monitor_dependencies (org_id, monitor_id, parent_id) SELECT $1, $2, p FROM unnest($3::bigint[]) p",
    )
    .bind(org)
    .bind(row.key)
    .bind(&keys)
    .execute(conn.conn())
    .await?;
    mark_dirty(conn, row.key, now).await?;
    let detail = json!({
        "name": place(&row.settings.name), "before": { "depends_on": was }, "after": { "depends_on": is },
    });
    audit::note(conn, "monitor.dependencies", row.id.0, detail, now).await?;
    Ok(Outcome::Set)
}

/// The name of the one among these that is the monitor itself, or depends on it.
async fn circle(conn: &mut Scoped, of: MonitorKey, parents: &[i64]) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar(
        "WITH RECURSIVE above AS (
             SELECT p AS first, p AS id FROM unnest($2::bigint[]) p
             UNION SELECT a.first, d.parent_id FROM above a JOIN monitor_dependencies d ON d.monitor_id = a.id)
         SELECT m.name FROM above a JOIN monitors m ON m.id = a.first WHERE a.id = $1 ORDER BY m.name LIMIT 1",
    )
    .bind(of)
    .bind(parents)
    .fetch_optional(conn.conn())
    .await?)
}

/// How it stands with what each of these monitors depends on; what is paused says nothing. A probe that accounted for slots up to a time
/// checked each monitor an interval before that at the earliest.
///
/// # Errors
/// When the database fails.
pub async fn of_monitors(worker: &mut Worker, monitors: &[i64]) -> Result<Vec<(i64, Parent)>, StoreError> {
    let rows: Vec<(i64, bool, Option<i64>)> = sqlx::query_as(
        "SELECT d.monitor_id, s.state IN ('suspect', 'down', 'recovering') AS fails,
                greatest((SELECT max(r.last_at) FROM region_states r WHERE r.monitor_id = d.parent_id),
                    (SELECT max(h.through) FROM monitor_regions mr JOIN probes p ON p.region_id = mr.region_id AND p.revoked_at IS NULL
                     JOIN probe_status h ON h.probe_id = p.id WHERE mr.monitor_id = d.parent_id) - m.interval_s * 1000000::bigint) AS heard
         FROM monitor_dependencies d JOIN monitors m ON m.id = d.parent_id JOIN states s ON s.monitor_id = d.parent_id
         WHERE d.monitor_id = ANY ($1) AND m.deleted_at IS NULL AND m.paused_at IS NULL ORDER BY d.monitor_id, d.parent_id",
    )
    .bind(monitors)
    .fetch_all(worker.conn())
    .await?;
    let parent =
        |(of, fails, heard): (i64, bool, Option<i64>)| (of, Parent { fails, heard: heard.map(Timestamp::from_micros) });
    Ok(rows.into_iter().map(parent).collect())
}

/// What a monitor depends on, with each of its regions.
///
/// # Errors
/// When the database fails.
pub async fn above(worker: &mut Worker, of: MonitorKey) -> Result<Vec<(MonitorKey, RegionKey)>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT d.parent_id, mr.region_id FROM monitor_dependencies d JOIN monitors m ON m.id = d.parent_id
         JOIN monitor_regions mr ON mr.monitor_id = d.parent_id
         WHERE d.monitor_id = $1 AND m.deleted_at IS NULL AND m.paused_at IS NULL ORDER BY 1, 2",
    )
    .bind(of)
    .fetch_all(worker.conn())
    .await?)
}

/// Has what depends on a monitor judged again: how it stands with that changed.
///
/// # Errors
/// When the database fails.
pub async fn judge_children(worker: &mut Worker, of: MonitorKey, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE states SET dirty_at = coalesce(dirty_at, $2) WHERE monitor_id IN (
             SELECT s.monitor_id FROM states s JOIN monitor_dependencies d ON d.monitor_id = s.monitor_id
             WHERE d.parent_id = $1 ORDER BY s.monitor_id FOR UPDATE OF s SKIP LOCKED)",
    )
    .bind(of)
    .bind(now.micros())
    .execute(worker.conn())
    .await?;
    Ok(())
}
