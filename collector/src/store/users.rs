//! Users and their memberships: who may sign in, and where they belong. Service members are in the same table and are found by
//! no function here but [`called`].

use std::collections::HashMap;

use picket_shared::ids::UserId;
use picket_shared::time::Timestamp;

use super::{Auth, Conn, OrgKey, StoreError, UserKey, members};
use crate::domain::access::Role;
use crate::domain::members::Standing;

/// What signing in needs to know of a user.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct UserRow {
    /// Its row.
    pub id: UserKey,
    /// Its id.
    pub uuid: uuid::Uuid,
    /// What it signs in with.
    pub email: String,
    /// Argon2id, as a PHC string.
    pub password_hash: String,
    /// Since when mail to the address is known to arrive.
    pub email_confirmed_at: Option<i64>,
    /// The organization that the user belongs to, the first one joined: its audit log tells of the user.
    pub org_id: Option<OrgKey>,
}

/// What signing in needs, and the same organization that a session is in.
const SELECT: &str = "SELECT id, uuid, email, password_hash, email_confirmed_at,
        (SELECT m.org_id FROM memberships m JOIN organizations o ON o.id = m.org_id
         WHERE m.user_id = u.id AND o.deleted_at IS NULL ORDER BY m.created_at, m.org_id LIMIT 1) AS org_id
    FROM users u WHERE deleted_at IS NULL AND service_org_id IS NULL";

/// Whether there is any user.
///
/// # Errors
/// When the database fails.
pub async fn any(auth: &mut Auth) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT FROM users WHERE deleted_at IS NULL AND service_org_id IS NULL)")
        .fetch_one(auth.conn())
        .await?)
}

/// The user of that address, in lower case.
///
/// # Errors
/// When the database fails.
pub async fn by_email(auth: &mut Auth, email: &str) -> Result<Option<UserRow>, StoreError> {
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} AND email = $1")))
        .bind(email)
        .fetch_optional(auth.conn())
        .await?)
}

/// The user of that row.
///
/// # Errors
/// When the database fails.
pub async fn by_key(auth: &mut Auth, key: UserKey) -> Result<Option<UserRow>, StoreError> {
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} AND id = $1")))
        .bind(key)
        .fetch_optional(auth.conn())
        .await?)
}

/// The user of that id.
///
/// # Errors
/// When the database fails.
pub async fn by_uuid(auth: &mut Auth, uuid: uuid::Uuid) -> Result<Option<UserRow>, StoreError> {
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} AND uuid = $1")))
        .bind(uuid)
        .fetch_optional(auth.conn())
        .await?)
}

/// What these users sign in with, and the names of those that are service members.
///
/// # Errors
/// When the database fails.
pub async fn called(auth: &mut Auth, keys: &[UserKey]) -> Result<HashMap<UserKey, String>, StoreError> {
    let rows: Vec<(UserKey, String)> =
        sqlx::query_as("SELECT id, coalesce(email, service_name) FROM users WHERE id = ANY($1)")
            .bind(keys.iter().map(|key| key.0).collect::<Vec<_>>())
            .fetch_all(auth.conn())
            .await?;
    Ok(rows.into_iter().collect())
}

/// Makes a user.
///
/// # Errors
/// Constraint `users_email` when the address is taken; when the database fails.
pub async fn insert(
    auth: &mut Auth,
    email: &str,
    password_hash: &str,
    now: Timestamp,
) -> Result<(UserKey, uuid::Uuid), StoreError> {
    let uuid = UserId::at(now).0;
    let key: UserKey = sqlx::query_scalar(
        "INSERT INTO users (uuid, email, password_hash, created_at, password_changed_at) VALUES ($1, $2, $3, $4, $4)
         RETURNING id",
    )
    .bind(uuid)
    .bind(email)
    .bind(password_hash)
    .bind(now.micros())
    .fetch_one(auth.conn())
    .await?;
    Ok((key, uuid))
}

/// Makes a user who owns the organization.
///
/// # Errors
/// As [`insert`].
pub async fn insert_owner(
    auth: &mut Auth,
    org: OrgKey,
    email: &str,
    password_hash: &str,
    now: Timestamp,
) -> Result<(UserKey, uuid::Uuid), StoreError> {
    let (key, uuid) = insert(auth, email, password_hash, now).await?;
    members::add(auth, org, key, Standing::for_good(Role::Owner), now).await?;
    Ok((key, uuid))
}

/// Gives a user another password.
///
/// # Errors
/// When the user is gone or the database fails.
pub async fn set_password(auth: &mut Auth, key: UserKey, hash: &str, now: Timestamp) -> Result<(), StoreError> {
    let done = sqlx::query(
        "UPDATE users SET password_hash = $2, password_changed_at = $3 WHERE id = $1 AND deleted_at IS NULL",
    )
    .bind(key)
    .bind(hash)
    .bind(now.micros())
    .execute(auth.conn())
    .await?;
    StoreError::expect_rows("users", 1, done.rows_affected())
}

/// Notes that a user signed in.
///
/// # Errors
/// When the user is gone or the database fails.
pub async fn signed_in(auth: &mut Auth, key: UserKey, now: Timestamp) -> Result<(), StoreError> {
    let done = sqlx::query("UPDATE users SET signed_in_at = $2 WHERE id = $1")
        .bind(key)
        .bind(now.micros())
        .execute(auth.conn())
        .await?;
    StoreError::expect_rows("users", 1, done.rows_affected())
}

/// Notes that mail to a user's address arrives. False when that was known.
///
/// # Errors
/// When the database fails.
pub async fn confirm_email(auth: &mut Auth, key: UserKey, now: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE users SET email_confirmed_at = $2 WHERE id = $1 AND email_confirmed_at IS NULL AND deleted_at IS NULL",
    )
    .bind(key)
    .bind(now.micros())
    .execute(auth.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives a user another address, which is known to be the user's. False when somebody else has it.
///
/// # Errors
/// When the user is gone or the database fails.
pub async fn set_email(auth: &mut Auth, key: UserKey, email: &str, now: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE users SET email = $2, email_confirmed_at = $3 WHERE id = $1 AND deleted_at IS NULL
            AND NOT EXISTS (SELECT FROM users WHERE email = $2 AND id <> $1 AND deleted_at IS NULL)",
    )
    .bind(key)
    .bind(email)
    .bind(now.micros())
    .execute(auth.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Everybody who owns an organization: row and address.
///
/// # Errors
/// When the database fails.
pub async fn owners(auth: &mut Auth) -> Result<Vec<(UserKey, String)>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT DISTINCT u.id, u.email FROM users u JOIN memberships m ON m.user_id = u.id
         WHERE m.role = 'owner' AND u.deleted_at IS NULL ORDER BY u.id",
    )
    .fetch_all(auth.conn())
    .await?)
}

/// What names a user outside, and what it signs in with; a service member has nothing. None when it is closed or gone.
///
/// # Errors
/// When the database fails.
pub async fn exporter(auth: &mut Auth, key: UserKey) -> Result<Option<(uuid::Uuid, Option<String>)>, StoreError> {
    Ok(sqlx::query_as("SELECT uuid, email FROM users WHERE id = $1 AND deleted_at IS NULL")
        .bind(key)
        .fetch_optional(auth.conn())
        .await?)
}
