//! What is known of a channel, or of a message, by who answers to it without being signed in: by a link, a button, or as its provider.

use picket_shared::ids::{ChannelId, DeliveryId, IncidentId};
use picket_shared::secret::Sealed;
use picket_shared::time::Timestamp;

use super::{Conn, Scoped, StoreError};

/// A channel whose provider says something.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct HookRow {
    /// Its id, the context of its sealed secret.
    pub uuid: uuid::Uuid,
    /// What it is called.
    pub name: String,
    /// Which of `notify::channels` it is.
    pub kind: String,
    sealed_hook: Vec<u8>,
}

impl HookRow {
    /// What the provider signs by.
    pub fn secret(&self) -> Sealed {
        Sealed(self.sealed_hook.clone())
    }
}

/// The channel of that id, if its provider may say something; `None` also where it or its organization was removed.
///
/// # Errors
/// When the database fails.
pub async fn channel(conn: &mut Scoped, id: ChannelId) -> Result<Option<HookRow>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT c.uuid, c.name, c.kind, c.sealed_hook FROM channels c JOIN organizations o ON o.id = c.org_id
         WHERE c.uuid = $1 AND c.deleted_at IS NULL AND o.deleted_at IS NULL AND c.sealed_hook IS NOT NULL",
    )
    .bind(id.0)
    .fetch_optional(conn.conn())
    .await?)
}

/// What a message told of that can be acknowledged.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The incidents, those that stand first: several where the message was made of several.
    pub incidents: Vec<AskedIncident>,
    /// The channel that was told.
    pub channel: uuid::Uuid,
    /// What that is called.
    pub channel_name: String,
}

/// An incident that a message told of.
#[derive(Clone, Debug)]
pub struct AskedIncident {
    /// Which.
    pub incident: IncidentId,
    /// What it is called: its title, or the monitor's name; nothing where the channel is told as little as possible.
    pub called: Option<String>,
    /// Since when.
    pub started_at: Timestamp,
    /// When somebody acknowledged it.
    pub acknowledged_at: Option<Timestamp>,
    /// When it was over.
    pub resolved_at: Option<Timestamp>,
}

impl AskedIncident {
    /// Whether it waits for somebody.
    pub const fn waits(&self) -> bool {
        self.acknowledged_at.is_none() && self.resolved_at.is_none()
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    incident: uuid::Uuid,
    called: Option<String>,
    started_at: i64,
    acknowledged_at: Option<i64>,
    resolved_at: Option<i64>,
    channel: uuid::Uuid,
    channel_name: String,
}

/// The incidents that a message told of, or others that went out with it; `None` where it told of none, or its channel or organization was removed.
///
/// # Errors
/// When the database fails.
pub async fn asked(conn: &mut Scoped, delivery: DeliveryId) -> Result<Option<Asked>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT DISTINCT ON (i.acknowledged_at IS NOT NULL OR i.resolved_at IS NOT NULL, i.id) i.uuid AS incident, CASE WHEN NOT c.minimal THEN coalesce(i.title, m.name) END AS called, i.started_at,
                i.acknowledged_at, i.resolved_at, c.uuid AS channel, c.name AS channel_name
         FROM deliveries l JOIN deliveries d ON d.id = l.id OR d.folded_into = l.id
         JOIN channels c ON c.id = d.channel_id JOIN notices n ON n.id = d.notice_id
         JOIN incidents i ON i.id = n.incident_id JOIN organizations o ON o.id = d.org_id LEFT JOIN monitors m ON m.id = i.monitor_id
         WHERE l.uuid = $1 AND c.deleted_at IS NULL AND o.deleted_at IS NULL
         ORDER BY i.acknowledged_at IS NOT NULL OR i.resolved_at IS NOT NULL, i.id",
    )
    .bind(delivery.0)
    .fetch_all(conn.conn())
    .await?;
    let Some((channel, channel_name)) = rows.first().map(|row| (row.channel, row.channel_name.clone())) else {
        return Ok(None);
    };
    let incident = |row: Row| AskedIncident {
        incident: IncidentId(row.incident),
        called: row.called,
        started_at: Timestamp::from_micros(row.started_at),
        acknowledged_at: row.acknowledged_at.map(Timestamp::from_micros),
        resolved_at: row.resolved_at.map(Timestamp::from_micros),
    };
    Ok(Some(Asked { incidents: rows.into_iter().map(incident).collect(), channel, channel_name }))
}

/// Notes what became of a message of that channel which its provider had taken; false where there is none such. What it said last
/// stands.
///
/// # Errors
/// When the database fails.
pub async fn report(
    conn: &mut Scoped,
    (channel, delivery): (ChannelId, DeliveryId),
    delivered: bool,
    why: Option<&str>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE deliveries d SET reported = $3, reported_at = $4, reported_why = $5 FROM channels c
         WHERE d.uuid = $2 AND c.id = d.channel_id AND c.uuid = $1",
    )
    .bind(channel.0)
    .bind(delivery.0)
    .bind(if delivered { "delivered" } else { "undelivered" })
    .bind(now.micros())
    .bind(why)
    .execute(conn.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}
