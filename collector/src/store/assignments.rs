//! What the probes of a region run, and what the collector must know of a monitor to take its outcomes.

use std::collections::HashMap;

use picket_shared::check::{CheckSpec, Kind};
use picket_shared::ids::MonitorId;
use picket_shared::secret::Sealed;
use picket_shared::time::Timestamp;
use sqlx::Row;
use sqlx::postgres::PgRow;
use sqlx::types::Json;

use super::region_states::{RunRow, self_check, status, trigger};
use super::{Conn, Intake, MonitorKey, OrgKey, RegionKey, StoreError};

/// A monitor as ingest needs it, with its current run in one region.
#[derive(Clone, Debug)]
pub struct KnownRow {
    /// Its row.
    pub key: MonitorKey,
    /// Whose it is.
    pub org: OrgKey,
    /// Its version now.
    pub version: i32,
    /// From slot to slot, in seconds.
    pub interval_s: i32,
    /// After which a check is given up, in milliseconds.
    pub timeout_ms: i32,
    /// It may run in the EU only.
    pub eu_only: bool,
    /// The region is assigned to it now.
    pub assigned: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last edited, or deleted.
    pub edited_at: Timestamp,
    /// The judge wants to see every outcome.
    pub watch: bool,
    /// Its run in the region; `None` before the first.
    pub run: Option<RunRow>,
}

/// Those of the monitors that exist.
///
/// # Errors
/// When the database fails.
pub async fn known(
    conn: &mut Intake,
    region: RegionKey,
    monitors: &[MonitorId],
) -> Result<HashMap<MonitorId, KnownRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT m.id, m.uuid, m.org_id, m.version, m.interval_s, m.timeout_ms, m.eu_only,
                mr.region_id IS NOT NULL AND m.deleted_at IS NULL, greatest(m.updated_at, m.deleted_at),
                coalesce(st.watch, false), rs.version, rs.status, rs.failure, rs.message, rs.fails, rs.oks, rs.since,
                rs.last_at, rs.last_trigger, rs.self_check, m.created_at
         FROM monitors m LEFT JOIN monitor_regions mr ON mr.monitor_id = m.id AND mr.region_id = $2
              LEFT JOIN states st ON st.monitor_id = m.id
              LEFT JOIN region_states rs ON rs.monitor_id = m.id AND rs.region_id = $2
         WHERE m.uuid = ANY($1)",
    )
    .bind(monitors.iter().map(|monitor| monitor.0).collect::<Vec<_>>())
    .bind(region)
    .fetch_all(conn.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            let known = KnownRow {
                key: row.try_get(0)?,
                org: row.try_get(2)?,
                version: row.try_get(3)?,
                interval_s: row.try_get(4)?,
                timeout_ms: row.try_get(5)?,
                eu_only: row.try_get(6)?,
                assigned: row.try_get(7)?,
                created_at: Timestamp::from_micros(row.try_get(20)?),
                edited_at: Timestamp::from_micros(row.try_get(8)?),
                watch: row.try_get(9)?,
                run: run(&row)?,
            };
            Ok((MonitorId(row.try_get(1)?), known))
        })
        .collect()
}

fn run(row: &PgRow) -> Result<Option<RunRow>, StoreError> {
    let Some(version) = row.try_get::<Option<i32>, _>(10)? else { return Ok(None) };
    Ok(Some(RunRow {
        version,
        status: status(row.try_get(11)?),
        failure: row.try_get(12)?,
        message: row.try_get(13)?,
        fails: row.try_get(14)?,
        oks: row.try_get(15)?,
        since: Timestamp::from_micros(row.try_get(16)?),
        last_at: Timestamp::from_micros(row.try_get(17)?),
        last_trigger: trigger(row.try_get(18)?),
        self_check: self_check(row.try_get(19)?),
    }))
}

/// A monitor of a region as its probes need it.
#[derive(Clone, Debug)]
pub struct WantedRow {
    /// Its row.
    pub key: MonitorKey,
    /// Which monitor.
    pub id: MonitorId,
    /// Whose it is.
    pub org: OrgKey,
    /// Its version.
    pub version: u32,
    /// What it asks.
    pub kind: Kind,
    /// The whole of it; `None` when the row holds what cannot be read.
    pub spec: Option<CheckSpec>,
    /// Its credentials.
    pub secret: Option<Sealed>,
    /// From slot to slot, in seconds.
    pub interval_s: u32,
    /// After which a check is given up, in milliseconds.
    pub timeout_ms: u32,
    /// It may run in the EU only.
    pub eu_only: bool,
    /// It is to run: assigned to the region, neither paused nor deleted.
    pub wanted: bool,
}

/// The version that all changes so far make up.
///
/// # Errors
/// When the database fails.
pub async fn version(conn: &mut Intake) -> Result<u64, StoreError> {
    let version: i64 = sqlx::query_scalar("SELECT version FROM assignment_clock").fetch_one(conn.conn()).await?;
    Ok(u64::try_from(version).unwrap_or(0))
}

/// What changed for a region (and one organization, for a private probe) after version `since`: monitors to run, and monitors to stop. With 0 all that are to run.
///
/// # Errors
/// When the database fails.
pub async fn changed(
    conn: &mut Intake,
    (region, org): (RegionKey, Option<OrgKey>),
    since: u64,
) -> Result<Vec<WantedRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT m.id, m.uuid, m.org_id, m.version, m.kind, m.spec, m.sealed_secret, m.interval_s, m.timeout_ms,
                m.eu_only, mr.region_id IS NOT NULL AND m.paused_at IS NULL AND m.deleted_at IS NULL AS wanted
         FROM monitors m
              LEFT JOIN monitor_regions mr ON mr.monitor_id = m.id AND mr.region_id = $1
         WHERE m.assigned_at_version > $2 AND ($3::bigint IS NULL OR m.org_id = $3)
           AND ($2 > 0 OR (mr.region_id IS NOT NULL AND m.paused_at IS NULL AND m.deleted_at IS NULL))
         ORDER BY m.id",
    )
    .bind(region)
    .bind(i64::try_from(since).unwrap_or(i64::MAX))
    .bind(org)
    .fetch_all(conn.conn())
    .await?;
    rows.iter().map(wanted).collect()
}

fn wanted(row: &PgRow) -> Result<WantedRow, StoreError> {
    let key: MonitorKey = row.try_get(0)?;
    let broken = |column| StoreError::Inconsistent { table: "monitors", column, row: key.0 };
    let number = |index, column| u32::try_from(row.try_get::<i32, _>(index)?).map_err(|_| broken(column));
    let spec: Json<serde_json::Value> = row.try_get(5)?;
    Ok(WantedRow {
        key,
        id: MonitorId(row.try_get(1)?),
        org: row.try_get(2)?,
        version: number(3, "version")?,
        kind: row.try_get::<&str, _>(4)?.parse().unwrap_or(Kind::Other),
        spec: serde_json::from_value(spec.0).ok(),
        secret: row.try_get::<Option<Vec<u8>>, _>(6)?.map(Sealed),
        interval_s: number(7, "interval_s")?,
        timeout_ms: number(8, "timeout_ms")?,
        eu_only: row.try_get(9)?,
        wanted: row.try_get(10)?,
    })
}
