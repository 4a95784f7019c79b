//! Where a monitor's result in a region differs from the one before; rows are only ever added.

use picket_shared::time::Timestamp;

use super::region_states::{RunRow, trigger_text};
use super::{Conn, Intake, MonitorKey, OrgKey, RegionKey, StoreError};

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
