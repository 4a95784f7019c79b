//! What a link from a mail leads to: a page that says what it would do, with a button that does it. A look uses nothing up,
//! since mail scanners follow links.
//!
//! [`ask`] is where links are asked for.

pub mod ask;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;

use super::frame::Frame;
use super::set_up::why;
use super::sign_in::{forget, signed};
use super::{error, filters, page_with, see};
use crate::login::account::Agreed;
use crate::login::caller::Caller;
use crate::login::closing::Restored;
use crate::login::link::{Link, Look, Purpose, Reset};
use crate::login::session::Ticket;
use crate::login::sign_up::{MAX_NAME, SignUp};
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::guard::cookie::Kept;
use crate::web::texts::{filled, text};

#[derive(Template)]
#[template(path = "link/page.html")]
struct Page<'a> {
    frame: Frame,
    link: &'a str,
    lead: String,
    button: &'static str,
    /// Whether a password is to be chosen.
    password: bool,
    /// The organization's name, where one is to be chosen.
    organization: Option<&'a str>,
    email: &'a str,
    error: Option<String>,
}

/// `GET /link/{link}`.
pub async fn get_link(State(site): State<Site>, headers: HeaderMap, Path(link): Path<String>) -> Response {
    match looked(&site, &headers, &link).await {
        Ok((found, _)) if found.purpose == Purpose::Restore => restoring(&site, &link, &found).await,
        Ok((found, _)) => show(StatusCode::OK, &link, &found, "", None),
        Err(response) => response,
    }
}

/// `POST /link/{link}`.
pub async fn post_link(
    State(site): State<Site>,
    headers: HeaderMap,
    caller: Caller,
    Path(link): Path<String>,
    form: Form,
) -> Response {
    let (found, asker) = match looked(&site, &headers, &link).await {
        Ok(looked) => looked,
        Err(response) => return response,
    };
    let (porter, now, asker) = (&site.porter, site.clock.now(), asker.as_ref());
    match found.purpose {
        Purpose::SignIn => match porter.sign_in_by_link(&link, asker, &caller, now).await {
            Ok(done) => signed(&site, done, &caller, "").await.unwrap_or_else(over),
            Err(failed) => error::unavailable(&failed),
        },
        Purpose::Reset | Purpose::Recover => {
            match porter.reset_password(&link, asker, form.secret("password"), &caller, now).await {
                Ok(Reset::Done) => out(&site, "/sign-in?done=password"),
                Ok(Reset::Unfit(unfit)) => unfitting(&link, &found, "", why(unfit)),
                Ok(Reset::Over) => over(),
                Err(failed) => error::unavailable(&failed),
            }
        }
        Purpose::SignUp => {
            let name = form.text("organization");
            match porter.sign_up(&link, asker, name, form.secret("password"), &caller, now).await {
                Ok(SignUp::Done(identity)) => super::sign_in::let_in(&site, &identity, &caller, "/").await,
                Ok(SignUp::Unfit(unfit)) => unfitting(&link, &found, name, why(unfit)),
                Ok(SignUp::Name) => unfitting(&link, &found, name, filled("link.unfit_name", MAX_NAME)),
                Ok(SignUp::Over) => over(),
                Err(failed) => error::unavailable(&failed),
            }
        }
        Purpose::Restore => match porter.restore(&link, &caller, now).await {
            Ok(Restored::Done) => see("/sign-in?done=back"),
            Ok(Restored::Taken) => error::page(StatusCode::CONFLICT, "link.taken"),
            Ok(Restored::Over) => over(),
            Err(failed) => error::unavailable(&failed),
        },
        Purpose::Confirm | Purpose::ChangeOld | Purpose::ChangeNew => match porter.agree(&link, &caller, now).await {
            Ok(Agreed::Confirmed) => see("/sign-in?done=confirmed"),
            Ok(Agreed::Half) => see("/sign-in?done=half_agreed"),
            Ok(Agreed::Changed) => out(&site, "/sign-in?done=address"),
            Ok(Agreed::Taken) => error::page(StatusCode::CONFLICT, "link.taken"),
            Ok(Agreed::Over) => over(),
            Err(failed) => error::unavailable(&failed),
        },
    }
}

/// What a link would bring back.
async fn restoring(site: &Site, link: &str, found: &Link) -> Response {
    let (name, is_organization) = match site.porter.what_comes_back(found.closure, site.clock.now()).await {
        Ok(Some(back)) => back,
        Ok(None) => return over(),
        Err(failed) => return error::unavailable(&failed),
    };
    let lead = if is_organization { "closing.restore_organization" } else { "closing.restore_account" };
    let page = Page {
        frame: Frame::open(text("closing.restore_title")),
        link,
        lead: filled(lead, name),
        button: text("closing.restore_button"),
        password: false,
        organization: None,
        email: &found.email,
        error: None,
    };
    page_with(StatusCode::OK, &page)
}

/// What a link would do here, and by which browser it was asked for; or why it does nothing.
async fn looked(site: &Site, headers: &HeaderMap, link: &str) -> Result<(Link, Option<Ticket>), Response> {
    let asker = site.front.cookie.read(Kept::Asker, headers);
    match site.porter.look_at(link, asker.as_ref(), site.clock.now()).await {
        Ok(Look::Ready(found)) => Ok((found, asker)),
        Ok(Look::OtherBrowser) => Err(error::page(StatusCode::FORBIDDEN, "link.other_browser")),
        Ok(Look::Over) => Err(over()),
        Err(failed) => Err(error::unavailable(&failed)),
    }
}

fn over() -> Response {
    error::page(StatusCode::NOT_FOUND, "link.over")
}

/// Every session is over: this browser's too.
fn out(site: &Site, to: &str) -> Response {
    let mut response = see(to);
    forget(site, &mut response);
    if let Some(cookie) = site.front.cookie.remove(Kept::Asker) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

fn unfitting(link: &str, found: &Link, organization: &str, error: String) -> Response {
    show(StatusCode::UNPROCESSABLE_ENTITY, link, found, organization, Some(error))
}

fn show(status: StatusCode, link: &str, found: &Link, organization: &str, error: Option<String>) -> Response {
    let email = &found.email;
    let (title, lead, button) = match found.purpose {
        Purpose::SignIn => ("link.sign_in_title", filled("link.sign_in_lead", email), text("link.sign_in_button")),
        Purpose::Reset | Purpose::Recover => {
            ("link.reset_title", filled("link.reset_lead", email), text("link.reset_button"))
        }
        Purpose::SignUp => ("link.make_title", filled("link.make_lead", email), text("link.make_button")),
        Purpose::Confirm => ("link.confirm_title", filled("link.confirm_lead", email), text("link.confirm_button")),
        Purpose::ChangeOld => ("link.change_title", filled("link.change_old_lead", email), text("link.change_button")),
        // It has a page of its own.
        Purpose::Restore => ("closing.restore_title", String::new(), text("closing.restore_button")),
        Purpose::ChangeNew => ("link.change_title", filled("link.change_new_lead", email), text("link.change_button")),
    };
    let page = Page {
        frame: Frame::open(text(title)),
        link,
        lead,
        button,
        password: matches!(found.purpose, Purpose::Reset | Purpose::Recover | Purpose::SignUp),
        organization: (found.purpose == Purpose::SignUp).then_some(organization),
        email,
        error,
    };
    page_with(status, &page)
}
