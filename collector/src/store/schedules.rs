//! Schedules of who is on call: rotations and overrides. Every change is audited.

use picket_shared::ids::{OverrideId, ScheduleId};
use picket_shared::time::Timestamp;
use serde_json::json;
use sqlx::types::Json;

use super::{Conn, ScheduleKey, Scoped, StoreError, UserKey, audit};
use crate::domain::telling::schedule::{Hours, Override, Rotation, Schedule, Unit};

/// A schedule whose members are rows.
pub type Rota = Schedule<UserKey>;

/// A schedule as stored.
#[derive(Clone, Debug)]
pub struct ScheduleRow {
    /// Its row.
    pub key: ScheduleKey,
    /// Its id.
    pub id: ScheduleId,
    /// What it is called.
    pub name: String,
    /// Who is on call when.
    pub rota: Rota,
    /// The ids of its overrides, in their order.
    pub overrides: Vec<OverrideId>,
    /// Raised by every edit.
    pub version: i32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed.
    pub updated_at: Timestamp,
    /// The names of the policies that tell who is on call.
    pub policies: Vec<String>,
}

/// Who is on call at `at`; nobody where the schedule is gone.
///
/// # Errors
/// When the database fails or it cannot be read.
pub async fn on_call(conn: &mut impl Conn, key: ScheduleKey, at: Timestamp) -> Result<Option<UserKey>, StoreError> {
    let zone: Option<String> = sqlx::query_scalar("SELECT zone FROM schedules WHERE id = $1 AND deleted_at IS NULL")
        .bind(key)
        .fetch_optional(conn.conn())
        .await?;
    let Some(zone) = zone else { return Ok(None) };
    let (rota, _) = rota(conn, key, &zone, at).await?;
    Ok(rota.on_call(at))
}

/// How many schedules the organization has.
///
/// # Errors
/// When the database fails.
pub async fn count(conn: &mut Scoped) -> Result<usize, StoreError> {
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM schedules WHERE deleted_at IS NULL").fetch_one(conn.conn()).await?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// Rotations, and the overrides that end after `since`.
async fn rota(
    conn: &mut impl Conn,
    key: ScheduleKey,
    zone: &str,
    since: Timestamp,
) -> Result<(Rota, Vec<OverrideId>), StoreError> {
    let unreadable = |column| StoreError::Inconsistent { table: "rotations", column, row: key.0 };
    type Row = (String, String, i16, String, Json<Vec<Hours>>, Vec<i64>);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT r.name, r.starts, r.every, r.unit, r.hours,
                ARRAY(SELECT m.user_id FROM rotation_members m WHERE m.rotation_id = r.id ORDER BY m.position)
         FROM rotations r WHERE r.schedule_id = $1 ORDER BY r.position",
    )
    .bind(key)
    .fetch_all(conn.conn())
    .await?;
    let mut rotations = Vec::with_capacity(rows.len());
    for (name, starts, every, unit, Json(hours), members) in rows {
        rotations.push(Rotation {
            name,
            starts: starts.parse().map_err(|_| unreadable("starts"))?,
            every: u16::try_from(every).map_err(|_| unreadable("every"))?,
            unit: unit.parse::<Unit>().map_err(|_| unreadable("unit"))?,
            members: members.into_iter().map(UserKey).collect(),
            hours,
        });
    }
    let rows: Vec<(uuid::Uuid, UserKey, i64, i64)> = sqlx::query_as(
        "SELECT uuid, user_id, from_at, to_at FROM schedule_overrides WHERE schedule_id = $1 AND to_at > $2 ORDER BY id",
    )
    .bind(key)
    .bind(since.micros())
    .fetch_all(conn.conn())
    .await?;
    let ids = rows.iter().map(|(id, ..)| OverrideId(*id)).collect();
    let overrides = rows.into_iter().map(|(_, user, from, to)| Override {
        user,
        from: Timestamp::from_micros(from),
        to: Timestamp::from_micros(to),
    });
    let zone = zone.parse().map_err(|_| StoreError::Inconsistent { table: "schedules", column: "zone", row: key.0 })?;
    Ok((Schedule { zone, rotations, overrides: overrides.collect() }, ids))
}

#[derive(sqlx::FromRow)]
struct Row {
    id: ScheduleKey,
    uuid: uuid::Uuid,
    name: String,
    zone: String,
    version: i32,
    created_at: i64,
    updated_at: i64,
    policies: Vec<String>,
}

/// Every schedule of the organization, by name, with the overrides that end after `since`.
///
/// # Errors
/// When the database fails or one cannot be read.
pub async fn list(conn: &mut Scoped, since: Timestamp) -> Result<Vec<ScheduleRow>, StoreError> {
    read(conn, None, since).await
}

async fn read(conn: &mut Scoped, only: Option<ScheduleId>, since: Timestamp) -> Result<Vec<ScheduleRow>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT s.id, s.uuid, s.name, s.zone, s.version, s.created_at, s.updated_at,
                ARRAY(SELECT DISTINCT p.name FROM policy_targets t JOIN policies p ON p.id = t.policy_id
                      WHERE t.schedule_id = s.id AND p.deleted_at IS NULL ORDER BY p.name) AS policies
         FROM schedules s WHERE s.deleted_at IS NULL AND ($1::uuid IS NULL OR s.uuid = $1) ORDER BY s.name",
    )
    .bind(only.map(|id| id.0))
    .fetch_all(conn.conn())
    .await?;
    let mut list = Vec::with_capacity(rows.len());
    for row in rows {
        let (rota, overrides) = rota(conn, row.id, &row.zone, since).await?;
        list.push(ScheduleRow {
            key: row.id,
            id: ScheduleId(row.uuid),
            name: row.name,
            rota,
            overrides,
            version: row.version,
            created_at: Timestamp::from_micros(row.created_at),
            updated_at: Timestamp::from_micros(row.updated_at),
            policies: row.policies,
        });
    }
    Ok(list)
}

/// The schedule of that id.
///
/// # Errors
/// When the database fails or it cannot be read.
pub async fn get(conn: &mut Scoped, id: ScheduleId, since: Timestamp) -> Result<Option<ScheduleRow>, StoreError> {
    Ok(read(conn, Some(id), since).await?.pop())
}

/// Makes a schedule; overrides are added to it later.
///
/// # Errors
/// Constraint `schedules_org_name` when the name is taken; when a member is gone or the database fails.
pub async fn insert(
    conn: &mut Scoped,
    id: ScheduleId,
    name: &str,
    rota: &Rota,
    now: Timestamp,
) -> Result<ScheduleKey, StoreError> {
    let key: ScheduleKey = sqlx::query_scalar(
        "INSERT INTO schedules (uuid, org_id, name, zone, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $5) RETURNING id",
    )
    .bind(id.0)
    .bind(conn.org())
    .bind(name)
    .bind(rota.zone.name())
    .bind(now.micros())
    .fetch_one(conn.conn())
    .await?;
    set_rotations(conn, key, rota).await?;
    audit::note(conn, "schedule.add", id.0, detail(name, rota), now).await?;
    Ok(key)
}

/// Changes a schedule that is still at `row.version`; its overrides stay. False when it was changed or removed meanwhile.
///
/// # Errors
/// Constraint `schedules_org_name` when the name is taken; when a member is gone or the database fails.
pub async fn update(
    conn: &mut Scoped,
    row: &ScheduleRow,
    name: &str,
    rota: &Rota,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE schedules SET name = $3, zone = $4, updated_at = $5, version = version + 1
         WHERE id = $1 AND version = $2 AND deleted_at IS NULL",
    )
    .bind(row.key)
    .bind(row.version)
    .bind(name)
    .bind(rota.zone.name())
    .bind(now.micros())
    .execute(conn.conn())
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query("DELETE FROM rotations WHERE schedule_id = $1").bind(row.key).execute(conn.conn()).await?;
    set_rotations(conn, row.key, rota).await?;
    let change = json!({ "name": name, "before": detail(&row.name, &row.rota), "after": detail(name, rota) });
    audit::note(conn, "schedule.edit", row.id.0, change, now).await?;
    Ok(true)
}

/// Removes a schedule: policies find nobody on call on it any more. False when it was removed already.
///
/// # Errors
/// When the database fails.
pub async fn remove(conn: &mut Scoped, row: &ScheduleRow, now: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE schedules SET deleted_at = $2 WHERE id = $1 AND deleted_at IS NULL")
        .bind(row.key)
        .bind(now.micros())
        .execute(conn.conn())
        .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query("DELETE FROM policy_targets WHERE schedule_id = $1").bind(row.key).execute(conn.conn()).await?;
    audit::note(conn, "schedule.remove", row.id.0, json!({ "name": row.name }), now).await?;
    Ok(true)
}

/// Lets a member stand in.
///
/// # Errors
/// When the member is gone or the database fails.
pub async fn stand_in(
    conn: &mut Scoped,
    row: &ScheduleRow,
    id: OverrideId,
    one: &Override<UserKey>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let done = sqlx::query(
        "INSERT INTO schedule_overrides (uuid, org_id, schedule_id, user_id, from_at, to_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(id.0)
    .bind(conn.org())
    .bind(row.key)
    .bind(one.user)
    .bind(one.from.micros())
    .bind(one.to.micros())
    .bind(now.micros())
    .execute(conn.conn())
    .await?;
    StoreError::expect_rows("schedule_overrides", 1, done.rows_affected())?;
    let detail = json!({ "name": row.name, "override": id, "from": one.from.to_string(), "to": one.to.to_string() });
    audit::note(conn, "schedule.override", row.id.0, detail, now).await
}

/// Takes that back. False when there is no such override.
///
/// # Errors
/// When the database fails.
pub async fn take_back(
    conn: &mut Scoped,
    row: &ScheduleRow,
    id: OverrideId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM schedule_overrides WHERE schedule_id = $1 AND uuid = $2")
        .bind(row.key)
        .bind(id.0)
        .execute(conn.conn())
        .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    audit::note(conn, "schedule.override_end", row.id.0, json!({ "name": row.name, "override": id }), now).await?;
    Ok(true)
}

async fn set_rotations(conn: &mut Scoped, key: ScheduleKey, rota: &Rota) -> Result<(), StoreError> {
    let org = conn.org();
    for (position, rotation) in rota.rotations.iter().enumerate() {
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO rotations (org_id, schedule_id, position, name, starts, every, unit, hours)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id",
        )
        .bind(org)
        .bind(key)
        .bind(i16::try_from(position).unwrap_or(i16::MAX))
        .bind(&rotation.name)
        .bind(rotation.starts.strftime("%Y-%m-%dT%H:%M").to_string())
        .bind(i16::try_from(rotation.every).unwrap_or(i16::MAX))
        .bind(rotation.unit.as_str())
        .bind(Json(&rotation.hours))
        .fetch_one(conn.conn())
        .await?;
        let members: Vec<i64> = rotation.members.iter().map(|member| member.0).collect();
        let done = sqlx::query(
            "INSERT INTO rotation_members (org_id, rotation_id, position, user_id)
             SELECT $1, $2, n, u FROM unnest($3::bigint[]) WITH ORDINALITY x (u, n)",
        )
        .bind(org)
        .bind(id)
        .bind(&members)
        .execute(conn.conn())
        .await?;
        StoreError::expect_rows("rotation_members", members.len() as u64, done.rows_affected())?;
    }
    Ok(())
}

/// What the audit log says of it: no members, whom it names by their rows.
fn detail(name: &str, rota: &Rota) -> serde_json::Value {
    let rotation = |rotation: &Rotation<UserKey>| {
        json!({
            "name": rotation.name,
            "starts": rotation.starts.to_string(),
            "every": rotation.every,
            "unit": rotation.unit.as_str(),
            "members": rotation.members.len(),
            "hours": rotation.hours,
        })
    };
    json!({ "name": name, "zone": rota.zone, "rotations": rota.rotations.iter().map(rotation).collect::<Vec<_>>() })
}
