//! Ranges of the past in which failures came too late to vote.

use picket_shared::time::Timestamp;

use super::{Conn, Intake, MonitorKey, OrgKey, StoreError, Worker};

/// One monitor's range.
#[derive(Debug, sqlx::FromRow)]
#[expect(missing_docs, reason = "the columns of `replays`")]
pub struct ReplayRow {
    pub org_id: OrgKey,
    pub monitor_id: MonitorKey,
    pub from_at: i64,
    pub to_at: i64,
}

/// Notes late failures, a monitor and the time of one each; ranges grow to hold them all.
///
/// # Errors
/// When the database fails.
pub async fn note(
    conn: &mut Intake,
    rows: &[(OrgKey, MonitorKey, Timestamp)],
    now: Timestamp,
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO replays AS r (org_id, monitor_id, from_at, to_at, noted_at)
         SELECT o, m, min(at), max(at), $4 FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS x (o, m, at)
         GROUP BY o, m ORDER BY m
         ON CONFLICT (monitor_id) DO UPDATE SET from_at = least(r.from_at, excluded.from_at),
                to_at = greatest(r.to_at, excluded.to_at), noted_at = excluded.noted_at",
    )
    .bind(rows.iter().map(|(org, ..)| org.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, monitor, _)| monitor.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|(.., at)| at.micros()).collect::<Vec<_>>())
    .bind(now.micros())
    .execute(conn.conn())
    .await?;
    Ok(())
}

/// Takes ranges to which nothing was added since `quiet_since`, each for this transaction alone, and removes them with it.
///
/// # Errors
/// When the database fails.
pub async fn take(worker: &mut Worker, quiet_since: Timestamp, limit: i64) -> Result<Vec<ReplayRow>, StoreError> {
    Ok(sqlx::query_as(
        "DELETE FROM replays WHERE monitor_id IN
             (SELECT monitor_id FROM replays WHERE noted_at <= $1 ORDER BY noted_at LIMIT $2 FOR UPDATE SKIP LOCKED)
         RETURNING org_id, monitor_id, from_at, to_at",
    )
    .bind(quiet_since.micros())
    .bind(limit)
    .fetch_all(worker.conn())
    .await?)
}
