//! The loop that runs checks: takes due slots from the schedule, starts as many checks as may run at once, confirms a
//! failure once, lets a self-check close the bracket, and hands outcomes on. One task a running check, none a monitor.
//!
//! Every [`Event`] carries `through`: the time up to which no slot is open (waiting or running) any more. The channel
//! keeps the order, so whoever reads an event has read every outcome up to its `through`.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use picket_shared::assignment::{Assignment, Assignments, CONFIRM_AFTER};
use picket_shared::batch::Missed;
use picket_shared::check::CheckSpec;
use picket_shared::ids::MonitorId;
use picket_shared::outcome::{Failure, FailureKind, Outcome, Phases, SelfCheck, Status, Trigger};
use picket_shared::time::Timestamp;
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::checks::Found;
use crate::schedule::{Due, Schedule, Turn};

/// How much longer than its timeout a check may take before it is given up from outside.
const GRACE: Duration = Duration::from_secs(2);
/// How long a stop waits for checks that run.
const STOP_WAIT: Duration = Duration::from_secs(5);
/// First checks start only while fewer than this run: a probe that takes over many monitors must not flood the network.
const FIRST_AT_ONCE: usize = 32;
/// The loop looks around at least this often.
const TICK: Duration = Duration::from_secs(1);
/// A slot waits this long for company, so that slots which lie close together cost one turn of the loop and not one each.
const COMPANY: Duration = Duration::from_millis(2);
/// Good news waits this long for more of it, for the same reason; anything else is handed on at once.
pub const HOLD: Duration = Duration::from_millis(20);
/// But no more of it than this waits.
const MOST_HELD: usize = 256;

/// What the runner needs from the rest of the probe.
pub trait Surroundings: Send + Sync + 'static {
    /// The collector's time.
    fn now(&self) -> Timestamp;
    /// The same, and the sum of all steps of it in microseconds, when the collector's clock was set.
    fn time(&self) -> (Timestamp, i64) {
        (self.now(), 0)
    }
    /// Runs one check.
    fn check(&self, spec: &CheckSpec, timeout: Duration) -> impl Future<Output = Found> + Send;
    /// The last judgement of the probe's own network, for an outcome at that address.
    fn last_self_check(&self, address: Option<IpAddr>) -> SelfCheck;
    /// A judgement made now, after a failure at that address.
    fn closing_self_check(&self, address: Option<IpAddr>) -> impl Future<Output = SelfCheck> + Send;
}

/// What the runner hands on.
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

/// Runs the checks of one probe.
pub struct Runner<S> {
    surroundings: Arc<S>,
    limit: usize,
    schedule: Schedule,
    waiting: Waiting,
    confirms: BTreeMap<(Timestamp, MonitorId), Arc<Assignment>>,
    running: JoinSet<Box<Outcome>>,
    started: HashMap<Id, Due>,
    open: BTreeMap<Timestamp, u32>,
    news: VecDeque<What>,
    /// Since when news wait.
    held: Option<Timestamp>,
    urgent: bool,
    told: Timestamp,
    swept: Timestamp,
    steps: i64,
}

/// Checks that want to start: what the judge or a failure asks for goes first, first checks of new monitors last.
#[derive(Default)]
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
}

impl<S: Surroundings> Runner<S> {
    /// With nothing to run yet.
    pub fn new(surroundings: Arc<S>, limit: usize) -> Self {
        Self {
            told: surroundings.now(),
            swept: surroundings.now(),
            steps: surroundings.time().1,
            surroundings,
            limit: limit.max(1),
            schedule: Schedule::default(),
            waiting: Waiting::default(),
            confirms: BTreeMap::new(),
            running: JoinSet::new(),
            started: HashMap::new(),
            open: BTreeMap::new(),
            news: VecDeque::new(),
            held: None,
            urgent: false,
        }
    }

    /// Runs until `stop`, then ends what runs within a few seconds and reports the rest as missed.
    pub async fn run(
        mut self,
        mut assigned: mpsc::Receiver<Assignments>,
        out: mpsc::Sender<Event>,
        stop: CancellationToken,
    ) {
        loop {
            let (now, steps) = self.surroundings.time();
            self.step(now, steps - self.steps);
            self.take_slots(now);
            self.start_waiting(now);
            if self.is_time_to_tell(now) && self.tell(&out, now).await.is_err() {
                return;
            }
            let pause = self.pause(now);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = self.running.join_next_with_id(), if !self.running.is_empty() => {
                    self.finish(ended);
                    while let Some(ended) = self.running.try_join_next_with_id() {
                        self.finish(ended);
                    }
                }
                Some(news) = assigned.recv() => self.change(news),
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.wind_down().await;
        let now = self.surroundings.now();
        // The receiver may be gone by now; then nobody wants the rest.
        self.tell(&out, now).await.ok();
    }

    /// Takes over that the collector's clock was set, by `by` microseconds.
    fn step(&mut self, now: Timestamp, by: i64) {
        if by == 0 {
            return;
        }
        self.steps += by;
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
    }

    fn change(&mut self, news: Assignments) {
        let changed = self.schedule.apply(news, self.surroundings.now());
        self.waiting.urgent.extend(changed.rechecks);
        self.waiting.first.extend(changed.first);
        self.news.push_back(What::Assigned { version: self.schedule.version(), monitors: self.schedule.len() });
    }

    fn take(&mut self, turn: Turn) {
        self.news.extend(turn.missed.into_iter().map(|(missed, interval)| What::Missed(missed, interval)));
        for due in turn.due {
            *self.open.entry(due.at).or_default() += 1;
            self.waiting.planned.push_back(due);
        }
    }

    fn take_slots(&mut self, now: Timestamp) {
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

    fn start_waiting(&mut self, now: Timestamp) {
        while self.running.len() < self.limit {
            let Some(due) = self.waiting.next(self.running.len()) else { return };
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
            let check = run_one(Arc::clone(&self.surroundings), Arc::clone(&due.assignment), at, due.trigger);
            let id = self.running.spawn(check).id();
            self.started.insert(id, due);
        }
    }

    fn finish(&mut self, ended: Result<(Id, Box<Outcome>), JoinError>) {
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, Some(outcome)),
            Err(error) => (error.id(), None),
        };
        let Some(due) = self.started.remove(&id) else { return };
        let Some(outcome) = outcome else {
            tracing::error!(monitor.id = %due.assignment.monitor, "A check of monitor {} broke off by a defect in the probe", due.assignment.monitor);
            return self.miss(&due);
        };
        if due.trigger == Trigger::Scheduled {
            self.close(due.at);
            if outcome.status == Status::Down {
                let at = self.surroundings.now() + CONFIRM_AFTER;
                self.confirms.insert((at, outcome.monitor), Arc::clone(&due.assignment));
            }
        }
        self.urgent |= outcome.status != Status::Up;
        self.news.push_back(What::Outcome(outcome, due.assignment.interval()));
    }

    /// Only slots can be missed; a confirm or recheck that did not run leaves no trace.
    fn miss(&mut self, due: &Due) {
        if due.trigger == Trigger::Scheduled {
            self.close(due.at);
            self.news.push_back(What::Missed(due.missed(), due.assignment.interval()));
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
    fn is_time_to_tell(&mut self, now: Timestamp) -> bool {
        if self.news.is_empty() {
            return true;
        }
        let since = *self.held.get_or_insert(now);
        self.urgent || self.news.len() >= MOST_HELD || now.since(since) >= HOLD
    }

    /// Hands on what happened, or just the time if that was not told for long.
    async fn tell(&mut self, out: &mpsc::Sender<Event>, now: Timestamp) -> Result<(), mpsc::error::SendError<Event>> {
        let nothing_open = now.shifted(-1);
        let through = self.open.first_key_value().map_or(nothing_open, |(slot, _)| slot.shifted(-1).min(nothing_open));
        if self.news.is_empty() && through.since(self.told) >= TICK / 2 {
            self.news.push_back(What::Idle);
        }
        while let Some(what) = self.news.pop_front() {
            // Only the last of them may say how far all of them reach.
            let through = if self.news.is_empty() { through } else { self.told };
            self.told = self.told.max(through);
            out.send(Event { what, through: self.told }).await?;
        }
        (self.held, self.urgent) = (None, false);
        Ok(())
    }

    fn pause(&self, now: Timestamp) -> Duration {
        let confirm = self.confirms.first_key_value().map(|((at, _), _)| *at);
        let checks = [self.schedule.next_slot(), confirm].into_iter().flatten().min().map(|at| at + COMPANY);
        let telling = self.held.map(|since| since + HOLD);
        let next = checks.into_iter().chain(telling).min();
        next.map_or(TICK, |at| at.since(now).min(TICK))
    }

    async fn wind_down(&mut self) {
        for due in std::mem::take(&mut self.waiting.planned) {
            self.miss(&due);
        }
        let all = async {
            while let Some(ended) = self.running.join_next_with_id().await {
                self.finish(ended);
            }
        };
        if tokio::time::timeout(STOP_WAIT, all).await.is_err() {
            self.running.abort_all();
            for due in std::mem::take(&mut self.started).into_values() {
                self.miss(&due);
            }
        }
    }
}

async fn run_one<S: Surroundings>(
    surroundings: Arc<S>,
    assignment: Arc<Assignment>,
    at: Timestamp,
    trigger: Trigger,
) -> Box<Outcome> {
    let late = surroundings.now().since(at);
    let timeout = assignment.timeout();
    let check = Box::pin(surroundings.check(&assignment.check, timeout));
    let found = tokio::time::timeout(timeout + GRACE, check).await.unwrap_or_else(|_| overrun(timeout + GRACE));
    let self_check = if found.status == Status::Down {
        surroundings.closing_self_check(found.address).await
    } else {
        surroundings.last_self_check(found.address)
    };
    Box::new(Outcome {
        monitor: assignment.monitor,
        version: assignment.version,
        trigger,
        at,
        late_us: u32::try_from(late.as_micros()).unwrap_or(u32::MAX),
        status: found.status,
        total_us: found.total_us,
        phases: found.phases,
        address: found.address,
        code: found.code,
        failure: found.failure,
        self_check,
        hops: found.hops,
        certificate: found.certificate,
        answers: found.answers,
        fold: None,
    })
}

/// A check that does not end in its time is a fault of the probe.
fn overrun(after: Duration) -> Found {
    Found {
        status: Status::Unmeasured,
        total_us: u32::try_from(after.as_micros()).unwrap_or(u32::MAX),
        phases: Phases::default(),
        address: None,
        code: None,
        failure: Some(Failure::new(FailureKind::ProbeFault, "the check did not end in its time")),
        hops: Vec::new(),
        certificate: None,
        answers: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use picket_shared::assignment::Recheck;
    use picket_shared::batch::GapReason;
    use picket_shared::check::TcpSpec;
    use picket_shared::ids::RecheckId;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
    use tokio::time::Instant;
    use uuid::Uuid;

    /// A world on tokio's paused time: each target takes `takes`, and fails if its name begins with `bad`.
    struct World {
        began: Instant,
        takes: Duration,
        most: AtomicUsize,
        running: AtomicUsize,
        asked: Mutex<Vec<Option<IpAddr>>>,
        steps: AtomicI64,
    }

    const START: Timestamp = Timestamp::from_seconds(1_008_000);

    impl World {
        fn new(takes: Duration) -> Arc<Self> {
            Arc::new(Self {
                began: Instant::now(),
                takes,
                most: AtomicUsize::new(0),
                running: AtomicUsize::new(0),
                asked: Mutex::default(),
                steps: AtomicI64::new(0),
            })
        }
    }

    impl Surroundings for World {
        fn now(&self) -> Timestamp {
            self.time().0
        }

        fn time(&self) -> (Timestamp, i64) {
            let steps = self.steps.load(Ordering::SeqCst);
            ((START + self.began.elapsed()).shifted(steps), steps)
        }

        async fn check(&self, spec: &CheckSpec, _timeout: Duration) -> Found {
            let now_running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now_running, Ordering::SeqCst);
            let target = spec.target();
            tokio::time::sleep(if target.starts_with("hang") { Duration::from_secs(900) } else { self.takes }).await;
            self.running.fetch_sub(1, Ordering::SeqCst);
            let mut found = overrun(self.takes);
            (found.status, found.failure) = (Status::Up, None);
            if target.starts_with("bad") {
                found.status = Status::Down;
                found.failure = Some(Failure::new(FailureKind::ConnectRefused, "refused"));
            }
            assert!(!target.starts_with("defect"), "a check with a defect");
            found
        }

        fn last_self_check(&self, _address: Option<IpAddr>) -> SelfCheck {
            SelfCheck::Good
        }

        async fn closing_self_check(&self, address: Option<IpAddr>) -> SelfCheck {
            tokio::time::sleep(Duration::from_millis(500)).await;
            self.asked.lock().unwrap().push(address);
            SelfCheck::Bad
        }
    }

    fn assignment(n: u128, host: &str, interval_s: u32) -> Assignment {
        Assignment {
            monitor: MonitorId(Uuid::from_u128(n)),
            version: 1,
            interval_s,
            timeout_ms: 2_000,
            phase_us: 4_000_000,
            check: CheckSpec::Tcp(TcpSpec { host: host.to_owned(), port: 1 }),
        }
    }

    /// Runs these for so many seconds, stops, and gives what came of it, in order.
    async fn run_for(world: &Arc<World>, limit: usize, news: Assignments, seconds: u64) -> Vec<Event> {
        let (assign, assigned) = mpsc::channel(4);
        let (tell, mut told) = mpsc::channel(10_000);
        let stop = CancellationToken::new();
        let running = tokio::spawn(Runner::new(Arc::clone(world), limit).run(assigned, tell, stop.clone()));
        assign.send(news).await.unwrap();
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        stop.cancel();
        running.await.unwrap();
        let mut events = Vec::new();
        while let Some(event) = told.recv().await {
            events.push(event);
        }
        let mut open = Timestamp::from_micros(0);
        for event in &events {
            assert!(event.through >= open, "through never runs backwards");
            if let What::Outcome(outcome, _) = &event.what {
                assert!(outcome.trigger != Trigger::Scheduled || outcome.at > open, "a slot came after it was closed");
            }
            if let What::Missed(missed, _) = &event.what {
                assert!(missed.from > open, "a slot was missed after it was closed");
            }
            open = event.through;
        }
        events
    }

    fn full(monitors: Vec<Assignment>) -> Assignments {
        Assignments { version: 1, full: true, monitors, ..Assignments::default() }
    }

    /// Trigger and seconds since the start of each outcome.
    fn outcomes(events: &[Event]) -> Vec<(Trigger, u64)> {
        let found = events.iter().filter_map(|event| match &event.what {
            What::Outcome(outcome, _) => Some((outcome.trigger, outcome.at.since(START).as_secs())),
            _ => None,
        });
        found.collect()
    }

    fn missed(events: &[Event]) -> u32 {
        let missed = events.iter().filter_map(|event| match &event.what {
            What::Missed(missed, _) => Some(missed.count),
            _ => None,
        });
        missed.sum()
    }

    #[tokio::test(start_paused = true)]
    async fn a_good_monitor_is_checked_at_once_and_then_in_each_slot() {
        let world = World::new(Duration::from_millis(100));
        let events = run_for(&world, 10, full(vec![assignment(1, "good", 20)]), 50).await;
        let expected =
            [(Trigger::Recheck, 0), (Trigger::Scheduled, 4), (Trigger::Scheduled, 24), (Trigger::Scheduled, 44)];
        assert_eq!(outcomes(&events), expected);
        assert!(world.asked.lock().unwrap().is_empty(), "no failure, no self-check out of turn");
        assert!(events.iter().any(|event| event.through >= START + Duration::from_secs(49)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_slot_is_confirmed_exactly_once_after_three_seconds() {
        let world = World::new(Duration::from_millis(100));
        let events = run_for(&world, 10, full(vec![assignment(1, "bad", 20)]), 23).await;
        // 0.1 s of check and 0.5 s of self-check lie between the slot and the three seconds.
        assert_eq!(outcomes(&events), [(Trigger::Recheck, 0), (Trigger::Scheduled, 4), (Trigger::Confirm, 7)]);
        let bad = events.iter().all(|event| match &event.what {
            What::Outcome(outcome, _) => outcome.self_check == SelfCheck::Bad,
            _ => true,
        });
        assert!(bad, "the closing self-check marks the outcome before it is handed on");
        assert_eq!(world.asked.lock().unwrap().len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn good_news_is_told_in_company_and_a_failure_takes_it_along_at_once() {
        let world = World::new(Duration::from_millis(1));
        let at = |n: u128, host, phase_us| Assignment { phase_us, ..assignment(n, host, 60) };
        let monitors =
            vec![at(1, "good", 4_000_000), at(2, "good", 4_010_000), at(3, "bad", 8_000_000), at(4, "good", 8_495_000)];
        let (assign, assigned) = mpsc::channel(4);
        let (tell, mut told) = mpsc::channel(100);
        let stop = CancellationToken::new();
        tokio::spawn(Runner::new(Arc::clone(&world), 9).run(assigned, tell, stop.clone()));
        assign.send(full(monitors)).await.unwrap();
        let mut when = HashMap::new();
        while when.len() < 4 {
            if let What::Outcome(outcome, _) = told.recv().await.unwrap().what
                && outcome.trigger == Trigger::Scheduled
            {
                when.insert(outcome.monitor.0.as_u128(), world.now().since(START).as_millis());
            }
        }
        stop.cancel();
        assert_eq!(when[&1], when[&2], "{when:?}");
        assert!(when[&1] >= 4_000 + HOLD.as_millis(), "{when:?}");
        // A failure is told once its self-check of half a second has ended.
        assert_eq!(when[&3], when[&4], "{when:?}");
        assert!((8_500..8_500 + HOLD.as_millis() / 2).contains(&when[&3]), "{when:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_checks_run_at_once_than_allowed_and_what_finds_no_place_is_missed() {
        let world = World::new(Duration::from_secs(2));
        let many: Vec<_> = (0..20).map(|n| assignment(n, "good", 10)).collect();
        let events = run_for(&world, 2, full(many), 9).await;
        assert_eq!(world.most.load(Ordering::SeqCst), 2);
        let ran = outcomes(&events).iter().filter(|(trigger, _)| *trigger == Trigger::Scheduled).count();
        assert!(ran > 0);
        assert_eq!(u32::try_from(ran).unwrap() + missed(&events), 20, "each slot is an outcome or missed");
    }

    #[tokio::test(start_paused = true)]
    async fn a_recheck_goes_before_everything_that_waits() {
        let world = World::new(Duration::from_secs(1));
        let mut news = full((0..9).map(|n| assignment(n, "good", 3600)).collect());
        news.rechecks = vec![Recheck { id: RecheckId(Uuid::nil()), monitor: MonitorId(Uuid::from_u128(8)) }];
        let events = run_for(&world, 1, news, 3).await;
        let first = events.iter().find_map(|event| match &event.what {
            What::Outcome(outcome, _) => Some(outcome.monitor),
            _ => None,
        });
        assert_eq!(first, Some(MonitorId(Uuid::from_u128(8))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_is_a_fault_of_the_probe_and_one_with_a_defect_is_missed() {
        let world = World::new(Duration::from_millis(1));
        let events = run_for(&world, 9, full(vec![assignment(1, "hang", 60), assignment(2, "defect", 60)]), 20).await;
        let hung = events.iter().any(|event| match &event.what {
            What::Outcome(outcome, _) => {
                outcome.status == Status::Unmeasured
                    && outcome.failure.as_ref().is_some_and(|f| f.kind == FailureKind::ProbeFault)
            }
            _ => false,
        });
        assert!(hung);
        assert_eq!(missed(&events), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_waits_for_running_checks_but_not_for_ever() {
        let world = World::new(Duration::from_secs(3));
        let slow = assignment(1, "good", 60);
        let hanging = Assignment { timeout_ms: 50_000, ..assignment(2, "hang", 60) };
        let events = run_for(&world, 9, full(vec![slow, hanging]), 5).await;
        assert!(outcomes(&events).contains(&(Trigger::Scheduled, 4)), "it ended during the stop");
        let reasons: Vec<_> = events
            .iter()
            .filter_map(|e| if let What::Missed(m, _) = &e.what { Some(m.reason) } else { None })
            .collect();
        assert_eq!(reasons, [GapReason::NotScheduled]);
    }

    #[tokio::test(start_paused = true)]
    async fn when_the_collectors_clock_is_set_slots_go_on_in_its_time_and_what_was_leapt_over_is_said() {
        let world = World::new(Duration::from_millis(10));
        let (assign, assigned) = mpsc::channel(4);
        let (tell, mut told) = mpsc::channel(10_000);
        let stop = CancellationToken::new();
        let running = tokio::spawn(Runner::new(Arc::clone(&world), 8).run(assigned, tell, stop.clone()));
        assign.send(full(vec![assignment(1, "good", 10)])).await.unwrap();
        let mut seen = Vec::new();
        // As it is for 25 s; then two hours back; then an hour forwards.
        for step in [0, -7_200_000_000, 3_600_000_000] {
            world.steps.fetch_add(step, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_secs(25)).await;
            let (mut slots, mut missed) = (Vec::new(), Vec::new());
            while let Ok(event) = told.try_recv() {
                assert!(event.through <= world.now());
                match event.what {
                    What::Outcome(outcome, _) if outcome.trigger == Trigger::Scheduled => {
                        slots.push(outcome.at.micros_since(START) / 1_000_000);
                    }
                    What::Missed(gap, _) => missed.push((gap.reason, gap.count)),
                    _ => {}
                }
            }
            seen.push((slots, missed));
        }
        assert_eq!(seen[0], (vec![4, 14, 24], vec![]));
        assert_eq!(seen[1], (vec![-7166, -7156], vec![]));
        // 50 s after the start and an hour back; the newest slot is more than half an interval ago.
        assert_eq!(seen[2], (vec![-3546, -3536, -3526], vec![(GapReason::ClockSet, 360)]));
        stop.cancel();
        running.await.unwrap();
    }
}
