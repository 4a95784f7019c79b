//! `GET /probe/v1/keys`: from what the day keys are derived; made when asked for, the next one two hours ahead.

use aws_lc_rs::rand;
use axum::extract::{Request, State};
use axum::response::Response;
use picket_shared::daykeys::{DAY_KEY_LIFE, DayKeyGrant, wanting};
use picket_shared::time::Timestamp;
use picket_shared::wire::{Keys, RefusalCode};

use super::{Site, answer, caller};
use crate::flow::verify::Refused;
use crate::store::probes::CallerRow;
use crate::store::{Intake, probe_keys};

/// Answers with the keys in force.
pub async fn get_keys(State(site): State<Site>, request: Request) -> Response {
    let _working = site.standstill.working().await;
    let now = site.clock.now();
    answer(&site.meters, keys(&site, request, now).await, now)
}

async fn keys(site: &Site, request: Request, now: Timestamp) -> Result<Keys, Refused> {
    let (parts, _) = request.into_parts();
    let mut conn = site.pools.intake().await?;
    let caller = caller(site, &mut conn, &parts, (b"", false), now).await?;
    let keys = grants(&mut conn, &caller.row, now).await?;
    conn.commit().await?;
    Ok(Keys { keys })
}

/// The grants in force, newest first, after those that are wanting were made.
pub(super) async fn grants(conn: &mut Intake, probe: &CallerRow, now: Timestamp) -> Result<Vec<DayKeyGrant>, Refused> {
    // Each round makes one key at most: the one for now, then the next.
    for _ in 0..3 {
        let grants = probe_keys::in_force(conn, probe.key, now).await?;
        let Some(from) = wanting(&grants, now) else { return Ok(grants) };
        let mut nonce = [0; 32];
        rand::fill(&mut nonce)
            .map_err(|_| Refused::rule(RefusalCode::Internal, "the system gave no random numbers"))?;
        let number = probe_keys::last_number(conn, probe.key).await? + 1;
        if probe_keys::insert(conn, probe.key, number, &nonce, from, from + DAY_KEY_LIFE).await? {
            probe_keys::note(conn, probe.id, number, now).await?;
        }
    }
    Ok(probe_keys::in_force(conn, probe.key, now).await?)
}
