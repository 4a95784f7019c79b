//! Deliveries: one message to one channel. They are leased, sent outside any transaction, and every attempt is recorded.
//!
//! A lease that ran out is taken by the next: the message then goes out again under the same id, by which the receiver
//! knows it. Only the holder of the lease may end a delivery.

use std::time::Duration;

use picket_shared::ids::{ChannelId, DeliveryId, IncidentId, MonitorId};
use picket_shared::outcome::FailureKind;
use picket_shared::secret::Sealed;
use picket_shared::time::Timestamp;
use sqlx::types::Json;

use super::{ChannelKey, Conn, DeliveryKey, NoticeKey, OrgKey, Scoped, StoreError, Worker};
use crate::domain::outage::Notice;
use crate::wake::Bell;

/// A delivery that is this process's to send until `until`.
#[derive(Clone, Debug)]
pub struct Leased {
    /// Its row.
    pub key: DeliveryKey,
    /// Whose it is.
    pub org: OrgKey,
    /// Its id, the same at every attempt.
    pub id: DeliveryId,
    /// When the lease ends.
    pub until: Timestamp,
    /// How many attempts were made.
    pub attempts: i32,
    /// When it was made.
    pub created_at: Timestamp,
    /// Where it goes.
    pub channel: LeasedChannel,
    /// What it tells; none in a test message.
    pub about: Option<About>,
}

/// The channel of a leased delivery.
#[derive(Clone, Debug)]
pub struct LeasedChannel {
    /// Its row.
    pub key: ChannelKey,
    /// Its id, the context of its sealed settings.
    pub id: ChannelId,
    /// What it is called.
    pub name: String,
    /// Which of `notify::channels` it is.
    pub kind: String,
    /// Its settings.
    pub settings: Sealed,
}

/// The notice of a leased delivery, and what it is about as that is now.
#[derive(Clone, Debug)]
pub struct About {
    /// What has to be told.
    pub notice: Notice,
    /// The monitor's id.
    pub monitor: MonitorId,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// What it watches.
    pub target: String,
    /// Its incident.
    pub incident: Option<IncidentNow>,
}

/// An incident as it is when the message is written.
#[derive(Clone, Debug)]
pub struct IncidentNow {
    /// Its id.
    pub id: IncidentId,
    /// The start of the first failing check.
    pub started_at: Timestamp,
    /// When the judge was sure.
    pub confirmed_at: Timestamp,
    /// When it was over.
    pub resolved_at: Option<Timestamp>,
    /// What failed.
    pub failure: FailureKind,
    /// The same for a person.
    pub message: String,
    /// Votes and evidence of the first failing check.
    pub detail: serde_json::Value,
}

/// How an attempt went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It was taken.
    Sent,
    /// Try again then.
    Retry {
        /// When.
        next_at: Timestamp,
    },
    /// It cannot be sent, or was tried for too long.
    Failed,
}

impl Attempt {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Retry { .. } => "retry",
            Self::Failed => "failed",
        }
    }
}

/// Where a delivery stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// `pending`, `sent`, `failed` or `superseded`.
    pub state: String,
    /// How many attempts were made.
    pub attempts: i32,
    /// The answer to the last one.
    pub answer: Option<String>,
}

/// Makes one delivery a channel of the organization, and rings; gives how many.
///
/// # Errors
/// When the database fails.
pub async fn insert_for_notice(
    conn: &mut Worker,
    org: OrgKey,
    notice: NoticeKey,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let channels: Vec<ChannelKey> =
        sqlx::query_scalar("SELECT id FROM channels WHERE org_id = $1 AND deleted_at IS NULL ORDER BY id")
            .bind(org)
            .fetch_all(conn.conn())
            .await?;
    let ids: Vec<_> = channels.iter().map(|_| DeliveryId::at(now).0).collect();
    let done = sqlx::query(
        "INSERT INTO deliveries (uuid, org_id, notice_id, channel_id, state, next_at, created_at)
         SELECT u, $1, $2, c, 'pending', $3, $3 FROM unnest($4::uuid[], $5::bigint[]) AS x (u, c)",
    )
    .bind(org)
    .bind(notice)
    .bind(now.micros())
    .bind(ids)
    .bind(channels.iter().map(|channel| channel.0).collect::<Vec<_>>())
    .execute(conn.conn())
    .await?;
    StoreError::expect_rows("deliveries", channels.len() as u64, done.rows_affected())?;
    if done.rows_affected() > 0 {
        conn.ring(Bell::Deliver).await?;
    }
    Ok(done.rows_affected())
}

/// Makes a test message for a channel, and rings.
///
/// # Errors
/// When the database fails.
pub async fn insert_test(conn: &mut Scoped, channel: ChannelKey, now: Timestamp) -> Result<DeliveryId, StoreError> {
    let (org, id) = (conn.org(), DeliveryId::at(now));
    sqlx::query(
        "INSERT INTO deliveries (uuid, org_id, channel_id, payload, state, next_at, created_at)
         VALUES ($1, $2, $3, '{\"kind\": \"test\"}', 'pending', $4, $4)",
    )
    .bind(id.0)
    .bind(org)
    .bind(channel)
    .bind(now.micros())
    .execute(conn.conn())
    .await?;
    conn.ring(Bell::Deliver).await?;
    Ok(id)
}

/// Ends what still waits for a channel that was removed.
///
/// # Errors
/// When the database fails.
pub async fn supersede_removed(conn: &mut Worker, now: Timestamp) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "UPDATE deliveries d SET state = 'superseded', ended_at = $1, leased_until = NULL FROM channels c
         WHERE c.id = d.channel_id AND c.deleted_at IS NOT NULL AND d.state = 'pending'
            AND (d.leased_until IS NULL OR d.leased_until <= $1)",
    )
    .bind(now.micros())
    .execute(conn.conn())
    .await?;
    Ok(done.rows_affected())
}

/// Leases up to `limit` due deliveries for `term`: one a channel, none to the channels in `busy`, and of one incident
/// none before the earlier ones to the same channel have ended.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn lease(
    conn: &mut Worker,
    busy: &[ChannelKey],
    limit: i64,
    term: Duration,
    now: Timestamp,
) -> Result<Vec<Leased>, StoreError> {
    let until = now + term;
    let keys: Vec<i64> = sqlx::query_scalar(LEASE)
        .bind(now.micros())
        .bind(busy.iter().map(|channel| channel.0).collect::<Vec<_>>())
        .bind(limit)
        .bind(until.micros())
        .fetch_all(conn.conn())
        .await?;
    let rows: Vec<Row> = sqlx::query_as(READ).bind(keys).fetch_all(conn.conn()).await?;
    rows.into_iter().map(|row| row.leased(until)).collect()
}

const LEASE: &str = "UPDATE deliveries SET leased_until = $4 WHERE id IN (
        SELECT d.id FROM deliveries d WHERE d.state = 'pending' AND d.next_at <= $1
            AND (d.leased_until IS NULL OR d.leased_until <= $1) AND d.id IN (
                SELECT DISTINCT ON (w.channel_id) w.id FROM deliveries w LEFT JOIN notices n ON n.id = w.notice_id
                WHERE w.state = 'pending' AND w.next_at <= $1 AND (w.leased_until IS NULL OR w.leased_until <= $1)
                    AND w.channel_id <> ALL ($2::bigint[])
                    AND NOT EXISTS (SELECT 1 FROM deliveries e JOIN notices en ON en.id = e.notice_id
                        WHERE e.state = 'pending' AND e.channel_id = w.channel_id AND e.id < w.id
                            AND en.incident_id = n.incident_id)
                ORDER BY w.channel_id, w.next_at, w.id)
        ORDER BY d.next_at, d.id LIMIT $3 FOR UPDATE SKIP LOCKED)
    RETURNING id";

const READ: &str =
    "SELECT d.id, d.org_id, d.uuid, d.attempts, d.created_at, c.id AS channel_id, c.uuid AS channel_uuid,
        c.name AS channel_name, c.kind AS channel_kind, c.sealed_settings, n.payload -> 'notice' AS payload, m.uuid AS monitor_uuid,
        m.name AS monitor_name, m.kind AS monitor_kind, m.target, i.uuid AS incident_uuid, i.started_at, i.confirmed_at,
        i.resolved_at, i.failure, i.message, i.detail
    FROM deliveries d JOIN channels c ON c.id = d.channel_id
    LEFT JOIN notices n ON n.id = d.notice_id LEFT JOIN monitors m ON m.id = n.monitor_id
    LEFT JOIN incidents i ON i.id = n.incident_id
    WHERE d.id = ANY ($1) ORDER BY d.id";

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    org_id: OrgKey,
    uuid: uuid::Uuid,
    attempts: i32,
    created_at: i64,
    channel_id: ChannelKey,
    channel_uuid: uuid::Uuid,
    channel_name: String,
    channel_kind: String,
    sealed_settings: Vec<u8>,
    payload: Option<Json<Notice>>,
    monitor_uuid: Option<uuid::Uuid>,
    monitor_name: Option<String>,
    monitor_kind: Option<String>,
    target: Option<String>,
    incident_uuid: Option<uuid::Uuid>,
    started_at: Option<i64>,
    confirmed_at: Option<i64>,
    resolved_at: Option<i64>,
    failure: Option<String>,
    message: Option<String>,
    detail: Option<serde_json::Value>,
}

impl Row {
    fn leased(self, until: Timestamp) -> Result<Leased, StoreError> {
        let row = self.id;
        let lost = |column| StoreError::Inconsistent { table: "deliveries", column, row };
        let incident = self.incident();
        let about = match self.payload {
            None => None,
            Some(Json(notice)) => Some(About {
                notice,
                monitor: MonitorId(self.monitor_uuid.ok_or_else(|| lost("notice_id"))?),
                name: self.monitor_name.ok_or_else(|| lost("notice_id"))?,
                kind: self.monitor_kind.ok_or_else(|| lost("notice_id"))?,
                target: self.target.ok_or_else(|| lost("notice_id"))?,
                incident,
            }),
        };
        Ok(Leased {
            key: DeliveryKey(row),
            org: self.org_id,
            id: DeliveryId(self.uuid),
            until,
            attempts: self.attempts,
            created_at: Timestamp::from_micros(self.created_at),
            channel: LeasedChannel {
                key: self.channel_id,
                id: ChannelId(self.channel_uuid),
                name: self.channel_name,
                kind: self.channel_kind,
                settings: Sealed(self.sealed_settings),
            },
            about,
        })
    }

    fn incident(&self) -> Option<IncidentNow> {
        let failure = self.failure.as_deref()?;
        Some(IncidentNow {
            id: IncidentId(self.incident_uuid?),
            started_at: Timestamp::from_micros(self.started_at?),
            confirmed_at: Timestamp::from_micros(self.confirmed_at?),
            resolved_at: self.resolved_at.map(Timestamp::from_micros),
            failure: FailureKind::ALL
                .iter()
                .copied()
                .find(|kind| kind.as_str() == failure)
                .unwrap_or(FailureKind::Other),
            message: self.message.clone()?,
            detail: self.detail.clone().unwrap_or_default(),
        })
    }
}

/// Records an attempt, and ends the delivery or sets its next try, if the lease is still held. False when it was not.
///
/// # Errors
/// When the database fails.
pub async fn record(
    conn: &mut Worker,
    leased: &Leased,
    attempt: Attempt,
    answer: &str,
    took: Duration,
    at: Timestamp,
) -> Result<bool, StoreError> {
    sqlx::query(
        "INSERT INTO delivery_attempts (org_id, delivery_id, at, took_us, result, answer) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(leased.org)
    .bind(leased.key)
    .bind(at.micros())
    .bind(i64::try_from(took.as_micros()).unwrap_or(i64::MAX))
    .bind(attempt.as_str())
    .bind(answer)
    .execute(conn.conn())
    .await?;
    let (state, next_at) = match attempt {
        Attempt::Retry { next_at } => ("pending", Some(next_at.micros())),
        ended => (ended.as_str(), None),
    };
    let done = sqlx::query(
        "UPDATE deliveries SET state = $3, attempts = attempts + 1, leased_until = NULL,
                next_at = coalesce($4, next_at), ended_at = CASE WHEN $4 IS NULL THEN $5 END
         WHERE id = $1 AND state = 'pending' AND leased_until = $2",
    )
    .bind(leased.key)
    .bind(leased.until.micros())
    .bind(state)
    .bind(next_at)
    .bind(at.micros())
    .execute(conn.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// When the next delivery is due or its lease runs out; `None` when nothing waits.
///
/// # Errors
/// When the database fails.
pub async fn next_due(conn: &mut Worker) -> Result<Option<Timestamp>, StoreError> {
    let due: Option<i64> = sqlx::query_scalar(
        "SELECT min(greatest(next_at, coalesce(leased_until, 0))) FROM deliveries WHERE state = 'pending'",
    )
    .fetch_one(conn.conn())
    .await?;
    Ok(due.map(Timestamp::from_micros))
}

/// Where a delivery stands; `None` when there is no such delivery.
///
/// # Errors
/// When the database fails.
pub async fn progress(conn: &mut Scoped, id: DeliveryId) -> Result<Option<Progress>, StoreError> {
    let row: Option<(String, i32, Option<String>)> = sqlx::query_as(
        "SELECT d.state, d.attempts, (SELECT answer FROM delivery_attempts a WHERE a.delivery_id = d.id ORDER BY a.id DESC LIMIT 1)
         FROM deliveries d WHERE d.uuid = $1",
    )
    .bind(id.0)
    .fetch_optional(conn.conn())
    .await?;
    Ok(row.map(|(state, attempts, answer)| Progress { state, attempts, answer }))
}
