//! The second of two factors, after the password or a link.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;

use super::frame::Frame;
use super::sign_in::{let_in, own_path, too_soon};
use super::{error, filters, page_with, see};
use crate::login::LoginError;
use crate::login::caller::Caller;
use crate::login::second_step::SecondStep;
use crate::login::session::Ticket;
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
    /// Whether there are codes by time.
    codes: bool,
    /// Whether there is a passkey.
    passkeys: bool,
}

/// `GET /sign-in/code`.
pub async fn get_code(
    State(site): State<Site>,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let Some(half) = site.front.cookie.read(Kept::Half, &headers) else { return see("/sign-in") };
    let next = own_path(query.get("next").map(String::as_str).unwrap_or_default());
    show(&site, &half, StatusCode::OK, next, None).await
}

/// `POST /sign-in/code`.
pub async fn post_code(State(site): State<Site>, headers: HeaderMap, caller: Caller, form: Form) -> Response {
    let Some(half) = site.front.cookie.read(Kept::Half, &headers) else { return over() };
    let step = site.porter.second_step(&half, form.text("code"), &caller, site.clock.now()).await;
    answer(&site, (&half, &caller), own_path(form.text("next")), text("second_step.wrong"), step).await
}

/// Lets in who gave both, or shows what was wrong.
pub(super) async fn answer(
    site: &Site,
    (half, caller): (&Ticket, &Caller),
    next: &str,
    wrong: &str,
    step: Result<SecondStep, LoginError>,
) -> Response {
    match step {
        Ok(SecondStep::Done(identity)) => {
            let mut response = let_in(site, &identity, caller, next).await;
            if let Some(cookie) = site.front.cookie.remove(Kept::Half) {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        Ok(SecondStep::Wrong) => show(site, half, StatusCode::UNAUTHORIZED, next, Some(wrong.to_owned())).await,
        Ok(SecondStep::Over) => over(),
        Ok(SecondStep::Wait(wait)) => {
            too_soon(wait, async |status, error| show(site, half, status, next, Some(error)).await).await
        }
        Err(failed) => error::unavailable(&failed),
    }
}

pub(super) fn over() -> Response {
    error::page(StatusCode::UNAUTHORIZED, "second_step.over")
}

async fn show(site: &Site, half: &Ticket, status: StatusCode, next: &str, error: Option<String>) -> Response {
    // Where it took too long, the answer to a code says so.
    let factors = match site.porter.factors_of_half(half, site.clock.now()).await {
        Ok(factors) => factors,
        Err(failed) => return error::unavailable(&failed),
    };
    let codes = factors.is_none_or(|factors| factors.since.is_some());
    let passkeys = site.front.party.is_some() && factors.is_some_and(|factors| factors.passkeys > 0);
    page_with(status, &Page { frame: Frame::open(text("second_step.title")), next, error, codes, passkeys })
}
