//! The last leg: events of the runner -> seen -> buffer -> batch -> ship. Owns what is not delivered yet.

use std::sync::Arc;
use std::time::Duration;

use picket_shared::batch::{Batch, Confinement, GapReason, MAX_OUTCOMES, Missed, Report};
use picket_shared::check::Kind;
use picket_shared::outcome::{Evidence, Outcome, Trigger};
use picket_shared::time::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::batch::{self, Cutter, MAX_MISSED};
use crate::buffer::{self, Buffer, End, Waiting};
use crate::link::{Frozen, Link, LinkError, Stop};
use crate::runner::{Event, What};
use crate::seen::Seen;
use crate::selfcheck::SelfChecker;
use crate::ship::{self, Courier, Step, Verdict};

/// How long a stopping probe tries to deliver what it has.
const LAST_CHANCE: Duration = Duration::from_secs(10);

/// At most this many events are taken at once.
const BURST: usize = 256;

/// Everything between an outcome and its receipt.
pub(super) struct Keeper {
    link: Arc<Link>,
    self_checker: Arc<SelfChecker>,
    confinement: Confinement,
    buffer: Buffer,
    seen: Seen,
    cutter: Cutter,
    courier: Courier,
    sending: JoinSet<Landed>,
    through: Timestamp,
    seq: u64,
    version: u64,
    monitors: usize,
    closing: bool,
    steps: i64,
    set_back_us: i64,
}

enum Landed {
    Batch(Frozen, Verdict),
    Keys(Result<(), LinkError>),
}

impl Keeper {
    /// With nothing to deliver, and room for `limit` bytes.
    pub(super) fn new(link: Arc<Link>, self_checker: Arc<SelfChecker>, confinement: Confinement, limit: usize) -> Self {
        let (now, steps) = link.clock().time();
        Self {
            link,
            self_checker,
            confinement,
            buffer: Buffer::new(limit),
            seen: Seen::default(),
            cutter: Cutter::new(now),
            courier: Courier::new(),
            sending: JoinSet::new(),
            through: now,
            seq: 0,
            version: 0,
            monitors: 0,
            closing: false,
            steps,
            set_back_us: 0,
        }
    }

    /// Delivers until the runner has ended and everything is delivered (or ten seconds more have passed).
    ///
    /// # Errors
    /// When the collector ends the probe.
    pub(super) async fn run(
        mut self,
        mut events: mpsc::Receiver<Event>,
        drop_all: CancellationToken,
    ) -> Result<(), Stop> {
        let mut last_chance = None;
        let mut burst = Vec::with_capacity(BURST);
        loop {
            let now = self.now();
            let wake = self.act(now);
            if self.closing && self.buffer.is_empty() && self.courier.is_empty() {
                return Ok(());
            }
            let pause = wake.map_or(batch::AT_LEAST, |time| time.since(now)).min(batch::AT_LEAST);
            let until = last_chance.unwrap_or_else(|| tokio::time::Instant::now() + Duration::from_secs(3600));
            tokio::select! {
                () = drop_all.cancelled() => return self.give_up_all("a second signal came"),
                () = tokio::time::sleep_until(until) => return self.give_up_all("the collector did not take it in time"),
                // By the hundred, so that timers and sends are seen to once a burst.
                taken = events.recv_many(&mut burst, BURST), if !self.closing => {
                    if taken == 0 {
                        self.closing = true;
                        last_chance = Some(tokio::time::Instant::now() + LAST_CHANCE);
                    }
                    burst.drain(..).for_each(|event| self.take(event));
                }
                Some(landed) = self.sending.join_next(), if !self.sending.is_empty() => {
                    match landed {
                        Ok(landed) => self.land(landed)?,
                        // A defect must not leave a batch in flight for ever: it ends the probe, which starts anew.
                        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                        Err(_) => {}
                    }
                }
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn give_up_all(&self, why: &str) -> Result<(), Stop> {
        let outcomes = self.buffer.len();
        tracing::warn!(outcomes, "Stopped with {outcomes} outcomes undelivered, besides batches on the way: {why}");
        Ok(())
    }

    /// The collector's time. When its clock was set back, first takes all times that are kept here back with it: the collector
    /// does the same with those that it has.
    fn now(&mut self) -> Timestamp {
        let (now, steps) = self.link.clock().time();
        let back = self.steps - steps;
        self.steps = steps;
        if back > 0 {
            tracing::warn!(
                "The collector's clock was set back by {} s; what waits here is taken back with it",
                back / 1_000_000
            );
            self.set_back_us = back;
            self.buffer.set_back(now, back);
            self.courier.set_back(now);
            self.cutter = Cutter::new(now);
            self.through = self.through.min(now);
        }
        now
    }

    fn take(&mut self, event: Event) {
        let now = self.now();
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
            What::Assigned { version, monitors } => {
                (self.version, self.monitors) = (version, monitors);
                tracing::info!(
                    assignments.version = version,
                    monitors,
                    "Runs {monitors} monitors (assignments version {version})"
                );
            }
            What::Idle => {}
        }
        self.through = self.through.max(event.through.min(now));
        for monitor in self.buffer.take_lost() {
            self.seen.forget(monitor);
        }
    }

    /// Starts what can be started, and says when to look again.
    fn act(&mut self, now: Timestamp) -> Option<Timestamp> {
        loop {
            match self.courier.next(now) {
                Step::Send(frozen) => {
                    let link = Arc::clone(&self.link);
                    self.sending.spawn(async move {
                        let verdict = Box::pin(ship::post(&link, &frozen)).await;
                        Landed::Batch(frozen, verdict)
                    });
                }
                Step::CutAnew(frozen) => self.cut_anew(&frozen, now),
                Step::AskKeys => {
                    let link = Arc::clone(&self.link);
                    self.sending.spawn(async move { Landed::Keys(ship::ask_keys(&link).await) });
                }
                Step::CutNewest => {
                    if let Some(frozen) = self.cut(End::Newest, now) {
                        self.courier.add_first(frozen);
                    }
                }
                Step::Ready if self.closing && self.buffer.is_empty() => return None,
                Step::Ready if self.closing || self.cutter.due_at() <= now => {
                    let behind = self.buffer.len() > MAX_OUTCOMES && self.cutter.is_urgent();
                    if let Some(frozen) = self.cut(if behind { End::Newest } else { End::Oldest }, now) {
                        self.courier.add(frozen);
                    }
                }
                Step::Ready => return Some(self.cutter.due_at()),
                Step::Wait(time) => return time,
            }
        }
    }

    /// Cuts a batch from one end of the buffer; `None` if its only outcome was too large for any batch.
    fn cut(&mut self, end: End, now: Timestamp) -> Option<Frozen> {
        let mut taken = self.buffer.take(end, MAX_OUTCOMES);
        let missed = self.buffer.take_missed(MAX_MISSED);
        let frozen = loop {
            let outcomes = taken.iter().map(|waiting| waiting.outcome.clone()).collect();
            if let Some(frozen) = self.freeze(outcomes, missed.clone(), now) {
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

    fn freeze(&mut self, outcomes: Vec<Outcome>, missed: Vec<Missed>, now: Timestamp) -> Option<Frozen> {
        let report = self.report(&outcomes);
        // A slot that waits here or in a batch that is not delivered yet is not done, whatever the runner said.
        let open = self.buffer.earliest_slot().into_iter().chain(self.courier.earliest_slot()).min();
        let through = open.map_or(self.through, |slot| self.through.min(slot.shifted(-1)));
        let frozen = batch::freeze(&Batch { through, outcomes, missed, report }, self.seq + 1, now).ok()?;
        self.seq += 1;
        Some(frozen)
    }

    /// Cuts a batch of a time that is still to come anew, under its number: under its id it would be refused until then.
    fn cut_anew(&mut self, frozen: &Frozen, now: Timestamp) {
        let Some(mut batch) = batch::thaw(frozen) else { return };
        let back = self.set_back_us;
        batch.outcomes.iter_mut().for_each(|outcome| buffer::set_back(outcome, now, back));
        batch.missed.iter_mut().for_each(|missed| buffer::set_missed_back(missed, now, back));
        if batch.through > now {
            batch.through = batch.through.shifted(-back);
        }
        match batch::freeze(&batch, frozen.seq, now) {
            Ok(anew) => self.courier.add_first(anew),
            Err(_) => self.give_up(frozen, GapReason::Other, "it cannot be cut anew"),
        }
    }

    fn report(&self, outcomes: &[Outcome]) -> Report {
        let health = self.self_checker.last();
        Report {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            kinds: Kind::ALL.to_vec(),
            assignments: self.version,
            monitors: u32::try_from(self.monitors).unwrap_or(u32::MAX),
            clock_offset_us: self.link.clock().offset_us(),
            ipv4: health.ipv4,
            ipv6: health.ipv6,
            dns: health.dns,
            confinement: self.confinement.clone(),
            buffered_bytes: u64::try_from(self.buffer.bytes() + self.courier.bytes()).unwrap_or(u64::MAX),
            dropped: self.buffer.dropped().clone(),
            late_p99_us: late_p99(outcomes),
        }
    }

    fn land(&mut self, landed: Landed) -> Result<(), Stop> {
        let now = self.now();
        match landed {
            Landed::Keys(Err(LinkError::Stop(stop))) => return Err(stop),
            Landed::Keys(answer) => {
                let after = answer.as_ref().err().and_then(LinkError::retry_after);
                self.courier.asked(answer.is_ok(), after, now, fastrand::f64());
            }
            Landed::Batch(frozen, verdict) => {
                let failures = self.courier.failures();
                let done = self.courier.landed(&frozen, &verdict, now, fastrand::f64());
                return self.settle(done, verdict, failures, now);
            }
        }
        Ok(())
    }

    fn settle(&mut self, done: Option<Frozen>, verdict: Verdict, failures: u32, now: Timestamp) -> Result<(), Stop> {
        match (verdict, done) {
            (Verdict::Stop(stop), _) => return Err(stop),
            (Verdict::Delivered(receipt), _) => {
                if failures > 0 {
                    tracing::info!("The collector takes batches again");
                }
                let rejected = receipt.rejected.len();
                if let Some(first) = receipt.rejected.first() {
                    tracing::warn!(batch.id = %receipt.batch, rejected, "The collector rejected {rejected} outcomes of batch {}, the first as {:?}", receipt.batch, first.reason);
                }
            }
            (Verdict::Retry { why, .. }, None) => {
                if failures == 0 {
                    tracing::warn!("A batch could not be delivered and is kept to be tried again: {why}");
                }
            }
            (Verdict::Retry { .. }, Some(frozen)) => {
                self.give_up(&frozen, GapReason::TooOld, "it is older than 72 hours")
            }
            (Verdict::Refused { reason, why }, Some(frozen)) => self.give_up(&frozen, reason, &why),
            (Verdict::TooLarge, Some(frozen)) => self.halve(&frozen, now),
            (Verdict::Refused { .. } | Verdict::TooLarge, None) => {}
        }
        Ok(())
    }

    /// Turns a batch that will never be taken into missed slots.
    fn give_up(&mut self, frozen: &Frozen, reason: GapReason, why: &str) {
        tracing::error!(batch.id = %frozen.id, "Gave batch {} up, its slots are reported as missed: {why}", frozen.id);
        let Some(batch) = batch::thaw(frozen) else { return };
        // Missed slots are told once more beside those of the outcomes; a batch of nothing else is not repeated.
        if !batch.outcomes.is_empty() {
            batch.missed.into_iter().for_each(|missed| self.buffer.miss(missed, Duration::ZERO));
        }
        for outcome in &batch.outcomes {
            self.buffer.lose(outcome, Duration::ZERO, reason);
        }
        self.cutter.note(false, self.link.clock().now());
    }

    /// Sends a batch that was too large for the collector as two.
    fn halve(&mut self, frozen: &Frozen, now: Timestamp) {
        let Some(batch) = batch::thaw(frozen).filter(|batch| batch.outcomes.len() > 1) else {
            return self.give_up(frozen, GapReason::Other, "the collector finds it too large, and it cannot be halved");
        };
        let mut first = batch.outcomes;
        let second = first.split_off(first.len() / 2);
        // Neither half may say that the other is delivered: the first is frozen while the second waits in the buffer.
        let second = second.into_iter().map(|outcome| Waiting::new(outcome, Duration::ZERO)).collect();
        self.buffer.put_back(End::Oldest, second);
        if let Some(frozen) = self.freeze(first, batch.missed, now) {
            self.courier.add(frozen);
        }
        self.cutter.cut(now, true);
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
    use crate::link::testing::{Reply, TestCollector};
    use picket_shared::ids::MonitorId;
    use picket_shared::outcome::{Phases, SelfCheck, Status};
    use picket_shared::wire::{BATCHES_PATH, RefusalCode};
    use uuid::Uuid;

    fn outcome(at: Timestamp) -> Outcome {
        Outcome {
            monitor: MonitorId(Uuid::from_u128(1)),
            version: 1,
            trigger: Trigger::Scheduled,
            at,
            late_us: 0,
            status: Status::Down,
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

    #[tokio::test]
    async fn through_never_passes_a_slot_that_is_not_delivered() {
        const REFUSED: usize = 3;
        let collector = TestCollector::start().await;
        (0..REFUSED).for_each(|_| collector.script(BATCHES_PATH, Reply::Refuse(RefusalCode::Unavailable, None)));
        let link = Arc::new(collector.link());
        let ask: crate::selfcheck::Ask = Arc::new(|_, _| Box::pin(std::future::ready((true, None))));
        let checker = Arc::new(SelfChecker::new(Vec::new(), ask));
        let start = link.clock().now();
        let keeper = Keeper::new(link, checker, Confinement::default(), 1 << 20);
        let (tell, told) = mpsc::channel(100);
        let keeping = tokio::spawn(keeper.run(told, CancellationToken::new()));
        for second in 1..=5 {
            let at = start + Duration::from_secs(second);
            let what = What::Outcome(Box::new(outcome(at)), Duration::from_secs(5));
            tell.send(Event { what, through: at.shifted(1) }).await.unwrap();
            // Long enough for a failure to be cut and refused before the next one comes.
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        drop(tell);
        assert_eq!(keeping.await.unwrap(), Ok(()));
        let seen: Vec<Batch> = collector.seen(BATCHES_PATH).into_iter().map(|seen| seen.batch.unwrap().1).collect();
        let slots = |batch: &Batch| batch.outcomes.iter().map(|outcome| outcome.at).collect::<Vec<_>>();
        let all: Vec<Timestamp> = (1..=5).map(|second| start + Duration::from_secs(second)).collect();
        let mut delivered: Vec<Timestamp> = Vec::new();
        for (index, batch) in seen.iter().enumerate() {
            let mut known = delivered.clone();
            known.extend(slots(batch));
            let promised = all.iter().filter(|slot| **slot <= batch.through);
            assert!(promised.clone().all(|slot| known.contains(slot)), "batch {index} promises what is not there");
            if index >= REFUSED {
                delivered = known;
            }
        }
        delivered.sort();
        assert_eq!(delivered, all, "each slot is delivered exactly once");
    }

    #[tokio::test]
    async fn when_the_collectors_clock_is_set_back_what_waits_is_taken_back_and_cut_anew() {
        const BACK: i64 = 600_000_000;
        let collector = TestCollector::start().await;
        collector.with(|state| state.ahead_us = BACK);
        let link = Arc::new(collector.link());
        link.refresh_keys().await.unwrap();
        collector.script(BATCHES_PATH, Reply::Refuse(RefusalCode::Unavailable, None));
        let ask: crate::selfcheck::Ask = Arc::new(|_, _| Box::pin(std::future::ready((true, None))));
        let checker = Arc::new(SelfChecker::new(Vec::new(), ask));
        let keeper = Keeper::new(Arc::clone(&link), checker, Confinement::default(), 1 << 20);
        let (tell, told) = mpsc::channel(100);
        let at = link.clock().now();
        let event = |at: Timestamp| {
            let what = What::Outcome(Box::new(outcome(at)), Duration::from_secs(5));
            Event { what, through: at.shifted(1) }
        };
        tell.send(event(at)).await.unwrap();
        let keeping = tokio::spawn(keeper.run(told, CancellationToken::new()));
        while collector.seen(BATCHES_PATH).is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        collector.with(|state| state.ahead_us = 0);
        // This one began before the clock was set, and ended after it.
        tell.send(event(at.shifted(1_000))).await.unwrap();
        drop(tell);
        assert_eq!(keeping.await.unwrap(), Ok(()));
        let now = link.clock().now();
        let taken: Vec<_> = collector.seen(BATCHES_PATH).into_iter().filter_map(|seen| seen.batch).collect();
        let delivered: Vec<_> = taken.iter().filter(|(claims, _)| claims.jti.cut_at() <= Some(now)).collect();
        let mut times: Vec<Timestamp> = delivered.iter().flat_map(|(_, batch)| &batch.outcomes).map(|o| o.at).collect();
        times.sort_unstable();
        times.dedup();
        let off = |time: &Timestamp| time.micros_since(at.shifted(-BACK));
        assert_eq!(times.len(), 2, "{times:?}");
        assert!(times.iter().all(|time| off(time).abs() < 1_000_000), "{times:?} and {at}");
        assert!(
            taken[0].0.jti != delivered[0].0.jti && delivered.iter().any(|(claims, _)| claims.seq == taken[0].0.seq)
        );
        assert!(delivered.iter().all(|(_, batch)| batch.through <= now));
    }
}
