//! Who is silent: opens a gap for each probe that sent nothing for 45 s, and one for the time without a collector.
//!
//! In: `probe_status`, `instance`. Out: `gaps` without a monitor; `flow::ingest` closes them where batches still come.

use picket_shared::batch::GapReason;
use picket_shared::time::Timestamp;

use crate::domain::clock::SMALL_STEP_BACK;
use crate::domain::gap::{Gap, SILENT_AFTER, Watched, collector_was_down, falls_silent, left_by_revoked, was_away};
use crate::domain::retention::{LEAP, WAIT_AFTER_LEAP};
use crate::store::{ProbeKey, RegionKey, StoreError, Worker, clock, gaps};

/// What one run found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Probes that fell silent.
    pub opened: u64,
    /// Probes that could not send, because the collector was away for a while: without its database, or standing still.
    pub kept_out: u64,
    /// Silences of revoked probes that were ended or written down.
    pub ended: u64,
}

/// Notes that the collector is alive, and who fell silent. One that could not note it for a while, because its database was
/// away or its machine stood still, was as good as not there: that is no silence of probes.
///
/// # Errors
/// When the database fails.
pub async fn run(conn: &mut Worker, now: Timestamp) -> Result<Report, StoreError> {
    let (last_alive, _) = gaps::instance(conn).await?;
    // Whoever was heard meanwhile was not kept out: only this task was late.
    let kept_out = note_absence(conn, last_alive, now - SILENT_AFTER, now).await?;
    gaps::alive(conn, was_away(last_alive, now).then_some(now), now).await?;
    let mut report = Report { kept_out, ended: gaps::close_revoked(conn).await?, opened: 0 };
    let (_, started_at) = gaps::instance(conn).await?;
    let concerned =
        |probe: &Watched| left_by_revoked(probe).is_some() || falls_silent(probe, started_at, now).is_some();
    for (probe, region, watched) in locked(conn, concerned).await? {
        if let Some(range) = left_by_revoked(&watched) {
            gaps::append_silence(conn, (probe, region), range, GapReason::ProbeOffline, now).await?;
            report.ended += 1;
        }
        if let Some(after) = falls_silent(&watched, started_at, now) {
            report.opened += u64::from(gaps::open_silence(conn, (probe, region), after, now).await?);
        }
    }
    Ok(report)
}

/// To be called once when the collector starts, before it takes batches: writes down for how many probes it was away.
///
/// # Errors
/// When the database fails.
pub async fn at_start(conn: &mut Worker, now: Timestamp) -> Result<u64, StoreError> {
    begins(conn, now, now).await
}

/// To be called once when a collector takes over that has been taking batches: whoever was heard meanwhile was not kept out.
///
/// # Errors
/// When the database fails.
pub async fn at_takeover(conn: &mut Worker, now: Timestamp) -> Result<u64, StoreError> {
    begins(conn, now - SILENT_AFTER, now).await
}

async fn begins(conn: &mut Worker, heard_since: Timestamp, now: Timestamp) -> Result<u64, StoreError> {
    let (last_alive, _) = gaps::instance(conn).await?;
    let away = now.since(last_alive);
    let probes = note_absence(conn, last_alive, heard_since, now).await?;
    // Nobody knows whether it was away for so long, or came back with a wrong clock.
    if away > SMALL_STEP_BACK {
        clock::note_leap(conn, now).await?;
    }
    if away > LEAP {
        clock::let_retention_wait(conn, now + WAIT_AFTER_LEAP).await?;
    }
    gaps::alive(conn, Some(now), now).await?;
    Ok(probes)
}

/// Writes down the time since the collector was last alive, if it was away, for the probes that were not heard after
/// `since`, and says for how many.
async fn note_absence(
    conn: &mut Worker,
    last_alive: Timestamp,
    since: Timestamp,
    now: Timestamp,
) -> Result<u64, StoreError> {
    if !was_away(last_alive, now) {
        return Ok(0);
    }
    let missing = |probe: &Watched| {
        let unheard = probe.heard() <= since;
        if unheard { collector_was_down(probe, last_alive, now) } else { Vec::new() }
    };
    let mut probes = 0;
    for (probe, region, watched) in locked(conn, |probe| !missing(probe).is_empty()).await? {
        probes += 1;
        for Gap { range, reason } in missing(&watched) {
            gaps::append_silence(conn, (probe, region), range, reason, now).await?;
        }
    }
    Ok(probes)
}

/// The probes that `concerned` is about, each locked as by its batches and looked at again: what is being stored just now is
/// no gap, and must see one that was written before it.
async fn locked(
    conn: &mut Worker,
    concerned: impl Fn(&Watched) -> bool,
) -> Result<Vec<(ProbeKey, RegionKey, Watched)>, StoreError> {
    let mut probes = gaps::watched(conn).await?;
    probes.retain(|(.., watched)| concerned(watched));
    if probes.is_empty() {
        return Ok(probes);
    }
    let keys: Vec<_> = probes.iter().map(|(probe, ..)| *probe).collect();
    gaps::lock(conn, &keys).await?;
    let mut probes = gaps::watched(conn).await?;
    probes.retain(|(probe, _, watched)| keys.contains(probe) && concerned(watched));
    Ok(probes)
}
