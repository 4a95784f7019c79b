//! How an outcome continues or ends the run of results that a monitor is in, in one region. Pure.

use std::time::Duration;

use picket_shared::outcome::{Outcome, SelfCheck, Status, Trigger};
use picket_shared::time::Timestamp;

use crate::domain::outage::timing::{LATE_AFTER, Timing};
use crate::store::region_states::RunRow;

/// Runs are counted up to here.
const CAP: i16 = 3;

/// What of a monitor matters here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// Its version now.
    pub version: i32,
    /// From slot to slot.
    pub interval: Duration,
    /// After which a check is given up.
    pub timeout: Duration,
    /// The judge wants to see every outcome.
    pub watch: bool,
}

impl Terms {
    /// Whether what was so at `at` tells nothing about the present any more.
    pub(super) fn is_stale(&self, at: Timestamp, now: Timestamp) -> bool {
        !Timing { interval: self.interval, timeout: self.timeout }.is_fresh(at, now)
    }
}

/// One thing that happened to a monitor in a region.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event<'a> {
    /// A check ended.
    Outcome(&'a Outcome),
    /// Slots from the first to the last had no check.
    Missed(Timestamp, Timestamp),
}

impl Event<'_> {
    /// The last time that the event tells about: a fold's last slot.
    fn tells_until(&self) -> Timestamp {
        match self {
            Self::Outcome(outcome) => outcome.fold.map_or(self.at(), |fold| fold.last.max(self.at())),
            Self::Missed(..) => self.at(),
        }
    }

    /// Whether it came so long after its check had ended that its failure is reason to ask, and no vote: whatever kept it
    /// from the collector may have kept the probe from its target.
    fn is_late(&self, now: Timestamp) -> bool {
        match self {
            Self::Outcome(outcome) => now.since(self.at().shifted(i64::from(outcome.total_us))) > LATE_AFTER,
            Self::Missed(..) => false,
        }
    }

    /// When the check began, or the last slot was missed.
    pub(super) fn at(&self) -> Timestamp {
        match self {
            Self::Outcome(outcome) => outcome.at.shifted(i64::from(outcome.late_us)),
            Self::Missed(_, to) => *to,
        }
    }
}

/// What an event does to a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing that need be written.
    Nothing,
    /// The run is to be written.
    Written(RunRow),
    /// The run is to be written, and differs from the one before.
    Changed(RunRow),
}

/// Applies one event; events of a batch come in order of their start.
pub(super) fn step(before: Option<&RunRow>, terms: &Terms, event: Event<'_>, now: Timestamp) -> Step {
    let at = event.at();
    let stale = terms.is_stale(event.tells_until(), now);
    if stale || before.is_some_and(|run| at <= run.last_at) {
        return Step::Nothing;
    }
    let current = before.filter(|run| run.version == terms.version);
    let after = match event {
        Event::Outcome(outcome) if i64::from(outcome.version) != i64::from(terms.version) => return Step::Nothing,
        Event::Outcome(outcome) => after_outcome(current, terms, outcome, (at, event.is_late(now))),
        Event::Missed(from, to) => unmeasured(current, terms, from, to),
    };
    let changed = current.is_none_or(|run| {
        (run.status, &run.failure, run.fails, run.oks) != (after.status, &after.failure, after.fails, after.oks)
    });
    // What the probe thinks of its network decides whether the region votes: neither opinion may stick.
    let thinks_otherwise = current.is_some_and(|run| run.self_check.may_vote() != after.self_check.may_vote());
    if changed {
        Step::Changed(after)
    } else if thinks_otherwise || terms.watch || after.last_trigger != Trigger::Scheduled {
        Step::Written(after)
    } else {
        Step::Nothing
    }
}

fn after_outcome(
    current: Option<&RunRow>,
    terms: &Terms,
    outcome: &Outcome,
    (at, is_late): (Timestamp, bool),
) -> RunRow {
    let no_vote = outcome.status == Status::Down && !outcome.self_check.may_vote();
    let status = match outcome.status {
        Status::Down if no_vote => Status::Unmeasured,
        Status::Other => Status::Unmeasured,
        known => known,
    };
    let count = outcome.fold.map_or(1, |fold| i16::try_from(fold.count).unwrap_or(CAP)).min(CAP);
    let longer = |length: i16| (length + count).min(CAP);
    let asks_only = is_late && status == Status::Down;
    let run = |of: fn(&RunRow) -> i16| current.filter(|run| of(run) > 0);
    let (fails, oks, carried_on) = match status {
        Status::Up | Status::Degraded => {
            let before = run(|run| run.oks);
            (0, longer(before.map_or(0, |run| run.oks)), before)
        }
        Status::Down => {
            // Failures that only asked are none of those in a row.
            let before = run(|run| run.fails).filter(|run| asks_only || run.last_trigger != Trigger::Other);
            let length = before.map_or(0, |run| run.fails);
            (if asks_only { 1 } else { longer(length) }, 0, before)
        }
        Status::Unmeasured | Status::Other => (0, 0, current.filter(|run| run.fails == 0 && run.oks == 0)),
    };
    RunRow {
        version: terms.version,
        status,
        failure: outcome.failure.as_ref().map(|failure| failure.kind.as_str().to_owned()),
        message: outcome.failure.as_ref().map(|failure| failure.message.clone()),
        fails,
        oks,
        since: carried_on.map_or(at, |run| run.since),
        last_at: outcome.fold.map_or(at, |fold| fold.last.max(at)),
        // Nothing that came late confirms anything or is evidence, whatever came before it; nor will it be repeated.
        last_trigger: if asks_only { Trigger::Other } else { outcome.trigger },
        self_check: outcome.self_check,
    }
}

fn unmeasured(current: Option<&RunRow>, terms: &Terms, from: Timestamp, to: Timestamp) -> RunRow {
    let carried_on = current.filter(|run| run.fails == 0 && run.oks == 0);
    RunRow {
        version: terms.version,
        status: Status::Unmeasured,
        failure: None,
        message: None,
        fails: 0,
        oks: 0,
        since: carried_on.map_or(from, |run| run.since),
        last_at: to,
        last_trigger: Trigger::Scheduled,
        self_check: SelfCheck::Unverified,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use picket_shared::ids::MonitorId;
    use picket_shared::outcome::{Failure, FailureKind, Fold, Phases};
    use uuid::Uuid;

    fn s(second: i64) -> Timestamp {
        Timestamp::from_seconds(second)
    }

    fn terms(watch: bool) -> Terms {
        Terms { version: 2, interval: Duration::from_secs(30), timeout: Duration::from_secs(10), watch }
    }

    fn outcome(at: i64, what: &str) -> Outcome {
        let kind = match what {
            "down" | "down-blind" | "down-confirm" | "down-old" => Some(FailureKind::ConnectRefused),
            "timeout" => Some(FailureKind::ConnectTimeout),
            _ => None,
        };
        Outcome {
            monitor: MonitorId(Uuid::nil()),
            version: if what == "down-old" { 1 } else { 2 },
            trigger: if what == "down-confirm" { Trigger::Confirm } else { Trigger::Scheduled },
            at: s(at),
            late_us: 0,
            status: match what {
                "up" | "up-blind" | "fold" => Status::Up,
                "degraded" => Status::Degraded,
                "unmeasured" => Status::Unmeasured,
                _ => Status::Down,
            },
            total_us: 1,
            phases: Phases::default(),
            address: None,
            code: None,
            failure: kind.map(|kind| Failure::new(kind, "It failed.")),
            self_check: if what.ends_with("-blind") { SelfCheck::Bad } else { SelfCheck::Good },
            hops: Vec::new(),
            certificate: None,
            answers: None,
            fold: (what == "fold").then(|| Fold { last: s(at + 60), count: 3, min_us: 1, avg_us: 1, max_us: 1 }),
        }
    }

    /// Runs events `<second> <what>` that come at once, or all at `now`, and says for each what came of it: `.` nothing,
    /// `=` written, `!` changed, with fails/oks and the start of the run.
    #[track_caller]
    fn check(watch: bool, events: &[(i64, &str)], now: Option<i64>, expected: &[&str]) {
        let mut run = None;
        let mut seen = Vec::new();
        for (at, what) in events {
            let outcome = outcome(*at, what);
            let event = if *what == "missed" { Event::Missed(s(*at), s(*at)) } else { Event::Outcome(&outcome) };
            let now = now.map_or(event.tells_until(), s);
            let (mark, after) = match step(run.as_ref(), &terms(watch), event, now) {
                Step::Nothing => (".", None),
                Step::Written(run) => ("=", Some(run)),
                Step::Changed(run) => ("!", Some(run)),
            };
            seen.push(match &after {
                None => mark.to_owned(),
                Some(run) => {
                    format!("{mark}{} {}/{} {}", run.status.as_str(), run.fails, run.oks, run.since.seconds())
                }
            });
            run = after.or(run);
        }
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_run_is_written_until_it_is_three_long_and_then_left_alone() {
        let events = [(100, "up"), (130, "up"), (160, "up"), (190, "up"), (220, "up")];
        check(false, &events, None, &["!up 0/1 100", "!up 0/2 100", "!up 0/3 100", ".", "."]);
        check(true, &events[..4], None, &["!up 0/1 100", "!up 0/2 100", "!up 0/3 100", "=up 0/3 100"]);
    }

    #[test]
    fn failures_count_across_kinds_and_a_good_outcome_ends_them() {
        check(
            false,
            &[(100, "up"), (130, "down"), (133, "down-confirm"), (160, "timeout"), (190, "timeout"), (195, "up")],
            None,
            &["!up 0/1 100", "!down 1/0 130", "!down 2/0 130", "!down 3/0 130", ".", "!up 0/1 195"],
        );
    }

    #[test]
    fn checks_that_were_not_scheduled_are_always_written() {
        let down = [(100, "down"), (103, "down"), (106, "down"), (109, "down-confirm"), (112, "down")];
        check(false, &down, None, &["!down 1/0 100", "!down 2/0 100", "!down 3/0 100", "=down 3/0 100", "."]);
    }

    #[test]
    fn a_probe_that_is_cut_off_measures_nothing() {
        check(
            false,
            &[(100, "down"), (130, "down-blind"), (160, "down"), (170, "missed"), (180, "unmeasured")],
            None,
            &["!down 1/0 100", "!unmeasured 0/0 130", "!down 1/0 160", "!unmeasured 0/0 170", "."],
        );
    }

    #[test]
    fn a_bad_self_check_among_good_results_is_written_and_so_is_its_end() {
        check(
            false,
            &[(100, "fold"), (170, "up-blind"), (180, "up-blind"), (190, "up"), (195, "up")],
            None,
            &["!up 0/3 100", "=up 0/3 100", ".", "=up 0/3 100", "."],
        );
    }

    #[test]
    fn a_fold_is_as_fresh_as_its_last_slot() {
        check(false, &[(100, "fold")], Some(250), &["!up 0/3 100"]);
        check(false, &[(100, "fold")], Some(251), &["."]);
    }

    #[test]
    fn late_repeated_and_outdated_outcomes_change_nothing() {
        check(
            true,
            &[(150, "up"), (149, "down"), (150, "down"), (160, "down-old")],
            Some(200),
            &["!up 0/1 150", ".", ".", "."],
        );
        // Two intervals of 30 s, 10 s and 15 s are less than the least of 90 s.
        check(true, &[(100, "down")], Some(190), &["!down 1/0 100"]);
        check(true, &[(100, "down")], Some(191), &["."]);
    }

    #[test]
    fn a_failure_that_comes_late_is_reason_to_ask_and_no_vote() {
        let after = |before: Option<&RunRow>, at, what, now| match step(
            before,
            &terms(true),
            Event::Outcome(&outcome(at, what)),
            s(now),
        ) {
            Step::Changed(run) | Step::Written(run) => run,
            Step::Nothing => panic!("nothing came of {what}"),
        };
        let up = after(None, 150, "up", 200);
        assert_eq!((up.oks, up.last_trigger), (1, Trigger::Scheduled), "what was seen good was seen");
        let first = after(Some(&up), 160, "down", 200);
        let repeated = after(Some(&first), 163, "down-confirm", 200);
        for run in [&first, &repeated] {
            assert_eq!((run.fails, run.oks, run.since, run.last_trigger), (1, 0, s(160), Trigger::Other));
        }
        // One that comes in time is the first in a row.
        let in_time = after(Some(&repeated), 190, "down", 200);
        assert_eq!((in_time.fails, in_time.since, in_time.last_trigger), (1, s(190), Trigger::Scheduled));
        assert_eq!(after(Some(&in_time), 193, "down-confirm", 200).fails, 2);
        // A vote that was there before has no new evidence.
        let voting = RunRow { fails: 2, last_trigger: Trigger::Confirm, ..first };
        let asking = after(Some(&voting), 180, "down", 200);
        assert_eq!((asking.fails, asking.since, asking.last_trigger), (1, s(160), Trigger::Other));
    }

    #[test]
    fn degraded_is_good_and_differs_from_up_and_a_fold_counts_as_many() {
        let events = [(100, "fold"), (190, "up"), (195, "degraded"), (197, "degraded")];
        check(false, &events, None, &["!up 0/3 100", ".", "!degraded 0/3 100", "."]);
    }
}
