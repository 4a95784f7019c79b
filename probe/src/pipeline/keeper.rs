//! The last leg: events of the runner -> seen -> buffer -> batch -> ship. Owns what is not delivered yet. [`Packer`]
//! decides, this file waits and sends.

use std::sync::Arc;
use std::time::Duration;

use picket_shared::batch::{Confinement, Report};
use picket_shared::check::Kind;
use picket_shared::time::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::packer::{Packer, Settled, Task};
use crate::batch::{self, Zstd};
use crate::link::{Frozen, Link, LinkError, Stop};
use crate::runner::{Event, What};
use crate::selfcheck::SelfChecker;
use crate::ship::{self, Verdict};

/// How long a stopping probe tries to deliver what it has.
const LAST_CHANCE: Duration = Duration::from_secs(10);

/// At most this many events are taken at once.
const BURST: usize = 256;

/// Everything between an outcome and its receipt.
pub(super) struct Keeper {
    link: Arc<Link>,
    self_checker: Arc<SelfChecker>,
    confinement: Confinement,
    packer: Packer<Zstd>,
    sending: JoinSet<Landed>,
    steps: i64,
}

enum Landed {
    Batch(Frozen, Verdict),
    Keys(Result<(), LinkError>),
}

impl Keeper {
    /// With nothing to deliver, and room for `limit` bytes.
    pub(super) fn new(link: Arc<Link>, self_checker: Arc<SelfChecker>, confinement: Confinement, limit: usize) -> Self {
        let (now, steps) = link.clock().time();
        let packer = Packer::new(Zstd, limit, link.clock().began(), now);
        Self { link, self_checker, confinement, packer, sending: JoinSet::new(), steps }
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
            if self.packer.is_closing() && self.packer.is_empty() {
                return Ok(());
            }
            let pause = wake.map_or(batch::AT_LEAST, |time| time.since(now)).min(batch::AT_LEAST);
            let until = last_chance.unwrap_or_else(|| tokio::time::Instant::now() + Duration::from_secs(3600));
            tokio::select! {
                () = drop_all.cancelled() => return self.give_up_all("a second signal came"),
                () = tokio::time::sleep_until(until) => return self.give_up_all("the collector did not take it in time"),
                // By the hundred, so that timers and sends are seen to once a burst.
                taken = events.recv_many(&mut burst, BURST), if !self.packer.is_closing() => {
                    if taken == 0 {
                        self.packer.close();
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
        let outcomes = self.packer.waiting();
        tracing::warn!(outcomes, "Stopped with {outcomes} outcomes undelivered, besides batches on the way: {why}");
        Ok(())
    }

    /// The collector's time. When its clock was set back, what is kept here is taken back with it first.
    fn now(&mut self) -> Timestamp {
        let (now, steps) = self.link.clock().time();
        let back = std::mem::replace(&mut self.steps, steps) - steps;
        if back > 0 {
            tracing::warn!(
                "The collector's clock was set back by {} s; what waits here is taken back with it",
                back / 1_000_000
            );
            self.packer.set_back(now, back);
        }
        now
    }

    fn take(&mut self, event: Event) {
        if let What::Assigned { version, monitors } = event.what {
            tracing::info!(
                assignments.version = version,
                monitors,
                "Runs {monitors} monitors (assignments version {version})"
            );
        }
        let now = self.now();
        self.packer.take(event, now);
    }

    /// Starts what can be started, and says when to look again.
    fn act(&mut self, now: Timestamp) -> Option<Timestamp> {
        let about = about(&self.link, &self.self_checker, &self.confinement);
        let (tasks, wake) = self.packer.act(now, &about);
        for task in tasks {
            let link = Arc::clone(&self.link);
            match task {
                Task::Send(frozen) => self.sending.spawn(async move {
                    let verdict = Box::pin(ship::post(&link, &frozen)).await;
                    Landed::Batch(frozen, verdict)
                }),
                Task::AskKeys => self.sending.spawn(async move { Landed::Keys(ship::ask_keys(&link).await) }),
            };
        }
        wake
    }

    fn land(&mut self, landed: Landed) -> Result<(), Stop> {
        let now = self.now();
        match landed {
            Landed::Keys(Err(LinkError::Stop(stop))) => return Err(stop),
            Landed::Keys(answer) => {
                let after = answer.as_ref().err().and_then(LinkError::retry_after);
                self.packer.asked(answer.is_ok(), after, now, fastrand::f64());
            }
            Landed::Batch(frozen, verdict) => {
                let about = about(&self.link, &self.self_checker, &self.confinement);
                log(&self.packer.land(&frozen, verdict, (now, fastrand::f64()), &about)?);
            }
        }
        Ok(())
    }
}

/// How the probe is, as far as the packer does not know it.
fn about(link: &Link, self_checker: &SelfChecker, confinement: &Confinement) -> impl Fn() -> Report {
    || {
        let health = self_checker.last();
        Report {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            kinds: Kind::ALL.to_vec(),
            clock_offset_us: link.clock().offset_us(),
            ipv4: health.ipv4,
            ipv6: health.ipv6,
            dns: health.dns,
            confinement: confinement.clone(),
            ..Report::default()
        }
    }
}

fn log(settled: &Settled) {
    match settled {
        Settled::Delivered(receipt, failed_before) => {
            if *failed_before {
                tracing::info!("The collector takes batches again");
            }
            let rejected = receipt.rejected.len();
            if let Some(first) = receipt.rejected.first() {
                tracing::warn!(batch.id = %receipt.batch, rejected, "The collector rejected {rejected} outcomes of batch {}, the first as {:?}", receipt.batch, first.reason);
            }
        }
        Settled::Kept(Some(why)) => {
            tracing::warn!("A batch could not be delivered and is kept to be tried again: {why}");
        }
        Settled::GivenUp(frozen, why) => {
            tracing::error!(batch.id = %frozen.id, "Gave batch {} up, its slots are reported as missed: {why}", frozen.id);
        }
        Settled::Kept(None) | Settled::Halved => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::testing::{Reply, TestCollector};
    use picket_shared::batch::Batch;
    use picket_shared::ids::MonitorId;
    use picket_shared::outcome::{Outcome, Phases, SelfCheck, Status, Trigger};
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
