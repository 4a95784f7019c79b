//! Memberships: who belongs to an organization, in which role. Users are no tenant's, so this is the work of `Auth`; every
//! statement names the organization.

use picket_shared::time::Timestamp;
use uuid::Uuid;

use super::{Auth, Conn, OrgKey, StoreError, UserKey};
use crate::domain::access::Role;
use crate::domain::members::Standing;

/// A member.
#[derive(Clone, Debug)]
pub struct MemberRow {
    /// Its row as a user.
    pub user: UserKey,
    /// What names it outside.
    pub id: Uuid,
    /// What it signs in with; the name of a service member.
    pub called: String,
    /// Whether it is a service member, which nobody signs in as.
    pub service: bool,
    /// What it is here.
    pub role: Role,
    /// Since when it belongs here.
    pub since: Timestamp,
    /// Until when; for good without an end.
    pub until: Option<Timestamp>,
    /// When it last signed in, here or elsewhere.
    pub signed_in_at: Option<Timestamp>,
    /// Whether it is asked for a second factor.
    pub second_factor: bool,
}

impl MemberRow {
    /// What it is here, and until when.
    pub const fn standing(&self) -> Standing {
        Standing { role: self.role, until: self.until }
    }

    /// What it is called by, in entries of the audit log.
    pub const fn kind(&self) -> &'static str {
        if self.service { "service" } else { "email" }
    }
}

type Row = (UserKey, Uuid, String, bool, String, i64, Option<i64>, Option<i64>, bool);

const SELECT: &str = "SELECT u.id, u.uuid, coalesce(u.email, u.service_name) AS called, u.service_org_id IS NOT NULL, m.role, m.created_at, m.until_at, u.signed_in_at, has_second_factor(u.id)
    FROM memberships m JOIN users u ON u.id = m.user_id AND u.deleted_at IS NULL WHERE m.org_id = $1";

fn read(
    (user, id, called, service, role, since, until, signed_in, second_factor): Row,
) -> Result<MemberRow, StoreError> {
    Ok(MemberRow {
        user,
        id,
        called,
        service,
        role: role_in(&role, user)?,
        since: Timestamp::from_micros(since),
        until: until.map(Timestamp::from_micros),
        signed_in_at: signed_in.map(Timestamp::from_micros),
        second_factor,
    })
}

fn role_in(text: &str, user: UserKey) -> Result<Role, StoreError> {
    text.parse().map_err(|_| StoreError::Inconsistent { table: "memberships", column: "role", row: user.0 })
}

/// Every member: people by address, then service members by name.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn list(auth: &mut Auth, org: OrgKey) -> Result<Vec<MemberRow>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} ORDER BY u.email IS NULL, called")))
        .bind(org)
        .fetch_all(auth.conn())
        .await?;
    rows.into_iter().map(read).collect()
}

/// The member of that id.
///
/// # Errors
/// When the database fails or the row cannot be read.
pub async fn find(auth: &mut Auth, org: OrgKey, id: Uuid) -> Result<Option<MemberRow>, StoreError> {
    let row: Option<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} AND u.uuid = $2")))
        .bind(org)
        .bind(id)
        .fetch_optional(auth.conn())
        .await?;
    row.map(read).transpose()
}

/// What a user is here.
///
/// # Errors
/// When the database fails or the row cannot be read.
pub async fn role_of(auth: &mut Auth, org: OrgKey, user: UserKey, now: Timestamp) -> Result<Option<Role>, StoreError> {
    let role: Option<String> = sqlx::query_scalar(
        "SELECT m.role FROM live_memberships($3) m JOIN users u ON u.id = m.user_id AND u.deleted_at IS NULL
         WHERE m.org_id = $1 AND m.user_id = $2",
    )
    .bind(org)
    .bind(user)
    .bind(now.micros())
    .fetch_optional(auth.conn())
    .await?;
    role.map(|role| role_in(&role, user)).transpose()
}

/// Lets nobody else change members until the end of the transaction; gives how many owners there are for good:
/// whose membership has no end.
///
/// # Errors
/// When the organization is gone or the database fails.
pub async fn lock(auth: &mut Auth, org: OrgKey) -> Result<i64, StoreError> {
    let locked =
        sqlx::query("SELECT FROM organizations WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE").bind(org);
    let locked = locked.fetch_all(auth.conn()).await?;
    StoreError::expect_rows("organizations", 1, locked.len() as u64)?;
    // A statement of its own: it sees what was committed while this waited.
    owners_for_good(auth, org).await
}

/// How many owners there are whose membership has no end.
///
/// # Errors
/// When the database fails.
pub async fn owners_for_good(auth: &mut Auth, org: OrgKey) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT count(*) FROM memberships m JOIN users u ON u.id = m.user_id AND u.deleted_at IS NULL
         WHERE m.org_id = $1 AND m.role = 'owner' AND m.until_at IS NULL",
    )
    .bind(org)
    .fetch_one(auth.conn())
    .await?)
}

/// Makes a user a member. False when it is one already.
///
/// # Errors
/// When the database fails.
pub async fn add(
    auth: &mut Auth,
    org: OrgKey,
    user: UserKey,
    is: Standing,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO memberships (org_id, user_id, role, until_at, created_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT DO NOTHING",
    )
    .bind(org)
    .bind(user)
    .bind(is.role.as_str())
    .bind(is.until.map(Timestamp::micros))
    .bind(now.micros())
    .execute(auth.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives a member another role.
///
/// # Errors
/// When there is no such member or the database fails.
pub async fn set_role(auth: &mut Auth, org: OrgKey, user: UserKey, role: Role) -> Result<(), StoreError> {
    let done = sqlx::query("UPDATE memberships SET role = $3 WHERE org_id = $1 AND user_id = $2")
        .bind(org)
        .bind(user)
        .bind(role.as_str())
        .execute(auth.conn())
        .await?;
    StoreError::expect_rows("memberships", 1, done.rows_affected())
}

/// Ends a membership, and with it the member's API keys here.
///
/// # Errors
/// When there is no such member or the database fails.
pub async fn remove(auth: &mut Auth, org: OrgKey, user: UserKey) -> Result<(), StoreError> {
    let done = sqlx::query("DELETE FROM memberships WHERE org_id = $1 AND user_id = $2")
        .bind(org)
        .bind(user)
        .execute(auth.conn())
        .await?;
    StoreError::expect_rows("memberships", 1, done.rows_affected())
}
