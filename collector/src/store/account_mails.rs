//! Mails about accounts: put down sealed by whoever asks for them, leased and sent by `flow::account_mails`.
//!
//! What a mail says goes when it has ended. Of a template that is told at most once in a while, one more is not put down;
//! asking costs the same, also where there is no user.

use std::time::Duration;

use picket_shared::ids::AccountMailId;
use picket_shared::secret::Sealed;
use picket_shared::time::Timestamp;

use super::{Auth, Conn, StoreError, UserKey, Worker};
use crate::wake::Bell;

/// For so long it is kept that a mail was sent.
const KEPT: Duration = Duration::from_secs(30 * 86_400);

/// A mail to be put down.
#[derive(Clone, Copy, Debug)]
pub struct NewMail<'a> {
    /// Its id, the context of its seal.
    pub id: AccountMailId,
    /// Whose account it is about.
    pub user: Option<UserKey>,
    /// Which mail it is.
    pub template: &'a str,
    /// What it says, and to whom it goes.
    pub sealed: &'a Sealed,
    /// When it is of no use any more.
    pub gives_up: Timestamp,
}

/// A mail that is this process's to send until `until`.
#[derive(Clone, Debug)]
pub struct Leased {
    /// Its row.
    pub key: i64,
    /// Its id, the same at every attempt.
    pub id: AccountMailId,
    /// What it says, and to whom it goes.
    pub sealed: Sealed,
    /// How many attempts were made.
    pub attempts: i32,
    /// When it is of no use any more.
    pub gives_up: Timestamp,
    /// When the lease ends.
    pub until: Timestamp,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was taken.
    Sent,
    /// It cannot be sent, or was tried for too long.
    Failed,
    /// Nobody wants it (any more).
    Superseded,
    /// Try again then.
    Retry(Timestamp),
}

/// Puts a mail down.
///
/// # Errors
/// When the database fails.
pub async fn insert(conn: &mut impl Conn, new: &NewMail<'_>, now: Timestamp) -> Result<(), StoreError> {
    let done = put(conn, new, None, now).await?;
    StoreError::expect_rows("account_mails", 1, done)
}

/// Puts a mail down, unless there is no user or the user was told the same since `since`.
///
/// # Errors
/// When the database fails.
pub async fn insert_unless_told(
    auth: &mut Auth,
    new: &NewMail<'_>,
    since: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    put(auth, new, Some(since), now).await.map(|_| ())
}

async fn put(
    conn: &mut impl Conn,
    new: &NewMail<'_>,
    since: Option<Timestamp>,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "INSERT INTO account_mails (uuid, user_id, template, sealed_parameters, created_at, next_at, gives_up_at)
         SELECT $1, $2, $3, $4, $5, $5, $6
         WHERE $7::bigint IS NULL OR ($2::bigint IS NOT NULL AND NOT EXISTS (
             SELECT FROM account_mails WHERE user_id = $2 AND template = $3 AND created_at > $7))",
    )
    .bind(new.id.0)
    .bind(new.user)
    .bind(new.template)
    .bind(&new.sealed.0)
    .bind(now.micros())
    .bind(new.gives_up.micros())
    .bind(since.map(Timestamp::micros))
    .execute(conn.conn())
    .await?;
    conn.ring(Bell::Mails).await?;
    Ok(done.rows_affected())
}

/// Leases up to `limit` mails that are due for `term`.
///
/// # Errors
/// When the database fails.
pub async fn lease(conn: &mut Worker, limit: i64, term: Duration, now: Timestamp) -> Result<Vec<Leased>, StoreError> {
    let until = now + term;
    let rows: Vec<(i64, uuid::Uuid, Vec<u8>, i32, i64)> = sqlx::query_as(
        "UPDATE account_mails SET leased_until = $2 WHERE id IN (
            SELECT id FROM account_mails WHERE state = 'pending' AND next_at <= $1
                AND (leased_until IS NULL OR leased_until <= $1)
            ORDER BY next_at, id LIMIT $3 FOR UPDATE SKIP LOCKED)
         RETURNING id, uuid, sealed_parameters, attempts, gives_up_at",
    )
    .bind(now.micros())
    .bind(until.micros())
    .bind(limit)
    .fetch_all(conn.conn())
    .await?;
    let leased = rows.into_iter().map(|(key, uuid, sealed, attempts, gives_up)| Leased {
        key,
        id: AccountMailId(uuid),
        sealed: Sealed(sealed),
        attempts,
        gives_up: Timestamp::from_micros(gives_up),
        until,
    });
    Ok(leased.collect())
}

/// Records an attempt, if the lease is still held. False when it was not.
///
/// # Errors
/// When the database fails.
pub async fn record(
    conn: &mut Worker,
    leased: &Leased,
    ending: Ending,
    answer: &str,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let (state, next_at) = match ending {
        Ending::Sent => ("sent", None),
        Ending::Failed => ("failed", None),
        Ending::Superseded => ("superseded", None),
        Ending::Retry(next_at) => ("pending", Some(next_at.micros())),
    };
    let done = sqlx::query(
        "UPDATE account_mails SET state = $3, attempts = attempts + 1, answer = $4, leased_until = NULL,
                next_at = coalesce($5, next_at), ended_at = CASE WHEN $5 IS NULL THEN $6 END,
                sealed_parameters = CASE WHEN $5 IS NULL THEN NULL ELSE sealed_parameters END
         WHERE id = $1 AND state = 'pending' AND leased_until = $2",
    )
    .bind(leased.key)
    .bind(leased.until.micros())
    .bind(state)
    .bind(answer)
    .bind(next_at)
    .bind(at.micros())
    .execute(conn.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether somebody signs in with an address.
///
/// # Errors
/// When the database fails.
pub async fn is_somebodys(conn: &mut Worker, email: &str) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT FROM users WHERE email = $1 AND deleted_at IS NULL)")
        .bind(email)
        .fetch_one(conn.conn())
        .await?)
}

/// Deletes mails that ended long ago.
///
/// # Errors
/// When the database fails.
pub async fn forget_ended(auth: &mut Auth, now: Timestamp) -> Result<u64, StoreError> {
    Ok(sqlx::query("DELETE FROM account_mails WHERE ended_at <= $1")
        .bind((now - KEPT).micros())
        .execute(auth.conn())
        .await?
        .rows_affected())
}
