//! Slots without an outcome, as ranges. A silent probe is one row without a monitor; open while it is silent.

use picket_shared::batch::GapReason;
use picket_shared::time::Timestamp;

use super::{Conn, Intake, MonitorKey, OrgKey, ProbeKey, RegionKey, StoreError, Worker};
use crate::domain::gap::Range;

/// A range of one monitor's slots that a probe says it missed.
#[derive(Clone, Copy, Debug)]
pub struct MissedRow {
    /// Whose monitor.
    pub org: OrgKey,
    /// Which monitor.
    pub monitor: MonitorKey,
    /// When.
    pub range: Range,
    /// Why.
    pub reason: GapReason,
}

/// A range in which a whole probe is not accounted for.
#[derive(Clone, Copy, Debug)]
pub struct SilenceRow {
    /// Its row.
    pub id: i64,
    /// From when.
    pub after: Timestamp,
    /// Until when; `None` while it lasts.
    pub until: Option<Timestamp>,
    /// Why; it is kept when a part is closed.
    pub reason: GapReason,
}

/// Adds what a probe missed.
///
/// # Errors
/// When the database fails.
pub async fn append_missed(
    conn: &mut Intake,
    (probe, region): (ProbeKey, RegionKey),
    rows: &[MissedRow],
    now: Timestamp,
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let done = sqlx::query(
        "INSERT INTO gaps (org_id, monitor_id, region_id, probe_id, from_at, to_at, reason, noted_at)
         SELECT o, m, $7, $6, f, t, r, $8
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[]) AS x (o, m, f, t, r)",
    )
    .bind(rows.iter().map(|row| row.org.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.monitor.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.range.after.micros()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.range.until.micros()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.reason.as_str()).collect::<Vec<_>>())
    .bind(probe)
    .bind(region)
    .bind(now.micros())
    .execute(conn.conn())
    .await?;
    StoreError::expect_rows("gaps", rows.len() as u64, done.rows_affected())
}

/// The ranges in which a probe is not accounted for, as far as they reach beyond `after`.
///
/// # Errors
/// When the database fails.
pub async fn silences(
    conn: &mut Intake,
    (probe, region): (ProbeKey, RegionKey),
    after: Timestamp,
) -> Result<Vec<SilenceRow>, StoreError> {
    let rows: Vec<(i64, i64, Option<i64>, String)> = sqlx::query_as(
        "SELECT id, from_at, to_at, reason FROM gaps
         WHERE region_id = $1 AND probe_id = $2 AND monitor_id IS NULL AND (to_at IS NULL OR to_at > $3)
         ORDER BY from_at, id",
    )
    .bind(region)
    .bind(probe)
    .bind(after.micros())
    .fetch_all(conn.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|(id, after, until, reason)| SilenceRow {
            id,
            after: Timestamp::from_micros(after),
            until: until.map(Timestamp::from_micros),
            reason: reason_of(&reason),
        })
        .collect())
}

/// Takes silences away, for what is left of them is added anew.
///
/// # Errors
/// When the database fails.
pub async fn remove(conn: &mut Intake, ids: &[i64]) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let done = sqlx::query("DELETE FROM gaps WHERE id = ANY($1)").bind(ids).execute(conn.conn()).await?;
    StoreError::expect_rows("gaps", ids.len() as u64, done.rows_affected())
}

/// Adds ranges in which a probe is not accounted for.
///
/// # Errors
/// When the database fails.
pub async fn append_silences(
    conn: &mut Intake,
    (probe, region): (ProbeKey, RegionKey),
    rows: &[(Range, GapReason)],
    now: Timestamp,
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let done = sqlx::query(
        "INSERT INTO gaps (region_id, probe_id, from_at, to_at, reason, noted_at)
         SELECT $5, $4, f, t, r, $6 FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS x (f, t, r)",
    )
    .bind(rows.iter().map(|(range, _)| range.after.micros()).collect::<Vec<_>>())
    .bind(rows.iter().map(|(range, _)| range.until.micros()).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, reason)| reason.as_str()).collect::<Vec<_>>())
    .bind(probe)
    .bind(region)
    .bind(now.micros())
    .execute(conn.conn())
    .await?;
    StoreError::expect_rows("gaps", rows.len() as u64, done.rows_affected())
}

/// Opens a silence for every probe that sent no batch since `since`, from where it is accounted for. Says how many.
///
/// # Errors
/// When the database fails.
pub async fn open_silences(conn: &mut Worker, since: Timestamp, now: Timestamp) -> Result<u64, StoreError> {
    // While the collector did not run nobody could send: that time is another gap's.
    let done = sqlx::query(
        "INSERT INTO gaps (region_id, probe_id, from_at, reason, noted_at)
         SELECT p.region_id, p.id, greatest(s.through, (SELECT max(g.to_at) FROM gaps g
                WHERE g.region_id = p.region_id AND g.probe_id = p.id AND g.monitor_id IS NULL)), 'probe_offline', $2
         FROM probe_status s JOIN probes p ON p.id = s.probe_id CROSS JOIN instance i
         WHERE p.revoked_at IS NULL AND s.through IS NOT NULL
           AND greatest(coalesce(s.batch_at, s.hello_at), s.hello_at, i.last_started_at) < $1
           AND NOT EXISTS (SELECT FROM gaps g WHERE g.region_id = p.region_id AND g.probe_id = p.id
                AND g.monitor_id IS NULL AND g.to_at IS NULL)
         ON CONFLICT (probe_id) WHERE monitor_id IS NULL AND to_at IS NULL DO NOTHING",
    )
    .bind(since.micros())
    .bind(now.micros())
    .execute(conn.conn())
    .await?;
    Ok(done.rows_affected())
}

/// Ends the silence of probes that were revoked: nobody waits for them any more. Says how many.
///
/// # Errors
/// When the database fails.
pub async fn close_revoked(conn: &mut Worker) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "UPDATE gaps g SET to_at = greatest(g.from_at, p.revoked_at) FROM probes p
         WHERE p.id = g.probe_id AND p.revoked_at IS NOT NULL AND g.monitor_id IS NULL AND g.to_at IS NULL",
    )
    .execute(conn.conn())
    .await?;
    Ok(done.rows_affected())
}

/// Adds, for every live probe, the time until `now` in which the collector did not run. Says for how many.
///
/// # Errors
/// When the database fails.
pub async fn append_collector_down(conn: &mut Worker, now: Timestamp) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "INSERT INTO gaps (region_id, probe_id, from_at, to_at, reason, noted_at)
         SELECT p.region_id, p.id, s.through, $1, 'collector_down', $1
         FROM probe_status s JOIN probes p ON p.id = s.probe_id
         WHERE p.revoked_at IS NULL AND s.through < $1
           AND NOT EXISTS (SELECT FROM gaps g WHERE g.region_id = p.region_id AND g.probe_id = p.id
                AND g.monitor_id IS NULL AND (g.to_at IS NULL OR g.to_at > s.through))",
    )
    .bind(now.micros())
    .execute(conn.conn())
    .await?;
    Ok(done.rows_affected())
}

/// When the collector was last alive.
///
/// # Errors
/// When the database fails or the instance has no row.
pub async fn last_alive(conn: &mut Worker) -> Result<Timestamp, StoreError> {
    Ok(Timestamp::from_micros(sqlx::query_scalar("SELECT last_alive_at FROM instance").fetch_one(conn.conn()).await?))
}

/// Notes that the collector is alive, and at its start since when.
///
/// # Errors
/// When the database fails.
pub async fn alive(conn: &mut Worker, started: Option<Timestamp>, now: Timestamp) -> Result<(), StoreError> {
    let done = sqlx::query(
        "UPDATE instance SET last_alive_at = greatest(last_alive_at, $1), last_started_at = coalesce($2, last_started_at)",
    )
    .bind(now.micros())
    .bind(started.map(Timestamp::micros))
    .execute(conn.conn())
    .await?;
    StoreError::expect_rows("instance", 1, done.rows_affected())
}

fn reason_of(text: &str) -> GapReason {
    use GapReason::{
        BufferOverflow, ClockSet, CollectorDown, NotScheduled, Other, Paused, ProbeOffline, SelfCheckFailed, TooOld,
    };
    [ProbeOffline, BufferOverflow, NotScheduled, SelfCheckFailed, CollectorDown, Paused, TooOld, ClockSet]
        .into_iter()
        .find(|reason| reason.as_str() == text)
        .unwrap_or(Other)
}
