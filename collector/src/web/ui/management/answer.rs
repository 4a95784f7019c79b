//! A consent is accepted, or ended from either side: each a page that says what follows, with a button that does it. They ask for proof
//! first.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::{Item, acting, item};
use crate::login::LoginError;
use crate::login::management::Answered;
use crate::store::managements::Side;
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::texts::{filled, text};
use crate::web::ui::frame::Frame;
use crate::web::ui::{error, filters, page_with, see};

#[derive(Template)]
#[template(path = "management/answer.html")]
struct Page {
    frame: Frame,
    item: Item,
    lead: String,
    button: &'static str,
    /// Where the button leads.
    action: String,
    /// Where one came from.
    back: &'static str,
    risky: bool,
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Revoke,
    Accept,
    Leave,
}

impl Deed {
    const fn side(self) -> Side {
        match self {
            Self::Revoke => Side::Managed,
            Self::Accept | Self::Leave => Side::Managing,
        }
    }

    const fn place(self) -> &'static str {
        match self {
            Self::Revoke => "/management",
            Self::Accept | Self::Leave => "/portfolio",
        }
    }

    const fn verb(self) -> &'static str {
        match self {
            Self::Revoke => "revoke",
            Self::Accept => "accept",
            Self::Leave => "leave",
        }
    }
}

/// `GET /management/{id}/revoke`.
pub async fn get_revoke(State(site): State<Site>, user: User, Path(id): Path<String>) -> Response {
    ask(&site, &user, Deed::Revoke, &id).await
}

/// `POST /management/{id}/revoke`.
pub async fn post_revoke(State(site): State<Site>, user: User, Path(id): Path<String>, _: Form) -> Response {
    end(&site, &user, Deed::Revoke, &id, "/management?done=consent_ended").await
}

/// `GET /portfolio/{id}/accept`.
pub async fn get_accept(State(site): State<Site>, user: User, Path(id): Path<String>) -> Response {
    ask(&site, &user, Deed::Accept, &id).await
}

/// `POST /portfolio/{id}/accept`.
pub async fn post_accept(State(site): State<Site>, user: User, Path(id): Path<String>, _: Form) -> Response {
    let Ok(id) = id.parse() else { return error::not_found() };
    let author = user.author();
    let done = site.porter.accept_management(acting(&user, &author), id, site.clock.now()).await;
    told(done, "/portfolio?done=accepted")
}

/// `GET /portfolio/{id}/leave`.
pub async fn get_leave(State(site): State<Site>, user: User, Path(id): Path<String>) -> Response {
    ask(&site, &user, Deed::Leave, &id).await
}

/// `POST /portfolio/{id}/leave`.
pub async fn post_leave(State(site): State<Site>, user: User, Path(id): Path<String>, _: Form) -> Response {
    end(&site, &user, Deed::Leave, &id, "/portfolio?done=consent_ended").await
}

async fn end(site: &Site, user: &User, deed: Deed, id: &str, next: &str) -> Response {
    let Ok(id) = id.parse() else { return error::not_found() };
    let author = user.author();
    let done = site.porter.end_management(deed.side(), acting(user, &author), id, site.clock.now()).await;
    told(done, next)
}

fn told(done: Result<Answered, LoginError>, next: &str) -> Response {
    match done {
        Ok(Answered::Done) => see(next),
        Ok(Answered::Gone) => error::not_found(),
        Ok(Answered::Refused(_)) => error::page(StatusCode::FORBIDDEN, "error.not_your_role"),
        Err(failed) => error::unavailable(&failed),
    }
}

async fn ask(site: &Site, user: &User, deed: Deed, id: &str) -> Response {
    let Ok(key) = id.parse() else { return error::not_found() };
    let now = site.clock.now().micros();
    let row = match site.porter.management(deed.side(), user.member.org, key).await {
        Ok(row) => row.filter(|row| row.ended_at.is_none() && row.until_at.is_none_or(|at| at > now)),
        Err(failed) => return error::unavailable(&failed),
    };
    let Some(row) = row else { return error::not_found() };
    let waits = row.accepted_at.is_none();
    let item = item(row, deed.side());
    let (title, lead, button) = match deed {
        Deed::Revoke => ("management.revoke_title", "management.revoke_lead", "management.revoke_button"),
        Deed::Accept => ("management.accept_title", "management.accept_lead", "management.accept_button"),
        Deed::Leave if waits => ("management.decline_title", "management.decline_lead", "management.decline_button"),
        Deed::Leave => ("management.leave_title", "management.leave_lead", "management.leave_button"),
    };
    let page = Page {
        frame: Frame::of(user, if deed == Deed::Revoke { "/members" } else { "/portfolio" }, text(title)),
        lead: filled(lead, &item.name),
        button: text(button),
        action: format!("{}/{}/{}", deed.place(), item.id, deed.verb()),
        back: deed.place(),
        risky: deed != Deed::Accept,
        item,
    };
    page_with(StatusCode::OK, &page)
}
