//! Who has access to an organization, and by what: one row a member, for who reviews it.

use picket_shared::time::Timestamp;
use uuid::Uuid;

use crate::store::{Auth, Conn, OrgKey, StoreError};

/// What a member can do here, and by what it comes in.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ReviewRow {
    /// What names it outside.
    pub uuid: Uuid,
    /// What it signs in with; none of a service member.
    pub email: Option<String>,
    /// The name of a service member.
    pub service: Option<String>,
    /// What it is here.
    pub role: String,
    /// Since when it belongs here.
    pub created_at: i64,
    /// Until when.
    pub until_at: Option<i64>,
    /// When it last signed in, here or elsewhere.
    pub signed_in_at: Option<i64>,
    /// Whether it is asked for a second factor.
    pub second_factor: bool,
    /// How many passkeys it has.
    pub passkeys: i64,
    /// How many API keys here work.
    pub keys: i64,
    /// When one of those was last used.
    pub key_used_at: Option<i64>,
}

/// Every member: people by address, then service members by name.
///
/// # Errors
/// When the database fails.
pub async fn read(auth: &mut Auth, org: OrgKey, now: Timestamp) -> Result<Vec<ReviewRow>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT u.uuid, u.email, u.service_name AS service, m.role, m.created_at, m.until_at, u.signed_in_at,
                has_second_factor(u.id) AS second_factor,
                (SELECT count(*) FROM passkeys p WHERE p.user_id = u.id) AS passkeys,
                coalesce(k.keys, 0) AS keys, k.used_at AS key_used_at
         FROM memberships m JOIN users u ON u.id = m.user_id AND u.deleted_at IS NULL
         LEFT JOIN LATERAL (
             SELECT count(*) AS keys, max(last_used_at) AS used_at FROM api_keys
             WHERE org_id = m.org_id AND user_id = m.user_id AND revoked_at IS NULL
               AND (expires_at IS NULL OR expires_at > $2)) k ON true
         WHERE m.org_id = $1 AND (m.until_at IS NULL OR m.until_at > $2) ORDER BY u.email, u.service_name",
    )
    .bind(org)
    .bind(now.micros())
    .fetch_all(auth.conn())
    .await?)
}
