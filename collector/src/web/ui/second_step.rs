//! The second of two factors, after the password or a link.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;

use super::frame::Frame;
use super::sign_in::{let_in, own_path, too_soon};
use super::{error, filters, page_with, see};
use crate::login::caller::Caller;
use crate::login::second_step::SecondStep;
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::guard::cookie::Kept;
use crate::web::texts::text;

#[derive(Template)]
#[template(path = "second_step/page.html")]
struct Page<'a> {
    frame: Frame,
    next: &'a str,
    error: Option<String>,
}

/// `GET /sign-in/code`.
pub async fn get_code(
    State(site): State<Site>,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    if site.front.cookie.read(Kept::Half, &headers).is_none() {
        return see("/sign-in");
    }
    show(StatusCode::OK, own_path(query.get("next").map(String::as_str).unwrap_or_default()), None)
}

/// `POST /sign-in/code`.
pub async fn post_code(State(site): State<Site>, headers: HeaderMap, caller: Caller, form: Form) -> Response {
    let next = own_path(form.text("next"));
    let Some(half) = site.front.cookie.read(Kept::Half, &headers) else { return over() };
    match site.porter.second_step(&half, form.text("code"), &caller, site.clock.now()).await {
        Ok(SecondStep::Done(identity)) => {
            let mut response = let_in(&site, &identity, &caller, next).await;
            if let Some(cookie) = site.front.cookie.remove(Kept::Half) {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        Ok(SecondStep::Wrong) => show(StatusCode::UNAUTHORIZED, next, Some(text("second_step.wrong").to_owned())),
        Ok(SecondStep::Over) => over(),
        Ok(SecondStep::Wait(wait)) => too_soon(wait, async |status, error| show(status, next, Some(error))).await,
        Err(failed) => error::unavailable(&failed),
    }
}

fn over() -> Response {
    error::page(StatusCode::UNAUTHORIZED, "second_step.over")
}

fn show(status: StatusCode, next: &str, error: Option<String>) -> Response {
    page_with(status, &Page { frame: Frame::open(text("second_step.title")), next, error })
}
