//! Every route a row: method, path, who may, how large a body, handler. What has no row is refused.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};
use picket_shared::batch::MAX_BODY;
use picket_shared::manual;
use picket_shared::wire::{ASSIGNMENTS_PATH, BATCHES_PATH, HELLO_PATH, KEYS_PATH, MANUAL_PATH};
use tokio::sync::Semaphore;

use super::error::Problem;
use super::extract::form;
use super::guard::client::{self, Proxies};
use super::guard::headers::{self, Transport};
use super::guard::{csrf, host, rate_limit, session};
use super::{Site, assets, health, metrics, probe, ui};

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Everybody.
    Anyone,
    /// Everybody, on a page; what changes something must come from a page of ours.
    Visitor,
    /// Who is signed in.
    User,
    /// Probes, by the token of each request.
    Probe,
    /// The operator's programs: of this machine, of a listed address, or with a token. The handler looks.
    Scraper,
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

/// A page, or what pages are made of.
const fn page(path: &'static str, who: Who, handler: fn() -> MethodRouter<Site>) -> Route {
    Route { method: "GET", path, who, body_limit: 0, handler }
}

/// What a form of a page does.
const fn change(path: &'static str, who: Who, handler: fn() -> MethodRouter<Site>) -> Route {
    Route { method: "POST", path, who, body_limit: form::LIMIT, handler }
}

/// The table.
pub const ROUTES: &[Route] = &[
    page("/assets/{hash}/{name}", Who::Anyone, || get(assets::get_asset)),
    page("/sign-in", Who::Visitor, || get(ui::sign_in::get_sign_in)),
    change("/sign-in", Who::Visitor, || post(ui::sign_in::post_sign_in)),
    change("/sign-out", Who::User, || post(ui::sign_in::post_sign_out)),
    page("/set-up/{link}", Who::Visitor, || get(ui::set_up::get_set_up)),
    change("/set-up/{link}", Who::Visitor, || post(ui::set_up::post_set_up)),
    page("/account", Who::User, || get(ui::account::get_account)),
    change("/account/password", Who::User, || post(ui::account::post_password)),
    page("/events", Who::User, || get(ui::events::get_events)),
    page("/", Who::User, || get(ui::dashboard::get_dashboard)),
    page("/monitors/new", Who::User, || get(ui::monitor::edit::get_new)),
    change("/monitors/new", Who::User, || post(ui::monitor::edit::post_new)),
    change("/monitors/test", Who::User, || post(ui::monitor::trial::post_new)),
    change("/monitors/{id}/test", Who::User, || post(ui::monitor::trial::post_edit)),
    page("/monitors/{id}", Who::User, || get(ui::monitor::show::get_monitor)),
    page("/monitors/{id}/series", Who::User, || get(ui::monitor::series::get_series)),
    page("/monitors/{id}/edit", Who::User, || get(ui::monitor::edit::get_edit)),
    change("/monitors/{id}/edit", Who::User, || post(ui::monitor::edit::post_edit)),
    change("/monitors/{id}/pause", Who::User, || post(ui::monitor::switch::post_pause)),
    change("/monitors/{id}/resume", Who::User, || post(ui::monitor::switch::post_resume)),
    change("/monitors/{id}/delete", Who::User, || post(ui::monitor::switch::post_delete)),
    change("/monitors/{id}/restore", Who::User, || post(ui::monitor::switch::post_restore)),
    page("/channels", Who::User, || get(ui::channel::list::get_channels)),
    page("/channels/new", Who::User, || get(ui::channel::edit::get_new)),
    change("/channels/new", Who::User, || post(ui::channel::edit::post_new)),
    page("/channels/{id}", Who::User, || get(ui::channel::show::get_channel)),
    change("/channels/{id}/verify", Who::User, || post(ui::channel::show::post_verify)),
    change("/channels/{id}/prove", Who::User, || post(ui::channel::show::post_prove)),
    change("/channels/{id}/test", Who::User, || post(ui::channel::show::post_test)),
    change("/channels/{id}/rename", Who::User, || post(ui::channel::show::post_rename)),
    change("/channels/{id}/remove", Who::User, || post(ui::channel::show::post_remove)),
    page("/channels/{id}/settings", Who::User, || get(ui::channel::edit::get_settings)),
    change("/channels/{id}/settings", Who::User, || post(ui::channel::edit::post_settings)),
    page("/probes", Who::User, || get(ui::probe::get_probes)),
    page("/probes/new", Who::User, || get(ui::probe::get_new)),
    change("/probes/new", Who::User, || post(ui::probe::post_new)),
    change("/probes/{id}/revoke", Who::User, || post(ui::probe::post_revoke)),
    page("/audit", Who::User, || get(ui::audit::get_audit)),
    page("/audit/export", Who::User, || get(ui::audit::get_export)),
    page("/import", Who::User, || get(ui::import::get_import)),
    Route {
        method: "POST",
        path: "/import",
        who: Who::User,
        body_limit: ui::import::LIMIT,
        handler: || post(ui::import::post_import).layer(DefaultBodyLimit::max(ui::import::LIMIT)),
    },
    change("/import/release", Who::User, || post(ui::import::post_release)),
    Route { method: "GET", path: "/healthz", who: Who::Anyone, body_limit: 0, handler: || get(health::get_health) },
    Route { method: "GET", path: "/metrics", who: Who::Scraper, body_limit: 0, handler: || get(metrics::get_metrics) },
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

/// Whom a listener is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Everybody: every route.
    Everyone,
    /// Probes: their routes, and nothing else.
    Probes,
}

/// The whole site, or what of it is for probes.
pub fn router(site: Site, transport: Transport, audience: Audience, proxies: Arc<Proxies>) -> Router {
    let hosts = Arc::clone(&site.hosts);
    let served = |route: &&Route| audience == Audience::Everyone || route.who == Who::Probe;
    let table = ROUTES.iter().filter(served).fold(Router::new(), |router, route| {
        let handler = (route.handler)();
        let handler = match route.who {
            Who::Anyone | Who::Scraper => handler,
            Who::Visitor => handler.layer(from_fn_with_state(Arc::clone(&site.front.origins), csrf::check)),
            Who::User => handler
                .layer(from_fn_with_state(site.clone(), session::require))
                .layer(from_fn_with_state(Arc::clone(&site.front.origins), csrf::check)),
            Who::Probe => handler.layer(from_fn_with_state(site.clock.clone(), probe::add_headers)),
        };
        router.route(route.path, handler)
    });
    table
        .fallback(ui::error::get_nothing)
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this method is not served here")
        })
        .layer(from_fn_with_state(hosts, host::check))
        .layer(from_fn_with_state(Arc::new(Semaphore::new(AT_ONCE)), rate_limit::admit))
        .layer(from_fn_with_state(transport, headers::add))
        .layer(from_fn_with_state(proxies, client::identify))
        .with_state(site)
}
