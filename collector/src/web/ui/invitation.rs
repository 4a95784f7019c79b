//! What an invitation leads to: joining for who is signed in with its address, signing in for who has an account, and making
//! one where the operator lets the invited in. A look uses nothing up.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;

use super::frame::Frame;
use super::set_up::why;
use super::sign_in::let_in;
use super::{error, filters, page_with, see};
use crate::config::LoginMode;
use crate::login::LoginError;
use crate::login::caller::Caller;
use crate::login::invite::{Accepted, Seen};
use crate::login::session::{Resumed, Ticket};
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::guard::cookie::Kept;
use crate::web::texts::{filled, text};
use crate::web::ui::member::role_word;

#[derive(Template)]
#[template(path = "invitation/page.html")]
struct Page<'a> {
    frame: Frame,
    link: &'a str,
    lead: String,
    email: &'a str,
    role: &'static str,
    /// When the membership ends that it leads to.
    until: Option<String>,
    way: Way,
    error: Option<String>,
}

/// How who looks may accept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Join,
    SignIn,
    SignUp,
    /// Signed in with another address.
    Other,
    /// Without an account, where nobody may make one.
    Closed,
}

/// Whose session a browser holds.
type Held = Option<(Resumed, Ticket)>;

/// `GET /invitation/{link}`.
pub async fn get_invitation(State(site): State<Site>, headers: HeaderMap, Path(link): Path<String>) -> Response {
    match looked(&site, &headers, &link).await {
        Ok(Some((seen, held))) => show(&site, &link, &seen, &held, StatusCode::OK, None),
        Ok(None) => over(),
        Err(failed) => error::unavailable(&failed),
    }
}

/// `POST /invitation/{link}`.
pub async fn post_invitation(
    State(site): State<Site>,
    headers: HeaderMap,
    caller: Caller,
    Path(link): Path<String>,
    form: Form,
) -> Response {
    let (seen, held) = match looked(&site, &headers, &link).await {
        Ok(Some(looked)) => looked,
        Ok(None) => return over(),
        Err(failed) => return error::unavailable(&failed),
    };
    let (porter, now) = (&site.porter, site.clock.now());
    let done = match &held {
        Some((resumed, ticket)) => porter.join(&link, &resumed.account(), ticket, &caller, now).await,
        None => porter.sign_up_invited(&link, form.secret("password"), &caller, now).await,
    };
    match done {
        Ok(Accepted::Joined(ticket)) => {
            let mut response = see("/");
            if let Some(cookie) = site.front.cookie.keep(Kept::Session, &ticket) {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        Ok(Accepted::Made(identity)) => let_in(&site, &identity, &caller, "/").await,
        Ok(Accepted::Unfit(unfit)) => {
            show(&site, &link, &seen, &held, StatusCode::UNPROCESSABLE_ENTITY, Some(why(unfit)))
        }
        Ok(Accepted::Other) => show(&site, &link, &seen, &held, StatusCode::FORBIDDEN, None),
        Ok(Accepted::Over) if held.is_none() && (seen.has_account || is_closed(&site)) => {
            show(&site, &link, &seen, &held, StatusCode::FORBIDDEN, None)
        }
        Ok(Accepted::Over) => over(),
        Err(failed) => error::unavailable(&failed),
    }
}

async fn looked(site: &Site, headers: &HeaderMap, link: &str) -> Result<Option<(Seen, Held)>, LoginError> {
    let now = site.clock.now();
    let Some(seen) = site.porter.look_at_invitation(link, now).await? else { return Ok(None) };
    let Some(ticket) = site.front.cookie.read(Kept::Session, headers) else { return Ok(Some((seen, None))) };
    let resumed = site.porter.resume(&ticket, now).await?;
    Ok(Some((seen, resumed.map(|resumed| (resumed, ticket)))))
}

fn over() -> Response {
    error::page(StatusCode::NOT_FOUND, "invitation.over")
}

fn is_closed(site: &Site) -> bool {
    site.porter.settings().mode == LoginMode::Closed
}

fn show(site: &Site, link: &str, seen: &Seen, held: &Held, status: StatusCode, error: Option<String>) -> Response {
    let way = match held {
        Some((resumed, _)) if resumed.account().email == seen.email => Way::Join,
        Some(_) => Way::Other,
        None if seen.has_account => Way::SignIn,
        None if is_closed(site) => Way::Closed,
        None => Way::SignUp,
    };
    let page = Page {
        frame: Frame::open(text("invitation.title")),
        link,
        lead: filled("invitation.lead", &seen.organization),
        email: &seen.email,
        role: role_word(seen.is.role),
        until: seen.is.until.map(|until| format!("{until:.0}")),
        way,
        error,
    };
    page_with(status, &page)
}
