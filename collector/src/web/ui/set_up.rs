//! The first administrator chooses address and password; the link that leads here works once.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::frame::Frame;
use super::sign_in::let_in;
use super::{error, filters, page_with};
use crate::login::caller::Caller;
use crate::login::set_up::SetUp;
use crate::login::{MAX_PASSWORD, MIN_PASSWORD, Unfit};
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::texts::{filled, text};

#[derive(Template)]
#[template(path = "set_up/page.html")]
struct Page<'a> {
    frame: Frame,
    link: &'a str,
    email: &'a str,
    error: Option<String>,
}

/// `GET /set-up/{link}`.
pub async fn get_set_up(State(site): State<Site>, Path(link): Path<String>) -> Response {
    match site.porter.set_up_works(&link, site.clock.now()).await {
        Ok(true) => show(StatusCode::OK, &link, "", None),
        Ok(false) => error::page(StatusCode::NOT_FOUND, "set_up.over"),
        Err(failed) => error::unavailable(&failed),
    }
}

/// `POST /set-up/{link}`.
pub async fn post_set_up(State(site): State<Site>, caller: Caller, Path(link): Path<String>, form: Form) -> Response {
    let email = form.text("email");
    match site.porter.set_up(&link, email, form.secret("password"), &caller, site.clock.now()).await {
        Ok(SetUp::Done(identity)) => let_in(&site, &identity, &caller, "/").await,
        Ok(SetUp::Over) => error::page(StatusCode::NOT_FOUND, "set_up.over"),
        Ok(SetUp::Unfit(unfit)) => show(StatusCode::UNPROCESSABLE_ENTITY, &link, email, Some(why(unfit))),
        Err(failed) => error::unavailable(&failed),
    }
}

fn show(status: StatusCode, link: &str, email: &str, error: Option<String>) -> Response {
    page_with(status, &Page { frame: Frame::open(text("set_up.title")), link, email, error })
}

/// What is wrong with what somebody chose, and what would be right.
pub(super) fn why(unfit: Unfit) -> String {
    match unfit {
        Unfit::Email => text("set_up.unfit_email").to_owned(),
        Unfit::Short => filled("set_up.unfit_short", MIN_PASSWORD),
        Unfit::Long => filled("set_up.unfit_long", MAX_PASSWORD),
        Unfit::Guessable => text("set_up.unfit_guessable").to_owned(),
        Unfit::Common => text("set_up.unfit_common").to_owned(),
    }
}
