//! One run: events in order of virtual time, a network that loses, doubles and delays, and faults as planned.
//!
//! Here the queue; [`probes`] and [`desk`] are the two sides, [`faults`] what goes wrong.

mod desk;
mod faults;
mod probes;

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use picket_shared::time::Timestamp;

use super::collector::Collector;
use super::ledger::Ledger;
use super::plan::{Fault, Plan, SECOND};
use super::probe::{Process, Why};
use super::rng::Rng;
use super::tables::Tables;
use super::trace::{Figures, Note, Trace};
use super::wire::{Call, Reply, Shelf};

/// The start of every run, in the time of people.
const START: Timestamp = Timestamp::from_seconds(1_790_000_000);
pub(crate) fn stamp(time: i64) -> Timestamp {
    START.shifted(time)
}

pub(crate) fn since_start(time: Timestamp) -> i64 {
    time.micros_since(START)
}

enum Event {
    Fault(usize, bool),
    Start(usize),
    Wake(usize, u32, u64),
    CheckEnds(usize, u32, u64),
    TimesOut(usize, u32, u64),
    Again(usize, u32, Why),
    Arrives(Box<Call>),
    Answers(usize, u32, u64, Box<Reply>),
    Look,
    Judge,
    Gaps,
    Clock,
}

/// An event in order of time, and of planning where that is the same.
struct Planned {
    time: i64,
    serial: u64,
    event: Event,
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.serial == other.serial
    }
}

impl Eq for Planned {}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Planned {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.time, self.serial).cmp(&(other.time, other.serial))
    }
}

/// A run on its way.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) time: i64,
    rng: Rng,
    events: BinaryHeap<Reverse<Planned>>,
    serial: u64,
    pub(crate) probes: Vec<Option<Process>>,
    lives: u32,
    pub(crate) collector: Collector,
    shelf: Shelf,
    judge_at: Option<i64>,
    look_at: Option<i64>,
    pub(crate) ledger: Ledger,
    pub(crate) trace: Trace,
    pub(crate) figures: Figures,
}

impl World {
    pub(crate) fn new(plan: Plan) -> Self {
        let shelf = Shelf::new(plan.wire);
        let monitors = plan.monitors.iter().map(|monitor| (monitor.interval_s, monitor.timeout_s));
        let tables = Tables::new(plan.regions, monitors, START, START.shifted(plan.key_life));
        let mut world = Self {
            time: 0,
            rng: Rng::new(plan.seed ^ 0x5eed),
            events: BinaryHeap::new(),
            serial: 0,
            probes: (0..plan.regions).map(|_| None).collect(),
            lives: 0,
            collector: Collector::new(tables, shelf.clone(), START),
            shelf,
            judge_at: None,
            look_at: None,
            ledger: Ledger::new(&plan),
            trace: Trace::new(),
            figures: Figures { schedules: 1, on_the_wire: u64::from(plan.wire), ..Figures::default() },
            plan,
        };
        for index in 0..world.plan.faults.len() {
            let (from, to, _) = world.plan.faults[index];
            world.push(from, Event::Fault(index, true));
            world.push(to, Event::Fault(index, false));
        }
        for probe in 0..world.plan.regions {
            let begin = world.rng.between(0, 3 * SECOND);
            world.push(begin, Event::Start(probe));
        }
        world.push(0, Event::Gaps);
        world.ask_judge(0);
        world
    }

    /// Runs up to `end`; stops at the first thing that is wrong.
    pub(crate) fn run_until(&mut self, end: i64) -> Result<(), String> {
        while self.events.peek().is_some_and(|Reverse(planned)| planned.time <= end)
            && let Some(Reverse(planned)) = self.events.pop()
        {
            self.time = planned.time;
            self.happen(planned.event)?;
        }
        self.time = end;
        Ok(())
    }

    fn push(&mut self, time: i64, event: Event) {
        self.serial += 1;
        self.events.push(Reverse(Planned { time: time.max(self.time), serial: self.serial, event }));
    }

    pub(crate) fn note(&mut self, note: Note) {
        self.trace.note(self.time, note);
    }

    fn is_on(&self, is: impl Fn(&Fault) -> bool) -> bool {
        self.plan.is_on(self.time, is)
    }

    /// The collector's time.
    pub(crate) fn collector_now(&self) -> Timestamp {
        stamp(self.time).shifted(self.collector.ahead_us)
    }

    fn happen(&mut self, event: Event) -> Result<(), String> {
        // A probe that stands still does nothing; what comes to it waits.
        if let Event::Wake(probe, ..)
        | Event::CheckEnds(probe, ..)
        | Event::TimesOut(probe, ..)
        | Event::Again(probe, ..)
        | Event::Answers(probe, ..) = &event
            && let Some(until) = self.frozen_until(*probe)
        {
            self.push(until, event);
            return Ok(());
        }
        match event {
            Event::Fault(index, begins) => self.fault(index, begins),
            Event::Start(probe) => self.start(probe),
            Event::Wake(probe, life, wake) => {
                if self.process(probe, life).is_some_and(|process| process.wake == wake) {
                    self.turn(probe)?;
                }
            }
            Event::CheckEnds(probe, life, check) => self.end_check(probe, life, check)?,
            Event::TimesOut(probe, life, id) => self.answered(probe, life, id, None)?,
            Event::Answers(probe, life, id, reply) => self.answered(probe, life, id, Some(*reply))?,
            Event::Again(probe, life, why) => {
                if self.process(probe, life).is_some() {
                    self.ask(probe, why, false)?;
                }
            }
            Event::Arrives(call) => self.arrives(*call)?,
            Event::Look => {
                if self.look_at.take_if(|at| *at <= self.time).is_some() {
                    self.look();
                }
            }
            Event::Judge => {
                if self.judge_at.take_if(|at| *at <= self.time).is_some() {
                    self.judge()?;
                }
            }
            Event::Gaps => self.gaps(),
            Event::Clock => self.look_at_clock(),
        }
        Ok(())
    }

    fn frozen_until(&self, probe: usize) -> Option<i64> {
        let frozen = |(from, to, fault): &(i64, i64, Fault)| {
            let on = *from <= self.time && self.time < *to;
            matches!(fault, Fault::Frozen { probe: frozen, .. } if on && *frozen == probe).then_some(*to)
        };
        self.plan.faults.iter().filter_map(frozen).max()
    }

    fn process(&mut self, probe: usize, life: u32) -> Option<&mut Process> {
        self.probes[probe].as_mut().filter(|process| process.life == life)
    }
}
