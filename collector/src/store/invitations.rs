//! Invitations into an organization: one open at a time for an address. Only hashes of their links are here. A link is followed
//! before a tenant is known, so this is the work of `Auth`; every other statement names the organization.

use std::time::Duration;

use picket_shared::time::Timestamp;
use uuid::Uuid;

use super::{Auth, Conn, OrgKey, StoreError, UserKey};
use crate::domain::members::Standing;

/// So long after its end an invitation is still listed, to be sent again.
const KEPT: Duration = Duration::from_secs(30 * 86_400);

/// An invitation to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewInvitation<'a> {
    /// Its name outside.
    pub id: Uuid,
    /// Into which organization.
    pub org: OrgKey,
    /// Whom.
    pub email: &'a str,
    /// In which role, and until when.
    pub is: Standing,
    /// Of its link's token.
    pub token_hash: &'a [u8; 32],
    /// Who invites.
    pub by: UserKey,
    /// Until when it works.
    pub expires: Timestamp,
}

/// An invitation that was neither used nor taken back.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct InvitationRow {
    /// Its name outside.
    pub uuid: Uuid,
    /// Whom.
    pub email: String,
    /// In which role.
    pub role: String,
    /// Who invited: the address, or the name of a service member.
    pub by_called: String,
    /// Until when it works, or worked.
    pub expires_at: i64,
    /// When the membership ends that it leads to.
    pub member_until_at: Option<i64>,
}

/// An invitation whose link was followed.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Followed {
    /// Its row.
    pub id: i64,
    /// Its name outside.
    pub uuid: Uuid,
    /// Into which organization.
    pub org_id: OrgKey,
    /// What that is called.
    pub org_name: String,
    /// Whom.
    pub email: String,
    /// In which role.
    pub role: String,
    /// When the membership ends that it leads to.
    pub member_until_at: Option<i64>,
    /// Who invited.
    pub invited_by: UserKey,
    /// What who invited is there now; none for who left.
    pub inviter_role: Option<String>,
}

/// The invitations of an organization that were neither used nor taken back, by address.
///
/// # Errors
/// When the database fails.
pub async fn list(auth: &mut Auth, org: OrgKey) -> Result<Vec<InvitationRow>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT i.uuid, i.email, i.role, coalesce(u.email, u.service_name) AS by_called, i.expires_at, i.member_until_at
         FROM invitations i JOIN users u ON u.id = i.invited_by
         WHERE i.org_id = $1 AND i.accepted_at IS NULL AND i.revoked_at IS NULL ORDER BY i.email",
    )
    .bind(org)
    .fetch_all(auth.conn())
    .await?)
}

/// Makes an invitation. False when one of the address is open.
///
/// # Errors
/// When the database fails.
pub async fn insert(auth: &mut Auth, new: &NewInvitation<'_>, now: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO invitations (uuid, org_id, email, role, token_hash, invited_by, created_at, expires_at, member_until_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (org_id, email) WHERE accepted_at IS NULL AND revoked_at IS NULL DO NOTHING",
    )
    .bind(new.id)
    .bind(new.org)
    .bind(new.email)
    .bind(new.is.role.as_str())
    .bind(new.token_hash.as_slice())
    .bind(new.by)
    .bind(now.micros())
    .bind(new.expires.micros())
    .bind(new.is.until.map(Timestamp::micros))
    .execute(auth.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives an open invitation another link, by somebody; the one before works no more. False when there is none.
///
/// # Errors
/// When the database fails.
pub async fn renew(
    auth: &mut Auth,
    (org, id): (OrgKey, Uuid),
    token_hash: &[u8; 32],
    by: UserKey,
    expires: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE invitations SET token_hash = $3, invited_by = $4, expires_at = $5
         WHERE org_id = $1 AND uuid = $2 AND accepted_at IS NULL AND revoked_at IS NULL",
    )
    .bind(org)
    .bind(id)
    .bind(token_hash.as_slice())
    .bind(by)
    .bind(expires.micros())
    .execute(auth.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes an invitation back. False when there is none that is open.
///
/// # Errors
/// When the database fails.
pub async fn revoke(auth: &mut Auth, org: OrgKey, id: Uuid, now: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE invitations SET revoked_at = $3
         WHERE org_id = $1 AND uuid = $2 AND accepted_at IS NULL AND revoked_at IS NULL",
    )
    .bind(org)
    .bind(id)
    .bind(now.micros())
    .execute(auth.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The invitation of a link, while it works; looking at it does not use it.
///
/// # Errors
/// When the database fails.
pub async fn find(auth: &mut Auth, token_hash: &[u8; 32], now: Timestamp) -> Result<Option<Followed>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT i.id, i.uuid, i.org_id, o.name AS org_name, i.email, i.role,
                i.member_until_at, i.invited_by, m.role AS inviter_role
         FROM invitations i JOIN organizations o ON o.id = i.org_id AND o.deleted_at IS NULL
         LEFT JOIN (live_memberships($2) m JOIN users u ON u.id = m.user_id AND u.deleted_at IS NULL)
             ON m.org_id = i.org_id AND m.user_id = i.invited_by
         WHERE i.token_hash = $1 AND i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > $2
           AND (i.member_until_at IS NULL OR i.member_until_at > $2)",
    )
    .bind(token_hash.as_slice())
    .bind(now.micros())
    .fetch_optional(auth.conn())
    .await?)
}

/// Uses an invitation up. False when it does not work (any more): of many at once, one wins.
///
/// # Errors
/// When the database fails.
pub async fn accept(auth: &mut Auth, key: i64, now: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE invitations SET accepted_at = $2
         WHERE id = $1 AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $2",
    )
    .bind(key)
    .bind(now.micros())
    .execute(auth.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Deletes invitations that ended long ago.
///
/// # Errors
/// When the database fails.
pub async fn forget_ended(auth: &mut Auth, now: Timestamp) -> Result<u64, StoreError> {
    Ok(sqlx::query("DELETE FROM invitations WHERE expires_at <= $1")
        .bind((now - KEPT).micros())
        .execute(auth.conn())
        .await?
        .rows_affected())
}
