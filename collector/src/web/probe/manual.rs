//! Manual checks: handed out with the assignments, once; `POST /probe/v1/manual` takes what was found.

use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use picket_shared::check::{CheckSpec, HttpAuth};
use picket_shared::manual::{MAX_BODY, ManualCheck, ManualReceipt};
use picket_shared::time::Timestamp;
use picket_shared::wire::RefusalCode;

use super::{Site, answer, caller, is_json, is_zstd, read_body};
use crate::domain::manual::Unable;
use crate::flow::ingest;
use crate::flow::verify::{self, Caller, Refused, limits};
use crate::store::manual_checks::{self, TakenRow, Taker};
use crate::store::{Intake, StoreError};
use crate::vault::Class;

/// Handed out with one poll: as many as a probe runs at once.
const AT_ONCE: i64 = 8;

/// Answers what a manual check found.
pub async fn post_manual(State(site): State<Site>, request: Request) -> Response {
    let now = site.clock.now();
    answer(&site.meters, take(&site, request, now).await, now)
}

async fn take(site: &Site, request: Request, now: Timestamp) -> Result<ManualReceipt, Refused> {
    let (parts, body) = request.into_parts();
    if !is_json(&parts.headers) || !is_zstd(&parts.headers) {
        return Err(Refused::rule(
            RefusalCode::UnsupportedEncoding,
            "send Content-Type: application/json and Content-Encoding: zstd",
        ));
    }
    let body: Bytes = read_body(&parts.headers, body, MAX_BODY).await?;
    let mut conn = site.pools.intake().await?;
    let caller = caller(site, &mut conn, &parts, (&body, false), now).await?;
    // Only a body whose sender is known is decompressed.
    let verified = verify::manual::open(&caller, &limits::decompress(&body)?, now)?;
    let receipt = ingest::manual::store(&mut conn, verified, now).await?;
    conn.commit().await?;
    Ok(receipt)
}

/// What waits in the caller's region and may be run by it; from here on nobody else gets it.
pub(super) async fn hand_out(
    site: &Site,
    conn: &mut Intake,
    caller: &Caller,
    now: Timestamp,
) -> Result<Vec<ManualCheck>, StoreError> {
    let row = &caller.row;
    let region = (row.region.key, row.region.eu);
    let taker = Taker { probe: row.key, region, org: row.org, kinds: &row.kinds };
    let mut found = Vec::new();
    for taken in manual_checks::take(conn, &taker, AT_ONCE, now).await? {
        match check(site, &taken) {
            Some(check) => {
                found.push(ManualCheck { id: taken.id, check, timeout_ms: taken.timeout_ms, until: taken.until });
            }
            None => manual_checks::refuse(conn, taken.id, region.0, Unable::Unreadable, now).await?,
        }
    }
    Ok(found)
}

fn check(site: &Site, taken: &TakenRow) -> Option<CheckSpec> {
    let mut check = taken.spec.clone()?;
    let Some((sealed, context)) = &taken.secret else { return Some(check) };
    let opened = site.door.gate.opener.open(Class::MonitorSecret, context.as_bytes(), sealed).ok();
    let auth = opened.and_then(|json| serde_json::from_slice::<HttpAuth>(json.expose()).ok());
    match (&mut check, auth) {
        (CheckSpec::Http(http), Some(auth)) => {
            http.auth = Some(auth);
            Some(check)
        }
        _ => {
            tracing::error!(manual.id = %taken.id, "The credentials of manual check {} cannot be opened: it is not run", taken.id);
            None
        }
    }
}
