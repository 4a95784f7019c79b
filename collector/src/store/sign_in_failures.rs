//! Wrong answers in a row, counted by the hash of what was given, so that an address that nobody has costs the same.
//!
//! The lock is a soft one: it ends by itself, and a known browser (which has a count of its own) or a link in a mail passes.

use std::collections::HashMap;
use std::time::Duration;

use picket_shared::time::Timestamp;

use super::{Auth, Conn, StoreError};

/// So many wrong answers in a row lock.
pub const MOST: i32 = 10;
/// For so long; each further one begins it anew.
pub const LOCK: Duration = Duration::from_secs(15 * 60);
/// Failures are forgotten when there was none for so long.
pub const MEMORY: Duration = Duration::from_secs(86_400);

/// Whether it is locked now.
///
/// # Errors
/// When the database fails.
pub async fn is_locked(auth: &mut Auth, key: &[u8; 32], now: Timestamp) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT FROM sign_in_failures WHERE key = $1 AND locked_until > $2)")
        .bind(key.as_slice())
        .bind(now.micros())
        .fetch_one(auth.conn())
        .await?)
}

/// Until when each of these is locked, of those that are.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn locked(
    auth: &mut Auth,
    keys: &[[u8; 32]],
    now: Timestamp,
) -> Result<HashMap<[u8; 32], Timestamp>, StoreError> {
    let rows: Vec<(Vec<u8>, i64)> =
        sqlx::query_as("SELECT key, locked_until FROM sign_in_failures WHERE key = ANY($1) AND locked_until > $2")
            .bind(keys.iter().map(<[u8; 32]>::as_slice).collect::<Vec<_>>())
            .bind(now.micros())
            .fetch_all(auth.conn())
            .await?;
    let unreadable = |_| StoreError::Inconsistent { table: "sign_in_failures", column: "key", row: 0 };
    rows.into_iter()
        .map(|(key, until)| Ok((key.try_into().map_err(unreadable)?, Timestamp::from_micros(until))))
        .collect()
}

/// Counts one. True when it locks from now on.
///
/// # Errors
/// When the database fails.
pub async fn count(auth: &mut Auth, key: &[u8; 32], now: Timestamp) -> Result<bool, StoreError> {
    let failures: i32 = sqlx::query_scalar(
        "INSERT INTO sign_in_failures AS f (key, failures, last_at) VALUES ($1, 1, $2)
         ON CONFLICT (key) DO UPDATE SET last_at = $2,
             failures = CASE WHEN f.last_at > $3 THEN least(f.failures, $4) + 1 ELSE 1 END,
             locked_until = CASE WHEN f.last_at > $3 AND f.failures + 1 >= $4 THEN $5 ELSE f.locked_until END
         RETURNING failures",
    )
    .bind(key.as_slice())
    .bind(now.micros())
    .bind((now - MEMORY).micros())
    .bind(MOST)
    .bind((now + LOCK).micros())
    .fetch_one(auth.conn())
    .await?;
    Ok(failures == MOST)
}

/// Forgets them: the right answer was given.
///
/// # Errors
/// When the database fails.
pub async fn forget(auth: &mut Auth, key: &[u8; 32]) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sign_in_failures WHERE key = $1").bind(key.as_slice()).execute(auth.conn()).await?;
    Ok(())
}

/// Forgets those that are long ago.
///
/// # Errors
/// When the database fails.
pub async fn forget_old(auth: &mut Auth, now: Timestamp) -> Result<u64, StoreError> {
    Ok(sqlx::query("DELETE FROM sign_in_failures WHERE last_at <= $1")
        .bind((now - MEMORY).micros())
        .execute(auth.conn())
        .await?
        .rows_affected())
}
