//! `POST /probe/v1/hello`: a probe starts; its boot is in force from here on, and no earlier one comes back.

use axum::extract::{Request, State};
use axum::response::Response;
use picket_shared::wire::{Hello, Keys, RefusalCode, Welcome};

use super::{HELLO_LIMIT, Site, answer, caller, is_zstd, keys, read_body};
use crate::flow::ingest;
use crate::flow::verify::{Refused, limits};
use crate::store::probes::{self, HelloRow};

/// Answers a hello.
pub async fn post_hello(State(site): State<Site>, request: Request) -> Response {
    let welcome = welcome(&site, request).await;
    answer(&site.meters, welcome, site.clock.now())
}

async fn welcome(site: &Site, request: Request) -> Result<Welcome, Refused> {
    let (parts, body) = request.into_parts();
    let body = read_body(&parts.headers, body, HELLO_LIMIT).await?;
    let _working = site.standstill.working().await;
    let now = site.clock.now();
    let mut conn = site.pools.intake().await?;
    let caller = caller(site, &mut conn, &parts, (&body, true), now).await?;
    // Only a body whose sender is known is decompressed; a small one may come as it is.
    let plain = if is_zstd(&parts.headers) { limits::decompress(&body)? } else { body.to_vec() };
    let hello: Hello =
        serde_json::from_slice(&plain).map_err(|_| Refused::rule(RefusalCode::Malformed, "the body is no hello"))?;
    if hello.boot != caller.boot || hello.version.len() > 64 || hello.version.contains('\0') || hello.kinds.len() > 64 {
        return Err(Refused::rule(RefusalCode::Malformed, "the hello holds what cannot be"));
    }
    ingest::note_boot(&mut conn, &caller.row, hello.boot, now).await?;
    let row = HelloRow { boot: hello.boot, version: &hello.version, kinds: &hello.kinds };
    probes::hello(&mut conn, caller.row.key, &row, now).await?;
    let grants = keys::grants(&mut conn, &caller.row, now).await?;
    conn.commit().await?;
    tracing::info!(
        probe.id = %caller.row.id, region = %caller.row.region.code, probe.version = hello.version,
        "Probe {} in {} said hello", caller.row.id, caller.row.region.code
    );
    Ok(Welcome {
        collector: site.door.gate.collector,
        region: caller.row.region.code,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        keys: Keys { keys: grants },
    })
}
