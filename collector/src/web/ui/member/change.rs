//! Another role, ownership handed over, or leaving: each a page that says what follows, with a button that does it. They ask
//! for proof first.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use uuid::Uuid;

use super::role_word;
use crate::domain::access::Role;
use crate::domain::members::{Change, Refused};
use crate::login::LoginError;
use crate::login::members::{Acting, Changed};
use crate::login::session::Ticket;
use crate::store::members::MemberRow;
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::guard::cookie::Kept;
use crate::web::texts::{filled, text};
use crate::web::ui::frame::Frame;
use crate::web::ui::{error, filters, page_with, see};

#[derive(Template)]
#[template(path = "member/change.html")]
struct Page {
    frame: Frame,
    lead: String,
    called: String,
    role: &'static str,
    button: &'static str,
    /// Where the button leads.
    action: String,
    /// The roles to choose from, where one is to be chosen: name, words, and whether it is the present one.
    roles: Vec<(&'static str, &'static str, bool)>,
    risky: bool,
    fault: Option<String>,
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Role,
    Transfer,
    Leave,
}

/// `GET /members/{id}/role`.
pub async fn get_role(State(site): State<Site>, user: User, Path(id): Path<String>) -> Response {
    ask(&site, &user, Deed::Role, id.parse().ok()).await
}

/// `POST /members/{id}/role`.
pub async fn post_role(State(site): State<Site>, user: User, Path(id): Path<String>, form: Form) -> Response {
    let Some(row) = find(&site, &user, id.parse().ok()).await else { return error::not_found() };
    let row = match row {
        Ok(row) => row,
        Err(failed) => return error::unavailable(&failed),
    };
    match form.text("role").parse() {
        Ok(role) => change(&site, &user, Deed::Role, &row, Change::To(role)).await,
        Err(_) => {
            show(&user, Deed::Role, &row, StatusCode::UNPROCESSABLE_ENTITY, Some(text("member.no_role").to_owned()))
        }
    }
}

/// `GET /members/leave`.
pub async fn get_leave(State(site): State<Site>, user: User) -> Response {
    ask(&site, &user, Deed::Leave, Some(user.member.id)).await
}

/// `POST /members/leave`.
pub async fn post_leave(State(site): State<Site>, user: User, _: Form) -> Response {
    leave(&site, &user).await
}

/// `GET /members/{id}/transfer`.
pub async fn get_transfer(State(site): State<Site>, user: User, Path(id): Path<String>) -> Response {
    ask(&site, &user, Deed::Transfer, id.parse().ok()).await
}

/// `POST /members/{id}/transfer`.
pub async fn post_transfer(State(site): State<Site>, user: User, Path(id): Path<String>, _: Form) -> Response {
    let row = match find(&site, &user, id.parse().ok()).await {
        Some(Ok(row)) => row,
        Some(Err(failed)) => return error::unavailable(&failed),
        None => return error::not_found(),
    };
    let author = user.author();
    let done = site.porter.transfer(acting(&user, &author), row.id, site.clock.now()).await;
    answer(&site, &user, Deed::Transfer, &row, done)
}

async fn leave(site: &Site, user: &User) -> Response {
    match find(site, user, Some(user.member.id)).await {
        Some(Ok(row)) => change(site, user, Deed::Leave, &row, Change::Out).await,
        Some(Err(failed)) => error::unavailable(&failed),
        None => error::not_found(),
    }
}

async fn change(site: &Site, user: &User, deed: Deed, row: &MemberRow, change: Change) -> Response {
    let author = user.author();
    let done = site.porter.change_member(acting(user, &author), row.id, &[change], site.clock.now()).await;
    answer(site, user, deed, row, done)
}

/// Who is signed in, as who changes members.
pub(super) fn acting<'a>(user: &'a User, author: &'a crate::store::audit::Author) -> Acting<'a> {
    Acting { user: user.member.user, org: user.member.org, ticket: Some(&user.ticket), author }
}

fn answer(site: &Site, user: &User, deed: Deed, row: &MemberRow, done: Result<Changed, LoginError>) -> Response {
    let ticket = match done {
        Ok(Changed::Done(ticket)) => ticket,
        Ok(Changed::Gone) => return error::not_found(),
        Ok(Changed::Refused(refused)) => {
            let (status, fault) = refusal(refused);
            return show(user, deed, row, status, Some(fault));
        }
        Err(failed) => return error::unavailable(&failed),
    };
    match deed {
        Deed::Leave => out(site, true, ticket.as_ref()),
        Deed::Role => keeping(site, see("/members?done=role_changed"), ticket.as_ref()),
        Deed::Transfer => keeping(site, see("/members?done=transferred"), ticket.as_ref()),
    }
}

/// What somebody being out leads to: the own session is over, or goes on elsewhere.
pub(super) fn out(site: &Site, own: bool, ticket: Option<&Ticket>) -> Response {
    if !own {
        return see("/members?done=member_removed");
    }
    match ticket {
        None => with(see("/organizations"), site.front.cookie.remove(Kept::Session)),
        ticket => keeping(site, see("/organizations"), ticket),
    }
}

/// An answer after which the session goes on under this token, if under another.
fn keeping(site: &Site, response: Response, ticket: Option<&Ticket>) -> Response {
    with(response, ticket.and_then(|ticket| site.front.cookie.keep(Kept::Session, ticket)))
}

fn with(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// What a deed that leaves the own session alone leads to: there when it is done, or its page `again` with what is wrong.
pub(super) fn answer_or(
    site: &Site,
    done: Result<Changed, LoginError>,
    there: &str,
    again: impl FnOnce(StatusCode, String) -> Response,
) -> Response {
    match done {
        Ok(Changed::Done(ticket)) => keeping(site, see(there), ticket.as_ref()),
        Ok(Changed::Gone) => error::not_found(),
        Ok(Changed::Refused(refused)) => {
            let (status, fault) = refusal(refused);
            again(status, fault)
        }
        Err(failed) => error::unavailable(&failed),
    }
}

/// Why something cannot be, for a person.
pub(super) fn refusal(refused: Refused) -> (StatusCode, String) {
    let key = match refused {
        Refused::Right => "error.not_your_role",
        Refused::Above => "member.above",
        Refused::LastOwner => "member.last_owner",
        Refused::OwnEnd => "member.own_end",
        Refused::BeyondOwnEnd => "member.beyond_own_end",
        Refused::Service => "member.service_owner",
        Refused::Past => "member.past",
    };
    let status = if refused == Refused::LastOwner { StatusCode::CONFLICT } else { StatusCode::UNPROCESSABLE_ENTITY };
    (status, text(key).to_owned())
}

async fn ask(site: &Site, user: &User, deed: Deed, id: Option<Uuid>) -> Response {
    match find(site, user, id).await {
        Some(Ok(row)) => show(user, deed, &row, StatusCode::OK, None),
        Some(Err(failed)) => error::unavailable(&failed),
        None => error::not_found(),
    }
}

/// The member of that id in the organization; none is there of another's.
pub(super) async fn find(
    site: &Site,
    user: &User,
    id: Option<Uuid>,
) -> Option<Result<MemberRow, crate::store::StoreError>> {
    site.porter.member(user.member.org, id?).await.transpose()
}

fn show(user: &User, deed: Deed, row: &MemberRow, status: StatusCode, fault: Option<String>) -> Response {
    let (id, email, org) = (row.id, &row.called, &user.member.org_name);
    let (title, lead, button, action) = match deed {
        Deed::Role => (
            "member.role_title",
            text("member.role_lead").to_owned(),
            "member.role_button",
            format!("/members/{id}/role"),
        ),
        Deed::Transfer => (
            "member.transfer_title",
            filled("member.transfer_lead", email),
            "member.transfer_button",
            format!("/members/{id}/transfer"),
        ),
        Deed::Leave => {
            ("member.leave_title", filled("member.leave_lead", org), "member.leave_button", "/members/leave".to_owned())
        }
    };
    let offered = Role::ALL
        .into_iter()
        .filter(|role| deed == Deed::Role && *role <= user.member.role && !(row.service && *role == Role::Owner));
    let page = Page {
        frame: Frame::of(user, "/members", text(title)),
        lead,
        called: row.called.clone(),
        role: role_word(row.role),
        button: text(button),
        action,
        roles: offered.map(|role| (role.as_str(), role_word(role), role == row.role)).collect(),
        risky: deed != Deed::Role,
        fault,
    };
    page_with(status, &page)
}
