//! Addresses that users want instead of theirs, until the present and the other address have both agreed.

use picket_shared::time::Timestamp;

use super::{Auth, Conn, StoreError, UserKey};

/// Which address agrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The present one.
    Old,
    /// The other one.
    New,
}

/// Begins a change, in place of one that was begun before.
///
/// # Errors
/// When the database fails.
pub async fn begin(
    auth: &mut Auth,
    user: UserKey,
    email: &str,
    now: Timestamp,
    expires: Timestamp,
) -> Result<(), StoreError> {
    let done = sqlx::query(
        "INSERT INTO address_changes (user_id, email, created_at, expires_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (user_id) DO UPDATE SET email = $2, created_at = $3, expires_at = $4,
             old_confirmed_at = NULL, new_confirmed_at = NULL",
    )
    .bind(user)
    .bind(email)
    .bind(now.micros())
    .bind(expires.micros())
    .execute(auth.conn())
    .await?;
    StoreError::expect_rows("address_changes", 1, done.rows_affected())
}

/// One address agrees. Gives the other address, and whether both have agreed now; none when no change is under way.
///
/// # Errors
/// When the database fails.
pub async fn agree(
    auth: &mut Auth,
    user: UserKey,
    side: Side,
    now: Timestamp,
) -> Result<Option<(String, bool)>, StoreError> {
    Ok(sqlx::query_as(
        "UPDATE address_changes SET old_confirmed_at = CASE WHEN $2 THEN $3 ELSE old_confirmed_at END,
                new_confirmed_at = CASE WHEN $2 THEN new_confirmed_at ELSE $3 END
         WHERE user_id = $1 AND expires_at > $3
         RETURNING email, old_confirmed_at IS NOT NULL AND new_confirmed_at IS NOT NULL",
    )
    .bind(user)
    .bind(side == Side::Old)
    .bind(now.micros())
    .fetch_optional(auth.conn())
    .await?)
}

/// Ends a change, done or not.
///
/// # Errors
/// When the database fails.
pub async fn end(auth: &mut Auth, user: UserKey) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM address_changes WHERE user_id = $1").bind(user).execute(auth.conn()).await?;
    Ok(())
}
