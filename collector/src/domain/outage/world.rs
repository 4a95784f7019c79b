//! A small world in virtual time for tests: one target, a probe a region, a store that keeps rows as ingest does, and the
//! judge. Probes confirm by themselves 3 s after a failure, answer rechecks after their latency, and can be cut off.
//! A seed gives every latency, lost check and blip.
//!
//! In calm times the world jumps to the next thing that is not plain good, so that years take seconds.
//! [`super::troubles`] says what a check meets.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use picket_shared::assignment::{CONFIRM_AFTER, phase_us, slot_after};
use picket_shared::ids::{MonitorId, Region};
use picket_shared::outcome::{FailureKind, SelfCheck, Status, Trigger};
use picket_shared::time::Timestamp;
use uuid::Uuid;

use super::timing::IN_A_ROW;
use super::troubles::{Met, Troubles};
use super::vote::{Vote, cast};
use super::*;

pub(super) const START: i64 = 1_000_000;

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_seconds(START + second)
}

pub(super) fn region(n: usize) -> Region {
    format!("r{n}").parse().unwrap()
}

/// A monitor made at [`START`] and assigned to `regions` regions, each in its own network, none heard yet.
pub(super) fn input(regions: usize, interval_s: u64, timeout_s: u64) -> Input {
    let facts = |n| RegionFacts {
        region: region(n),
        network: format!("AS{n}"),
        through: None,
        result: None,
        hold_until: None,
        self_check_bad: false,
    };
    Input {
        as_of: at(0),
        listening_since: at(0),
        monitor: MonitorFacts {
            id: MonitorId(Uuid::from_u128(1 << 64)),
            version: 1,
            interval: Duration::from_secs(interval_s),
            timeout: Duration::from_secs(timeout_s),
            created_at: at(0),
            quorum: QuorumRule::Default,
            paused_at: None,
            deleted_at: None,
            maintenance: Maintenance::default(),
            muted_since: None,
            regional: RegionalAlert { told: true, muted_until: None },
            parents: Vec::new(),
        },
        regions: (0..regions).map(facts).collect(),
        standing: Standing::new(at(0), 1),
        span: None,
        incident: None,
        by_hand: None,
        openings: Vec::new(),
    }
}

/// What ingest does with one outcome; `watch` is the last decision's.
pub(super) fn ingest(facts: &mut RegionFacts, status: Status, trigger: Trigger, start: Timestamp, watch: bool) -> bool {
    let old = facts.result.clone();
    if old.as_ref().is_some_and(|old| start < old.last_at) {
        return false;
    }
    let class = |status: Status| (status.is_good(), status == Status::Down);
    let same_run = old.as_ref().filter(|old| class(old.status) == class(status));
    let (fails, oks) = same_run.map_or((0, 0), |old| (old.fails, old.oks));
    let new = RegionResult {
        version: 1,
        status,
        failure: (status == Status::Down)
            .then(|| FailureFacts { kind: FailureKind::ConnectTimeout, message: "no connection in time".into() }),
        fails: if status == Status::Down { (fails + 1).min(IN_A_ROW) } else { 0 },
        oks: if status.is_good() { (oks + 1).min(IN_A_ROW) } else { 0 },
        since: same_run.map_or(start, |old| old.since),
        last_at: start,
        last_trigger: trigger,
        self_check: SelfCheck::Good,
    };
    let same = |old: &RegionResult| (old.status, old.fails, old.oks) == (new.status, new.fails, new.oks);
    if watch || trigger != Trigger::Scheduled || !old.as_ref().is_some_and(same) {
        facts.result = Some(new);
        return true;
    }
    false
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Slot(usize, u32),
    Start(usize, Trigger),
    Arrive(usize, Status, Trigger, Timestamp),
    Cut(usize),
    Mend(usize),
    Timer,
}

/// What the world is like.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) regions: usize,
    pub(super) interval_s: u64,
    pub(super) timeout_s: u64,
    /// Failing checks last as long as the timeout, not 50 ms.
    pub(super) slow_failures: bool,
    /// When the target is down, in seconds from the start.
    pub(super) outages: Vec<(i64, i64)>,
    /// When a region cannot reach the collector.
    pub(super) cuts: Vec<(usize, i64, i64)>,
    /// When a region cannot reach the target.
    pub(super) blips: Vec<(usize, i64, i64)>,
    /// When names are not resolved in a region; it knows that its own resolver is at fault, or takes it for the target's.
    pub(super) dns: Vec<(usize, i64, i64, bool)>,
    /// Checks that fail for no reason, in a million.
    pub(super) lost_ppm: u64,
}

pub(super) struct World {
    pub(super) input: Input,
    plan: Plan,
    troubles: Troubles,
    /// Every so many decisions are judged twice; all of them unless told.
    pub(super) twice_every: u64,
    pub(super) judged: u64,
    /// Checks that met something, by what.
    pub(super) met: Met<u64>,
    pub(super) suspicions: u64,
    events: BinaryHeap<Reverse<(Timestamp, u64, Event)>>,
    serial: u64,
    generation: Vec<u32>,
    in_flight: Vec<u32>,
    alive: Vec<bool>,
    watch: bool,
    due: Option<Timestamp>,
    pub(super) notices: Vec<Notice>,
    pub(super) incidents: Vec<(Timestamp, IncidentAction)>,
    pub(super) spans: Vec<Span>,
}

impl World {
    pub(super) fn new(plan: Plan) -> Self {
        let n = plan.regions;
        let mut world = Self {
            input: input(n, plan.interval_s, plan.timeout_s),
            troubles: Troubles::new(&plan),
            twice_every: 1,
            judged: 0,
            met: Met::default(),
            suspicions: 0,
            events: BinaryHeap::new(),
            serial: 0,
            generation: vec![0; n],
            in_flight: vec![0; n],
            alive: vec![true; n],
            watch: true,
            due: None,
            notices: Vec::new(),
            incidents: Vec::new(),
            spans: Vec::new(),
            plan,
        };
        // Where slots lie differs from world to world.
        world.input.monitor.id = MonitorId(Uuid::from_u128(u128::from(hash(world.plan.seed, 1)) << 64));
        for (region, from, to) in world.plan.cuts.clone() {
            world.push(at(from), Event::Cut(region));
            world.push(at(to), Event::Mend(region));
        }
        (0..n).for_each(|region| world.plan_slot(region, at(0)));
        world.judge();
        world
    }

    pub(super) fn run_until(&mut self, end: Timestamp) {
        while let Some(Reverse((time, _, _))) = self.events.peek() {
            if *time > end {
                break;
            }
            let Some(Reverse((time, _, event))) = self.events.pop() else { break };
            self.input.as_of = time;
            self.happen(event);
        }
        self.input.as_of = end;
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Slot(region, generation) if generation == self.generation[region] => {
                self.check(region, Trigger::Scheduled);
                self.plan_slot(region, self.input.as_of);
            }
            Event::Slot(..) => {}
            Event::Start(region, trigger) => self.check(region, trigger),
            Event::Arrive(region, status, trigger, start) => {
                self.in_flight[region] -= 1;
                if self.alive[region] && ingest(&mut self.input.regions[region], status, trigger, start, self.watch) {
                    // It may be no plain good: then the next slot is not the next trouble.
                    self.plan_slot(region, self.input.as_of);
                    self.judge();
                }
            }
            Event::Cut(region) => {
                self.hear();
                self.alive[region] = false;
                self.judge();
            }
            Event::Mend(region) => {
                self.alive[region] = true;
                let last = self.input.regions[region].result.as_ref().map(|result| result.last_at);
                let missed = self.input.as_of - Duration::from_millis(1);
                if last.is_none_or(|last| last < missed) {
                    let facts = &mut self.input.regions[region];
                    ingest(facts, Status::Unmeasured, Trigger::Scheduled, missed, true);
                }
                self.plan_slot(region, self.input.as_of);
                self.judge();
            }
            Event::Timer if self.due.is_some_and(|due| due <= self.input.as_of) => self.judge(),
            Event::Timer => {}
        }
    }

    /// Starts a check now and plans its arrival, and the confirm check of a probe that sees its own failure.
    fn check(&mut self, region: usize, trigger: Trigger) {
        if !self.alive[region] {
            return;
        }
        let start = self.input.as_of;
        let status = self.find(region, start, trigger);
        let slow = status == Status::Down && self.plan.slow_failures;
        let end = start + if slow { self.input.monitor.timeout } else { Duration::from_millis(50) };
        self.in_flight[region] += 1;
        let arrival = end + Duration::from_millis(200) + self.latency();
        self.push(arrival, Event::Arrive(region, status, trigger, start));
        if status == Status::Down && trigger == Trigger::Scheduled {
            self.push(end + CONFIRM_AFTER, Event::Start(region, Trigger::Confirm));
        }
    }

    /// What a check finds that starts now.
    fn find(&mut self, region: usize, time: Timestamp, trigger: Trigger) -> Status {
        let (phase, interval) = self.slots(region);
        let lost = match trigger {
            Trigger::Scheduled => self.troubles.loses_slot(region, (phase, interval), time),
            _ => {
                let draw = hash(self.plan.seed ^ (region as u64) << 56 ^ (trigger as u64) << 48, time.micros() as u64);
                draw % 1_000_000 < self.plan.lost_ppm
            }
        };
        let met = self.troubles.at(region, time);
        self.met.outages += u64::from(met.outages);
        self.met.blips += u64::from(met.blips);
        self.met.resolver += u64::from(met.resolver);
        self.met.names += u64::from(met.names);
        self.met.lost += u64::from(lost);
        if met.resolver {
            Status::Unmeasured
        } else if lost || met.outages || met.blips || met.names {
            Status::Down
        } else {
            Status::Up
        }
    }

    fn slots(&self, region: usize) -> (u64, Duration) {
        let interval = self.input.monitor.interval;
        (phase_us(self.input.monitor.id, &self.input.regions[region].region, interval), interval)
    }

    /// Plans the next slot; in calm times the next whose check is not plain good.
    fn plan_slot(&mut self, region: usize, after: Timestamp) {
        self.generation[region] += 1;
        let (phase, interval) = self.slots(region);
        let mut slot = slot_after(phase, interval, after);
        let calm = !self.watch && self.input.regions[region].result.as_ref().is_some_and(|r| r.oks == IN_A_ROW);
        if calm {
            let horizon = after + Duration::from_secs(86_400);
            slot = self.troubles.next_slot(region, (phase, interval), slot, horizon);
        }
        self.push(slot, Event::Slot(region, self.generation[region]));
    }

    /// Live probes report; what is still on its way is not accounted for.
    fn hear(&mut self) {
        for (index, facts) in self.input.regions.iter_mut().enumerate() {
            if self.alive[index] {
                let lag = if self.in_flight[index] > 0 { 40 } else { 6 };
                facts.through = facts.through.max(Some(self.input.as_of - Duration::from_secs(lag)));
            }
        }
    }

    fn judge(&mut self) {
        self.hear();
        let decision = judge(&self.input);
        let next = decision.applied_to(&self.input);
        let suspects = |input: &Input| matches!(input.standing.state, State::Suspect(_));
        self.suspicions += u64::from(suspects(&next) && !suspects(&self.input));
        let before = std::mem::replace(&mut self.input, next);
        self.judged += 1;
        if !decision.incidents.is_empty() || self.judged.is_multiple_of(self.twice_every) {
            self.check_invariants(&before, &decision);
        }
        let woke = decision.watch && !self.watch;
        self.watch = decision.watch;
        if woke {
            (0..self.plan.regions).for_each(|region| self.plan_slot(region, self.input.as_of));
        }
        for asked in &decision.rechecks {
            let index = self.input.regions.iter().position(|facts| facts.region == *asked).unwrap();
            let start = self.input.as_of + self.latency();
            self.push(start, Event::Start(index, Trigger::Recheck));
        }
        // With all probes alive and everything good the timers only find that out again.
        let calm =
            !self.watch && self.alive.iter().all(|alive| *alive) && decision.standing.overlays == Overlays::default();
        self.due = decision.next_due.filter(|_| !calm);
        if let Some(due) = self.due {
            self.push(due, Event::Timer);
        }
        self.notices.extend(decision.notices);
        self.spans.extend(decision.spans);
        self.incidents.extend(decision.incidents.into_iter().map(|action| (before.as_of, action)));
    }

    fn check_invariants(&self, before: &Input, decision: &Decision) {
        let again = judge(&self.input);
        assert!(!again.changes(&self.input), "judged twice: {:?}\n{decision:#?}\n{again:#?}", before.as_of);
        assert_eq!(again.next_due, decision.next_due);
        assert!(decision.next_due.is_none_or(|due| due > before.as_of));
        for action in &decision.incidents {
            if let IncidentAction::Open { started_at, .. } = action {
                let ballots = cast(before, at(0));
                let fails = ballots.iter().filter(|b| b.vote == Vote::Fail && b.last_at() >= *started_at).count();
                let others = ballots.iter().filter(|b| b.vote == Vote::Ok && b.last_at() >= *started_at).count();
                assert!(fails >= before.monitor.quorum.to_fail(fails + others), "{ballots:#?}");
                assert!(fails > 1 || ballots.iter().any(|b| b.fails() == IN_A_ROW), "{ballots:#?}");
            }
        }
    }

    fn latency(&mut self) -> Duration {
        self.serial += 1;
        Duration::from_millis(20 + hash(self.plan.seed, self.serial) % 280)
    }

    fn push(&mut self, time: Timestamp, event: Event) {
        self.serial += 1;
        self.events.push(Reverse((time, self.serial, event)));
    }

    /// The notices about outages, as `(down?, when)`.
    pub(super) fn alarms(&self) -> Vec<(bool, Timestamp)> {
        let alarm = |notice: &Notice| match notice.kind {
            NoticeKind::Down => Some((true, notice.at)),
            NoticeKind::Up { .. } => Some((false, notice.at)),
            _ => None,
        };
        self.notices.iter().filter_map(alarm).collect()
    }

    pub(super) fn opened(&self) -> usize {
        self.incidents.iter().filter(|(_, action)| matches!(action, IncidentAction::Open { .. })).count()
    }
}

pub(super) fn hash(seed: u64, value: u64) -> u64 {
    let mut hash = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ value.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^ (hash >> 32)
}
