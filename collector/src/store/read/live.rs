//! The outcomes of one tenant as they come in: what `up` shows.

use serde_json::Value;

use crate::store::{Conn, Scoped, StoreError};

/// One outcome with what a person wants to see of it.
#[derive(Debug, sqlx::FromRow)]
#[expect(missing_docs, reason = "the columns of `results`, `monitors` and `regions`")]
pub struct LiveRow {
    pub monitor: uuid::Uuid,
    pub target: String,
    pub region: String,
    pub at: i64,
    pub late_us: i32,
    pub received_at: i64,
    pub status: i8,
    pub failure: Option<String>,
    pub code: Option<i16>,
    pub total_us: i32,
    pub resolve_us: Option<i32>,
    pub connect_us: Option<i32>,
    pub tls_us: Option<i32>,
    pub send_us: Option<i32>,
    pub wait_us: Option<i32>,
    pub receive_us: Option<i32>,
    pub detail: Option<Value>,
}

/// Outcomes received after `since` (microseconds), oldest first, at most 500.
///
/// # Errors
/// When the database fails.
pub async fn after(scoped: &mut Scoped, since: i64, at_least: i64) -> Result<Vec<LiveRow>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT m.uuid AS monitor, m.target, g.code AS region, r.at, r.late_us, r.received_at, r.status, r.failure,
                r.code, r.total_us, r.resolve_us, r.connect_us, r.tls_us, r.send_us, r.wait_us, r.receive_us, r.detail
         FROM results r
         JOIN monitors m ON m.id = r.monitor_id
         JOIN regions g ON g.id = r.region_id
         WHERE r.received_at > $1 AND r.at >= $2
         ORDER BY r.received_at, r.at LIMIT 500",
    )
    .bind(since)
    .bind(at_least)
    .fetch_all(scoped.conn())
    .await?)
}
