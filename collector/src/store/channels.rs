//! Channels: the configured ways to tell people. Settings are sealed and never read here; only the hint is for people. A
//! channel is told nothing before it is verified. Every change is audited.

use picket_shared::ids::ChannelId;
use picket_shared::secret::Sealed;
use picket_shared::time::Timestamp;
use serde_json::json;

use super::audit::{self, Author};
use super::monitors::{Found, pick};
use super::{Auth, ChannelKey, Conn, OrgKey, Scoped, StoreError};

/// A channel to be made.
#[derive(Clone, Debug)]
pub struct NewChannel<'a> {
    /// Its id, the context of its sealed settings.
    pub id: ChannelId,
    /// What it is called.
    pub name: &'a str,
    /// Which of `notify::channels` it is.
    pub kind: &'a str,
    /// Whom it reaches, shortened.
    pub hint: &'a str,
    /// The provider, where it is not known to be in the EU.
    pub abroad: Option<&'a str>,
    /// Whether its messages name nothing that is watched.
    pub minimal: bool,
}

/// The sealed parts of a channel.
#[derive(Clone, Debug)]
pub struct SealedParts {
    /// Its settings.
    pub settings: Sealed,
    /// What its provider signs by, where that says something back.
    pub hook: Option<Sealed>,
}

impl SealedParts {
    fn hook(&self) -> Option<&[u8]> {
        self.hook.as_ref().map(|hook| hook.0.as_slice())
    }
}

/// A channel as stored, without its settings.
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
    /// The provider, where it is not known to be in the EU.
    pub abroad: Option<String>,
    /// Whether its messages name nothing that is watched.
    pub minimal: bool,
    /// Until when its messages are signed by its former key too, where that was rotated.
    pub former_key_until: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when its owner is known to want messages; it is told nothing without.
    pub verified_at: Option<Timestamp>,
    /// What proved it: `code`, `acceptance`, `operator` or `before` (it was made when nothing was asked).
    pub verified_by: Option<String>,
    /// Since when it has no destination, and why: `erased` (whom it reached is) or `imported` (it was never known here). It is switched
    /// off until it has another.
    pub unset: Option<(Timestamp, String)>,
    /// The last message to it.
    pub last: Option<LastDelivery>,
}

/// The last message to a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastDelivery {
    /// `pending`, `sent`, `failed` or `superseded`; `delivered` or `undelivered` where the provider said what became of it.
    pub state: String,
    /// When it was made, ended, or that was said.
    pub at: Timestamp,
    /// The provider's answer to the last try, if there was one, or why it did not arrive.
    pub answer: Option<String>,
}

/// Makes a channel.
///
/// # Errors
/// Constraint `channels_org_name` when the name is taken; when the database fails.
pub async fn insert(
    conn: &mut Scoped,
    channel: &NewChannel<'_>,
    sealed: &SealedParts,
    now: Timestamp,
) -> Result<ChannelKey, StoreError> {
    let org = conn.org();
    let key = sqlx::query_scalar(
        "INSERT INTO channels (uuid, org_id, name, kind, hint, sealed_settings, created_at, abroad, minimal, sealed_hook)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id",
    )
    .bind(channel.id.0)
    .bind(org)
    .bind(channel.name)
    .bind(channel.kind)
    .bind(channel.hint)
    .bind(sealed.settings.0.as_slice())
    .bind(now.micros())
    .bind(channel.abroad)
    .bind(channel.minimal)
    .bind(sealed.hook())
    .fetch_one(conn.conn())
    .await?;
    let detail = json!({ "name": channel.name, "kind": channel.kind, "hint": channel.hint });
    audit::note(conn, "channel.add", channel.id.0, detail, now).await?;
    Ok(key)
}

/// Makes a channel without a destination, as an export has it: it is switched off until somebody gives it one.
///
/// # Errors
/// Constraint `channels_org_name` when the name is taken; when the database fails.
pub async fn insert_unset(conn: &mut Scoped, channel: &NewChannel<'_>, now: Timestamp) -> Result<(), StoreError> {
    let org = conn.org();
    let done = sqlx::query(
        "INSERT INTO channels (uuid, org_id, name, kind, hint, sealed_settings, created_at, unset_at, unset_why, minimal)
         VALUES ($1, $2, $3, $4, $5, '', $6, $6, 'imported', $7)",
    )
    .bind(channel.id.0)
    .bind(org)
    .bind(channel.name)
    .bind(channel.kind)
    .bind(channel.hint)
    .bind(now.micros())
    .bind(channel.minimal)
    .execute(conn.conn())
    .await?;
    StoreError::expect_rows("channels", 1, done.rows_affected())?;
    let detail = json!({ "name": channel.name, "kind": channel.kind, "hint": channel.hint });
    audit::note(conn, "channel.import", channel.id.0, detail, now).await
}

/// Makes a channel of an organization that is being made, by whoever makes that.
///
/// # Errors
/// Constraint `channels_org_name` when the name is taken; when the database fails.
pub async fn insert_first(
    auth: &mut Auth,
    org: OrgKey,
    channel: &NewChannel<'_>,
    sealed: &SealedParts,
    by: &Author,
    now: Timestamp,
) -> Result<(), StoreError> {
    let done = sqlx::query(
        "INSERT INTO channels (uuid, org_id, name, kind, hint, sealed_settings, created_at, abroad, minimal, sealed_hook)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(channel.id.0)
    .bind(org)
    .bind(channel.name)
    .bind(channel.kind)
    .bind(channel.hint)
    .bind(sealed.settings.0.as_slice())
    .bind(now.micros())
    .bind(channel.abroad)
    .bind(channel.minimal)
    .bind(sealed.hook())
    .execute(auth.conn())
    .await?;
    StoreError::expect_rows("channels", 1, done.rows_affected())?;
    let detail = json!({ "name": channel.name, "kind": channel.kind, "hint": channel.hint });
    audit::append(auth, &by.did("channel.add", &channel.id.to_string(), detail, now)).await
}

#[derive(sqlx::FromRow)]
struct Row {
    id: ChannelKey,
    uuid: uuid::Uuid,
    name: String,
    kind: String,
    hint: String,
    abroad: Option<String>,
    minimal: bool,
    former_key_until: Option<i64>,
    created_at: i64,
    verified_at: Option<i64>,
    verified_by: Option<String>,
    unset_at: Option<i64>,
    unset_why: Option<String>,
    last_state: Option<String>,
    last_at: Option<i64>,
    last_answer: Option<String>,
}

impl From<Row> for ChannelRow {
    fn from(row: Row) -> Self {
        let last = row.last_state.zip(row.last_at).map(|(state, at)| LastDelivery {
            state,
            at: Timestamp::from_micros(at),
            answer: row.last_answer,
        });
        Self {
            key: row.id,
            id: ChannelId(row.uuid),
            name: row.name,
            kind: row.kind,
            hint: row.hint,
            abroad: row.abroad,
            minimal: row.minimal,
            former_key_until: row.former_key_until.map(Timestamp::from_micros),
            created_at: Timestamp::from_micros(row.created_at),
            verified_at: row.verified_at.map(Timestamp::from_micros),
            verified_by: row.verified_by,
            unset: row.unset_at.map(Timestamp::from_micros).zip(row.unset_why),
            last,
        }
    }
}

/// Every channel of the organization, by name.
///
/// # Errors
/// When the database fails.
pub async fn list(conn: &mut Scoped) -> Result<Vec<ChannelRow>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT c.id, c.uuid, c.name, c.kind, c.hint, c.abroad, c.minimal, c.former_key_until, c.created_at, c.verified_at, c.verified_by, c.unset_at,
                c.unset_why, l.state AS last_state, l.at AS last_at, l.answer AS last_answer
         FROM channels c
         LEFT JOIN LATERAL (
             SELECT coalesce(d.reported, d.state) AS state, coalesce(d.reported_at, d.ended_at, d.created_at) AS at,
                    coalesce(d.reported_why,
                        (SELECT a.answer FROM delivery_attempts a WHERE a.delivery_id = d.id ORDER BY a.at DESC, a.id DESC LIMIT 1)) AS answer
             FROM deliveries d WHERE d.channel_id = c.id ORDER BY d.id DESC LIMIT 1) l ON true
         WHERE c.deleted_at IS NULL ORDER BY c.name",
    )
    .fetch_all(conn.conn())
    .await?;
    Ok(rows.into_iter().map(ChannelRow::from).collect())
}

/// The channel of that id; `None` when there is none, or it was removed.
///
/// # Errors
/// When the database fails.
pub async fn get(conn: &mut Scoped, id: ChannelId) -> Result<Option<ChannelRow>, StoreError> {
    Ok(list(conn).await?.into_iter().find(|row| row.id == id))
}

/// The channel of that id or name, or the one whose id begins so (4 characters at least).
///
/// # Errors
/// When the database fails.
pub async fn find(conn: &mut Scoped, text: &str) -> Result<Found<ChannelRow>, StoreError> {
    let rows = list(conn).await?;
    Ok(pick(rows, text, |row| row.id.0, |row| &row.name))
}

/// Gives a channel another name. False when it was removed.
///
/// # Errors
/// Constraint `channels_org_name` when the name is taken; when the database fails.
pub async fn rename(conn: &mut Scoped, row: &ChannelRow, name: &str, now: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE channels SET name = $2 WHERE id = $1 AND deleted_at IS NULL")
        .bind(row.key)
        .bind(name)
        .execute(conn.conn())
        .await?;
    let renamed = done.rows_affected() == 1;
    if renamed {
        audit::note(
            conn,
            "channel.rename",
            row.id.0,
            json!({ "name": name, "before": { "name": row.name }, "after": { "name": name } }),
            now,
        )
        .await?;
    }
    Ok(renamed)
}

/// Says whether the messages to a channel name nothing that is watched. False when it was removed.
///
/// # Errors
/// When the database fails.
pub async fn set_minimal(
    conn: &mut Scoped,
    row: &ChannelRow,
    minimal: bool,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if row.minimal == minimal {
        return Ok(true);
    }
    let done = sqlx::query("UPDATE channels SET minimal = $2 WHERE id = $1 AND deleted_at IS NULL")
        .bind(row.key)
        .bind(minimal)
        .execute(conn.conn())
        .await?;
    let set = done.rows_affected() == 1;
    if set {
        let (was, is) = (json!({ "minimal": row.minimal }), json!({ "minimal": minimal }));
        audit::note(conn, "channel.minimal", row.id.0, json!({ "name": row.name, "before": was, "after": is }), now)
            .await?;
    }
    Ok(set)
}

/// Gives a channel other settings, all of them: it has to be verified anew, and what waits for it is not sent. False when
/// it was removed.
///
/// # Errors
/// When the database fails.
pub async fn replace_settings(
    conn: &mut Scoped,
    row: &ChannelRow,
    (hint, abroad): (&str, Option<&str>),
    sealed: &SealedParts,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE channels SET sealed_settings = $2, hint = $3, abroad = $4, verified_at = NULL, verified_by = NULL, unset_at = NULL,
             unset_why = NULL, sealed_hook = $5, sealed_key = NULL, sealed_former_key = NULL, former_key_until = NULL,
             failing_since = NULL
         WHERE id = $1 AND deleted_at IS NULL",
    )
    .bind(row.key)
    .bind(sealed.settings.0.as_slice())
    .bind(hint)
    .bind(abroad)
    .bind(sealed.hook())
    .execute(conn.conn())
    .await?;
    let replaced = done.rows_affected() == 1;
    if replaced {
        sqlx::query("DELETE FROM channel_proofs WHERE channel_id = $1").bind(row.key).execute(conn.conn()).await?;
        audit::note(
            conn,
            "channel.edit",
            row.id.0,
            json!({ "name": row.name, "before": { "hint": row.hint }, "after": { "hint": hint } }),
            now,
        )
        .await?;
    }
    Ok(replaced)
}

/// Keeps others from changing a channel before this transaction ends. Who changes a channel and its proof locks in this
/// order, so that none wait for each other.
pub(super) async fn lock(conn: &mut impl Conn, key: ChannelKey) -> Result<(), StoreError> {
    sqlx::query("SELECT id FROM channels WHERE id = $1 FOR NO KEY UPDATE").bind(key).execute(conn.conn()).await?;
    Ok(())
}

/// Removes a channel and forgets its settings, and which policies tell it; what still waits for it is not sent. False when it was removed already.
///
/// # Errors
/// When the database fails.
pub async fn remove(conn: &mut Scoped, key: ChannelKey, now: Timestamp) -> Result<bool, StoreError> {
    let removed: Option<(uuid::Uuid, String)> = sqlx::query_as(
        "UPDATE channels SET deleted_at = $2, sealed_settings = '', sealed_hook = NULL, sealed_key = NULL, sealed_former_key = NULL,
             former_key_until = NULL WHERE id = $1 AND deleted_at IS NULL RETURNING uuid, name",
    )
    .bind(key)
    .bind(now.micros())
    .fetch_optional(conn.conn())
    .await?;
    let Some((id, name)) = removed else { return Ok(false) };
    for forget in [
        "DELETE FROM channel_proofs WHERE channel_id = $1",
        "DELETE FROM policy_targets WHERE channel_id = $1",
        "DELETE FROM member_channels WHERE channel_id = $1",
    ] {
        sqlx::query(forget).bind(key).execute(conn.conn()).await?;
    }
    audit::note(conn, "channel.remove", id, json!({ "name": name }), now).await?;
    Ok(true)
}
