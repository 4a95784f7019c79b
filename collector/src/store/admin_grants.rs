//! Who may administer the instance, for how long. A grant is one row; it ends by its time, or when it is revoked.

use picket_shared::ids::GrantId;
use picket_shared::time::Timestamp;

use super::{Auth, Conn, StoreError, UserKey};

/// A grant as it is listed.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct GrantRow {
    /// Its name outside.
    pub uuid: uuid::Uuid,
    /// Who may administer.
    pub user_id: UserKey,
    /// What that user signs in with.
    pub email: String,
    /// Who gave it, as in the audit log.
    pub granted_by: String,
    /// Since when.
    pub from_at: i64,
    /// Until when.
    pub until_at: i64,
    /// When it was revoked.
    pub revoked_at: Option<i64>,
    /// Who revoked it, as in the audit log.
    pub revoked_by: Option<String>,
}

impl GrantRow {
    /// Whether it lets its user in.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && (self.from_at..self.until_at).contains(&now.micros())
    }
}

/// Whose grant was revoked.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Revoked {
    /// What names that user outside.
    pub uuid: uuid::Uuid,
    /// What that user signs in with.
    pub email: String,
}

/// At most so many are listed, the newest first.
const MOST: i64 = 200;

/// Until when a user may administer the instance; none who may not.
///
/// # Errors
/// When the database fails.
pub async fn live(auth: &mut Auth, user: UserKey, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let until: Option<i64> = sqlx::query_scalar(
        "SELECT max(until_at) FROM admin_grants
         WHERE user_id = $1 AND revoked_at IS NULL AND from_at <= $2 AND until_at > $2",
    )
    .bind(user)
    .bind(now.micros())
    .fetch_one(auth.conn())
    .await?;
    Ok(until.map(Timestamp::from_micros))
}

/// Lets a user administer the instance from now on; what that user had before is replaced.
///
/// # Errors
/// When the database fails.
pub async fn insert(
    auth: &mut Auth,
    user: UserKey,
    by: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<(), StoreError> {
    end(auth, user, by, now).await?;
    let done = sqlx::query(
        "INSERT INTO admin_grants (uuid, user_id, granted_by, from_at, until_at) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(GrantId::at(now).0)
    .bind(user)
    .bind(by)
    .bind(now.micros())
    .bind(until.micros())
    .execute(auth.conn())
    .await?;
    StoreError::expect_rows("admin_grants", 1, done.rows_affected())
}

/// Ends whatever lets a user administer the instance. False when nothing did.
///
/// # Errors
/// When the database fails.
pub async fn end(auth: &mut Auth, user: UserKey, by: &str, now: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE admin_grants SET revoked_at = $3, revoked_by = $2
         WHERE user_id = $1 AND revoked_at IS NULL AND until_at > $3",
    )
    .bind(user)
    .bind(by)
    .bind(now.micros())
    .execute(auth.conn())
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Ends one grant; none when there is none of that name that goes on.
///
/// # Errors
/// When the database fails.
pub async fn revoke(
    auth: &mut Auth,
    grant: uuid::Uuid,
    by: &str,
    now: Timestamp,
) -> Result<Option<Revoked>, StoreError> {
    Ok(sqlx::query_as(
        "UPDATE admin_grants g SET revoked_at = $3, revoked_by = $2 FROM users u
         WHERE g.uuid = $1 AND g.revoked_at IS NULL AND g.until_at > $3 AND u.id = g.user_id RETURNING u.uuid, u.email",
    )
    .bind(grant)
    .bind(by)
    .bind(now.micros())
    .fetch_optional(auth.conn())
    .await?)
}

/// The last grants that were given, the newest first.
///
/// # Errors
/// When the database fails.
pub async fn list(auth: &mut Auth) -> Result<Vec<GrantRow>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT g.uuid, g.user_id, u.email, g.granted_by, g.from_at, g.until_at, g.revoked_at, g.revoked_by
         FROM admin_grants g JOIN users u ON u.id = g.user_id ORDER BY g.id DESC LIMIT $1",
    )
    .bind(MOST)
    .fetch_all(auth.conn())
    .await?)
}
