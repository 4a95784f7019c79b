//! Who is silent: opens a gap for each probe that sent nothing for 45 s, and one for the time without a collector.
//!
//! In: `probe_status`, `instance`. Out: `gaps` without a monitor; `flow::ingest` closes them where batches still come.

use std::time::Duration;

use picket_shared::time::Timestamp;

use crate::domain::clock::SMALL_STEP_BACK;
use crate::domain::gap::SILENT_AFTER;
use crate::domain::retention::{LEAP, WAIT_AFTER_LEAP};
use crate::store::{StoreError, Worker, clock, gaps};

/// A collector that was away for longer leaves a gap.
pub const DOWN_AFTER: Duration = Duration::from_secs(30);

/// What one run found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Probes that fell silent.
    pub opened: u64,
    /// Silences of revoked probes that were ended.
    pub ended: u64,
}

/// Notes that the collector is alive, and who fell silent.
///
/// # Errors
/// When the database fails.
pub async fn run(conn: &mut Worker, now: Timestamp) -> Result<Report, StoreError> {
    gaps::alive(conn, None, now).await?;
    Ok(Report {
        ended: gaps::close_revoked(conn).await?,
        opened: gaps::open_silences(conn, now - SILENT_AFTER, now).await?,
    })
}

/// To be called once when the collector starts, before it takes batches: writes down for how many probes it was away.
///
/// # Errors
/// When the database fails.
pub async fn at_start(conn: &mut Worker, now: Timestamp) -> Result<u64, StoreError> {
    let away = now.since(gaps::last_alive(conn).await?);
    let probes = if away > DOWN_AFTER { gaps::append_collector_down(conn, now).await? } else { 0 };
    // Nobody knows whether it was away for so long, or came back with a wrong clock.
    if away > SMALL_STEP_BACK {
        clock::note_leap(conn, now).await?;
    }
    if away > LEAP {
        clock::let_retention_wait(conn, now + WAIT_AFTER_LEAP).await?;
    }
    gaps::alive(conn, Some(now), now).await?;
    Ok(probes)
}
