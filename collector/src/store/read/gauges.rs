//! The figures of the whole instance for `/metrics`: counts and ages, nothing of any tenant.

use std::time::Duration;

use picket_shared::ids::ProbeId;
use picket_shared::time::Timestamp;

use crate::store::drills::DrillRow;
use crate::store::{Conn, StoreError, Worker};

/// How the instance is, as the database knows it.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    /// When this was read.
    pub read_at: Timestamp,
    /// Monitors that wait for a judgement.
    pub judge_due: i64,
    /// Since when the longest of them waits.
    pub judge_due_since: Option<Timestamp>,
    /// Notices for which no channel was chosen yet.
    pub notices_waiting: i64,
    /// Deliveries that were not sent and not given up.
    pub deliveries_pending: i64,
    /// Since when the longest due of them waits.
    pub deliveries_due_since: Option<Timestamp>,
    /// Incidents that are not resolved.
    pub incidents_open: i64,
    /// Monitors, by state; a paused one counts as `paused`.
    pub monitors: Vec<(String, i64)>,
    /// Probes that may send.
    pub probes: Vec<ProbeGauge>,
    /// Bytes of the database.
    pub database_bytes: i64,
    /// How long before that the last moment lay of which everything was archived; `None` where nothing is archived.
    pub recovery_point: Option<Duration>,
    /// Whether the last restore that was tried passed; `None` before the first.
    pub last_drill_passed: Option<bool>,
    /// The last that did.
    pub drill_passed: Option<DrillRow>,
}

/// How one probe is.
#[derive(Clone, Debug)]
pub struct ProbeGauge {
    /// Which.
    pub id: ProbeId,
    /// Its region.
    pub region: String,
    /// When it was last heard; `None` before its first hello.
    pub seen_at: Option<Timestamp>,
    /// Up to where its slots are accounted for.
    pub through: Option<Timestamp>,
    /// Its clock minus the collector's, in microseconds.
    pub clock_offset_us: Option<i64>,
}

/// More probes than this are not shown one by one.
const MOST_PROBES: i64 = 1000;

/// Reads them all.
///
/// # Errors
/// When the database fails.
pub async fn read(worker: &mut Worker, now: Timestamp) -> Result<Gauges, StoreError> {
    let time = |micros: Option<i64>| micros.map(Timestamp::from_micros);
    let (judge_due, due_since): (i64, Option<i64>) = sqlx::query_as(
        "SELECT count(*), min(least(dirty_at, due_at)) FROM states WHERE dirty_at IS NOT NULL OR due_at <= $1",
    )
    .bind(now.micros())
    .fetch_one(worker.conn())
    .await?;
    let (pending, delivery_since): (i64, Option<i64>) = sqlx::query_as(
        "SELECT count(*), min(next_at) FILTER (WHERE next_at <= $1) FROM deliveries WHERE state = 'pending'",
    )
    .bind(now.micros())
    .fetch_one(worker.conn())
    .await?;
    let (notices, incidents, bytes): (i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM notices WHERE dispatched_at IS NULL),
                (SELECT count(*) FROM incidents WHERE resolved_at IS NULL),
                pg_database_size(current_database())",
    )
    .fetch_one(worker.conn())
    .await?;
    Ok(Gauges {
        read_at: now,
        judge_due,
        judge_due_since: time(due_since),
        notices_waiting: notices,
        deliveries_pending: pending,
        deliveries_due_since: time(delivery_since),
        incidents_open: incidents,
        monitors: monitors(worker).await?,
        probes: probes(worker).await?,
        database_bytes: bytes,
        recovery_point: None,
        last_drill_passed: None,
        drill_passed: None,
    })
}

async fn monitors(worker: &mut Worker) -> Result<Vec<(String, i64)>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT CASE WHEN m.paused_at IS NULL THEN s.state ELSE 'paused' END, count(*)
         FROM monitors m JOIN states s ON s.monitor_id = m.id WHERE m.deleted_at IS NULL GROUP BY 1 ORDER BY 1",
    )
    .fetch_all(worker.conn())
    .await?)
}

async fn probes(worker: &mut Worker) -> Result<Vec<ProbeGauge>, StoreError> {
    type Row = (uuid::Uuid, String, Option<i64>, Option<i64>, Option<i64>);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT p.uuid, r.code, s.seen_at, s.through, s.clock_offset_us
         FROM probes p JOIN regions r ON r.id = p.region_id LEFT JOIN probe_status s ON s.probe_id = p.id
         WHERE p.revoked_at IS NULL ORDER BY p.id LIMIT $1",
    )
    .bind(MOST_PROBES)
    .fetch_all(worker.conn())
    .await?;
    let time = |micros: Option<i64>| micros.map(Timestamp::from_micros);
    let gauge = |(id, region, seen, through, clock_offset_us): Row| ProbeGauge {
        id: ProbeId(id),
        region,
        seen_at: time(seen),
        through: time(through),
        clock_offset_us,
    };
    Ok(rows.into_iter().map(gauge).collect())
}
