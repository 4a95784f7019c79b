//! What a member holds in an organization, and what becomes of it when the member goes.

use picket_shared::time::Timestamp;
use uuid::Uuid;

use super::{Auth, Conn, OrgKey, Scoped, StoreError, UserKey};

/// Every column by which a row of an organization names a user, so that who removes one is shown what hangs on it. A test
/// compares this with the database's catalogue: a new one is added here, and to what is listed and moved, or not at all.
pub const HELD: &[(&str, &str)] = &[("api_keys", "user_id"), ("invitations", "invited_by"), ("memberships", "user_id")];

/// A key that works.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct HeldKey {
    /// What names it.
    pub public_id: String,
    /// What its user calls it.
    pub name: String,
    /// When it was last used.
    pub last_used_at: Option<i64>,
    /// When it ends.
    pub expires_at: Option<i64>,
}

/// An invitation that may still be followed, or sent again.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct HeldInvitation {
    /// What names it outside.
    pub uuid: Uuid,
    /// Whom it is for.
    pub email: String,
}

/// A channel that the member added, or that may lead to the member's own address.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct HeldChannel {
    /// What names it outside.
    pub uuid: Uuid,
    /// What it is called.
    pub name: String,
    /// Of which kind it is.
    pub kind: String,
    /// Where it leads, shortened.
    pub hint: String,
}

/// The keys of a member that work, the newest first.
///
/// # Errors
/// When the database fails.
pub async fn keys(auth: &mut Auth, org: OrgKey, user: UserKey, now: Timestamp) -> Result<Vec<HeldKey>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT public_id, name, last_used_at, expires_at FROM api_keys
         WHERE org_id = $1 AND user_id = $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $3)
         ORDER BY id DESC",
    )
    .bind(org)
    .bind(user)
    .bind(now.micros())
    .fetch_all(auth.conn())
    .await?)
}

/// The open invitations of a member, by address.
///
/// # Errors
/// When the database fails.
pub async fn invitations(auth: &mut Auth, org: OrgKey, user: UserKey) -> Result<Vec<HeldInvitation>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT uuid, email FROM invitations
         WHERE org_id = $1 AND invited_by = $2 AND accepted_at IS NULL AND revoked_at IS NULL ORDER BY email",
    )
    .bind(org)
    .bind(user)
    .fetch_all(auth.conn())
    .await?)
}

/// The channels of the organization that somebody added, or whose shortened address is that of the own one.
///
/// # Errors
/// When the database fails.
pub async fn channels(scoped: &mut Scoped, email: &str) -> Result<Vec<HeldChannel>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT c.uuid, c.name, c.kind, c.hint FROM channels c WHERE c.deleted_at IS NULL
           AND ((c.kind = 'email' AND c.hint = left($1, 1) || '***@' || substring($1 FROM '[^@]*$'))
             OR EXISTS (SELECT FROM audit a WHERE a.action = 'channel.add' AND a.subject = c.uuid::text
                        AND right(' ' || a.actor, length($1) + 6) = ' user:' || $1)) ORDER BY c.name",
    )
    .bind(email)
    .fetch_all(scoped.conn())
    .await?)
}

/// Lets the keys of one member that were not revoked stand for another; gives what names them.
///
/// # Errors
/// When the database fails.
pub async fn move_keys(auth: &mut Auth, org: OrgKey, from: UserKey, to: UserKey) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar(
        "UPDATE api_keys SET user_id = $3 WHERE org_id = $1 AND user_id = $2 AND revoked_at IS NULL RETURNING public_id",
    )
    .bind(org)
    .bind(from)
    .bind(to)
    .fetch_all(auth.conn())
    .await?)
}

/// Lets the open invitations of one member stand on another; gives how many those are.
///
/// # Errors
/// When the database fails.
pub async fn move_invitations(auth: &mut Auth, org: OrgKey, from: UserKey, to: UserKey) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "UPDATE invitations SET invited_by = $3
         WHERE org_id = $1 AND invited_by = $2 AND accepted_at IS NULL AND revoked_at IS NULL",
    )
    .bind(org)
    .bind(from)
    .bind(to)
    .execute(auth.conn())
    .await?;
    Ok(done.rows_affected())
}

/// Takes the open invitations of a member back; gives how many those were.
///
/// # Errors
/// When the database fails.
pub async fn revoke_invitations(
    auth: &mut Auth,
    org: OrgKey,
    from: UserKey,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "UPDATE invitations SET revoked_at = $3
         WHERE org_id = $1 AND invited_by = $2 AND accepted_at IS NULL AND revoked_at IS NULL",
    )
    .bind(org)
    .bind(from)
    .bind(now.micros())
    .execute(auth.conn())
    .await?;
    Ok(done.rows_affected())
}
