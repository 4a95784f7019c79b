//! Browsers that a user was let in from. Only hashes of their cookies are here.

use std::time::Duration;

use picket_shared::time::Timestamp;

use super::{Auth, Conn, StoreError, UserKey};

/// A browser that nobody signs in from for so long is forgotten.
pub const LIFE: Duration = Duration::from_secs(365 * 86_400);

/// Whether a user was let in from the browser of that cookie. Without a user or a cookie it costs the same and is not so.
///
/// # Errors
/// When the database fails.
pub async fn knows(
    auth: &mut Auth,
    user: Option<UserKey>,
    token_hash: Option<&[u8; 32]>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM devices WHERE token_hash = $1 AND user_id = $2 AND expires_at > $3)",
    )
    .bind(token_hash.map(<[u8; 32]>::as_slice))
    .bind(user)
    .bind(now.micros())
    .fetch_one(auth.conn())
    .await?)
}

/// Whether anybody was let in from the browser of that cookie: whether the cookie is one of ours.
///
/// # Errors
/// When the database fails.
pub async fn is_ours(auth: &mut Auth, token_hash: &[u8; 32], now: Timestamp) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT FROM devices WHERE token_hash = $1 AND expires_at > $2)")
        .bind(token_hash.as_slice())
        .bind(now.micros())
        .fetch_one(auth.conn())
        .await?)
}

/// The hashes of the browsers of each of these users.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn of(auth: &mut Auth, users: &[UserKey]) -> Result<Vec<(UserKey, [u8; 32])>, StoreError> {
    let rows: Vec<(UserKey, Vec<u8>)> =
        sqlx::query_as("SELECT user_id, token_hash FROM devices WHERE user_id = ANY($1) ORDER BY id")
            .bind(users.iter().map(|user| user.0).collect::<Vec<_>>())
            .fetch_all(auth.conn())
            .await?;
    let read = |(user, hash): (UserKey, Vec<u8>)| {
        let unreadable = |_| StoreError::Inconsistent { table: "devices", column: "token_hash", row: user.0 };
        Ok((user, hash.try_into().map_err(unreadable)?))
    };
    rows.into_iter().map(read).collect()
}

/// Notes that a user was let in from a browser.
///
/// # Errors
/// When the database fails.
pub async fn note(auth: &mut Auth, user: UserKey, token_hash: &[u8; 32], now: Timestamp) -> Result<(), StoreError> {
    let done = sqlx::query(
        "INSERT INTO devices (token_hash, user_id, created_at, seen_at, expires_at) VALUES ($1, $2, $3, $3, $4)
         ON CONFLICT ON CONSTRAINT devices_token_user DO UPDATE SET seen_at = $3, expires_at = $4",
    )
    .bind(token_hash.as_slice())
    .bind(user)
    .bind(now.micros())
    .bind((now + LIFE).micros())
    .execute(auth.conn())
    .await?;
    StoreError::expect_rows("devices", 1, done.rows_affected())
}

/// Forgets every browser of a user but that of a cookie; without one, every browser.
///
/// # Errors
/// When the database fails.
pub async fn forget(auth: &mut Auth, user: UserKey, but: Option<&[u8; 32]>) -> Result<u64, StoreError> {
    let done = sqlx::query("DELETE FROM devices WHERE user_id = $1 AND token_hash IS DISTINCT FROM $2")
        .bind(user)
        .bind(but.map(<[u8; 32]>::as_slice))
        .execute(auth.conn())
        .await?;
    Ok(done.rows_affected())
}

/// Forgets browsers that nobody signed in from for long.
///
/// # Errors
/// When the database fails.
pub async fn forget_expired(auth: &mut Auth, now: Timestamp) -> Result<u64, StoreError> {
    Ok(sqlx::query("DELETE FROM devices WHERE expires_at <= $1")
        .bind(now.micros())
        .execute(auth.conn())
        .await?
        .rows_affected())
}
