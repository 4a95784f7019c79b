//! Drills: restores that were tried, and what came of them. The times are the machine's own.

use std::time::Duration;

use picket_shared::time::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sqlx::types::Json;

use super::{Conn, StoreError, Worker};
use crate::config::Archive;
use crate::domain::drill::{self, Stand};
use crate::domain::recovery;

/// A drill as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
#[expect(missing_docs, reason = "the columns of `drills`")]
pub struct DrillRow {
    pub id: i64,
    pub began_at: i64,
    pub ended_at: Option<i64>,
    pub outcome: String,
    pub asked_by: String,
    pub by_kit: bool,
    pub restored_to_at: Option<i64>,
    pub backup: Option<String>,
    pub restore_ms: Option<i64>,
    pub total_ms: Option<i64>,
    pub bytes: Option<i64>,
    pub wal_bytes: Option<i64>,
    pub row_count: Option<i64>,
    pub steps: Value,
}

impl DrillRow {
    /// Whether it passed.
    pub fn passed(&self) -> bool {
        self.outcome == "passed"
    }

    /// What the first step says that failed.
    pub fn failure(&self) -> Option<String> {
        let step = self.steps.as_array()?.iter().find(|step| step["state"] == "failed")?;
        Some(format!("{}: {}", step["name"].as_str()?, step["says"].as_str()?))
    }

    /// When it began.
    pub fn began(&self) -> Timestamp {
        Timestamp::from_micros(self.began_at)
    }
}

/// What came of one.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the columns of `drills`")]
pub struct Ended {
    pub passed: bool,
    pub restored_to: Option<Timestamp>,
    pub backup: Option<String>,
    pub restore_ms: Option<i64>,
    pub total_ms: i64,
    pub bytes: Option<i64>,
    pub wal_bytes: Option<i64>,
    pub row_count: Option<i64>,
    pub steps: Value,
}

const COLUMNS: &str = "id, began_at, ended_at, outcome, asked_by, by_kit, restored_to_at, backup, restore_ms, total_ms, bytes, wal_bytes, \
                       row_count, steps";

/// Notes that one begins, and that those before it which never ended were broken off; one that runs in another folder still may say
/// what came of it.
///
/// # Errors
/// When the database fails.
pub async fn begin(worker: &mut Worker, asked_by: &str, by_kit: bool, now: Timestamp) -> Result<i64, StoreError> {
    sqlx::query("UPDATE drills SET outcome = 'broken_off', ended_at = $1 WHERE outcome = 'running'")
        .bind(now.micros())
        .execute(worker.conn())
        .await?;
    Ok(sqlx::query_scalar("INSERT INTO drills (began_at, asked_by, by_kit) VALUES ($1, $2, $3) RETURNING id")
        .bind(now.micros())
        .bind(asked_by)
        .bind(by_kit)
        .fetch_one(worker.conn())
        .await?)
}

/// Notes what came of it.
///
/// # Errors
/// When the database fails, or it does not run.
pub async fn end(worker: &mut Worker, id: i64, ended: &Ended, now: Timestamp) -> Result<(), StoreError> {
    let done = sqlx::query(
        "UPDATE drills SET outcome = CASE WHEN $2 THEN 'passed' ELSE 'failed' END, ended_at = $3, restored_to_at = $4, backup = $5,
             restore_ms = $6, total_ms = $7, bytes = $8, wal_bytes = $9, row_count = $10, steps = $11
         WHERE id = $1 AND outcome IN ('running', 'broken_off')",
    )
    .bind(id)
    .bind(ended.passed)
    .bind(now.micros())
    .bind(ended.restored_to.map(Timestamp::micros))
    .bind(&ended.backup)
    .bind(ended.restore_ms)
    .bind(ended.total_ms)
    .bind(ended.bytes)
    .bind(ended.wal_bytes)
    .bind(ended.row_count)
    .bind(Json(&ended.steps))
    .execute(worker.conn())
    .await?;
    StoreError::expect_rows("drills", 1, done.rows_affected())
}

/// The last so many, the newest first.
///
/// # Errors
/// When the database fails.
pub async fn list(conn: &mut impl Conn, most: i64) -> Result<Vec<DrillRow>, StoreError> {
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM drills ORDER BY id DESC LIMIT $1")))
        .bind(most)
        .fetch_all(conn.conn())
        .await?)
}

/// What is known of recovery: the last drill, the last that passed, the last from a kit that passed, and the last proof of a kit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The last that ended.
    pub last: Option<DrillRow>,
    /// The last that passed.
    pub passed: Option<DrillRow>,
    /// When the last from a kit that passed began.
    pub by_kit: Option<Timestamp>,
    /// When a kit was last proven, and which keys it held.
    pub proof: Option<(Timestamp, Vec<String>)>,
}

impl Standing {
    /// Whether the kit that was proven last held that key.
    pub fn holds(&self, key: u32) -> bool {
        let name = format!("{key:08x}");
        self.proof.as_ref().is_some_and(|(_, keys)| keys.contains(&name))
    }

    /// How drills stand that are tried so often.
    pub fn stand(&self, every: Duration, now: Timestamp) -> Stand {
        let last_failed = self.last.as_ref().map(|last| last.outcome == "failed");
        drill::stand(last_failed, self.passed.as_ref().map(DrillRow::began), every, now)
    }

    /// What is known of recovery, with what the settings say of the archive and the key with which everything is sealed now.
    pub fn recovery(&self, archive: &Archive, newest_key: Option<u32>) -> recovery::Facts {
        recovery::Facts {
            archives: archive.is_on(),
            elsewhere: archive.is_elsewhere(),
            proven: self.proof.as_ref().map(|(at, _)| *at),
            holds_key: newest_key.is_some_and(|key| self.holds(key)),
            drilled: self.by_kit,
        }
    }
}

/// How it stands.
///
/// # Errors
/// When the database fails.
pub async fn standing(conn: &mut impl Conn) -> Result<Standing, StoreError> {
    standing_by(conn.conn()).await
}

/// The same, for doctor.
///
/// # Errors
/// When the database fails.
pub async fn standing_by(conn: &mut sqlx::PgConnection) -> Result<Standing, StoreError> {
    let one = |which: &str| format!("SELECT {COLUMNS} FROM drills WHERE {which} ORDER BY id DESC LIMIT 1");
    let last = sqlx::query_as(sqlx::AssertSqlSafe(one("outcome <> 'running'"))).fetch_optional(&mut *conn).await?;
    let passed = sqlx::query_as(sqlx::AssertSqlSafe(one("outcome = 'passed'"))).fetch_optional(&mut *conn).await?;
    let by_kit: Option<i64> =
        sqlx::query_scalar("SELECT max(began_at) FROM drills WHERE by_kit AND outcome = 'passed'")
            .fetch_one(&mut *conn)
            .await?;
    let proof: Option<(i64, Vec<String>)> =
        sqlx::query_as("SELECT proven_at, key_ids FROM recovery_proofs ORDER BY id DESC LIMIT 1")
            .fetch_optional(conn)
            .await?;
    Ok(Standing {
        last,
        passed,
        by_kit: by_kit.map(Timestamp::from_micros),
        proof: proof.map(|(at, keys)| (Timestamp::from_micros(at), keys)),
    })
}

/// Notes that a kit was proven.
///
/// # Errors
/// When the database fails.
pub async fn prove(
    worker: &mut Worker,
    key_ids: &[String],
    place: &str,
    backup: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let done = sqlx::query("INSERT INTO recovery_proofs (proven_at, key_ids, place, backup) VALUES ($1, $2, $3, $4)")
        .bind(now.micros())
        .bind(key_ids)
        .bind(place)
        .bind(backup)
        .execute(worker.conn())
        .await?;
    StoreError::expect_rows("recovery_proofs", 1, done.rows_affected())
}
