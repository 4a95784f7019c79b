//! From what the day keys of probes are derived. No secret lies here.

use picket_shared::daykeys::{DayKeyGrant, hex};
use picket_shared::ids::ProbeId;
use picket_shared::time::Timestamp;
use serde_json::json;

use super::audit::{self, Author};
use super::{Conn, Intake, ProbeKey, StoreError};

type Row = (i64, Vec<u8>, i64, i64);

/// The grants of a probe that end after `now`, newest first.
///
/// # Errors
/// When the database fails.
pub async fn in_force(conn: &mut Intake, probe: ProbeKey, now: Timestamp) -> Result<Vec<DayKeyGrant>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT number, nonce, not_before, not_after FROM probe_keys WHERE probe_id = $1 AND not_after > $2
         ORDER BY number DESC",
    )
    .bind(probe)
    .bind(now.micros())
    .fetch_all(conn.conn())
    .await?;
    rows.into_iter().map(grant).collect()
}

/// The highest number that the probe ever had; 0 if none.
///
/// # Errors
/// When the database fails.
pub async fn last_number(conn: &mut Intake, probe: ProbeKey) -> Result<u64, StoreError> {
    let number: Option<i64> = sqlx::query_scalar("SELECT max(number) FROM probe_keys WHERE probe_id = $1")
        .bind(probe)
        .fetch_one(conn.conn())
        .await?;
    Ok(number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0))
}

/// Adds a grant; `false` when its number is taken, because another request made it at the same time.
///
/// # Errors
/// When the database fails.
pub async fn insert(
    conn: &mut Intake,
    probe: ProbeKey,
    number: u64,
    nonce: &[u8; 32],
    not_before: Timestamp,
    not_after: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO probe_keys (probe_id, number, nonce, not_before, not_after) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (probe_id, number) DO NOTHING",
    )
    .bind(probe)
    .bind(i64::try_from(number).unwrap_or(i64::MAX))
    .bind(&nonce[..])
    .bind(not_before.micros())
    .bind(not_after.micros())
    .execute(conn.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Audits that a day key was made.
///
/// # Errors
/// When the database fails.
pub async fn note(conn: &mut Intake, probe: ProbeId, number: u64, now: Timestamp) -> Result<(), StoreError> {
    let author = Author::of_instance("collector");
    let detail = json!({ "number": number });
    audit::append(conn, &author.did("probe.issue_key", &probe.to_string(), detail, now)).await
}

pub(super) fn grant((number, nonce, not_before, not_after): Row) -> Result<DayKeyGrant, StoreError> {
    Ok(DayKeyGrant {
        number: u64::try_from(number).map_err(|_| StoreError::Inconsistent {
            table: "probe_keys",
            column: "number",
            row: number,
        })?,
        nonce: hex(&nonce),
        not_before: Timestamp::from_micros(not_before),
        not_after: Timestamp::from_micros(not_after),
    })
}
