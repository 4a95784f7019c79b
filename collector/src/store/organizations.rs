//! Organizations: the tenants.

use picket_shared::ids::OrgId;
use picket_shared::time::Timestamp;

use super::{Auth, Conn, OrgKey, StoreError};

/// The organization of that name, made if there is none.
///
/// # Errors
/// When the database fails.
pub async fn ensure(auth: &mut Auth, name: &str, now: Timestamp) -> Result<OrgKey, StoreError> {
    sqlx::query(
        "INSERT INTO organizations (uuid, name, created_at) VALUES ($1, $2, $3)
         ON CONFLICT (name) WHERE deleted_at IS NULL DO NOTHING",
    )
    .bind(OrgId::at(now).0)
    .bind(name)
    .bind(now.micros())
    .execute(auth.conn())
    .await?;
    let (key,): (OrgKey,) = sqlx::query_as("SELECT id FROM organizations WHERE name = $1 AND deleted_at IS NULL")
        .bind(name)
        .fetch_one(auth.conn())
        .await?;
    Ok(key)
}

/// Makes an organization; none when there is one of that name.
///
/// # Errors
/// When the database fails.
pub async fn insert(auth: &mut Auth, name: &str, now: Timestamp) -> Result<Option<OrgKey>, StoreError> {
    Ok(sqlx::query_scalar(
        "INSERT INTO organizations (uuid, name, created_at) VALUES ($1, $2, $3)
         ON CONFLICT (name) WHERE deleted_at IS NULL DO NOTHING RETURNING id",
    )
    .bind(OrgId::at(now).0)
    .bind(name)
    .bind(now.micros())
    .fetch_optional(auth.conn())
    .await?)
}
