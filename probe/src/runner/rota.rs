//! What starts when, which slots are open, and what is handed on: the runner's decisions. Pure: reads no clock, starts
//! nothing. [`Runner`](super::Runner) and the simulation drive it alike.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use picket_shared::assignment::{Assignment, Assignments, CONFIRM_AFTER, slots_between};
use picket_shared::batch::{GapReason, Missed};
use picket_shared::ids::MonitorId;
use picket_shared::outcome::{Outcome, Status, Trigger};
use picket_shared::time::Timestamp;

use super::TICK;
use crate::schedule::{Due, Schedule, Turn};

/// First checks start only while fewer than this run: a probe that takes over many monitors must not flood the network.
const FIRST_AT_ONCE: usize = 32;
/// A slot waits this long for company, so that slots which lie close together cost one turn of the loop and not one each.
const COMPANY: Duration = Duration::from_millis(2);
/// Good news waits this long for more of it, for the same reason; anything else is handed on at once.
pub const HOLD: Duration = Duration::from_millis(20);
/// But no more of it than this waits.
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
    /// Since when slots are to be accounted for, until it is known which.
    unassigned_since: Option<Timestamp>,
}

/// Checks that want to start: what the judge or a failure asks for goes first, first checks of new monitors last.
#[derive(Debug, Default)]
struct Waiting {
    urgent: VecDeque<Due>,
    planned: VecDeque<Due>,
    first: VecDeque<Due>,
}

impl Waiting {
    fn next(&mut self, running: usize) -> Option<Due> {
        let ordinary = self.urgent.pop_front().or_else(|| self.planned.pop_front());
        ordinary.or_else(|| if running < FIRST_AT_ONCE { self.first.pop_front() } else { None })
    }

    /// Lets rechecks go first. One of a monitor is enough: two that start at the same time would be one outcome's name
    /// for two checks, of which readers keep one.
    fn hurry(&mut self, rechecks: Vec<Due>) {
        for due in rechecks {
            let same =
                |other: &Due| other.trigger == Trigger::Recheck && other.assignment.monitor == due.assignment.monitor;
            self.first.retain(|other| !same(other));
            if !self.urgent.iter().any(same) {
                self.urgent.push_back(due);
            }
        }
    }
}

impl Rota {
    /// With nothing to run yet. Slots are accounted for from `began` on: nobody knows which before the first assignments
    /// come, and then those that have passed are missed.
    pub fn new(began: Timestamp) -> Self {
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
            unassigned_since: Some(began),
        }
    }

    /// Takes other assignments in.
    pub fn change(&mut self, news: Assignments, now: Timestamp) {
        if let Some(began) = self.unassigned_since.take() {
            let passed = news.monitors.iter().filter_map(|assignment| passed(assignment, began, now));
            self.news.extend(passed);
        }
        let changed = self.schedule.apply(news, now);
        self.waiting.first.extend(changed.first);
        self.waiting.hurry(changed.rechecks);
        self.news.push_back(What::Assigned { version: self.schedule.version(), monitors: self.schedule.len() });
    }

    /// Takes over that the collector's clock was set, by `by` microseconds.
    pub fn step(&mut self, now: Timestamp, by: i64) {
        if by == 0 {
            return;
        }
        let confirms = std::mem::take(&mut self.confirms);
        self.confirms = confirms.into_iter().map(|((at, id), what)| ((at.shifted(by), id), what)).collect();
        if by > 0 {
            let turn = self.schedule.leap(now);
            return self.take(turn);
        }
        // What waits or runs was to fill slots that are still to come; whoever keeps outcomes takes their times back.
        self.schedule.set_back(now);
        self.waiting.planned.clear();
        self.open.clear();
        (self.told, self.swept) = (now, now);
        self.unassigned_since = self.unassigned_since.map(|began| began.min(now));
    }

    fn take(&mut self, turn: Turn) {
        self.news.extend(turn.missed.into_iter().map(|(missed, interval)| What::Missed(missed, interval)));
        for due in turn.due {
            *self.open.entry(due.at).or_default() += 1;
            self.waiting.planned.push_back(due);
        }
    }

    /// Lets everything wait whose time has come.
    pub fn turn(&mut self, now: Timestamp) {
        let turn = self.schedule.take_due(now);
        self.take(turn);
        while let Some(entry) = self.confirms.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((at, _), assignment) = entry.remove_entry();
            self.waiting.urgent.push_back(Due { assignment, at, trigger: Trigger::Confirm });
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

    /// When the next slot or confirm check comes, or news have waited for long enough.
    pub fn next_at(&self) -> Option<Timestamp> {
        let confirm = self.confirms.first_key_value().map(|((at, _), _)| *at);
        let checks = [self.schedule.next_slot(), confirm].into_iter().flatten().min().map(|at| at + COMPANY);
        let telling = self.held.map(|since| since + HOLD);
        checks.into_iter().chain(telling).min()
    }
}

/// The slots of an assignment that passed before it came.
fn passed(assignment: &Assignment, began: Timestamp, now: Timestamp) -> Option<What> {
    let interval = assignment.interval();
    let count = slots_between(assignment.phase_us, interval, began, now);
    let from = assignment.slot_after(began);
    let (monitor, reason) = (assignment.monitor, GapReason::NotScheduled);
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    let to = from + interval * count.checked_sub(1)?;
    Some(What::Missed(Missed { monitor, from, to, count, reason }, interval))
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
        let mut rota = Rota::new(START);
        let monitors = vec![assignment(1), assignment(2)];
        let rechecks = vec![recheck(2), recheck(2)];
        rota.change(Assignments { version: 1, full: true, monitors, rechecks, ..Assignments::default() }, START);
        rota.turn(START);
        let started: Vec<_> =
            std::iter::from_fn(|| rota.next(0, START)).map(|(due, _)| due.assignment.monitor.0).collect();
        assert_eq!(started, [Uuid::from_u128(2), Uuid::from_u128(1)]);
    }

    #[test]
    fn slots_that_passed_before_the_first_assignments_came_are_missed_and_not_passed_over() {
        let mut rota = Rota::new(START);
        let later = START + Duration::from_secs(65);
        rota.turn(later);
        assert!(rota.tell(later).is_empty(), "nobody knows what was to be run");
        let minutely = Assignment { interval_s: 20, phase_us: 0, ..assignment(1) };
        rota.change(Assignments { version: 1, full: true, monitors: vec![minutely], ..Assignments::default() }, later);
        rota.turn(later);
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
