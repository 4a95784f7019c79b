//! Where a monitor's result in a region differs from the one before; rows are only ever added.

use picket_shared::time::Timestamp;
use serde_json::Value;

use super::region_states::{RunRow, trigger_text};
use super::results::Detail;
use super::{Conn, Intake, MonitorKey, OrgKey, RegionKey, StoreError, Worker};

/// One difference.
#[derive(Clone, Debug)]
pub struct ChangeRow {
    /// Whose monitor.
    pub org: OrgKey,
    /// Which monitor.
    pub monitor: MonitorKey,
    /// The start of the check that found it.
    pub at: Timestamp,
    /// The run as it is from then on.
    pub run: RunRow,
    /// Evidence, as JSON.
    pub detail: Option<String>,
}

/// Adds the differences that a batch of one region brought.
///
/// # Errors
/// When the database fails.
pub async fn append(
    conn: &mut Intake,
    region: RegionKey,
    rows: &[ChangeRow],
    now: Timestamp,
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let done = sqlx::query(
        "INSERT INTO changes (org_id, monitor_id, region_id, at, received_at, version, trigger, status, failure, fails,
                oks, self_check, detail)
         SELECT o, m, $12, at, $13, v, tr, st, f, fl, ok, sc, d::jsonb
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::int[], $5::text[], $6::text[], $7::text[],
                $8::smallint[], $9::smallint[], $10::text[], $11::text[]) AS x (o, m, at, v, tr, st, f, fl, ok, sc, d)",
    )
    .bind(rows.iter().map(|row| row.org.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.monitor.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.at.micros()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.run.version).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| trigger_text(row.run.last_trigger)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.run.status.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.run.failure.as_deref()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.run.fails).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.run.oks).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.run.self_check.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.detail.as_deref()).collect::<Vec<_>>())
    .bind(region)
    .bind(now.micros())
    .execute(conn.conn())
    .await?;
    StoreError::expect_rows("changes", rows.len() as u64, done.rows_affected())
}

/// A failing outcome at which a run of failures began or changed its kind.
#[derive(Clone, Debug)]
pub struct Failing {
    /// The region that saw it, by its name.
    pub region: String,
    /// The start of the check.
    pub at: Timestamp,
    /// What failed.
    pub failure: Option<String>,
    /// What was seen; empty where that cannot be read, since nothing is decided by it.
    pub detail: Detail,
}

#[derive(sqlx::FromRow)]
struct FailingRow {
    code: String,
    at: i64,
    failure: Option<String>,
    detail: Option<Value>,
}

/// The first failing outcome of a monitor in these regions at or after `from`; else the last before it, where a failure
/// has lasted for longer.
///
/// # Errors
/// When the database fails.
pub async fn first_failing(
    worker: &mut Worker,
    monitor: MonitorKey,
    regions: &[RegionKey],
    from: Timestamp,
) -> Result<Option<Failing>, StoreError> {
    let row: Option<FailingRow> = sqlx::query_as(
        "SELECT r.code, c.at, c.failure, c.detail
         FROM (
             (SELECT * FROM changes WHERE monitor_id = $1 AND region_id = ANY($2) AND status = 'down' AND at >= $3
              ORDER BY at, id LIMIT 1)
             UNION ALL
             (SELECT * FROM changes WHERE monitor_id = $1 AND region_id = ANY($2) AND status = 'down' AND at < $3
              ORDER BY at DESC, id DESC LIMIT 1)) c
         JOIN regions r ON r.id = c.region_id
         ORDER BY c.at < $3 LIMIT 1",
    )
    .bind(monitor)
    .bind(regions.iter().map(|region| region.0).collect::<Vec<_>>())
    .bind(from.micros())
    .fetch_optional(worker.conn())
    .await?;
    Ok(row.map(|row| Failing {
        region: row.code,
        at: Timestamp::from_micros(row.at),
        failure: row.failure,
        detail: row.detail.and_then(|detail| serde_json::from_value(detail).ok()).unwrap_or_default(),
    }))
}
