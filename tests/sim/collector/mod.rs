//! The collector in virtual time: every decision is the product's own; reading and writing rows, and ending in the
//! middle of it, is done here; [`callers`] is its door.

mod callers;

use std::collections::BTreeMap;
use std::time::Duration;

use picket_collector::domain::assignment::STALE_RECHECK;
use picket_collector::domain::gap::{collector_was_down, falls_silent, left_by_revoked, was_away};
use picket_collector::domain::outage::{Decision, IncidentAction, Input, OpenIncident, judge};
use picket_collector::flow::ingest::plan::{self, Silences};
use picket_collector::flow::judge::Listening;
use picket_collector::flow::verify::replay::{Seen, compare, still_stands};
use picket_collector::flow::verify::signature::{is_newest, may_call, speaks_in_force};
use picket_collector::flow::verify::{self, Refused, announced, conclude, entitlement};
use picket_probe::batch::Press;
use picket_shared::assignment::{Assignment, Assignments, Recheck, phase_us};
use picket_shared::batch::{GapReason, Receipt};
use picket_shared::ids::{BootId, CollectorId, IncidentId, RecheckId};
use picket_shared::signing::BatchClaims;
use picket_shared::time::Timestamp;
use picket_shared::wire::{ASSIGNMENTS_PATH, KEYS_PATH, LONG_POLL_SECONDS, RefusalCode};
use uuid::Uuid;

use super::plan::Step;
use super::tables::{Kept, MissedSlots, Stored, Tables, check};
use super::wire::{Call, Request, Said, Shelf};

/// The audience of every token.
pub(crate) const COLLECTOR: CollectorId = CollectorId(Uuid::from_u128(7));

pub(crate) struct Collector {
    pub(crate) up: bool,
    pub(crate) tables: Tables,
    /// Looked to by both tasks, as the judge's looks each second in the product and only when it must here.
    listening: Listening,
    /// The step at which it is to end.
    pub(crate) armed: Option<Step>,
    pub(crate) held: Vec<Held>,
    shelf: Shelf,
}

/// A poll that waits for news.
pub(crate) struct Held {
    pub(crate) call: Call,
    pub(crate) boot: BootId,
    pub(crate) since: u64,
    pub(crate) until: Timestamp,
}

/// What came of a request.
pub(crate) enum Handled {
    Answer(Said),
    /// It waits for news.
    Held,
    /// The collector ended in the middle of it.
    Ended,
}

/// What was done with a batch, for the ledger and the trace.
pub(crate) enum Done {
    Stored { seq: u64, through: Timestamp },
    Repeated { seq: u64 },
    Other,
}

/// What one judgement brought.
pub(crate) struct Judged {
    pub(crate) monitor: usize,
    pub(crate) input: Input,
    pub(crate) decision: Decision,
}

impl Collector {
    pub(crate) fn new(tables: Tables, shelf: Shelf, now: Timestamp) -> Self {
        Self { up: true, tables, listening: Listening::from(now), armed: None, held: Vec::new(), shelf }
    }

    /// Starts again after it ended.
    pub(crate) fn start(&mut self, now: Timestamp) {
        (self.up, self.listening) = (true, Listening::from(now));
        self.note_absence(now);
        self.tables.last_alive = self.tables.last_alive.max(now);
        self.tables.last_started = now;
    }

    /// Writes down the time since the collector was last alive, if it was away.
    fn note_absence(&mut self, now: Timestamp) {
        if was_away(self.tables.last_alive, now) {
            for probe in 0..self.tables.probes.len() {
                let Some(watched) = self.tables.watched(probe) else { continue };
                for gap in collector_was_down(&watched, self.tables.last_alive, now) {
                    self.tables.add_silence(probe, gap.range.after, Some(gap.range.until), gap.reason);
                }
            }
        }
    }

    /// The task that finds silent probes; says which are.
    pub(crate) fn find_silent(&mut self, now: Timestamp) -> Vec<usize> {
        self.listening.since(now);
        self.listening.looked(now);
        self.note_absence(now);
        if was_away(self.tables.last_alive, now) {
            self.tables.last_started = now;
        }
        self.tables.last_alive = self.tables.last_alive.max(now);
        let mut silent = Vec::new();
        for probe in 0..self.tables.probes.len() {
            let Some(watched) = self.tables.watched(probe) else { continue };
            if let Some(revoked_at) = watched.revoked_at {
                for row in self.tables.silences.iter_mut().filter(|silence| silence.probe == probe) {
                    row.row.until.get_or_insert(row.row.after.max(revoked_at));
                }
            }
            if let Some(range) = self.tables.watched(probe).as_ref().and_then(left_by_revoked) {
                self.tables.add_silence(probe, range.after, Some(range.until), GapReason::ProbeOffline);
            }
            if let Some(after) = falls_silent(&watched, self.tables.last_started, now) {
                self.tables.add_silence(probe, after, None, GapReason::ProbeOffline);
                silent.push(probe);
            }
        }
        silent
    }

    /// Takes a request in.
    pub(crate) fn handle(&mut self, call: &Call, now: Timestamp) -> (Handled, Done) {
        let mut done = Done::Other;
        let handled = match &call.ask {
            Request::Batch(body) => self.batch(call, body, now, &mut done),
            Request::Time => Ok(Handled::Answer(Said::Time)),
            Request::Hello => self.hello(call, now),
            Request::Keys => self
                .request(call, ("GET", KEYS_PATH), false, now)
                .map(|_| Handled::Answer(Said::Keys(self.grants(call.probe, now)))),
            Request::Poll { since } => self.request(call, ("GET", ASSIGNMENTS_PATH), false, now).map(|claims| {
                self.look(call.probe, *since, now).map_or_else(
                    || {
                        let until = now + Duration::from_secs(LONG_POLL_SECONDS);
                        self.held.push(Held { call: call.clone(), boot: claims.boot, since: *since, until });
                        Handled::Held
                    },
                    |news| Handled::Answer(Said::Assignments(Box::new(news))),
                )
            }),
        };
        (handled.unwrap_or_else(|refused| Handled::Answer(refusal(refused))), done)
    }

    fn batch(&mut self, call: &Call, body: &bytes::Bytes, now: Timestamp, done: &mut Done) -> Result<Handled, Refused> {
        let (caller, claims) = self.batch_caller(call, now)?;
        let announced = announced(caller.clone(), claims.clone(), now)?;
        if let Some(cut_at) = announced.too_old(now) {
            let range = plan::too_old(cut_at);
            let noted = self.tables.silences_of(call.probe, range.after);
            for (range, reason) in plan::not_noted(range, &noted, now) {
                self.tables.add_silence(call.probe, range.after, Some(range.until), reason);
            }
            return Err(Refused::rule(RefusalCode::TooOld, ""));
        }
        let batch = match &self.shelf {
            Shelf::Wire => verify::read(&announced, body)?,
            shelf => {
                verify::limits::same_body(&claims.bh, body)?;
                shelf.open(body).ok_or_else(|| Refused::rule(RefusalCode::Malformed, ""))?
            }
        };
        let standing = still_stands(self.tables.standing(call.probe), &claims)?;
        let answered = self.tables.receipts.get(&claims.jti).filter(|kept| kept.probe == call.probe);
        match compare(answered.map(|kept| (kept.hash.clone(), kept.receipt.clone())), &claims) {
            Seen::Never => {}
            Seen::Same(receipt) => {
                *done = Done::Repeated { seq: claims.seq };
                return Ok(Handled::Answer(Said::Receipt(Box::new(receipt))));
            }
            Seen::Other => return Err(Refused::rule(RefusalCode::BatchConflict, "")),
        }
        if self.armed == Some(Step::BeforeCommit) {
            return Ok(Handled::Ended);
        }
        let known = self.tables.known(call.probe, &entitlement::named(&batch));
        let is_blind = batch.report.ipv4.as_str() == "bad" || batch.report.dns.as_str() == "bad";
        let verified = conclude(announced, batch, standing, known, now);
        let plan = plan::plan(&verified, now);
        let closed = plan::accounted_for(&verified, now);
        let open = plan::left_open(&verified, now);
        let silences = self.tables.silences_of(call.probe, closed.after.min(open.after));
        let silences = plan::close(&silences, closed, open);
        let back = plan::is_back(&silences, &verified, plan.through);
        self.store(call.probe, &claims, &plan, now);
        self.write_silences(call.probe, &silences);
        for (index, monitor) in self.tables.monitors.iter_mut().enumerate() {
            monitor.dirty |= back || plan.runs.iter().any(|(_, key, _)| usize::try_from(key.0) == Ok(index));
        }
        self.report(call.probe, &plan, is_blind, now);
        *done = Done::Stored { seq: claims.seq, through: plan.through };
        if self.armed == Some(Step::BeforeAnswer) {
            return Ok(Handled::Ended);
        }
        Ok(Handled::Answer(Said::Receipt(Box::new(plan.receipt))))
    }

    fn store(&mut self, probe: usize, claims: &BatchClaims, plan: &plan::Plan<'_>, now: Timestamp) {
        let receipt: Receipt = plan.receipt.clone();
        let kept = Kept { probe, hash: claims.bh.clone(), receipt };
        self.tables.receipts.insert(claims.jti, kept);
        let index = |key: picket_collector::store::MonitorKey| usize::try_from(key.0).unwrap();
        for row in &plan.rows {
            let outcome = row.outcome;
            self.tables.monitors[index(row.monitor)].results[probe].push(Stored {
                batch: claims.jti,
                ended: outcome.at.shifted(i64::from(outcome.late_us) + i64::from(outcome.total_us)),
                received_at: now,
                at: outcome.at,
                last: outcome.fold.map_or(outcome.at, |fold| fold.last),
                began: outcome.at.shifted(i64::from(outcome.late_us)),
                trigger: outcome.trigger,
                status: outcome.status,
                self_check: outcome.self_check,
            });
        }
        for (_, key, run) in &plan.runs {
            let before = &mut self.tables.monitors[index(*key)].runs[probe];
            if before.as_ref().is_none_or(|before| before.last_at <= run.last_at) {
                *before = Some(run.clone());
            }
        }
        let missed = plan.missed.iter().map(|row| MissedSlots {
            probe,
            monitor: index(row.monitor),
            range: row.range,
            reason: row.reason,
        });
        self.tables.missed.extend(missed);
    }

    fn write_silences(&mut self, probe: usize, silences: &Silences) {
        self.tables.silences.retain(|silence| !silences.remove.contains(&silence.row.id));
        for (range, reason) in &silences.add {
            self.tables.add_silence(probe, range.after, Some(range.until), *reason);
        }
    }

    fn report(&mut self, probe: usize, plan: &plan::Plan<'_>, is_blind: bool, now: Timestamp) {
        let Some(status) = &mut self.tables.probes[probe].status else { return };
        (status.seen_at, status.batch_at) = (now, Some(now));
        if status.seq < plan.seq {
            (status.seq, status.is_blind) = (plan.seq, is_blind);
        }
        status.through = status.through.max(plan.through);
    }

    /// News for a probe since its version.
    fn look(&mut self, probe: usize, since: u64, now: Timestamp) -> Option<Assignments> {
        const VERSION: u64 = 9;
        let region = &self.tables.probes[probe].region.code;
        let full = since != VERSION;
        let mut news = Assignments { version: VERSION, full, ..Assignments::default() };
        for monitor in &mut self.tables.monitors {
            let interval = Duration::from_secs(u64::from(monitor.interval_s));
            if full {
                news.monitors.push(Assignment {
                    monitor: monitor.id,
                    version: 1,
                    interval_s: monitor.interval_s,
                    timeout_ms: monitor.timeout_ms,
                    phase_us: phase_us(monitor.id, region, interval),
                    check: check(),
                });
            }
            let stale = now - STALE_RECHECK;
            let before = monitor.rechecks[probe].len();
            monitor.rechecks[probe].retain(|due| *due <= stale || *due > now);
            if monitor.rechecks[probe].len() < before {
                news.rechecks.push(Recheck { id: RecheckId(Uuid::nil()), monitor: monitor.id });
            }
        }
        (full || !news.rechecks.is_empty()).then_some(news)
    }

    /// Looks for news for everybody who waits.
    pub(crate) fn look_again(&mut self, now: Timestamp) -> Vec<(Call, Said)> {
        let mut told = Vec::new();
        for held in std::mem::take(&mut self.held) {
            let probe = held.call.probe;
            let row = may_call(Some(self.tables.caller(probe, None))).and_then(|row| {
                is_newest(&row, held.boot, self.tables.probes[probe].boots.contains(&held.boot))?;
                speaks_in_force(&row, held.boot)
            });
            let said = match row {
                Err(refused) => Some(refusal(refused)),
                Ok(()) => match self.look(probe, held.since, now) {
                    None if now >= held.until => Some(Assignments { version: held.since, ..Assignments::default() }),
                    news => news,
                }
                .map(|news| Said::Assignments(Box::new(news))),
            };
            match said {
                Some(said) => told.push((held.call, said)),
                None => self.held.push(held),
            }
        }
        told
    }

    /// Judges what is dirty or due; `None` when the collector ended before anything of it was written.
    pub(crate) fn judge(&mut self, now: Timestamp) -> Option<Vec<Judged>> {
        let listening_since = self.listening.since(now);
        let due = |monitor: &super::tables::Monitor| monitor.dirty || monitor.due_at.is_some_and(|due| due <= now);
        let indices: Vec<_> = (0..self.tables.monitors.len()).filter(|n| due(&self.tables.monitors[*n])).collect();
        let judged: Vec<_> = indices
            .into_iter()
            .map(|monitor| {
                let input = self.tables.input(monitor, now, listening_since);
                let decision = judge(&input);
                Judged { monitor, input, decision }
            })
            .collect();
        if self.armed == Some(Step::Judging) && !judged.is_empty() {
            return None;
        }
        judged.iter().for_each(|judged| self.apply(judged, now));
        self.listening.looked(now);
        Some(judged)
    }

    fn apply(&mut self, judged: &Judged, now: Timestamp) {
        let decision = &judged.decision;
        let codes: BTreeMap<_, _> =
            self.tables.probes.iter().enumerate().map(|(n, probe)| (probe.region.code.clone(), n)).collect();
        let monitor = &mut self.tables.monitors[judged.monitor];
        monitor.spans.extend(&decision.spans);
        for action in &decision.incidents {
            match action {
                IncidentAction::Open { started_at, confirmed_at, .. } => {
                    let id = IncidentId(Uuid::nil());
                    monitor.openings.push(*confirmed_at);
                    let (started_at, confirmed_at) = (*started_at, *confirmed_at);
                    monitor.open = Some(OpenIncident { id, started_at, confirmed_at, reopened_at: None });
                }
                IncidentAction::Resolve { .. } => monitor.open = None,
                IncidentAction::MarkNoData { .. }
                | IncidentAction::MarkEdited { .. }
                | IncidentAction::MarkFailing { .. } => {}
            }
        }
        monitor.notices.extend(decision.notices.iter().cloned());
        for region in &decision.rechecks {
            let waiting = &mut monitor.rechecks[codes[region]];
            if waiting.iter().all(|due| *due <= now - STALE_RECHECK) {
                waiting.push(now);
            }
        }
        monitor.standing = Some(decision.standing.clone());
        (monitor.watch, monitor.due_at, monitor.dirty) = (decision.watch, decision.next_due, false);
    }
}

fn refusal(refused: Refused) -> Said {
    match refused {
        Refused::Rule { code, retry_after, .. } => Said::Refused(code, retry_after),
        Refused::Store(_) | Refused::Vault(_) | Refused::Credentials(_) => Said::Refused(RefusalCode::Internal, None),
    }
}
