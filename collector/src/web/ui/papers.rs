//! Papers: `/sub-processors` for everybody; `/organization/dpa` for members of an organization, with every version that it was issued,
//! and `/organization/dpa/accept`, where an owner accepts the newest.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use picket_shared::time::Timestamp;

use super::frame::Frame;
use super::shape::{Shape, day, shape};
use super::{error, filters, page, page_of, page_with, see};
use crate::domain::access::Role;
use crate::domain::sub_processors::{Standing, Step, SubProcessor};
use crate::privacy::agreements::Accepted;
use crate::privacy::documents::markdown::{Block, blocks};
use crate::store::agreements::Agreement;
use crate::store::sub_processors;
use crate::store::{Auth, StoreError};
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::file;
use crate::web::texts::{filled, text};

/// Changes that the page shows.
const CHANGES: i64 = 20;

#[derive(Template)]
#[template(path = "papers/sub_processors.html")]
struct Others {
    frame: Frame,
    lead: String,
    items: Vec<Other>,
    changes: Vec<Told>,
}

struct Other {
    it: SubProcessor,
    shape: Shape,
}

/// A change, the day on which it was noted, and lines of it.
struct Told {
    noted: String,
    lines: Vec<(&'static str, String)>,
}

/// `GET /sub-processors`.
pub async fn get_sub_processors(State(site): State<Site>) -> Response {
    let read = async { others(&site, &mut site.pools.auth().await?).await };
    page_of(read.await)
}

async fn others(site: &Site, auth: &mut Auth) -> Result<Others, StoreError> {
    let (now, privacy) = (site.clock.now(), &site.office.said.privacy);
    let item = |it: &SubProcessor| {
        let (class, word) = match it.standing(now) {
            Standing::Upcoming => ("pending", "papers.upcoming"),
            Standing::Current => ("up", "papers.current"),
            Standing::Ended => ("paused", "papers.ended"),
        };
        Other { it: it.clone(), shape: Shape { word: text(word), ..shape(class) } }
    };
    let told = |row: sub_processors::ListRow| {
        let line = |change: &crate::domain::sub_processors::Change| {
            let word = match change.step {
                Step::Added => "papers.added",
                Step::Changed => "papers.changed",
                Step::Removed => "papers.removed",
            };
            (text(word), change.of.told())
        };
        Told { noted: day(row.noted_at), lines: row.changes.iter().map(line).collect() }
    };
    Ok(Others {
        frame: Frame::open(text("papers.others_title")),
        lead: filled("papers.others_lead", privacy.notice_days),
        items: privacy.sub_processors.iter().map(item).collect(),
        changes: sub_processors::history(auth, CHANGES).await?.into_iter().map(told).collect(),
    })
}

#[derive(Template)]
#[template(path = "papers/agreement.html")]
struct AgreementPage {
    frame: Frame,
    items: Vec<Item>,
    /// The version that is shown, and its text.
    shown: Option<(i32, Vec<Block>)>,
    /// The newest, where it is not accepted.
    open: Option<i32>,
    owner: bool,
}

struct Item {
    version: i32,
    hash: String,
    issued: String,
    shape: Shape,
    accepted: Option<(String, String)>,
}

fn time(micros: i64) -> String {
    format!("{:.0}", Timestamp::from_micros(micros))
}

fn item(row: &Agreement) -> Item {
    let accepted = row.accepted_at.map(time).zip(row.accepted_by.clone());
    let (class, word) = if accepted.is_some() { ("up", "papers.is_accepted") } else { ("pending", "papers.is_open") };
    let shape = Shape { word: text(word), ..shape(class) };
    Item { version: row.version, hash: row.hash.clone(), issued: time(row.issued_at), shape, accepted }
}

fn is_owner(user: &User) -> bool {
    user.member.role == Role::Owner && user.member.through.is_none()
}

/// The newest agreement, where it waits to be accepted.
fn open(rows: &[Agreement]) -> Option<i32> {
    rows.first().filter(|row| row.accepted_at.is_none()).map(|row| row.version)
}

/// `GET /organization/dpa`.
pub async fn get_agreement(
    State(site): State<Site>,
    user: User,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let rows = match site.office.agreements(user.member.org).await {
        Ok(rows) => rows,
        Err(failed) => return error::unavailable(&failed),
    };
    let wanted = match query.get("version").map(|text| text.parse::<i32>()) {
        Some(Ok(version)) => Some(version),
        Some(Err(_)) => return error::not_found(),
        None => rows.first().map(|row| row.version),
    };
    let shown = match wanted {
        None => None,
        Some(version) => match site.office.agreement_text(user.member.org, version).await {
            Ok(Some(text)) => Some((version, blocks(&text))),
            Ok(None) => return error::not_found(),
            Err(failed) => return error::unavailable(&failed),
        },
    };
    page(&AgreementPage {
        frame: Frame::of(&user, "/organization/dpa", text("papers.dpa_title")).noting(&query),
        items: rows.iter().map(item).collect(),
        shown,
        open: open(&rows),
        owner: is_owner(&user),
    })
}

/// `GET /organization/dpa/download`: a version exactly as it was issued; the newest unless `version` says which.
pub async fn get_download(
    State(site): State<Site>,
    user: User,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let read = async {
        let version = match query.get("version") {
            Some(text) => text.parse().ok(),
            None => site.office.agreements(user.member.org).await?.first().map(|row| row.version),
        };
        let Some(version) = version else { return Ok(None) };
        Ok::<_, StoreError>(site.office.agreement_text(user.member.org, version).await?.map(|text| (version, text)))
    };
    match read.await {
        Ok(Some((version, text))) => {
            file::whole("text/markdown; charset=utf-8", &format!("data-processing-agreement-{version}.md"), text)
        }
        Ok(None) => error::not_found(),
        Err(failed) => error::unavailable(&failed),
    }
}

#[derive(Template)]
#[template(path = "papers/accept.html")]
struct AcceptPage {
    frame: Frame,
    name: String,
    open: Option<i32>,
    owner: bool,
    fault: Option<&'static str>,
}

/// `GET /organization/dpa/accept`.
pub async fn get_accept(State(site): State<Site>, user: User) -> Response {
    accepting(&site, &user, StatusCode::OK, None).await
}

/// `POST /organization/dpa/accept`.
pub async fn post_accept(State(site): State<Site>, user: User, form: Form) -> Response {
    let Ok(version) = form.text("version").parse() else {
        return accepting(&site, &user, StatusCode::UNPROCESSABLE_ENTITY, Some(text("papers.not_newest"))).await;
    };
    if !is_owner(&user) {
        return accepting(&site, &user, StatusCode::FORBIDDEN, None).await;
    }
    match site.office.accept(user.member.org, version, &user.author(), site.clock.now()).await {
        Ok(Accepted::Done | Accepted::Already) => see("/organization/dpa?done=dpa_accepted"),
        Ok(Accepted::NotNewest) => accepting(&site, &user, StatusCode::CONFLICT, Some(text("papers.not_newest"))).await,
        Err(failed) => error::unavailable(&failed),
    }
}

async fn accepting(site: &Site, user: &User, status: StatusCode, fault: Option<&'static str>) -> Response {
    let rows = match site.office.agreements(user.member.org).await {
        Ok(rows) => rows,
        Err(failed) => return error::unavailable(&failed),
    };
    let page = AcceptPage {
        frame: Frame::of(user, "/organization/dpa", text("papers.accept_title")),
        name: user.member.org_name.clone(),
        open: open(&rows),
        owner: is_owner(user),
        fault,
    };
    page_with(status, &page)
}
