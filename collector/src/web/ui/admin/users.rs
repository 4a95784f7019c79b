//! `/admin/users`: who signs in here, and help for who is locked out or lost a browser.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use picket_shared::time::Timestamp;

use super::super::frame::Frame;
use super::super::shape::{When, when};
use super::super::{error, filters, page_of, see};
use super::{Head, frame, next_page};
use crate::login::administration::Person;
use crate::store::StoreError;
use crate::store::read::users::PAGE;
use crate::web::Site;
use crate::web::extract::administrator::Administrator;
use crate::web::extract::form::Form;

#[derive(Template)]
#[template(path = "admin/users.html")]
struct Users {
    frame: Frame,
    head: Head,
    search: String,
    items: Vec<Item>,
    next: Option<String>,
}

struct Item {
    id: String,
    email: String,
    signed_in: Option<When>,
    second_factor: bool,
    sessions: i64,
    locked: Option<String>,
}

/// `GET /admin/users`.
pub async fn get_users(
    State(site): State<Site>,
    administrator: Administrator,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let get = |key: &str| query.get(key).map(|value| value.trim().replace('\0', "")).unwrap_or_default();
    let (search, after, now) = (get("q"), get("after"), site.clock.now());
    let read = async {
        let mut people = site.porter.people(&search, &after, now).await?;
        let next = next_page(&mut people, PAGE, "/admin/users", &search, |person| &person.row.email);
        Ok::<_, StoreError>(Users {
            frame: frame(&administrator, "admin.users").noting(&query),
            head: Head::of(&administrator, "/admin/users"),
            items: people.into_iter().map(|person| item(person, now)).collect(),
            search: search.clone(),
            next,
        })
    };
    page_of(read.await)
}

fn item(person: Person, now: Timestamp) -> Item {
    Item {
        id: person.row.uuid.to_string(),
        email: person.row.email,
        signed_in: person.row.signed_in_at.map(|at| when(Timestamp::from_micros(at), now)),
        second_factor: person.second_factor,
        sessions: person.row.sessions,
        locked: person.locked_until.map(|until| format!("{until:.0}")),
    }
}

/// `POST /admin/users/{id}/unlock`.
pub async fn post_unlock(
    State(site): State<Site>,
    administrator: Administrator,
    Path(id): Path<String>,
    _: Form,
) -> Response {
    let Ok(id) = id.parse() else { return error::not_found() };
    match site.porter.unlock(id, &administrator.author(), site.clock.now()).await {
        Ok(true) => see("/admin/users?done=unlocked"),
        Ok(false) => error::not_found(),
        Err(failed) => error::unavailable(&failed),
    }
}

/// `POST /admin/users/{id}/end-sessions`.
pub async fn post_end_sessions(
    State(site): State<Site>,
    administrator: Administrator,
    Path(id): Path<String>,
    _: Form,
) -> Response {
    let Ok(id) = id.parse() else { return error::not_found() };
    match site.porter.end_all(id, &administrator.author(), site.clock.now()).await {
        Ok(Some(ended)) => see(&format!("/admin/users?done=sessions_ended&name={ended}")),
        Ok(None) => error::not_found(),
        Err(failed) => error::unavailable(&failed),
    }
}
