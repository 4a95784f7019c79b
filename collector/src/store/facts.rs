//! Everything the judge may know about a set of monitors, gathered in a handful of queries.

use picket_shared::time::Timestamp;
use serde_json::Value;

use super::{MonitorKey, OrgKey, RegionKey, StoreError, Worker};
use crate::store::scope::Conn;

/// A monitor as the judge and the messages need it.
#[derive(Debug, sqlx::FromRow)]
#[expect(missing_docs, reason = "the columns of `monitors`")]
pub struct MonitorRow {
    pub id: MonitorKey,
    pub uuid: uuid::Uuid,
    pub org_id: OrgKey,
    pub name: String,
    pub kind: String,
    pub target: String,
    pub interval_s: i32,
    pub timeout_ms: i32,
    pub quorum: Option<Value>,
    pub version: i32,
    pub created_at: i64,
    pub paused_at: Option<i64>,
    pub deleted_at: Option<i64>,
    pub muted_at: Option<i64>,
    pub tells_regional: bool,
    pub regional_muted_until: Option<i64>,
}

/// One assigned region of one monitor, with its result if it has one.
#[derive(Debug, sqlx::FromRow)]
#[expect(missing_docs, reason = "the columns of `regions`, `region_holds` and `region_states`")]
pub struct RegionRow {
    pub monitor_id: MonitorKey,
    pub region_id: RegionKey,
    pub code: String,
    pub network: String,
    pub through: Option<i64>,
    pub self_check_bad: Option<bool>,
    pub hold_until: Option<i64>,
    pub version: Option<i32>,
    pub status: Option<String>,
    pub failure: Option<String>,
    pub message: Option<String>,
    pub fails: Option<i16>,
    pub oks: Option<i16>,
    pub since: Option<i64>,
    pub last_at: Option<i64>,
    pub last_trigger: Option<String>,
    pub self_check: Option<String>,
}

/// The monitors themselves.
///
/// # Errors
/// When the database fails.
pub async fn monitors(worker: &mut Worker, ids: &[i64]) -> Result<Vec<MonitorRow>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT id, uuid, org_id, name, kind, target, interval_s, timeout_ms, quorum, version, created_at, paused_at,
                deleted_at, muted_at, tells_regional, regional_muted_until
         FROM monitors WHERE id = ANY($1)",
    )
    .bind(ids)
    .fetch_all(worker.conn())
    .await?)
}

/// Their regions. A region with several probes is heard up to where the slowest live one is.
///
/// # Errors
/// When the database fails.
pub async fn regions(worker: &mut Worker, ids: &[i64], live_since: Timestamp) -> Result<Vec<RegionRow>, StoreError> {
    Ok(sqlx::query_as(
        "WITH heard AS (
             SELECT p.region_id,
                    coalesce(min(s.through) FILTER (WHERE s.seen_at >= $2), max(s.through)) AS through,
                    bool_and(s.ipv4 = 'bad' OR s.dns = 'bad') FILTER (WHERE s.seen_at >= $2) AS self_check_bad
             FROM probes p JOIN probe_status s ON s.probe_id = p.id
             WHERE p.revoked_at IS NULL
             GROUP BY p.region_id)
         SELECT mr.monitor_id, mr.region_id, r.code, r.network, h.through, h.self_check_bad,
                hold.until_at AS hold_until, s.version, s.status, s.failure, s.message, s.fails, s.oks, s.since,
                s.last_at, s.last_trigger, s.self_check
         FROM monitor_regions mr
         JOIN regions r ON r.id = mr.region_id
         LEFT JOIN heard h ON h.region_id = mr.region_id
         LEFT JOIN region_holds hold ON hold.region_id = mr.region_id
         LEFT JOIN region_states s ON s.monitor_id = mr.monitor_id AND s.region_id = mr.region_id
         WHERE mr.monitor_id = ANY($1)
         ORDER BY mr.monitor_id, r.code",
    )
    .bind(ids)
    .bind(live_since.micros())
    .fetch_all(worker.conn())
    .await?)
}

/// What turned to failing lately, a row a monitor and region, with how many monitors run there.
///
/// # Errors
/// When the database fails.
pub async fn failing_since(
    worker: &mut Worker,
    since: Timestamp,
) -> Result<Vec<(i64, uuid::Uuid, String, String, i64)>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT s.region_id, m.uuid, m.kind, m.target, s.since
         FROM region_states s JOIN monitors m ON m.id = s.monitor_id
         WHERE s.fails > 0 AND s.since >= $1 AND m.deleted_at IS NULL AND m.paused_at IS NULL",
    )
    .bind(since.micros())
    .fetch_all(worker.conn())
    .await?)
}

/// Every target that runs in a region, and its code.
///
/// # Errors
/// When the database fails.
pub async fn watched_in(worker: &mut Worker, region: i64) -> Result<Vec<(uuid::Uuid, String, String)>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT m.uuid, m.kind, m.target FROM monitor_regions mr JOIN monitors m ON m.id = mr.monitor_id
         WHERE mr.region_id = $1 AND m.deleted_at IS NULL AND m.paused_at IS NULL",
    )
    .bind(region)
    .fetch_all(worker.conn())
    .await?)
}

/// The holds that stand or stood: region, code, until when.
///
/// # Errors
/// When the database fails.
pub async fn holds(worker: &mut Worker) -> Result<Vec<(i64, String, Option<i64>)>, StoreError> {
    Ok(sqlx::query_as("SELECT r.id, r.code, h.until_at FROM regions r LEFT JOIN region_holds h ON h.region_id = r.id")
        .fetch_all(worker.conn())
        .await?)
}

/// Withholds a region's failures, and has every monitor of it judged again when that ends.
///
/// # Errors
/// When the database fails.
pub async fn hold(
    worker: &mut Worker,
    region: i64,
    until: Timestamp,
    failing: i32,
    watched: i32,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO region_holds (region_id, until_at, failing, watched) VALUES ($1, $2, $3, $4)
         ON CONFLICT (region_id) DO UPDATE SET until_at = $2, failing = $3, watched = $4",
    )
    .bind(region)
    .bind(until.micros())
    .bind(failing)
    .bind(watched)
    .execute(worker.conn())
    .await?;
    Ok(())
}
