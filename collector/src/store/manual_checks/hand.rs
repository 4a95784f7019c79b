//! Handing manual checks to probes, and taking their answers.

use picket_shared::check::{CheckSpec, Kind};
use picket_shared::ids::ManualId;
use picket_shared::manual::ManualReject;
use picket_shared::secret::Sealed;
use picket_shared::time::Timestamp;
use serde_json::Value;
use sqlx::Row;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::domain::manual::Unable;
use crate::store::{Conn, Intake, OrgKey, ProbeKey, RegionKey, StoreError};
use crate::wake::Bell;

/// A manual check that a probe has just taken.
#[derive(Clone, Debug)]
pub struct TakenRow {
    /// Which one.
    pub id: ManualId,
    /// What to ask; `None` when the row holds what cannot be read.
    pub spec: Option<CheckSpec>,
    /// The sealed credentials, and the uuid that they were sealed for.
    pub secret: Option<(Sealed, Uuid)>,
    /// Milliseconds after which the check is given up.
    pub timeout_ms: u32,
    /// Until when it is waited for.
    pub until: Timestamp,
}

/// Who takes manual checks.
#[derive(Clone, Copy, Debug)]
pub struct Taker<'a> {
    /// The probe.
    pub probe: ProbeKey,
    /// Its region, and whether that lies in the EU.
    pub region: (RegionKey, bool),
    /// The organization that it belongs to, if it is private.
    pub org: Option<OrgKey>,
    /// The kinds of check that it knows.
    pub kinds: &'a [Kind],
}

/// Takes up to `most` that wait in the probe's region and that it may run, the oldest first: those can still be answered
/// in time, and their credentials are still those of the monitor that was tried.
///
/// # Errors
/// When the database fails.
pub async fn take(
    conn: &mut Intake,
    taker: &Taker<'_>,
    most: i64,
    now: Timestamp,
) -> Result<Vec<TakenRow>, StoreError> {
    let rows = sqlx::query(
        "UPDATE manual_checks c SET taken_at = $1, taken_by = $2, sealed_secret = NULL
         FROM (SELECT x.uuid, x.sealed_secret AS own, m.sealed_secret AS kept, m.uuid AS monitor FROM manual_checks x
               LEFT JOIN monitors m ON m.id = x.monitor_id AND m.version = x.monitor_version AND m.deleted_at IS NULL
               WHERE x.region_id = $3 AND x.taken_at IS NULL AND x.ended_at IS NULL
                 AND x.expires_at > $1 + x.timeout_ms::bigint * 1000 AND (x.monitor_id IS NULL OR m.id IS NOT NULL)
                 AND ($4 OR NOT x.eu_only) AND ($5::bigint IS NULL OR x.org_id = $5) AND x.kind = ANY($6)
               ORDER BY x.asked_at LIMIT $7 FOR UPDATE OF x SKIP LOCKED) w
         WHERE c.uuid = w.uuid AND c.region_id = $3
         RETURNING c.uuid, c.spec, c.timeout_ms, c.expires_at, w.own, w.kept, w.monitor",
    )
    .bind(now.micros())
    .bind(taker.probe)
    .bind(taker.region.0)
    .bind(taker.region.1)
    .bind(taker.org)
    .bind(taker.kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>())
    .bind(most)
    .fetch_all(conn.conn())
    .await?;
    rows.iter().map(taken).collect()
}

fn taken(row: &PgRow) -> Result<TakenRow, StoreError> {
    let id: Uuid = row.try_get(0)?;
    let (own, kept): (Option<Vec<u8>>, Option<Vec<u8>>) = (row.try_get(4)?, row.try_get(5)?);
    let monitor: Option<Uuid> = row.try_get(6)?;
    Ok(TakenRow {
        id: ManualId(id),
        spec: serde_json::from_value(row.try_get::<Json<Value>, _>(1)?.0).ok(),
        secret: own.map(|own| (Sealed(own), id)).or_else(|| Some((Sealed(kept?), monitor?))),
        timeout_ms: u32::try_from(row.try_get::<i32, _>(2)?).unwrap_or(0),
        until: Timestamp::from_micros(row.try_get(3)?),
    })
}

/// Ends one that was taken, because it cannot be handed over.
///
/// # Errors
/// When the database fails.
pub async fn refuse(
    conn: &mut Intake,
    id: ManualId,
    region: RegionKey,
    why: Unable,
    now: Timestamp,
) -> Result<(), StoreError> {
    let done = sqlx::query(
        "UPDATE manual_checks SET refused = $3, ended_at = $4 WHERE uuid = $1 AND region_id = $2 AND ended_at IS NULL",
    )
    .bind(id.0)
    .bind(region)
    .bind(why.as_str())
    .bind(now.micros())
    .execute(conn.conn())
    .await?;
    StoreError::expect_rows("manual_checks", 1, done.rows_affected())?;
    conn.ring(Bell::Manual).await
}

/// Stores what a probe found (a `ManualOutcome` as JSON), if it was asked, still is, and has not answered; rings for
/// whoever waits. Else why it is not stored.
///
/// # Errors
/// When the database fails.
pub async fn answer(
    conn: &mut Intake,
    id: ManualId,
    (region, probe): (RegionKey, ProbeKey),
    outcome: &str,
    now: Timestamp,
) -> Result<Option<ManualReject>, StoreError> {
    let done = sqlx::query(
        "UPDATE manual_checks SET outcome = $4::jsonb, ended_at = $5
         WHERE uuid = $1 AND region_id = $2 AND taken_by = $3 AND ended_at IS NULL AND expires_at > $5",
    )
    .bind(id.0)
    .bind(region)
    .bind(probe)
    .bind(outcome)
    .bind(now.micros())
    .execute(conn.conn())
    .await?;
    if done.rows_affected() == 1 {
        conn.ring(Bell::Manual).await?;
        return Ok(None);
    }
    let ended: Option<bool> = sqlx::query_scalar(
        "SELECT ended_at IS NOT NULL FROM manual_checks WHERE uuid = $1 AND region_id = $2 AND taken_by = $3",
    )
    .bind(id.0)
    .bind(region)
    .bind(probe)
    .fetch_optional(conn.conn())
    .await?;
    Ok(Some(match ended {
        None => ManualReject::NotAsked,
        Some(true) => ManualReject::Answered,
        Some(false) => ManualReject::Expired,
    }))
}

/// Remembers what a probe takes besides assignments; writes only when that has changed.
///
/// # Errors
/// When the database fails.
pub async fn note_takes(conn: &mut Intake, probe: ProbeKey, takes: &[&str]) -> Result<(), StoreError> {
    sqlx::query("UPDATE probe_status SET takes = $2 WHERE probe_id = $1 AND takes <> $2")
        .bind(probe)
        .bind(takes)
        .execute(conn.conn())
        .await?;
    Ok(())
}
