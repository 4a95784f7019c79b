//! Organizations: the tenants.

use picket_shared::ids::OrgId;
use picket_shared::time::Timestamp;
use serde_json::json;

use super::audit::{self, Author};
use super::{Auth, Conn, OrgKey, Scoped, StoreError};

/// What the tenant's organization is called outside.
///
/// # Errors
/// When the database fails.
pub async fn own_id(scoped: &mut Scoped) -> Result<OrgId, StoreError> {
    let org = scoped.org();
    let id =
        sqlx::query_scalar("SELECT uuid FROM organizations WHERE id = $1").bind(org).fetch_one(scoped.conn()).await?;
    Ok(OrgId(id))
}

/// The organization of that name, made if there is none.
///
/// # Errors
/// When the database fails.
pub async fn ensure(auth: &mut Auth, name: &str, now: Timestamp) -> Result<OrgKey, StoreError> {
    let id = OrgId::at(now);
    let made = sqlx::query(
        "INSERT INTO organizations (uuid, name, created_at) VALUES ($1, $2, $3)
         ON CONFLICT (name) WHERE deleted_at IS NULL DO NOTHING",
    )
    .bind(id.0)
    .bind(name)
    .bind(now.micros())
    .execute(auth.conn())
    .await?;
    if made.rows_affected() == 1 {
        let author = Author::of_instance("collector");
        audit::append(auth, &author.did("organization.add", &id.to_string(), json!({ "name": name }), now)).await?;
    }
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
pub async fn insert(auth: &mut Auth, name: &str, now: Timestamp) -> Result<Option<(OrgKey, OrgId)>, StoreError> {
    let id = OrgId::at(now);
    let made: Option<OrgKey> = sqlx::query_scalar(
        "INSERT INTO organizations (uuid, name, created_at) VALUES ($1, $2, $3)
         ON CONFLICT (name) WHERE deleted_at IS NULL DO NOTHING RETURNING id",
    )
    .bind(id.0)
    .bind(name)
    .bind(now.micros())
    .fetch_optional(auth.conn())
    .await?;
    Ok(made.map(|key| (key, id)))
}
