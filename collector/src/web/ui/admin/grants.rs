//! `/admin/grants`: who may administer the instance and who might before; give and revoke.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use picket_shared::time::Timestamp;

use super::super::frame::Frame;
use super::super::shape::{Shape, shape};
use super::super::{error, filters, page_with, see};
use super::{Head, frame};
use crate::domain::administration::Term;
use crate::login::administration::Granted;
use crate::store::admin_grants::GrantRow;
use crate::web::Site;
use crate::web::extract::administrator::Administrator;
use crate::web::extract::form::Form;
use crate::web::texts::text;

#[derive(Template)]
#[template(path = "admin/grants.html")]
struct Grants {
    frame: Frame,
    head: Head,
    items: Vec<Item>,
    email: String,
    terms: Vec<Choice>,
    faults: Vec<(&'static str, &'static str)>,
}

impl Grants {
    fn fault(&self, field: &str) -> Option<&'static str> {
        self.faults.iter().find(|(found, _)| *found == field).map(|(_, message)| *message)
    }
}

struct Item {
    id: String,
    email: String,
    shape: Shape,
    live: bool,
    from: String,
    until: String,
    by: String,
    revoked: Option<(String, String)>,
}

struct Choice {
    value: &'static str,
    words: &'static str,
    chosen: bool,
}

/// What is offered; anything else that is a [`Term`] is taken too.
const TERMS: [(&str, &str); 5] = [
    ("1h", "admin.term_1h"),
    ("8h", "admin.term_8h"),
    ("24h", "admin.term_24h"),
    ("7d", "admin.term_7d"),
    ("30d", "admin.term_30d"),
];
const USUAL: &str = "8h";

/// `GET /admin/grants`.
pub async fn get_grants(
    State(site): State<Site>,
    administrator: Administrator,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let frame = frame(&administrator, "admin.grants").noting(&query);
    show(&site, &administrator, frame, &Form::default(), Vec::new()).await
}

/// `POST /admin/grants`.
pub async fn post_grant(State(site): State<Site>, administrator: Administrator, form: Form) -> Response {
    let again = async |fault| {
        let frame = frame(&administrator, "admin.grants");
        show(&site, &administrator, frame, &form, vec![fault]).await
    };
    let Ok(term) = form.text("for").parse::<Term>() else { return again(("for", text("admin.bad_term"))).await };
    let (giver, by) = (administrator.user.member.user, administrator.author());
    match site.porter.grant(form.text("email"), term, Some(giver), &by, site.clock.now()).await {
        Ok(Granted::Done { second_factor: true, .. }) => see("/admin/grants?done=granted"),
        Ok(Granted::Done { second_factor: false, .. }) => see("/admin/grants?done=granted_without"),
        Ok(Granted::Nobody) => again(("email", text("admin.nobody"))).await,
        Ok(Granted::Oneself) => again(("email", text("admin.oneself"))).await,
        Err(failed) => error::unavailable(&failed),
    }
}

/// `POST /admin/grants/{id}/revoke`.
pub async fn post_revoke(
    State(site): State<Site>,
    administrator: Administrator,
    Path(id): Path<String>,
    _: Form,
) -> Response {
    let Ok(id) = id.parse() else { return error::not_found() };
    match site.porter.revoke_grant(id, &administrator.author(), site.clock.now()).await {
        Ok(true) => see("/admin/grants?done=grant_revoked"),
        Ok(false) => error::not_found(),
        Err(failed) => error::unavailable(&failed),
    }
}

async fn show(
    site: &Site,
    administrator: &Administrator,
    frame: Frame,
    form: &Form,
    faults: Vec<(&'static str, &'static str)>,
) -> Response {
    let rows = match site.porter.grants().await {
        Ok(rows) => rows,
        Err(failed) => return error::unavailable(&failed),
    };
    let now = site.clock.now();
    let chosen = if form.text("for").is_empty() { USUAL } else { form.text("for") };
    let term = |(value, words)| Choice { value, words: text(words), chosen: value == chosen };
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = Grants {
        frame,
        head: Head::of(administrator, "/admin/grants"),
        items: rows.into_iter().map(|row| item(row, now)).collect(),
        email: form.text("email").to_owned(),
        terms: TERMS.into_iter().map(term).collect(),
        faults,
    };
    page_with(status, &page)
}

fn item(row: GrantRow, now: Timestamp) -> Item {
    let time = |micros: i64| format!("{:.0}", Timestamp::from_micros(micros));
    let live = row.is_live(now);
    let (class, word) = match row.revoked_at {
        Some(_) => ("silent", "admin.revoked"),
        None if live => ("up", "admin.live"),
        None => ("paused", "admin.over"),
    };
    Item {
        id: row.uuid.to_string(),
        email: row.email,
        shape: Shape { word: text(word), ..shape(class) },
        live,
        from: time(row.from_at),
        until: time(row.until_at),
        by: row.granted_by,
        revoked: row.revoked_at.map(time).zip(row.revoked_by),
    }
}
