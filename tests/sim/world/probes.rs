//! What the probes do, and what they meet.

use std::collections::BTreeMap;
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
use uuid::Uuid;

use super::super::collector::COLLECTOR;
use super::super::plan::{Fault, Plan, SECOND};
use super::super::probe::{Outcome, Process, Running, Why, Work, found};
use super::super::rng::Rng;
use super::super::trace::{Figures, Note};
use super::super::wire::{Reply, Request};
use super::{Event, World, since_start, stamp};

/// After it a request without an answer is given up; a poll may take as much longer as it may be held.
const TIMEOUT: i64 = 20 * SECOND;
const POLL_TIMEOUT: i64 = 40 * SECOND;
/// Checks that may run at once.
const AT_ONCE: usize = 16;

impl World {
    pub(super) fn start(&mut self, probe: usize) {
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
            stood_until: 0,
            steps: 0,
            stepped_over: Vec::new(),
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
        self.push(self.time, Event::Again(probe, life, Why::Time));
    }

    /// Lets a probe do what is to be done now.
    pub(super) fn turn(&mut self, probe: usize) -> Result<(), String> {
        let (time, theirs, plan) = (self.time, self.collector_now(), &self.plan);
        let Some(process) = &mut self.probes[probe] else { return Ok(()) };
        let (now, steps) = process.time(time);
        self.ledger.stepped_over(probe, &mut process.stepped_over);
        let elapsed = process.elapsed(time);
        let offset = Some(stamp(time).micros_since(process.clock.best(elapsed)));
        let Some(work) = &mut process.work else { return Ok(()) };
        let mut ends = Vec::new();
        work.rota.turn((now, steps));
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
        let told = if work.rota.is_time_to_tell(now) { work.rota.tell(now) } else { Vec::new() };
        let own = self_check(plan, probe, time);
        let about = || Report { version: "0.1.0".to_owned(), clock_offset_us: offset, ipv4: own, ..Report::default() };
        for event in told {
            self.ledger.told((probe, process.life), &event, &self.collector.tables, (time, theirs));
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
                Task::Say(_) => self.figures.given_up += 1,
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

    pub(super) fn end_check(&mut self, probe: usize, life: u32, check: u64) -> Result<(), String> {
        let time = self.time;
        let Some(process) = self.probes[probe].as_mut().filter(|process| process.life == life) else { return Ok(()) };
        let (now, _) = process.time(time);
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
        work.rota.finish(&due, Box::new(outcome), now);
        self.turn(probe)
    }

    /// Sends a request.
    pub(super) fn ask(&mut self, probe: usize, why: Why, again: bool) -> Result<(), String> {
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
    pub(super) fn way(&mut self, probe: usize, up: bool) -> Option<i64> {
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

    pub(super) fn answered(&mut self, probe: usize, life: u32, id: u64, reply: Option<Reply>) -> Result<(), String> {
        let time = self.time;
        let Some(process) = self.process(probe, life) else { return Ok(()) };
        match process.answered(id, reply, time) {
            Some(outcome) => self.concluded(probe, outcome),
            None => Ok(()),
        }
    }

    pub(super) fn concluded(&mut self, probe: usize, concluded: Outcome) -> Result<(), String> {
        let (time, random) = (self.time, self.rng.share());
        let Some(process) = &mut self.probes[probe] else { return Ok(()) };
        let life = process.life;
        let (now, steps) = process.time(time);
        match concluded {
            Outcome::Ask(why, again) => self.ask(probe, why, again),
            Outcome::Heard => {
                let began = process.clock.began();
                let packer = Packer::new(self.shelf.clone(), self.plan.buffer, began, (now, steps));
                let rota = Rota::new(began, steps);
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
    pub(super) fn stop(&mut self, probe: usize) -> Result<(), String> {
        self.note(Note::Stopped { probe });
        self.probes[probe] = None;
        self.ledger.ended(probe, self.time);
        if self.collector.tables.probes[probe].revoked_at.is_none() {
            return Err(format!("probe {probe} was stopped by the collector and not revoked"));
        }
        Ok(())
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
