//! Asks for a link by mail: to sign in, to choose another password, to make an account. One answer, whether anybody has the
//! address or not.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;

use crate::config::LoginMode;
use crate::login::caller::Caller;
use crate::login::link::{Asked, Purpose};
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::guard::cookie::Kept;
use crate::web::texts::text;
use crate::web::ui::frame::Frame;
use crate::web::ui::set_up::why;
use crate::web::ui::sign_in::too_soon;
use crate::web::ui::{error, filters, page_with};

#[derive(Template)]
#[template(path = "link/ask.html")]
struct Page<'a> {
    frame: Frame,
    email: &'a str,
    sign_up: bool,
    error: Option<String>,
}

#[derive(Template)]
#[template(path = "link/asked.html")]
struct AskedPage<'a> {
    frame: Frame,
    email: &'a str,
    sign_up: bool,
}

/// `GET /sign-in/link`.
pub async fn get_ask(State(site): State<Site>) -> Response {
    if site.porter.settings().mails { show(StatusCode::OK, "", false, None) } else { no_mail() }
}

/// `POST /sign-in/link`.
pub async fn post_ask(State(site): State<Site>, headers: HeaderMap, caller: Caller, form: Form) -> Response {
    if !site.porter.settings().mails {
        return no_mail();
    }
    let purpose = if form.text("do") == "reset" { Purpose::Reset } else { Purpose::SignIn };
    ask(&site, &headers, &caller, form.text("email"), purpose).await
}

/// `GET /sign-up`.
pub async fn get_sign_up(State(site): State<Site>) -> Response {
    if is_open(&site) { show(StatusCode::OK, "", true, None) } else { closed() }
}

/// `POST /sign-up`.
pub async fn post_sign_up(State(site): State<Site>, headers: HeaderMap, caller: Caller, form: Form) -> Response {
    if !is_open(&site) {
        return closed();
    }
    ask(&site, &headers, &caller, form.text("email"), Purpose::SignUp).await
}

async fn ask(site: &Site, headers: &HeaderMap, caller: &Caller, email: &str, purpose: Purpose) -> Response {
    let sign_up = purpose == Purpose::SignUp;
    let asker = site.front.cookie.read(Kept::Asker, headers);
    match site.porter.ask_for_link(email, purpose, asker.as_ref(), caller, site.clock.now()).await {
        Ok(Asked::Done(asker)) => {
            let frame = Frame::open(text("link.asked_title"));
            let mut response = page_with(StatusCode::OK, &AskedPage { frame, email, sign_up });
            if let Some(cookie) = site.front.cookie.keep(Kept::Asker, &asker) {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        Ok(Asked::Unfit(unfit)) => show(StatusCode::UNPROCESSABLE_ENTITY, email, sign_up, Some(why(unfit))),
        Ok(Asked::Wait(wait)) => too_soon(wait, async |status, error| show(status, email, sign_up, Some(error))).await,
        Err(failed) => error::unavailable(&failed),
    }
}

fn show(status: StatusCode, email: &str, sign_up: bool, error: Option<String>) -> Response {
    let title = if sign_up { text("link.sign_up_title") } else { text("link.ask_title") };
    page_with(status, &Page { frame: Frame::open(title), email, sign_up, error })
}

fn is_open(site: &Site) -> bool {
    site.porter.settings().mode == LoginMode::Open
}

fn closed() -> Response {
    error::page(StatusCode::NOT_FOUND, "link.closed")
}

fn no_mail() -> Response {
    error::page(StatusCode::NOT_FOUND, "link.no_mail")
}
