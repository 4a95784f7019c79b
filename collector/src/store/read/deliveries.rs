//! Messages to channels, page by page, and one with every try.

use picket_shared::ids::{ChannelId, DeliveryId, IncidentId};
use sqlx::{Postgres, QueryBuilder};

use crate::store::{Conn, Scoped, StoreError};

/// A message to a channel.
#[derive(Clone, Debug, sqlx::FromRow)]
#[expect(missing_docs, reason = "the columns of `deliveries`")]
pub struct DeliveryRow {
    pub id: i64,
    pub uuid: uuid::Uuid,
    /// What it tells: a notice's kind, `test` or `proof`.
    pub kind: String,
    /// The channel.
    pub channel: uuid::Uuid,
    pub channel_name: String,
    pub channel_kind: String,
    /// Whether the channel was removed, is not verified, or was told of the same incident since.
    pub unwanted: bool,
    /// The incident that it tells of.
    pub incident: Option<uuid::Uuid>,
    /// What it is about: the incident's title, or the monitor's name.
    pub about: Option<String>,
    pub state: String,
    pub attempts: i32,
    pub next_at: i64,
    pub created_at: i64,
    pub ended_at: Option<i64>,
    pub reported: Option<String>,
    pub reported_at: Option<i64>,
    pub reported_why: Option<String>,
    /// The answer to the last try.
    pub answer: Option<String>,
}

impl DeliveryRow {
    /// Where it stands: `pending`, `sent`, `failed` or `superseded`; `delivered` or `undelivered` where the provider said so.
    pub fn standing(&self) -> &str {
        self.reported.as_deref().unwrap_or(&self.state)
    }

    /// Whether it may be asked for again: it was given up, tells of a notice, and its channel still wants it.
    pub fn may_be_asked_again(&self) -> bool {
        self.state == "failed" && !self.unwanted && !matches!(self.kind.as_str(), "test" | "proof")
    }
}

/// One try.
#[derive(Clone, Debug, sqlx::FromRow)]
#[expect(missing_docs, reason = "the columns of `delivery_attempts`")]
pub struct AttemptRow {
    pub at: i64,
    pub took_us: i64,
    pub result: String,
    pub status: Option<i32>,
    pub request_id: Option<String>,
    pub answer: String,
}

/// Which are wanted; each field that is there narrows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chosen {
    /// To this channel.
    pub channel: Option<ChannelId>,
    /// Of this incident.
    pub incident: Option<IncidentId>,
    /// Those that stand so.
    pub standing: Option<Standing>,
}

/// How messages can be chosen by where they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// To be sent, or tried again.
    Pending,
    /// Taken by the provider, which did not say since that it could not deliver it.
    Sent,
    /// Given up, or taken and not delivered.
    Failed,
    /// Not wanted any more before it was sent.
    Superseded,
}

impl Standing {
    /// Every one, in the order of a message's life.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Sent, Self::Failed, Self::Superseded];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
        }
    }

    /// The one of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.as_str() == name)
    }

    const fn condition(self) -> &'static str {
        match self {
            Self::Pending => " AND d.state = 'pending'",
            Self::Sent => " AND d.state = 'sent' AND d.reported IS DISTINCT FROM 'undelivered'",
            Self::Failed => " AND (d.state = 'failed' OR d.reported = 'undelivered')",
            Self::Superseded => " AND d.state = 'superseded'",
        }
    }
}

const SELECT: &str = "SELECT d.id, d.uuid, coalesce(n.kind, d.payload ->> 'kind', 'test') AS kind, c.uuid AS channel, c.name AS channel_name,
        c.kind AS channel_kind, (c.deleted_at IS NOT NULL OR c.verified_at IS NULL OR c.unset_at IS NOT NULL OR EXISTS (
            SELECT FROM deliveries l JOIN notices ln ON ln.id = l.notice_id WHERE l.channel_id = d.channel_id AND l.id > d.id
                AND l.state IN ('pending', 'sent') AND ln.incident_id = n.incident_id)) AS unwanted,
        i.uuid AS incident, coalesce(i.title, m.name) AS about, d.state, d.attempts, d.next_at, d.created_at, d.ended_at,
        d.reported, d.reported_at, d.reported_why,
        (SELECT a.answer FROM delivery_attempts a WHERE a.delivery_id = d.id ORDER BY a.id DESC LIMIT 1) AS answer
    FROM deliveries d JOIN channels c ON c.id = d.channel_id LEFT JOIN notices n ON n.id = d.notice_id
    LEFT JOIN monitors m ON m.id = n.monitor_id LEFT JOIN incidents i ON i.id = n.incident_id WHERE true";

/// Messages, the newest first, `limit` at most, from the one before `before` on.
///
/// # Errors
/// When the database fails.
pub async fn page(
    scoped: &mut Scoped,
    chosen: Chosen,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<DeliveryRow>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new(SELECT);
    if let Some(channel) = chosen.channel {
        query.push(" AND c.uuid = ").push_bind(channel.0);
    }
    if let Some(incident) = chosen.incident {
        query.push(" AND i.uuid = ").push_bind(incident.0);
    }
    if let Some(standing) = chosen.standing {
        query.push(standing.condition());
    }
    if let Some(before) = before {
        query.push(" AND d.id < ").push_bind(before);
    }
    query.push(" ORDER BY d.id DESC LIMIT ").push_bind(limit);
    Ok(query.build_query_as().fetch_all(scoped.conn()).await?)
}

/// The message of that id, and its tries, the newest first, 500 at most.
///
/// # Errors
/// When the database fails.
pub async fn one(scoped: &mut Scoped, id: DeliveryId) -> Result<Option<(DeliveryRow, Vec<AttemptRow>)>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new(SELECT);
    query.push(" AND d.uuid = ").push_bind(id.0);
    let row: Option<DeliveryRow> = query.build_query_as().fetch_optional(scoped.conn()).await?;
    let Some(row) = row else { return Ok(None) };
    let attempts = sqlx::query_as(
        "SELECT at, took_us, result, status, request_id, answer FROM delivery_attempts WHERE delivery_id = $1
         ORDER BY id DESC LIMIT 500",
    )
    .bind(row.id)
    .fetch_all(scoped.conn())
    .await?;
    Ok(Some((row, attempts)))
}

/// How many were given up, or taken and not delivered, since then.
///
/// # Errors
/// When the database fails.
pub async fn failed_since(scoped: &mut Scoped, since: i64) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT count(*) FROM deliveries WHERE (state = 'failed' OR reported = 'undelivered') AND created_at > $1",
    )
    .bind(since)
    .fetch_one(scoped.conn())
    .await?)
}
