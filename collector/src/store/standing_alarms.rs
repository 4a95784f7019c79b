//! Alarms that stand at a receiver which forgets them: each is told again until it is over, or nobody may be told of it.

use std::time::Duration;

use picket_shared::time::Timestamp;

use super::deliveries::{self, Leased};
use super::{Conn, DeliveryKey, StoreError, Worker};

/// Notes that an alarm stands by the message of `leased`, to be told again at `next_at`.
///
/// # Errors
/// When the database fails.
pub async fn stand(conn: &mut Worker, leased: &Leased, key: &str, next_at: Timestamp) -> Result<(), StoreError> {
    let done = sqlx::query(
        "INSERT INTO standing_alarms (org_id, channel_id, key, delivery_id, next_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (channel_id, key) DO UPDATE SET delivery_id = excluded.delivery_id, next_at = excluded.next_at",
    )
    .bind(leased.org)
    .bind(leased.channel.key)
    .bind(key)
    .bind(leased.key)
    .bind(next_at.micros())
    .execute(conn.conn())
    .await?;
    StoreError::expect_rows("standing_alarms", 1, done.rows_affected())
}

/// Notes that an alarm is over.
///
/// # Errors
/// When the database fails.
pub async fn end(conn: &mut Worker, leased: &Leased, key: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM standing_alarms WHERE channel_id = $1 AND key = $2")
        .bind(leased.channel.key)
        .bind(key)
        .execute(conn.conn())
        .await?;
    Ok(())
}

/// Takes up to `limit` alarms that are due, and makes each due again after `term`. Those of which nobody may be told any
/// more go: the channel was removed or given other settings, the monitor was deleted, or its incident is over.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn take_due(
    conn: &mut Worker,
    limit: i64,
    term: Duration,
    now: Timestamp,
) -> Result<Vec<Leased>, StoreError> {
    sqlx::query(
        "DELETE FROM standing_alarms s USING deliveries d
             JOIN channels c ON c.id = d.channel_id JOIN notices n ON n.id = d.notice_id
             JOIN monitors m ON m.id = n.monitor_id LEFT JOIN incidents i ON i.id = n.incident_id
         WHERE d.id = s.delivery_id AND s.next_at <= $1 AND (c.deleted_at IS NOT NULL OR c.verified_at IS NULL
             OR m.deleted_at IS NOT NULL OR i.resolved_at IS NOT NULL)",
    )
    .bind(now.micros())
    .execute(conn.conn())
    .await?;
    let keys: Vec<DeliveryKey> = sqlx::query_scalar(
        "UPDATE standing_alarms SET next_at = $2 WHERE (channel_id, key) IN (
             SELECT channel_id, key FROM standing_alarms WHERE next_at <= $1 ORDER BY next_at LIMIT $3 FOR UPDATE SKIP LOCKED)
         RETURNING delivery_id",
    )
    .bind(now.micros())
    .bind((now + term).micros())
    .bind(limit)
    .fetch_all(conn.conn())
    .await?;
    deliveries::read(conn, &keys, now + term).await
}
