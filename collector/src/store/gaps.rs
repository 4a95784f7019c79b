//! Slots without an outcome, as ranges. A silent probe is one row without a monitor; open while it is silent.

use picket_shared::batch::GapReason;
use picket_shared::time::Timestamp;

use super::{Conn, Intake, MonitorKey, OrgKey, ProbeKey, RegionKey, StoreError, Worker};
use crate::domain::gap::{Range, Watched};

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

/// Every probe that ever said hello, as far as its silence must be judged, with its row and its region's.
///
/// # Errors
/// When the database fails.
pub async fn watched(conn: &mut Worker) -> Result<Vec<(ProbeKey, RegionKey, Watched)>, StoreError> {
    type Row = (ProbeKey, RegionKey, Option<i64>, i64, Option<i64>, Option<i64>, Option<i64>, Option<i64>);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT p.id, p.region_id, s.through, s.hello_at, s.batch_at, p.revoked_at,
                (SELECT max(g.to_at) FROM gaps g
                 WHERE g.region_id = p.region_id AND g.probe_id = p.id AND g.monitor_id IS NULL),
                (SELECT g.id FROM gaps g WHERE g.probe_id = p.id AND g.monitor_id IS NULL AND g.to_at IS NULL)
         FROM probe_status s JOIN probes p ON p.id = s.probe_id ORDER BY p.id",
    )
    .fetch_all(conn.conn())
    .await?;
    let time = |micros: Option<i64>| micros.map(Timestamp::from_micros);
    let watched =
        rows.into_iter().map(|(probe, region, through, hello_at, batch_at, revoked_at, noted_until, open)| {
            let watched = Watched {
                through: time(through),
                hello_at: Timestamp::from_micros(hello_at),
                batch_at: time(batch_at),
                revoked_at: time(revoked_at),
                noted_until: time(noted_until),
                is_open: open.is_some(),
            };
            (probe, region, watched)
        });
    Ok(watched.collect())
}

/// Opens the silence of a probe, from where it is accounted for; `false` when one is open.
///
/// # Errors
/// When the database fails.
pub async fn open_silence(
    conn: &mut Worker,
    (probe, region): (ProbeKey, RegionKey),
    after: Timestamp,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO gaps (region_id, probe_id, from_at, reason, noted_at) VALUES ($1, $2, $3, 'probe_offline', $4)
         ON CONFLICT (probe_id) WHERE monitor_id IS NULL AND to_at IS NULL DO NOTHING",
    )
    .bind(region)
    .bind(probe)
    .bind(after.micros())
    .bind(now.micros())
    .execute(conn.conn())
    .await?;
    Ok(done.rows_affected() == 1)
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

/// Adds a range in which a whole probe is not accounted for.
///
/// # Errors
/// When the database fails.
pub async fn append_silence(
    conn: &mut Worker,
    (probe, region): (ProbeKey, RegionKey),
    range: Range,
    reason: GapReason,
    now: Timestamp,
) -> Result<(), StoreError> {
    let done = sqlx::query(
        "INSERT INTO gaps (region_id, probe_id, from_at, to_at, reason, noted_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(region)
    .bind(probe)
    .bind(range.after.micros())
    .bind(range.until.micros())
    .bind(reason.as_str())
    .bind(now.micros())
    .execute(conn.conn())
    .await?;
    StoreError::expect_rows("gaps", 1, done.rows_affected())
}

/// When the collector was last alive, and when it last started.
///
/// # Errors
/// When the database fails or the instance has no row.
pub async fn instance(conn: &mut Worker) -> Result<(Timestamp, Timestamp), StoreError> {
    let row: (i64, i64) =
        sqlx::query_as("SELECT last_alive_at, last_started_at FROM instance").fetch_one(conn.conn()).await?;
    Ok((Timestamp::from_micros(row.0), Timestamp::from_micros(row.1)))
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
