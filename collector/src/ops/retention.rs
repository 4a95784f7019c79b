//! Makes the partitions that will be needed, drops those that have expired, deletes what else is over.
//!
//! The rule is `domain::retention`; this is the deed. In: the clock and the settings. Out: partitions, fewer rows.

use std::time::Duration;

use picket_shared::time::Timestamp;

use crate::config::Retention;
use crate::domain::retention::{Day, expired, missing};
use crate::store::{Pools, StoreError, manual_checks, partitions};

/// Days before today for which batches may still come (72 h, and a day for the time of day).
const BACK: u32 = 4;
/// Days ahead, so that a stopped retention task does not stop intake.
const AHEAD: u32 = 3;
/// Rows deleted in one transaction.
const AT_ONCE: i64 = 5_000;

/// What one run did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Partitions made.
    pub made: usize,
    /// Partitions dropped.
    pub dropped: usize,
    /// Rows deleted.
    pub deleted: u64,
}

/// Runs once; running it again at the same time changes nothing.
///
/// # Errors
/// When the database fails; what was committed before stays.
pub async fn run(pools: &Pools, settings: &Retention, now: Timestamp) -> Result<Report, StoreError> {
    let mut report = Report::default();
    for (table, keep_days) in [("results", settings.results_days), ("receipts", settings.receipts_days)] {
        let mut worker = pools.worker().await?;
        let days: Vec<Day> = partitions::days(&mut worker, table).await?.into_iter().map(Day).collect();
        for day in missing(&days, BACK, AHEAD, now) {
            report.made += usize::from(partitions::ensure(&mut worker, table, day.0).await?);
        }
        for day in expired(&days, u32::from(keep_days), now) {
            report.dropped += usize::from(partitions::drop(&mut worker, table, day.0).await?);
        }
        worker.commit().await?;
    }
    let day = Duration::from_secs(86_400);
    loop {
        let mut worker = pools.worker().await?;
        let changes = now - day * u32::from(settings.changes_days);
        let deleted =
            partitions::delete_expired(&mut worker, now - day / 24, now - day * BACK, changes, AT_ONCE).await?;
        let manual = manual_checks::delete_old(&mut worker, now - day / 24, AT_ONCE).await?;
        worker.commit().await?;
        report.deleted += deleted + manual;
        if deleted.max(manual) < AT_ONCE.unsigned_abs() {
            return Ok(report);
        }
    }
}
