//! Makes the partitions that will be needed, drops those that have expired, deletes what else is over.
//!
//! The rule is `domain::retention`; this is the deed. In: the clock and the settings. Out: partitions, fewer rows.

use std::time::Duration;

use picket_shared::time::Timestamp;

use crate::config::Retention;
use crate::domain::clock::is_doubted;
use crate::domain::retention::{Day, expired, missing};
use crate::store::{
    Pools, StoreError, account_mails, clock, devices, exports, invitations, manual_checks, monitors, partitions,
    posture, sessions, sign_in_failures,
};

/// Days before today for which batches may still come (72 h, and a day for the time of day).
const BACK: u32 = 4;
/// Days ahead, so that a stopped retention task does not stop intake.
const AHEAD: u32 = 3;
/// A probe that reported within this time is a witness of the time.
const WITNESS: Duration = Duration::from_secs(60);
/// What a control found once and finds no more is kept for thirteen months, as the audit log is.
const FINDINGS: Duration = Duration::from_secs(396 * 86_400);
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
    /// Nothing was deleted for its age: the clock leapt lately, or the probes doubt it.
    pub waits: bool,
}

/// Runs once; running it again at the same time changes nothing.
///
/// # Errors
/// When the database fails; what was committed before stays.
pub async fn run(pools: &Pools, settings: &Retention, now: Timestamp) -> Result<Report, StoreError> {
    let mut report = Report { waits: waits(pools, now).await?, ..Report::default() };
    for (table, keep_days) in [("results", settings.results_days), ("receipts", settings.receipts_days)] {
        let mut worker = pools.worker().await?;
        let days: Vec<Day> = partitions::days(&mut worker, table).await?.into_iter().map(Day).collect();
        for day in missing(&days, BACK, AHEAD, now) {
            report.made += usize::from(partitions::ensure(&mut worker, table, day.0).await?);
        }
        let expired = if report.waits { Vec::new() } else { expired(&days, u32::from(keep_days), now) };
        for day in expired {
            report.dropped += usize::from(partitions::drop(&mut worker, table, day.0).await?);
        }
        worker.commit().await?;
    }
    if report.waits {
        return Ok(report);
    }
    let mut worker = pools.worker().await?;
    report.deleted += monitors::forget_secrets(&mut worker, now).await?;
    report.deleted += posture::forget_old(&mut worker, now - FINDINGS).await?;
    worker.commit().await?;
    let mut auth = pools.auth().await?;
    report.deleted += sessions::forget_ended(&mut auth, now, now - sessions::IDLE).await?;
    report.deleted += devices::forget_expired(&mut auth, now).await?;
    report.deleted += sign_in_failures::forget_old(&mut auth, now).await?;
    report.deleted += invitations::forget_ended(&mut auth, now).await?;
    report.deleted += account_mails::forget_ended(&mut auth, now).await?;
    report.deleted += exports::forget_expired(&mut auth, now).await?;
    auth.commit().await?;
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

/// Whether the clock may be so wrong that what seems old is not.
async fn waits(pools: &Pools, now: Timestamp) -> Result<bool, StoreError> {
    let mut worker = pools.worker().await?;
    let until = clock::read(&mut worker).await?.and_then(|row| row.retention_waits_until).map(Timestamp::from_micros);
    if let Some(until) = until.filter(|until| *until > now) {
        tracing::warn!(
            "Nothing is deleted for its age until {until:.0}: the clock leapt, or the collector was away for long"
        );
        return Ok(true);
    }
    let doubted = is_doubted(&clock::witnesses(&mut worker, now - WITNESS).await?);
    if doubted {
        tracing::warn!("Nothing is deleted for its age: by the clocks of the probes the collector's is far ahead");
    }
    Ok(doubted)
}
