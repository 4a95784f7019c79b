//! Probes and regions: how each is, and how another one is added: a token that is shown once, and the one command to paste
//! on the other machine.

use std::collections::HashMap;
use std::time::Duration;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use picket_shared::ids::{ProbeId, Region};
use picket_shared::outcome::SelfCheck;
use picket_shared::time::Timestamp;

use super::frame::Frame;
use super::shape::{Shape, When, lasting, shape, when};
use super::{error, filters, page, page_of, page_with, see};
use crate::domain::access::Right;
use crate::probes::place::Reach;
use crate::probes::{self, AddError, Added, New};
use crate::store::StoreError;
use crate::store::audit::Author;
use crate::store::read::probes::{self as read, ProbeRow, RegionRow, Standing};
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::texts::{filled, text};

/// Where probes are.
const BASE: &str = "/probes";
/// What the form is called.
pub(super) const TITLE_NEW: &str = "probe.title_new";

#[derive(Template)]
#[template(path = "probe/list.html")]
struct List {
    frame: Frame,
    items: Vec<Item>,
    /// Whether the instance's probes are this organization's to add.
    adds: bool,
    regions: Vec<RegionRow>,
    /// Where the buttons lead, if there are any.
    base: &'static str,
    revokes: bool,
}

/// A probe in a list of them.
pub(super) struct Item {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) region: String,
    pub(super) network: String,
    pub(super) eu: bool,
    pub(super) shape: Shape,
    pub(super) since: Option<When>,
    pub(super) version: String,
    pub(super) batch: String,
    pub(super) lag: String,
    pub(super) clock: String,
    pub(super) confinement: String,
    pub(super) own_network: String,
    pub(super) revoked: bool,
}

#[derive(Template)]
#[template(path = "probe/form.html")]
struct Add<'a> {
    frame: Frame,
    /// Where its list is.
    base: &'static str,
    region: &'a str,
    network: &'a str,
    called: &'a str,
    url: &'a str,
    eu: bool,
    faults: Vec<(&'static str, String)>,
}

impl Add<'_> {
    fn fault(&self, field: &str) -> Option<&str> {
        self.faults.iter().find(|(found, _)| *found == field).map(|(_, message)| message.as_str())
    }
}

#[derive(Template)]
#[template(path = "probe/token.html")]
struct Token {
    frame: Frame,
    base: &'static str,
    who: String,
    command: String,
    calls: String,
    pinned: bool,
    reach: Option<&'static str>,
}

/// `GET /probes`.
pub async fn get_probes(
    State(site): State<Site>,
    user: User,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    page_of(gather(&site, &user, &query).await)
}

async fn gather(site: &Site, user: &User, query: &HashMap<String, String>) -> Result<List, StoreError> {
    let now = site.clock.now();
    let mut scoped = user.scoped(site).await?;
    let rows = read::page(&mut scoped).await?;
    let regions = read::regions(&mut scoped, now).await?;
    let runs = user.member.may(Right::ProbesWrite) && probes::are_run_by(&site.desk, user.member.org).await?;
    Ok(List {
        frame: Frame::of(user, "/probes", text("probe.title")).noting(query),
        items: rows.iter().map(|row| item(row, now)).collect(),
        regions,
        adds: runs,
        base: BASE,
        revokes: runs,
    })
}

/// A probe as it is shown at `now`.
pub(super) fn item(row: &ProbeRow, now: Timestamp) -> Item {
    let (state, since) = match row.standing(now) {
        Standing::Heard => (shape("up"), row.heard.as_ref().map(|heard| heard.seen_at)),
        Standing::Silent { since } => (shape("silent"), Some(since)),
        Standing::Never => (Shape { word: text("probe.never"), ..shape("pending") }, None),
        Standing::Revoked { at } => (Shape { word: text("probe.revoked"), ..shape("paused") }, Some(at)),
    };
    let state = if state.class == "up" { Shape { word: text("probe.heard"), ..state } } else { state };
    let nothing = || "–".to_owned();
    let age = |age: Option<Duration>| age.map_or_else(nothing, |age| lasting(age.as_secs()));
    Item {
        id: row.id.to_string(),
        name: row.name.clone(),
        region: row.region.to_string(),
        network: row.network.clone(),
        eu: row.eu,
        shape: state,
        since: since.map(|at| when(at, now)),
        version: row.heard.as_ref().map_or_else(nothing, |heard| heard.version.clone()),
        batch: row.batch_age(now).map_or_else(nothing, |age| filled("time.ago", lasting(age.as_secs()))),
        lag: age(row.lag(now)),
        clock: row.clock_offset_us().map_or_else(nothing, offset),
        confinement: match row.unconfined() {
            None => nothing(),
            Some(missing) if missing.is_empty() => text("probe.confined").to_owned(),
            Some(missing) => filled("probe.unconfined", missing.join(", ")),
        },
        own_network: row.self_checks().map_or_else(nothing, |checks| network(&checks)),
        revoked: row.revoked_at.is_some(),
    }
}

/// A clock's offset in milliseconds, with its sign.
fn offset(us: i64) -> String {
    let sign = if us < 0 { '−' } else { '+' };
    format!("{sign}{:.1} ms", us.unsigned_abs() as f64 / 1e3)
}

/// What is bad of a probe's own network; nothing is claimed that nobody looked at.
fn network(checks: &[(&'static str, SelfCheck); 3]) -> String {
    let bad: Vec<&str> = checks.iter().filter(|(_, check)| *check == SelfCheck::Bad).map(|(name, _)| *name).collect();
    if !bad.is_empty() {
        filled("probe.network_bad", bad.join(", "))
    } else if checks.iter().any(|(_, check)| *check == SelfCheck::Good) {
        text("probe.network_good").to_owned()
    } else {
        text("probe.network_unverified").to_owned()
    }
}

/// Every organization is served by these probes, so only the operator's own adds and revokes them.
async fn refused(site: &Site, user: &User) -> Option<Response> {
    match probes::are_run_by(&site.desk, user.member.org).await {
        Ok(true) => None,
        Ok(false) => Some(error::page(StatusCode::FORBIDDEN, "error.operators_probes")),
        Err(failed) => Some(error::unavailable(&failed)),
    }
}

fn frame(user: &User, title: &'static str) -> Frame {
    Frame::of(user, BASE, text(title))
}

/// `GET /probes/new`.
pub async fn get_new(State(site): State<Site>, user: User) -> Response {
    let refused = refused(&site, &user).await;
    refused.unwrap_or_else(|| show(frame(&user, TITLE_NEW), BASE, &Form::default(), Vec::new()))
}

/// `POST /probes/new`: the answer shows the token, this once.
pub async fn post_new(State(site): State<Site>, user: User, form: Form) -> Response {
    match refused(&site, &user).await {
        Some(refused) => refused,
        None => add(&site, &user.author(), BASE, |title| frame(&user, title), &form).await,
    }
}

/// Adds the probe of a form, and shows its token.
pub(super) async fn add(
    site: &Site,
    by: &Author,
    base: &'static str,
    frame: impl Fn(&'static str) -> Frame,
    form: &Form,
) -> Response {
    let again = |faults| show(frame(TITLE_NEW), base, form, faults);
    let region: Region = match form.text("region").parse() {
        Ok(region) => region,
        Err(_) => return again(vec![("region", text("probe.bad_region").to_owned())]),
    };
    let given = |field: &str| Some(form.text(field).to_owned()).filter(|value| !value.is_empty());
    let one_line = |value: &Option<String>| {
        value.as_ref().is_none_or(|value| value.chars().count() <= 200 && !value.chars().any(char::is_control))
    };
    let new = New { region, network: given("network"), eu: form.ticked("eu"), name: given("name"), url: given("url") };
    for (field, value) in [("network", &new.network), ("name", &new.name)] {
        if !one_line(value) {
            return again(vec![(field, text("form.bad_name").to_owned())]);
        }
    }
    match probes::add(&site.desk, new, by, site.clock.now()).await {
        Ok(added) => page(&token(frame("probe.token_title"), base, &added)),
        Err(AddError::Store(failed)) => error::unavailable(&failed),
        Err(AddError::Vault(failed)) => error::unavailable(&failed),
        Err(wrong @ (AddError::Url(_) | AddError::Nowhere)) => again(vec![("url", wrong.to_string())]),
        Err(wrong) => again(vec![("region", wrong.to_string())]),
    }
}

fn token(frame: Frame, base: &'static str, added: &Added) -> Token {
    Token {
        frame,
        base,
        who: format!("{} ({})", added.name, added.region),
        command: format!("PICKET_TOKEN={} picket-probe run", added.token.expose()),
        calls: added.place.url.clone(),
        pinned: added.place.pinned,
        reach: match added.place.reach {
            Reach::Anywhere => None,
            Reach::PrivateNetwork => Some(text("probe.reach_private")),
            Reach::ThisMachine => Some(text("probe.reach_here")),
        },
    }
}

/// The form, with what is wrong of it.
pub(super) fn show(frame: Frame, base: &'static str, form: &Form, faults: Vec<(&'static str, String)>) -> Response {
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let add = Add {
        frame,
        base,
        region: form.text("region"),
        network: form.text("network"),
        called: form.text("name"),
        url: form.text("url"),
        eu: form.ticked("eu"),
        faults,
    };
    page_with(status, &add)
}

/// `POST /probes/{id}/revoke`.
pub async fn post_revoke(State(site): State<Site>, user: User, Path(id): Path<String>, _: Form) -> Response {
    let Ok(id) = id.parse::<ProbeId>() else { return error::not_found() };
    if let Some(refused) = refused(&site, &user).await {
        return refused;
    }
    // Only what this organization may see can be revoked by it.
    let seen = async {
        let rows = read::page(&mut user.scoped(&site).await?).await?;
        Ok::<_, StoreError>(rows.into_iter().any(|row| row.id == id))
    };
    match seen.await {
        Ok(true) => match probes::revoke(&site.desk, id, &user.author(), site.clock.now()).await {
            Ok(_) => see("/probes?done=revoked"),
            Err(failed) => error::unavailable(&failed),
        },
        Ok(false) => error::not_found(),
        Err(failed) => error::unavailable(&failed),
    }
}
