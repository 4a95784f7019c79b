//! Exports that were asked for: waiting, being made, ready until they expire, or failed; and their files in sealed pieces.

use picket_shared::secret::Sealed;
use picket_shared::time::Timestamp;
use serde_json::Value;
use sqlx::types::{Json, Uuid};

use super::{Auth, Conn, Eraser, OrgKey, StoreError, UserKey};

/// An export that somebody asked for.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ExportRow {
    /// Its row.
    pub id: i64,
    /// Its name outside.
    pub uuid: Uuid,
    /// In which organization it was asked for.
    pub org_id: OrgKey,
    /// Who asked.
    pub user_id: UserKey,
    /// `account` or `organization`.
    pub part: String,
    /// `json` or `csv`.
    pub format: String,
    /// `waiting`, `making`, `ready` or `failed`.
    pub state: String,
    /// When it was asked for.
    pub asked_at: i64,
    /// When it was made, or failed.
    pub ended_at: Option<i64>,
    /// When it is deleted.
    pub expires_at: i64,
    /// How many pieces there are, or are so far.
    pub pieces: i32,
    /// Bytes of the file, or so far.
    pub bytes: i64,
    /// Rows by table.
    pub counts: Json<Value>,
    /// Why it was not made.
    pub failure: Option<String>,
}

/// What somebody asks for.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Who.
    pub user: UserKey,
    /// Where.
    pub org: OrgKey,
    /// `account` or `organization`.
    pub part: &'static str,
    /// `json` or `csv`.
    pub format: &'static str,
}

/// Asks for one, unless one like it waits or is being made; that one is given then. Of those before `keep` stay.
///
/// # Errors
/// When the database fails.
pub async fn ask(
    auth: &mut Auth,
    asked: Asked,
    uuid: Uuid,
    (now, expires, keep): (Timestamp, Timestamp, i64),
) -> Result<(ExportRow, bool), StoreError> {
    // Who asks twice at the same time is answered one after the other.
    sqlx::query("SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE").bind(asked.user).execute(auth.conn()).await?;
    let open: Option<ExportRow> = sqlx::query_as(
        "SELECT * FROM exports WHERE user_id = $1 AND org_id = $2 AND part = $3 AND format = $4 AND state IN ('waiting', 'making')
         ORDER BY id LIMIT 1",
    )
    .bind(asked.user)
    .bind(asked.org)
    .bind(asked.part)
    .bind(asked.format)
    .fetch_optional(auth.conn())
    .await?;
    if let Some(open) = open {
        return Ok((open, false));
    }
    sqlx::query(
        "DELETE FROM exports WHERE id IN (SELECT id FROM exports WHERE user_id = $1 AND state IN ('ready', 'failed') ORDER BY id DESC OFFSET $2)",
    )
    .bind(asked.user)
    .bind(keep)
    .execute(auth.conn())
    .await?;
    let row = sqlx::query_as(
        "INSERT INTO exports (uuid, org_id, user_id, part, format, asked_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING *",
    )
    .bind(uuid)
    .bind(asked.org)
    .bind(asked.user)
    .bind(asked.part)
    .bind(asked.format)
    .bind(now.micros())
    .bind(expires.micros())
    .fetch_one(auth.conn())
    .await?;
    Ok((row, true))
}

/// Those about a user, and where `owned` says so those of an organization, the newest first.
///
/// # Errors
/// When the database fails.
pub async fn list(auth: &mut Auth, user: UserKey, owned: Option<OrgKey>) -> Result<Vec<ExportRow>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT * FROM exports WHERE (part = 'account' AND user_id = $1) OR (part = 'organization' AND org_id = $2)
         ORDER BY id DESC LIMIT 100",
    )
    .bind(user)
    .bind(owned)
    .fetch_all(auth.conn())
    .await?)
}

/// The one of that name, if it is about a user or of an organization that it owns.
///
/// # Errors
/// When the database fails.
pub async fn find(
    auth: &mut Auth,
    user: UserKey,
    owned: Option<OrgKey>,
    id: Uuid,
) -> Result<Option<ExportRow>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT * FROM exports WHERE uuid = $3 AND ((part = 'account' AND user_id = $1) OR (part = 'organization' AND org_id = $2))",
    )
    .bind(user)
    .bind(owned)
    .bind(id)
    .fetch_optional(auth.conn())
    .await?)
}

/// Takes the next that waits, or that nobody holds any more, for a time. What there is of it is gone.
///
/// # Errors
/// When the database fails.
pub async fn lease(auth: &mut Auth, now: Timestamp, until: Timestamp) -> Result<Option<ExportRow>, StoreError> {
    let row: Option<ExportRow> = sqlx::query_as(
        "UPDATE exports SET state = 'making', leased_until = $2, pieces = 0, bytes = 0 WHERE id = (
             SELECT id FROM exports WHERE state = 'waiting' OR (state = 'making' AND leased_until <= $1)
             ORDER BY asked_at, id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING *",
    )
    .bind(now.micros())
    .bind(until.micros())
    .fetch_optional(auth.conn())
    .await?;
    if let Some(row) = &row {
        sqlx::query("DELETE FROM export_pieces WHERE export_id = $1").bind(row.id).execute(auth.conn()).await?;
    }
    Ok(row)
}

/// Adds a piece and holds the export on. False when it is not held any more: it was erased, or is made by another.
///
/// # Errors
/// When the database fails.
pub async fn add_piece(
    auth: &mut Auth,
    row: &ExportRow,
    (number, uuid): (i32, Uuid),
    (size, sealed): (i32, &Sealed),
    until: Timestamp,
) -> Result<bool, StoreError> {
    let held = sqlx::query(
        "UPDATE exports SET pieces = $2, bytes = bytes + $3, leased_until = $4 WHERE id = $1 AND state = 'making' AND pieces = $2 - 1",
    )
    .bind(row.id)
    .bind(number)
    .bind(i64::from(size))
    .bind(until.micros())
    .execute(auth.conn())
    .await?;
    if held.rows_affected() != 1 {
        return Ok(false);
    }
    sqlx::query(
        "INSERT INTO export_pieces (uuid, export_id, org_id, user_id, number, size, sealed_piece) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(uuid)
    .bind(row.id)
    .bind(row.org_id)
    .bind(row.user_id)
    .bind(number)
    .bind(size)
    .bind(sealed.0.as_slice())
    .execute(auth.conn())
    .await?;
    Ok(true)
}

/// Says that one is ready, until then. False when it is not held any more.
///
/// # Errors
/// When the database fails.
pub async fn finish(
    auth: &mut Auth,
    id: i64,
    (pieces, counts): (i32, &Value),
    (now, expires): (Timestamp, Timestamp),
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE exports SET state = 'ready', leased_until = NULL, ended_at = $2, expires_at = $3, counts = $4
         WHERE id = $1 AND state = 'making' AND pieces = $5",
    )
    .bind(id)
    .bind(now.micros())
    .bind(expires.micros())
    .bind(Json(counts))
    .bind(pieces)
    .execute(auth.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Says why one is not made, or not there any more; its pieces go. False when it was not there.
///
/// # Errors
/// When the database fails.
pub async fn fail(auth: &mut Auth, id: i64, why: &str, now: Timestamp) -> Result<bool, StoreError> {
    sqlx::query("DELETE FROM export_pieces WHERE export_id = $1").bind(id).execute(auth.conn()).await?;
    let done = sqlx::query(
        "UPDATE exports SET state = 'failed', leased_until = NULL, ended_at = $2, failure = $3, pieces = 0, bytes = 0
         WHERE id = $1 AND state <> 'failed'",
    )
    .bind(id)
    .bind(now.micros())
    .bind(why)
    .execute(auth.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ready ones of which pieces are missing: the table of pieces is not logged, and is empty after a crash.
///
/// # Errors
/// When the database fails.
pub async fn lost(auth: &mut Auth) -> Result<Vec<i64>, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT e.id FROM exports e WHERE e.state = 'ready'
             AND coalesce((SELECT max(p.number) FROM export_pieces p WHERE p.export_id = e.id), 0) <> e.pieces",
    )
    .fetch_all(auth.conn())
    .await?)
}

/// A piece of a ready export: its context, how large it is unpacked, and the sealed value.
///
/// # Errors
/// When the database fails.
pub async fn piece(auth: &mut Auth, id: i64, number: i32) -> Result<Option<(Uuid, i32, Sealed)>, StoreError> {
    let row: Option<(Uuid, i32, Vec<u8>)> = sqlx::query_as(
        "SELECT p.uuid, p.size, p.sealed_piece FROM export_pieces p JOIN exports e ON e.id = p.export_id
         WHERE e.id = $1 AND p.number = $2 AND e.state = 'ready'",
    )
    .bind(id)
    .bind(number)
    .fetch_optional(auth.conn())
    .await?;
    Ok(row.map(|(uuid, size, sealed)| (uuid, size, Sealed(sealed))))
}

/// Deletes those that have expired, with their files.
///
/// # Errors
/// When the database fails.
pub async fn forget_expired(auth: &mut Auth, now: Timestamp) -> Result<u64, StoreError> {
    let done =
        sqlx::query("DELETE FROM exports WHERE expires_at <= $1").bind(now.micros()).execute(auth.conn()).await?;
    Ok(done.rows_affected())
}

/// Deletes the files of organizations in which somebody was erased: they still name who is gone.
///
/// # Errors
/// When the database fails.
pub async fn drop_of(eraser: &mut Eraser, orgs: &[i64]) -> Result<u64, StoreError> {
    let done = sqlx::query("DELETE FROM exports WHERE org_id = ANY ($1)").bind(orgs).execute(eraser.conn()).await?;
    Ok(done.rows_affected())
}
