//! `/posture` for members, `/trust` for everybody, `/trust/{link}` for who holds a link: whether promises are kept, by what that is
//! known, since when, and how it was before. As the settings say who may look, the others find nothing here.

use std::collections::HashMap;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;

use askama::Template;
use picket_shared::time::Timestamp;

use super::frame::Frame;
use super::shape::{Shape, When, when};
use super::{error, filters, page_of};
use crate::config::TrustPage;
use crate::domain::controls::answers::answers;
use crate::domain::controls::files::{Format, name};
use crate::domain::controls::{Catalogue, Framework, Language};
use crate::domain::posture::State as Kept;
use crate::store::StoreError;
use crate::store::read::posture::{ControlRow, FindingRow, controls, looks};
use crate::web::extract::user::User;
use crate::web::file::whole;
use crate::web::texts::{control, text};
use crate::web::{Site, csv};

#[derive(Template)]
#[template(path = "posture/page.html")]
struct Page {
    frame: Frame,
    /// How many controls are in which state.
    counts: Vec<(Shape, usize)>,
    items: Vec<Item>,
    /// Whether who looks may have questionnaires answered.
    answers: bool,
}

/// What questionnaires there are, for the form.
const FRAMEWORKS: [Framework; 4] = Framework::ALL;
const FORMATS: [Format; 3] = Format::ALL;

struct Item {
    id: String,
    says: &'static str,
    shape: Shape,
    evidence: String,
    since: When,
    looked: When,
    before: Vec<Before>,
}

struct Before {
    word: &'static str,
    evidence: String,
    from: String,
    to: String,
}

/// `GET /posture`.
pub async fn get_posture(State(site): State<Site>, user: User) -> Response {
    if site.trust == TrustPage::Off {
        return error::page(StatusCode::NOT_FOUND, "posture.off");
    }
    let page = read(&site, Frame::of(&user, "/posture", text("posture.title"))).await;
    page_of(page.map(|page| Page { answers: true, ..page }))
}

/// `GET /posture/export`: a questionnaire, answered, as a file.
pub async fn get_export(
    State(site): State<Site>,
    _user: User,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    if site.trust == TrustPage::Off {
        return error::page(StatusCode::NOT_FOUND, "posture.off");
    }
    let Some((framework, language, format)) = asked(&query) else {
        return error::page(StatusCode::BAD_REQUEST, "posture.bad_export");
    };
    let now = site.clock.now();
    let looks = async { looks(&mut site.pools.auth().await?, now).await };
    match looks.await {
        Ok(looks) => {
            let export = answers(Catalogue::ours(), framework, &looks, now);
            whole(kind(format), &name(framework, format), export.file(format, language))
        }
        Err(failed) => error::unavailable(&failed),
    }
}

/// Which questions, in which language, as what: English and a table unless it says otherwise.
fn asked(query: &HashMap<String, String>) -> Option<(Framework, Language, Format)> {
    let framework = query.get("for")?.parse().ok()?;
    let language = query.get("lang").map_or(Ok(Language::En), |name| name.parse()).ok()?;
    let format = query.get("format").map_or(Ok(Format::Csv), |name| name.parse()).ok()?;
    Some((framework, language, format))
}

const fn kind(format: Format) -> &'static str {
    match format {
        Format::Csv => csv::TYPE,
        Format::Json => "application/json",
        Format::Md => "text/markdown; charset=utf-8",
    }
}

/// `GET /trust`: for everybody, where the settings say so; else it is not there.
pub async fn get_trust(State(site): State<Site>, uri: Uri, headers: HeaderMap) -> Response {
    if site.trust != TrustPage::Public {
        return error::get_nothing(uri, headers).await;
    }
    page_of(read(&site, Frame::open(text("posture.title"))).await)
}

/// `GET /trust/{link}`: for who holds a link that has not ended.
pub async fn get_linked(State(site): State<Site>, Path(link): Path<String>, uri: Uri, headers: HeaderMap) -> Response {
    let is_open = matches!(site.trust, TrustPage::Link | TrustPage::Public);
    let until = site.sealer.trust_link_until(&link).filter(|_| is_open);
    if until.is_none_or(|until| until <= site.clock.now()) {
        return error::get_nothing(uri, headers).await;
    }
    page_of(read(&site, Frame::open(text("posture.title"))).await)
}

/// The state's shape and word.
fn shape(state: Kept) -> Shape {
    match state {
        Kept::Pass => Shape { class: "up", word: text("posture.pass") },
        Kept::Fail => Shape { class: "down", word: text("posture.fail") },
        Kept::NotMeasured => Shape { class: "unknown", word: text("posture.not_measured") },
    }
}

async fn read(site: &Site, frame: Frame) -> Result<Page, StoreError> {
    let now = site.clock.now();
    let controls = controls(&mut site.pools.auth().await?, now).await?;
    let mut page = Page { frame, counts: Vec::new(), items: Vec::new(), answers: false };
    for state in [Kept::Pass, Kept::Fail, Kept::NotMeasured] {
        page.counts.push((shape(state), controls.iter().filter(|control| control.now.finding.state == state).count()));
    }
    // What this version has no words for it does not show.
    page.items = controls.into_iter().filter_map(|row| Some(item(control(&row.id)?, row, now))).collect();
    Ok(page)
}

fn item(says: &'static str, ControlRow { id, now: row, before: past }: ControlRow, now: Timestamp) -> Item {
    Item {
        id,
        says,
        shape: shape(row.finding.state),
        evidence: row.finding.evidence,
        since: when(row.first_at, now),
        looked: when(row.last_at, now),
        before: past.into_iter().map(before).collect(),
    }
}

fn before(row: FindingRow) -> Before {
    let written = |at: Timestamp| format!("{at:.0}");
    Before {
        word: shape(row.finding.state).word,
        evidence: row.finding.evidence,
        from: written(row.first_at),
        to: written(row.last_at),
    }
}
