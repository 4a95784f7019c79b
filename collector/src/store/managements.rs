//! Consents by which an organization is managed by another. Two tenants are in each, so this is the work of `Auth`; every
//! statement names the organization on whose side it is. A row is never deleted: it is open, or over.

use picket_shared::time::Timestamp;
use uuid::Uuid;

use super::{Auth, Conn, OrgKey, StoreError, UserKey};
use crate::domain::access::Role;

/// On whose side of a consent somebody stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// That of the managed organization.
    Managed,
    /// That of the one that manages it.
    Managing,
}

/// A consent.
#[derive(Clone, Debug, sqlx::FromRow)]
#[expect(missing_docs, reason = "the columns of `managements`, and what both organizations are called")]
pub struct ManagementRow {
    pub id: i64,
    pub uuid: Uuid,
    pub org_id: OrgKey,
    pub org_uuid: Uuid,
    pub org_name: String,
    pub manager_id: OrgKey,
    pub manager_uuid: Uuid,
    pub manager_name: String,
    pub most: String,
    pub consented_by: String,
    pub consented_at: i64,
    pub accepted_by: Option<String>,
    pub accepted_at: Option<i64>,
    pub until_at: Option<i64>,
    pub ended_at: Option<i64>,
    pub ended_by: Option<String>,
    pub ended_why: Option<String>,
}

/// A consent to be written down.
#[derive(Clone, Copy, Debug)]
pub struct NewManagement<'a> {
    /// Its name outside.
    pub id: Uuid,
    /// Which is managed.
    pub org: OrgKey,
    /// Which manages it.
    pub manager: OrgKey,
    /// As what members there act here at most.
    pub most: Role,
    /// Who consents, as in the audit log.
    pub by: &'a str,
    /// When it ends, if it does by itself.
    pub until: Option<Timestamp>,
}

const SELECT: &str = "SELECT g.id, g.uuid, g.org_id, o.uuid AS org_uuid, o.name AS org_name, g.manager_id,
        m.uuid AS manager_uuid, m.name AS manager_name, g.most, g.consented_by, g.consented_at, g.accepted_by,
        g.accepted_at, g.until_at, g.ended_at, g.ended_by, g.ended_why
    FROM managements g JOIN organizations o ON o.id = g.org_id JOIN organizations m ON m.id = g.manager_id
    WHERE o.deleted_at IS NULL AND m.deleted_at IS NULL";

impl Side {
    const fn column(self) -> &'static str {
        match self {
            Self::Managed => "g.org_id",
            Self::Managing => "g.manager_id",
        }
    }
}

/// Consents on an organization's side, from the one after `after` on, in the order of their ids.
///
/// # Errors
/// When the database fails.
pub async fn list(
    auth: &mut Auth,
    (side, org): (Side, OrgKey),
    after: Option<Uuid>,
    most: i64,
) -> Result<Vec<ManagementRow>, StoreError> {
    let own = side.column();
    let query = format!("{SELECT} AND {own} = $1 AND ($2::uuid IS NULL OR g.uuid > $2) ORDER BY g.uuid LIMIT $3");
    let query = sqlx::query_as(sqlx::AssertSqlSafe(query)).bind(org).bind(after).bind(most);
    Ok(query.fetch_all(auth.conn()).await?)
}

/// The open consents on an organization's side, by the other's name.
///
/// # Errors
/// When the database fails.
pub async fn open(auth: &mut Auth, side: Side, org: OrgKey) -> Result<Vec<ManagementRow>, StoreError> {
    let own = side.column();
    let query = format!("{SELECT} AND {own} = $1 AND g.ended_at IS NULL ORDER BY m.name, o.name");
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(query)).bind(org).fetch_all(auth.conn()).await?)
}

/// One consent on an organization's side.
///
/// # Errors
/// When the database fails.
pub async fn find(auth: &mut Auth, side: Side, org: OrgKey, id: Uuid) -> Result<Option<ManagementRow>, StoreError> {
    let own = side.column();
    let query = format!("{SELECT} AND {own} = $1 AND g.uuid = $2");
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(query)).bind(org).bind(id).fetch_optional(auth.conn()).await?)
}

/// How often an organization consented since then.
///
/// # Errors
/// When the database fails.
pub async fn count_since(auth: &mut Auth, org: OrgKey, since: Timestamp) -> Result<i64, StoreError> {
    let query = sqlx::query_scalar("SELECT count(*) FROM managements WHERE org_id = $1 AND consented_at > $2");
    Ok(query.bind(org).bind(since.micros()).fetch_one(auth.conn()).await?)
}

/// Writes a consent down. False when one to the same organization is open.
///
/// # Errors
/// When the database fails.
pub async fn insert(auth: &mut Auth, new: &NewManagement<'_>, now: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO managements (uuid, org_id, manager_id, most, consented_by, consented_at, until_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (org_id, manager_id) WHERE ended_at IS NULL DO NOTHING",
    )
    .bind(new.id)
    .bind(new.org)
    .bind(new.manager)
    .bind(new.most.as_str())
    .bind(new.by)
    .bind(now.micros())
    .bind(new.until.map(Timestamp::micros))
    .execute(auth.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Accepts a consent: from now on it works. False when it is over, or accepted already.
///
/// # Errors
/// When the database fails.
pub async fn accept(auth: &mut Auth, id: i64, by: &str, now: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE managements SET accepted_by = $2, accepted_at = $3
         WHERE id = $1 AND accepted_at IS NULL AND ended_at IS NULL AND (until_at IS NULL OR until_at > $3)",
    )
    .bind(id)
    .bind(by)
    .bind(now.micros())
    .execute(auth.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends a consent. False when it is over.
///
/// # Errors
/// When the database fails.
pub async fn end(auth: &mut Auth, id: i64, (by, why): (&str, &str), now: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE managements SET ended_by = $2, ended_why = $3, ended_at = $4 WHERE id = $1 AND ended_at IS NULL",
    )
    .bind(id)
    .bind(by)
    .bind(why)
    .bind(now.micros())
    .execute(auth.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Consents that end before `before` and of whose end nobody was told; they count as told from now on. Some at a time.
///
/// # Errors
/// When the database fails.
pub async fn take_untold(auth: &mut Auth, now: Timestamp, before: Timestamp) -> Result<Vec<ManagementRow>, StoreError> {
    let taken: Vec<i64> = sqlx::query_scalar(
        "UPDATE managements SET end_told_at = $1 WHERE id IN (
             SELECT id FROM managements WHERE ended_at IS NULL AND end_told_at IS NULL AND until_at > $1 AND until_at <= $2
             ORDER BY until_at LIMIT 100 FOR UPDATE SKIP LOCKED) RETURNING id",
    )
    .bind(now.micros())
    .bind(before.micros())
    .fetch_all(auth.conn())
    .await?;
    let query = format!("{SELECT} AND g.id = ANY ($1) ORDER BY g.id");
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(query)).bind(taken).fetch_all(auth.conn()).await?)
}

/// An open consent whose end is past, if there is one.
///
/// # Errors
/// When the database fails.
pub async fn past(auth: &mut Auth, now: Timestamp) -> Result<Option<ManagementRow>, StoreError> {
    let query = format!("{SELECT} AND g.ended_at IS NULL AND g.until_at <= $1 ORDER BY g.until_at LIMIT 1");
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(query)).bind(now.micros()).fetch_optional(auth.conn()).await?)
}

/// Who owns an organization now: row and address.
///
/// # Errors
/// When the database fails.
pub async fn owners(conn: &mut impl Conn, org: OrgKey, now: Timestamp) -> Result<Vec<(UserKey, String)>, StoreError> {
    let query = sqlx::query_as(
        "SELECT u.id, u.email FROM live_memberships($2) m JOIN users u ON u.id = m.user_id AND u.deleted_at IS NULL
         WHERE m.org_id = $1 AND m.role = 'owner' ORDER BY u.id",
    );
    Ok(query.bind(org).bind(now.micros()).fetch_all(conn.conn()).await?)
}
