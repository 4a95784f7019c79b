//! Receipts of erasures: of which kind of subject, when, and how many rows of each table. They name nobody.

use std::collections::BTreeMap;

use picket_shared::time::Timestamp;
use sqlx::types::{Json, Uuid};

use super::{Conn, Eraser, StoreError};

/// Puts a receipt down: of what kind of subject, and what it counts. One that is there stays as it is.
///
/// # Errors
/// When the database fails.
pub async fn put(
    conn: &mut Eraser,
    (subject, kind): (Uuid, &str),
    counts: &BTreeMap<String, u64>,
    (now, copies_until): (Timestamp, Option<Timestamp>),
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO erasures (subject_id, kind, erased_at, counts, copies_until) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (subject_id) DO NOTHING",
    )
    .bind(subject)
    .bind(kind)
    .bind(now.micros())
    .bind(Json(counts))
    .bind(copies_until.map(Timestamp::micros))
    .execute(conn.conn())
    .await?;
    Ok(())
}

/// Which of these erasures this database has a receipt of.
///
/// # Errors
/// When the database fails.
pub async fn received(conn: &mut Eraser, subjects: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
    let query = "SELECT subject_id FROM erasures WHERE subject_id = ANY ($1)";
    Ok(sqlx::query_scalar(query).bind(subjects).fetch_all(conn.conn()).await?)
}
