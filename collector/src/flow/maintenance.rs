//! Windows of maintenance at their edges: keeps what comes next, has monitors judged when a window begins and ends, and writes what is
//! to be told of it.
//!
//! In: `maintenances` that are due. Out: `maintenance_occurrences`, `notices`, `states` marked. Each edge is passed in one
//! transaction with its mark, so that a collector that is killed passes it once.

use std::time::Duration;

use picket_shared::time::Timestamp;

use crate::domain::maintenance::plan::Edge;
use crate::domain::outage::NoticeKind;
use crate::store::maintenances::{self, Kept, edges};
use crate::store::{Pools, StoreError, Worker};

/// So many windows a transaction.
const BATCH: i64 = 50;
/// What cannot be read holds nothing else up, and is looked at again after so long: its zone may be in a newer version.
const PUT_OFF: Duration = Duration::from_secs(3600);

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Windows that were looked at.
    pub looked_at: u64,
    /// Edges that were passed.
    pub edges: u64,
    /// Windows that could not be read and were put off.
    pub failed: u64,
}

/// Passes every edge that is due at `now`.
///
/// # Errors
/// When the database fails; what was committed stays.
pub async fn run(pools: &Pools, now: Timestamp) -> Result<Report, StoreError> {
    let mut report = Report::default();
    loop {
        let mut worker = pools.worker().await?;
        let due = edges::due(&mut worker, now, BATCH).await?;
        if due.is_empty() {
            return Ok(report);
        }
        for (key, kept) in due {
            report.looked_at += 1;
            match kept {
                Ok(kept) => report.edges += pass(&mut worker, &kept, now).await?,
                Err(unreadable) => {
                    tracing::error!(maintenance.row = key.0, "Could not read a window of maintenance: {unreadable}");
                    edges::look_again(&mut worker, key, Some(now + PUT_OFF)).await?;
                    report.failed += 1;
                }
            }
        }
        worker.commit().await?;
    }
}

async fn pass(worker: &mut Worker, kept: &Kept, now: Timestamp) -> Result<u64, StoreError> {
    if kept.deleted_at.is_none() {
        maintenances::keep(worker, kept.id, &kept.settings.window, now).await?;
    }
    let mut announce_before = kept.settings.announce_before;
    let is_told = announce_before.is_some();
    let (mut next, mut passed) = (None, 0);
    for (row, mut one) in edges::open(worker, kept.key).await? {
        let edges = one.passed(announce_before, now);
        for edge in &edges {
            // A start that was slept over is told by nothing, and its end by nothing either.
            let (notice, is_news) = match edge {
                Edge::Announce => (NoticeKind::MaintenanceScheduled, is_told),
                Edge::Begin => (NoticeKind::MaintenanceBegan, is_told && now < one.end),
                Edge::End => (NoticeKind::MaintenanceEnded, is_told && one.began && !edges.contains(&Edge::Begin)),
                Edge::CallOff => (NoticeKind::MaintenanceCalledOff, one.announced),
            };
            if is_news {
                edges::tell(worker, row, notice, now).await?;
            }
        }
        if !edges.is_empty() {
            one.note(&edges);
            edges::note(worker, row, one).await?;
            passed += edges.len() as u64;
        }
        next = [next, one.next(announce_before, now)].into_iter().flatten().min();
        // Those after the next are announced when it has begun.
        announce_before = announce_before.filter(|_| one.called_off || one.start <= now);
    }
    if passed > 0 {
        edges::touch(worker, kept.key, now).await?;
    }
    edges::look_again(worker, kept.key, next).await?;
    Ok(passed)
}
