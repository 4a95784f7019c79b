//! Every route a row: method, path, who may, how large a body, handler. What has no row is refused.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};
use picket_shared::batch::MAX_BODY;
use picket_shared::manual;
use picket_shared::wire::{ASSIGNMENTS_PATH, BATCHES_PATH, HELLO_PATH, KEYS_PATH, MANUAL_PATH};
use tokio::sync::Semaphore;

use super::error::Problem;
use super::guard::headers::{self, Transport};
use super::guard::{host, rate_limit};
use super::{Site, health, probe};

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Everybody.
    Anyone,
    /// Probes, by the token of each request.
    Probe,
}

/// One route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The path.
    pub path: &'static str,
    /// Who may call it.
    pub who: Who,
    /// The largest body, in bytes; its handler reads no more.
    pub body_limit: usize,
    handler: fn() -> MethodRouter<Site>,
}

/// Requests worked on at once; a long poll of a probe is one.
const AT_ONCE: usize = 4096;

/// The table.
pub const ROUTES: &[Route] = &[
    Route { method: "GET", path: "/healthz", who: Who::Anyone, body_limit: 0, handler: || get(health::get_health) },
    Route {
        method: "POST",
        path: HELLO_PATH,
        who: Who::Probe,
        body_limit: probe::HELLO_LIMIT,
        handler: || post(probe::hello::post_hello),
    },
    Route { method: "GET", path: KEYS_PATH, who: Who::Probe, body_limit: 0, handler: || get(probe::keys::get_keys) },
    Route {
        method: "GET",
        path: ASSIGNMENTS_PATH,
        who: Who::Probe,
        body_limit: 0,
        handler: || get(probe::assignments::get_assignments),
    },
    Route {
        method: "POST",
        path: BATCHES_PATH,
        who: Who::Probe,
        body_limit: MAX_BODY,
        handler: || post(probe::batches::post_batch),
    },
    Route {
        method: "POST",
        path: MANUAL_PATH,
        who: Who::Probe,
        body_limit: manual::MAX_BODY,
        handler: || post(probe::manual::post_manual),
    },
];

/// The whole site.
pub fn router(site: Site, transport: Transport) -> Router {
    let hosts = Arc::clone(&site.hosts);
    let table = ROUTES.iter().fold(Router::new(), |router, route| {
        let handler = (route.handler)();
        let handler = match route.who {
            Who::Anyone => handler,
            Who::Probe => handler.layer(from_fn_with_state(site.clock.clone(), probe::add_headers)),
        };
        router.route(route.path, handler)
    });
    table
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "there is nothing here") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this method is not served here")
        })
        .layer(from_fn_with_state(hosts, host::check))
        .layer(from_fn_with_state(Arc::new(Semaphore::new(AT_ONCE)), rate_limit::admit))
        .layer(from_fn_with_state(transport, headers::add))
        .with_state(site)
}
