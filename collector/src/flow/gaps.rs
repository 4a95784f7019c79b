//! Who is silent: opens a gap for each probe that sent nothing for 45 s, and one for the time without a collector.
//!
//! In: `probe_status`, `instance`. Out: `gaps` without a monitor; `flow::ingest` closes them where batches still come.

use std::time::Duration;

use picket_shared::time::Timestamp;

use crate::domain::gap::SILENT_AFTER;
use crate::store::{StoreError, Worker, gaps};

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
    let away = now.since(gaps::last_alive(conn).await?) > DOWN_AFTER;
    let probes = if away { gaps::append_collector_down(conn, now).await? } else { 0 };
    gaps::alive(conn, Some(now), now).await?;
    Ok(probes)
}
