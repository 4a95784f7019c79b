//! A verified batch into the tables, in one transaction; the receipt exists only when the outcomes do.
//!
//! In: [`VerifiedBatch`]. Out: rows of `receipts`, `results`, `region_states`, `changes`, `gaps`, `probe_status`, and the
//! judge's bell where something differs. The caller answers only after the commit. [`plan`](mod@plan) decides what is
//! written, this file reads and writes it.

pub mod manual;
pub mod plan;
mod runs;

use picket_shared::batch::Receipt;
use picket_shared::ids::{BatchId, BootId};
use picket_shared::time::Timestamp;

use self::plan::Silences;
use super::verify::VerifiedBatch;
use crate::store::{
    Intake, ProbeKey, RegionKey, StoreError, batches, changes, gaps, probes, region_states, replays, results,
};

/// Stores a batch. Nothing of it is durable before the transaction is committed.
///
/// # Errors
/// When the database fails.
pub async fn ingest(conn: &mut Intake, verified: VerifiedBatch, now: Timestamp) -> Result<Receipt, StoreError> {
    let source = (verified.caller.row.key, verified.caller.row.region.key);
    let plan = plan::plan(&verified, now);
    batches::prepare(conn, plan::day(verified.cut_at), &plan.days()).await?;
    let closed = plan::accounted_for(&verified, now);
    let row = batches::BatchRow {
        probe: source.0,
        id: verified.claims.jti,
        cut_at: verified.cut_at,
        body_hash: &verified.claims.bh,
        boot: verified.claims.boot,
        seq: plan.seq,
        received_at: now,
        outcomes: i32::try_from(verified.batch.outcomes.len()).unwrap_or(i32::MAX),
        receipt: &plan.receipt,
    };
    batches::insert(conn, &row).await?;
    results::append(conn, source, &plan.rows, now).await?;
    replays::note(conn, &plan.late, now).await?;
    let runs: Vec<_> = plan.runs.iter().map(|(org, monitor, run)| (*org, *monitor, run)).collect();
    region_states::write(conn, source.1, &runs, now).await?;
    changes::append(conn, source.1, &plan.changes, now).await?;
    gaps::append_missed(conn, source, &plan.missed, now).await?;
    let open = plan::left_open(&verified, now);
    let silences = gaps::silences(conn, source, closed.after.min(open.after)).await?;
    let silences = plan::close(&silences, closed, open);
    write_silences(conn, source, &silences, now).await?;
    let back = plan::is_back(&silences, &verified, plan.through);
    let told: Vec<_> = runs.iter().map(|(_, monitor, _)| *monitor).collect();
    region_states::mark_dirty(conn, &told, back.then_some(source.1), now).await?;
    probes::report(conn, source.0, &verified.batch.report, plan.through, plan.seq, now).await?;
    Ok(plan.receipt)
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
    let source = (probe.key, probe.region.key);
    match probes::lock(conn, probe.key).await? {
        Some(standing) if standing.boot != boot => {
            let silences = gaps::silences(conn, source, standing.through.min(now)).await?;
            let silences = plan::lost_with_boot(&silences, standing.through, now);
            write_silences(conn, source, &silences, now).await
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
    let range = plan::too_old(cut_at);
    let source = (probe.key, probe.region.key);
    probes::lock(conn, probe.key).await?;
    let noted = gaps::silences(conn, source, range.after).await?;
    gaps::append_silences(conn, source, &plan::not_noted(range, &noted, now), now).await
}

async fn write_silences(
    conn: &mut Intake,
    source: (ProbeKey, RegionKey),
    silences: &Silences,
    now: Timestamp,
) -> Result<(), StoreError> {
    gaps::remove(conn, &silences.remove).await?;
    gaps::append_silences(conn, source, &silences.add, now).await
}
