//! Slots without an outcome, and why.
//!
//! A gap is a range of time `(after, until]`, as `through` is: all slots up to it are accounted for. A silent probe is
//! one such range for all its monitors; [`slots`] expands it over one monitor's schedule when it is read. What arrives
//! late closes its part by [`subtract`].

use std::time::Duration;

use picket_shared::assignment::{slot_after, slots_between};
use picket_shared::batch::GapReason;
use picket_shared::time::Timestamp;

/// A probe that sent nothing for so long is silent: the lease of 30 s and half of it again.
pub const SILENT_AFTER: Duration = Duration::from_secs(45);

/// A probe reports every 10 s at least; when it did not for so long, its silence is written down.
pub const OVERDUE: Duration = Duration::from_secs(90);

/// A collector that was away for longer leaves a gap.
pub const DOWN_AFTER: Duration = Duration::from_secs(30);

/// Whether a collector that was last alive then was away for so long that it leaves gaps.
pub fn was_away(last_alive: Timestamp, now: Timestamp) -> bool {
    now.since(last_alive) > DOWN_AFTER
}

/// All times later than `after` up to and with `until`; empty unless `until` is later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    /// The last time that is accounted for.
    pub after: Timestamp,
    /// The last time that is not.
    pub until: Timestamp,
}

impl Range {
    /// What both have in common.
    pub fn and(self, other: Self) -> Option<Self> {
        Self { after: self.after.max(other.after), until: self.until.min(other.until) }.non_empty()
    }

    fn non_empty(self) -> Option<Self> {
        (self.until > self.after).then_some(self)
    }
}

/// A range without outcomes, with its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// When.
    pub range: Range,
    /// Why.
    pub reason: GapReason,
}

/// What is known about the silence of a probe (or of a monitor in one region).
#[derive(Clone, Debug)]
pub struct Silence {
    /// All slots up to here are delivered or listed as missed; for one that never reported, when it was assigned.
    pub through: Timestamp,
    /// When its lease or assignment ended: later slots are another probe's.
    pub ended: Option<Timestamp>,
    /// When the collector did not run.
    pub collector_down: Vec<Range>,
    /// When the monitor was paused (empty for a probe).
    pub paused: Vec<Range>,
}

/// The gaps up to `as_of`, in order of time; none while the silence is shorter than [`OVERDUE`].
pub fn overdue(silence: &Silence, as_of: Timestamp) -> Vec<Gap> {
    if as_of.since(silence.through) <= OVERDUE {
        return Vec::new();
    }
    let until = silence.ended.unwrap_or(as_of).min(as_of);
    let whole: Vec<_> = Range { after: silence.through, until }.non_empty().into_iter().collect();
    let mut gaps = Vec::new();
    let paused = intersect(&whole, &silence.paused);
    let rest = subtract(&whole, &paused);
    let down = intersect(&rest, &silence.collector_down);
    let offline = subtract(&rest, &down);
    for (ranges, reason) in
        [(paused, GapReason::Paused), (down, GapReason::CollectorDown), (offline, GapReason::ProbeOffline)]
    {
        gaps.extend(ranges.into_iter().map(|range| Gap { range, reason }));
    }
    gaps.sort_by_key(|gap| gap.range);
    gaps
}

/// A probe, as far as its silence must be judged.
#[derive(Clone, Copy, Debug)]
pub struct Watched {
    /// Up to where its slots are accounted for; `None` before its first hello.
    pub through: Option<Timestamp>,
    /// When it said hello with the boot in force.
    pub hello_at: Timestamp,
    /// When its last batch came.
    pub batch_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// The end of its latest silence that has one.
    pub noted_until: Option<Timestamp>,
    /// A silence of it lasts.
    pub is_open: bool,
}

impl Watched {
    /// When it was last heard.
    pub fn heard(&self) -> Timestamp {
        self.batch_at.unwrap_or(self.hello_at).max(self.hello_at)
    }
}

/// From where on a probe that has fallen silent is not accounted for; `None` while it is not silent, or is known to be.
/// While the collector did not run (`started_at`) nobody could send: that time is another gap's.
pub fn falls_silent(probe: &Watched, started_at: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let through = probe.through.filter(|_| probe.revoked_at.is_none() && !probe.is_open)?;
    (probe.heard().max(started_at) < now - SILENT_AFTER)
        .then(|| probe.noted_until.map_or(through, |noted| noted.max(through)))
}

/// What a revoked probe had not accounted for when it was revoked: nobody will send it any more.
pub fn left_by_revoked(probe: &Watched) -> Option<Range> {
    let after = probe.through?.max(probe.noted_until.unwrap_or_default());
    Range { after, until: probe.revoked_at? }.non_empty().filter(|_| !probe.is_open)
}

/// What is not accounted for of a probe when the collector starts again at `now`: up to when it was last alive the probe did
/// not report, from then on it could not. A probe that was silent before it went is another matter: its silence goes on.
pub fn collector_was_down(probe: &Watched, last_alive: Timestamp, now: Timestamp) -> Vec<Gap> {
    let Some(through) = probe.through.filter(|_| probe.revoked_at.is_none() && !probe.is_open) else {
        return Vec::new();
    };
    if probe.noted_until.is_some_and(|noted| noted > through) {
        return Vec::new();
    }
    let ranges = [
        (Range { after: through, until: last_alive }, GapReason::ProbeOffline),
        (Range { after: through.max(last_alive), until: now }, GapReason::CollectorDown),
    ];
    ranges.into_iter().filter_map(|(range, reason)| Some(Gap { range: range.non_empty()?, reason })).collect()
}

/// The slots of one monitor in a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    /// The first.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
    /// How many.
    pub count: u64,
}

/// Expands a range over a monitor's schedule in one region; `None` when no slot lies in it.
pub fn slots(range: Range, phase_us: u64, interval: Duration) -> Option<Slots> {
    let count = slots_between(phase_us, interval, range.after, range.until);
    let first = slot_after(phase_us, interval, range.after);
    let steps = u32::try_from(count.checked_sub(1)?).unwrap_or(u32::MAX);
    Some(Slots { first, last: first + interval.saturating_mul(steps), count })
}

/// What is left of `gaps` (in any order) when `closed` is taken out, in order of time.
pub fn subtract(gaps: &[Range], closed: &[Range]) -> Vec<Range> {
    let mut left: Vec<Range> = gaps.iter().copied().filter_map(Range::non_empty).collect();
    for hole in closed.iter().copied().filter_map(Range::non_empty) {
        left = left.into_iter().flat_map(|gap| without(gap, hole)).collect();
    }
    left.sort_unstable();
    left
}

fn without(gap: Range, hole: Range) -> impl Iterator<Item = Range> {
    let before = Range { after: gap.after, until: gap.until.min(hole.after) };
    let behind = Range { after: gap.after.max(hole.until), until: gap.until };
    [before.non_empty(), behind.non_empty()].into_iter().flatten()
}

fn intersect(ranges: &[Range], others: &[Range]) -> Vec<Range> {
    ranges.iter().flat_map(|range| others.iter().filter_map(|other| range.and(*other))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range(after: i64, until: i64) -> Range {
        Range { after: Timestamp::from_seconds(after), until: Timestamp::from_seconds(until) }
    }

    #[test]
    fn a_silence_is_split_by_its_reasons_and_ends_with_the_lease() {
        let silence = Silence {
            through: Timestamp::from_seconds(100),
            ended: Some(Timestamp::from_seconds(400)),
            collector_down: vec![range(150, 200)],
            paused: vec![range(190, 250)],
        };
        let gap = |range, reason| Gap { range, reason };
        assert_eq!(
            overdue(&silence, Timestamp::from_seconds(1000)),
            [
                gap(range(100, 150), GapReason::ProbeOffline),
                gap(range(150, 190), GapReason::CollectorDown),
                gap(range(190, 250), GapReason::Paused),
                gap(range(250, 400), GapReason::ProbeOffline),
            ]
        );
        assert_eq!(overdue(&silence, Timestamp::from_seconds(190)), []);
    }

    #[test]
    fn a_probe_falls_silent_45_seconds_after_it_was_heard_or_the_collector_started() {
        let at = Timestamp::from_seconds;
        let probe = Watched {
            through: Some(at(95)),
            hello_at: at(10),
            batch_at: Some(at(100)),
            revoked_at: None,
            noted_until: Some(at(50)),
            is_open: false,
        };
        assert_eq!(falls_silent(&probe, at(0), at(145)), None);
        assert_eq!(falls_silent(&probe, at(0), at(146)), Some(at(95)));
        assert_eq!(falls_silent(&probe, at(120), at(165)), None, "nobody could send before the start");
        assert_eq!(falls_silent(&Watched { noted_until: Some(at(120)), ..probe }, at(120), at(166)), Some(at(120)));
        for other in [Watched { is_open: true, ..probe }, Watched { revoked_at: Some(at(99)), ..probe }] {
            assert_eq!(falls_silent(&other, at(0), at(900)), None);
            assert_eq!(collector_was_down(&other, at(500), at(900)), []);
        }
        let gap = |after, until, reason| Gap { range: range(after, until), reason };
        let expected = [gap(95, 110, GapReason::ProbeOffline), gap(110, 900, GapReason::CollectorDown)];
        assert_eq!(collector_was_down(&probe, at(110), at(900)), expected);
        assert_eq!(collector_was_down(&probe, at(90), at(900)), [gap(95, 900, GapReason::CollectorDown)]);
        let revoked = Watched { revoked_at: Some(at(99)), ..probe };
        assert_eq!(left_by_revoked(&revoked), Some(range(95, 99)));
        assert_eq!(left_by_revoked(&Watched { noted_until: Some(at(99)), ..revoked }), None, "once is enough");
        assert_eq!(left_by_revoked(&probe), None);
        assert_eq!(collector_was_down(&Watched { noted_until: Some(at(99)), ..probe }, at(110), at(900)), []);
    }

    #[test]
    fn a_silent_probe_is_expanded_over_each_monitors_slots() {
        let found = slots(range(100, 200), 7_000_000, Duration::from_secs(30));
        let expected = Slots { first: Timestamp::from_seconds(127), last: Timestamp::from_seconds(187), count: 3 };
        assert_eq!(found, Some(expected));
        assert_eq!(slots(range(100, 110), 7_000_000, Duration::from_secs(30)), None);
    }

    #[test]
    fn a_late_batch_closes_its_part() {
        assert_eq!(subtract(&[range(0, 100)], &[range(30, 40)]), [range(0, 30), range(40, 100)]);
        assert_eq!(subtract(&[range(0, 100)], &[range(0, 100)]), []);
    }

    proptest! {
        #[test]
        fn a_second_is_left_if_it_was_in_a_gap_and_was_not_closed(
            gaps in prop::collection::vec((0_i64..60, 0_i64..60), 0..4),
            closed in prop::collection::vec((0_i64..60, 0_i64..60), 0..6),
        ) {
            let ranges = |pairs: &[(i64, i64)]| pairs.iter().map(|&(a, b)| range(a, b)).collect::<Vec<_>>();
            let (gaps, closed) = (ranges(&gaps), ranges(&closed));
            let left = subtract(&gaps, &closed);
            let has = |ranges: &[Range], s: i64| ranges.iter().any(|r| r.after.seconds() < s && s <= r.until.seconds());
            for second in 0..=60 {
                prop_assert_eq!(has(&left, second), has(&gaps, second) && !has(&closed, second));
            }
        }
    }
}
