//! What truly happened, kept apart from the product, and what must be so whatever happened.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use picket_collector::domain::outage::timing::LATE_AFTER;
use picket_collector::domain::outage::{IncidentAction, NoticeKind};
use picket_probe::batch::Press;
use picket_probe::link::Frozen;
use picket_probe::runner::rota::{Event, What};
use picket_shared::assignment::{phase_us, slot_after};
use picket_shared::batch::{GapReason, Receipt};
use picket_shared::outcome::{Status, Trigger};
use picket_shared::time::Timestamp;

use super::collector::Judged;
use super::plan::{Fault, Plan, SECOND};
use super::tables::{Stored, Tables, repetitions};
use super::trace::{Figures, Note, Trace};
use super::verdicts::{alternate, may_resolve, sums};
use super::wire::Shelf;
use super::world::since_start;

/// The truth of a run.
pub(crate) struct Ledger {
    /// Of each probe, its lives in order.
    lives: Vec<Vec<Life>>,
    collector_down: Vec<(i64, i64)>,
    /// Slots that have an outcome, with when and in which life it was told.
    told: HashMap<(usize, usize, i64), u32>,
    missed: HashSet<(usize, usize, i64)>,
    /// Whether a clock was set, so that a slot may come twice or be missed and come.
    stepped: bool,
    /// Whether something in between may have had a batch sent in halves of which the whole comes later.
    halved: bool,
}

#[derive(Clone, Debug)]
struct Life {
    from: i64,
    to: i64,
    /// When it had its assignments: truly, and by the collector's clock.
    assigned: Option<(i64, Timestamp)>,
    life: u32,
    frozen: Vec<(i64, i64)>,
    /// What its clock stepped over.
    stepped_over: Vec<(Timestamp, Timestamp)>,
}

impl Ledger {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            lives: vec![Vec::new(); plan.regions],
            collector_down: Vec::new(),
            told: HashMap::new(),
            missed: HashSet::new(),
            halved: plan.faults.iter().any(|(.., fault)| matches!(fault, Fault::Foreign { status: 413 })),
            stepped: plan.faults.iter().any(|(.., fault)| matches!(fault, Fault::CollectorClock { .. })),
        }
    }

    pub(crate) fn started(&mut self, probe: usize, time: i64) {
        self.lives[probe].push(Life {
            from: time,
            to: i64::MAX,
            assigned: None,
            life: 0,
            frozen: Vec::new(),
            stepped_over: Vec::new(),
        });
    }

    pub(crate) fn ended(&mut self, probe: usize, time: i64) {
        if let Some(life) = self.lives[probe].last_mut() {
            life.to = life.to.min(time);
        }
    }

    pub(crate) fn stepped_over(&mut self, probe: usize, ranges: &mut Vec<(Timestamp, Timestamp)>) {
        if let Some(life) = self.lives[probe].last_mut() {
            life.stepped_over.append(ranges);
        }
    }

    pub(crate) fn frozen(&mut self, probe: usize, from: i64, to: i64) {
        if let Some(life) = self.lives[probe].last_mut() {
            life.frozen.push((from, to));
        }
    }

    pub(crate) fn collector_ended(&mut self, time: i64) {
        self.collector_down.push((time, i64::MAX));
    }

    pub(crate) fn collector_started(&mut self, time: i64) {
        if let Some(down) = self.collector_down.last_mut() {
            down.1 = time;
        }
    }

    /// The rota of a probe hands something on.
    pub(crate) fn told(
        &mut self,
        (probe, number): (usize, u32),
        event: &Event,
        tables: &Tables,
        (time, now): (i64, Timestamp),
    ) {
        match &event.what {
            What::Outcome(outcome, _) if outcome.trigger == Trigger::Scheduled => {
                let monitor = tables.monitor_of(outcome.monitor).unwrap();
                self.told.insert((probe, monitor, outcome.at.micros()), number);
            }
            What::Missed(missed, interval) => {
                let monitor = tables.monitor_of(missed.monitor).unwrap();
                let mut slot = missed.from;
                while slot <= missed.to {
                    self.missed.insert((probe, monitor, slot.micros()));
                    slot = slot + *interval;
                }
            }
            What::Assigned { .. } => {
                if let Some(life) = self.lives[probe].last_mut() {
                    life.life = number;
                    life.assigned.get_or_insert((time, now));
                }
            }
            What::Outcome(..) | What::Idle => {}
        }
    }

    /// A probe has a receipt: everything in it must be stored.
    pub(crate) fn delivered(
        &mut self,
        probe: usize,
        frozen: &Frozen,
        receipt: &Receipt,
        shelf: &Shelf,
        tables: &Tables,
    ) -> Result<(), String> {
        let batch = shelf.open(&frozen.body).unwrap();
        for (index, outcome) in (0_u32..).zip(&batch.outcomes) {
            if receipt.rejected.iter().any(|rejected| rejected.index == index) {
                continue;
            }
            let monitor = tables.monitor_of(outcome.monitor).unwrap();
            let same =
                |row: &&Stored| (row.at, row.trigger, row.status) == (outcome.at, outcome.trigger, outcome.status);
            let rows = tables.monitors[monitor].results[probe].iter().rev();
            if !rows.clone().any(|row| same(&row)) {
                return Err(format!(
                    "an outcome that was acknowledged is not stored: probe {probe}, monitor {monitor}, {:?} of {:.3} s",
                    outcome.trigger,
                    seconds(outcome.at)
                ));
            }
            // A clock that was set back has a slot come twice.
            let told = batch.outcomes.iter().filter(|other| {
                (other.monitor, other.at, other.trigger) == (outcome.monitor, outcome.at, outcome.trigger)
            });
            if rows.filter(same).filter(|row| row.batch == frozen.id).count() > told.count() {
                return Err(format!("a batch is stored twice: probe {probe}, number {}", frozen.seq));
            }
        }
        Ok(())
    }

    /// A judgement: an incident needs a quorum that truly saw failures, in outcomes that came in time.
    pub(crate) fn judged(
        &mut self,
        judged: &Judged,
        tables: &Tables,
        trace: &mut Trace,
        figures: &mut Figures,
        time: i64,
    ) -> Result<(), String> {
        let monitor = judged.monitor;
        let (before, after) = (judged.input.standing.state.as_str(), judged.decision.standing.state.as_str());
        if before != after {
            trace.note(time, Note::Judged { monitor, state: after });
        }
        for action in &judged.decision.incidents {
            match action {
                IncidentAction::Open { started_at, .. } => {
                    figures.incidents += 1;
                    trace.note(time, Note::Opened { monitor, started_at: since_start(*started_at) });
                    self.may_open(monitor, *started_at, judged.input.as_of, tables)?;
                }
                IncidentAction::Resolve { at, .. } => {
                    trace.note(time, Note::Resolved { monitor });
                    may_resolve(monitor, *at, tables)?;
                }
                _ => {}
            }
        }
        for notice in &judged.decision.notices {
            let kind = match notice.kind {
                NoticeKind::Down => "down",
                NoticeKind::Up { .. } => "up",
                NoticeKind::NoData { .. } => "no data",
                NoticeKind::Regional { .. } => "regional",
                _ => "other",
            };
            trace.note(time, Note::Told { monitor, kind });
        }
        Ok(())
    }

    fn may_open(&self, monitor: usize, started_at: Timestamp, now: Timestamp, tables: &Tables) -> Result<(), String> {
        let regions = tables.monitors[monitor].results.len();
        let mut seen = Vec::new();
        for results in &tables.monitors[monitor].results {
            // A failure counts that began in the incident, came in time, and of which the probe did not blame itself.
            let failing = |row: &&Stored| {
                row.status == Status::Down
                    && row.self_check.may_vote()
                    && row.began >= started_at
                    && row.received_at.since(row.ended) <= LATE_AFTER
            };
            seen.push(results.iter().filter(failing).count());
        }
        let failing = seen.iter().filter(|count| **count > 0).count();
        let alone = regions <= 2 && seen.iter().any(|count| *count >= 3);
        if failing >= 2 || alone {
            return Ok(());
        }
        Err(format!(
            "an incident of monitor {monitor} from {:.3} s was opened at {:.3} s without a quorum that saw it in time: \
             failures by region {seen:?}",
            seconds(started_at),
            seconds(now)
        ))
    }

    /// Everything that must hold when all is said and done.
    pub(crate) fn settle(
        &self,
        plan: &Plan,
        tables: &Tables,
        now: Timestamp,
        figures: &mut Figures,
    ) -> Result<(), String> {
        for (index, monitor) in tables.monitors.iter().enumerate() {
            for (region, results) in monitor.results.iter().enumerate() {
                if let Some(row) = repetitions(results).filter(|_| !self.stepped && !self.halved) {
                    return Err(format!(
                        "an outcome is stored twice: probe {region}, monitor {index}, {:?} of {:.3} s",
                        row.trigger,
                        seconds(row.at)
                    ));
                }
                self.slots(plan, tables, (index, region), figures)?;
            }
            alternate(index, &monitor.notices)?;
            sums(index, monitor, now)?;
        }
        Ok(())
    }

    /// Every slot is an outcome or in a gap whose reason is true.
    fn slots(
        &self,
        plan: &Plan,
        tables: &Tables,
        (monitor, region): (usize, usize),
        figures: &mut Figures,
    ) -> Result<(), String> {
        let row = &tables.monitors[monitor];
        let interval = Duration::from_secs(u64::from(row.interval_s));
        let phase = phase_us(row.id, &tables.probes[region].region.code, interval);
        let Some((_, first)) = self.lives[region].iter().find_map(|life| life.assigned) else { return Ok(()) };
        let probe = &tables.probes[region];
        let Some(status) = &probe.status else { return Ok(()) };
        let end = probe.revoked_at.map_or(status.through, |revoked| revoked);
        let outcomes: HashSet<Timestamp> = row.results[region]
            .iter()
            .filter(|stored| stored.trigger == Trigger::Scheduled)
            .flat_map(|stored| slots_of(stored, interval))
            .collect();
        let mut slot = slot_after(phase, interval, first);
        while slot <= end {
            figures.slots += 1;
            let has = outcomes.contains(&slot);
            let mut reasons = gaps_over(tables, (monitor, region), slot);
            if has && self.ended_after((region, monitor), slot) {
                // It was delivered before what came before it, and its probe ended then: a silence is a range over all
                // slots that nobody accounted for, and an outcome in it counts all the same.
                reasons.retain(|(_, of_probe)| !of_probe);
            }
            let what = || format!("the slot of {:.3} s of monitor {monitor} at probe {region}", seconds(slot));
            match (has, reasons.as_slice()) {
                (true, []) => {}
                // Stored without that its probe ever heard so, and lost there when a proxy's 413 had it sent in halves.
                (true, reasons) if self.halved && reasons.iter().all(|(r, _)| *r == GapReason::BufferOverflow) => {}
                (true, reasons) if !self.stepped => {
                    return Err(format!("{} has an outcome and lies in a gap: {reasons:?}", what()));
                }
                (true, _) => {}
                (false, []) => return Err(format!("{} has no outcome and lies in no gap", what())),
                (false, reasons) => {
                    for (reason, _) in reasons {
                        *match reason {
                            GapReason::ProbeOffline => &mut figures.slots_offline,
                            GapReason::CollectorDown => &mut figures.slots_collector_down,
                            GapReason::NotScheduled => &mut figures.slots_not_scheduled,
                            GapReason::BufferOverflow => &mut figures.slots_overflown,
                            GapReason::ClockSet => &mut figures.slots_clock_set,
                            _ => &mut figures.slots_given_up,
                        } += 1;
                        if !self.is_true(plan, *reason, (region, monitor), slot) && !self.stepped {
                            return Err(format!("{} lies in a gap for a reason that is not true: {reason:?}", what()));
                        }
                    }
                }
            }
            slot = slot + interval;
        }
        Ok(())
    }

    /// Whether the start of the probe that told of a slot has ended.
    fn ended_after(&self, (probe, monitor): (usize, usize), slot: Timestamp) -> bool {
        let life = self.told.get(&(probe, monitor, slot.micros()));
        self.lives[probe].iter().any(|lived| Some(&lived.life) == life && lived.to != i64::MAX)
    }

    fn is_true(&self, plan: &Plan, reason: GapReason, (probe, monitor): (usize, usize), slot: Timestamp) -> bool {
        let time = since_start(slot);
        let key = (probe, monitor, slot.micros());
        let lives = &self.lives[probe];
        let within = |from: i64, to: i64| from <= time && time < to;
        let slept = |(from, _): &(i64, i64)| from - 60 * SECOND <= time;
        match reason {
            // It did not run, or what it held was lost with it, or it was not yet told what to run.
            GapReason::ProbeOffline => {
                let lived = lives.iter().find(|life| within(life.from, life.to));
                lived.is_none_or(|life| {
                    life.to != i64::MAX
                        || life.assigned.is_none_or(|(assigned, _)| time <= assigned + SECOND)
                        || life.frozen.iter().any(|(from, to)| within(*from, *to))
                })
            }
            // It notes that it is alive every 5 s, in its database; after a time without it, that it was away.
            GapReason::CollectorDown => {
                let alive = 6 * SECOND;
                let down = self.collector_down.iter().any(|(from, to)| from - alive <= time && time <= *to);
                down || plan.is_on_within(time, alive, |fault| *fault == Fault::DatabaseAway)
            }
            GapReason::NotScheduled => self.missed.contains(&key),
            // Its clock stood still, of which it learns once it hears from the collector again, whose clock seems to be set.
            // Or it knew the time no better, because its first answers were long on their way.
            GapReason::ClockSet => {
                let over = |(from, to): &(Timestamp, Timestamp)| *from <= slot && slot <= *to;
                let set = |life: &Life| life.frozen.iter().any(slept) || life.stepped_over.iter().any(over);
                self.missed.contains(&key) && lives.iter().any(set)
            }
            // It ran and was lost.
            GapReason::BufferOverflow => self.told.contains_key(&key) && plan.buffer < 64 << 20,
            GapReason::TooOld | GapReason::Other => self.told.contains_key(&key),
            GapReason::SelfCheckFailed | GapReason::Paused => false,
        }
    }
}

fn slots_of(stored: &Stored, interval: Duration) -> Vec<Timestamp> {
    let mut slots = vec![stored.at];
    while let Some(last) = slots.last().copied().filter(|last| *last < stored.last) {
        slots.push(last + interval);
    }
    slots
}

/// Why a slot lies in gaps, and whether those are its probe's or its own.
fn gaps_over(tables: &Tables, (monitor, region): (usize, usize), slot: Timestamp) -> Vec<(GapReason, bool)> {
    let own = tables.missed.iter().filter(|row| (row.monitor, row.probe) == (monitor, region));
    let own = own.filter(|row| row.range.after < slot && slot <= row.range.until).map(|row| (row.reason, false));
    let silences = tables.silences.iter().filter(|silence| silence.probe == region).map(|silence| silence.row);
    let silences = silences.filter(|row| row.after < slot && row.until.is_none_or(|until| slot <= until));
    own.chain(silences.map(|row| (row.reason, true))).collect()
}

pub(crate) fn seconds(time: Timestamp) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let seconds = since_start(time) as f64 / 1e6;
    seconds
}
