//! Every user, for who administers the instance: address and times, nothing of what a user watches.

use picket_shared::time::Timestamp;

use crate::store::sessions::IDLE;
use crate::store::{Auth, Conn, StoreError, UserKey};

/// A user in the list.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ListedUser {
    /// Its row.
    pub id: UserKey,
    /// Its name outside.
    pub uuid: uuid::Uuid,
    /// What it signs in with.
    pub email: String,
    /// When it last signed in, or was let in by what is no sign-in: set-up, for one.
    pub signed_in_at: Option<i64>,
    /// Sessions that go on.
    pub sessions: i64,
}

/// Users of a page.
pub const PAGE: i64 = 50;

/// Users by address, of which `search` is a part (in lower case), from the one after `after` on; one more than a page, if
/// there are more.
///
/// # Errors
/// When the database fails.
pub async fn page(auth: &mut Auth, search: &str, after: &str, now: Timestamp) -> Result<Vec<ListedUser>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT u.id, u.uuid, u.email,
                greatest(u.signed_in_at, (SELECT max(created_at) FROM sessions s WHERE s.user_id = u.id)) AS signed_in_at,
                (SELECT count(*) FROM sessions s WHERE s.user_id = u.id AND s.expires_at > $3 AND s.seen_at > $4) AS sessions
         FROM users u WHERE u.deleted_at IS NULL AND u.service_org_id IS NULL AND strpos(u.email, $1) > 0 AND u.email > $2 ORDER BY u.email LIMIT $5",
    )
    .bind(search)
    .bind(after)
    .bind(now.micros())
    .bind((now - IDLE).micros())
    .bind(PAGE + 1)
    .fetch_all(auth.conn())
    .await?)
}
