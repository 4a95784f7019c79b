//! What the operator was told of the instance itself, and what only rows tell of how it is.

use std::collections::BTreeMap;

use picket_shared::time::Timestamp;

use super::{Auth, Conn, StoreError, Worker};

/// What was told and is not over: when it was told last.
///
/// # Errors
/// When the database fails.
pub async fn told(auth: &mut Auth) -> Result<BTreeMap<String, Timestamp>, StoreError> {
    let rows: Vec<(String, i64)> = sqlx::query_as("SELECT name, told_at FROM operator_alarms ORDER BY name FOR UPDATE")
        .fetch_all(auth.conn())
        .await?;
    Ok(rows.into_iter().map(|(name, at)| (name, Timestamp::from_micros(at))).collect())
}

/// Notes what is told now, and forgets what is over.
///
/// # Errors
/// When the database fails.
pub async fn note(auth: &mut Auth, alarms: &[&str], over: &[String], now: Timestamp) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM operator_alarms WHERE name = ANY ($1)").bind(over).execute(auth.conn()).await?;
    sqlx::query(
        "INSERT INTO operator_alarms (name, first_at, told_at) SELECT name, $2, $2 FROM unnest($1::text[]) name
         ON CONFLICT (name) DO UPDATE SET told_at = $2",
    )
    .bind(alarms)
    .bind(now.micros())
    .execute(auth.conn())
    .await?;
    Ok(())
}

/// The addresses of who administers the instance now.
///
/// # Errors
/// When the database fails.
pub async fn administrators(auth: &mut Auth, now: Timestamp) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT DISTINCT u.email FROM admin_grants g JOIN users u ON u.id = g.user_id
         WHERE g.from_at <= $1 AND g.until_at > $1 AND g.revoked_at IS NULL AND u.deleted_at IS NULL AND u.email IS NOT NULL ORDER BY 1",
    )
    .bind(now.micros())
    .fetch_all(auth.conn())
    .await?)
}

/// The instance's own probes that were heard before and not since, by name.
///
/// # Errors
/// When the database fails.
pub async fn silent_probes(worker: &mut Worker, since: Timestamp) -> Result<Vec<(String, Timestamp)>, StoreError> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT p.name, s.seen_at FROM probes p JOIN probe_status s ON s.probe_id = p.id
         WHERE p.org_id IS NULL AND p.revoked_at IS NULL AND s.seen_at < $1 ORDER BY p.name",
    )
    .bind(since.micros())
    .fetch_all(worker.conn())
    .await?;
    Ok(rows.into_iter().map(|(name, at)| (name, Timestamp::from_micros(at))).collect())
}

/// Messages that were given up since, and the channels that they were for.
///
/// # Errors
/// When the database fails.
pub async fn given_up(worker: &mut Worker, since: Timestamp) -> Result<(i64, i64), StoreError> {
    Ok(sqlx::query_as(
        "SELECT count(*), count(DISTINCT channel_id) FROM deliveries WHERE state = 'failed' AND ended_at > $1 AND notice_id IS NOT NULL",
    )
    .bind(since.micros())
    .fetch_one(worker.conn())
    .await?)
}
