//! What a restored copy is held against: the same questions, asked of the database that runs and of the copy.

use picket_shared::time::Timestamp;

use crate::domain::drill::{Beat, Head};
use crate::store::{Conn, StoreError, Worker};

/// Every beat that is kept, in the order of their numbers.
///
/// # Errors
/// When the database fails.
pub async fn beats(worker: &mut Worker) -> Result<Vec<Beat>, StoreError> {
    Ok(sqlx::query_as("SELECT counter, beat_at, lsn FROM heartbeats ORDER BY counter").fetch_all(worker.conn()).await?)
}

/// The last entry of each chain of the audit log that is not later than `to`.
///
/// # Errors
/// When the database fails.
pub async fn heads(worker: &mut Worker, to: Timestamp) -> Result<Vec<Head>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT DISTINCT ON (org_id) coalesce(org_id, 0), seq, link FROM audit WHERE at <= $1 ORDER BY org_id, seq DESC",
    )
    .bind(to.micros())
    .fetch_all(worker.conn())
    .await?)
}

/// Entries of the audit log by their chains and numbers, as far as they are there.
///
/// # Errors
/// When the database fails.
pub async fn entries(worker: &mut Worker, of: &[Head]) -> Result<Vec<Head>, StoreError> {
    let (orgs, seqs): (Vec<i64>, Vec<i64>) = of.iter().map(|(org, seq, _)| (*org, *seq)).unzip();
    Ok(sqlx::query_as(
        "SELECT coalesce(a.org_id, 0), a.seq, a.link FROM unnest($1::bigint[], $2::bigint[]) AS x (org, seq)
         JOIN audit a ON coalesce(a.org_id, 0) = x.org AND a.seq = x.seq",
    )
    .bind(&orgs)
    .bind(&seqs)
    .fetch_all(worker.conn())
    .await?)
}

/// How much there is of what probes sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Results {
    /// Received within the range.
    pub within: i64,
    /// Entries of the audit log and results from after `later`.
    pub later: i64,
}

/// Counts results that were received after `from` and not after `to`; and what is from after `later`.
///
/// # Errors
/// When the database fails.
pub async fn results(
    worker: &mut Worker,
    from: Timestamp,
    to: Timestamp,
    later: Timestamp,
) -> Result<Results, StoreError> {
    // Results are kept by the day of their check, which is at most some hours before they came.
    let (within, later): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM results WHERE at > $1 - 86400000000 AND at <= $2 + 60000000
                   AND received_at > $1 AND received_at <= $2),
                (SELECT count(*) FROM results WHERE at > $1 - 86400000000 AND received_at > $3)
              + (SELECT count(*) FROM audit WHERE at > $3)",
    )
    .bind(from.micros())
    .bind(to.micros())
    .bind(later.micros())
    .fetch_one(worker.conn())
    .await?;
    Ok(Results { within, later })
}
