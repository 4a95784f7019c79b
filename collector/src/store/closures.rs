//! Accounts and organizations that were closed, and what ends with them: at once, for seven days, then [`super::erasures`].

use picket_shared::time::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;

use super::{Auth, Conn, OrgKey, Scoped, StoreError, UserKey};
use crate::wake::Bell;

/// What was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// An account.
    Account(UserKey),
    /// An organization.
    Organization(OrgKey),
}

/// A membership that an account had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Was {
    /// In which organization.
    pub org: i64,
    /// As what.
    pub role: String,
    /// Since when.
    pub since: i64,
    /// Until when.
    pub until: Option<i64>,
}

impl From<&Belonging> for Was {
    fn from(place: &Belonging) -> Self {
        Self { org: place.org.0, role: place.role.clone(), since: place.created_at, until: place.until_at }
    }
}

/// A closure.
#[derive(Clone, Debug)]
pub struct Closure {
    /// Its row.
    pub id: i64,
    /// Of what.
    pub of: Closed,
    /// When it is erased.
    pub erase_at: Timestamp,
    /// Where an account belonged.
    pub memberships: Vec<Was>,
}

/// A closure to be written down.
#[derive(Clone, Debug)]
pub struct NewClosure<'a> {
    /// Of what.
    pub of: Closed,
    /// The closure of the account with which an organization goes.
    pub with: Option<i64>,
    /// Where an account belonged.
    pub memberships: &'a [Was],
    /// Who owned an organization.
    pub owners: &'a [UserKey],
    /// When it is erased.
    pub erase_at: Timestamp,
}

/// An organization that somebody owns, and whether nobody else does for good.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Belonging {
    /// Its row.
    pub org: OrgKey,
    /// Its name outside.
    pub uuid: Uuid,
    /// What it is called.
    pub name: String,
    /// What the user is there.
    pub role: String,
    /// Since when.
    pub created_at: i64,
    /// Until when.
    pub until_at: Option<i64>,
    /// Whether the user is its only owner for good.
    pub sole_owner: bool,
    /// How many others belong to it.
    pub others: i64,
}

/// Where a user belongs, in the order of rows, so that two who lock them do not wait for each other.
///
/// # Errors
/// When the database fails.
pub async fn belongings(auth: &mut Auth, user: UserKey) -> Result<Vec<Belonging>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT m.org_id AS org, o.uuid, o.name, m.role, m.created_at, m.until_at,
                m.role = 'owner' AND m.until_at IS NULL AND NOT EXISTS (
                    SELECT FROM memberships w JOIN users u ON u.id = w.user_id AND u.deleted_at IS NULL
                    WHERE w.org_id = m.org_id AND w.user_id <> $1 AND w.role = 'owner' AND w.until_at IS NULL) AS sole_owner,
                (SELECT count(*) FROM memberships w WHERE w.org_id = m.org_id AND w.user_id <> $1) AS others
         FROM memberships m JOIN organizations o ON o.id = m.org_id AND o.deleted_at IS NULL
         WHERE m.user_id = $1 ORDER BY m.org_id",
    )
    .bind(user)
    .fetch_all(auth.conn())
    .await?)
}

/// Writes a closure down; gives its row.
///
/// # Errors
/// When the database fails, or the same is closed already.
pub async fn insert(auth: &mut Auth, new: &NewClosure<'_>, now: Timestamp) -> Result<i64, StoreError> {
    let (user, org) = match new.of {
        Closed::Account(user) => (Some(user), None),
        Closed::Organization(org) => (None, Some(org)),
    };
    Ok(sqlx::query_scalar(
        "INSERT INTO closures (uuid, user_id, org_id, with_id, closed_at, erase_at, memberships, owners)
         VALUES (gen_random_uuid(), $1, $2, $3, $4, $5, $6, $7) RETURNING id",
    )
    .bind(user)
    .bind(org)
    .bind(new.with)
    .bind(now.micros())
    .bind(new.erase_at.micros())
    .bind(Json(new.memberships))
    .bind(new.owners.iter().map(|owner| owner.0).collect::<Vec<_>>())
    .fetch_one(auth.conn())
    .await?)
}

/// Closes the account of a user: nobody signs in with its address, and nothing that was under way goes on.
///
/// # Errors
/// When there is no such user or the database fails.
pub async fn close_user(auth: &mut Auth, user: UserKey, by: &str, now: Timestamp) -> Result<(), StoreError> {
    let done =
        sqlx::query("UPDATE users SET deleted_at = $2 WHERE id = $1 AND deleted_at IS NULL AND service_org_id IS NULL")
            .bind(user)
            .bind(now.micros())
            .execute(auth.conn())
            .await?;
    StoreError::expect_rows("users", 1, done.rows_affected())?;
    for statement in [
        "DELETE FROM memberships WHERE user_id = $1",
        "DELETE FROM address_changes WHERE user_id = $1",
        "DELETE FROM passkey_challenges WHERE user_id = $1",
    ] {
        sqlx::query(statement).bind(user).execute(auth.conn()).await?;
    }
    sqlx::query(
        "UPDATE admin_grants SET revoked_at = $2, revoked_by = $3 WHERE user_id = $1 AND revoked_at IS NULL AND until_at > $2",
    )
    .bind(user)
    .bind(now.micros())
    .bind(by)
    .execute(auth.conn())
    .await?;
    Ok(())
}

/// Closes an organization: nobody acts there, keys and invitations end, and so does every consent to manage or be managed. Its
/// monitors stop with [`settle`].
///
/// # Errors
/// When there is no such organization or the database fails.
pub async fn close_organization(auth: &mut Auth, org: OrgKey, by: &str, now: Timestamp) -> Result<(), StoreError> {
    let done = sqlx::query("UPDATE organizations SET deleted_at = $2 WHERE id = $1 AND deleted_at IS NULL")
        .bind(org)
        .bind(now.micros())
        .execute(auth.conn())
        .await?;
    StoreError::expect_rows("organizations", 1, done.rows_affected())?;
    for statement in [
        "UPDATE api_keys SET revoked_at = $2 WHERE org_id = $1 AND revoked_at IS NULL",
        "UPDATE invitations SET revoked_at = $2 WHERE org_id = $1 AND accepted_at IS NULL AND revoked_at IS NULL",
    ] {
        sqlx::query(statement).bind(org).bind(now.micros()).execute(auth.conn()).await?;
    }
    sqlx::query("UPDATE sessions SET chosen_org_id = NULL WHERE chosen_org_id = $1")
        .bind(org)
        .execute(auth.conn())
        .await?;
    sqlx::query(
        "UPDATE managements SET ended_by = $3, ended_at = $2, ended_why = CASE WHEN org_id = $1 THEN 'revoked' ELSE 'left' END
         WHERE ended_at IS NULL AND (org_id = $1 OR manager_id = $1)",
    )
    .bind(org)
    .bind(now.micros())
    .bind(by)
    .execute(auth.conn())
    .await?;
    Ok(())
}

type Row = (i64, Option<UserKey>, Option<OrgKey>, i64, Json<Vec<Was>>);

fn closure(row: Row) -> Option<Closure> {
    let (id, user, org, erase_at, memberships) = row;
    let of = user.map(Closed::Account).or(org.map(Closed::Organization))?;
    Some(Closure { id, of, erase_at: Timestamp::from_micros(erase_at), memberships: memberships.0 })
}

/// A closure that can be taken back until then, locked.
///
/// # Errors
/// When the database fails.
pub async fn find_open(auth: &mut Auth, id: i64, now: Timestamp) -> Result<Option<Closure>, StoreError> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT id, user_id, org_id, erase_at, memberships FROM closures
         WHERE id = $1 AND erase_at > $2 AND began_at IS NULL AND restored_at IS NULL FOR UPDATE",
    )
    .bind(id)
    .bind(now.micros())
    .fetch_optional(auth.conn())
    .await?;
    Ok(row.and_then(closure))
}

/// The closures of organizations that came with that of an account, locked.
///
/// # Errors
/// When the database fails.
pub async fn with(auth: &mut Auth, id: i64) -> Result<Vec<Closure>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, user_id, org_id, erase_at, memberships FROM closures
         WHERE with_id = $1 AND began_at IS NULL AND restored_at IS NULL ORDER BY id FOR UPDATE",
    )
    .bind(id)
    .fetch_all(auth.conn())
    .await?;
    Ok(rows.into_iter().filter_map(closure).collect())
}

/// What names what was closed outside, and what it is called.
///
/// # Errors
/// When it is gone or the database fails.
pub async fn subject(auth: &mut Auth, of: Closed) -> Result<(Uuid, String), StoreError> {
    let query = match of {
        Closed::Account(_) => "SELECT uuid, email FROM users WHERE id = $1",
        Closed::Organization(_) => "SELECT uuid, name FROM organizations WHERE id = $1",
    };
    let key = match of {
        Closed::Account(user) => user.0,
        Closed::Organization(org) => org.0,
    };
    Ok(sqlx::query_as(query).bind(key).fetch_one(auth.conn()).await?)
}

/// Opens an account again. False when somebody else signs in with its address by now.
///
/// # Errors
/// When the database fails.
pub async fn reopen_user(auth: &mut Auth, user: UserKey) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE users u SET deleted_at = NULL WHERE id = $1
             AND NOT EXISTS (SELECT FROM users o WHERE o.email = u.email AND o.deleted_at IS NULL)",
    )
    .bind(user)
    .execute(auth.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Makes a user a member again, where the organization is there and the membership would not have ended by now.
///
/// # Errors
/// When the database fails.
pub async fn rejoin(auth: &mut Auth, user: UserKey, was: &Was, now: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO memberships (org_id, user_id, role, created_at, until_at)
         SELECT id, $2, $3, $4, $5 FROM organizations WHERE id = $1 AND deleted_at IS NULL AND ($5::bigint IS NULL OR $5 > $6)
         ON CONFLICT DO NOTHING",
    )
    .bind(was.org)
    .bind(user)
    .bind(&was.role)
    .bind(was.since)
    .bind(was.until)
    .bind(now.micros())
    .execute(auth.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Opens an organization again; where another took its name meanwhile, under its name with a word behind it.
///
/// # Errors
/// When the database fails.
pub async fn reopen_organization(auth: &mut Auth, org: OrgKey) -> Result<(), StoreError> {
    let done = sqlx::query(
        "UPDATE organizations o SET deleted_at = NULL,
             name = CASE WHEN EXISTS (SELECT FROM organizations x WHERE x.name = o.name AND x.deleted_at IS NULL)
                         THEN left(o.name, 150) || ' (restored ' || left(o.uuid::text, 8) || ')' ELSE o.name END
         WHERE id = $1 AND deleted_at IS NOT NULL",
    )
    .bind(org)
    .execute(auth.conn())
    .await?;
    StoreError::expect_rows("organizations", 1, done.rows_affected())
}

/// Takes the closure of an account back; links to it go with it.
///
/// # Errors
/// When it is gone or the database fails.
pub async fn remove(auth: &mut Auth, id: i64) -> Result<(), StoreError> {
    let done = sqlx::query("DELETE FROM closures WHERE id = $1").bind(id).execute(auth.conn()).await?;
    StoreError::expect_rows("closures", 1, done.rows_affected())
}

/// Takes the closure of an organization back: links to it end, and [`settle`] lets its monitors run.
///
/// # Errors
/// When it is gone or the database fails.
pub async fn take_back(auth: &mut Auth, id: i64, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM account_links WHERE closure_id = $1").bind(id).execute(auth.conn()).await?;
    let done =
        sqlx::query("UPDATE closures SET restored_at = $2, with_id = NULL WHERE id = $1 AND restored_at IS NULL")
            .bind(id)
            .bind(now.micros())
            .execute(auth.conn())
            .await?;
    StoreError::expect_rows("closures", 1, done.rows_affected())
}

/// Organizations of which monitors are to stop, or to run again.
///
/// # Errors
/// When the database fails.
pub async fn unsettled(auth: &mut Auth) -> Result<Vec<OrgKey>, StoreError> {
    let query =
        "SELECT DISTINCT org_id FROM closures WHERE org_id IS NOT NULL AND (NOT stopped OR restored_at IS NOT NULL)";
    Ok(sqlx::query_scalar(query).fetch_all(auth.conn()).await?)
}

/// Lets run again what the closure of an organization paused that was taken back, and nothing else; pauses what runs of one that
/// is closed, and remembers which monitors those are. Gives how many that was.
///
/// # Errors
/// When the database fails, or a limit does not allow so many any more.
pub async fn settle(scoped: &mut Scoped, now: Timestamp) -> Result<usize, StoreError> {
    let org = scoped.org();
    let rows: Vec<(i64, i64, bool)> = sqlx::query_as(
        "SELECT id, closed_at, restored_at IS NOT NULL FROM closures
         WHERE org_id = $1 AND (NOT stopped OR restored_at IS NOT NULL) ORDER BY id FOR UPDATE",
    )
    .bind(org)
    .fetch_all(scoped.conn())
    .await?;
    let mut changed = 0;
    for (id, closed_at, restored) in rows {
        let version = super::monitors::next_version(scoped).await?;
        let statement = if restored { RESUME } else { PAUSE };
        let monitors: Vec<i64> = sqlx::query_scalar(statement)
            .bind(org)
            .bind(now.micros())
            .bind(version)
            .bind(if restored { id } else { closed_at })
            .fetch_all(scoped.conn())
            .await?;
        touched(scoped, &monitors, now).await?;
        if restored {
            sqlx::query("DELETE FROM closures WHERE id = $1").bind(id).execute(scoped.conn()).await?;
        } else {
            sqlx::query("UPDATE closures SET paused = paused || $2::bigint[], stopped = true WHERE id = $1")
                .bind(id)
                .bind(&monitors)
                .execute(scoped.conn())
                .await?;
        }
        changed += monitors.len();
    }
    Ok(changed)
}

const PAUSE: &str = "UPDATE monitors SET paused_at = $4, updated_at = $2, assigned_at_version = $3
    WHERE org_id = $1 AND paused_at IS NULL AND deleted_at IS NULL RETURNING id";
const RESUME: &str = "UPDATE monitors m SET paused_at = NULL, updated_at = $2, assigned_at_version = $3 FROM closures c
    WHERE c.id = $4 AND m.org_id = $1 AND m.id = ANY (c.paused) AND m.paused_at IS NOT NULL AND m.deleted_at IS NULL
    RETURNING m.id";

async fn touched(scoped: &mut Scoped, monitors: &[i64], now: Timestamp) -> Result<(), StoreError> {
    sqlx::query("UPDATE states SET dirty_at = $2 WHERE monitor_id = ANY ($1)")
        .bind(monitors)
        .bind(now.micros())
        .execute(scoped.conn())
        .await?;
    scoped.ring(Bell::Assignments).await?;
    scoped.ring(Bell::Judge).await
}
