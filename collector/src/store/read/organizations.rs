//! Every organization, for who administers the instance: counts, and nothing of what each one watches.

use crate::store::{Auth, Conn, StoreError};

/// An organization in the list.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct OrganizationRow {
    /// Its name outside.
    pub uuid: uuid::Uuid,
    /// What people call it.
    pub name: String,
    /// When it was made.
    pub created_at: i64,
    /// Who belongs to it.
    pub members: i64,
    /// What it watches.
    pub monitors: i64,
}

/// Organizations of a page.
pub const PAGE: i64 = 100;

/// Organizations by name, from the one after `after` on; one more than a page, if there are more.
///
/// # Errors
/// When the database fails.
pub async fn page(auth: &mut Auth, after: &str) -> Result<Vec<OrganizationRow>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT o.uuid, o.name, o.created_at,
                (SELECT count(*) FROM memberships m JOIN users u ON u.id = m.user_id
                 WHERE m.org_id = o.id AND u.deleted_at IS NULL AND u.service_org_id IS NULL) AS members,
                (SELECT count(*) FROM monitors m WHERE m.org_id = o.id AND m.deleted_at IS NULL) AS monitors
         FROM organizations o WHERE o.deleted_at IS NULL AND o.name > $1 ORDER BY o.name LIMIT $2",
    )
    .bind(after)
    .bind(PAGE + 1)
    .fetch_all(auth.conn())
    .await?)
}

/// How many there are.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Counts {
    /// Organizations.
    pub organizations: i64,
    /// Users of them all.
    pub users: i64,
    /// Monitors of them all.
    pub monitors: i64,
}

/// Counts what is not deleted.
///
/// # Errors
/// When the database fails.
pub async fn counts(auth: &mut Auth) -> Result<Counts, StoreError> {
    Ok(sqlx::query_as(
        "SELECT (SELECT count(*) FROM organizations WHERE deleted_at IS NULL) AS organizations,
                (SELECT count(*) FROM users WHERE deleted_at IS NULL AND service_org_id IS NULL) AS users,
                (SELECT count(*) FROM monitors WHERE deleted_at IS NULL) AS monitors",
    )
    .fetch_one(auth.conn())
    .await?)
}
