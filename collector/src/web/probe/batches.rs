//! `POST /probe/v1/batches`: verify, ingest, and answer only after the commit.

use axum::extract::{Request, State};
use axum::response::Response;
use picket_shared::batch::{MAX_BODY, Receipt};
use picket_shared::time::Timestamp;
use picket_shared::wire::RefusalCode;

use super::{Site, answer, is_json, is_zstd, read_body, token};
use crate::flow::ingest;
use crate::flow::verify::{self, Opened, Refused};

/// Answers a batch with its receipt.
pub async fn post_batch(State(site): State<Site>, request: Request) -> Response {
    let now = site.clock.now();
    answer(take(&site, request, now).await, now)
}

async fn take(site: &Site, request: Request, now: Timestamp) -> Result<Receipt, Refused> {
    let (parts, body) = request.into_parts();
    if !is_json(&parts.headers) || !is_zstd(&parts.headers) {
        return Err(Refused::rule(
            RefusalCode::UnsupportedEncoding,
            "send Content-Type: application/json and Content-Encoding: zstd",
        ));
    }
    // No connection is held while the body comes in.
    let announced = {
        let mut conn = site.pools.intake().await?;
        let announced = verify::announce(&mut conn, &site.door.gate, token(&parts.headers)?, now).await?;
        site.door.limits.take(announced.caller().row.id)?;
        if let Some(cut_at) = announced.too_old(now) {
            ingest::note_too_old(&mut conn, &announced.caller().row, cut_at, now).await?;
            conn.commit().await?;
            return Err(Refused::rule(RefusalCode::TooOld, "the batch is older than 72 hours: give it up"));
        }
        announced
    };
    let _place = site.door.limits.enter()?;
    let body = read_body(&parts.headers, body, MAX_BODY).await?;
    let batch = verify::read(&announced, &body)?;
    let (probe, id) = (announced.caller().row.clone(), announced.id());
    // What it is now, for the body took its time; and the clock stays as it is until all is stored.
    let _working = site.standstill.working().await;
    let now = site.clock.now();
    let mut conn = site.pools.intake().await?;
    match verify::open(&mut conn, announced, batch, now).await? {
        Opened::New(verified) => {
            let receipt = ingest::ingest(&mut conn, *verified, now).await?;
            conn.commit().await?;
            Ok(receipt)
        }
        Opened::Repeated(receipt) => Ok(receipt),
        Opened::Conflict => {
            ingest::note_conflict(&mut conn, &probe, id, now).await?;
            conn.commit().await?;
            tracing::warn!(probe.id = %probe.id, batch.id = %id, "Probe {} sent another body as batch {id}", probe.id);
            Err(Refused::rule(RefusalCode::BatchConflict, "this batch came before with another body"))
        }
    }
}
