//! A verified batch into the tables, in one transaction; the receipt exists only when the outcomes do.
//!
//! In: [`VerifiedBatch`]. Out: rows of `receipts`, `results`, `region_states`, `changes`, `gaps`, `probe_status`, and the
//! judge's bell where something differs. The caller answers only after the commit.

pub mod manual;
mod runs;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use picket_shared::batch::{Batch, GapReason, MAX_AGE, Missed, Receipt};
use picket_shared::ids::{BatchId, BootId, MonitorId};
use picket_shared::outcome::Status;
use picket_shared::time::Timestamp;

use self::runs::{Event, Step, Terms};
use super::verify::VerifiedBatch;
use crate::domain::gap::{Range, SILENT_AFTER, subtract};
use crate::domain::outage::timing::LATE_AFTER;
use crate::store::assignments::KnownRow;
use crate::store::changes::ChangeRow;
use crate::store::gaps::{MissedRow, SilenceRow};
use crate::store::region_states::RunRow;
use crate::store::{
    Intake, MonitorKey, OrgKey, StoreError, batches, changes, gaps, probes, region_states, replays, results,
};

/// Stores a batch. Nothing of it is durable before the transaction is committed.
///
/// # Errors
/// When the database fails.
pub async fn ingest(conn: &mut Intake, verified: VerifiedBatch, now: Timestamp) -> Result<Receipt, StoreError> {
    let source = (verified.caller.row.key, verified.caller.row.region.key);
    let batch = &verified.batch;
    let seq = i64::try_from(verified.claims.seq).unwrap_or(i64::MAX);
    // A probe whose clock is ahead must not account for what is to come.
    let through = batch.through.min(now);
    let accepted = batch.outcomes.len() - verified.rejected.len();
    let receipt = Receipt {
        batch: verified.claims.jti,
        accepted: u32::try_from(accepted).unwrap_or(u32::MAX),
        rejected: verified.rejected.clone(),
    };
    let rows = accepted_rows(&verified);
    let days: BTreeSet<i64> = rows.iter().map(|row| day(row.outcome.at)).collect();
    batches::prepare(conn, day(verified.cut_at), &days.into_iter().collect::<Vec<_>>()).await?;
    let closed = accounted_for(conn, &verified, through, seq).await?;
    let kept = batches::Kept { receipt, through };
    let row = batches::BatchRow {
        probe: source.0,
        id: verified.claims.jti,
        cut_at: verified.cut_at,
        body_hash: &verified.claims.bh,
        boot: verified.claims.boot,
        seq,
        received_at: now,
        outcomes: i32::try_from(batch.outcomes.len()).unwrap_or(i32::MAX),
        kept: &kept,
    };
    batches::insert(conn, &row).await?;
    results::append(conn, source, &rows, now).await?;
    replays::note(conn, &late_failures(&verified, &rows, now), now).await?;
    let told = write_runs(conn, &verified, &rows, now).await?;
    gaps::append_missed(conn, source, &missed_rows(batch, &verified.known, now), now).await?;
    let was_silent = write_silences(conn, source, verified.standing.through, closed, now).await?;
    // With a silent probe every monitor of its region was in the dark, not only those of this batch.
    let back = was_silent || through.since(verified.standing.through) > SILENT_AFTER;
    region_states::mark_dirty(conn, &told, back.then_some(source.1), now).await?;
    probes::report(conn, source.0, &batch.report, through, seq, now).await?;
    Ok(kept.receipt)
}

/// Writes down that a probe sent another body under an id that was used.
///
/// # Errors
/// When the database fails.
pub async fn note_conflict(
    conn: &mut Intake,
    probe: &probes::CallerRow,
    batch: BatchId,
    now: Timestamp,
) -> Result<(), StoreError> {
    batches::note_conflict(conn, probe.id, batch, now).await
}

/// Writes down what an earlier start of a probe took with it: nobody will send it any more.
///
/// # Errors
/// When the database fails.
pub async fn note_boot(
    conn: &mut Intake,
    probe: &probes::CallerRow,
    boot: BootId,
    now: Timestamp,
) -> Result<(), StoreError> {
    match probes::lock(conn, probe.key).await? {
        Some(standing) if standing.boot != boot => {
            let nothing = Range { after: now, until: now };
            write_silences(conn, (probe.key, probe.region.key), standing.through, nothing, now).await.map(|_| ())
        }
        _ => Ok(()),
    }
}

/// Writes down that a batch was too old to be taken. The same batch again changes nothing.
///
/// # Errors
/// When the database fails.
pub async fn note_too_old(
    conn: &mut Intake,
    probe: &probes::CallerRow,
    cut_at: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    // A batch is cut every 10 s at least; what exactly it held nobody will know.
    let range = Range { after: cut_at - Duration::from_secs(10), until: cut_at };
    let source = (probe.key, probe.region.key);
    probes::lock(conn, probe.key).await?;
    let noted = gaps::silences(conn, source, range.after).await?;
    let ranges: Vec<Range> =
        noted.iter().filter(|row| row.reason == GapReason::TooOld).map(|row| whole(row, now)).collect();
    let rows: Vec<_> = subtract(&[range], &ranges).into_iter().map(|range| (range, GapReason::TooOld)).collect();
    gaps::append_silences(conn, source, &rows, now).await
}

fn accepted_rows(verified: &VerifiedBatch) -> Vec<results::NewRow<'_>> {
    let mut rejected = verified.rejected.iter().map(|rejected| rejected.index).peekable();
    let outcomes = (0_u32..).zip(verified.batch.outcomes.iter().zip(&verified.details));
    outcomes
        .filter(|(index, _)| rejected.next_if_eq(index).is_none())
        .filter_map(|(_, (outcome, detail))| {
            let known = verified.known.get(&outcome.monitor)?;
            Some(results::NewRow { org: known.org, monitor: known.key, outcome, detail: detail.as_deref() })
        })
        .collect()
}

fn terms(known: &KnownRow, late: bool) -> Terms {
    Terms {
        version: known.version,
        interval: Duration::from_secs(u64::try_from(known.interval_s).unwrap_or(0)),
        timeout: Duration::from_millis(u64::try_from(known.timeout_ms).unwrap_or(0)),
        watch: known.watch,
        late,
    }
}

/// Failures that came too late to vote.
fn late_failures(
    verified: &VerifiedBatch,
    rows: &[results::NewRow<'_>],
    now: Timestamp,
) -> Vec<(OrgKey, MonitorKey, Timestamp)> {
    let late = |row: &&results::NewRow<'_>| {
        let failed = row.outcome.status == Status::Down && row.outcome.self_check.may_vote();
        failed
            && verified
                .known
                .get(&row.outcome.monitor)
                .is_some_and(|known| terms(known, true).is_stale(row.outcome.at, now))
    };
    rows.iter().filter(late).map(|row| (row.org, row.monitor, row.outcome.at)).collect()
}

fn missed_rows(batch: &Batch, known: &HashMap<MonitorId, KnownRow>, now: Timestamp) -> Vec<MissedRow> {
    let oldest = now - MAX_AGE;
    let in_time = |missed: &&Missed| missed.from <= missed.to && missed.to <= now + AHEAD && missed.to > oldest;
    let rows = batch.missed.iter().filter(in_time);
    rows.filter_map(|missed| {
        let known = known.get(&missed.monitor)?;
        // A range begins after its first time; the slot itself is in it.
        let range = Range { after: missed.from.shifted(-1).max(oldest), until: missed.to };
        Some(MissedRow { org: known.org, monitor: known.key, range, reason: missed.reason })
    })
    .collect()
}

const AHEAD: Duration = Duration::from_secs(60);

struct Dirty {
    runs: HashMap<MonitorId, RunRow>,
    changes: Vec<ChangeRow>,
}

async fn write_runs(
    conn: &mut Intake,
    verified: &VerifiedBatch,
    rows: &[results::NewRow<'_>],
    now: Timestamp,
) -> Result<Vec<MonitorKey>, StoreError> {
    let region = verified.caller.row.region.key;
    let late = now.since(verified.cut_at) > LATE_AFTER;
    let mut dirty = Dirty { runs: HashMap::new(), changes: Vec::new() };
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
            dirty.apply(monitor, known, &terms(known, late), (event, detail), now);
        }
    }
    let keys: HashMap<MonitorId, (OrgKey, MonitorKey)> =
        verified.known.iter().map(|(id, known)| (*id, (known.org, known.key))).collect();
    let mut written: Vec<_> =
        dirty.runs.iter().filter_map(|(id, run)| keys.get(id).map(|(org, key)| (*org, *key, run))).collect();
    written.sort_by_key(|(_, monitor, _)| *monitor);
    region_states::write(conn, region, &written, now).await?;
    changes::append(conn, region, &dirty.changes, now).await?;
    Ok(written.iter().map(|(_, monitor, _)| *monitor).collect())
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

/// The range of the probe's slots that this batch accounts for: from the end of the batch before it (by number) to the
/// beginning of the one after it, as far as those have come; else as far as its own outcomes reach.
async fn accounted_for(
    conn: &mut Intake,
    verified: &VerifiedBatch,
    through: Timestamp,
    seq: i64,
) -> Result<Range, StoreError> {
    let standing = &verified.standing;
    let (probe, boot) = (verified.caller.row.key, verified.claims.boot);
    if seq == standing.seq + 1 {
        return Ok(Range { after: standing.through, until: through });
    }
    let own = verified.batch.outcomes.iter().map(|outcome| outcome.at.shifted(-1)).min();
    let own = own.unwrap_or(through).min(through);
    let (after, until) = if seq > standing.seq {
        (own.max(standing.through), through)
    } else {
        let before =
            if seq <= 1 { Some(standing.hello_at) } else { batches::through_of(conn, probe, boot, seq - 1).await? };
        let behind = batches::through_of(conn, probe, boot, seq + 1).await?;
        (before.unwrap_or(own), behind.unwrap_or(through))
    };
    Ok(Range { after, until })
}

/// Takes what a batch accounts for out of the probe's silences, and adds the part that it skipped. Whether the probe was
/// silent until now.
async fn write_silences(
    conn: &mut Intake,
    source: (crate::store::ProbeKey, crate::store::RegionKey),
    through: Timestamp,
    closed: Range,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let silences = gaps::silences(conn, source, closed.after.min(through)).await?;
    let touched = |row: &&SilenceRow| row.until.is_none() || whole(row, now).and(closed).is_some();
    let touched: Vec<&SilenceRow> = silences.iter().filter(touched).collect();
    let mut left = Vec::new();
    for row in &touched {
        // A silence that is open ends with this batch: at its end, or where an earlier hole still is.
        let whole = Range { after: row.after, until: row.until.unwrap_or(closed.until) };
        left.extend(subtract(&[whole], &[closed]).into_iter().map(|range| (range, row.reason)));
    }
    let taken: Vec<Range> = silences.iter().map(|row| whole(row, closed.until)).collect();
    let skipped = subtract(&[Range { after: through, until: closed.after }], &taken);
    left.extend(skipped.into_iter().map(|range| (range, GapReason::ProbeOffline)));
    gaps::remove(conn, &touched.iter().map(|row| row.id).collect::<Vec<_>>()).await?;
    gaps::append_silences(conn, source, &left, now).await?;
    Ok(touched.iter().any(|row| row.until.is_none()))
}

fn whole(row: &SilenceRow, end: Timestamp) -> Range {
    Range { after: row.after, until: row.until.unwrap_or(end) }
}

fn day(time: Timestamp) -> i64 {
    time.seconds().div_euclid(86_400)
}
