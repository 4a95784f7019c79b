//! Pages: one a file, with a folder of the same name under `templates`. Each works without JavaScript; `assets/live.js`
//! only refreshes what is marked for it.
//!
//! [`frame`] is what surrounds every page, [`shape`] how states, times and durations look, [`error`] what is shown when
//! there is nothing else to show.

pub mod account;
pub mod acknowledge;
pub mod admin;
pub mod alarm_drill;
pub mod audit;
pub mod channel;
pub mod closing;
pub mod dashboard;
pub mod delivery;
pub mod error;
pub mod events;
mod filters;
pub mod frame;
mod hours;
pub mod import;
pub mod incident;
pub mod invitation;
pub mod key;
pub mod link;
pub mod maintenance;
pub mod management;
pub mod member;
pub mod monitor;
pub mod organization;
pub mod papers;
pub mod passkey;
pub mod policy;
pub mod portfolio;
pub mod posture;
pub mod probe;
mod qr;
pub mod residency;
pub mod schedule;
pub mod second_step;
pub mod set_up;
pub mod shape;
pub mod sign_in;
pub mod step_up;

use askama::Template;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};

use crate::store::StoreError;

/// What scripts, styles and forms of a page may do: what we serve ourselves, and nothing inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
    font-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types picket";
const PERMISSIONS: &str = "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), \
    payment=(), usb=(), publickey-credentials-create=(self), publickey-credentials-get=(self), clipboard-write=(self)";

/// A page as an answer.
fn page(template: &impl Template) -> Response {
    page_with(StatusCode::OK, template)
}

/// A page of what was read, or that it could not be.
fn page_of(read: Result<impl Template, StoreError>) -> Response {
    match read {
        Ok(template) => page(&template),
        Err(failed) => error::unavailable(&failed),
    }
}

/// A page with another status.
fn page_with(status: StatusCode, template: &impl Template) -> Response {
    let Ok(html) = template.render() else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "the page could not be written\n").into_response();
    };
    let mut response = (status, html).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(HeaderName::from_static("permissions-policy"), HeaderValue::from_static(PERMISSIONS));
    response
}

/// After something was done: shows a page by GET, so that a reload does it not again.
fn see(path: &str) -> Response {
    Redirect::to(path).into_response()
}
