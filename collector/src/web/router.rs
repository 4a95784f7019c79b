//! From the table of routes to what answers: each row behind what its right needs. What has no row is refused.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::http::{StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use super::error::Problem;
use super::guard::client::{self, Proxies};
use super::guard::headers::{self, Transport};
use super::guard::quota::{self, Class};
use super::guard::{admin_404, csrf, host, key, rate_limit, session};
use super::{Site, api, probe, ui};

pub use super::route::{Route, Who};
pub use super::table::ROUTES;

/// Requests worked on at once; a long poll of a probe is one.
const AT_ONCE: usize = 4096;

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
    let served = |route: &&Route| match audience {
        Audience::Everyone => route.who != Who::Admin,
        Audience::Probes => matches!(route.who, Who::Probe | Who::NewProbe),
    };
    let table = ROUTES.iter().filter(served).fold(Router::new(), |router, route| {
        let handler = (route.handler)();
        // What is not counted is not asked for an account or a key either.
        let class = route.class().unwrap_or(Class::Read);
        let handler = match route.who {
            Who::Anyone | Who::Scraper | Who::Provider | Who::Probe | Who::NewProbe => handler,
            Who::Visitor => handler.layer(from_fn_with_state(Arc::clone(&site.front.origins), csrf::check)),
            Who::Person => handler
                .layer(from_fn_with_state((site.clone(), class), session::require_person))
                .layer(from_fn_with_state(Arc::clone(&site.front.origins), csrf::check)),
            Who::User(right) => handler
                .layer(from_fn_with_state((site.clone(), right, class), session::require))
                .layer(from_fn_with_state(Arc::clone(&site.front.origins), csrf::check)),
            Who::Proven(right) => handler
                .layer(from_fn_with_state(site.clone(), session::require_proof))
                .layer(from_fn_with_state((site.clone(), right, class), session::require))
                .layer(from_fn_with_state(Arc::clone(&site.front.origins), csrf::check)),
            Who::Key(_) => match route.operation {
                Some(operation) => handler.layer(from_fn_with_state((site.clone(), operation, class), key::require)),
                // Without an operation it would be open; so it is not there.
                None => return router,
            },
            // It is not in this table: see `beyond`.
            Who::Admin => return router,
        };
        let handler = match route.class() {
            Some(class) => handler.layer(from_fn_with_state((site.clone(), class), quota::by_address)),
            None => handler,
        };
        // Refusals tell the time too, so that this is around all else.
        let handler = match route.who {
            Who::Probe | Who::NewProbe => handler.layer(from_fn_with_state(site.clock.clone(), probe::add_headers)),
            _ => handler,
        };
        router.route(route.path, handler)
    });
    let counted = from_fn_with_state((site.clone(), Class::Read), quota::by_address);
    let table = match audience {
        Audience::Everyone => table.fallback_service(beyond(&site).layer(counted.clone())),
        Audience::Probes => table.fallback(ui::error::get_nothing.layer(counted.clone())),
    };
    table
        .method_not_allowed_fallback(get_no_method.layer(counted))
        .layer(from_fn_with_state(hosts, host::check))
        .layer(from_fn_with_state(Arc::new(Semaphore::new(AT_ONCE)), rate_limit::admit))
        .layer(from_fn_with_state(transport, headers::add))
        .layer(from_fn_with_state(proxies, client::identify))
        .with_state(site)
}

/// What no route of the table leads to: the administration of the instance, for those who may, and nothing. What is not
/// there and what is not theirs goes the same way through the same code, so that the two cannot be told apart.
fn beyond(site: &Site) -> Router {
    let administration = ROUTES.iter().filter(|route| route.who == Who::Admin).fold(Router::new(), |router, route| {
        let handler = (route.handler)()
            .layer(from_fn_with_state(site.clone(), admin_404::require))
            .layer(from_fn_with_state(Arc::clone(&site.front.origins), csrf::check));
        router.route(route.path, handler)
    });
    let administration = administration
        .fallback(ui::error::get_nothing)
        .method_not_allowed_fallback(get_no_method)
        .with_state(site.clone());
    Router::new().fallback_service(administration).layer(from_fn_with_state(site.clone(), admin_404::admit))
}

/// What is there, but not for this method.
async fn get_no_method(uri: Uri) -> Response {
    const WHY: &str = "this method is not served here";
    if api::is_of(&uri) {
        return api::problem::Problem::new(api::problem::Kind::MethodNotAllowed, WHY).into_response();
    }
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, WHY).into_response()
}
