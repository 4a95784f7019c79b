//! Organizations: the tenants.

use picket_shared::ids::OrgId;
use picket_shared::time::Timestamp;
use serde_json::json;

use super::audit::{self, Author};
use super::limits::Limits;
use super::{Auth, Conn, OrgKey, Scoped, StoreError, UserKey, Worker, agreements};

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
    if let Some(key) = made {
        // Its agreement is there from the beginning.
        agreements::issue(auth, key, now).await?;
    }
    Ok(made.map(|key| (key, id)))
}

/// Whether an organization is called so.
///
/// # Errors
/// When the database fails.
pub async fn is_called(auth: &mut Auth, name: &str) -> Result<bool, StoreError> {
    let query = "SELECT EXISTS (SELECT FROM organizations WHERE name = $1 AND deleted_at IS NULL)";
    Ok(sqlx::query_scalar(query).bind(name).fetch_one(auth.conn()).await?)
}

/// An organization that a user belongs to.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Joined {
    /// Its row.
    pub key: OrgKey,
    /// Its name outside.
    pub uuid: uuid::Uuid,
    /// What it is called.
    pub name: String,
    /// What the user is there.
    pub role: String,
    /// What the managing organization is called through which the user acts there, if not as a member.
    pub through: Option<String>,
}

/// The organizations that a user belongs to, the first one joined first; then those in which the user acts through another.
///
/// # Errors
/// When the database fails.
pub async fn of_user(auth: &mut Auth, user: UserKey, now: Timestamp) -> Result<Vec<Joined>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT o.id AS key, o.uuid, o.name, m.role, t.name AS through FROM live_access($2) m
         JOIN organizations o ON o.id = m.org_id LEFT JOIN organizations t ON t.id = m.through
         WHERE m.user_id = $1 ORDER BY m.through IS NOT NULL, m.created_at, m.org_id",
    )
    .bind(user)
    .bind(now.micros())
    .fetch_all(auth.conn())
    .await?)
}

/// Whether no organization was there before this one.
///
/// # Errors
/// When the database fails.
pub async fn is_first(auth: &mut Auth, org: OrgKey) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar("SELECT NOT EXISTS (SELECT FROM organizations WHERE id < $1)")
        .bind(org)
        .fetch_one(auth.conn())
        .await?)
}

/// What an organization is called; none when it is gone.
///
/// # Errors
/// When the database fails.
pub async fn name(auth: &mut Auth, org: OrgKey) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar("SELECT name FROM organizations WHERE id = $1 AND deleted_at IS NULL")
        .bind(org)
        .fetch_optional(auth.conn())
        .await?)
}

/// The organization of that name outside, unless it is gone.
///
/// # Errors
/// When the database fails.
pub async fn by_id(auth: &mut Auth, id: uuid::Uuid) -> Result<Option<OrgKey>, StoreError> {
    Ok(sqlx::query_scalar("SELECT id FROM organizations WHERE uuid = $1 AND deleted_at IS NULL")
        .bind(id)
        .fetch_optional(auth.conn())
        .await?)
}

/// Whether an organization wants a second factor of its members.
///
/// # Errors
/// When the database fails.
pub async fn wants_second_factor(auth: &mut Auth, org: OrgKey) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar("SELECT second_factor_since IS NOT NULL FROM organizations WHERE id = $1")
        .bind(org)
        .fetch_one(auth.conn())
        .await?)
}

/// Says whether an organization wants one from now on. Its name outside; none when it was so before.
///
/// # Errors
/// When the database fails.
pub async fn want_second_factor(
    auth: &mut Auth,
    org: OrgKey,
    wanted: bool,
    now: Timestamp,
) -> Result<Option<uuid::Uuid>, StoreError> {
    Ok(sqlx::query_scalar(
        "UPDATE organizations SET second_factor_since = CASE WHEN $2 THEN $3 END
         WHERE id = $1 AND (second_factor_since IS NOT NULL) <> $2 RETURNING uuid",
    )
    .bind(org)
    .bind(wanted)
    .bind(now.micros())
    .fetch_optional(auth.conn())
    .await?)
}

/// An organization in a list of all.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its row.
    pub key: OrgKey,
    /// Its name outside.
    pub uuid: uuid::Uuid,
    /// What it is called.
    pub name: String,
    /// How many members it has.
    pub members: i64,
    /// How many monitors it has.
    pub monitors: i64,
    /// What it may have.
    pub limits: Limits,
}

/// Every organization, by name.
///
/// # Errors
/// When the database fails.
pub async fn list(worker: &mut Worker) -> Result<Vec<Listed>, StoreError> {
    let rows: Vec<ListedRow> = sqlx::query_as(
        "SELECT o.id AS key, o.uuid, o.name, (SELECT count(*) FROM memberships m WHERE m.org_id = o.id) AS members,
                (SELECT count(*) FROM monitors m WHERE m.org_id = o.id AND m.deleted_at IS NULL) AS monitors,
                l.monitors AS most_monitors, l.interval_s, l.checks_per_minute, l.sms_per_day
         FROM organizations o LEFT JOIN organization_limits l ON l.org_id = o.id
         WHERE o.deleted_at IS NULL ORDER BY o.name",
    )
    .fetch_all(worker.conn())
    .await?;
    Ok(rows.into_iter().map(ListedRow::listed).collect())
}

#[derive(sqlx::FromRow)]
struct ListedRow {
    key: OrgKey,
    uuid: uuid::Uuid,
    name: String,
    members: i64,
    monitors: i64,
    most_monitors: Option<i32>,
    interval_s: Option<i32>,
    checks_per_minute: Option<i32>,
    sms_per_day: Option<i32>,
}

impl ListedRow {
    fn listed(self) -> Listed {
        let limits = Limits {
            monitors: self.most_monitors,
            interval_s: self.interval_s,
            checks_per_minute: self.checks_per_minute,
            sms_per_day: self.sms_per_day,
        };
        let Self { key, uuid, name, members, monitors, .. } = self;
        Listed { key, uuid, name, members, monitors, limits }
    }
}
