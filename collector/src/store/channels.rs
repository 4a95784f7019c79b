//! Channels: the configured ways to tell people. Settings are sealed; only the hint is for people. Every change is audited.

use picket_shared::ids::ChannelId;
use picket_shared::secret::Sealed;
use picket_shared::time::Timestamp;
use serde_json::json;

use super::audit;
use super::monitors::{Found, pick};
use super::{ChannelKey, Conn, Scoped, StoreError};

/// A channel as stored.
#[derive(Clone, Debug)]
pub struct ChannelRow {
    /// Its row.
    pub key: ChannelKey,
    /// Its id.
    pub id: ChannelId,
    /// What it is called.
    pub name: String,
    /// Which of `notify::channels` it is.
    pub kind: String,
    /// Whom it reaches, shortened.
    pub hint: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Makes a channel.
///
/// # Errors
/// Constraint `channels_org_name` when the name is taken; when the database fails.
pub async fn insert(conn: &mut Scoped, channel: &ChannelRow, settings: &Sealed) -> Result<ChannelKey, StoreError> {
    let org = conn.org();
    let key = sqlx::query_scalar(
        "INSERT INTO channels (uuid, org_id, name, kind, hint, sealed_settings, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
    )
    .bind(channel.id.0)
    .bind(org)
    .bind(&channel.name)
    .bind(&channel.kind)
    .bind(&channel.hint)
    .bind(settings.0.as_slice())
    .bind(channel.created_at.micros())
    .fetch_one(conn.conn())
    .await?;
    let detail = json!({ "name": channel.name, "kind": channel.kind, "hint": channel.hint });
    audit::note(conn, "channel.add", channel.id.0, detail, channel.created_at).await?;
    Ok(key)
}

/// Every channel of the organization, by name.
///
/// # Errors
/// When the database fails.
pub async fn list(conn: &mut Scoped) -> Result<Vec<ChannelRow>, StoreError> {
    let rows: Vec<(ChannelKey, uuid::Uuid, String, String, String, i64)> = sqlx::query_as(
        "SELECT id, uuid, name, kind, hint, created_at FROM channels WHERE deleted_at IS NULL ORDER BY name",
    )
    .fetch_all(conn.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|(key, id, name, kind, hint, created_at)| ChannelRow {
            key,
            id: ChannelId(id),
            name,
            kind,
            hint,
            created_at: Timestamp::from_micros(created_at),
        })
        .collect())
}

/// The channel of that id or name, or the one whose id begins so (4 characters at least).
///
/// # Errors
/// When the database fails.
pub async fn find(conn: &mut Scoped, text: &str) -> Result<Found<ChannelRow>, StoreError> {
    let rows = list(conn).await?;
    Ok(pick(rows, text, |row| row.id.0, |row| &row.name))
}

/// Removes a channel and forgets its settings; what still waits for it is not sent. False when it was removed already.
///
/// # Errors
/// When the database fails.
pub async fn remove(conn: &mut Scoped, key: ChannelKey, now: Timestamp) -> Result<bool, StoreError> {
    let removed: Option<(uuid::Uuid, String)> = sqlx::query_as(
        "UPDATE channels SET deleted_at = $2, sealed_settings = '' WHERE id = $1 AND deleted_at IS NULL
         RETURNING uuid, name",
    )
    .bind(key)
    .bind(now.micros())
    .fetch_optional(conn.conn())
    .await?;
    let Some((id, name)) = removed else { return Ok(false) };
    audit::note(conn, "channel.remove", id, json!({ "name": name }), now).await?;
    Ok(true)
}
