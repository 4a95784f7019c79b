//! Deliveries are made: of a notice for channels that were chosen, and without one for a test or a proof; and what was given up is asked for
//! again.

use picket_shared::ids::DeliveryId;
use picket_shared::time::Timestamp;

use crate::store::{ChannelKey, Conn, DeliveryKey, NoticeKey, OrgKey, PolicyKey, Scoped, StoreError, Worker, audit};
use crate::wake::Bell;

/// A message that no notice asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithoutNotice {
    /// Somebody wants to know whether the channel works.
    Test,
    /// Its owner has to prove that it is wanted.
    Proof,
}

impl WithoutNotice {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Proof => "proof",
        }
    }
}

/// A message of a notice to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// For which channel.
    pub channel: ChannelKey,
    /// For which level of the policy, from 0.
    pub level: Option<usize>,
    /// Until when the channel is quiet.
    pub held_until: Option<Timestamp>,
}

/// Makes a delivery of a notice for each of these channels by a policy, if there is one, and rings.
///
/// # Errors
/// When the database fails, or one of them had a delivery of the notice.
pub async fn insert_for_notice(
    conn: &mut Worker,
    (org, notice): (OrgKey, NoticeKey),
    policy: Option<PolicyKey>,
    chosen: &[Chosen],
    now: Timestamp,
) -> Result<(), StoreError> {
    if chosen.is_empty() {
        return Ok(());
    }
    let done = sqlx::query(
        "INSERT INTO deliveries (uuid, org_id, notice_id, channel_id, state, next_at, created_at, held_until, policy_id, level)
         SELECT u, $1, $2, c, 'pending', coalesce(h, $3), $3, h, $4, l
         FROM unnest($5::uuid[], $6::bigint[], $7::bigint[], $8::smallint[]) AS x (u, c, h, l)",
    )
    .bind(org)
    .bind(notice)
    .bind(now.micros())
    .bind(policy)
    .bind(chosen.iter().map(|_| DeliveryId::at(now).0).collect::<Vec<_>>())
    .bind(chosen.iter().map(|one| one.channel.0).collect::<Vec<_>>())
    .bind(chosen.iter().map(|one| one.held_until.map(Timestamp::micros)).collect::<Vec<_>>())
    .bind(chosen.iter().map(|one| one.level.and_then(|level| i16::try_from(level).ok())).collect::<Vec<_>>())
    .execute(conn.conn())
    .await?;
    StoreError::expect_rows("deliveries", chosen.len() as u64, done.rows_affected())?;
    conn.ring(Bell::Deliver).await
}

/// Makes a message without a notice for a channel, and rings.
///
/// # Errors
/// When the database fails.
pub async fn insert_without_notice(
    conn: &mut Scoped,
    channel: ChannelKey,
    id: DeliveryId,
    what: WithoutNotice,
    now: Timestamp,
) -> Result<DeliveryKey, StoreError> {
    let org = conn.org();
    let key = sqlx::query_scalar(
        "INSERT INTO deliveries (uuid, org_id, channel_id, payload, state, next_at, created_at)
         VALUES ($1, $2, $3, $4, 'pending', $5, $5) RETURNING id",
    )
    .bind(id.0)
    .bind(org)
    .bind(channel)
    .bind(serde_json::json!({ "kind": what.as_str() }))
    .bind(now.micros())
    .fetch_one(conn.conn())
    .await?;
    conn.ring(Bell::Deliver).await?;
    Ok(key)
}

/// How many messages without a notice were made after `since`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Made {
    /// For this channel.
    pub channel: i64,
    /// For all channels of the organization.
    pub org: i64,
    /// When the first of them was made, in microseconds.
    pub channel_first: Option<i64>,
    /// The same for the organization.
    pub org_first: Option<i64>,
}

/// Counts messages without a notice, and keeps others of the organization from making one before this transaction ends.
///
/// # Errors
/// When the database fails.
pub async fn count_without_notice(
    conn: &mut Scoped,
    channel: ChannelKey,
    what: WithoutNotice,
    since: Timestamp,
) -> Result<Made, StoreError> {
    let org = conn.org();
    // Any number will do that nothing else locks: the digits spell "channels".
    sqlx::query("SELECT pg_advisory_xact_lock(24266357, $1::int)")
        .bind(i32::try_from(org.0 % i64::from(i32::MAX)).unwrap_or(0))
        .execute(conn.conn())
        .await?;
    Ok(sqlx::query_as(
        "SELECT count(*) FILTER (WHERE channel_id = $1) AS channel, count(*) AS org,
                min(created_at) FILTER (WHERE channel_id = $1) AS channel_first, min(created_at) AS org_first
         FROM deliveries
         WHERE notice_id IS NULL AND org_id = $2 AND created_at > $3 AND payload ->> 'kind' = $4",
    )
    .bind(channel)
    .bind(org)
    .bind(since.micros())
    .bind(what.as_str())
    .fetch_one(conn.conn())
    .await?)
}

/// Asks again for a message that was given up, if its channel still wants it and was told nothing of the incident since; for as long as a
/// new one it is tried. False where that is not so.
///
/// # Errors
/// When the database fails.
pub async fn ask_again(conn: &mut Scoped, id: DeliveryId, now: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE deliveries d SET state = 'pending', next_at = $2, ended_at = NULL, asked_again_at = $2, folded_into = NULL FROM channels c
         WHERE d.uuid = $1 AND d.state = 'failed' AND d.notice_id IS NOT NULL AND c.id = d.channel_id AND c.deleted_at IS NULL
            AND c.verified_at IS NOT NULL AND c.unset_at IS NULL
            AND NOT EXISTS (SELECT FROM deliveries l JOIN notices ln ON ln.id = l.notice_id JOIN notices n ON n.id = d.notice_id
                WHERE l.channel_id = d.channel_id AND l.id > d.id AND l.state IN ('pending', 'sent') AND ln.incident_id = n.incident_id)",
    )
    .bind(id.0)
    .bind(now.micros())
    .execute(conn.conn())
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    audit::note(conn, "delivery.ask_again", id.0, serde_json::json!({}), now).await?;
    conn.ring(Bell::Deliver).await?;
    Ok(true)
}
