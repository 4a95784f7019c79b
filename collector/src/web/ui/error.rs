//! What is shown when a page cannot be: what happened, and what to do.

use askama::Template;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::frame::Frame;
use super::{filters, page_with};
use crate::web::api;
use crate::web::error::Problem;
use crate::web::texts::text;

#[derive(Template)]
#[template(path = "error/page.html")]
struct Page {
    frame: Frame,
    title: &'static str,
    what: &'static str,
}

/// A page that says `what` (a key of the catalogue), under the name of the status.
pub fn page(status: StatusCode, what: &'static str) -> Response {
    let title = text(match status {
        StatusCode::NOT_FOUND => "error.not_found_title",
        StatusCode::UNAUTHORIZED => "error.signed_out_title",
        status if status.is_server_error() => "error.broken_title",
        _ => "error.refused_title",
    });
    page_with(status, &Page { frame: Frame::open(title), title, what: text(what) })
}

/// There is nothing here, or nothing of this organization's.
pub fn not_found() -> Response {
    page(StatusCode::NOT_FOUND, "error.not_found")
}

/// The database does not answer, or not as it must: the reason goes to the log alone.
pub fn unavailable(error: &dyn std::error::Error) -> Response {
    tracing::error!("A page could not be shown: {error}");
    page(StatusCode::SERVICE_UNAVAILABLE, "error.unavailable")
}

/// What is not in the table of routes: a page for browsers, a problem for programs.
pub async fn get_nothing(uri: Uri, headers: HeaderMap) -> Response {
    if api::is_of(&uri) {
        return api::problem::Problem::not_found().into_response();
    }
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("text/html") {
        return not_found();
    }
    Problem::new(StatusCode::NOT_FOUND, "there is nothing here").into_response()
}
