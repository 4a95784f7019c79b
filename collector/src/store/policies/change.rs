//! Policies are made, changed and removed by members.

use picket_shared::ids::PolicyId;
use picket_shared::time::Timestamp;
use serde_json::json;

use super::reach::{Target, escalation, targets};
use crate::domain::telling::policy::Policy;
use crate::store::{Conn, PolicyKey, Scoped, StoreError, audit};

/// What a person says of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPolicy {
    /// What it is called.
    pub name: String,
    /// Whether it is for whatever has no other; the one that was so is it no more.
    pub is_default: bool,
    /// It is for monitors with any of these.
    pub tags: Vec<String>,
    /// When which level is told.
    pub policy: Policy,
    /// Whom each level tells, as many as there are levels.
    pub targets: Vec<Vec<Target>>,
    /// Whether people are told that it is over.
    pub tells_recovery: bool,
    /// How many SMS and calls it may send in 24 hours.
    pub sms_per_day: Option<u32>,
}

/// A policy as stored.
#[derive(Clone, Debug)]
pub struct PolicyRow {
    /// Its row.
    pub key: PolicyKey,
    /// Its id.
    pub id: PolicyId,
    /// What a person said.
    pub is: NewPolicy,
    /// Raised by every edit.
    pub version: i32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed.
    pub updated_at: Timestamp,
    /// How many monitors name it.
    pub monitors: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: PolicyKey,
    uuid: uuid::Uuid,
    name: String,
    is_default: bool,
    tags: Vec<String>,
    waits_s: Vec<i32>,
    repeats: i16,
    repeat_after_s: i32,
    reminder_s: Option<i32>,
    tells_recovery: bool,
    sms_per_day: Option<i32>,
    version: i32,
    created_at: i64,
    updated_at: i64,
    monitors: i64,
}

/// Every policy of the organization, by name.
///
/// # Errors
/// When the database fails.
pub async fn list(conn: &mut Scoped) -> Result<Vec<PolicyRow>, StoreError> {
    read(conn, None).await
}

/// How many policies the organization has.
///
/// # Errors
/// When the database fails.
pub async fn count(conn: &mut Scoped) -> Result<usize, StoreError> {
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM policies WHERE deleted_at IS NULL").fetch_one(conn.conn()).await?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

async fn read(conn: &mut Scoped, only: Option<PolicyId>) -> Result<Vec<PolicyRow>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT p.id, p.uuid, p.name, p.is_default, p.tags, p.waits_s, p.repeats, p.repeat_after_s, p.reminder_s,
                p.tells_recovery, p.sms_per_day, p.version, p.created_at, p.updated_at,
                (SELECT count(*) FROM monitors m WHERE m.policy_id = p.id AND m.deleted_at IS NULL) AS monitors
         FROM policies p WHERE p.deleted_at IS NULL AND ($1::uuid IS NULL OR p.uuid = $1) ORDER BY p.name",
    )
    .bind(only.map(|id| id.0))
    .fetch_all(conn.conn())
    .await?;
    let keys: Vec<PolicyKey> = rows.iter().map(|row| row.id).collect();
    let targets = targets(conn, &keys).await?;
    let mut list = Vec::with_capacity(rows.len());
    for row in rows {
        let mut levels = vec![Vec::new(); row.waits_s.len()];
        for (_, level, target) in targets.iter().filter(|(policy, ..)| *policy == row.id) {
            if let Some(level) = levels.get_mut(*level) {
                level.push(*target);
            }
        }
        list.push(PolicyRow {
            key: row.id,
            id: PolicyId(row.uuid),
            is: NewPolicy {
                name: row.name,
                is_default: row.is_default,
                tags: row.tags,
                policy: escalation(&row.waits_s, row.repeats, row.repeat_after_s, row.reminder_s),
                targets: levels,
                tells_recovery: row.tells_recovery,
                sms_per_day: row.sms_per_day.and_then(|most| u32::try_from(most).ok()),
            },
            version: row.version,
            created_at: Timestamp::from_micros(row.created_at),
            updated_at: Timestamp::from_micros(row.updated_at),
            monitors: row.monitors,
        });
    }
    Ok(list)
}

/// The policy of that id.
///
/// # Errors
/// When the database fails.
pub async fn get(conn: &mut Scoped, id: PolicyId) -> Result<Option<PolicyRow>, StoreError> {
    Ok(read(conn, Some(id)).await?.pop())
}

/// Makes a policy.
///
/// # Errors
/// Constraint `policies_org_name` when the name is taken; when a target is gone or the database fails.
pub async fn insert(conn: &mut Scoped, id: PolicyId, new: &NewPolicy, now: Timestamp) -> Result<PolicyKey, StoreError> {
    settle_default(conn, new, None).await?;
    let key: PolicyKey = sqlx::query_scalar(
        "INSERT INTO policies (uuid, org_id, name, is_default, tags, waits_s, repeats, repeat_after_s, reminder_s, tells_recovery,
             sms_per_day, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12) RETURNING id",
    )
    .bind(id.0)
    .bind(conn.org())
    .bind(&new.name)
    .bind(new.is_default)
    .bind(&new.tags)
    .bind(waits(new))
    .bind(i16::from(new.policy.repeats))
    .bind(seconds(new.policy.repeat_after))
    .bind(new.policy.reminder.map(seconds))
    .bind(new.tells_recovery)
    .bind(new.sms_per_day.and_then(|most| i32::try_from(most).ok()))
    .bind(now.micros())
    .fetch_one(conn.conn())
    .await?;
    set_targets(conn, key, new).await?;
    audit::note(conn, "policy.add", id.0, detail(new), now).await?;
    Ok(key)
}

/// Changes a policy that is still at `row.version`. False when it was changed or removed meanwhile. What stands is told on by the new
/// one from where it is.
///
/// # Errors
/// Constraint `policies_org_name` when the name is taken; when a target is gone or the database fails.
pub async fn update(conn: &mut Scoped, row: &PolicyRow, new: &NewPolicy, now: Timestamp) -> Result<bool, StoreError> {
    settle_default(conn, new, Some(row.key)).await?;
    let done = sqlx::query(
        "UPDATE policies SET name = $3, is_default = $4, tags = $5, waits_s = $6, repeats = $7, repeat_after_s = $8,
             reminder_s = $9, tells_recovery = $10, sms_per_day = $11, updated_at = $12, version = version + 1
         WHERE id = $1 AND version = $2 AND deleted_at IS NULL",
    )
    .bind(row.key)
    .bind(row.version)
    .bind(&new.name)
    .bind(new.is_default)
    .bind(&new.tags)
    .bind(waits(new))
    .bind(i16::from(new.policy.repeats))
    .bind(seconds(new.policy.repeat_after))
    .bind(new.policy.reminder.map(seconds))
    .bind(new.tells_recovery)
    .bind(new.sms_per_day.and_then(|most| i32::try_from(most).ok()))
    .bind(now.micros())
    .execute(conn.conn())
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query("DELETE FROM policy_targets WHERE policy_id = $1").bind(row.key).execute(conn.conn()).await?;
    set_targets(conn, row.key, new).await?;
    let change = json!({ "name": new.name, "before": detail(&row.is), "after": detail(new) });
    audit::note(conn, "policy.edit", row.id.0, change, now).await?;
    Ok(true)
}

/// Removes a policy: what it was for falls to the next that fits. False when it was removed already.
///
/// # Errors
/// When the database fails.
pub async fn remove(conn: &mut Scoped, row: &PolicyRow, now: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE policies SET deleted_at = $2 WHERE id = $1 AND deleted_at IS NULL")
        .bind(row.key)
        .bind(now.micros())
        .execute(conn.conn())
        .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    audit::note(conn, "policy.remove", row.id.0, json!({ "name": row.is.name }), now).await?;
    Ok(true)
}

/// There is one default at most.
async fn settle_default(conn: &mut Scoped, new: &NewPolicy, but: Option<PolicyKey>) -> Result<(), StoreError> {
    if new.is_default {
        sqlx::query(
            "UPDATE policies SET is_default = false, version = version + 1
             WHERE is_default AND deleted_at IS NULL AND id IS DISTINCT FROM $1",
        )
        .bind(but)
        .execute(conn.conn())
        .await?;
    }
    Ok(())
}

async fn set_targets(conn: &mut Scoped, key: PolicyKey, new: &NewPolicy) -> Result<(), StoreError> {
    let org = conn.org();
    for (level, targets) in new.targets.iter().enumerate() {
        for target in targets {
            let (channel, user, schedule) = match target {
                Target::Channel(key) => (Some(*key), None, None),
                Target::Member(key) => (None, Some(*key), None),
                Target::Schedule(key) => (None, None, Some(*key)),
            };
            sqlx::query(
                "INSERT INTO policy_targets (org_id, policy_id, level, channel_id, user_id, schedule_id)
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            )
            .bind(org)
            .bind(key)
            .bind(i16::try_from(level).unwrap_or(i16::MAX))
            .bind(channel)
            .bind(user)
            .bind(schedule)
            .execute(conn.conn())
            .await?;
        }
    }
    Ok(())
}

fn waits(new: &NewPolicy) -> Vec<i32> {
    new.policy.waits.iter().copied().map(seconds).collect()
}

fn seconds(duration: std::time::Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

/// What the audit log says of it.
fn detail(new: &NewPolicy) -> serde_json::Value {
    json!({
        "name": new.name,
        "default": new.is_default,
        "tags": new.tags,
        "levels": new.targets.iter().map(Vec::len).collect::<Vec<_>>(),
        "waits_s": waits(new),
        "repeats": new.policy.repeats,
        "repeat_after_s": seconds(new.policy.repeat_after),
        "reminder_s": new.policy.reminder.map(seconds),
        "tells_recovery": new.tells_recovery,
        "sms_per_day": new.sms_per_day,
    })
}
