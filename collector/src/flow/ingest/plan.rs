//! What a batch leaves in the tables. Pure: [`ingest`](super::ingest()) reads and writes the rows, and so does the
//! simulation on rows of its own.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use picket_shared::batch::{Batch, GapReason, MAX_AGE, Missed, Receipt};
use picket_shared::ids::MonitorId;
use picket_shared::outcome::Status;
use picket_shared::time::Timestamp;

use super::super::verify::VerifiedBatch;
use super::runs::{self, Event, Step, Terms};
use crate::domain::gap::{Range, SILENT_AFTER, subtract};
use crate::store::assignments::KnownRow;
use crate::store::changes::ChangeRow;
use crate::store::gaps::{MissedRow, SilenceRow};
use crate::store::region_states::RunRow;
use crate::store::results::NewRow;
use crate::store::{MonitorKey, OrgKey};

/// How far ahead of the collector's clock a slot may lie.
const AHEAD: Duration = Duration::from_secs(60);

/// What is written for a batch, whatever came before it.
#[derive(Debug)]
pub struct Plan<'a> {
    /// What is answered.
    pub receipt: Receipt,
    /// The batch's number.
    pub seq: i64,
    /// Up to where the probe's slots are accounted for.
    pub through: Timestamp,
    /// The outcomes to be stored.
    pub rows: Vec<NewRow<'a>>,
    /// Failures that came too late to vote.
    pub late: Vec<(OrgKey, MonitorKey, Timestamp)>,
    /// Runs that are to be written, in the order of their monitors.
    pub runs: Vec<(OrgKey, MonitorKey, RunRow)>,
    /// Where a result differs from the one before.
    pub changes: Vec<ChangeRow>,
    /// Slots without an outcome.
    pub missed: Vec<MissedRow>,
}

impl Plan<'_> {
    /// The days in which outcomes lie, counted from 1970.
    pub fn days(&self) -> Vec<i64> {
        let days: BTreeSet<i64> = self.rows.iter().map(|row| day(row.outcome.at)).collect();
        days.into_iter().collect()
    }
}

/// The day of a time, counted from 1970.
pub(super) fn day(time: Timestamp) -> i64 {
    time.seconds().div_euclid(86_400)
}

/// What a batch leaves.
pub fn plan(verified: &VerifiedBatch, now: Timestamp) -> Plan<'_> {
    let batch = &verified.batch;
    // A probe whose clock is ahead must not account for what is to come.
    let through = batch.through.min(now);
    let accepted = batch.outcomes.len() - verified.rejected.len();
    let receipt = Receipt {
        batch: verified.claims.jti,
        accepted: u32::try_from(accepted).unwrap_or(u32::MAX),
        rejected: verified.rejected.clone(),
    };
    let rows = accepted_rows(verified);
    let (runs, changes) = run(verified, &rows, now);
    Plan {
        receipt,
        seq: i64::try_from(verified.claims.seq).unwrap_or(i64::MAX),
        through,
        late: late_failures(verified, &rows, now),
        runs,
        changes,
        missed: missed_rows(batch, &verified.known, verified.standing.hello_at, now),
        rows,
    }
}

fn accepted_rows(verified: &VerifiedBatch) -> Vec<NewRow<'_>> {
    let mut rejected = verified.rejected.iter().map(|rejected| rejected.index).peekable();
    let outcomes = (0_u32..).zip(verified.batch.outcomes.iter().zip(&verified.details));
    outcomes
        .filter(|(index, _)| rejected.next_if_eq(index).is_none())
        .filter_map(|(_, (outcome, detail))| {
            let known = verified.known.get(&outcome.monitor)?;
            Some(NewRow { org: known.org, monitor: known.key, outcome, detail: detail.as_deref() })
        })
        .collect()
}

fn terms(known: &KnownRow) -> Terms {
    Terms {
        version: known.version,
        interval: Duration::from_secs(u64::try_from(known.interval_s).unwrap_or(0)),
        timeout: Duration::from_millis(u64::try_from(known.timeout_ms).unwrap_or(0)),
        watch: known.watch,
    }
}

fn late_failures(
    verified: &VerifiedBatch,
    rows: &[NewRow<'_>],
    now: Timestamp,
) -> Vec<(OrgKey, MonitorKey, Timestamp)> {
    let late = |row: &&NewRow<'_>| {
        let failed = row.outcome.status == Status::Down && row.outcome.self_check.may_vote();
        failed
            && verified.known.get(&row.outcome.monitor).is_some_and(|known| terms(known).is_stale(row.outcome.at, now))
    };
    rows.iter().filter(late).map(|row| (row.org, row.monitor, row.outcome.at)).collect()
}

fn missed_rows(
    batch: &Batch,
    known: &HashMap<MonitorId, KnownRow>,
    hello_at: Timestamp,
    now: Timestamp,
) -> Vec<MissedRow> {
    let oldest = now - MAX_AGE;
    let in_time = |missed: &&Missed| missed.from <= missed.to && missed.to <= now + AHEAD && missed.to > oldest;
    let rows = batch.missed.iter().filter(in_time);
    rows.filter_map(|missed| {
        let known = known.get(&missed.monitor)?;
        // A range begins after its first time; the slot itself is in it. A probe that was told late what to run does not
        // know since when there was anything to run; and what lies before its hello is another start's.
        let after = missed.from.shifted(-1).max(oldest).max(known.created_at).max(hello_at);
        let range = Range { after, until: missed.to };
        (range.until > range.after).then_some(MissedRow {
            org: known.org,
            monitor: known.key,
            range,
            reason: missed.reason,
        })
    })
    .collect()
}

#[derive(Default)]
struct Dirty {
    runs: HashMap<MonitorId, RunRow>,
    changes: Vec<ChangeRow>,
}

/// The runs that the batch continues or ends, and where they differ.
fn run(
    verified: &VerifiedBatch,
    rows: &[NewRow<'_>],
    now: Timestamp,
) -> (Vec<(OrgKey, MonitorKey, RunRow)>, Vec<ChangeRow>) {
    let mut dirty = Dirty::default();
    let mut events: Vec<(MonitorId, Event<'_>, Option<&str>)> =
        rows.iter().map(|row| (row.outcome.monitor, Event::Outcome(row.outcome), row.detail)).collect();
    events.extend(
        verified
            .batch
            .missed
            .iter()
            // Slots that the clock was set over were never there: nobody failed to measure them.
            .filter(|missed| missed.reason != GapReason::ClockSet)
            .filter(|missed| missed.from <= missed.to && missed.to <= now)
            .map(|missed| (missed.monitor, Event::Missed(missed.from, missed.to), None)),
    );
    events.sort_by_key(|(monitor, event, _)| (event.at(), *monitor));
    for (monitor, event, detail) in events {
        if let Some(known) = verified.known.get(&monitor) {
            dirty.apply(monitor, known, &terms(known), (event, detail), now);
        }
    }
    let keyed = |(id, run): (MonitorId, RunRow)| verified.known.get(&id).map(|known| (known.org, known.key, run));
    let mut runs: Vec<_> = dirty.runs.into_iter().filter_map(keyed).collect();
    runs.sort_by_key(|(_, monitor, _)| *monitor);
    (runs, dirty.changes)
}

impl Dirty {
    fn apply(
        &mut self,
        monitor: MonitorId,
        known: &KnownRow,
        terms: &Terms,
        (event, detail): (Event<'_>, Option<&str>),
        now: Timestamp,
    ) {
        let before = self.runs.get(&monitor).or(known.run.as_ref());
        match runs::step(before, terms, event, now) {
            Step::Nothing => {}
            Step::Written(run) => {
                self.runs.insert(monitor, run);
            }
            Step::Changed(run) => {
                self.changes.push(ChangeRow {
                    org: known.org,
                    monitor: known.key,
                    at: event.at(),
                    run: run.clone(),
                    detail: detail.map(str::to_owned),
                });
                self.runs.insert(monitor, run);
            }
        }
    }
}

/// The range of the probe's slots that a batch accounts for. A probe that says "through" has a receipt for every slot of
/// this start up to then, or delivers it here (`docs/wire.md`), so batches that came before or never do not matter.
pub fn accounted_for(verified: &VerifiedBatch, now: Timestamp) -> Range {
    let hello_at = verified.standing.hello_at;
    let after = verified.batch.from.map_or(hello_at, |from| from.min(now).max(hello_at));
    Range { after, until: verified.batch.through.min(now) }
}

/// What nobody accounts for: the slots between the hello of this start, which ends those of the one before, and when it
/// says that it began. A hello whose answer was lost is said again, and the collector's clock may have been set between.
pub fn left_open(verified: &VerifiedBatch, now: Timestamp) -> Range {
    Range { after: verified.standing.through, until: accounted_for(verified, now).after }
}

/// What becomes of a probe's silences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Silences {
    /// The rows to take away.
    pub remove: Vec<i64>,
    /// What is left of them, and what is new.
    pub add: Vec<(Range, GapReason)>,
    /// The probe was silent until now.
    pub ended: bool,
}

/// Takes what a batch accounts for (`closed`) out of the probe's silences. One that is open ends: the probe is heard, and
/// what it has not accounted for yet will come, or is noted when it falls silent again. What it has left open is noted.
pub fn close(silences: &[SilenceRow], closed: Range, open: Range) -> Silences {
    let mut left = Silences::default();
    for row in silences {
        let silence = whole(row, closed.until);
        if row.until.is_none() || silence.and(closed).is_some() {
            left.remove.push(row.id);
            left.ended |= row.until.is_none();
            left.add.extend(subtract(&[silence], &[closed]).into_iter().map(|range| (range, row.reason)));
        }
    }
    let noted: Vec<Range> = silences.iter().map(|row| whole(row, closed.until)).collect();
    let open = subtract(&[open], &noted);
    left.add.extend(open.into_iter().map(|range| (range, GapReason::ProbeOffline)));
    left
}

/// Whether the probe is back from so long a silence that every monitor of its region was in the dark.
pub fn is_back(silences: &Silences, verified: &VerifiedBatch, through: Timestamp) -> bool {
    silences.ended || through.since(verified.standing.through) > SILENT_AFTER
}

/// What an earlier start of a probe took with it, when another says hello at `now`: all that it has not accounted for
/// (it was up to `through`) and that is not noted yet.
pub fn lost_with_boot(silences: &[SilenceRow], through: Timestamp, now: Timestamp) -> Silences {
    let open = silences.iter().filter(|row| row.until.is_none());
    let mut lost = Silences { ended: open.clone().next().is_some(), ..Silences::default() };
    for row in open {
        lost.remove.push(row.id);
        let whole = Range { after: row.after, until: now };
        lost.add.extend(subtract(&[whole], &[]).into_iter().map(|range| (range, row.reason)));
    }
    let noted: Vec<Range> = silences.iter().map(|row| whole(row, now)).collect();
    let lost_now = subtract(&[Range { after: through, until: now }], &noted);
    lost.add.extend(lost_now.into_iter().map(|range| (range, GapReason::ProbeOffline)));
    lost
}

/// The slots of a batch that was too old to be taken: it is cut every 10 s at least; what exactly it held nobody will
/// know.
pub fn too_old(cut_at: Timestamp) -> Range {
    Range { after: cut_at - Duration::from_secs(10), until: cut_at }
}

/// What of them was not noted before.
pub fn not_noted(range: Range, silences: &[SilenceRow], now: Timestamp) -> Vec<(Range, GapReason)> {
    let noted = silences.iter().filter(|row| row.reason == GapReason::TooOld);
    let noted: Vec<Range> = noted.map(|row| whole(row, now)).collect();
    subtract(&[range], &noted).into_iter().map(|range| (range, GapReason::TooOld)).collect()
}

/// A silence as a range; one that lasts, up to `end`.
fn whole(row: &SilenceRow, end: Timestamp) -> Range {
    Range { after: row.after, until: row.until.unwrap_or(end) }
}
