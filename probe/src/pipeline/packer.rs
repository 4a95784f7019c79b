//! What to do with what the runner tells: pack, cut, send, try again, give up. The keeper's decisions; pure, so that the
//! [`Keeper`](super::keeper::Keeper) and the simulation drive the same ones.

use std::time::Duration;

use picket_shared::batch::{Batch, GapReason, MAX_OUTCOMES, Missed, Receipt, Report};
use picket_shared::outcome::{Evidence, Outcome, Trigger};
use picket_shared::time::Timestamp;

use crate::batch::{self, Cutter, MAX_MISSED, Press};
use crate::buffer::{self, Buffer, End, Waiting};
use crate::link::{Frozen, Stop};
use crate::runner::{Event, What};
use crate::seen::Seen;
use crate::ship::{Courier, Step, Verdict};

/// Everything that is not delivered yet.
#[derive(Debug)]
pub struct Packer<P> {
    press: P,
    buffer: Buffer,
    seen: Seen,
    cutter: Cutter,
    courier: Courier,
    from: Timestamp,
    through: Timestamp,
    seq: u64,
    version: u64,
    monitors: usize,
    closing: bool,
    steps: i64,
    set_back_us: i64,
}

/// To be done now, beside each other.
#[derive(Debug)]
pub enum Task {
    /// Send this batch, and say by [`Packer::land`] what became of it.
    Send(Frozen),
    /// Ask for keys, and say by [`Packer::asked`] whether there was an answer.
    AskKeys,
    /// Say what became of a batch that was not on its way.
    Say(Settled),
}

/// What became of a batch, for the log.
#[derive(Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is stored; whether sends had failed before.
    Delivered(Receipt, bool),
    /// It will be tried again; why, where it is the first time.
    Kept(Option<String>),
    /// It will never be taken: its slots are reported as missed. Which batch, and why.
    GivenUp(Frozen, String),
    /// It is sent in halves.
    Halved,
}

impl<P: Press> Packer<P> {
    /// With nothing to deliver, and room for `limit` bytes; slots are accounted for from `began` on. With the time
    /// comes the sum of all steps that it has made, as for [`Packer::keep_time`].
    pub fn new(press: P, limit: usize, began: Timestamp, (now, steps): (Timestamp, i64)) -> Self {
        Self {
            press,
            buffer: Buffer::new(limit),
            seen: Seen::default(),
            cutter: Cutter::new(now),
            courier: Courier::new(),
            from: began,
            through: began,
            seq: 0,
            version: 0,
            monitors: 0,
            closing: false,
            steps,
            set_back_us: 0,
        }
    }

    /// Nothing more comes from the runner: what is there goes at once.
    pub fn close(&mut self) {
        self.closing = true;
    }

    /// Whether it was closed.
    pub fn is_closing(&self) -> bool {
        self.closing
    }

    /// Whether everything is delivered.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.courier.is_empty()
    }

    /// How many outcomes wait, besides those in batches on the way.
    pub fn waiting(&self) -> usize {
        self.buffer.len()
    }

    /// Takes in the time, and the sum of all steps that it has made in microseconds, when the collector's clock was set; to be
    /// called whenever the time is read. When it was set back, takes all times that are kept here back with it, as the collector
    /// does with those that it has, and says by how many microseconds.
    pub fn keep_time(&mut self, now: Timestamp, steps: i64) -> Option<i64> {
        let back = self.steps - steps;
        self.steps = steps;
        if back <= 0 {
            return None;
        }
        self.set_back_us = back;
        self.buffer.set_back(now, back);
        self.courier.set_back(now);
        self.cutter = Cutter::new(now);
        (self.from, self.through) = (self.from.min(now), self.through.min(now));
        Some(back)
    }

    /// Takes in what the runner tells.
    pub fn take(&mut self, event: Event, now: Timestamp) {
        match event.what {
            What::Outcome(mut outcome, interval) => {
                // A check that ended in another time than it began in.
                buffer::set_back(&mut outcome, now, self.set_back_us);
                let urgent = self.seen.note(&mut outcome);
                self.buffer.push(*outcome, interval);
                self.cutter.note(urgent, now);
            }
            What::Missed(mut missed, interval) => {
                buffer::set_missed_back(&mut missed, now, self.set_back_us);
                self.buffer.miss(missed, interval);
                self.cutter.note(false, now);
            }
            What::Assigned { version, monitors } => (self.version, self.monitors) = (version, monitors),
            What::Idle => {}
        }
        self.through = self.through.max(event.through.min(now));
        for monitor in self.buffer.take_lost() {
            self.seen.forget(monitor);
        }
    }

    /// What to start at `now`, and when to look again. `about` says how the probe is, as far as others know it.
    pub fn act(&mut self, now: Timestamp, about: &dyn Fn() -> Report) -> (Vec<Task>, Option<Timestamp>) {
        let mut tasks = Vec::new();
        loop {
            match self.courier.next(now) {
                Step::Send(frozen) => tasks.push(Task::Send(frozen)),
                Step::CutAnew(frozen) => tasks.extend(self.cut_anew(frozen, now).map(Task::Say)),
                Step::AskKeys => tasks.push(Task::AskKeys),
                Step::CutNewest => {
                    if let Some(frozen) = self.cut(End::Newest, now, about) {
                        self.courier.add_first(frozen);
                    }
                }
                Step::Ready if self.closing && self.buffer.is_empty() => return (tasks, None),
                Step::Ready if self.closing || self.cutter.due_at() <= now => {
                    let behind = self.buffer.len() > MAX_OUTCOMES && self.cutter.is_urgent();
                    if let Some(frozen) = self.cut(if behind { End::Newest } else { End::Oldest }, now, about) {
                        self.courier.add(frozen);
                    }
                }
                Step::Ready => return (tasks, Some(self.cutter.due_at())),
                Step::Wait(time) => return (tasks, time),
            }
        }
    }

    /// Asking for keys has shown that the collector is back, or not; `after` is how long it asked to wait.
    pub fn asked(&mut self, reached: bool, after: Option<Duration>, now: Timestamp, random: f64) {
        self.courier.asked(reached, after, now, random);
    }

    /// A batch has landed, for good or not.
    ///
    /// # Errors
    /// When the collector ends the probe.
    pub fn land(
        &mut self,
        frozen: &Frozen,
        verdict: Verdict,
        (now, random): (Timestamp, f64),
        about: &dyn Fn() -> Report,
    ) -> Result<Settled, Stop> {
        let verdict = self.sober(frozen, verdict);
        let failures = self.courier.failures();
        let done = self.courier.landed(frozen, &verdict, now, random);
        Ok(match (verdict, done) {
            (Verdict::Stop(stop), _) => return Err(stop),
            (Verdict::Delivered(receipt), _) => Settled::Delivered(receipt, failures > 0),
            (Verdict::Retry { why, .. }, None) => Settled::Kept((failures == 0).then_some(why)),
            (Verdict::Retry { .. }, Some(frozen)) => {
                self.give_up(frozen, GapReason::TooOld, "it is older than 72 hours".to_owned(), now)
            }
            (Verdict::Refused { reason, why }, Some(frozen)) => self.give_up(frozen, reason, why, now),
            (Verdict::TooLarge { .. }, Some(frozen)) => self.halve(frozen, now, about),
            (Verdict::Refused { .. } | Verdict::TooLarge { .. }, None) => Settled::Kept(None),
        })
    }

    /// What is in between may find everything too large for a while; a batch that cannot be halved is not given up for that.
    fn sober(&self, frozen: &Frozen, verdict: Verdict) -> Verdict {
        match verdict {
            Verdict::TooLarge { why, by_collector: false } if self.halves(frozen).is_none() => {
                Verdict::Retry { after: None, why }
            }
            verdict => verdict,
        }
    }

    /// A batch that can be halved.
    fn halves(&self, frozen: &Frozen) -> Option<Batch> {
        self.press.open(&frozen.body).filter(|batch| batch.outcomes.len() > 1)
    }

    /// Cuts a batch from one end of the buffer; `None` if its only outcome was too large for any batch.
    fn cut(&mut self, end: End, now: Timestamp, about: &dyn Fn() -> Report) -> Option<Frozen> {
        let mut taken = self.buffer.take(end, MAX_OUTCOMES);
        let missed = self.buffer.take_missed(MAX_MISSED);
        let frozen = loop {
            let outcomes = taken.iter().map(|waiting| waiting.outcome.clone()).collect();
            if let Some(frozen) = self.freeze(outcomes, missed.clone(), now, about) {
                break Some(frozen);
            }
            match taken.len() {
                0 => break None,
                1 if !shrink(&mut taken) => {
                    taken.drain(..).for_each(|w| self.buffer.lose(&w.outcome, w.interval, GapReason::Other));
                }
                1 => {}
                all => {
                    let half = match end {
                        End::Oldest => taken.split_off(all / 2),
                        End::Newest => taken.drain(..all / 2).collect(),
                    };
                    self.buffer.put_back(end, half);
                }
            }
        };
        self.cutter.cut(now, !self.buffer.is_empty());
        frozen
    }

    fn freeze(
        &mut self,
        outcomes: Vec<Outcome>,
        missed: Vec<Missed>,
        now: Timestamp,
        about: &dyn Fn() -> Report,
    ) -> Option<Frozen> {
        let report = self.report(about(), &outcomes);
        // A slot that waits here or in a batch that is not delivered yet is not done, whatever the runner said.
        let open = self.buffer.earliest_slot().into_iter().chain(self.courier.earliest_slot()).min();
        let through = open.map_or(self.through, |slot| self.through.min(slot.shifted(-1)));
        let batch = Batch { from: Some(self.from), through, outcomes, missed, report };
        let frozen = batch::freeze(&self.press, &batch, self.seq + 1, now).ok()?;
        self.seq += 1;
        Some(frozen)
    }

    /// Cuts a batch of a time that is still to come anew, under its number: under its id it would be refused until then.
    /// What became of it, where that cannot be.
    fn cut_anew(&mut self, frozen: Frozen, now: Timestamp) -> Option<Settled> {
        let mut batch = self.press.open(&frozen.body)?;
        let back = self.set_back_us;
        batch.outcomes.iter_mut().for_each(|outcome| buffer::set_back(outcome, now, back));
        batch.missed.iter_mut().for_each(|missed| buffer::set_missed_back(missed, now, back));
        if batch.through > now {
            batch.through = batch.through.shifted(-back);
        }
        batch.from = Some(self.from);
        match batch::freeze(&self.press, &batch, frozen.seq, now) {
            Ok(anew) => {
                self.courier.add_first(anew);
                None
            }
            Err(_) => Some(self.give_up(frozen, GapReason::Other, "it cannot be cut anew".to_owned(), now)),
        }
    }

    fn report(&self, about: Report, outcomes: &[Outcome]) -> Report {
        Report {
            assignments: self.version,
            monitors: u32::try_from(self.monitors).unwrap_or(u32::MAX),
            buffered_bytes: u64::try_from(self.buffer.bytes() + self.courier.bytes()).unwrap_or(u64::MAX),
            dropped: self.buffer.dropped().clone(),
            late_p99_us: late_p99(outcomes),
            ..about
        }
    }

    /// Turns a batch that will never be taken into missed slots.
    fn give_up(&mut self, frozen: Frozen, reason: GapReason, why: String, now: Timestamp) -> Settled {
        let Some(batch) = self.press.open(&frozen.body) else { return Settled::GivenUp(frozen, why) };
        // Missed slots are told once more beside those of the outcomes; a batch of nothing else is not repeated.
        if !batch.outcomes.is_empty() {
            batch.missed.into_iter().for_each(|missed| self.buffer.miss(missed, Duration::ZERO));
        }
        for outcome in &batch.outcomes {
            self.buffer.lose(outcome, Duration::ZERO, reason);
        }
        self.cutter.note(false, now);
        Settled::GivenUp(frozen, why)
    }

    /// Sends a batch that was too large for the collector as two.
    fn halve(&mut self, frozen: Frozen, now: Timestamp, about: &dyn Fn() -> Report) -> Settled {
        let Some(batch) = self.halves(&frozen) else {
            let why = "the collector finds it too large, and it cannot be halved".to_owned();
            return self.give_up(frozen, GapReason::Other, why, now);
        };
        let mut first = batch.outcomes;
        let second = first.split_off(first.len() / 2);
        // Neither half may say that the other is delivered: the first is frozen while the second waits in the buffer.
        let second = second.into_iter().map(|outcome| Waiting::new(outcome, Duration::ZERO)).collect();
        self.buffer.put_back(End::Oldest, second);
        if let Some(frozen) = self.freeze(first, batch.missed, now, about) {
            self.courier.add(frozen);
        }
        self.cutter.cut(now, true);
        Settled::Halved
    }
}

/// Takes from the only outcome of a batch what can be done without; `false` if there was nothing.
fn shrink(taken: &mut [Waiting]) -> bool {
    let mut shrunk = false;
    for waiting in taken {
        let outcome = &mut waiting.outcome;
        shrunk |= !outcome.hops.is_empty() || outcome.answers.is_some() || outcome.certificate.is_some();
        outcome.hops.clear();
        outcome.answers = None;
        outcome.certificate = None;
        if let Some(failure) = outcome.failure.as_mut().filter(|failure| !failure.evidence.is_empty()) {
            failure.evidence = Evidence::default();
            shrunk = true;
        }
    }
    shrunk
}

/// The 99th percentile of the lateness of scheduled checks, in microseconds.
fn late_p99(outcomes: &[Outcome]) -> u32 {
    let scheduled = outcomes.iter().filter(|outcome| outcome.trigger == Trigger::Scheduled);
    let mut late: Vec<u32> = scheduled.map(|outcome| outcome.late_us).collect();
    late.sort_unstable();
    late.get(late.len().saturating_sub(1) * 99 / 100).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Zstd;
    use picket_shared::ids::MonitorId;
    use picket_shared::outcome::{Phases, SelfCheck, Status};
    use uuid::Uuid;

    const START: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn outcome(n: u128) -> Outcome {
        Outcome {
            monitor: MonitorId(Uuid::from_u128(n)),
            version: 1,
            trigger: Trigger::Scheduled,
            at: START,
            late_us: 0,
            status: Status::Up,
            total_us: 1,
            phases: Phases::default(),
            address: None,
            code: None,
            failure: None,
            self_check: SelfCheck::Good,
            hops: Vec::new(),
            certificate: None,
            answers: None,
            fold: None,
        }
    }

    #[test]
    fn a_proxy_that_finds_everything_too_large_loses_nothing() {
        let about = Report::default;
        for (outcomes, by_collector, expected) in [(2, false, "Halved"), (1, false, "Kept"), (1, true, "GivenUp")] {
            let mut packer = Packer::new(Zstd, 1 << 20, START, (START, 0));
            for n in 0..outcomes {
                let what = What::Outcome(Box::new(outcome(n)), Duration::from_secs(60));
                packer.take(Event { what, through: START }, START);
            }
            let (tasks, _) = packer.act(START, &about);
            let [Task::Send(frozen)] = &tasks[..] else { panic!("{tasks:?}") };
            let verdict = Verdict::TooLarge { why: "413".to_owned(), by_collector };
            let settled = packer.land(frozen, verdict, (START, 0.5), &about).unwrap();
            assert!(format!("{settled:?}").starts_with(expected), "{settled:?}");
            assert_eq!(packer.buffer.dropped().len(), usize::from(expected == "GivenUp"));
        }
    }
}
