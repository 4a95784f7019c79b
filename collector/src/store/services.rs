//! Service members: users that nobody signs in as, each owned by one organization. They are members like others, but for what
//! is for people alone; the database holds that too.

use picket_shared::ids::UserId;
use picket_shared::time::Timestamp;
use uuid::Uuid;

use super::{Auth, Conn, OrgKey, StoreError, UserKey};

/// Makes a service member of this name, not yet a member. None when another of the organization's is called so.
///
/// # Errors
/// When the database fails.
pub async fn insert(
    auth: &mut Auth,
    org: OrgKey,
    name: &str,
    now: Timestamp,
) -> Result<Option<(UserKey, Uuid)>, StoreError> {
    let uuid = UserId::at(now).0;
    let key: Option<UserKey> = sqlx::query_scalar(
        "INSERT INTO users (uuid, service_org_id, service_name, created_at, password_changed_at) VALUES ($1, $2, $3, $4, $4)
         ON CONFLICT (service_org_id, service_name) WHERE deleted_at IS NULL AND service_org_id IS NOT NULL DO NOTHING
         RETURNING id",
    )
    .bind(uuid)
    .bind(org)
    .bind(name)
    .bind(now.micros())
    .fetch_optional(auth.conn())
    .await?;
    Ok(key.map(|key| (key, uuid)))
}

/// Ends a service member, whose name is free again.
///
/// # Errors
/// When there is no such service member or the database fails.
pub async fn end(auth: &mut Auth, user: UserKey, now: Timestamp) -> Result<(), StoreError> {
    let done = sqlx::query(
        "UPDATE users SET deleted_at = $2 WHERE id = $1 AND deleted_at IS NULL AND service_org_id IS NOT NULL",
    )
    .bind(user)
    .bind(now.micros())
    .execute(auth.conn())
    .await?;
    StoreError::expect_rows("users", 1, done.rows_affected())
}
