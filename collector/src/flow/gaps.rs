//! Who is silent: opens a gap for each probe that sent nothing for 45 s, and one for the time without a collector.
//!
//! In: `probe_status`, `instance`. Out: `gaps` without a monitor; `flow::ingest` closes them where batches still come.

use std::time::Duration;

use picket_shared::batch::GapReason;
use picket_shared::time::Timestamp;

use crate::domain::clock::SMALL_STEP_BACK;
use crate::domain::gap::{Gap, collector_was_down, falls_silent, left_by_revoked};
use crate::domain::retention::{LEAP, WAIT_AFTER_LEAP};
use crate::store::{StoreError, Worker, clock, gaps};

/// A collector that was away for longer leaves a gap.
pub const DOWN_AFTER: Duration = Duration::from_secs(30);

/// What one run found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Probes that fell silent.
    pub opened: u64,
    /// Silences of revoked probes that were ended or written down.
    pub ended: u64,
}

/// Notes that the collector is alive, and who fell silent.
///
/// # Errors
/// When the database fails.
pub async fn run(conn: &mut Worker, now: Timestamp) -> Result<Report, StoreError> {
    gaps::alive(conn, None, now).await?;
    let mut report = Report { ended: gaps::close_revoked(conn).await?, opened: 0 };
    let (_, started_at) = gaps::instance(conn).await?;
    for (probe, region, watched) in gaps::watched(conn).await? {
        if let Some(range) = left_by_revoked(&watched) {
            gaps::append_silence(conn, (probe, region), range, GapReason::ProbeOffline, now).await?;
            report.ended += 1;
        }
        if let Some(after) = falls_silent(&watched, started_at, now) {
            report.opened += u64::from(gaps::open_silence(conn, (probe, region), after, now).await?);
        }
    }
    Ok(report)
}

/// To be called once when the collector starts, before it takes batches: writes down for how many probes it was away.
///
/// # Errors
/// When the database fails.
pub async fn at_start(conn: &mut Worker, now: Timestamp) -> Result<u64, StoreError> {
    let mut probes = 0;
    let (last_alive, _) = gaps::instance(conn).await?;
    if was_away(last_alive, now) {
        for (probe, region, watched) in gaps::watched(conn).await? {
            let missing = collector_was_down(&watched, last_alive, now);
            probes += u64::from(!missing.is_empty());
            for Gap { range, reason } in missing {
                gaps::append_silence(conn, (probe, region), range, reason, now).await?;
            }
        }
    }
    // Nobody knows whether it was away for so long, or came back with a wrong clock.
    let away = now.since(last_alive);
    if away > SMALL_STEP_BACK {
        clock::note_leap(conn, now).await?;
    }
    if away > LEAP {
        clock::let_retention_wait(conn, now + WAIT_AFTER_LEAP).await?;
    }
    gaps::alive(conn, Some(now), now).await?;
    Ok(probes)
}

/// Whether a collector that was last alive then was away for so long that it leaves gaps.
pub fn was_away(last_alive: Timestamp, now: Timestamp) -> bool {
    now.since(last_alive) > DOWN_AFTER
}
