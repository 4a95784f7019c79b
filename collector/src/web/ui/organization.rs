//! `/organizations`: those that somebody belongs to, and the way from one to another. Here also lands who is in none (any
//! more).

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use uuid::Uuid;

use super::frame::Frame;
use super::member::role_word;
use super::{error, filters, page_with, see};
use crate::login::organization::Created;
use crate::login::session::Ticket;
use crate::login::sign_up::MAX_NAME;
use crate::store::StoreError;
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::Person;
use crate::web::guard::cookie::Kept;
use crate::web::texts::{filled, text};

#[derive(Template)]
#[template(path = "organization/list.html")]
struct Page {
    frame: Frame,
    email: String,
    items: Vec<Item>,
    may_create: bool,
}

#[derive(Template)]
#[template(path = "organization/form.html")]
struct MakePage<'a> {
    frame: Frame,
    called: &'a str,
    fault: Option<String>,
}

struct Item {
    id: Uuid,
    name: String,
    role: &'static str,
    /// The managing organization through which one acts there.
    through: Option<String>,
    /// Whether the session is in it.
    current: bool,
}

/// `GET /organizations`.
pub async fn get_organizations(State(site): State<Site>, person: Person) -> Response {
    match items(&site, &person).await {
        Ok(items) => {
            let frame = Frame::of_person(&person, text("organization.title"));
            let (email, may_create) = (person.resumed.account().email, site.porter.may_create());
            page_with(StatusCode::OK, &Page { frame, email, items, may_create })
        }
        Err(failed) => error::unavailable(&failed),
    }
}

/// `GET /organizations/new`.
pub async fn get_new(State(site): State<Site>, person: Person) -> Response {
    if site.porter.may_create() { make(&person, StatusCode::OK, "", None) } else { not_here() }
}

/// `POST /organizations/new`: who made it goes on there.
pub async fn post_new(State(site): State<Site>, person: Person, form: Form) -> Response {
    let (name, account) = (form.text("organization"), person.resumed.account());
    let (by, now) = (person.author(), site.clock.now());
    match site.porter.create_organization(&account, &person.ticket, name, &by, now).await {
        Ok(Ok(ticket)) => keeping(&site, &ticket),
        Ok(Err(Created::Name)) => {
            let fault = filled("organization.bad_name", MAX_NAME);
            make(&person, StatusCode::UNPROCESSABLE_ENTITY, name, Some(fault))
        }
        Ok(Err(_)) => not_here(),
        Err(failed) => error::unavailable(&failed),
    }
}

fn make(person: &Person, status: StatusCode, called: &str, fault: Option<String>) -> Response {
    page_with(status, &MakePage { frame: Frame::of_person(person, text("organization.make")), called, fault })
}

fn not_here() -> Response {
    error::page(StatusCode::NOT_FOUND, "organization.not_here")
}

/// Goes on under another token.
fn keeping(site: &Site, ticket: &Ticket) -> Response {
    let mut response = see("/");
    if let Some(cookie) = site.front.cookie.keep(Kept::Session, ticket) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// `POST /organizations/{id}/choose`.
pub async fn post_choose(State(site): State<Site>, person: Person, Path(id): Path<String>, _: Form) -> Response {
    let Ok(id) = id.parse() else { return error::not_found() };
    match site.porter.choose_organization(&person.resumed.account(), &person.ticket, id, site.clock.now()).await {
        Ok(Some(ticket)) => keeping(&site, &ticket),
        Ok(None) => error::not_found(),
        Err(failed) => error::unavailable(&failed),
    }
}

async fn items(site: &Site, person: &Person) -> Result<Vec<Item>, StoreError> {
    let joined = site.porter.organizations(person.resumed.account().user, site.clock.now()).await?;
    let item = |joined: crate::store::organizations::Joined| Item {
        id: joined.uuid,
        current: person.resumed.org() == Some(joined.key),
        role: joined.role.parse().map(role_word).unwrap_or_default(),
        through: joined.through,
        name: joined.name,
    };
    Ok(joined.into_iter().map(item).collect())
}
