//! `GET /probe/v1/assignments?since=V`: what a probe is to run; held until there is news, for 25 s at most.
//!
//! The version that a probe is given names two things: how far the assignments were (the upper bits), and among which
//! live probes its region's monitors were shared out (the lower 20, a hash). Another share-out means a full answer.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use axum::extract::{Query, Request, State};
use axum::response::Response;
use picket_shared::assignment::{Assignment, Assignments, phase_us};
use picket_shared::check::{CheckSpec, HttpAuth, Kind};
use picket_shared::ids::{MonitorId, OrgId};
use picket_shared::time::Timestamp;
use picket_shared::wire::{LONG_POLL_SECONDS, TAKES_MANUAL};
use serde::Deserialize;
use tokio::time::Instant;
use uuid::Uuid;

use super::manual::hand_out;
use super::{Site, answer, caller};
use crate::domain::assignment::{Candidate, MOVED_AFTER, STALE_RECHECK, Wanted, owner};
use crate::flow::verify::{Caller, Refused};
use crate::store::assignments::{self, WantedRow};
use crate::store::{Intake, OrgKey, manual_checks, probes, rechecks};
use crate::vault::{Class, VaultError};
use crate::wake::Bell;

/// Even without a bell, news are looked for so often: rechecks fall due and probes fall silent without one.
const PERIOD: Duration = Duration::from_secs(5);
const SHARE_BITS: u32 = 20;

/// What to tell.
#[derive(Debug, Deserialize)]
pub struct Since {
    /// The version that the probe has; 0 for all.
    #[serde(default)]
    since: u64,
    /// What the probe takes besides, by commas: `manual`.
    #[serde(default)]
    takes: String,
}

/// Answers with what changed, when something did.
pub async fn get_assignments(
    State(site): State<Site>,
    Query(Since { since, takes }): Query<Since>,
    request: Request,
) -> Response {
    let now = site.clock.now();
    let manual = takes.split(',').any(|name| name == TAKES_MANUAL);
    answer(&site.meters, poll(&site, request, (since, manual), now).await, site.clock.now())
}

async fn poll(
    site: &Site,
    request: Request,
    (since, manual): (u64, bool),
    now: Timestamp,
) -> Result<Assignments, Refused> {
    let (parts, _) = request.into_parts();
    let mut conn = site.pools.intake().await?;
    let mut caller = caller(site, &mut conn, &parts, (b"", false), now).await?;
    let takes: &[&str] = if manual { &[TAKES_MANUAL] } else { &[] };
    manual_checks::note_takes(&mut conn, caller.row.key, takes).await?;
    conn.commit().await?;
    let until = Instant::now() + Duration::from_secs(LONG_POLL_SECONDS);
    loop {
        // Listen before looking, so that no bell is missed in between.
        let mut bell = std::pin::pin!(site.bells.wait(Bell::Assignments, PERIOD));
        let rung = poll_fn(|context| Poll::Ready(bell.as_mut().poll(context).is_ready())).await;
        let mut conn = site.pools.intake().await?;
        let found = look(site, &mut conn, &caller, (since, manual)).await?;
        conn.commit().await?;
        if let Some(found) = found {
            return Ok(found);
        }
        let over = async {
            if !rung {
                bell.await;
            }
        };
        tokio::select! {
            () = over => {}
            () = tokio::time::sleep_until(until) => return Ok(unchanged(since)),
            () = site.stop.cancelled() => return Ok(unchanged(since)),
        }
        caller = again(site, caller).await?;
    }
}

fn unchanged(since: u64) -> Assignments {
    Assignments { version: since, ..Assignments::default() }
}

/// A probe that was revoked while it waited gets nothing more.
async fn again(site: &Site, caller: Caller) -> Result<Caller, Refused> {
    let mut conn = site.pools.intake().await?;
    crate::flow::verify::signature::still_in_force(&mut conn, caller).await
}

async fn look(
    site: &Site,
    conn: &mut Intake,
    caller: &Caller,
    (since, manual): (u64, bool),
) -> Result<Option<Assignments>, Refused> {
    let now = site.clock.now();
    let region = &caller.row.region;
    let clock = assignments::version(conn).await?;
    let share = Share::read(conn, caller, now).await?;
    let version = (clock << SHARE_BITS) | share.hash();
    let same_share = since & ((1 << SHARE_BITS) - 1) == share.hash() && since >> SHARE_BITS <= clock;
    let full = since == 0 || !same_share;
    let known = if full { 0 } else { since >> SHARE_BITS };
    let mut found = Assignments { version, full, ..Assignments::default() };
    if full || known < clock {
        for row in assignments::changed(conn, (region.key, caller.row.org), known).await? {
            let mine = row.wanted && share.is_mine((row.id, row.org), row.kind, row.eu_only);
            let wanted = if mine { assignment(site, caller, &row)? } else { None };
            match wanted {
                Some(assignment) => found.monitors.push(assignment),
                None if !full => found.removed.push(row.id),
                None => {}
            }
        }
    }
    let stale = now - STALE_RECHECK;
    let due = rechecks::due(conn, region.key, stale, now).await?;
    let mine: Vec<Uuid> = due
        .iter()
        .filter(|row| share.is_mine((row.monitor, row.org), row.kind, row.eu_only))
        .map(|row| row.monitor.0)
        .collect();
    if !mine.is_empty() {
        found.rechecks = rechecks::take(conn, region.key, &mine, stale, now).await?;
    }
    if manual {
        found.manual = hand_out(site, conn, caller, now).await?;
    }
    Ok((version != since || !found.rechecks.is_empty() || !found.manual.is_empty()).then_some(found))
}

/// The live probes of a region, among which its monitors are shared out.
struct Share<'a> {
    caller: &'a Caller,
    candidates: Vec<Candidate>,
    now: Timestamp,
}

impl<'a> Share<'a> {
    async fn read(conn: &mut Intake, caller: &'a Caller, now: Timestamp) -> Result<Self, Refused> {
        let region = &caller.row.region;
        let candidate = |id, org: Option<OrgKey>, kinds: Vec<Kind>, heard| Candidate {
            probe: id,
            region: region.code.clone(),
            in_eu: region.eu,
            private_to: org.map(org_id),
            kinds,
            heard,
        };
        let peers = probes::peers(conn, region.key, now - MOVED_AFTER).await?;
        let mut candidates: Vec<_> = peers
            .into_iter()
            .filter(|peer| peer.id != caller.row.id)
            .map(|peer| candidate(peer.id, peer.org, peer.kinds, peer.seen_at))
            .collect();
        // Who asks is alive.
        candidates.push(candidate(caller.row.id, caller.row.org, caller.row.kinds.clone(), now));
        candidates.sort_by_key(|candidate| candidate.probe);
        Ok(Self { caller, candidates, now })
    }

    fn is_mine(&self, (monitor, org): (MonitorId, OrgKey), kind: Kind, eu_only: bool) -> bool {
        let region = self.caller.row.region.code.clone();
        let wanted = Wanted { monitor, org: org_id(org), kind, region, eu_only };
        owner(&wanted, &self.candidates, self.now) == Some(self.caller.row.id)
    }

    /// FNV-1a (64 bit) over ids and kinds, its high bits; never 0, so that no version is.
    fn hash(&self) -> u64 {
        let kinds = self.candidates.iter().flat_map(|c| c.kinds.iter().map(|kind| kind.as_str()));
        let ids = self.candidates.iter().flat_map(|c| c.probe.0.as_bytes());
        let hash = ids.chain(kinds.flat_map(str::as_bytes)).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        (hash >> (64 - SHARE_BITS)).max(1)
    }
}

/// Organizations are only compared here; intake does not see their outer ids.
fn org_id(org: OrgKey) -> OrgId {
    OrgId(Uuid::from_u128(u128::from(org.0.cast_unsigned())))
}

/// What a probe is told of a monitor; `None` where nobody can run it.
///
/// # Errors
/// When a key is missing that the other collector may have: the probe goes on with what it has, and asks again.
fn assignment(site: &Site, caller: &Caller, row: &WantedRow) -> Result<Option<Assignment>, Refused> {
    let Some(mut check) = row.spec.clone() else { return Ok(None) };
    if let Some(sealed) = &row.secret {
        let opened = match site.door.gate.opener.open(Class::MonitorSecret, row.id.0.as_bytes(), sealed) {
            Err(VaultError::UnknownKey(_)) => return Err(Refused::Credentials(row.id)),
            opened => opened.ok(),
        };
        let auth = opened.and_then(|json| serde_json::from_slice::<HttpAuth>(json.expose()).ok());
        match (&mut check, auth) {
            (CheckSpec::Http(http), Some(auth)) => http.auth = Some(auth),
            _ => {
                tracing::error!(monitor.id = %row.id, "The credentials of monitor {} cannot be opened: it is not run", row.id);
                return Ok(None);
            }
        }
    }
    let interval = Duration::from_secs(u64::from(row.interval_s));
    Ok(Some(Assignment {
        monitor: row.id,
        version: row.version,
        interval_s: row.interval_s,
        timeout_ms: row.timeout_ms,
        phase_us: phase_us(row.id, &caller.row.region.code, interval),
        check,
    }))
}
