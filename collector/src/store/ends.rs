//! Ends of memberships: since when nobody acts by them is `live_memberships`' to say; here they are set, told and cleared away.
//! Users are no tenant's, so this is the work of `Auth`.

use picket_shared::time::Timestamp;
use uuid::Uuid;

use super::{Auth, Conn, OrgKey, StoreError, UserKey};

/// A membership that ends, or has ended.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Ending {
    /// Where.
    pub org_id: OrgKey,
    /// What that is called.
    pub organization: String,
    /// Whose.
    pub user_id: UserKey,
    /// What names that user outside.
    pub uuid: Uuid,
    /// What that user signs in with; the name of a service member.
    pub called: String,
    /// Whether it is a service member.
    pub service: bool,
    /// In which role.
    pub role: String,
    /// When it ends.
    pub until_at: i64,
}

/// Most that one look finds.
const MOST: i64 = 100;

const SELECT: &str =
    "SELECT m.org_id, o.name AS organization, m.user_id, u.uuid, coalesce(u.email, u.service_name) AS called,
        u.service_org_id IS NOT NULL AS service, m.role, m.until_at
    FROM memberships m JOIN organizations o ON o.id = m.org_id AND o.deleted_at IS NULL
    JOIN users u ON u.id = m.user_id AND u.deleted_at IS NULL WHERE ";

/// When the membership of a user ends, if it does and is there.
///
/// # Errors
/// When the database fails.
pub async fn of(auth: &mut Auth, org: OrgKey, user: UserKey) -> Result<Option<Timestamp>, StoreError> {
    let until: Option<Option<i64>> =
        sqlx::query_scalar("SELECT until_at FROM memberships WHERE org_id = $1 AND user_id = $2")
            .bind(org)
            .bind(user)
            .fetch_optional(auth.conn())
            .await?;
    Ok(until.flatten().map(Timestamp::from_micros))
}

/// Gives a membership another end, or none; it is told in advance anew.
///
/// # Errors
/// When there is no such member or the database fails.
pub async fn set(auth: &mut Auth, org: OrgKey, user: UserKey, until: Option<Timestamp>) -> Result<(), StoreError> {
    let done =
        sqlx::query("UPDATE memberships SET until_at = $3, end_told_at = NULL WHERE org_id = $1 AND user_id = $2")
            .bind(org)
            .bind(user)
            .bind(until.map(Timestamp::micros))
            .execute(auth.conn())
            .await?;
    StoreError::expect_rows("memberships", 1, done.rows_affected())
}

/// Memberships that ended and are still there, the first to end first.
///
/// # Errors
/// When the database fails.
pub async fn ended(auth: &mut Auth, now: Timestamp) -> Result<Vec<Ending>, StoreError> {
    let query = format!("{SELECT} m.until_at <= $1 ORDER BY m.until_at, m.org_id, m.user_id LIMIT $2");
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(query)).bind(now.micros()).bind(MOST).fetch_all(auth.conn()).await?)
}

/// The membership of a user, if it has ended: asked again under the lock of its organization.
///
/// # Errors
/// When the database fails.
pub async fn still_ended(
    auth: &mut Auth,
    org: OrgKey,
    user: UserKey,
    now: Timestamp,
) -> Result<Option<Ending>, StoreError> {
    let query = format!("{SELECT} m.until_at <= $1 AND m.org_id = $2 AND m.user_id = $3");
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(query))
        .bind(now.micros())
        .bind(org)
        .bind(user)
        .fetch_optional(auth.conn())
        .await?)
}

/// Memberships that end after `now` and by `by`, which nobody was told of; from then on they count as told.
///
/// # Errors
/// When the database fails.
pub async fn take_untold(auth: &mut Auth, now: Timestamp, by: Timestamp) -> Result<Vec<Ending>, StoreError> {
    Ok(sqlx::query_as(
        "UPDATE memberships m SET end_told_at = $1 FROM organizations o, users u
         WHERE o.id = m.org_id AND o.deleted_at IS NULL AND u.id = m.user_id AND u.deleted_at IS NULL
           AND (m.org_id, m.user_id) IN (
               SELECT org_id, user_id FROM memberships
               WHERE until_at > $1 AND until_at <= $2 AND end_told_at IS NULL
               ORDER BY until_at LIMIT $3 FOR UPDATE SKIP LOCKED)
         RETURNING m.org_id, o.name AS organization, m.user_id, u.uuid, coalesce(u.email, u.service_name) AS called,
        u.service_org_id IS NOT NULL AS service, m.role, m.until_at",
    )
    .bind(now.micros())
    .bind(by.micros())
    .bind(MOST)
    .fetch_all(auth.conn())
    .await?)
}
