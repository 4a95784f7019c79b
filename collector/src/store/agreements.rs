//! The data processing agreement: its versions, and what each organization was issued and accepted. What was issued is kept as it was
//! rendered; nothing here changes it.

use std::collections::BTreeMap;

use picket_shared::time::Timestamp;
use sqlx::types::Json;

use super::{Auth, Conn, OrgKey, StoreError};

/// A version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its number; the first is 1.
    pub number: i32,
    /// Of its parts.
    pub hash: String,
    /// The hash of each part.
    pub parts: BTreeMap<String, String>,
    /// Which parts differ from the version before.
    pub changed: Vec<String>,
    /// What is issued, with `{organization}` and `{issued}`.
    pub body: String,
}

type VersionRow = (i32, String, Json<BTreeMap<String, String>>, Json<Vec<String>>, String);

/// The newest version, if there is one.
///
/// # Errors
/// When the database fails.
pub async fn newest(auth: &mut Auth) -> Result<Option<Version>, StoreError> {
    let query = "SELECT number, hash, parts, changed, body FROM dpa_versions ORDER BY number DESC LIMIT 1";
    let row: Option<VersionRow> = sqlx::query_as(query).fetch_optional(auth.conn()).await?;
    Ok(row.map(|(number, hash, parts, changed, body)| Version {
        number,
        hash,
        parts: parts.0,
        changed: changed.0,
        body,
    }))
}

/// Makes a version; two who make the next one at once cannot both.
///
/// # Errors
/// When the database fails or somebody else made it.
pub async fn insert(auth: &mut Auth, new: &Version, now: Timestamp) -> Result<(), StoreError> {
    let done = sqlx::query(
        "INSERT INTO dpa_versions (number, hash, parts, changed, body, made_at) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(new.number)
    .bind(&new.hash)
    .bind(Json(&new.parts))
    .bind(Json(&new.changed))
    .bind(&new.body)
    .bind(now.micros())
    .execute(auth.conn())
    .await?;
    StoreError::expect_rows("dpa_versions", 1, done.rows_affected())
}

/// Issues the newest version to an organization, as it is called now. Its number and hash; none when it has it, or there is no version.
///
/// # Errors
/// When the database fails.
pub async fn issue(auth: &mut Auth, org: OrgKey, now: Timestamp) -> Result<Option<(i32, String)>, StoreError> {
    let day: String = format!("{now:.0}").chars().take(10).collect();
    Ok(sqlx::query_as(
        "INSERT INTO dpas (org_id, version, hash, body, issued_at)
         SELECT o.id, v.number, v.hash, replace(replace(v.body, '{issued}', $3), '{organization}', o.name), $2
         FROM organizations o, (SELECT number, hash, body FROM dpa_versions ORDER BY number DESC LIMIT 1) v
         WHERE o.id = $1 ON CONFLICT DO NOTHING RETURNING version, hash",
    )
    .bind(org)
    .bind(now.micros())
    .bind(day)
    .fetch_optional(auth.conn())
    .await?)
}

/// Organizations that were there before a time and do not have the newest version, with their names.
///
/// # Errors
/// When the database fails.
pub async fn without_newest(auth: &mut Auth, before: Timestamp) -> Result<Vec<(OrgKey, String)>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT o.id, o.name FROM organizations o
         WHERE o.deleted_at IS NULL AND o.created_at <= $1 AND NOT EXISTS (
             SELECT FROM dpas d WHERE d.org_id = o.id AND d.version = (SELECT max(number) FROM dpa_versions))
           AND EXISTS (SELECT FROM dpa_versions WHERE made_at <= $1)
         ORDER BY o.id",
    )
    .bind(before.micros())
    .fetch_all(auth.conn())
    .await?)
}

/// An agreement with an organization.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Agreement {
    /// Which version.
    pub version: i32,
    /// The hash of its parts.
    pub hash: String,
    /// When it was issued.
    pub issued_at: i64,
    /// When it was accepted.
    pub accepted_at: Option<i64>,
    /// By whom, as in the audit log.
    pub accepted_by: Option<String>,
}

/// What was issued to an organization, the newest first.
///
/// # Errors
/// When the database fails.
pub async fn list(auth: &mut Auth, org: OrgKey) -> Result<Vec<Agreement>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT version, hash, issued_at, accepted_at, accepted_by FROM dpas WHERE org_id = $1 ORDER BY version DESC",
    )
    .bind(org)
    .fetch_all(auth.conn())
    .await?)
}

/// The text of one, as it was issued.
///
/// # Errors
/// When the database fails.
pub async fn body(auth: &mut Auth, org: OrgKey, version: i32) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar("SELECT body FROM dpas WHERE org_id = $1 AND version = $2")
        .bind(org)
        .bind(version)
        .fetch_optional(auth.conn())
        .await?)
}

/// Accepts a version, if it is the newest that was issued and was not accepted. Its hash; none when it is not so.
///
/// # Errors
/// When the database fails.
pub async fn accept(
    auth: &mut Auth,
    (org, version): (OrgKey, i32),
    by: &str,
    now: Timestamp,
) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar(
        "UPDATE dpas d SET accepted_at = $3, accepted_by = $4
         WHERE org_id = $1 AND version = $2 AND accepted_at IS NULL
           AND NOT EXISTS (SELECT FROM dpas n WHERE n.org_id = $1 AND n.version > $2)
         RETURNING hash",
    )
    .bind(org)
    .bind(version)
    .bind(now.micros())
    .bind(by)
    .fetch_optional(auth.conn())
    .await?)
}

/// How many organizations have accepted the newest version, and how many there are.
///
/// # Errors
/// When the database fails.
pub async fn standing(auth: &mut Auth) -> Result<(i64, i64), StoreError> {
    Ok(sqlx::query_as(
        "SELECT count(*) FILTER (WHERE d.accepted_at IS NOT NULL), count(*) FROM organizations o
         LEFT JOIN dpas d ON d.org_id = o.id AND d.version = (SELECT max(number) FROM dpa_versions)
         WHERE o.deleted_at IS NULL",
    )
    .fetch_one(auth.conn())
    .await?)
}
