//! Monitors of an import or of the API, many at once: one number of the assignment clock, one audit line each, each bell once. And their
//! release: until then they are judged and tell nobody.

use std::collections::HashSet;

use picket_shared::ids::MonitorId;
use picket_shared::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::types::Json;

use super::audit;
use super::monitors::{Settings, by_keys, next_version, note_changes, place, ring};
use super::{Conn, MonitorKey, Scoped, StoreError};
use crate::domain::outage::Standing;

/// Rows of one statement.
const CHUNK: usize = 1000;

/// The source of what the API wrote.
pub const API: &str = "api";

/// What an import left on a monitor, by which the next one tells what a person changed since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// Where it came from: `kuma`, or [`API`].
    pub source: String,
    /// The version of the monitor after the import.
    pub version: i32,
    /// Whether the import left it paused.
    pub paused: bool,
    /// The tags that the import added to those of the source.
    #[serde(default)]
    pub tags: Vec<String>,
    /// A fingerprint of its credentials; nobody without the key ring can tell anything from it.
    #[serde(default)]
    pub credentials: Option<String>,
}

/// On whose behalf many monitors are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// An import: what it makes is muted.
    Import,
    /// The API: what it makes tells at once.
    Api,
}

impl Writer {
    const fn actions(self) -> (&'static str, &'static str) {
        match self {
            Self::Import => ("monitor.import", "monitor.import"),
            Self::Api => ("monitor.add", "monitor.edit"),
        }
    }
}

/// A monitor that is made.
#[derive(Clone, Debug)]
pub struct New {
    /// Its id.
    pub id: MonitorId,
    /// What it is.
    pub settings: Settings,
    /// What names it in imports and in the API.
    pub external_key: Option<String>,
    /// Whether it is paused.
    pub paused: bool,
    /// What the next import must know.
    pub imported: Imported,
}

/// A monitor that is changed.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its row.
    pub key: MonitorKey,
    /// The version that was read.
    pub version: i32,
    /// What it is from now on.
    pub settings: Settings,
    /// Whether it is paused.
    pub paused: bool,
    /// What the next import must know; its version is that after this change.
    pub imported: Imported,
}

/// Which monitors to release.
#[derive(Clone, Debug)]
pub enum Which {
    /// Every one that is muted.
    All,
    /// Those with this tag.
    Tagged(String),
    /// These.
    These(Vec<MonitorKey>),
}

/// Makes monitors in the state pending.
///
/// # Errors
/// Constraint `monitors_org_name` or `monitors_external_key` when somebody else made one of the same name or key; when the
/// database fails.
pub async fn insert(conn: &mut Scoped, writer: Writer, new: &[New], now: Timestamp) -> Result<(), StoreError> {
    if new.is_empty() {
        return Ok(());
    }
    let assigned = next_version(conn).await?;
    let org = conn.org();
    for chunk in new.chunks(CHUNK) {
        let rows: Vec<Value> = chunk
            .iter()
            .map(|new| {
                let mut row = row(&new.settings, new.paused, &new.imported);
                row["uuid"] = json!(new.id);
                row["external_key"] = json!(new.external_key);
                row["state"] = json!(Standing::new(now, 1));
                row
            })
            .collect();
        let made: Vec<(i64, uuid::Uuid)> = sqlx::query_as(INSERT)
            .bind(Json(&rows))
            .bind(org)
            .bind(assigned)
            .bind(now.micros())
            .bind(writer == Writer::Import)
            .fetch_all(conn.conn())
            .await?;
        StoreError::expect_rows("monitors", chunk.len() as u64, made.len() as u64)?;
        let done = sqlx::query(STATES).bind(Json(&rows)).bind(org).bind(now.micros()).execute(conn.conn()).await?;
        StoreError::expect_rows("states", chunk.len() as u64, done.rows_affected())?;
        let ids: std::collections::HashMap<uuid::Uuid, i64> = made.iter().map(|(id, uuid)| (*uuid, *id)).collect();
        let keyed = chunk.iter().filter_map(|new| Some((*ids.get(&new.id.0)?, &new.settings)));
        write_regions(conn, &keyed.collect::<Vec<_>>()).await?;
        note(conn, writer.actions().0, &made.iter().map(|(id, _)| *id).collect::<Vec<_>>(), now).await?;
    }
    ring(conn).await
}

/// Changes monitors and raises their versions.
///
/// # Errors
/// [`StoreError::RowCount`] when somebody else edited one meanwhile; else as [`insert`].
pub async fn change(conn: &mut Scoped, writer: Writer, changes: &[Change], now: Timestamp) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    let assigned = next_version(conn).await?;
    // Names may go from one monitor to another: all of them are free before the first is given.
    let ids: Vec<i64> = changes.iter().map(|change| change.key.0).collect();
    let before = by_keys(conn, &ids).await?;
    sqlx::query("UPDATE monitors SET name = uuid::text WHERE id = ANY($1)").bind(&ids).execute(conn.conn()).await?;
    for chunk in changes.chunks(CHUNK) {
        let rows: Vec<Value> = chunk
            .iter()
            .map(|change| {
                let mut row = row(&change.settings, change.paused, &change.imported);
                row["id"] = json!(change.key.0);
                row["expected"] = json!(change.version);
                row
            })
            .collect();
        let ids: Vec<i64> = chunk.iter().map(|change| change.key.0).collect();
        let keyed: Vec<_> = chunk.iter().map(|change| (change.key.0, &change.settings)).collect();
        remove_regions(conn, &keyed).await?;
        let done = sqlx::query(CHANGE).bind(Json(&rows)).bind(assigned).bind(now.micros()).execute(conn.conn()).await?;
        StoreError::expect_rows("monitors", chunk.len() as u64, done.rows_affected())?;
        write_regions(conn, &keyed).await?;
        mark_dirty(conn, &ids, now).await?;
    }
    ring(conn).await?;
    note_changes(conn, writer.actions().1, &before, now).await
}

/// Those of the keys whose monitor somebody deleted, and that name no other one.
///
/// # Errors
/// When the database fails.
pub async fn deleted(conn: &mut Scoped, keys: &[String]) -> Result<HashSet<String>, StoreError> {
    let found: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT external_key FROM monitors m WHERE deleted_at IS NOT NULL AND external_key = ANY($1)
            AND NOT EXISTS (SELECT FROM monitors o WHERE o.external_key = m.external_key AND o.deleted_at IS NULL)",
    )
    .bind(keys)
    .fetch_all(conn.conn())
    .await?;
    Ok(found.into_iter().collect())
}

/// Lets monitors tell what they find, from now on and what still stands; gives their ids and names.
///
/// # Errors
/// When the database fails.
pub async fn release(conn: &mut Scoped, which: &Which, now: Timestamp) -> Result<Vec<(MonitorId, String)>, StoreError> {
    let (tag, keys) = match which {
        Which::All => (None, None),
        Which::Tagged(tag) => (Some(tag), None),
        Which::These(keys) => (None, Some(keys.iter().map(|key| key.0).collect::<Vec<_>>())),
    };
    let released: Vec<(i64, uuid::Uuid, String)> = sqlx::query_as(
        "UPDATE monitors SET muted_at = NULL WHERE muted_at IS NOT NULL AND deleted_at IS NULL
            AND ($1::text IS NULL OR $1 = ANY (tags)) AND ($2::bigint[] IS NULL OR id = ANY ($2))
         RETURNING id, uuid, name",
    )
    .bind(tag)
    .bind(keys)
    .fetch_all(conn.conn())
    .await?;
    let ids: Vec<i64> = released.iter().map(|(id, ..)| *id).collect();
    if !ids.is_empty() {
        mark_dirty(conn, &ids, now).await?;
        ring(conn).await?;
        note(conn, "monitor.release", &ids, now).await?;
    }
    let mut named: Vec<_> = released.into_iter().map(|(_, id, name)| (MonitorId(id), name)).collect();
    named.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(named)
}

/// How many monitors wait for their release: all of them first (with an empty tag), then those with each tag.
///
/// # Errors
/// When the database fails.
pub async fn muted(conn: &mut Scoped) -> Result<Vec<(String, i64)>, StoreError> {
    Ok(sqlx::query_as(
        "WITH muted AS (SELECT tags FROM monitors WHERE muted_at IS NOT NULL AND deleted_at IS NULL)
         SELECT '' AS tag, count(*) FROM muted HAVING count(*) > 0
         UNION ALL (SELECT tag, count(*) FROM muted, unnest(tags) tag GROUP BY tag ORDER BY tag LIMIT 100)",
    )
    .fetch_all(conn.conn())
    .await?)
}

/// What both statements know of a monitor.
fn row(settings: &Settings, paused: bool, imported: &Imported) -> Value {
    json!({
        "name": settings.name,
        "kind": settings.spec.kind(),
        "target": settings.spec.target(),
        "spec": settings.spec,
        "secret": settings.sealed_secret.as_ref().map(|sealed| hex(&sealed.0)),
        "interval_s": settings.interval_s,
        "timeout_ms": settings.timeout_ms,
        "quorum": settings.quorum,
        "eu_only": settings.eu_only,
        "tags": settings.tags,
        "severity": settings.briefing.severity.as_str(),
        "owner": settings.briefing.owner,
        "runbook_url": settings.briefing.runbook_url,
        "paused": paused,
        "imported": imported,
    })
}

/// One parameter for any number of rows; a null of JSON is one of SQL.
const INSERT: &str =
    "INSERT INTO monitors (uuid, org_id, name, kind, target, spec, sealed_secret, interval_s, timeout_ms,
        quorum, eu_only, tags, severity, owner, runbook_url, assigned_at_version, created_at, updated_at, paused_at, external_key, imported,
        muted_at)
    SELECT x.uuid, $2, x.name, x.kind, x.target, x.spec, decode(x.secret, 'hex'), x.interval_s, x.timeout_ms,
        nullif(x.quorum, 'null'), x.eu_only, x.tags, x.severity, x.owner, x.runbook_url, $3, $4, $4, CASE WHEN x.paused THEN $4 END, x.external_key,
        x.imported, CASE WHEN $5 THEN $4 END
    FROM jsonb_to_recordset($1) AS x (uuid uuid, name text, kind text, target text, spec jsonb, secret text,
        interval_s integer, timeout_ms integer, quorum jsonb, eu_only boolean, tags text[], severity text, owner text,
        runbook_url text, paused boolean, external_key text, imported jsonb)
    RETURNING id, uuid";

const STATES: &str = "INSERT INTO states (org_id, monitor_id, state, since, data, watch, dirty_at)
    SELECT $2, m.id, 'pending', $3, x.state, true, $3
    FROM jsonb_to_recordset($1) AS x (uuid uuid, state jsonb) JOIN monitors m ON m.uuid = x.uuid";

const CHANGE: &str = "UPDATE monitors m SET name = x.name, kind = x.kind, target = x.target, spec = x.spec,
        sealed_secret = decode(x.secret, 'hex'), interval_s = x.interval_s, timeout_ms = x.timeout_ms,
        quorum = nullif(x.quorum, 'null'), eu_only = x.eu_only, tags = x.tags, severity = x.severity, owner = x.owner,
        runbook_url = x.runbook_url, assigned_at_version = $2,
        updated_at = $3, paused_at = CASE WHEN x.paused THEN coalesce(m.paused_at, $3) END, imported = x.imported,
        version = m.version + 1
    FROM jsonb_to_recordset($1) AS x (id bigint, expected integer, name text, kind text, target text, spec jsonb,
        secret text, interval_s integer, timeout_ms integer, quorum jsonb, eu_only boolean, tags text[],
        severity text, owner text, runbook_url text, paused boolean, imported jsonb)
    WHERE m.id = x.id AND m.version = x.expected AND m.deleted_at IS NULL";

/// Every monitor with every region of its.
fn pairs(monitors: &[(i64, &Settings)]) -> (Vec<i64>, Vec<i64>) {
    monitors.iter().flat_map(|(id, settings)| settings.regions.iter().map(|region| (*id, region.0))).unzip()
}

/// Removes the regions that are none any more.
async fn remove_regions(conn: &mut Scoped, monitors: &[(i64, &Settings)]) -> Result<(), StoreError> {
    let (ids, regions) = pairs(monitors);
    sqlx::query(
        "DELETE FROM monitor_regions WHERE monitor_id = ANY ($1) AND NOT EXISTS (
            SELECT FROM unnest($2::bigint[], $3::bigint[]) AS x (m, r) WHERE x.m = monitor_id AND x.r = region_id)",
    )
    .bind(monitors.iter().map(|(id, _)| *id).collect::<Vec<_>>())
    .bind(&ids)
    .bind(&regions)
    .execute(conn.conn())
    .await?;
    Ok(())
}

/// Adds the regions that are not there yet.
async fn write_regions(conn: &mut Scoped, monitors: &[(i64, &Settings)]) -> Result<(), StoreError> {
    let (ids, regions) = pairs(monitors);
    let org = conn.org();
    sqlx::query(
        "INSERT INTO monitor_regions (org_id, monitor_id, region_id)
         SELECT $1, m, r FROM unnest($2::bigint[], $3::bigint[]) AS x (m, r) ON CONFLICT DO NOTHING",
    )
    .bind(org)
    .bind(&ids)
    .bind(&regions)
    .execute(conn.conn())
    .await?;
    Ok(())
}

async fn mark_dirty(conn: &mut Scoped, ids: &[i64], now: Timestamp) -> Result<(), StoreError> {
    let update = "UPDATE states SET dirty_at = $2 WHERE monitor_id = ANY ($1)";
    let done = sqlx::query(update).bind(ids).bind(now.micros()).execute(conn.conn()).await?;
    StoreError::expect_rows("states", ids.len() as u64, done.rows_affected())
}

/// Audits what was just done to each. Targets are left out: a URL may hold a token.
async fn note(conn: &mut Scoped, action: &str, ids: &[i64], now: Timestamp) -> Result<(), StoreError> {
    let rows: Vec<(uuid::Uuid, String, String, i32, Option<String>)> =
        sqlx::query_as("SELECT uuid, name, kind, version, external_key FROM monitors WHERE id = ANY ($1) ORDER BY id")
            .bind(ids)
            .fetch_all(conn.conn())
            .await?;
    StoreError::expect_rows("monitors", ids.len() as u64, rows.len() as u64)?;
    let noted: Vec<(uuid::Uuid, Value)> = rows
        .into_iter()
        .map(|(id, name, kind, version, external_key)| {
            (id, json!({ "name": place(&name), "kind": kind, "version": version, "external_key": external_key }))
        })
        .collect();
    audit::note_all(conn, action, &noted, now).await
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
