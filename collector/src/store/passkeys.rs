//! Passkeys, and the challenges that they sign. Only hashes of challenges are here.
//!
//! A challenge works once, however many answer it at the same moment: the statement that takes it away is the look-up.

use std::time::Duration;

use picket_shared::time::Timestamp;
use sqlx::PgConnection;

use super::{Auth, Conn, StoreError, UserKey};

/// For so long a challenge can be answered.
pub const CHALLENGE_LIFE: Duration = Duration::from_secs(5 * 60);
/// Most passkeys of a user.
pub const MOST: i64 = 20;

/// What a challenge is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To add a passkey.
    Add,
    /// To sign in with nothing else.
    SignIn,
    /// As the second of two factors.
    SecondStep,
    /// To prove again who is signed in.
    StepUp,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::SignIn => "sign_in",
            Self::SecondStep => "second_step",
            Self::StepUp => "step_up",
        }
    }
}

/// A challenge: its hash, what it is for, and the hash of the cookie that it is bound to.
#[derive(Clone, Copy, Debug)]
pub struct Challenge<'a> {
    /// Of the challenge.
    pub hash: &'a [u8; 32],
    /// What it is for.
    pub purpose: Purpose,
    /// Of the cookie.
    pub binding: &'a [u8; 32],
}

/// A passkey.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct PasskeyRow {
    /// Its row.
    pub id: i64,
    /// Its name outside.
    pub uuid: uuid::Uuid,
    /// Whose it is.
    pub user_id: UserKey,
    /// What the authenticator calls it.
    pub credential_id: Vec<u8>,
    /// The host that it was made for.
    pub party: String,
    /// Its public key, as COSE.
    pub public_key: Vec<u8>,
    /// What its user calls it.
    pub name: String,
    /// Whether it may be copied to other devices.
    pub backup_eligible: bool,
    /// Whether it is.
    pub backed_up: bool,
    /// When it was added.
    pub created_at: i64,
    /// When it was last used.
    pub last_used_at: Option<i64>,
}

/// A passkey that is added.
#[derive(Clone, Copy, Debug)]
pub struct NewPasskey<'a> {
    /// Its name outside.
    pub uuid: uuid::Uuid,
    /// Whose it is.
    pub user: UserKey,
    /// What the authenticator calls it.
    pub credential_id: &'a [u8],
    /// The host that it is made for.
    pub party: &'a str,
    /// Its public key, as COSE.
    pub public_key: &'a [u8],
    /// How often it signed.
    pub sign_count: u32,
    /// What its user calls it.
    pub name: &'a str,
    /// Whether it may be copied to other devices.
    pub backup_eligible: bool,
    /// Whether it is.
    pub backed_up: bool,
}

const SELECT: &str = "SELECT id, uuid, user_id, credential_id, party, public_key, name, backup_eligible, backed_up,
    created_at, last_used_at FROM passkeys";

/// A user's passkeys, the newest first.
///
/// # Errors
/// When the database fails.
pub async fn list(auth: &mut Auth, user: UserKey) -> Result<Vec<PasskeyRow>, StoreError> {
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} WHERE user_id = $1 ORDER BY created_at DESC, id DESC")))
        .bind(user)
        .fetch_all(auth.conn())
        .await?)
}

/// How many passkeys a user has.
///
/// # Errors
/// When the database fails.
pub async fn count(auth: &mut Auth, user: UserKey) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar("SELECT count(*) FROM passkeys WHERE user_id = $1").bind(user).fetch_one(auth.conn()).await?)
}

/// How many passkeys there are that were made for another host than this, and work nowhere.
///
/// # Errors
/// When the database fails.
pub async fn stranded(conn: &mut PgConnection, party: Option<&str>) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar("SELECT count(*) FROM passkeys WHERE party IS DISTINCT FROM $1")
        .bind(party)
        .fetch_one(conn)
        .await?)
}

/// The passkey that an authenticator calls so.
///
/// # Errors
/// When the database fails.
pub async fn by_credential(auth: &mut Auth, credential_id: &[u8]) -> Result<Option<PasskeyRow>, StoreError> {
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} WHERE credential_id = $1")))
        .bind(credential_id)
        .fetch_optional(auth.conn())
        .await?)
}

/// Adds a passkey. False when it is there already, whoever has it, or its user has as many as can be.
///
/// # Errors
/// When the database fails.
pub async fn insert(auth: &mut Auth, new: &NewPasskey<'_>, now: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO passkeys (uuid, user_id, credential_id, party, public_key, sign_count, name, backup_eligible,
             backed_up, created_at)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10
         WHERE (SELECT count(*) FROM passkeys WHERE user_id = $2) < $11
         ON CONFLICT ON CONSTRAINT passkeys_credential DO NOTHING",
    )
    .bind(new.uuid)
    .bind(new.user)
    .bind(new.credential_id)
    .bind(new.party)
    .bind(new.public_key)
    .bind(i64::from(new.sign_count))
    .bind(new.name)
    .bind(new.backup_eligible)
    .bind(new.backed_up)
    .bind(now.micros())
    .bind(MOST)
    .execute(auth.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes that a passkey is used. False when its count did not go up: a copy of it signed meanwhile. Where neither the last
/// nor this count is above 0 it does not count.
///
/// # Errors
/// When the database fails.
pub async fn used(auth: &mut Auth, id: i64, count: u32, backed_up: bool, now: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE passkeys SET sign_count = $2, backed_up = $3, last_used_at = $4
         WHERE id = $1 AND (sign_count < $2 OR (sign_count = 0 AND $2 = 0))",
    )
    .bind(id)
    .bind(i64::from(count))
    .bind(backed_up)
    .bind(now.micros())
    .execute(auth.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes a user's passkey of that name outside away; gives what it was called. None when the user has none like it.
///
/// # Errors
/// When the database fails.
pub async fn remove(auth: &mut Auth, user: UserKey, passkey: uuid::Uuid) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar("DELETE FROM passkeys WHERE user_id = $1 AND uuid = $2 RETURNING name")
        .bind(user)
        .bind(passkey)
        .fetch_optional(auth.conn())
        .await?)
}

/// Puts a challenge down, in place of any that the same user drew for the same purpose by the same cookie.
///
/// # Errors
/// When the database fails.
pub async fn insert_challenge(
    auth: &mut Auth,
    challenge: &Challenge<'_>,
    user: Option<UserKey>,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM passkey_challenges WHERE user_id = $1 AND purpose = $2 AND binding_hash = $3")
        .bind(user)
        .bind(challenge.purpose.as_str())
        .bind(challenge.binding.as_slice())
        .execute(auth.conn())
        .await?;
    let done = sqlx::query(
        "INSERT INTO passkey_challenges (challenge_hash, purpose, binding_hash, user_id, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(challenge.hash.as_slice())
    .bind(challenge.purpose.as_str())
    .bind(challenge.binding.as_slice())
    .bind(user)
    .bind(now.micros())
    .bind((now + CHALLENGE_LIFE).micros())
    .execute(auth.conn())
    .await?;
    StoreError::expect_rows("passkey_challenges", 1, done.rows_affected())
}

/// Takes a challenge away; `user` is who asked, if that was known. False when there is none like it (any more): of many at
/// once, one wins.
///
/// # Errors
/// When the database fails.
pub async fn take_challenge(
    auth: &mut Auth,
    challenge: &Challenge<'_>,
    user: Option<UserKey>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "DELETE FROM passkey_challenges WHERE challenge_hash = $1 AND purpose = $2 AND binding_hash = $3
            AND user_id IS NOT DISTINCT FROM $4 AND expires_at > $5",
    )
    .bind(challenge.hash.as_slice())
    .bind(challenge.purpose.as_str())
    .bind(challenge.binding.as_slice())
    .bind(user)
    .bind(now.micros())
    .execute(auth.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}
