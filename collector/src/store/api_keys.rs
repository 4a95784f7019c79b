//! API keys. Only their hashes are here; who holds a key is found before a tenant is known, so that is the work of `Auth`.

use ipnet::IpNet;
use picket_shared::time::Timestamp;
use serde_json::json;

use super::audit;
use super::{Auth, Conn, OrgKey, Scoped, StoreError, UserKey};
use crate::domain::access::Right;

/// A key to be stored.
#[derive(Clone, Debug)]
pub struct NewKey<'a> {
    /// For whom it stands.
    pub user: UserKey,
    /// What that is called, if it is a service member.
    pub service: Option<&'a str>,
    /// What stands in the key and names it.
    pub public_id: &'a str,
    /// SHA-256 of the whole key.
    pub hash: [u8; 32],
    /// What its user calls it.
    pub name: &'a str,
    /// What it may do at most.
    pub scopes: &'a [Right],
    /// From where it works; from anywhere if empty.
    pub networks: &'a [IpNet],
    /// When it ends, if it does by itself.
    pub expires_at: Option<Timestamp>,
}

/// A key in a list.
#[derive(Clone, Debug)]
pub struct KeyRow {
    /// For whom it stands.
    pub user: UserKey,
    /// What names it.
    pub public_id: String,
    /// What its user calls it.
    pub name: String,
    /// What it may do at most.
    pub scopes: Vec<Right>,
    /// From where it works; from anywhere if empty.
    pub networks: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends, if it does by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to a minute or so.
    pub last_used_at: Option<Timestamp>,
}

/// What is known of a key that a request names, and of whom it stands for now.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct HolderRow {
    /// Its row.
    pub id: i64,
    /// SHA-256 of the whole key.
    pub key_hash: Vec<u8>,
    /// What it may do at most.
    pub scopes: Vec<String>,
    /// From where it works.
    pub networks: Vec<String>,
    /// When it ends.
    pub expires_at: Option<i64>,
    /// Since when it is revoked.
    pub revoked_at: Option<i64>,
    /// When it was last used.
    pub last_used_at: Option<i64>,
    /// For whom it stands.
    pub user_id: UserKey,
    /// What names that user outside.
    pub uuid: uuid::Uuid,
    /// What that user signs in with; the name of a service member.
    pub called: String,
    /// Whether it is a service member.
    pub service: bool,
    /// In which organization.
    pub org_id: OrgKey,
    /// What that is called.
    pub org_name: String,
    /// What the user is there now.
    pub role: String,
    /// Whether the organization wants a second factor, and the user has none.
    pub lacks_factor: bool,
}

/// Stores a key.
///
/// # Errors
/// When the database fails.
pub async fn insert(conn: &mut Scoped, key: &NewKey<'_>, now: Timestamp) -> Result<(), StoreError> {
    let org = conn.org();
    let done = sqlx::query(
        "INSERT INTO api_keys (org_id, user_id, public_id, key_hash, name, scopes, networks, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(org)
    .bind(key.user)
    .bind(key.public_id)
    .bind(key.hash.as_slice())
    .bind(key.name)
    .bind(key.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>())
    .bind(key.networks.iter().map(ToString::to_string).collect::<Vec<_>>())
    .bind(now.micros())
    .bind(key.expires_at.map(Timestamp::micros))
    .execute(conn.conn())
    .await?;
    StoreError::expect_rows("api_keys", 1, done.rows_affected())?;
    let mut detail = json!({
        "name": key.name,
        "scopes": key.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
        "networks": key.networks,
        "expires_at": key.expires_at.map(|at| format!("{at:.0}")),
    });
    if let Some(service) = key.service {
        detail["service"] = json!(service);
    }
    note(conn, "key.add", key.public_id, detail, now).await
}

/// The keys of the organization that are not revoked, or those of one user; the newest first.
///
/// # Errors
/// When the database fails.
pub async fn list(conn: &mut Scoped, of: Option<UserKey>) -> Result<Vec<KeyRow>, StoreError> {
    type Row = (UserKey, String, String, Vec<String>, Vec<String>, i64, Option<i64>, Option<i64>);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT user_id, public_id, name, scopes, networks, created_at, expires_at, last_used_at FROM api_keys
         WHERE revoked_at IS NULL AND ($1::bigint IS NULL OR user_id = $1) ORDER BY id DESC",
    )
    .bind(of)
    .fetch_all(conn.conn())
    .await?;
    let read = |(user, public_id, name, scopes, networks, created, expires, used): Row| KeyRow {
        user,
        public_id,
        name,
        scopes: rights(&scopes),
        networks,
        created_at: Timestamp::from_micros(created),
        expires_at: expires.map(Timestamp::from_micros),
        last_used_at: used.map(Timestamp::from_micros),
    };
    Ok(rows.into_iter().map(read).collect())
}

/// Ends a key, of one user or of anybody in the organization. False when there is none, or it was ended before.
///
/// # Errors
/// When the database fails.
pub async fn revoke(
    conn: &mut Scoped,
    public_id: &str,
    of: Option<UserKey>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let name: Option<String> = sqlx::query_scalar(
        "UPDATE api_keys SET revoked_at = $3
         WHERE public_id = $1 AND ($2::bigint IS NULL OR user_id = $2) AND revoked_at IS NULL RETURNING name",
    )
    .bind(public_id)
    .bind(of)
    .bind(now.micros())
    .fetch_optional(conn.conn())
    .await?;
    let Some(name) = name else { return Ok(false) };
    note(conn, "key.revoke", public_id, json!({ "name": name }), now).await?;
    Ok(true)
}

/// The key of that id, and whom it stands for: nobody when the user, the organization or the membership is gone.
///
/// # Errors
/// When the database fails.
pub async fn holder(auth: &mut Auth, public_id: &str, now: Timestamp) -> Result<Option<HolderRow>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT k.id, k.key_hash, k.scopes, k.networks, k.expires_at, k.revoked_at, k.last_used_at, k.user_id,
                u.uuid, coalesce(u.email, u.service_name) AS called,
                u.service_org_id IS NOT NULL AS service, k.org_id, o.name AS org_name, m.role,
                o.second_factor_since IS NOT NULL AND u.service_org_id IS NULL AND NOT has_second_factor(u.id) AS lacks_factor
         FROM api_keys k
         JOIN users u ON u.id = k.user_id AND u.deleted_at IS NULL
         JOIN organizations o ON o.id = k.org_id AND o.deleted_at IS NULL
         JOIN live_memberships($2) m ON m.org_id = k.org_id AND m.user_id = k.user_id
         WHERE k.public_id = $1",
    )
    .bind(public_id)
    .bind(now.micros())
    .fetch_optional(auth.conn())
    .await?)
}

/// Notes that a key is used.
///
/// # Errors
/// When the database fails.
pub async fn used(auth: &mut Auth, key: i64, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query("UPDATE api_keys SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)")
        .bind(key)
        .bind(now.micros())
        .execute(auth.conn())
        .await?;
    Ok(())
}

/// The rights of these names; a name that only another version knows gives none.
pub fn rights(names: &[String]) -> Vec<Right> {
    names.iter().filter_map(|name| name.parse().ok()).collect()
}

async fn note(
    conn: &mut Scoped,
    action: &str,
    public_id: &str,
    detail: serde_json::Value,
    at: Timestamp,
) -> Result<(), StoreError> {
    let author = conn.author().clone();
    audit::append(conn, &author.did(action, public_id, detail, at)).await
}
