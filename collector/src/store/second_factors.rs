//! Second factors: secrets of one-time codes (sealed), recovery codes (hashed), and who gave the first of two factors.
//!
//! A code works once, however many use it at the same moment: the statement that uses it is the comparison.

use std::collections::HashSet;
use std::time::Duration;

use picket_shared::secret::Sealed;
use picket_shared::time::Timestamp;

use super::{Auth, Conn, StoreError, UserKey};

/// For so long the second factor may come after the first.
pub const HALF_LIFE: Duration = Duration::from_secs(10 * 60);
/// So many wrong codes end it.
pub const TRIES: i32 = 5;

/// A secret of one-time codes.
#[derive(Clone, Debug)]
pub struct Totp {
    /// The secret.
    pub sealed: Sealed,
    /// Since when it is asked for; none while it is being set up.
    pub confirmed_at: Option<Timestamp>,
}

/// Begins to set one up, in place of one that was begun before. False when there is one already.
///
/// # Errors
/// When the database fails.
pub async fn begin(auth: &mut Auth, user: UserKey, sealed: &Sealed, now: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO totp_secrets AS t (user_id, sealed_secret, created_at) VALUES ($1, $2, $3)
         ON CONFLICT (user_id) DO UPDATE SET sealed_secret = $2, created_at = $3 WHERE t.confirmed_at IS NULL",
    )
    .bind(user)
    .bind(&sealed.0)
    .bind(now.micros())
    .execute(auth.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A user's secret.
///
/// # Errors
/// When the database fails.
pub async fn find(auth: &mut Auth, user: UserKey) -> Result<Option<Totp>, StoreError> {
    let row: Option<(Vec<u8>, Option<i64>)> =
        sqlx::query_as("SELECT sealed_secret, confirmed_at FROM totp_secrets WHERE user_id = $1")
            .bind(user)
            .fetch_optional(auth.conn())
            .await?;
    Ok(row.map(|(sealed, at)| Totp { sealed: Sealed(sealed), confirmed_at: at.map(Timestamp::from_micros) }))
}

/// Whether a user is asked for a second factor: a code by time, or a passkey.
///
/// # Errors
/// When the database fails.
pub async fn is_wanted(auth: &mut Auth, user: UserKey) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar("SELECT has_second_factor($1)").bind(user).fetch_one(auth.conn()).await?)
}

/// Which of these users are asked for a second factor.
///
/// # Errors
/// When the database fails.
pub async fn wanted_of(auth: &mut Auth, users: &[UserKey]) -> Result<HashSet<UserKey>, StoreError> {
    let keys: Vec<UserKey> =
        sqlx::query_scalar("SELECT user_id FROM unnest($1) t (user_id) WHERE has_second_factor(user_id)")
            .bind(users.iter().map(|user| user.0).collect::<Vec<_>>())
            .fetch_all(auth.conn())
            .await?;
    Ok(keys.into_iter().collect())
}

/// From now on it is asked for, and the code of `step` is used. False when it is so already, or nothing was begun.
///
/// # Errors
/// When the database fails.
pub async fn confirm(auth: &mut Auth, user: UserKey, step: i64, now: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE totp_secrets SET confirmed_at = $3, last_step = $2
         WHERE user_id = $1 AND confirmed_at IS NULL AND last_step < $2",
    )
    .bind(user)
    .bind(step)
    .bind(now.micros())
    .execute(auth.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Uses the code of a step. False when it, or a later one, was used before: of many at once, one wins.
///
/// # Errors
/// When the database fails.
pub async fn use_step(auth: &mut Auth, user: UserKey, step: i64) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE totp_secrets SET last_step = $2 WHERE user_id = $1 AND confirmed_at IS NOT NULL AND last_step < $2",
    )
    .bind(user)
    .bind(step)
    .execute(auth.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes a user's codes by time away. False when there were none.
///
/// # Errors
/// When the database fails.
pub async fn remove_totp(auth: &mut Auth, user: UserKey) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM totp_secrets WHERE user_id = $1").bind(user).execute(auth.conn()).await?;
    Ok(done.rows_affected() == 1)
}

/// Takes every second factor of a user away: codes by time, passkeys, recovery codes. False when there was none.
///
/// # Errors
/// When the database fails.
pub async fn remove_all(auth: &mut Auth, user: UserKey) -> Result<bool, StoreError> {
    let passkeys = sqlx::query("DELETE FROM passkeys WHERE user_id = $1").bind(user).execute(auth.conn()).await?;
    let totp = remove_totp(auth, user).await?;
    forget_recovery_codes(auth, user).await?;
    Ok(totp || passkeys.rows_affected() > 0)
}

/// Takes a user's recovery codes away, if there is no second factor whose loss they are for.
///
/// # Errors
/// When the database fails.
pub async fn forget_recovery_codes(auth: &mut Auth, user: UserKey) -> Result<(), StoreError> {
    if !is_wanted(auth, user).await? {
        sqlx::query("DELETE FROM recovery_codes WHERE user_id = $1").bind(user).execute(auth.conn()).await?;
    }
    Ok(())
}

/// Gives a user these recovery codes in place of all others.
///
/// # Errors
/// When the database fails.
pub async fn replace_recovery_codes(
    auth: &mut Auth,
    user: UserKey,
    hashes: &[[u8; 32]],
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM recovery_codes WHERE user_id = $1").bind(user).execute(auth.conn()).await?;
    let done = sqlx::query(
        "INSERT INTO recovery_codes (code_hash, user_id, created_at) SELECT hash, $2, $3 FROM unnest($1::bytea[]) AS hash",
    )
    .bind(hashes.iter().map(<[u8; 32]>::as_slice).collect::<Vec<_>>())
    .bind(user)
    .bind(now.micros())
    .execute(auth.conn())
    .await?;
    StoreError::expect_rows("recovery_codes", hashes.len() as u64, done.rows_affected())
}

/// Uses a recovery code. False when the user has none like it, or it was used: of many at once, one wins.
///
/// # Errors
/// When the database fails.
pub async fn use_recovery_code(
    auth: &mut Auth,
    user: UserKey,
    hash: &[u8; 32],
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done =
        sqlx::query("UPDATE recovery_codes SET used_at = $3 WHERE code_hash = $1 AND user_id = $2 AND used_at IS NULL")
            .bind(hash.as_slice())
            .bind(user)
            .bind(now.micros())
            .execute(auth.conn())
            .await?;
    Ok(done.rows_affected() == 1)
}

/// How many recovery codes a user has left.
///
/// # Errors
/// When the database fails.
pub async fn recovery_codes_left(auth: &mut Auth, user: UserKey) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar("SELECT count(*) FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL")
        .bind(user)
        .fetch_one(auth.conn())
        .await?)
}

/// Notes that a user gave the first factor.
///
/// # Errors
/// When the database fails.
pub async fn insert_half(
    auth: &mut Auth,
    token_hash: &[u8; 32],
    user: UserKey,
    now: Timestamp,
) -> Result<(), StoreError> {
    let done =
        sqlx::query("INSERT INTO half_sign_ins (token_hash, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4)")
            .bind(token_hash.as_slice())
            .bind(user)
            .bind(now.micros())
            .bind((now + HALF_LIFE).micros())
            .execute(auth.conn())
            .await?;
    StoreError::expect_rows("half_sign_ins", 1, done.rows_affected())
}

/// Who gave the first factor, if there is a try left; counts the try.
///
/// # Errors
/// When the database fails.
pub async fn try_half(auth: &mut Auth, token_hash: &[u8; 32], now: Timestamp) -> Result<Option<UserKey>, StoreError> {
    Ok(sqlx::query_scalar(
        "UPDATE half_sign_ins SET tries = tries + 1 WHERE token_hash = $1 AND expires_at > $2 AND tries < $3
         RETURNING user_id",
    )
    .bind(token_hash.as_slice())
    .bind(now.micros())
    .bind(TRIES)
    .fetch_optional(auth.conn())
    .await?)
}

/// Who gave the first factor, without a try.
///
/// # Errors
/// When the database fails.
pub async fn find_half(auth: &mut Auth, token_hash: &[u8; 32], now: Timestamp) -> Result<Option<UserKey>, StoreError> {
    Ok(sqlx::query_scalar("SELECT user_id FROM half_sign_ins WHERE token_hash = $1 AND expires_at > $2 AND tries < $3")
        .bind(token_hash.as_slice())
        .bind(now.micros())
        .bind(TRIES)
        .fetch_optional(auth.conn())
        .await?)
}

/// Ends it: the second factor came, or who began it is to begin anew.
///
/// # Errors
/// When the database fails.
pub async fn end_half(auth: &mut Auth, token_hash: &[u8; 32]) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM half_sign_ins WHERE token_hash = $1")
        .bind(token_hash.as_slice())
        .execute(auth.conn())
        .await?;
    Ok(())
}

/// Ends every half sign-in of a user.
///
/// # Errors
/// When the database fails.
pub async fn end_halves(auth: &mut Auth, user: UserKey) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM half_sign_ins WHERE user_id = $1").bind(user).execute(auth.conn()).await?;
    Ok(())
}
