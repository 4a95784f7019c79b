//! What this process counts for `/metrics`: intake, refusals, deliveries; and the last figures read from the database.
//!
//! Counting is cheap and never fails. Labels are words of Picket's own, never a tenant's.

pub mod text;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use picket_shared::batch::{Receipt, RejectReason};
use picket_shared::wire::RefusalCode;

use crate::store::read::gauges::Gauges;

/// Upper bounds of the buckets of durations, in seconds.
pub const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The counters of this process. Cheap to clone; clones count together.
#[derive(Clone, Debug, Default)]
pub struct Meters(Arc<Mutex<Counted>>);

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BatchResult {
    /// It was stored.
    Stored,
    /// It was stored before.
    Repeated,
    /// It was refused as a whole.
    Refused,
}

impl BatchResult {
    /// Every result.
    pub const ALL: [Self; 3] = [Self::Stored, Self::Repeated, Self::Refused];

    /// Its label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Repeated => "repeated",
            Self::Refused => "refused",
        }
    }
}

/// Everything counted so far.
#[derive(Clone, Debug)]
pub struct Counted {
    /// Batches, by what became of them.
    pub batches: BTreeMap<&'static str, u64>,
    /// Outcomes stored.
    pub outcomes: u64,
    /// Outcomes refused one by one, by reason.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Requests of probes refused as a whole, by code.
    pub refused: BTreeMap<&'static str, u64>,
    /// From a stored batch's request to its commit: one count a bound, and one for what took longer.
    pub intake: [u64; BOUNDS.len() + 1],
    /// The sum of those durations.
    pub intake_sum: Duration,
    /// Attempts to deliver, by kind of channel and result.
    pub deliveries: BTreeMap<(String, &'static str), u64>,
    /// The number of the term in which this process leads; `None` while it stands by.
    pub leads: Option<i64>,
    /// The last figures read from the database.
    pub gauges: Option<Gauges>,
}

impl Default for Counted {
    fn default() -> Self {
        // What never happened is 0, and not absent.
        Self {
            batches: BatchResult::ALL.map(|result| (result.as_str(), 0)).into(),
            outcomes: 0,
            rejected: REASONS.map(|reason| (reason_word(reason), 0)).into(),
            refused: RefusalCode::ALL.iter().map(|code| (code.as_str(), 0)).collect(),
            intake: [0; BOUNDS.len() + 1],
            intake_sum: Duration::ZERO,
            deliveries: BTreeMap::new(),
            leads: None,
            gauges: None,
        }
    }
}

const REASONS: [RejectReason; 4] =
    [RejectReason::NotAssigned, RejectReason::TooOld, RejectReason::InTheFuture, RejectReason::Malformed];

fn reason_word(reason: RejectReason) -> &'static str {
    match reason {
        RejectReason::NotAssigned => "not_assigned",
        RejectReason::TooOld => "too_old",
        RejectReason::InTheFuture => "in_the_future",
        RejectReason::Malformed => "malformed",
        RejectReason::Other => "other",
    }
}

impl Meters {
    /// Counts a batch that was stored with this receipt, `took` after its request came.
    pub fn stored(&self, receipt: &Receipt, took: Duration) {
        self.count(|counted| {
            counted.batch(BatchResult::Stored);
            counted.outcomes += u64::from(receipt.accepted);
            for rejected in &receipt.rejected {
                *counted.rejected.entry(reason_word(rejected.reason)).or_default() += 1;
            }
            let bucket = BOUNDS.iter().position(|bound| took.as_secs_f64() <= *bound).unwrap_or(BOUNDS.len());
            counted.intake[bucket] += 1;
            counted.intake_sum = counted.intake_sum.saturating_add(took);
        });
    }

    /// Counts a batch that was stored before.
    pub fn repeated(&self) {
        self.count(|counted| counted.batch(BatchResult::Repeated));
    }

    /// Counts a batch that was refused as a whole.
    pub fn refused_batch(&self) {
        self.count(|counted| counted.batch(BatchResult::Refused));
    }

    /// Counts a request of a probe that was refused, be it a batch or not.
    pub fn refused(&self, code: RefusalCode) {
        self.count(|counted| *counted.refused.entry(code.as_str()).or_default() += 1);
    }

    /// Counts an attempt to deliver by this kind of channel.
    pub fn delivery(&self, kind: &str, result: &'static str) {
        self.count(|counted| *counted.deliveries.entry((kind.to_owned(), result)).or_default() += 1);
    }

    /// Notes the number of the term in which this process leads, or that it stands by.
    pub fn leads(&self, fence: Option<i64>) {
        self.count(|counted| counted.leads = fence);
    }

    /// Takes the figures in that were read from the database.
    pub fn take_gauges(&self, gauges: Gauges) {
        self.count(|counted| counted.gauges = Some(gauges));
    }

    /// Everything counted so far.
    pub fn counted(&self) -> Counted {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self, count: impl FnOnce(&mut Counted)) {
        count(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Counted {
    fn batch(&mut self, result: BatchResult) {
        *self.batches.entry(result.as_str()).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use picket_shared::batch::Rejected;
    use picket_shared::ids::BatchId;
    use picket_shared::time::Timestamp;

    #[test]
    fn a_stored_batch_counts_once_in_every_figure_that_it_belongs_to() {
        let meters = Meters::default();
        let rejected = vec![Rejected { index: 1, reason: RejectReason::TooOld }];
        let receipt = Receipt { batch: BatchId::at(Timestamp::from_seconds(1)), accepted: 2, rejected };
        meters.stored(&receipt, Duration::from_millis(10));
        meters.clone().stored(&receipt, Duration::from_secs(11));
        meters.repeated();
        let counted = meters.counted();
        assert_eq!((counted.batches["stored"], counted.batches["repeated"], counted.batches["refused"]), (2, 1, 0));
        assert_eq!((counted.outcomes, counted.rejected["too_old"], counted.rejected["malformed"]), (4, 2, 0));
        assert_eq!((counted.intake[1], counted.intake[BOUNDS.len()], counted.intake.iter().sum::<u64>()), (1, 1, 2));
        assert_eq!(counted.intake_sum, Duration::from_millis(11_010));
    }
}
