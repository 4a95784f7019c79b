//! What was answered to each batch: the proof that it is stored. Only `flow::ingest` comes here.

use picket_shared::batch::Receipt;
use picket_shared::ids::{BatchId, BootId, ProbeId};
use picket_shared::time::Timestamp;
use serde_json::json;
use sqlx::types::Json;

use super::audit::{self, Author};
use super::{Conn, Intake, ProbeKey, StoreError};

/// One batch to be remembered.
#[derive(Clone, Debug)]
pub struct BatchRow<'a> {
    /// Who sent it.
    pub probe: ProbeKey,
    /// Which batch.
    pub id: BatchId,
    /// When it was cut: the time in its id.
    pub cut_at: Timestamp,
    /// SHA-256 of the body as sent.
    pub body_hash: &'a str,
    /// The probe's start.
    pub boot: BootId,
    /// Its number in this boot.
    pub seq: i64,
    /// When it came.
    pub received_at: Timestamp,
    /// How many outcomes it held.
    pub outcomes: i32,
    /// What is answered.
    pub receipt: &'a Receipt,
}

/// Remembers a batch.
///
/// # Errors
/// When the database fails or the batch is there already.
pub async fn insert(conn: &mut Intake, row: &BatchRow<'_>) -> Result<(), StoreError> {
    let done = sqlx::query(
        "INSERT INTO receipts (probe_id, cut_at, jti, body_hash, boot, seq, received_at, outcomes, receipt)
         VALUES ($1, $2, $3, decode($4, 'hex'), $5, $6, $7, $8, $9)",
    )
    .bind(row.probe)
    .bind(row.cut_at.micros())
    .bind(row.id.0)
    .bind(row.body_hash)
    .bind(row.boot.0)
    .bind(row.seq)
    .bind(row.received_at.micros())
    .bind(row.outcomes)
    .bind(Json(row.receipt))
    .execute(conn.conn())
    .await?;
    StoreError::expect_rows("receipts", 1, done.rows_affected())
}

/// Makes this transaction durable at its commit, and makes the daily partitions that a late batch needs.
///
/// # Errors
/// When the database fails.
pub async fn prepare(conn: &mut Intake, receipts_day: i64, results_days: &[i64]) -> Result<(), StoreError> {
    sqlx::query(
        "SELECT set_config('synchronous_commit', 'on', true) = 'on'
         UNION ALL SELECT ensure_partition('receipts', $1)
         UNION ALL SELECT ensure_partition('results', d) FROM unnest($2::bigint[]) d",
    )
    .bind(receipts_day)
    .bind(results_days)
    .execute(conn.conn())
    .await?;
    Ok(())
}

/// Writes down that a probe sent another body under an id that was used.
///
/// # Errors
/// When the database fails.
pub async fn note_conflict(conn: &mut Intake, probe: ProbeId, id: BatchId, now: Timestamp) -> Result<(), StoreError> {
    let author = Author::of_instance(format!("probe:{probe}"));
    audit::append(conn, &author.did("batch.conflict", &format!("batch:{id}"), json!({}), now)).await
}
