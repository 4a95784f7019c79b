//! What is not delivered yet: a queue bounded in bytes. Pure, memory only.
//!
//! Three quarters full, runs of identical good outcomes fold into one; full, the oldest good ones go, then what was
//! unmeasured, then failures. Every drop is counted and becomes a missed slot, so that a loss is always visible.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use picket_shared::batch::{GapReason, Missed};
use picket_shared::ids::MonitorId;
use picket_shared::outcome::{Fold, Outcome, Status, Trigger};
use picket_shared::time::Timestamp;

/// Most ranges of missed slots; beyond it, ranges of one monitor merge across what lies between them.
const MOST_RANGES: usize = 20_000;

/// An outcome that waits.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// What was found.
    pub outcome: Outcome,
    /// The monitor's interval; zero if it is not known any more.
    pub interval: Duration,
    bytes: usize,
    /// The exact sum of all totals in a fold, because means of means would drift.
    sum_us: u64,
}

impl Waiting {
    /// An outcome with the interval of its monitor.
    pub fn new(outcome: Outcome, interval: Duration) -> Self {
        let fold = outcome.fold;
        let sum_us = fold.map_or(u64::from(outcome.total_us), |fold| u64::from(fold.avg_us) * u64::from(fold.count));
        Self { bytes: size(&outcome), outcome, interval, sum_us }
    }
}

/// Which end of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// What has waited longest.
    Oldest,
    /// What has just come.
    Newest,
}

/// The queue.
#[derive(Debug)]
pub struct Buffer {
    limit: usize,
    items: VecDeque<Waiting>,
    bytes: usize,
    fold_at: usize,
    missed: BTreeMap<(MonitorId, GapReason, Timestamp), (Missed, Duration)>,
    dropped: BTreeMap<String, u64>,
    lost: Vec<MonitorId>,
}

impl Buffer {
    /// Empty, for at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            items: VecDeque::new(),
            bytes: 0,
            fold_at: limit / 4 * 3,
            missed: BTreeMap::new(),
            dropped: BTreeMap::new(),
            lost: Vec::new(),
        }
    }

    /// Takes an outcome in, and makes room if need be.
    pub fn push(&mut self, outcome: Outcome, interval: Duration) {
        let waiting = Waiting::new(outcome, interval);
        self.bytes += waiting.bytes;
        self.items.push_back(waiting);
        if self.bytes > self.fold_at {
            self.fold();
            // Not again before another twentieth has come in: folding looks at everything.
            self.fold_at = (self.limit / 4 * 3).max(self.bytes + self.limit / 20).min(self.limit);
        }
        if self.bytes > self.limit {
            self.drop_down_to(self.limit / 20 * 19);
        }
    }

    /// Takes slots in that have no outcome; ranges that touch become one.
    pub fn miss(&mut self, missed: Missed, interval: Duration) {
        let key = |from| (missed.monitor, missed.reason, from);
        let crowded = self.missed.len() >= MOST_RANGES;
        if let Some((_, (last, known))) =
            self.missed.range_mut(key(Timestamp::from_micros(i64::MIN))..=key(missed.from)).next_back()
            && (crowded || *known == interval && !interval.is_zero() && last.to + interval == missed.from)
        {
            last.to = last.to.max(missed.to);
            last.count = last.count.saturating_add(missed.count);
            return;
        }
        self.missed.insert(key(missed.from), (missed, interval));
    }

    /// Counts outcomes that are lost for good, and turns them into missed slots.
    pub fn lose(&mut self, outcome: &Outcome, interval: Duration, reason: GapReason) {
        let count = outcome.fold.map_or(1, |fold| fold.count);
        *self.dropped.entry(reason.as_str().to_owned()).or_default() += u64::from(count);
        self.lost.push(outcome.monitor);
        if outcome.trigger == Trigger::Scheduled {
            let to = outcome.fold.map_or(outcome.at, |fold| fold.last);
            self.miss(Missed { monitor: outcome.monitor, from: outcome.at, to, count, reason }, interval);
        }
    }

    /// Takes the times that lie after `now` back by `by_us`, after the collector's clock was set back.
    pub fn set_back(&mut self, now: Timestamp, by_us: i64) {
        for waiting in &mut self.items {
            set_back(&mut waiting.outcome, now, by_us);
        }
        let missed = std::mem::take(&mut self.missed);
        for (mut missed, interval) in missed.into_values() {
            set_missed_back(&mut missed, now, by_us);
            self.missed.insert((missed.monitor, missed.reason, missed.from), (missed, interval));
        }
    }

    /// Takes up to `most` outcomes from one end; they keep their order.
    pub fn take(&mut self, end: End, most: usize) -> Vec<Waiting> {
        let most = most.min(self.items.len());
        let taken: Vec<Waiting> = match end {
            End::Oldest => self.items.drain(..most).collect(),
            End::Newest => self.items.drain(self.items.len() - most..).collect(),
        };
        self.bytes -= taken.iter().map(|waiting| waiting.bytes).sum::<usize>();
        self.fold_at = self.limit / 4 * 3;
        if self.items.is_empty() {
            // The memory that an outage took is given back.
            self.items.shrink_to(1024);
        }
        taken
    }

    /// Puts outcomes back that did not fit into a batch.
    pub fn put_back(&mut self, end: End, waiting: Vec<Waiting>) {
        self.bytes += waiting.iter().map(|waiting| waiting.bytes).sum::<usize>();
        match end {
            End::Oldest => waiting.into_iter().rev().for_each(|waiting| self.items.push_front(waiting)),
            End::Newest => self.items.extend(waiting),
        }
    }

    /// Takes up to `most` ranges of missed slots.
    pub fn take_missed(&mut self, most: usize) -> Vec<Missed> {
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some((_, (missed, _))) = self.missed.pop_first()
        {
            taken.push(missed);
        }
        taken
    }

    /// Monitors of which an outcome was lost since the last call.
    pub fn take_lost(&mut self) -> Vec<MonitorId> {
        std::mem::take(&mut self.lost)
    }

    /// The earliest slot that waits here, delivered or missed.
    pub fn earliest_slot(&self) -> Option<Timestamp> {
        let waiting = self.items.iter().map(|waiting| &waiting.outcome);
        let waiting = waiting.filter(|outcome| outcome.trigger == Trigger::Scheduled).map(|outcome| outcome.at).min();
        let missed = self.missed.values().map(|(missed, _)| missed.from).min();
        waiting.into_iter().chain(missed).min()
    }

    /// How many outcomes wait; a folded one counts once.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether neither outcomes nor missed slots wait.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.missed.is_empty()
    }

    /// About how many bytes of memory the outcomes take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many outcomes were lost since the start, by reason.
    pub fn dropped(&self) -> &BTreeMap<String, u64> {
        &self.dropped
    }

    fn fold(&mut self) {
        let mut kept: VecDeque<Waiting> = VecDeque::with_capacity(self.items.len());
        let mut runs: HashMap<MonitorId, usize> = HashMap::new();
        for waiting in std::mem::take(&mut self.items) {
            let run = runs.get(&waiting.outcome.monitor).and_then(|index| kept.get_mut(*index));
            if let Some(run) = run
                && continues(run, &waiting)
            {
                extend(run, &waiting);
                continue;
            }
            if waiting.outcome.trigger == Trigger::Scheduled {
                runs.insert(waiting.outcome.monitor, kept.len());
            }
            kept.push_back(waiting);
        }
        kept.shrink_to_fit();
        self.bytes = kept.iter().map(|waiting| waiting.bytes).sum();
        self.items = kept;
    }

    fn drop_down_to(&mut self, target: usize) {
        let classes: [fn(Status) -> bool; 3] =
            [Status::is_good, |status| !status.is_good() && status != Status::Down, |_| true];
        for class in classes {
            let mut kept = VecDeque::with_capacity(self.items.len());
            for waiting in std::mem::take(&mut self.items) {
                if self.bytes > target && class(waiting.outcome.status) {
                    self.bytes -= waiting.bytes;
                    self.lose(&waiting.outcome, waiting.interval, GapReason::BufferOverflow);
                } else {
                    kept.push_back(waiting);
                }
            }
            self.items = kept;
            if self.bytes <= target {
                return;
            }
        }
    }
}

/// Takes the times of an outcome that lie after `now` back by `by_us`.
pub fn set_back(outcome: &mut Outcome, now: Timestamp, by_us: i64) {
    outcome.at = earlier(outcome.at, now, by_us);
    if let Some(fold) = &mut outcome.fold {
        fold.last = earlier(fold.last, now, by_us).max(outcome.at);
    }
}

/// The same for a range of missed slots.
pub fn set_missed_back(missed: &mut Missed, now: Timestamp, by_us: i64) {
    missed.from = earlier(missed.from, now, by_us);
    missed.to = earlier(missed.to, now, by_us).max(missed.from);
}

fn earlier(time: Timestamp, now: Timestamp, by_us: i64) -> Timestamp {
    if time > now { time.shifted(by_us.saturating_neg()) } else { time }
}

/// Whether `next` is the next slot of the run and says the same.
fn continues(run: &Waiting, next: &Waiting) -> bool {
    let (a, b) = (&run.outcome, &next.outcome);
    let last = a.fold.map_or(a.at, |fold| fold.last);
    a.status.is_good()
        && b.trigger == Trigger::Scheduled
        && run.interval == next.interval
        && last + run.interval == b.at
        && (a.version, a.status, a.code, a.address, a.self_check)
            == (b.version, b.status, b.code, b.address, b.self_check)
        && a.failure == b.failure
        && b.certificate.is_none()
        && b.answers.is_none()
}

fn extend(run: &mut Waiting, next: &Waiting) {
    let of = |outcome: &Outcome| {
        let us = outcome.total_us;
        outcome.fold.unwrap_or(Fold { last: outcome.at, count: 1, min_us: us, avg_us: us, max_us: us })
    };
    let (a, b) = (of(&run.outcome), of(&next.outcome));
    let count = a.count.saturating_add(b.count);
    run.sum_us = run.sum_us.saturating_add(next.sum_us);
    run.outcome.fold = Some(Fold {
        last: b.last,
        count,
        min_us: a.min_us.min(b.min_us),
        avg_us: u32::try_from(run.sum_us / u64::from(count.max(1))).unwrap_or(u32::MAX),
        max_us: a.max_us.max(b.max_us),
    });
    run.outcome.late_us = run.outcome.late_us.max(next.outcome.late_us);
}

/// About how many bytes an outcome takes in memory.
fn size(outcome: &Outcome) -> usize {
    const BLOCK: usize = 16;
    let text = |text: &str| text.len() + BLOCK;
    let texts = |texts: &[String]| texts.iter().map(|t| text(t) + size_of::<String>()).sum::<usize>();
    let failure = outcome.failure.as_ref().map_or(0, |failure| {
        text(&failure.message) + failure.evidence.iter().map(|(k, v)| text(k) + text(v) + 48).sum::<usize>()
    });
    let hops = outcome.hops.iter().map(|hop| size_of_val(hop) + text(&hop.url)).sum::<usize>();
    let certificate = outcome.certificate.as_ref().map_or(0, |found| {
        text(&found.fingerprint)
            + text(&found.subject)
            + text(&found.issuer)
            + texts(&found.names)
            + texts(&found.chain)
    });
    size_of::<Waiting>() + failure + hops + certificate + outcome.answers.as_deref().map_or(0, texts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use picket_shared::outcome::{Failure, FailureKind, Phases, SelfCheck};
    use proptest::prelude::*;
    use uuid::Uuid;

    const MINUTE: Duration = Duration::from_secs(60);

    fn outcome(monitor: u128, slot: i64, status: Status) -> Outcome {
        let failure = (!status.is_good()).then(|| Failure::new(FailureKind::ConnectRefused, "refused"));
        Outcome {
            monitor: MonitorId(Uuid::from_u128(monitor)),
            version: 1,
            trigger: Trigger::Scheduled,
            at: Timestamp::from_seconds(slot * 60),
            late_us: 0,
            status,
            total_us: u32::try_from(slot).unwrap_or(0) + 1,
            phases: Phases::default(),
            address: None,
            code: Some(200),
            failure,
            self_check: SelfCheck::Good,
            hops: Vec::new(),
            certificate: None,
            answers: None,
            fold: None,
        }
    }

    fn one() -> usize {
        size(&outcome(1, 1, Status::Up))
    }

    #[test]
    fn a_run_of_good_outcomes_folds_with_its_spread_and_a_failure_ends_it() {
        let mut buffer = Buffer::new(one() * 10);
        for slot in 1..=6 {
            buffer.push(outcome(1, slot, if slot == 4 { Status::Down } else { Status::Up }), MINUTE);
        }
        buffer.fold();
        let folds: Vec<_> =
            buffer.take(End::Oldest, 10).into_iter().map(|w| (w.outcome.status, w.outcome.fold)).collect();
        let fold = |last: i64, count, min_us, avg_us, max_us| {
            Some(Fold { last: Timestamp::from_seconds(last * 60), count, min_us, avg_us, max_us })
        };
        assert_eq!(folds, [(Status::Up, fold(3, 3, 2, 3, 4)), (Status::Down, None), (Status::Up, fold(6, 2, 6, 6, 7))]);
    }

    #[test]
    fn a_gap_another_version_or_a_certificate_is_never_folded_away() {
        let mut buffer = Buffer::new(one() * 100);
        buffer.push(outcome(1, 1, Status::Up), MINUTE);
        buffer.push(outcome(1, 3, Status::Up), MINUTE);
        buffer.push(Outcome { version: 2, ..outcome(1, 4, Status::Up) }, MINUTE);
        buffer.push(Outcome { version: 2, answers: Some(vec![]), ..outcome(1, 5, Status::Up) }, MINUTE);
        buffer.fold();
        assert_eq!(buffer.len(), 4);
    }

    #[test]
    fn failures_are_dropped_last_and_every_drop_is_a_missed_slot() {
        let mut buffer = Buffer::new(one() * 20);
        let down = |slot| Outcome { failure: None, ..outcome(1, slot, Status::Down) };
        (1..=10).for_each(|slot| buffer.push(down(slot), MINUTE));
        // Each of another monitor, so that nothing folds.
        (1..=100).for_each(|slot| buffer.push(outcome(100 + u128::try_from(slot).unwrap(), slot, Status::Up), MINUTE));
        let kept = buffer.take(End::Oldest, 1000);
        assert_eq!(kept.iter().filter(|w| w.outcome.status == Status::Down).count(), 10);
        let missed = buffer.take_missed(1000);
        assert!(missed.iter().all(|m| m.reason == GapReason::BufferOverflow));
        assert_eq!(kept.len() + missed.len(), 110);
        assert_eq!(buffer.dropped().get("buffer_overflow"), u64::try_from(missed.len()).ok().as_ref());
        assert_eq!(buffer.take_lost().len(), missed.len());
    }

    #[test]
    fn missed_slots_that_follow_each_other_are_one_range() {
        let mut buffer = Buffer::new(1 << 20);
        let miss = |slot: i64| Missed {
            monitor: MonitorId(Uuid::from_u128(1)),
            from: Timestamp::from_seconds(slot * 60),
            to: Timestamp::from_seconds(slot * 60),
            count: 1,
            reason: GapReason::NotScheduled,
        };
        for slot in [1, 2, 3, 5] {
            buffer.miss(miss(slot), MINUTE);
        }
        assert_eq!(buffer.earliest_slot(), Some(Timestamp::from_seconds(60)));
        let ranges: Vec<_> =
            buffer.take_missed(10).iter().map(|m| (m.from.seconds() / 60, m.to.seconds() / 60, m.count)).collect();
        assert_eq!(ranges, [(1, 3, 3), (5, 5, 1)]);
    }

    #[test]
    fn the_newest_can_be_taken_first_and_what_did_not_fit_goes_back() {
        let mut buffer = Buffer::new(1 << 20);
        (1..=5).for_each(|slot| buffer.push(outcome(1, slot, Status::Up), MINUTE));
        let mut newest = buffer.take(End::Newest, 3);
        let slots = |w: &[Waiting]| w.iter().map(|w| w.outcome.at.seconds() / 60).collect::<Vec<_>>();
        assert_eq!(slots(&newest), [3, 4, 5]);
        let rest = newest.split_off(2);
        buffer.put_back(End::Newest, rest);
        assert_eq!(slots(&buffer.take(End::Oldest, 9)), [1, 2, 5]);
        assert_eq!(buffer.bytes(), 0);
    }

    proptest! {
        #[test]
        fn no_slot_is_lost_or_counted_twice_and_the_limit_holds(
            pushes in prop::collection::vec((0_u128..4, 0_u8..8), 1..400), room in 5_usize..60
        ) {
            let mut buffer = Buffer::new(one() * room);
            let (mut slots, mut pushed) = ([0_i64; 4], 0_u64);
            for (monitor, kind) in pushes {
                let slot = &mut slots[usize::try_from(monitor).unwrap()];
                *slot += 1;
                let status = match kind { 0 => Status::Down, 1 => Status::Unmeasured, _ => Status::Up };
                buffer.push(outcome(monitor, *slot, status), MINUTE);
                pushed += 1;
                prop_assert!(buffer.bytes() <= one() * room);
            }
            let waiting: u64 = buffer.take(End::Oldest, usize::MAX).iter().map(|w| u64::from(w.outcome.fold.map_or(1, |f| f.count))).sum();
            let missed: u64 = buffer.take_missed(usize::MAX).iter().map(|m| u64::from(m.count)).sum();
            prop_assert_eq!(waiting + missed, pushed);
            prop_assert_eq!(buffer.dropped().values().sum::<u64>(), missed);
            prop_assert_eq!(buffer.bytes(), 0);
        }
    }
}
