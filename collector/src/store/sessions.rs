//! Sessions of signed-in browsers, and links that work once. Only hashes of tokens are here.

use std::time::Duration;

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
    /// The organization that the user belongs to; the first one joined.
    pub org_id: OrgKey,
    /// What the user may do there.
    pub role: String,
    /// When it was last used, to a minute or so.
    pub seen_at: i64,
}

/// Begins a session.
///
/// # Errors
/// When the database fails.
pub async fn insert(
    auth: &mut Auth,
    token_hash: &[u8; 32],
    user: UserKey,
    now: Timestamp,
    expires: Timestamp,
) -> Result<(), StoreError> {
    let done = sqlx::query(
        "INSERT INTO sessions (token_hash, user_id, created_at, seen_at, expires_at) VALUES ($1, $2, $3, $3, $4)",
    )
    .bind(token_hash.as_slice())
    .bind(user)
    .bind(now.micros())
    .bind(expires.micros())
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
        "SELECT s.id, s.user_id, u.uuid, u.email, m.org_id, m.role, s.seen_at
         FROM sessions s JOIN users u ON u.id = s.user_id AND u.deleted_at IS NULL
         JOIN LATERAL (SELECT m.org_id, m.role FROM memberships m JOIN organizations o ON o.id = m.org_id
                       WHERE m.user_id = u.id AND o.deleted_at IS NULL ORDER BY m.created_at, m.org_id LIMIT 1) m ON true
         WHERE s.token_hash = $1 AND s.expires_at > $2 AND s.seen_at > $3",
    )
    .bind(token_hash.as_slice())
    .bind(now.micros())
    .bind(idle_since.micros())
    .fetch_optional(auth.conn())
    .await?)
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

/// Ends every session of a user.
///
/// # Errors
/// When the database fails.
pub async fn end_all(auth: &mut Auth, user: UserKey) -> Result<u64, StoreError> {
    Ok(sqlx::query("DELETE FROM sessions WHERE user_id = $1").bind(user).execute(auth.conn()).await?.rows_affected())
}

/// Deletes sessions and links that are over.
///
/// # Errors
/// When the database fails.
pub async fn forget_ended(auth: &mut Auth, now: Timestamp, idle_since: Timestamp) -> Result<u64, StoreError> {
    let sessions = sqlx::query("DELETE FROM sessions WHERE expires_at <= $1 OR seen_at <= $2")
        .bind(now.micros())
        .bind(idle_since.micros())
        .execute(auth.conn())
        .await?;
    let links = sqlx::query("DELETE FROM one_time_links WHERE expires_at <= $1")
        .bind(now.micros())
        .execute(auth.conn())
        .await?;
    Ok(sessions.rows_affected() + links.rows_affected())
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
