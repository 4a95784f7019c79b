//! The beats by which is measured how much a lost disk would cost, and against which a restored copy is held.
//!
//! The only table beside `drills` whose times are the machine's own: PostgreSQL stamps its commits by that clock.

use std::time::Duration;

use picket_shared::time::Timestamp;
use sqlx::PgConnection;

use super::{Conn, StoreError, Worker};

/// A beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// Its number.
    pub counter: i64,
    /// When it was written.
    pub at: Timestamp,
    /// When the last beat was written that is known to be archived.
    pub safe_at: Option<Timestamp>,
}

/// What PostgreSQL says that it archived.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Archived {
    /// The last file; `None` when none was since the statistics began.
    pub last_archived_wal: Option<String>,
    /// How large segments are, in bytes.
    pub segment_bytes: i64,
}

/// Asks what is archived.
///
/// # Errors
/// When the database fails.
pub async fn archived(worker: &mut Worker) -> Result<Archived, StoreError> {
    Ok(sqlx::query_as(
        "SELECT last_archived_wal, pg_size_bytes(current_setting('wal_segment_size')) AS segment_bytes FROM pg_stat_archiver",
    )
    .fetch_one(worker.conn())
    .await?)
}

/// From where on the server keeps WAL for this slot; `None` when it has no such slot.
///
/// # Errors
/// When the database fails.
pub async fn kept_from(worker: &mut Worker, slot: &str) -> Result<Option<u64>, StoreError> {
    let found: Option<(Option<i64>,)> =
        sqlx::query_as("SELECT (restart_lsn - '0/0')::bigint FROM pg_replication_slots WHERE slot_name = $1")
            .bind(slot)
            .fetch_optional(worker.conn())
            .await?;
    Ok(found.and_then(|(lsn,)| u64::try_from(lsn?).ok()))
}

/// Writes the next beat. All of the log before `archived` is in the archive; `None` when that is not known.
///
/// A beat is safe when the next one was begun in front of that point: what stands before a beat holds the commit of the one
/// before it. So at most a whole beat too much is counted as lost, and never anything as safe that is not.
///
/// # Errors
/// When the database fails.
pub async fn beat(worker: &mut Worker, archived: Option<u64>, now: Timestamp) -> Result<Beat, StoreError> {
    let archived = archived.map(|lsn| i64::try_from(lsn).unwrap_or(i64::MAX));
    let (counter, at, safe_at): (i64, i64, Option<i64>) = sqlx::query_as(
        "WITH last AS (SELECT counter, safe_at FROM heartbeats ORDER BY counter DESC LIMIT 1),
              safe AS (SELECT b.beat_at FROM heartbeats b
                       WHERE b.counter < (SELECT max(n.counter) FROM heartbeats n WHERE n.lsn <= $2)
                       ORDER BY b.counter DESC LIMIT 1)
         INSERT INTO heartbeats (counter, beat_at, lsn, safe_at)
         SELECT coalesce((SELECT counter FROM last), 0) + 1, $1, (pg_current_wal_insert_lsn() - '0/0')::bigint,
                greatest((SELECT safe_at FROM last), (SELECT beat_at FROM safe))
         RETURNING counter, beat_at, safe_at",
    )
    .bind(now.micros())
    .bind(archived)
    .fetch_one(worker.conn())
    .await?;
    Ok(Beat { counter, at: Timestamp::from_micros(at), safe_at: safe_at.map(Timestamp::from_micros) })
}

/// Of beats from before `thin_before` keeps one in `one_in`, and none from before `gone_before`.
///
/// # Errors
/// When the database fails.
pub async fn thin(
    worker: &mut Worker,
    thin_before: Timestamp,
    one_in: i64,
    gone_before: Timestamp,
) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "DELETE FROM heartbeats WHERE beat_at < $1 AND (counter % $2 <> 0 OR beat_at < $3)
           AND counter < (SELECT max(counter) FROM heartbeats)",
    )
    .bind(thin_before.micros())
    .bind(one_in)
    .bind(gone_before.micros())
    .execute(worker.conn())
    .await?;
    Ok(done.rows_affected())
}

/// How far back a restore would go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// The last moment of which everything is known to be archived; before the first, that of the first beat.
    pub at: Timestamp,
    /// Whether anything is known to be archived at all.
    pub is_archived: bool,
    /// The furthest that it was behind in the last day.
    pub worst: Duration,
}

/// Where it is; `None` before the first beat.
///
/// # Errors
/// When the database fails.
pub async fn point(conn: &mut impl Conn, now: Timestamp) -> Result<Option<Point>, StoreError> {
    point_by(conn.conn(), now).await
}

/// The same, for doctor.
///
/// # Errors
/// When the database fails.
pub async fn point_by(conn: &mut PgConnection, now: Timestamp) -> Result<Option<Point>, StoreError> {
    let since = now - Duration::from_secs(86_400);
    let (safe, first, worst): (Option<i64>, Option<i64>, Option<i64>) = sqlx::query_as(
        "SELECT (SELECT safe_at FROM heartbeats ORDER BY counter DESC LIMIT 1),
                (SELECT beat_at FROM heartbeats ORDER BY counter LIMIT 1),
                (SELECT max(beat_at - safe_at) FROM heartbeats WHERE beat_at >= $1)",
    )
    .bind(since.micros())
    .fetch_one(conn)
    .await?;
    Ok(safe.or(first).map(|at| Point {
        at: Timestamp::from_micros(at),
        is_archived: safe.is_some(),
        worst: Duration::from_micros(worst.and_then(|worst| u64::try_from(worst).ok()).unwrap_or(0)),
    }))
}
