//! Pure: (set of assignments, now) -> due slots, and slots that cannot be kept any more. Reads no clock.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use picket_shared::assignment::{Assignment, Assignments};
use picket_shared::batch::{GapReason, Missed};
use picket_shared::check::CheckSpec;
use picket_shared::ids::MonitorId;
use picket_shared::outcome::Trigger;
use picket_shared::time::Timestamp;

/// No check starts later than this after its slot, nor later than half its interval.
const MOST_LATE: Duration = Duration::from_secs(15);
/// A new monitor whose first slot is nearer than this needs no check before it.
const SOON: Duration = Duration::from_secs(2);

/// A check that is to run.
#[derive(Clone, Debug)]
pub struct Due {
    /// What to run.
    pub assignment: Arc<Assignment>,
    /// The slot, or when the check was asked for.
    pub at: Timestamp,
    /// Why.
    pub trigger: Trigger,
}

impl Due {
    /// Whether it is too late to start it at `now`; only a slot can be missed.
    pub fn is_too_late(&self, now: Timestamp) -> bool {
        self.trigger == Trigger::Scheduled && now.since(self.at) > most_late(&self.assignment)
    }

    /// The slot as one that was missed.
    pub fn missed(&self) -> Missed {
        missed(self.assignment.monitor, self.at, self.at, 1)
    }
}

/// What a moment brings.
#[derive(Debug, Default)]
pub struct Turn {
    /// To run now, the earliest slot first.
    pub due: Vec<Due>,
    /// Could not run in time, with the interval of each monitor.
    pub missed: Vec<(Missed, Duration)>,
}

/// Every assignment with its next slot.
#[derive(Debug, Default)]
pub struct Schedule {
    monitors: HashMap<MonitorId, Entry>,
    slots: BTreeSet<(Timestamp, MonitorId)>,
    version: u64,
}

#[derive(Debug)]
struct Entry {
    assignment: Arc<Assignment>,
    next: Timestamp,
}

impl Schedule {
    /// Takes in what changed and gives the checks that are wanted at once: one of each new or changed monitor, so that
    /// a first outcome does not wait for its slot, and the rechecks that the judge asked for.
    pub fn apply(&mut self, news: Assignments, now: Timestamp) -> Changed {
        let mut changed = Changed::default();
        if news.full {
            let kept: BTreeSet<MonitorId> = news.monitors.iter().map(|assignment| assignment.monitor).collect();
            let gone: Vec<MonitorId> = self.monitors.keys().filter(|id| !kept.contains(id)).copied().collect();
            gone.into_iter().for_each(|id| self.remove(id));
        }
        news.removed.into_iter().for_each(|id| self.remove(id));
        for assignment in news.monitors {
            if assignment.interval_s == 0 || self.holds(&assignment) {
                continue;
            }
            self.remove(assignment.monitor);
            let entry = Entry { next: assignment.slot_after(now), assignment: Arc::new(assignment) };
            self.slots.insert((entry.next, entry.assignment.monitor));
            if entry.next.since(now) > SOON {
                changed.first.extend(at_once(&entry.assignment, now));
            }
            self.monitors.insert(entry.assignment.monitor, entry);
        }
        let asked = news.rechecks.iter().filter_map(|recheck| self.monitors.get(&recheck.monitor));
        changed.rechecks = asked.filter_map(|entry| at_once(&entry.assignment, now)).collect();
        self.version = news.version;
        changed
    }

    /// When [`Schedule::take_due`] has something next.
    pub fn next_slot(&self) -> Option<Timestamp> {
        self.slots.first().map(|(slot, _)| *slot)
    }

    /// Takes every slot that has come: the newest of each monitor is due, unless it is too old by now; all others, and
    /// those of a kind that this version cannot run, are missed.
    pub fn take_due(&mut self, now: Timestamp) -> Turn {
        let mut turn = Turn::default();
        while let Some((slot, id)) = self.slots.first().copied().filter(|(slot, _)| *slot <= now) {
            self.slots.pop_first();
            let Some(entry) = self.monitors.get_mut(&id) else { continue };
            let assignment = &entry.assignment;
            let interval = assignment.interval();
            entry.next = assignment.slot_after(now);
            self.slots.insert((entry.next, id));
            let newest = entry.next - interval;
            let due = Due { assignment: Arc::clone(assignment), at: newest, trigger: Trigger::Scheduled };
            let runs = assignment.check != CheckSpec::Other && !due.is_too_late(now);
            let last_missed = if runs { newest - interval } else { newest };
            if last_missed >= slot {
                let count = u64::try_from(last_missed.since(slot).as_micros() / interval.as_micros()).unwrap_or(0) + 1;
                let count = u32::try_from(count).unwrap_or(u32::MAX);
                turn.missed.push((missed(id, slot, last_missed, count), interval));
            }
            if runs {
                turn.due.push(due);
            }
        }
        turn
    }

    /// [`Schedule::take_due`] after the collector's clock was set forwards to `now`: the slots in between were never there.
    pub fn leap(&mut self, now: Timestamp) -> Turn {
        let mut turn = self.take_due(now);
        turn.missed.iter_mut().for_each(|(missed, _)| missed.reason = GapReason::ClockSet);
        turn
    }

    /// Begins anew at `now`, after the collector's clock was set back to it: all slots after it are still to come.
    pub fn set_back(&mut self, now: Timestamp) {
        self.slots.clear();
        for (id, entry) in &mut self.monitors {
            entry.next = entry.assignment.slot_after(now);
            self.slots.insert((entry.next, *id));
        }
    }

    /// The assignment of a monitor as it is now.
    pub fn get(&self, id: MonitorId) -> Option<&Arc<Assignment>> {
        self.monitors.get(&id).map(|entry| &entry.assignment)
    }

    /// How many monitors there are.
    pub fn len(&self) -> usize {
        self.monitors.len()
    }

    /// Whether there is nothing to run.
    pub fn is_empty(&self) -> bool {
        self.monitors.is_empty()
    }

    /// Which version of the assignments this is.
    pub fn version(&self) -> u64 {
        self.version
    }

    fn holds(&self, assignment: &Assignment) -> bool {
        self.monitors.get(&assignment.monitor).is_some_and(|entry| *entry.assignment == *assignment)
    }

    fn remove(&mut self, id: MonitorId) {
        if let Some(entry) = self.monitors.remove(&id) {
            self.slots.remove(&(entry.next, id));
        }
    }
}

/// Checks that are wanted at once.
#[derive(Debug, Default)]
pub struct Changed {
    /// The first of each new or changed monitor.
    pub first: Vec<Due>,
    /// Asked for by the judge.
    pub rechecks: Vec<Due>,
}

fn at_once(assignment: &Arc<Assignment>, now: Timestamp) -> Option<Due> {
    let runs = assignment.check != CheckSpec::Other;
    runs.then(|| Due { assignment: Arc::clone(assignment), at: now, trigger: Trigger::Recheck })
}

fn most_late(assignment: &Assignment) -> Duration {
    (assignment.interval() / 2).min(MOST_LATE)
}

fn missed(monitor: MonitorId, from: Timestamp, to: Timestamp, count: u32) -> Missed {
    Missed { monitor, from, to, count, reason: GapReason::NotScheduled }
}

#[cfg(test)]
mod tests {
    use super::*;
    use picket_shared::assignment::{Recheck, slots_between};
    use picket_shared::check::TcpSpec;
    use picket_shared::ids::RecheckId;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn assignment(n: u128, interval_s: u32, phase_s: u64) -> Assignment {
        Assignment {
            monitor: MonitorId(Uuid::from_u128(n)),
            version: 1,
            interval_s,
            timeout_ms: 2_000,
            phase_us: phase_s * 1_000_000,
            check: CheckSpec::Tcp(TcpSpec { host: "h".to_owned(), port: 1 }),
        }
    }

    fn full(monitors: Vec<Assignment>) -> Assignments {
        Assignments { version: 1, full: true, monitors, ..Assignments::default() }
    }

    #[test]
    fn a_new_monitor_is_checked_once_at_once_and_then_in_its_slots() {
        let mut schedule = Schedule::default();
        let first = schedule.apply(full(vec![assignment(1, 60, 30)]), at(600)).first;
        assert_eq!(first.iter().map(|due| (due.at, due.trigger)).collect::<Vec<_>>(), [(at(600), Trigger::Recheck)]);
        assert_eq!(schedule.next_slot(), Some(at(630)));
        assert!(schedule.take_due(at(629)).due.is_empty());
        let due = schedule.take_due(at(631)).due;
        assert_eq!(due.iter().map(|due| (due.at, due.trigger)).collect::<Vec<_>>(), [(at(630), Trigger::Scheduled)]);
        assert_eq!(schedule.next_slot(), Some(at(690)));
    }

    #[test]
    fn the_same_assignment_again_changes_nothing_and_a_new_version_does() {
        let mut schedule = Schedule::default();
        schedule.apply(full(vec![assignment(1, 60, 30)]), at(600));
        assert!(schedule.apply(full(vec![assignment(1, 60, 30)]), at(610)).first.is_empty());
        let changed = Assignment { version: 2, ..assignment(1, 30, 7) };
        let news = Assignments { version: 2, monitors: vec![changed], ..Assignments::default() };
        assert_eq!(schedule.apply(news, at(610)).first.len(), 1);
        assert_eq!((schedule.next_slot(), schedule.version(), schedule.len()), (Some(at(637)), 2, 1));
    }

    #[test]
    fn a_full_set_and_removals_end_what_is_not_wanted() {
        let mut schedule = Schedule::default();
        schedule.apply(full(vec![assignment(1, 60, 0), assignment(2, 60, 0), assignment(3, 60, 0)]), at(600));
        schedule.apply(full(vec![assignment(2, 60, 0), assignment(3, 60, 0)]), at(600));
        let news = Assignments { version: 3, removed: vec![assignment(2, 0, 0).monitor], ..Assignments::default() };
        schedule.apply(news, at(600));
        let due = schedule.take_due(at(660)).due;
        assert_eq!(due.iter().map(|due| due.assignment.monitor).collect::<Vec<_>>(), [assignment(3, 60, 0).monitor]);
    }

    #[test]
    fn rechecks_are_handed_out_once_and_only_for_known_monitors() {
        let mut schedule = Schedule::default();
        let mut news = full(vec![assignment(1, 60, 0)]);
        let recheck = |n| Recheck { id: RecheckId(Uuid::from_u128(n)), monitor: MonitorId(Uuid::from_u128(n)) };
        news.rechecks = vec![recheck(1), recheck(9)];
        assert_eq!(schedule.apply(news, at(600)).rechecks.len(), 1);
        assert!(schedule.apply(Assignments::default(), at(600)).rechecks.is_empty());
    }

    #[test]
    fn after_a_sleep_the_newest_slot_runs_and_the_rest_are_missed() {
        let mut schedule = Schedule::default();
        schedule.apply(full(vec![assignment(1, 10, 0)]), at(1));
        let turn = schedule.take_due(at(43));
        assert_eq!(turn.due[0].at, at(40));
        assert_eq!(turn.missed, [(missed(assignment(1, 10, 0).monitor, at(10), at(30), 3), Duration::from_secs(10))]);
        // More than half an interval late: not even the newest.
        let turn = schedule.take_due(at(58));
        assert!(turn.due.is_empty());
        assert_eq!(turn.missed[0].0.count, 1);
    }

    #[test]
    fn when_the_clock_is_set_the_slots_between_were_never_there_or_come_again() {
        let mut schedule = Schedule::default();
        schedule.apply(full(vec![assignment(1, 10, 0)]), at(1));
        let turn = schedule.leap(at(1001));
        assert_eq!(
            (turn.due[0].at, turn.missed[0].0.reason, turn.missed[0].0.count),
            (at(1000), GapReason::ClockSet, 99)
        );
        schedule.set_back(at(42));
        assert_eq!((schedule.next_slot(), schedule.take_due(at(49)).due.len()), (Some(at(50)), 0));
        assert_eq!(schedule.take_due(at(51)).due[0].at, at(50));
    }

    #[test]
    fn a_kind_from_the_future_is_missed_in_every_slot_and_never_run() {
        let mut schedule = Schedule::default();
        let unknown = Assignment { check: CheckSpec::Other, ..assignment(1, 60, 0) };
        assert!(schedule.apply(full(vec![unknown]), at(1)).first.is_empty());
        let turn = schedule.take_due(at(60));
        assert!(turn.due.is_empty());
        assert_eq!(turn.missed[0].0.reason, GapReason::NotScheduled);
    }

    proptest! {
        #[test]
        fn every_slot_is_either_due_or_missed_and_none_twice(
            interval in 5_u32..120, phase in 0_u64..120, steps in prop::collection::vec(0_i64..200_000_000, 1..80)
        ) {
            let mut schedule = Schedule::default();
            let one = assignment(1, interval, phase);
            let start = at(1_000_000);
            schedule.apply(full(vec![one.clone()]), start);
            let (mut now, mut handled) = (start, 0_u64);
            for step in steps {
                now = now.shifted(step);
                let turn = schedule.take_due(now);
                handled += u64::try_from(turn.due.len()).unwrap();
                handled += turn.missed.iter().map(|(missed, _)| u64::from(missed.count)).sum::<u64>();
                prop_assert!(turn.due.iter().all(|due| !due.is_too_late(now) && due.at <= now));
                prop_assert_eq!(handled, slots_between(one.phase_us, one.interval(), start, now));
                prop_assert!(schedule.next_slot().is_some_and(|next| next > now));
            }
        }
    }
}
