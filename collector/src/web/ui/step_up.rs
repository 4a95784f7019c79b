//! Asks again who it is, and goes on to what was wanted.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::Response;

use super::frame::Frame;
use super::sign_in::{own_path, too_soon};
use super::{error, filters, page_with, see};
use crate::login::LoginError;
use crate::login::step_up::{Evidence, StepUp};
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::guard::cookie::Kept;
use crate::web::texts::text;

#[derive(Template)]
#[template(path = "step_up/page.html")]
struct Page<'a> {
    frame: Frame,
    next: &'a str,
    /// Whether there is a second factor.
    second: bool,
    /// Whether there is a passkey.
    passkeys: bool,
    error: Option<String>,
}

/// `GET /step-up`.
pub async fn get_step_up(
    State(site): State<Site>,
    user: User,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let next = own_path(query.get("next").map(String::as_str).unwrap_or_default());
    show(&site, &user, StatusCode::OK, next, None).await
}

/// `POST /step-up`.
pub async fn post_step_up(State(site): State<Site>, user: User, form: Form) -> Response {
    let next = own_path(form.text("next"));
    let (evidence, wrong) = match form.text("code") {
        "" => (Evidence::Password(form.secret("password")), text("step_up.wrong")),
        code => (Evidence::Code(code.to_owned()), text("step_up.wrong_code")),
    };
    let step = site.porter.step_up(&user.member, &user.ticket, evidence, &user.author(), site.clock.now()).await;
    answer(&site, &user, next, wrong, step).await
}

/// Goes on to what was wanted, or shows what was wrong.
pub(super) async fn answer(
    site: &Site,
    user: &User,
    next: &str,
    wrong: &str,
    step: Result<StepUp, LoginError>,
) -> Response {
    match step {
        Ok(StepUp::Done(ticket)) => {
            let mut response = see(if next.is_empty() { "/account" } else { next });
            if let Some(cookie) = site.front.cookie.keep(Kept::Session, &ticket) {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        Ok(StepUp::Wrong) => show(site, user, StatusCode::UNAUTHORIZED, next, Some(wrong.to_owned())).await,
        Ok(StepUp::NotEnough) => {
            let why = text("step_up.not_enough").to_owned();
            show(site, user, StatusCode::UNAUTHORIZED, next, Some(why)).await
        }
        Ok(StepUp::Wait(wait)) => {
            too_soon(wait, async |status, error| show(site, user, status, next, Some(error)).await).await
        }
        Ok(StepUp::Over) => error::page(StatusCode::UNAUTHORIZED, "error.signed_out"),
        Err(failed) => error::unavailable(&failed),
    }
}

async fn show(site: &Site, user: &User, status: StatusCode, next: &str, error: Option<String>) -> Response {
    match site.porter.factors(user.member.user).await {
        Ok(factors) => {
            let frame = Frame::of(user, "", text("step_up.title"));
            let passkeys = site.front.party.is_some() && factors.passkeys > 0;
            page_with(status, &Page { frame, next, second: factors.any(), passkeys, error })
        }
        Err(failed) => error::unavailable(&failed),
    }
}
