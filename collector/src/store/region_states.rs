//! The current run of results of a monitor in a region; written where it changes, not at each check.

use picket_shared::outcome::{SelfCheck, Status, Trigger};
use picket_shared::time::Timestamp;

use super::{Conn, Intake, MonitorKey, OrgKey, RegionKey, StoreError};

/// The run that a monitor is in, in one region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRow {
    /// The version of the monitor that was run.
    pub version: i32,
    /// The last result; a missed slot, or a failure while the probe's own network was bad, is unmeasured.
    pub status: Status,
    /// Why it is not up.
    pub failure: Option<String>,
    /// The same for a person.
    pub message: Option<String>,
    /// The length of the run of failures, counted to 3.
    pub fails: i16,
    /// The length of the run of good results, counted to 3.
    pub oks: i16,
    /// The start of the first check of the run.
    pub since: Timestamp,
    /// The start of the last check that was recorded here.
    pub last_at: Timestamp,
    /// Why that check ran.
    pub last_trigger: Trigger,
    /// What the probe thought of its own network.
    pub self_check: SelfCheck,
}

/// Writes the runs of many monitors in one region; a run that ends later than the one written stays.
///
/// # Errors
/// When the database fails.
pub async fn write(
    conn: &mut Intake,
    region: RegionKey,
    rows: &[(OrgKey, MonitorKey, &RunRow)],
    now: Timestamp,
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO region_states AS s (org_id, monitor_id, region_id, version, status, failure, message, fails, oks,
                since, last_at, last_trigger, self_check, received_at)
         SELECT o, m, $13, v, st, f, msg, fl, ok, si, la, tr, sc, $14
         FROM unnest($1::bigint[], $2::bigint[], $3::int[], $4::text[], $5::text[], $6::text[], $7::smallint[],
                $8::smallint[], $9::bigint[], $10::bigint[], $11::text[], $12::text[])
                AS x (o, m, v, st, f, msg, fl, ok, si, la, tr, sc) ORDER BY m
         ON CONFLICT (monitor_id, region_id) DO UPDATE SET version = excluded.version, status = excluded.status,
                failure = excluded.failure, message = excluded.message, fails = excluded.fails, oks = excluded.oks,
                since = excluded.since, last_at = excluded.last_at, last_trigger = excluded.last_trigger,
                self_check = excluded.self_check, received_at = excluded.received_at
         WHERE s.last_at <= excluded.last_at",
    )
    .bind(rows.iter().map(|(org, ..)| org.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, monitor, _)| monitor.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|(.., run)| run.version).collect::<Vec<_>>())
    .bind(rows.iter().map(|(.., run)| run.status.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|(.., run)| run.failure.as_deref()).collect::<Vec<_>>())
    .bind(rows.iter().map(|(.., run)| run.message.as_deref()).collect::<Vec<_>>())
    .bind(rows.iter().map(|(.., run)| run.fails).collect::<Vec<_>>())
    .bind(rows.iter().map(|(.., run)| run.oks).collect::<Vec<_>>())
    .bind(rows.iter().map(|(.., run)| run.since.micros()).collect::<Vec<_>>())
    .bind(rows.iter().map(|(.., run)| run.last_at.micros()).collect::<Vec<_>>())
    .bind(rows.iter().map(|(.., run)| trigger_text(run.last_trigger)).collect::<Vec<_>>())
    .bind(rows.iter().map(|(.., run)| run.self_check.as_str()).collect::<Vec<_>>())
    .bind(region)
    .bind(now.micros())
    .execute(conn.conn())
    .await?;
    Ok(())
}

/// Tells the judge that these monitors, and all of a region if one is named, have something new.
///
/// # Errors
/// When the database fails.
pub async fn mark_dirty(
    conn: &mut Intake,
    monitors: &[MonitorKey],
    region: Option<RegionKey>,
    now: Timestamp,
) -> Result<(), StoreError> {
    if monitors.is_empty() && region.is_none() {
        return Ok(());
    }
    // Locked in order, so that two batches never wait for each other.
    sqlx::query(
        "UPDATE states s SET dirty_at = $2
         FROM (SELECT monitor_id FROM states WHERE monitor_id = ANY($1)
                OR monitor_id IN (SELECT monitor_id FROM monitor_regions WHERE region_id = $3)
               ORDER BY monitor_id FOR UPDATE) x
         WHERE s.monitor_id = x.monitor_id",
    )
    .bind(monitors.iter().map(|monitor| monitor.0).collect::<Vec<_>>())
    .bind(now.micros())
    .bind(region)
    .execute(conn.conn())
    .await?;
    conn.ring(crate::wake::Bell::Judge).await
}

/// Its name in tables.
pub(super) const fn trigger_text(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Scheduled => "scheduled",
        Trigger::Confirm => "confirm",
        Trigger::Recheck => "recheck",
        Trigger::Manual => "manual",
        Trigger::Other => "other",
    }
}

pub(super) fn trigger(text: &str) -> Trigger {
    [Trigger::Scheduled, Trigger::Confirm, Trigger::Recheck, Trigger::Manual]
        .into_iter()
        .find(|trigger| trigger_text(*trigger) == text)
        .unwrap_or(Trigger::Other)
}

pub(super) fn status(text: &str) -> Status {
    [Status::Up, Status::Degraded, Status::Down, Status::Unmeasured]
        .into_iter()
        .find(|status| status.as_str() == text)
        .unwrap_or(Status::Other)
}

pub(super) fn self_check(text: &str) -> SelfCheck {
    [SelfCheck::Good, SelfCheck::Bad].into_iter().find(|check| check.as_str() == text).unwrap_or(SelfCheck::Unverified)
}
