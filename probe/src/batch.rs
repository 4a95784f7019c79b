//! Pure: when to cut a batch, and how one is frozen. A frozen batch never changes: its bytes, hash, id and number are
//! the same however often it is sent.

use std::time::Duration;

use bytes::Bytes;
use picket_shared::batch::{Batch, MAX_BODY, MAX_DECOMPRESSED};
use picket_shared::ids::BatchId;
use picket_shared::outcome::Trigger;
use picket_shared::signing::body_hash;
use picket_shared::time::Timestamp;

use crate::link::Frozen;

/// A failure or a change is sent within this time; with what a change may have waited in the runner, within 200 ms.
pub const URGENT: Duration = Duration::from_millis(180);
/// Anything else within this time.
pub const ORDINARY: Duration = Duration::from_secs(5);
/// At least one batch within this time, empty if need be.
pub const AT_LEAST: Duration = Duration::from_secs(10);
/// Most ranges of missed slots in one batch.
pub const MAX_MISSED: usize = 1000;

const COMPRESSION_LEVEL: i32 = 3;

/// When to cut.
#[derive(Clone, Copy, Debug)]
pub struct Cutter {
    last: Timestamp,
    ordinary: Option<Timestamp>,
    urgent: Option<Timestamp>,
}

impl Cutter {
    /// The first batch goes at once: it says that the probe is there.
    pub fn new(now: Timestamp) -> Self {
        Self { last: now - AT_LEAST, ordinary: None, urgent: None }
    }

    /// Something came that is to be sent.
    pub fn note(&mut self, urgent: bool, now: Timestamp) {
        self.ordinary.get_or_insert(now);
        if urgent {
            self.urgent.get_or_insert(now);
        }
    }

    /// When the next batch is due.
    pub fn due_at(&self) -> Timestamp {
        let urgent = self.urgent.map(|since| since + URGENT);
        let ordinary = self.ordinary.map(|since| since + ORDINARY);
        urgent.into_iter().chain(ordinary).fold(self.last + AT_LEAST, Timestamp::min)
    }

    /// Whether a failure or a change waits.
    pub fn is_urgent(&self) -> bool {
        self.urgent.is_some()
    }

    /// A batch was cut; `left` says whether something still waits, which is then due at once.
    pub fn cut(&mut self, now: Timestamp, left: bool) {
        let waits = left.then(|| now - ORDINARY);
        *self = Self { last: now, ordinary: waits, urgent: None };
    }
}

/// Why a batch cannot be frozen: it is larger than the protocol allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the batch is too large")]
pub struct TooLarge;

/// How a batch becomes a body, and a body a batch.
pub trait Press {
    /// The body of a batch.
    ///
    /// # Errors
    /// When it is larger than the protocol allows, plain or compressed.
    fn press(&self, batch: &Batch) -> Result<Bytes, TooLarge>;

    /// The batch of a body that was pressed; `None` only if memory is damaged.
    fn open(&self, body: &Bytes) -> Option<Batch>;
}

/// JSON compressed by zstd: what travels. (A simulation of very many batches keeps them beside the body.)
#[derive(Clone, Copy, Debug, Default)]
pub struct Zstd;

impl Press for Zstd {
    fn press(&self, batch: &Batch) -> Result<Bytes, TooLarge> {
        let json = serde_json::to_vec(batch).map_err(|_| TooLarge)?;
        if json.len() > MAX_DECOMPRESSED {
            return Err(TooLarge);
        }
        let body = zstd::bulk::compress(&json, COMPRESSION_LEVEL).map_err(|_| TooLarge)?;
        if body.len() > MAX_BODY { Err(TooLarge) } else { Ok(Bytes::from(body)) }
    }

    fn open(&self, body: &Bytes) -> Option<Batch> {
        let json = zstd::bulk::decompress(body, MAX_DECOMPRESSED).ok()?;
        serde_json::from_slice(&json).ok()
    }
}

/// Freezes a batch at `now`.
///
/// # Errors
/// When it is larger than the protocol allows, plain or compressed.
pub fn freeze(press: &impl Press, batch: &Batch, seq: u64, now: Timestamp) -> Result<Frozen, TooLarge> {
    let body = press.press(batch)?;
    let slots = batch.outcomes.iter().filter(|outcome| outcome.trigger == Trigger::Scheduled).map(|outcome| outcome.at);
    let earliest_slot = slots.chain(batch.missed.iter().map(|missed| missed.from)).min();
    Ok(Frozen { id: BatchId::at(now), seq, hash: body_hash(&body), body, earliest_slot })
}

#[cfg(test)]
mod tests {
    use super::*;
    use picket_shared::batch::Report;
    use proptest::prelude::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_micros(1_000_000_000_000 + millis * 1_000)
    }

    #[test]
    fn a_failure_cuts_within_180_ms_an_outcome_within_5_s_and_silence_within_10_s() {
        let mut cutter = Cutter::new(at(0));
        assert_eq!(cutter.due_at(), at(0));
        cutter.cut(at(0), false);
        assert_eq!(cutter.due_at(), at(10_000));
        cutter.note(false, at(1_000));
        cutter.note(false, at(3_000));
        assert_eq!(cutter.due_at(), at(6_000));
        cutter.note(true, at(2_000));
        cutter.note(true, at(2_100));
        assert_eq!(cutter.due_at(), at(2_180));
        cutter.cut(at(2_180), true);
        assert!(cutter.due_at() <= at(2_180), "what is left goes at once");
    }

    proptest! {
        #[test]
        fn a_batch_is_never_due_later_than_promised(notes in prop::collection::vec((0_i64..3_000, any::<bool>()), 1..40)) {
            let mut cutter = Cutter::new(at(0));
            cutter.cut(at(0), false);
            let mut now = 0;
            for (wait, urgent) in notes {
                now += wait;
                cutter.note(urgent, at(now));
                let limit = if urgent { 180 } else { 5_000 };
                prop_assert!(cutter.due_at() <= at(now + limit));
                prop_assert!(cutter.due_at() <= at(10_000));
            }
        }
    }

    #[test]
    fn a_frozen_batch_is_what_it_was() {
        let batch =
            Batch { from: None, through: at(5), outcomes: Vec::new(), missed: Vec::new(), report: Report::default() };
        let frozen = freeze(&Zstd, &batch, 7, at(9)).unwrap();
        assert_eq!(Zstd.open(&frozen.body), Some(batch));
        assert_eq!(frozen.hash, body_hash(&frozen.body));
        assert_eq!((frozen.id.cut_at(), frozen.seq, frozen.earliest_slot), (Some(at(9)), 7, None));
    }
}
