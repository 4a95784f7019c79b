//! Probes: who may send, from where, and how each was last heard. They belong to the operator.

use picket_shared::batch::Report;
use picket_shared::check::Kind;
use picket_shared::daykeys::DayKeyGrant;
use picket_shared::ids::{BootId, ProbeId, Region};
use picket_shared::secret::Sealed;
use picket_shared::time::Timestamp;
use sqlx::Row;
use sqlx::types::Json;
use uuid::Uuid;

use super::regions::RegionRow;
use super::{Auth, Conn, Intake, OrgKey, ProbeKey, RegionKey, StoreError, probe_keys};

/// A probe that calls, as far as its request must be judged.
#[derive(Clone, Debug)]
pub struct CallerRow {
    /// Its row.
    pub key: ProbeKey,
    /// Who it is.
    pub id: ProbeId,
    /// Where it is.
    pub region: RegionRow,
    /// The organization that it belongs to, if it is private.
    pub org: Option<OrgKey>,
    /// Its secret.
    pub secret: Sealed,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Its start that is in force; `None` before its first hello.
    pub boot: Option<BootId>,
    /// When it first said hello with that.
    pub hello_at: Option<Timestamp>,
    /// The kinds of check that it announced.
    pub kinds: Vec<Kind>,
    /// The day key asked for.
    pub grant: Option<DayKeyGrant>,
}

/// The probe of that id, with one of its day keys.
///
/// # Errors
/// When the database fails.
pub async fn caller(conn: &mut Intake, id: ProbeId, day: Option<u64>) -> Result<Option<CallerRow>, StoreError> {
    let row = sqlx::query(
        "SELECT p.id, p.region_id, r.code, r.network, r.eu, p.org_id, p.sealed_secret, p.revoked_at, s.boot, s.kinds,
                k.number, k.nonce, k.not_before, k.not_after, s.hello_at
         FROM probes p JOIN regions r ON r.id = p.region_id LEFT JOIN probe_status s ON s.probe_id = p.id
              LEFT JOIN probe_keys k ON k.probe_id = p.id AND k.number = $2
         WHERE p.uuid = $1",
    )
    .bind(id.0)
    .bind(day.map(|number| i64::try_from(number).unwrap_or(i64::MAX)))
    .fetch_optional(conn.conn())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let key: ProbeKey = row.try_get(0)?;
    let grant = match row.try_get::<Option<i64>, _>(10)? {
        Some(number) => Some(probe_keys::grant((number, row.try_get(11)?, row.try_get(12)?, row.try_get(13)?))?),
        None => None,
    };
    Ok(Some(CallerRow {
        key,
        id,
        region: RegionRow {
            key: row.try_get(1)?,
            code: region(&row.try_get::<String, _>(2)?, key)?,
            network: row.try_get(3)?,
            eu: row.try_get(4)?,
        },
        org: row.try_get::<Option<i64>, _>(5)?.map(OrgKey),
        secret: Sealed(row.try_get(6)?),
        revoked_at: row.try_get::<Option<i64>, _>(7)?.map(Timestamp::from_micros),
        boot: row.try_get::<Option<Uuid>, _>(8)?.map(BootId),
        hello_at: row.try_get::<Option<i64>, _>(14)?.map(Timestamp::from_micros),
        kinds: kinds(row.try_get::<Option<Vec<String>>, _>(9)?.unwrap_or_default()),
        grant,
    }))
}

/// Whether the probe ever said hello with this boot.
///
/// # Errors
/// When the database fails.
pub async fn boot_known(conn: &mut Intake, probe: ProbeKey, boot: BootId) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT FROM probe_boots WHERE probe_id = $1 AND boot = $2)")
        .bind(probe)
        .bind(boot.0)
        .fetch_one(conn.conn())
        .await?)
}

/// What a probe announces when it starts.
#[derive(Clone, Debug)]
pub struct HelloRow<'a> {
    /// Its start.
    pub boot: BootId,
    /// Its version.
    pub version: &'a str,
    /// The kinds of check that it can run.
    pub kinds: &'a [Kind],
}

/// Puts a boot in force. A new one accounts for slots from now on; one that says hello again, since its answer was lost,
/// from when it said it first.
///
/// # Errors
/// When the database fails.
pub async fn hello(conn: &mut Intake, probe: ProbeKey, hello: &HelloRow<'_>, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO probe_boots (probe_id, boot, hello_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bind(probe)
        .bind(hello.boot.0)
        .bind(now.micros())
        .execute(conn.conn())
        .await?;
    let done = sqlx::query(
        "INSERT INTO probe_status AS s (probe_id, boot, version, kinds, hello_at, seen_at, through)
         VALUES ($1, $2, $3, $4, $5, $5, $5)
         ON CONFLICT (probe_id) DO UPDATE SET boot = excluded.boot, version = excluded.version, kinds = excluded.kinds,
                hello_at = CASE WHEN s.boot = excluded.boot THEN s.hello_at ELSE excluded.hello_at END,
                seen_at = excluded.seen_at,
                through = CASE WHEN s.boot = excluded.boot THEN s.through ELSE excluded.through END,
                report = CASE WHEN s.boot = excluded.boot THEN s.report ELSE '{}' END",
    )
    .bind(probe)
    .bind(hello.boot.0)
    .bind(hello.version)
    .bind(hello.kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>())
    .bind(now.micros())
    .execute(conn.conn())
    .await?;
    StoreError::expect_rows("probe_status", 1, done.rows_affected())
}

/// Where a probe stands.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// The boot in force.
    pub boot: BootId,
    /// When it first said hello with it: its batches account for slots from there.
    pub hello_at: Timestamp,
    /// Up to where its slots are accounted for.
    pub through: Timestamp,
    /// The highest number of a batch of this boot; 0 before the first.
    pub seq: i64,
}

/// Where a probe stands, locked until this transaction ends: its batches are stored one after the other.
///
/// # Errors
/// When the database fails.
pub async fn lock(conn: &mut Intake, probe: ProbeKey) -> Result<Option<Standing>, StoreError> {
    let row: Option<(Uuid, i64, i64, Option<i64>)> = sqlx::query_as(
        "SELECT boot, hello_at, coalesce(through, hello_at), (report->>'seq')::bigint FROM probe_status WHERE probe_id = $1
         FOR UPDATE",
    )
    .bind(probe)
    .fetch_optional(conn.conn())
    .await?;
    Ok(row.map(|(boot, hello_at, through, seq)| Standing {
        boot: BootId(boot),
        hello_at: Timestamp::from_micros(hello_at),
        through: Timestamp::from_micros(through),
        seq: seq.unwrap_or(0),
    }))
}

/// Notes what a batch says about its probe; an older batch than the last changes only when it was heard, and up to where
/// its slots are accounted for.
///
/// # Errors
/// When the database fails.
pub async fn report(
    conn: &mut Intake,
    probe: ProbeKey,
    report: &Report,
    through: Timestamp,
    seq: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    let done = sqlx::query(
        "UPDATE probe_status SET seen_at = $2, batch_at = $2, through = greatest(through, $3),
                version = $4, kinds = $5, assignments = $6, clock_offset_us = $7, ipv4 = $8, ipv6 = $9, dns = $10,
                report = $11::jsonb || jsonb_build_object('seq', $12::bigint)
         WHERE probe_id = $1 AND coalesce((report->>'seq')::bigint, 0) < $12",
    )
    .bind(probe)
    .bind(now.micros())
    .bind(through.micros())
    .bind(&report.version)
    .bind(report.kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>())
    .bind(i64::try_from(report.assignments).unwrap_or(i64::MAX))
    .bind(report.clock_offset_us)
    .bind(report.ipv4.as_str())
    .bind(report.ipv6.as_str())
    .bind(report.dns.as_str())
    .bind(Json(report))
    .bind(seq)
    .execute(conn.conn())
    .await?;
    if done.rows_affected() == 0 {
        let done = sqlx::query(
            "UPDATE probe_status SET seen_at = $2, batch_at = $2, through = greatest(through, $3) WHERE probe_id = $1",
        )
        .bind(probe)
        .bind(now.micros())
        .bind(through.micros())
        .execute(conn.conn())
        .await?;
        return StoreError::expect_rows("probe_status", 1, done.rows_affected());
    }
    Ok(())
}

/// Notes that a probe was heard.
///
/// # Errors
/// When the database fails.
pub async fn seen(conn: &mut Intake, probe: ProbeKey, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query("UPDATE probe_status SET seen_at = $2 WHERE probe_id = $1 AND seen_at < $2")
        .bind(probe)
        .bind(now.micros())
        .execute(conn.conn())
        .await?;
    Ok(())
}

/// A probe of a region that could run its monitors.
#[derive(Clone, Debug)]
pub struct PeerRow {
    /// Who it is.
    pub id: ProbeId,
    /// The organization that it belongs to, if it is private.
    pub org: Option<OrgKey>,
    /// The kinds of check that it announced.
    pub kinds: Vec<Kind>,
    /// When it was last heard.
    pub seen_at: Timestamp,
}

/// The probes of a region that were heard since `since`, in the order of their rows.
///
/// # Errors
/// When the database fails.
pub async fn peers(conn: &mut Intake, region: RegionKey, since: Timestamp) -> Result<Vec<PeerRow>, StoreError> {
    let rows: Vec<(Uuid, Option<i64>, Vec<String>, i64)> = sqlx::query_as(
        "SELECT p.uuid, p.org_id, s.kinds, s.seen_at FROM probes p JOIN probe_status s ON s.probe_id = p.id
         WHERE p.region_id = $1 AND p.revoked_at IS NULL AND s.seen_at >= $2 ORDER BY p.id",
    )
    .bind(region)
    .bind(since.micros())
    .fetch_all(conn.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|(id, org, names, seen_at)| PeerRow {
            id: ProbeId(id),
            org: org.map(OrgKey),
            kinds: kinds(names),
            seen_at: Timestamp::from_micros(seen_at),
        })
        .collect())
}

/// A probe to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewProbe<'a> {
    /// Who it is.
    pub id: ProbeId,
    /// Where it is.
    pub region: RegionKey,
    /// What the operator calls it.
    pub name: &'a str,
    /// Its secret.
    pub secret: &'a Sealed,
    /// Where it is told to call.
    pub url: &'a str,
}

/// Makes a probe.
///
/// # Errors
/// When the database fails.
pub async fn insert(conn: &mut Auth, new: NewProbe<'_>, now: Timestamp) -> Result<(), StoreError> {
    let done = sqlx::query(
        "INSERT INTO probes (uuid, region_id, name, sealed_secret, url, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(new.id.0)
    .bind(new.region)
    .bind(new.name)
    .bind(&new.secret.0)
    .bind(new.url)
    .bind(now.micros())
    .execute(conn.conn())
    .await?;
    StoreError::expect_rows("probes", 1, done.rows_affected())?;
    conn.ring(crate::wake::Bell::Probes).await
}

/// Where the probes that are in force were told to call, each once.
///
/// # Errors
/// When the database fails.
pub async fn urls(conn: &mut Auth) -> Result<Vec<String>, StoreError> {
    let urls = "SELECT DISTINCT url FROM probes WHERE url IS NOT NULL AND revoked_at IS NULL ORDER BY url";
    Ok(sqlx::query_scalar(urls).fetch_all(conn.conn()).await?)
}

/// Revokes a probe, at once; `false` when there is no such probe that is not revoked.
///
/// # Errors
/// When the database fails.
pub async fn revoke(conn: &mut Auth, id: ProbeId, now: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE probes SET revoked_at = $2 WHERE uuid = $1 AND revoked_at IS NULL")
        .bind(id.0)
        .bind(now.micros())
        .execute(conn.conn())
        .await?;
    conn.ring(crate::wake::Bell::Assignments).await?;
    Ok(done.rows_affected() == 1)
}

fn kinds(names: Vec<String>) -> Vec<Kind> {
    names.iter().filter_map(|name| name.parse().ok()).collect()
}

fn region(code: &str, probe: ProbeKey) -> Result<Region, StoreError> {
    code.parse().map_err(|_| StoreError::Inconsistent { table: "regions", column: "code", row: probe.0 })
}
