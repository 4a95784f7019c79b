//! Which collector leads: one row. Whoever holds it runs the tasks that judge, tell and delete; all others stand by.
//!
//! Each term has a number that only grows. A transaction of a task begins with `hold_leadership` (`super::scope`): it holds a lock
//! together with its like, and fails where its number is not the newest. Who takes over holds that lock alone until the new number is
//! committed. So whatever an old holder had open has ended before, or ends without a commit.

use picket_shared::ids::TermId;
use picket_shared::time::Timestamp;
use sqlx::PgConnection;

use super::scope::Fence;
use super::{Conn, StoreError, Worker};

/// The lock that every transaction of a task shares; migration 0090 names it too. The digits follow those of deliveries.
const LOCK: i64 = 24_247;
/// So long the lock is waited for before those who hold it are ended. In milliseconds, as PostgreSQL takes it.
const PATIENCE: &str = "700";

/// The row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leadership {
    /// The number of the newest term; 0 before the first.
    pub fence: Fence,
    /// Who leads; `None` where the last one ended in order.
    pub holder: Option<TermId>,
    /// Where the last one runs or ran.
    pub host: String,
    /// The names of its keys, the newest last.
    pub key_ids: Vec<String>,
    /// Rises while the holder lives.
    pub beat: i64,
    /// Since when it leads, by its time.
    pub taken_at: Option<Timestamp>,
    /// When its beat last rose, by its time.
    pub beat_at: Option<Timestamp>,
}

/// Who would lead.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Names the process.
    pub id: TermId,
    /// Where it runs.
    pub host: String,
    /// The names of its keys, the newest last.
    pub key_ids: Vec<String>,
}

/// What came of taking the leadership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is taken, under this number, once the transaction commits.
    Yes(Fence),
    /// Somebody else was quicker, or the holder lives.
    Changed,
    /// A transaction of the old holder lasts: [`end_transactions`], and try again. This transaction can do no more.
    Blocked,
}

/// Reads the row.
///
/// # Errors
/// When the database fails.
pub async fn read(conn: &mut impl Conn) -> Result<Leadership, StoreError> {
    read_by(conn.conn()).await
}

/// The same, for doctor.
///
/// # Errors
/// When the database fails.
pub async fn read_by(conn: &mut PgConnection) -> Result<Leadership, StoreError> {
    type Row = (i64, Option<uuid::Uuid>, String, Vec<String>, i64, Option<i64>, Option<i64>);
    let (fence, holder, host, key_ids, beat, taken_at, beat_at): Row =
        sqlx::query_as("SELECT fence, holder, host, key_ids, beat, taken_at, beat_at FROM leadership")
            .fetch_one(conn)
            .await?;
    Ok(Leadership {
        fence: Fence(fence),
        holder: holder.map(TermId),
        host,
        key_ids,
        beat,
        taken_at: taken_at.map(Timestamp::from_micros),
        beat_at: beat_at.map(Timestamp::from_micros),
    })
}

/// Takes the leadership, if the row still is as it was `seen`. What the old holder had leased is free again: it can note nothing about
/// it any more, so nobody need wait until those leases run out.
///
/// # Errors
/// When the database fails.
pub async fn take(
    worker: &mut Worker,
    seen: &Leadership,
    candidate: &Candidate,
    now: Timestamp,
) -> Result<Taken, StoreError> {
    sqlx::query("SELECT set_config('lock_timeout', $1, true)").bind(PATIENCE).execute(worker.conn()).await?;
    let locked = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(worker.conn()).await;
    match locked {
        Err(sqlx::Error::Database(error)) if error.code().is_some_and(|code| code == "55P03") => {
            return Ok(Taken::Blocked);
        }
        locked => locked?,
    };
    let fence: Option<i64> = sqlx::query_scalar(
        "UPDATE leadership SET fence = fence + 1, holder = $3, host = $4, key_ids = $5, beat = beat + 1, taken_at = $6, beat_at = $6
         WHERE fence = $1 AND beat = $2 RETURNING fence",
    )
    .bind(seen.fence.0)
    .bind(seen.beat)
    .bind(candidate.id.0)
    .bind(&candidate.host)
    .bind(&candidate.key_ids)
    .bind(now.micros())
    .fetch_optional(worker.conn())
    .await?;
    let Some(fence) = fence else { return Ok(Taken::Changed) };
    for free in [
        "UPDATE deliveries SET leased_until = NULL WHERE state = 'pending' AND leased_until IS NOT NULL",
        "UPDATE account_mails SET leased_until = NULL WHERE state = 'pending' AND leased_until IS NOT NULL",
        "UPDATE standing_alarms SET leased_until = NULL WHERE leased_until IS NOT NULL",
    ] {
        sqlx::query(free).execute(worker.conn()).await?;
    }
    Ok(Taken::Yes(Fence(fence)))
}

/// Shows that the holder of this term lives, and with which keys; whether it still holds it.
///
/// # Errors
/// When the database fails: then nobody knows.
pub async fn beat(worker: &mut Worker, fence: Fence, holder: &Candidate, now: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE leadership SET beat = beat + 1, beat_at = $3, key_ids = $4 WHERE fence = $1 AND holder = $2",
    )
    .bind(fence.0)
    .bind(holder.id.0)
    .bind(now.micros())
    .bind(&holder.key_ids)
    .execute(worker.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Lets the leadership go, so that whoever stands by need not wait; whether it was held.
///
/// # Errors
/// When the database fails.
pub async fn release(worker: &mut Worker, fence: Fence, holder: TermId, now: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE leadership SET holder = NULL, beat = beat + 1, beat_at = $3 WHERE fence = $1 AND holder = $2",
    )
    .bind(fence.0)
    .bind(holder.0)
    .bind(now.micros())
    .execute(worker.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends the sessions that hold the lock of tasks: those of a holder that stands still, or whose machine is gone and whose end PostgreSQL
/// has not noticed. The connection must be by the same login. Says how many.
///
/// # Errors
/// When the database fails, or the login may not.
pub async fn end_transactions(conn: &mut PgConnection) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT count(*) FILTER (WHERE pg_terminate_backend(l.pid)) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
         WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.classid = 0 AND l.objid = $1::bigint::oid
           AND l.objsubid = 1 AND l.mode = 'ShareLock' AND l.granted AND l.pid <> pg_backend_pid()",
    )
    .bind(LOCK)
    .fetch_one(conn)
    .await?)
}
