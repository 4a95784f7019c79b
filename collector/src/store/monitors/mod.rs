//! Monitors: what is watched. Every change takes the next number of the assignment clock, marks the monitor for the
//! judge, is audited, and rings both bells.

mod changes;
mod page;
mod regional;
mod row;
mod undo;

use picket_shared::check::CheckSpec;
use picket_shared::ids::{MonitorId, PolicyId, Region};
use picket_shared::secret::Sealed;
use picket_shared::time::Timestamp;
use serde_json::json;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::types::Json;
use sqlx::{Postgres, Row as _};

use super::imports::Imported;
use super::{Conn, MonitorKey, RegionKey, Scoped, StoreError, audit};
use crate::domain::briefing::Briefing;
use crate::domain::manual::same_place;
use crate::domain::outage::{QuorumRule, RegionalAlert, Standing};
use crate::wake::Bell;

pub(super) use changes::{note_changes, place};
pub use page::{Chosen, named, page};
pub use regional::{FailingFrom, failing_from, set_regional_alert};
use row::{GROUP, Row, SELECT};
pub use undo::{UNDO_FOR, delete, forget_secrets, restore};

/// What a person sets of a monitor. `spec` holds no credentials: those are JSON of `HttpAuth`, sealed with the monitor's
/// uuid as context.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What it is called; no two monitors of an organization are called the same.
    pub name: String,
    /// What to ask, without credentials.
    pub spec: CheckSpec,
    /// The sealed credentials.
    pub sealed_secret: Option<Sealed>,
    /// From slot to slot.
    pub interval_s: i32,
    /// After which a check is given up.
    pub timeout_ms: i32,
    /// How many regions must agree; the judge's own rule if absent.
    pub quorum: Option<QuorumRule>,
    /// Whether only regions in the EU may run it.
    pub eu_only: bool,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// What messages say of it beside what was found.
    pub briefing: Briefing,
    /// Where it runs.
    pub regions: Vec<RegionKey>,
}

impl Settings {
    /// Whether credentials that `old` holds would be kept and go where they were not given for ([`same_place`]): whoever may
    /// edit could have them sent to a server of their own.
    pub fn moves_credentials(&self, old: &Self) -> bool {
        self.sealed_secret.is_some() && self.sealed_secret == old.sealed_secret && !same_place(&old.spec, &self.spec)
    }
}

/// A monitor as stored.
#[derive(Clone, Debug)]
pub struct MonitorRow {
    /// Its row.
    pub key: MonitorKey,
    /// Its id.
    pub id: MonitorId,
    /// What a person set.
    pub settings: Settings,
    /// The names of its regions, sorted.
    pub regions: Vec<Region>,
    /// Raised by every edit.
    pub version: i32,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it is paused.
    pub paused_at: Option<Timestamp>,
    /// What the judge holds of it.
    pub state: String,
    /// Since when.
    pub since: Timestamp,
    /// Since when it tells nobody, until it is released.
    pub muted_at: Option<Timestamp>,
    /// From where it fails while it is up from elsewhere.
    pub failing_from: Vec<FailingFrom>,
    /// Whether members are told of that, and until when they are not all the same.
    pub regional: RegionalAlert,
    /// The policy that it names, where that is there.
    pub policy: Option<PolicyId>,
    /// What names it in imports from another program.
    pub external_key: Option<String>,
    /// What the last import left.
    pub imported: Option<Imported>,
}

/// What a search by id, name or beginning of the id gave.
#[derive(Debug)]
pub enum Found<T> {
    /// Nothing.
    None,
    /// Exactly one.
    One(Box<T>),
    /// Several ids begin so; these are their names.
    Many(Vec<String>),
}

/// Makes a monitor, in the state pending.
///
/// # Errors
/// Constraint `monitors_org_name` when the name is taken; when the database fails.
pub async fn insert(
    conn: &mut Scoped,
    id: MonitorId,
    settings: &Settings,
    now: Timestamp,
) -> Result<MonitorKey, StoreError> {
    let org = conn.org();
    let assigned = next_version(conn).await?;
    let insert = sqlx::query(
        "INSERT INTO monitors (uuid, org_id, name, kind, target, spec, sealed_secret, interval_s, timeout_ms, quorum,
                eu_only, tags, severity, owner, runbook_url, assigned_at_version, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $17) RETURNING id",
    )
    .bind(id.0)
    .bind(org);
    let row = bind_settings(insert, settings, assigned, now).fetch_one(conn.conn()).await?;
    let key: MonitorKey = row.try_get(0)?;
    write_regions(conn, key, &settings.regions).await?;
    sqlx::query(
        "INSERT INTO states (org_id, monitor_id, state, since, data, watch, dirty_at)
         VALUES ($1, $2, 'pending', $3, $4, true, $3)",
    )
    .bind(org)
    .bind(key)
    .bind(now.micros())
    .bind(Json(Standing::new(now, 1)))
    .execute(conn.conn())
    .await?;
    ring(conn).await?;
    note(conn, key, "monitor.add", now).await?;
    Ok(key)
}

/// Binds what a person sets as `$3` to `$15`, then the number of the assignment clock and the time.
fn bind_settings<'q>(
    query: Query<'q, Postgres, PgArguments>,
    settings: &'q Settings,
    assigned: i64,
    now: Timestamp,
) -> Query<'q, Postgres, PgArguments> {
    query
        .bind(&settings.name)
        .bind(settings.spec.kind().as_str())
        .bind(settings.spec.target())
        .bind(Json(&settings.spec))
        .bind(settings.sealed_secret.as_ref().map(|sealed| sealed.0.as_slice()))
        .bind(settings.interval_s)
        .bind(settings.timeout_ms)
        .bind(settings.quorum.as_ref().map(Json))
        .bind(settings.eu_only)
        .bind(&settings.tags)
        .bind(settings.briefing.severity.as_str())
        .bind(&settings.briefing.owner)
        .bind(&settings.briefing.runbook_url)
        .bind(assigned)
        .bind(now.micros())
}

/// Replaces what a person set and raises the version; `expected` is the version that was read.
///
/// # Errors
/// [`StoreError::RowCount`] when somebody else edited it meanwhile; else as [`insert`].
pub async fn edit(
    conn: &mut Scoped,
    key: MonitorKey,
    expected: i32,
    settings: &Settings,
    now: Timestamp,
) -> Result<(), StoreError> {
    let assigned = next_version(conn).await?;
    let before = by_keys(conn, &[key.0]).await?;
    // First what goes, and what stays is not written anew: an edit that makes no more checks is within their limit.
    let kept: Vec<i64> = settings.regions.iter().map(|region| region.0).collect();
    let gone = sqlx::query("DELETE FROM monitor_regions WHERE monitor_id = $1 AND region_id <> ALL ($2)");
    gone.bind(key).bind(kept).execute(conn.conn()).await?;
    let update = sqlx::query(
        "UPDATE monitors SET name = $3, kind = $4, target = $5, spec = $6, sealed_secret = $7, interval_s = $8,
                timeout_ms = $9, quorum = $10, eu_only = $11, tags = $12, severity = $13, owner = $14, runbook_url = $15,
                assigned_at_version = $16, updated_at = $17, version = version + 1
         WHERE id = $1 AND version = $2 AND deleted_at IS NULL",
    )
    .bind(key)
    .bind(expected);
    let done = bind_settings(update, settings, assigned, now).execute(conn.conn()).await?;
    StoreError::expect_rows("monitors", 1, done.rows_affected())?;
    write_regions(conn, key, &settings.regions).await?;
    mark_dirty(conn, key, now).await?;
    note_changes(conn, "monitor.edit", &before, now).await
}

/// Pauses a monitor that runs. False when it was paused already.
///
/// # Errors
/// When the database fails.
pub async fn pause(conn: &mut Scoped, key: MonitorKey, now: Timestamp) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE monitors SET paused_at = $2, updated_at = $2, assigned_at_version = $3
                       WHERE id = $1 AND paused_at IS NULL AND deleted_at IS NULL";
    switch(conn, key, SQL, "monitor.pause", now).await
}

/// Lets a paused monitor run again. False when it was not paused.
///
/// # Errors
/// When the database fails.
pub async fn resume(conn: &mut Scoped, key: MonitorKey, now: Timestamp) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE monitors SET paused_at = NULL, updated_at = $2, assigned_at_version = $3
                       WHERE id = $1 AND paused_at IS NOT NULL AND deleted_at IS NULL";
    switch(conn, key, SQL, "monitor.resume", now).await
}

/// The monitor of that id.
///
/// # Errors
/// When the database fails or the row cannot be read.
pub async fn by_id(conn: &mut Scoped, id: MonitorId) -> Result<Option<MonitorRow>, StoreError> {
    let row: Option<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} AND m.uuid = $1 {GROUP}")))
        .bind(id.0)
        .fetch_optional(conn.conn())
        .await?;
    row.map(MonitorRow::try_from).transpose()
}

/// These monitors, by name.
pub(super) async fn by_keys(conn: &mut Scoped, keys: &[i64]) -> Result<Vec<MonitorRow>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} AND m.id = ANY ($1) {GROUP}")))
        .bind(keys)
        .fetch_all(conn.conn())
        .await?;
    rows.into_iter().map(MonitorRow::try_from).collect()
}

/// Every monitor of the organization, by name.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn list(conn: &mut Scoped) -> Result<Vec<MonitorRow>, StoreError> {
    let rows: Vec<Row> =
        sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} {GROUP}"))).fetch_all(conn.conn()).await?;
    rows.into_iter().map(MonitorRow::try_from).collect()
}

/// The monitor of that id or name, or the one whose id begins so (4 characters at least).
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn find(conn: &mut Scoped, text: &str) -> Result<Found<MonitorRow>, StoreError> {
    let rows = list(conn).await?;
    Ok(pick(rows, text, |row| row.id.0, |row| &row.settings.name))
}

/// One of `rows` by id or name, or by the beginning of its id.
pub(super) fn pick<T>(
    mut rows: Vec<T>,
    text: &str,
    id: impl Fn(&T) -> uuid::Uuid,
    name: impl Fn(&T) -> &str,
) -> Found<T> {
    let exact = rows.iter().position(|row| id(row).to_string() == text || name(row) == text);
    if let Some(index) = exact {
        return Found::One(Box::new(rows.swap_remove(index)));
    }
    let wanted = text.to_ascii_lowercase();
    let begins = |row: &T| wanted.len() >= 4 && id(row).to_string().starts_with(&wanted);
    let mut found: Vec<T> = rows.into_iter().filter(begins).collect();
    match found.len() {
        0 => Found::None,
        1 => Found::One(Box::new(found.swap_remove(0))),
        _ => Found::Many(found.iter().map(|row| name(row).to_owned()).collect()),
    }
}

pub(super) async fn next_version(conn: &mut Scoped) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar("UPDATE assignment_clock SET version = version + 1 RETURNING version")
        .fetch_one(conn.conn())
        .await?)
}

async fn write_regions(conn: &mut Scoped, key: MonitorKey, regions: &[RegionKey]) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO monitor_regions (org_id, monitor_id, region_id) SELECT $1, $2, r FROM unnest($3::bigint[]) r
         ON CONFLICT DO NOTHING",
    )
    .bind(conn.org())
    .bind(key)
    .bind(regions.iter().map(|region| region.0).collect::<Vec<_>>())
    .execute(conn.conn())
    .await?;
    Ok(())
}

async fn switch(
    conn: &mut Scoped,
    key: MonitorKey,
    sql: &'static str,
    action: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let assigned = next_version(conn).await?;
    let done = sqlx::query(sql).bind(key).bind(now.micros()).bind(assigned).execute(conn.conn()).await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    StoreError::expect_rows("monitors", 1, done.rows_affected())?;
    mark_dirty(conn, key, now).await?;
    note(conn, key, action, now).await?;
    Ok(true)
}

/// Audits a change that was just made. The target is left out: a URL may hold a token.
async fn note(conn: &mut Scoped, key: MonitorKey, action: &str, now: Timestamp) -> Result<(), StoreError> {
    let (id, name, kind, version): (uuid::Uuid, String, String, i32) =
        sqlx::query_as("SELECT uuid, name, kind, version FROM monitors WHERE id = $1")
            .bind(key)
            .fetch_one(conn.conn())
            .await?;
    audit::note(conn, action, id, json!({ "name": place(&name), "kind": kind, "version": version }), now).await
}

pub(super) async fn mark_dirty(conn: &mut Scoped, key: MonitorKey, now: Timestamp) -> Result<(), StoreError> {
    let done = sqlx::query("UPDATE states SET dirty_at = $2 WHERE monitor_id = $1")
        .bind(key)
        .bind(now.micros())
        .execute(conn.conn())
        .await?;
    StoreError::expect_rows("states", 1, done.rows_affected())?;
    ring(conn).await
}

pub(super) async fn ring(conn: &mut Scoped) -> Result<(), StoreError> {
    conn.ring(Bell::Assignments).await?;
    conn.ring(Bell::Judge).await
}
