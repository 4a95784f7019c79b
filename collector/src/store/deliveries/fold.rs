//! Several deliveries to one channel that go out as one message. The first that is due leads: the message has its id, and all end as it
//! does. Which are part of it is settled at its first try.

use std::time::Duration;

use picket_shared::time::Timestamp;

use super::lease::read;
use super::{Attempt, Leased};
use crate::store::{Conn, DeliveryKey, StoreError, Worker};

/// Most that go out as one.
const MOST: i64 = 10_000;

/// Puts off what is due to channels that were told something less than `pause` ago; those of the kinds in `at_once` are told at once.
/// Frees what was to go out with a delivery that ended without it.
///
/// # Errors
/// When the database fails.
pub async fn put_off(conn: &mut Worker, at_once: &[&str], pause: Duration, now: Timestamp) -> Result<(), StoreError> {
    let freed = "UPDATE deliveries m SET folded_into = NULL FROM deliveries l
         WHERE l.id = m.folded_into AND m.state = 'pending' AND l.state <> 'pending'";
    sqlx::query(freed).execute(conn.conn()).await?;
    sqlx::query(
        "UPDATE deliveries w SET next_at = s.until FROM (
             SELECT channel_id, max(ended_at) + $3 AS until FROM deliveries
             WHERE state = 'sent' AND notice_id IS NOT NULL AND ended_at > $1 - $3 GROUP BY channel_id) s, channels c
         WHERE w.channel_id = s.channel_id AND c.id = w.channel_id AND c.kind <> ALL ($2) AND w.state = 'pending' AND w.attempts = 0
            AND w.folded_into IS NULL AND w.notice_id IS NOT NULL AND w.leased_until IS NULL AND w.next_at <= $1 AND s.until > $1",
    )
    .bind(now.micros())
    .bind(at_once.iter().map(|kind| (*kind).to_owned()).collect::<Vec<_>>())
    .bind(i64::try_from(pause.as_micros()).unwrap_or(i64::MAX))
    .execute(conn.conn())
    .await?;
    Ok(())
}

/// Makes what else is due to its channel part of a delivery that is tried for the first time, and gives all that are, the first of them
/// first.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn fold(conn: &mut Worker, leader: &Leased, now: Timestamp) -> Result<Vec<Leased>, StoreError> {
    if leader.attempts == 0 {
        sqlx::query(FOLD)
            .bind(leader.key)
            .bind(leader.channel.key)
            .bind(now.micros())
            .bind(MOST)
            .execute(conn.conn())
            .await?;
    }
    let keys: Vec<DeliveryKey> =
        sqlx::query_scalar("SELECT id FROM deliveries WHERE folded_into = $1 AND state = 'pending' ORDER BY id")
            .bind(leader.key)
            .fetch_all(conn.conn())
            .await?;
    read(conn, &keys, leader.until).await
}

/// Ends, or puts off, what went out with a delivery as that one.
///
/// # Errors
/// When the database fails.
pub(super) async fn follow(
    conn: &mut Worker,
    leader: DeliveryKey,
    attempt: Attempt,
    at: Timestamp,
) -> Result<(), StoreError> {
    let (state, next_at) = match attempt {
        Attempt::Retry { next_at } => ("pending", Some(next_at.micros())),
        ended => (ended.as_str(), None),
    };
    sqlx::query(
        "UPDATE deliveries SET state = $2, attempts = attempts + 1, next_at = coalesce($3, next_at),
                ended_at = CASE WHEN $3 IS NULL THEN $4 END
         WHERE folded_into = $1 AND state = 'pending'",
    )
    .bind(leader)
    .bind(state)
    .bind(next_at)
    .bind(at.micros())
    .execute(conn.conn())
    .await?;
    Ok(())
}

/// Not before what is of the same thread and is tried again, goes out with another, or waits.
const FOLD: &str = "UPDATE deliveries SET folded_into = $1 WHERE id IN (
        SELECT w.id FROM deliveries w JOIN notices n ON n.id = w.notice_id
        WHERE w.channel_id = $2 AND w.state = 'pending' AND w.attempts = 0 AND w.folded_into IS NULL AND w.id <> $1
            AND w.next_at <= $3 AND w.leased_until IS NULL
            AND NOT EXISTS (SELECT FROM notices en JOIN deliveries e ON e.notice_id = en.id
                WHERE en.thread = n.thread AND e.channel_id = w.channel_id AND e.state = 'pending' AND e.id < w.id AND e.id <> $1
                    AND (e.attempts > 0 OR e.folded_into IS NOT NULL OR e.next_at > $3))
        ORDER BY w.id LIMIT $4 FOR UPDATE OF w SKIP LOCKED)";
