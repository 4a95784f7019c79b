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

/// Takes up to `limit` alarms that are due, and makes each due again after the term of its channel's kind; `terms` are the kinds
/// that forget. None is taken of a channel that something is being sent to, and nothing is sent to its channel before
/// [`told`], or for `lease`. Those of which nobody may be told any more go: the channel was removed or given other settings, the
/// monitor was deleted, its incident is over, or the judge holds it for over.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn take_due(
    conn: &mut Worker,
    terms: &[(&str, Duration)],
    limit: i64,
    lease: Duration,
    now: Timestamp,
) -> Result<Vec<Leased>, StoreError> {
    deliveries::one_at_a_time(conn).await?;
    sqlx::query(END_WHAT_IS_OVER).bind(now.micros()).execute(conn.conn()).await?;
    let micros = |term: &Duration| i64::try_from(term.as_micros()).unwrap_or(i64::MAX);
    let until = now + lease;
    let keys: Vec<DeliveryKey> = sqlx::query_scalar(
        "UPDATE standing_alarms u SET next_at = $1 + due.term, leased_until = $4 FROM (
             SELECT s.channel_id, s.key, t.term FROM standing_alarms s JOIN channels c ON c.id = s.channel_id
                 JOIN unnest($2::text[], $3::bigint[]) AS t (kind, term) ON t.kind = c.kind
             WHERE s.next_at <= $1 AND (s.leased_until IS NULL OR s.leased_until <= $1)
                 AND NOT EXISTS (SELECT 1 FROM deliveries d
                     WHERE d.channel_id = s.channel_id AND d.state = 'pending' AND d.leased_until > $1)
             ORDER BY s.next_at LIMIT $5 FOR UPDATE OF s SKIP LOCKED) due
         WHERE u.channel_id = due.channel_id AND u.key = due.key RETURNING u.delivery_id",
    )
    .bind(now.micros())
    .bind(terms.iter().map(|(kind, _)| (*kind).to_owned()).collect::<Vec<_>>())
    .bind(terms.iter().map(|(_, term)| micros(term)).collect::<Vec<_>>())
    .bind(until.micros())
    .bind(limit)
    .fetch_all(conn.conn())
    .await?;
    deliveries::read(conn, &keys, until).await
}

/// What is over by the judge's own state goes even where no message said so: it may have ended while nobody was to be told. A
/// monitor that was not judged yet says nothing. It flaps beyond the incident by which that began, and a region is in trouble as long as any monitor that runs holds it for so.
const END_WHAT_IS_OVER: &str = "DELETE FROM standing_alarms s USING deliveries d
        JOIN channels c ON c.id = d.channel_id JOIN notices n ON n.id = d.notice_id
        LEFT JOIN monitors m ON m.id = n.monitor_id LEFT JOIN incidents i ON i.id = n.incident_id
        LEFT JOIN states t ON t.monitor_id = n.monitor_id
    WHERE d.id = s.delivery_id AND s.next_at <= $1 AND (c.deleted_at IS NOT NULL OR c.verified_at IS NULL
        OR c.is_personal AND NOT EXISTS (SELECT FROM member_channels o WHERE o.channel_id = c.id)
        OR m.deleted_at IS NOT NULL OR n.kind IN ('down', 'reopened', 'declared', 'reminder') AND i.resolved_at IS NOT NULL
        OR n.kind = 'flapping' AND t.data #> '{overlays,flapping}' = 'false'
        OR n.kind = 'regional' AND t.data #> '{overlays,regional}' = '[]'
        OR n.kind IN ('region_silent', 'region_network_bad') AND NOT EXISTS (
            SELECT 1 FROM states o JOIN monitors om ON om.id = o.monitor_id
            WHERE o.org_id = s.org_id AND om.deleted_at IS NULL AND om.paused_at IS NULL AND (NOT o.data ? 'memory'
                OR coalesce(o.data #> (CASE n.kind WHEN 'region_silent' THEN '{memory,told_silent}' ELSE '{memory,networks}' END)::text[]
                    ? (n.payload #>> '{notice,kind,region}'), false))))";

/// What was taken was told, or could not be: its channel is free again.
///
/// # Errors
/// When the database fails.
pub async fn told(conn: &mut Worker, leased: &Leased) -> Result<(), StoreError> {
    sqlx::query("UPDATE standing_alarms SET leased_until = NULL WHERE channel_id = $1 AND delivery_id = $2")
        .bind(leased.channel.key)
        .bind(leased.key)
        .execute(conn.conn())
        .await?;
    Ok(())
}
