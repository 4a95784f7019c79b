//! Sessions of signed-in browsers, and links that work once. Only hashes of tokens are here.

use std::time::Duration;

use picket_shared::ids::SessionId;
use picket_shared::time::Timestamp;

use super::{Auth, Conn, OrgKey, StoreError, UserKey};

/// A session that is not used for so long ends.
pub const IDLE: Duration = Duration::from_secs(86_400);

/// Who a session belongs to.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct SessionRow {
    /// Its row.
    pub id: i64,
    /// Whose it is.
    pub user_id: UserKey,
    /// What names that user outside.
    pub uuid: uuid::Uuid,
    /// What that user signs in with.
    pub email: String,
    /// The organization that the session is in: the one that was chosen, or else the first one joined. None when the user
    /// is not in it (any more).
    pub org_id: Option<OrgKey>,
    /// What the user may do there.
    pub role: Option<String>,
    /// What it is called.
    pub org_name: Option<String>,
    /// Through which managing organization, if not as a member.
    pub through_id: Option<uuid::Uuid>,
    /// What that is called.
    pub through_name: Option<String>,
    /// Whether the organization manages others.
    pub manages: bool,
    /// Whether it wants a second factor, and the user has none.
    pub lacks_factor: bool,
    /// The other organizations that the user belongs to, by name.
    pub other_ids: Vec<uuid::Uuid>,
    /// What they are called.
    pub other_names: Vec<String>,
    /// When it was last used, to a minute or so.
    pub seen_at: i64,
    /// When who is behind it last gave a password or a second factor.
    pub proven_at: Option<i64>,
}

/// A session that begins.
#[derive(Clone, Copy, Debug)]
pub struct NewSession<'a> {
    /// Of its token.
    pub token_hash: &'a [u8; 32],
    /// Whose it is.
    pub user: UserKey,
    /// In which organization; the first one joined if none.
    pub org: Option<OrgKey>,
    /// Whether a password or a second factor was just given.
    pub proven: bool,
    /// Which browser it says it is.
    pub browser: Option<&'a str>,
    /// Which system that says it runs on.
    pub system: Option<&'a str>,
}

/// A session in the list of its user's.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ListedSession {
    /// Its name outside.
    pub uuid: uuid::Uuid,
    /// Which browser it is.
    pub browser: Option<String>,
    /// Which system that runs on.
    pub system: Option<String>,
    /// When the user signed in.
    pub created_at: i64,
    /// When it was last used, to a minute or so.
    pub seen_at: i64,
    /// Whether it is the one that asks.
    pub own: bool,
}

/// Begins a session.
///
/// # Errors
/// When the database fails.
pub async fn insert(
    auth: &mut Auth,
    new: &NewSession<'_>,
    now: Timestamp,
    expires: Timestamp,
) -> Result<(), StoreError> {
    let done = sqlx::query(
        "INSERT INTO sessions (uuid, token_hash, user_id, created_at, seen_at, expires_at, proven_at, browser, system,
                               chosen_org_id)
         VALUES ($1, $2, $3, $4, $4, $5, $6, $7, $8, $9)",
    )
    .bind(SessionId::at(now).0)
    .bind(new.token_hash.as_slice())
    .bind(new.user)
    .bind(now.micros())
    .bind(expires.micros())
    .bind(new.proven.then_some(now.micros()))
    .bind(new.browser)
    .bind(new.system)
    .bind(new.org)
    .execute(auth.conn())
    .await?;
    StoreError::expect_rows("sessions", 1, done.rows_affected())
}

/// The session of a token, unless it is over or was not used since `idle_since`.
///
/// # Errors
/// When the database fails.
pub async fn find(
    auth: &mut Auth,
    token_hash: &[u8; 32],
    now: Timestamp,
    idle_since: Timestamp,
) -> Result<Option<SessionRow>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT s.id, s.user_id, u.uuid, u.email, m.org_id, m.role, m.name AS org_name, s.seen_at, s.proven_at,
                t.uuid AS through_id, t.name AS through_name,
                EXISTS (SELECT FROM managements g WHERE g.manager_id = m.org_id AND g.ended_at IS NULL) AS manages,
                m.second_factor_since IS NOT NULL AND NOT has_second_factor(u.id) AS lacks_factor,
                coalesce(other.ids, '{}') AS other_ids, coalesce(other.names, '{}') AS other_names
         FROM sessions s JOIN users u ON u.id = s.user_id AND u.deleted_at IS NULL
         LEFT JOIN LATERAL (
             SELECT m.org_id, m.role, m.through, o.name, o.second_factor_since
             FROM live_access($2) m JOIN organizations o ON o.id = m.org_id
             WHERE m.user_id = u.id AND (s.chosen_org_id IS NULL OR m.org_id = s.chosen_org_id)
             ORDER BY m.through IS NOT NULL, m.created_at, m.org_id LIMIT 1) m ON true
         LEFT JOIN organizations t ON t.id = m.through
         LEFT JOIN LATERAL (
             SELECT array_agg(o.uuid ORDER BY o.name) AS ids, array_agg(o.name ORDER BY o.name) AS names
             FROM live_memberships($2) x JOIN organizations o ON o.id = x.org_id
             WHERE x.user_id = u.id AND x.org_id IS DISTINCT FROM m.org_id) other ON true
         WHERE s.token_hash = $1 AND s.expires_at > $2 AND s.seen_at > $3",
    )
    .bind(token_hash.as_slice())
    .bind(now.micros())
    .bind(idle_since.micros())
    .fetch_optional(auth.conn())
    .await?)
}

/// The sessions of a user that go on: that of `token_hash` first, then the last used.
///
/// # Errors
/// When the database fails.
pub async fn list(
    auth: &mut Auth,
    user: UserKey,
    token_hash: Option<&[u8; 32]>,
    now: Timestamp,
) -> Result<Vec<ListedSession>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT uuid, browser, system, created_at, seen_at, coalesce(token_hash = $2, false) AS own FROM sessions
         WHERE user_id = $1 AND expires_at > $3 AND seen_at > $4 ORDER BY own DESC, seen_at DESC, id DESC",
    )
    .bind(user)
    .bind(token_hash.map(<[u8; 32]>::as_slice))
    .bind(now.micros())
    .bind((now - IDLE).micros())
    .fetch_all(auth.conn())
    .await?)
}

/// Gives a session another token, as whoever is behind it has just given a password or a second factor. False when the
/// session is over.
///
/// # Errors
/// When the database fails.
pub async fn renew(
    auth: &mut Auth,
    token_hash: &[u8; 32],
    new_hash: &[u8; 32],
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE sessions SET token_hash = $2, proven_at = $3, seen_at = $3 WHERE token_hash = $1")
        .bind(token_hash.as_slice())
        .bind(new_hash.as_slice())
        .bind(now.micros())
        .execute(auth.conn())
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Moves a session into an organization, under another token. False when the session is over.
///
/// # Errors
/// When the database fails.
pub async fn choose(
    auth: &mut Auth,
    token_hash: &[u8; 32],
    new_hash: &[u8; 32],
    org: OrgKey,
) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE sessions SET token_hash = $2, chosen_org_id = $3 WHERE token_hash = $1")
        .bind(token_hash.as_slice())
        .bind(new_hash.as_slice())
        .bind(org)
        .execute(auth.conn())
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends every session that a user has in an organization, but that of a token.
///
/// # Errors
/// When the database fails.
pub async fn end_in(auth: &mut Auth, org: OrgKey, user: UserKey, but: Option<&[u8; 32]>) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM sessions WHERE user_id = $2 AND token_hash IS DISTINCT FROM $3
            AND (chosen_org_id = $1 OR chosen_org_id IS NULL)",
    )
    .bind(org)
    .bind(user)
    .bind(but.map(<[u8; 32]>::as_slice))
    .execute(auth.conn())
    .await?;
    Ok(())
}

/// Notes that a session is used.
///
/// # Errors
/// When the database fails.
pub async fn seen(auth: &mut Auth, session: i64, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query("UPDATE sessions SET seen_at = $2 WHERE id = $1 AND seen_at < $2")
        .bind(session)
        .bind(now.micros())
        .execute(auth.conn())
        .await?;
    Ok(())
}

/// Ends the session of a token.
///
/// # Errors
/// When the database fails.
pub async fn end(auth: &mut Auth, token_hash: &[u8; 32]) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sessions WHERE token_hash = $1").bind(token_hash.as_slice()).execute(auth.conn()).await?;
    Ok(())
}

/// Ends one session of a user. False when the user has none of that name.
///
/// # Errors
/// When the database fails.
pub async fn end_one(auth: &mut Auth, user: UserKey, session: uuid::Uuid) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND uuid = $2")
        .bind(user)
        .bind(session)
        .execute(auth.conn())
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends every session of a user but that of a token; without one, every session.
///
/// # Errors
/// When the database fails.
pub async fn end_all(auth: &mut Auth, user: UserKey, but: Option<&[u8; 32]>) -> Result<u64, StoreError> {
    let done = sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND token_hash IS DISTINCT FROM $2")
        .bind(user)
        .bind(but.map(<[u8; 32]>::as_slice))
        .execute(auth.conn())
        .await?;
    Ok(done.rows_affected())
}

/// Deletes sessions, links, challenges and first halves of signing in that are over.
///
/// # Errors
/// When the database fails.
pub async fn forget_ended(auth: &mut Auth, now: Timestamp, idle_since: Timestamp) -> Result<u64, StoreError> {
    let mut deleted = sqlx::query("DELETE FROM sessions WHERE expires_at <= $1 OR seen_at <= $2")
        .bind(now.micros())
        .bind(idle_since.micros())
        .execute(auth.conn())
        .await?
        .rows_affected();
    for over in [
        "DELETE FROM one_time_links WHERE expires_at <= $1",
        "DELETE FROM account_links WHERE expires_at <= $1",
        "DELETE FROM address_changes WHERE expires_at <= $1",
        "DELETE FROM half_sign_ins WHERE expires_at <= $1",
        "DELETE FROM passkey_challenges WHERE expires_at <= $1",
    ] {
        deleted += sqlx::query(over).bind(now.micros()).execute(auth.conn()).await?.rows_affected();
    }
    Ok(deleted)
}

/// Makes the set-up link; every earlier one ends.
///
/// # Errors
/// When the database fails.
pub async fn replace_set_up_link(
    auth: &mut Auth,
    token_hash: &[u8; 32],
    now: Timestamp,
    expires: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM one_time_links WHERE purpose = 'set_up'").execute(auth.conn()).await?;
    let done = sqlx::query(
        "INSERT INTO one_time_links (token_hash, purpose, created_at, expires_at) VALUES ($1, 'set_up', $2, $3)",
    )
    .bind(token_hash.as_slice())
    .bind(now.micros())
    .bind(expires.micros())
    .execute(auth.conn())
    .await?;
    StoreError::expect_rows("one_time_links", 1, done.rows_affected())
}

/// Whether the set-up link of a token still works.
///
/// # Errors
/// When the database fails.
pub async fn set_up_link_works(auth: &mut Auth, token_hash: &[u8; 32], now: Timestamp) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM one_time_links
                        WHERE token_hash = $1 AND purpose = 'set_up' AND used_at IS NULL AND expires_at > $2)",
    )
    .bind(token_hash.as_slice())
    .bind(now.micros())
    .fetch_one(auth.conn())
    .await?)
}

/// Uses the set-up link up. False when it does not work (any more): of two at once, one wins.
///
/// # Errors
/// When the database fails.
pub async fn use_set_up_link(auth: &mut Auth, token_hash: &[u8; 32], now: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE one_time_links SET used_at = $2
         WHERE token_hash = $1 AND purpose = 'set_up' AND used_at IS NULL AND expires_at > $2",
    )
    .bind(token_hash.as_slice())
    .bind(now.micros())
    .execute(auth.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}
