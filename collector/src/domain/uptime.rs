//! Adding up: how long a monitor was up, down, unknown, in maintenance and paused. The parts always add up to the
//! wall time of the range, to the microsecond.

use std::time::Duration;

use picket_shared::outcome::Status;
use picket_shared::time::Timestamp;
use serde::Serialize;

use super::outage::{Span, Verdict};

/// Durations in microseconds; together the wall time of the range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// Up.
    pub up_us: i64,
    /// Down.
    pub down_us: i64,
    /// Not known: too few votes, gaps, or nothing decided yet.
    pub unknown_us: i64,
    /// In a maintenance window.
    pub maintenance_us: i64,
    /// Paused.
    pub paused_us: i64,
}

impl Sums {
    /// The wall time.
    pub const fn total_us(&self) -> i64 {
        self.up_us + self.down_us + self.unknown_us + self.maintenance_us + self.paused_us
    }

    /// The share of up in what is known, 0 to 1; `None` when nothing is. Maintenance, pauses and the unknown are in
    /// neither part.
    pub fn availability(&self) -> Option<f64> {
        share(self.up_us, self.up_us + self.down_us)
    }

    /// The share of the known in what should be, 0 to 1: shown beside [`Sums::availability`]. `None` when nothing
    /// should be known.
    pub fn coverage(&self) -> Option<f64> {
        let known = self.up_us + self.down_us;
        share(known, known + self.unknown_us)
    }

    fn add(&mut self, verdict: Verdict, us: i64) {
        let part = match verdict {
            Verdict::Up => &mut self.up_us,
            Verdict::Down => &mut self.down_us,
            Verdict::Unknown | Verdict::Pending => &mut self.unknown_us,
            Verdict::Maintenance => &mut self.maintenance_us,
            Verdict::Paused => &mut self.paused_us,
        };
        *part += us.max(0);
    }
}

/// Adds a monitor's verdict spans up over `[from, to)`. `spans` are in the order in which they were appended, so their
/// starts never decrease, with the one that `from` lies in among them; before the first nothing is known. The last one
/// still holds.
pub fn of_monitor(spans: &[Span], from: Timestamp, to: Timestamp) -> Sums {
    let mut sums = Sums::default();
    let first = spans.first().map_or(to, |span| span.start).clamp(from, to.max(from));
    sums.add(Verdict::Unknown, first.micros_since(from));
    for (index, span) in spans.iter().enumerate() {
        let end = spans.get(index + 1).map_or(to, |next| next.start).min(to);
        sums.add(span.verdict, end.micros_since(span.start.max(from)));
    }
    sums
}

/// One scheduled outcome of a region, or a fold of several with the same status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotRun {
    /// The first slot.
    pub first: Timestamp,
    /// The last slot; the same for a single outcome.
    pub last: Timestamp,
    /// The result.
    pub status: Status,
}

/// Adds a region's scheduled outcomes up over `[from, to)`: each stands for the time from its slot to the next, an
/// interval at most. What none stands for, or was unmeasured, is unknown. `runs` may be in any order and hold
/// repetitions: the first of the same slot counts.
pub fn of_region(runs: &[SlotRun], interval: Duration, from: Timestamp, to: Timestamp) -> Sums {
    let mut order: Vec<_> = runs.iter().collect();
    order.sort_by_key(|run| run.first);
    order.dedup_by_key(|run| run.first);
    let mut sums = Sums::default();
    let mut done = from;
    for (index, run) in order.iter().enumerate() {
        let next = order.get(index + 1).map_or(to, |next| next.first);
        let end = (run.last + interval).min(next).min(to);
        let start = run.first.max(done);
        if end <= start {
            continue;
        }
        sums.add(Verdict::Unknown, start.micros_since(done));
        sums.add(verdict(run.status), end.micros_since(start));
        done = end;
    }
    sums.add(Verdict::Unknown, to.micros_since(done));
    sums
}

const fn verdict(status: Status) -> Verdict {
    match status {
        Status::Up | Status::Degraded => Verdict::Up,
        Status::Down => Verdict::Down,
        Status::Unmeasured | Status::Other => Verdict::Unknown,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no more than 52 bits of microseconds: 142 years")]
fn share(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VERDICTS: [Verdict; 6] =
        [Verdict::Pending, Verdict::Up, Verdict::Down, Verdict::Unknown, Verdict::Maintenance, Verdict::Paused];

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(second)
    }

    fn span(second: i64, verdict: Verdict) -> Span {
        Span { start: at(second), verdict }
    }

    #[test]
    fn unknown_time_is_in_neither_sum_and_lowers_only_the_coverage() {
        let spans = [span(0, Verdict::Up), span(60, Verdict::Unknown), span(80, Verdict::Down)];
        let sums = of_monitor(&spans, at(0), at(100));
        assert_eq!((sums.up_us, sums.unknown_us, sums.down_us), (60_000_000, 20_000_000, 20_000_000));
        assert_eq!((sums.availability(), sums.coverage()), (Some(0.75), Some(0.8)));
        assert_eq!(of_monitor(&[], at(0), at(10)).availability(), None);
    }

    #[test]
    fn a_regions_missing_slots_are_unknown() {
        let run = |first, last, status| SlotRun { first: at(first), last: at(last), status };
        let runs = [run(10, 30, Status::Up), run(60, 60, Status::Down), run(70, 70, Status::Unmeasured)];
        let sums = of_region(&runs, Duration::from_secs(10), at(0), at(100));
        assert_eq!((sums.up_us, sums.down_us, sums.unknown_us), (30_000_000, 10_000_000, 60_000_000));
    }

    proptest! {
        #[test]
        fn the_sums_of_a_monitor_are_its_wall_time_exactly(
            steps in prop::collection::vec((0_i64..500, 0_usize..6), 0..20), from in 0_i64..3000, length in 0_i64..3000,
        ) {
            let mut start = 0;
            let spans: Vec<_> = steps.iter().map(|&(step, v)| { start += step; span(start, VERDICTS[v]) }).collect();
            let sums = of_monitor(&spans, at(from), at(from + length));
            prop_assert_eq!(sums.total_us(), length * 1_000_000);
        }

        #[test]
        fn the_sums_of_a_region_are_its_wall_time_exactly(
            slots in prop::collection::vec((0_i64..100, 0_i64..4, 0_usize..4), 0..20), from in 0_i64..1000,
            length in 0_i64..1000,
        ) {
            let status = [Status::Up, Status::Degraded, Status::Down, Status::Unmeasured];
            let run = |&(slot, folded, s): &(i64, i64, usize)| SlotRun {
                first: at(slot * 10), last: at((slot + folded) * 10), status: status[s],
            };
            let runs: Vec<_> = slots.iter().map(run).collect();
            let sums = of_region(&runs, Duration::from_secs(10), at(from), at(from + length));
            prop_assert_eq!(sums.total_us(), length * 1_000_000);
        }
    }
}
