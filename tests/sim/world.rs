//! One run: events in order of virtual time, a network that loses, doubles and delays, and faults as planned.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use picket_probe::batch::AT_LEAST;
use picket_probe::clock::Discipline;
use picket_probe::pipeline::packer::{Packer, Settled, Task};
use picket_probe::runner::outcome;
use picket_probe::runner::rota::{Event as Told, Rota, What};
use picket_probe::ship::Errand;
use picket_probe::sign::Signer;
use picket_shared::batch::Report;
use picket_shared::enrolment::EnrolmentToken;
use picket_shared::ids::BootId;
use picket_shared::outcome::{SelfCheck, Trigger};
use picket_shared::retry::RetryPolicy;
use picket_shared::time::Timestamp;
use uuid::Uuid;

use super::collector::{COLLECTOR, Collector, Done, Handled};
use super::ledger::Ledger;
use super::plan::{Fault, Plan, SECOND, Step};
use super::probe::{Outcome, Process, Running, Why, Work, found};
use super::rng::Rng;
use super::tables::Tables;
use super::trace::{Figures, Note, Trace};
use super::wire::{Call, Reply, Request, Said, Shelf};

/// The start of every run, in the time of people.
const START: Timestamp = Timestamp::from_seconds(1_790_000_000);
/// After it a request without an answer is given up; a poll may take as much longer as it may be held.
const TIMEOUT: i64 = 20 * SECOND;
const POLL_TIMEOUT: i64 = 40 * SECOND;
/// Checks that may run at once.
const AT_ONCE: usize = 16;

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

    /// The collector's clock.
    pub(crate) fn collector_now(&self) -> Timestamp {
        let off = |(from, to, fault): &(i64, i64, Fault)| match fault {
            Fault::CollectorClock { by_us } if *from <= self.time && self.time < *to => Some(*by_us),
            _ => None,
        };
        stamp(self.time).shifted(self.plan.faults.iter().filter_map(off).sum())
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

    fn fault(&mut self, index: usize, begins: bool) {
        let (from, _, fault) = self.plan.faults[index];
        self.note(Note::Fault(index, begins));
        match (fault, begins) {
            (Fault::ProbeCrash { probe, .. }, true) => {
                self.figures.probe_crashes += 1;
                self.probes[probe] = None;
                self.ledger.ended(probe, self.time);
            }
            (Fault::ProbeCrash { probe, .. }, false) => {
                self.start(probe);
            }
            (Fault::Frozen { probe, clock_too }, false) => {
                self.figures.freezes += 1;
                self.ledger.frozen(probe, from, self.time);
                if let Some(process) = &mut self.probes[probe]
                    && clock_too
                {
                    process.stood_still += self.time - from.max(process.started);
                }
            }
            (Fault::CollectorCrash { step: Step::Now }, true) => self.crash(),
            (Fault::CollectorCrash { step }, true) => self.collector.armed = Some(step),
            (Fault::CollectorCrash { .. }, false) => self.restart(),
            (Fault::Revoked { probe }, true) => {
                self.figures.revocations += 1;
                let now = self.collector_now();
                self.collector.tables.probes[probe].revoked_at.get_or_insert(now);
                self.ask_look(0);
            }
            (Fault::Partition { .. } | Fault::Uplink { .. }, true) => self.figures.partitions += 1,
            (Fault::Blip { .. }, true) => self.figures.blips += 1,
            (Fault::CollectorClock { .. }, _) => {
                self.figures.clock_jumps += 1;
                // The task looks each second, whatever the clock said when.
                self.ask_judge(SECOND);
            }
            _ => {}
        }
    }

    fn crash(&mut self) {
        self.figures.collector_crashes += 1;
        self.note(Note::Crashed);
        self.collector.up = false;
        self.collector.armed = None;
        self.ledger.collector_ended(self.time);
        for held in std::mem::take(&mut self.collector.held) {
            self.reply(&held.call, Reply { time: None, said: Said::Broken });
        }
    }

    fn restart(&mut self) {
        self.collector.armed = None;
        // Another crash may still be on.
        if self.collector.up || self.is_on(|fault| matches!(fault, Fault::CollectorCrash { .. })) {
            return;
        }
        self.note(Note::Up);
        self.ledger.collector_started(self.time);
        let now = self.collector_now();
        self.collector.start(now);
        self.ask_judge(SECOND / 10);
    }

    fn start(&mut self, probe: usize) {
        let dead = |fault: &Fault| matches!(fault, Fault::ProbeCrash { probe: dead, .. } if *dead == probe);
        if self.probes[probe].is_some() || self.is_on(dead) {
            return;
        }
        // Its machine's clock is as wrong as the crash that ended last says.
        let wrong = self.plan.faults.iter().rev().find_map(|(_, to, fault)| match fault {
            Fault::ProbeCrash { probe: dead, wrong_us } if *dead == probe && *to <= self.time => Some(*wrong_us),
            _ => None,
        });
        let wall = stamp(self.time).shifted(wrong.unwrap_or(0));
        let row = &self.collector.tables.probes[probe];
        let token =
            EnrolmentToken { probe: row.id, collector: COLLECTOR, secret: row.secret.clone(), url: None, pin: None };
        self.lives += 1;
        let boot = BootId(Uuid::from_u128(u128::from(self.lives)));
        self.probes[probe] = Some(Process {
            life: self.lives,
            signer: Signer::new(&token, boot),
            clock: Discipline::new(wall),
            started: self.time,
            stood_still: 0,
            work: None,
            calls: BTreeMap::new(),
            next_call: 0,
            since: 0,
            poll_failures: 0,
            hello_failures: 0,
            wake: 0,
        });
        self.note(Note::Started { probe });
        self.ledger.started(probe, self.time);
        let life = self.lives;
        self.push(self.time, Event::Again(probe, life, Why::Hello));
    }

    /// Lets a probe do what is to be done now.
    fn turn(&mut self, probe: usize) -> Result<(), String> {
        let (time, plan) = (self.time, &self.plan);
        let Some(process) = &mut self.probes[probe] else { return Ok(()) };
        let now = process.now(time);
        let elapsed = process.elapsed(time);
        let offset = Some(stamp(time).micros_since(process.clock.best(elapsed)));
        let Some(work) = &mut process.work else { return Ok(()) };
        let mut ends = Vec::new();
        work.rota.turn(now);
        while work.running.len() < AT_ONCE
            && let Some((due, at)) = work.rota.next(work.running.len(), now)
        {
            let monitor = self.collector.tables.monitor_of(due.assignment.monitor).unwrap();
            let good = is_good(plan, &mut self.rng, probe, monitor, time);
            let takes = if !good && plan.monitors[monitor].slow {
                i64::from(plan.monitors[monitor].timeout_s) * SECOND
            } else {
                self.rng.between(20_000, 150_000)
            };
            let self_check = self_check(plan, probe, time);
            work.next_check += 1;
            ends.push((time + takes, work.next_check));
            let late = now.since(at);
            work.running.insert(work.next_check, Running { due, at, late, began: time, good, self_check });
        }
        let told = work.rota.tell(now);
        let own = self_check(plan, probe, time);
        let about = || Report { version: "0.1.0".to_owned(), clock_offset_us: offset, ipv4: own, ..Report::default() };
        for event in told {
            self.ledger.told(probe, process.life, &event, &self.collector.tables, time);
            count(&mut self.figures, &event);
            if let What::Assigned { monitors, .. } = event.what {
                self.trace.note(time, Note::Assigned { probe, monitors });
            }
            work.packer.take(event, now);
        }
        let (tasks, wake) = work.packer.act(now, &about);
        let next = [work.rota.next_at(), wake].into_iter().flatten().min();
        let wait = next.map_or(AT_LEAST, |at| at.since(now)).min(AT_LEAST).max(Duration::from_millis(1));
        process.wake += 1;
        let (life, wake) = (process.life, process.wake);
        let wants_keys = process.signer.wants_keys(process.clock.best(elapsed));
        for (at, check) in ends {
            self.push(at, Event::CheckEnds(probe, life, check));
        }
        self.push(time + i64::try_from(wait.as_micros()).unwrap(), Event::Wake(probe, life, wake));
        for task in tasks {
            match task {
                Task::AskKeys => self.ask(probe, Why::Back, false)?,
                Task::Send(frozen) => {
                    self.note(Note::Cut { probe, seq: frozen.seq });
                    let (errand, ask) = Errand::start(wants_keys);
                    self.ask(probe, Why::Errand(errand, ask, Box::new(frozen)), false)?;
                }
            }
        }
        Ok(())
    }

    fn end_check(&mut self, probe: usize, life: u32, check: u64) -> Result<(), String> {
        let time = self.time;
        let Some(process) = self.probes[probe].as_mut().filter(|process| process.life == life) else { return Ok(()) };
        let now = process.now(time);
        let Some(work) = &mut process.work else { return Ok(()) };
        let Some(running) = work.running.remove(&check) else { return Ok(()) };
        let Running { due, at, late, began, good, self_check } = running;
        let took = u32::try_from(time - began).unwrap_or(u32::MAX);
        let outcome = outcome(&due.assignment, due.trigger, at, late, found(good, took), self_check);
        let monitor = self.collector.tables.monitor_of(outcome.monitor).unwrap();
        let why = match due.trigger {
            Trigger::Scheduled => 's',
            Trigger::Confirm => 'c',
            _ => 'r',
        };
        self.trace.note(time, Note::Checked { probe, monitor, at: since_start(at), good, why });
        work.rota.finish(&due, outcome, now);
        self.turn(probe)
    }

    /// Sends a request.
    fn ask(&mut self, probe: usize, why: Why, again: bool) -> Result<(), String> {
        let (time, wire) = (self.time, self.plan.wire);
        let Some(process) = &mut self.probes[probe] else { return Ok(()) };
        let life = process.life;
        match process.call(probe, why.clone(), again, time, wire) {
            Err(error) => {
                let outcome = process.unsigned(why, error);
                self.concluded(probe, outcome)
            }
            Ok(call) => {
                let timeout = if matches!(call.ask, Request::Poll { .. }) { POLL_TIMEOUT } else { TIMEOUT };
                self.push(time + timeout, Event::TimesOut(probe, life, call.id));
                if let Some(way) = self.way(probe, true) {
                    if time < self.plan.calm && self.rng.permille(self.plan.net.twice) {
                        self.figures.doubled += 1;
                        let later = self.rng.between(0, 5 * SECOND);
                        self.push(time + way + later, Event::Arrives(Box::new(call.clone())));
                    }
                    self.push(time + way, Event::Arrives(Box::new(call)));
                }
                Ok(())
            }
        }
    }

    /// How long something takes between probe and collector; `None` when it is lost.
    fn way(&mut self, probe: usize, up: bool) -> Option<i64> {
        let cut = |fault: &Fault| match fault {
            Fault::Partition { probe: cut, up: u, down: d } => *cut == probe && if up { *u } else { *d },
            Fault::Uplink { probe: cut } => *cut == probe,
            _ => false,
        };
        let net = self.plan.net;
        let calm = self.time >= self.plan.calm;
        if self.is_on(cut) || (!calm && self.rng.permille(net.lost)) {
            self.figures.lost += 1;
            self.note(Note::Lost { probe, up });
            return None;
        }
        let way = self.rng.between(5_000, 150_000);
        if calm || !self.rng.permille(net.slow) {
            return Some(way);
        }
        self.figures.delayed += 1;
        Some(way + self.rng.between(0, net.slowest))
    }

    fn arrives(&mut self, call: Call) -> Result<(), String> {
        if !self.collector.up {
            self.reply(&call, Reply { time: None, said: Said::Broken });
            return Ok(());
        }
        let foreign = self.plan.faults.iter().find_map(|(from, to, fault)| match fault {
            Fault::Foreign { status } if *from <= self.time && self.time < *to => Some(*status),
            _ => None,
        });
        if let Some(status) = foreign {
            self.reply(&call, Reply { time: None, said: Said::Foreign(status) });
            return Ok(());
        }
        let now = self.collector_now();
        if self.is_on(|fault| *fault == Fault::DatabaseAway) {
            let code = picket_shared::wire::RefusalCode::Unavailable;
            let said = Said::Refused(code, Some(Duration::from_secs(5)));
            self.reply(&call, Reply { time: Some(now), said });
            return Ok(());
        }
        let (handled, done) = self.collector.handle(&call, now);
        match done {
            Done::Stored { seq, through } => {
                self.figures.batches += 1;
                self.note(Note::Stored { probe: call.probe, seq, through: since_start(through) });
                self.ask_judge(SECOND / 20);
            }
            Done::Repeated { seq } => {
                self.figures.repeated += 1;
                self.note(Note::Repeated { probe: call.probe, seq });
            }
            Done::Other => {}
        }
        match handled {
            Handled::Held => self.ask_look(5 * SECOND),
            Handled::Ended => {
                self.crash();
                self.reply(&call, Reply { time: None, said: Said::Broken });
            }
            Handled::Answer(said) => {
                if let Said::Refused(code, _) = said {
                    self.figures.refusals += 1;
                    self.note(Note::Refused { probe: call.probe, code: code.as_str() });
                }
                if matches!(&said, Said::Keys(_)) {
                    self.figures.keys_granted += 1;
                }
                if matches!(call.ask, Request::Hello) {
                    self.note(Note::Hello { probe: call.probe });
                }
                let receipt = matches!(said, Said::Receipt(_));
                self.reply(&call, Reply { time: Some(now), said });
                if receipt && self.collector.armed == Some(Step::BeforeJudge) {
                    self.crash();
                }
            }
        }
        Ok(())
    }

    fn reply(&mut self, call: &Call, reply: Reply) {
        if let Some(way) = self.way(call.probe, false) {
            self.push(self.time + way, Event::Answers(call.probe, call.life, call.id, Box::new(reply)));
        }
    }

    fn answered(&mut self, probe: usize, life: u32, id: u64, reply: Option<Reply>) -> Result<(), String> {
        let time = self.time;
        let Some(process) = self.process(probe, life) else { return Ok(()) };
        match process.answered(id, reply, time) {
            Some(outcome) => self.concluded(probe, outcome),
            None => Ok(()),
        }
    }

    fn concluded(&mut self, probe: usize, concluded: Outcome) -> Result<(), String> {
        let (time, random) = (self.time, self.rng.share());
        let Some(process) = &mut self.probes[probe] else { return Ok(()) };
        let life = process.life;
        let now = process.now(time);
        match concluded {
            Outcome::Ask(why, again) => self.ask(probe, why, again),
            Outcome::Heard => {
                let began = process.clock.best(Duration::ZERO);
                let packer = Packer::new(self.shelf.clone(), self.plan.buffer, began, now);
                let rota = Rota::new(began);
                process.work = Some(Work { rota, packer, running: BTreeMap::new(), next_check: 0 });
                self.ask(probe, Why::Poll, false)?;
                self.turn(probe)
            }
            Outcome::Failed(why, after) => {
                let failures =
                    if matches!(why, Why::Poll) { &mut process.poll_failures } else { &mut process.hello_failures };
                *failures += 1;
                let delay = RetryPolicy::PROBE.delay(*failures, after, random);
                self.push(time + i64::try_from(delay.as_micros()).unwrap(), Event::Again(probe, life, why));
                Ok(())
            }
            Outcome::Assigned(news) => {
                process.poll_failures = 0;
                if let (Some(news), Some(work)) = (news, &mut process.work) {
                    process.since = news.version;
                    let is_news = news.full || !news.rechecks.is_empty();
                    if is_news {
                        work.rota.change(*news, now);
                    }
                    let calm = if is_news { 0 } else { SECOND };
                    self.push(time + calm, Event::Again(probe, life, Why::Poll));
                }
                self.turn(probe)
            }
            Outcome::Back(reached, after) => {
                if let Some(work) = &mut process.work {
                    work.packer.asked(reached, after, now, random);
                }
                self.turn(probe)
            }
            Outcome::Landed(frozen, verdict) => {
                let about = || Report { version: "0.1.0".to_owned(), ..Report::default() };
                let Some(work) = &mut process.work else { return Ok(()) };
                match work.packer.land(&frozen, verdict, (now, random), &about) {
                    Err(_) => self.stop(probe),
                    Ok(Settled::Delivered(receipt, _)) => {
                        self.figures.rejected += receipt.rejected.len() as u64;
                        self.note(Note::Receipt { probe, seq: frozen.seq });
                        self.ledger.delivered(probe, &frozen, &receipt, &self.shelf, &self.collector.tables)?;
                        self.turn(probe)
                    }
                    Ok(Settled::GivenUp(frozen, _)) => {
                        self.figures.given_up += 1;
                        self.note(Note::GivenUp { probe, seq: frozen.seq });
                        self.turn(probe)
                    }
                    Ok(Settled::Kept(_) | Settled::Halved) => self.turn(probe),
                }
            }
            Outcome::Stop => self.stop(probe),
        }
    }

    /// The collector ended the probe.
    fn stop(&mut self, probe: usize) -> Result<(), String> {
        self.note(Note::Stopped { probe });
        self.probes[probe] = None;
        self.ledger.ended(probe, self.time);
        if self.collector.tables.probes[probe].revoked_at.is_none() {
            return Err(format!("probe {probe} was stopped by the collector and not revoked"));
        }
        Ok(())
    }

    fn look(&mut self) {
        let now = self.collector_now();
        if !self.collector.up {
            return;
        }
        for (call, said) in self.collector.look_again(now) {
            self.reply(&call, Reply { time: Some(now), said });
        }
        if !self.collector.held.is_empty() {
            self.ask_look(5 * SECOND);
        }
    }

    /// Has everybody who waits for news looked at, after so long at most.
    fn ask_look(&mut self, after: i64) {
        let at = self.time + after;
        if self.look_at.is_none_or(|known| at < known) {
            self.look_at = Some(at);
            self.push(at, Event::Look);
        }
    }

    /// Has the judge look within so long.
    fn ask_judge(&mut self, within: i64) {
        let at = self.time + self.rng.between(1_000, within.max(2_000));
        if self.judge_at.is_none_or(|known| at < known) {
            self.judge_at = Some(at);
            self.push(at, Event::Judge);
        }
    }

    fn judge(&mut self) -> Result<(), String> {
        if !self.collector.up || self.is_on(|fault| *fault == Fault::DatabaseAway) {
            if self.collector.up {
                self.ask_judge(SECOND);
            }
            return Ok(());
        }
        let now = self.collector_now();
        let Some(judged) = self.collector.judge(now) else {
            self.crash();
            return Ok(());
        };
        for judged in judged {
            self.figures.judged += 1;
            self.ledger.judged(&judged, &self.collector.tables, &mut self.trace, &mut self.figures, self.time)?;
            if !judged.decision.rechecks.is_empty() {
                self.ask_look(10_000);
            }
        }
        let due = self.collector.tables.monitors.iter().filter_map(|monitor| monitor.due_at).min();
        if let Some(due) = due {
            // The task runs each second, so a timer is up to so late.
            let wait = due.micros_since(now).max(0) + self.rng.between(1_000, SECOND);
            let at = self.time + wait;
            if self.judge_at.is_none_or(|known| at < known) {
                self.judge_at = Some(at);
                self.push(at, Event::Judge);
            }
        }
        Ok(())
    }

    fn gaps(&mut self) {
        self.push(self.time + 5 * SECOND, Event::Gaps);
        if self.collector.up && !self.is_on(|fault| *fault == Fault::DatabaseAway) {
            let now = self.collector_now();
            for probe in self.collector.find_silent(now) {
                self.note(Note::Silent { probe });
            }
        }
    }
}

fn count(figures: &mut Figures, event: &Told) {
    figures.outcomes += u64::from(matches!(event.what, What::Outcome(..)));
}

/// Whether a check that begins now finds the target good.
fn is_good(plan: &Plan, rng: &mut Rng, probe: usize, monitor: usize, time: i64) -> bool {
    let fails = |fault: &Fault| match fault {
        Fault::Uplink { probe: cut } => *cut == probe,
        Fault::Blip { probe: blind, monitor: of, .. } => *blind == probe && of.is_none_or(|of| of == monitor),
        _ => false,
    };
    let lost = plan.faults.iter().find_map(|(from, to, fault)| match fault {
        Fault::Losses { permille } if *from <= time && time < *to => Some(*permille),
        _ => None,
    });
    !plan.is_down(monitor, time) && !plan.is_on(time, fails) && !lost.is_some_and(|permille| rng.permille(permille))
}

/// What a probe thinks of its own network.
fn self_check(plan: &Plan, probe: usize, time: i64) -> SelfCheck {
    let bad = |fault: &Fault| match fault {
        Fault::Blip { probe: blind, known, .. } => *blind == probe && *known,
        Fault::Uplink { probe: cut } => *cut == probe,
        _ => false,
    };
    match plan.references {
        false => SelfCheck::Unverified,
        true if plan.is_on(time, bad) => SelfCheck::Bad,
        true => SelfCheck::Good,
    }
}
