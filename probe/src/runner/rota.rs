//! What starts when, which slots are open, and what is handed on: the runner's decisions. Pure: reads no clock, starts
//! nothing. [`Runner`](super::Runner) and the simulation drive it alike.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use picket_shared::assignment::{Assignment, Assignments, CONFIRM_AFTER};
use picket_shared::batch::Missed;
use picket_shared::ids::MonitorId;
use picket_shared::outcome::{Outcome, Status, Trigger};
use picket_shared::time::Timestamp;

use super::{HOLD, TICK};
use crate::schedule::{Due, Schedule, Turn, Waiting, passed};

/// A slot waits this long for company, so that slots which lie close together cost one turn and not one each.
const COMPANY: Duration = Duration::from_millis(2);
/// But no more good news than this waits for [`HOLD`].
const MOST_HELD: usize = 256;

/// What is handed on.
#[derive(Debug)]
pub struct Event {
    /// What happened.
    pub what: What,
    /// No slot up to this time is open any more.
    pub through: Timestamp,
}

/// What happened.
#[derive(Debug)]
pub enum What {
    /// A check ended; with the monitor's interval.
    Outcome(Box<Outcome>, Duration),
    /// Slots could not be kept; with the monitor's interval.
    Missed(Missed, Duration),
    /// Another set of assignments is run.
    Assigned {
        /// Its version.
        version: u64,
        /// How many monitors.
        monitors: usize,
    },
    /// Nothing but time.
    Idle,
}

/// Everything that is to run, and what came of it.
#[derive(Debug)]
pub struct Rota {
    schedule: Schedule,
    waiting: Waiting,
    confirms: BTreeMap<(Timestamp, MonitorId), Arc<Assignment>>,
    open: BTreeMap<Timestamp, u32>,
    news: VecDeque<What>,
    /// Since when news wait.
    held: Option<Timestamp>,
    urgent: bool,
    told: Timestamp,
    swept: Timestamp,
    steps: i64,
    /// Since when slots are to be accounted for, until it is known which.
    unassigned_since: Option<Timestamp>,
}

impl Rota {
    /// With nothing to run yet. Slots are accounted for from `began` on: nobody knows which before the first assignments
    /// come, and then those that have passed are missed.
    /// `steps` is the sum of the steps of the clock so far, as for [`Rota::turn`].
    pub fn new(began: Timestamp, steps: i64) -> Self {
        Self {
            schedule: Schedule::default(),
            waiting: Waiting::default(),
            confirms: BTreeMap::new(),
            open: BTreeMap::new(),
            news: VecDeque::new(),
            held: None,
            urgent: false,
            told: began,
            swept: began,
            steps,
            unassigned_since: Some(began),
        }
    }

    /// Takes other assignments in.
    pub fn change(&mut self, news: Assignments, now: Timestamp) {
        if let Some(began) = self.unassigned_since.take() {
            self.news.extend(passed(&news, began, now).map(|(missed, interval)| What::Missed(missed, interval)));
        }
        self.waiting.hurry(self.schedule.apply(news, now));
        self.news.push_back(What::Assigned { version: self.schedule.version(), monitors: self.schedule.len() });
    }

    /// Lets everything wait whose time has come. With the time comes the sum of all steps that it has made, in microseconds,
    /// when the collector's clock was set.
    pub fn turn(&mut self, (now, steps): (Timestamp, i64)) {
        self.step(now, steps - self.steps);
        let turn = self.schedule.take_due(now);
        self.take(turn);
        let mut confirmed = BTreeSet::new();
        while let Some(entry) = self.confirms.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((at, monitor), assignment) = entry.remove_entry();
            // Two slots that failed while this machine stood still are confirmed by one check: two would begin at once.
            if confirmed.insert(monitor) {
                self.waiting.urgent.push_back(Due { assignment, at, trigger: Trigger::Confirm });
            }
        }
        // Looking at all that waits costs something, so not at every turn; what is too late is not started anyway.
        if !self.waiting.planned.is_empty() && now.since(self.swept) >= TICK / 4 {
            self.swept = now;
            let waiting = std::mem::take(&mut self.waiting.planned);
            let (late, rest): (VecDeque<Due>, VecDeque<Due>) =
                waiting.into_iter().partition(|due| due.is_too_late(now));
            self.waiting.planned = rest;
            late.into_iter().for_each(|due| self.miss(&due));
        }
    }

    /// Takes over that the collector's clock was set, by `by` microseconds.
    fn step(&mut self, now: Timestamp, by: i64) {
        if by == 0 {
            return;
        }
        self.steps += by;
        let confirms = std::mem::take(&mut self.confirms);
        self.confirms = confirms.into_iter().map(|((at, id), what)| ((at.shifted(by), id), what)).collect();
        // News must not wait for a time of day that comes again, or not at all.
        self.held = self.held.map(|since| since.shifted(by));
        if by > 0 {
            // Nor does what is to be accounted for begin later: it may have been this machine that stood still.
            let turn = self.schedule.leap(now);
            return self.take(turn);
        }
        // What waits or runs was to fill slots that are still to come; whoever keeps outcomes takes their times back.
        self.unassigned_since = self.unassigned_since.map(|since| since.shifted(by));
        self.schedule.set_back(now);
        self.waiting.planned.clear();
        self.open.clear();
        (self.told, self.swept) = (self.unassigned_since.unwrap_or(now), now);
    }

    fn take(&mut self, turn: Turn) {
        self.news.extend(turn.missed.into_iter().map(|(missed, interval)| What::Missed(missed, interval)));
        for due in turn.due {
            *self.open.entry(due.at).or_default() += 1;
            self.waiting.planned.push_back(due);
        }
    }

    /// The check to start now while so many `running`, with what its outcome's `at` is to be.
    pub fn next(&mut self, running: usize, now: Timestamp) -> Option<(Due, Timestamp)> {
        loop {
            let due = self.waiting.next(running)?;
            let current =
                self.schedule.get(due.assignment.monitor).is_some_and(|known| Arc::ptr_eq(known, &due.assignment));
            if !current && due.trigger != Trigger::Scheduled {
                continue;
            }
            if due.is_too_late(now) {
                self.miss(&due);
                continue;
            }
            let at = if due.trigger == Trigger::Scheduled { due.at } else { now };
            return Some((due, at));
        }
    }

    /// A check has ended at `now`.
    pub fn finish(&mut self, due: &Due, outcome: Box<Outcome>, now: Timestamp) {
        if due.trigger == Trigger::Scheduled {
            self.close(due.at);
            if outcome.status == Status::Down {
                self.confirms.insert((now + CONFIRM_AFTER, outcome.monitor), Arc::clone(&due.assignment));
            }
        }
        self.urgent |= outcome.status != Status::Up;
        self.news.push_back(What::Outcome(outcome, due.assignment.interval()));
    }

    /// A check was not run, or never ended. Only slots can be missed; a confirm or recheck that did not run leaves no
    /// trace.
    pub fn miss(&mut self, due: &Due) {
        if due.trigger == Trigger::Scheduled {
            self.close(due.at);
            self.news.push_back(What::Missed(due.missed(), due.assignment.interval()));
        }
    }

    /// Gives up everything that waits for its start.
    pub fn miss_waiting(&mut self) {
        for due in std::mem::take(&mut self.waiting.planned) {
            self.miss(&due);
        }
    }

    fn close(&mut self, slot: Timestamp) {
        if let Some(count) = self.open.get_mut(&slot) {
            *count -= 1;
            if *count == 0 {
                self.open.remove(&slot);
            }
        }
    }

    /// Whether what happened is to be handed on now, and notes since when it waits.
    pub fn is_time_to_tell(&mut self, now: Timestamp) -> bool {
        if self.news.is_empty() {
            return true;
        }
        let since = *self.held.get_or_insert(now);
        self.urgent || self.news.len() >= MOST_HELD || now.since(since) >= HOLD
    }

    /// What happened since the last call, or just the time if that was not told for long.
    pub fn tell(&mut self, now: Timestamp) -> Vec<Event> {
        let nothing_open = self.unassigned_since.unwrap_or(now.shifted(-1));
        let through = self.open.first_key_value().map_or(nothing_open, |(slot, _)| slot.shifted(-1).min(nothing_open));
        if self.news.is_empty() && through.since(self.told) >= TICK / 2 {
            self.news.push_back(What::Idle);
        }
        let mut events = Vec::with_capacity(self.news.len());
        while let Some(what) = self.news.pop_front() {
            // Only the last of them may say how far all of them reach.
            let through = if self.news.is_empty() { through } else { self.told };
            self.told = self.told.max(through);
            events.push(Event { what, through: self.told });
        }
        (self.held, self.urgent) = (None, false);
        events
    }

    /// How long nothing is to be done, unless something ends or comes; never long, so that time is told.
    pub fn pause(&self, now: Timestamp) -> Duration {
        self.next_at().map_or(TICK, |at| at.since(now).min(TICK))
    }

    /// When the next slot or confirm check is to start, or what is held to be told.
    pub fn next_at(&self) -> Option<Timestamp> {
        let confirm = self.confirms.first_key_value().map(|((at, _), _)| *at);
        let checks = [self.schedule.next_slot(), confirm].into_iter().flatten().min().map(|at| at + COMPANY);
        let telling = self.held.map(|since| since + HOLD);
        checks.into_iter().chain(telling).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use picket_shared::assignment::Recheck;
    use picket_shared::check::{CheckSpec, TcpSpec};
    use picket_shared::ids::RecheckId;
    use uuid::Uuid;

    const START: Timestamp = Timestamp::from_seconds(1_008_000);

    fn assignment(n: u128) -> Assignment {
        Assignment {
            monitor: MonitorId(Uuid::from_u128(n)),
            version: 1,
            interval_s: 3600,
            timeout_ms: 2_000,
            phase_us: 1_800_000_000,
            check: CheckSpec::Tcp(TcpSpec { host: "h".to_owned(), port: 1 }),
        }
    }

    #[test]
    fn a_recheck_of_a_new_monitor_is_its_first_check_and_not_one_more() {
        let recheck = |n| Recheck { id: RecheckId(Uuid::nil()), monitor: MonitorId(Uuid::from_u128(n)) };
        let mut rota = Rota::new(START, 0);
        let monitors = vec![assignment(1), assignment(2)];
        let rechecks = vec![recheck(2), recheck(2)];
        rota.change(Assignments { version: 1, full: true, monitors, rechecks, ..Assignments::default() }, START);
        rota.turn((START, 0));
        let started: Vec<_> =
            std::iter::from_fn(|| rota.next(0, START)).map(|(due, _)| due.assignment.monitor.0).collect();
        assert_eq!(started, [Uuid::from_u128(2), Uuid::from_u128(1)]);
    }

    #[test]
    fn slots_that_passed_before_the_first_assignments_came_are_missed_and_not_passed_over() {
        let mut rota = Rota::new(START, 0);
        let later = START + Duration::from_secs(65);
        rota.turn((later, 0));
        assert!(rota.tell(later).is_empty(), "nobody knows what was to be run");
        let minutely = Assignment { interval_s: 20, phase_us: 0, ..assignment(1) };
        rota.change(Assignments { version: 1, full: true, monitors: vec![minutely], ..Assignments::default() }, later);
        rota.turn((later, 0));
        let told = rota.tell(later);
        let What::Missed(missed, _) = told[0].what else { panic!("{told:?}") };
        let slot = |second| START + Duration::from_secs(second);
        assert_eq!((missed.from, missed.to, missed.count, told[0].through), (slot(20), slot(60), 3, START));
        assert_eq!(told.last().map(|event| event.through), Some(later.shifted(-1)));
        rota.change(
            Assignments { version: 2, full: true, monitors: vec![assignment(2)], ..Assignments::default() },
            later,
        );
        assert!(!rota.tell(later).iter().any(|event| matches!(event.what, What::Missed(..))), "only the first do");
    }
}
