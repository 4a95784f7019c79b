//! The daily partitions of results and receipts, and what else expires. Days are days since 1970 (UTC).

use picket_shared::time::Timestamp;

use super::{Conn, StoreError, Worker};

/// Makes the partition of one day unless it is there; whether it did.
///
/// # Errors
/// When the database fails.
pub async fn ensure(conn: &mut impl Conn, table: &str, day: i64) -> Result<bool, StoreError> {
    let (made,): (bool,) =
        sqlx::query_as("SELECT ensure_partition($1, $2)").bind(table).bind(day).fetch_one(conn.conn()).await?;
    Ok(made)
}

/// Drops the partition of one day; whether there was one.
///
/// # Errors
/// When the database fails.
pub async fn drop(worker: &mut Worker, table: &str, day: i64) -> Result<bool, StoreError> {
    let (dropped,): (bool,) =
        sqlx::query_as("SELECT drop_partition($1, $2)").bind(table).bind(day).fetch_one(worker.conn()).await?;
    Ok(dropped)
}

/// The days of a table that have a partition.
///
/// # Errors
/// When the database fails.
pub async fn days(conn: &mut impl Conn, table: &str) -> Result<Vec<i64>, StoreError> {
    let rows: Vec<(i64,)> = sqlx::query_as(
        "SELECT (to_date(right(c.relname, 8), 'YYYYMMDD') - date '1970-01-01')::bigint
         FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = $1::regclass ORDER BY 1",
    )
    .bind(table)
    .fetch_all(conn.conn())
    .await?;
    Ok(rows.into_iter().map(|(day,)| day).collect())
}

/// Deletes request tokens that have expired, day keys that nobody accepts any more, and changes older than `changes`; at most
/// `limit` rows of each, so that no run holds locks for long. How many rows went.
///
/// # Errors
/// When the database fails.
pub async fn delete_expired(
    worker: &mut Worker,
    now: Timestamp,
    keys: Timestamp,
    changes: Timestamp,
    limit: i64,
) -> Result<u64, StoreError> {
    let requests = sqlx::query(
        "DELETE FROM probe_requests WHERE jti IN (SELECT jti FROM probe_requests WHERE expires_at < $1 LIMIT $2)",
    )
    .bind(now.micros())
    .bind(limit)
    .execute(worker.conn())
    .await?;
    let keys = sqlx::query(
        "DELETE FROM probe_keys WHERE (probe_id, number) IN
             (SELECT probe_id, number FROM probe_keys WHERE not_after < $1 LIMIT $2)",
    )
    .bind(keys.micros())
    .bind(limit)
    .execute(worker.conn())
    .await?;
    let changes =
        sqlx::query("DELETE FROM changes WHERE id IN (SELECT id FROM changes WHERE received_at < $1 LIMIT $2)")
            .bind(changes.micros())
            .bind(limit)
            .execute(worker.conn())
            .await?;
    let proofs = sqlx::query(
        "DELETE FROM channel_proofs WHERE channel_id IN
             (SELECT channel_id FROM channel_proofs WHERE expires_at < $1 LIMIT $2)",
    )
    .bind(now.micros())
    .bind(limit)
    .execute(worker.conn())
    .await?;
    Ok(requests.rows_affected() + keys.rows_affected() + changes.rows_affected() + proofs.rows_affected())
}
