//! `GET /incidents`: what is open, and what was.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use picket_shared::ids::IncidentId;
use picket_shared::time::Timestamp;

use super::{standing, who};
use crate::store::StoreError;
use crate::store::read::incidents::{self as read, Chosen, IncidentOf};
use crate::web::Site;
use crate::web::extract::user::User;
use crate::web::texts::text;
use crate::web::ui::frame::Frame;
use crate::web::ui::shape::{Shape, When, lasting, when};
use crate::web::ui::{filters, page_of};

#[derive(Template)]
#[template(path = "incident/list.html")]
struct Page {
    frame: Frame,
    search: String,
    state: String,
    chips: Vec<Chip>,
    items: Vec<Item>,
    /// Whether there is any at all.
    any: bool,
    next: Option<String>,
}

/// A count that is also a filter.
struct Chip {
    href: String,
    word: &'static str,
    count: i64,
    current: bool,
}

struct Item {
    id: String,
    name: String,
    shape: Shape,
    by_hand: bool,
    message: String,
    started: When,
    lasted: String,
    notes: Vec<String>,
}

/// How many incidents a page holds.
const PAGE: usize = 50;

/// What can be chosen: as in the address, its text, and how it narrows.
const STATES: [(&str, &str, Option<bool>, Option<bool>); 4] = [
    ("", "incident.all", None, None),
    ("open", "incident.open", Some(true), None),
    ("unacknowledged", "incident.unacknowledged", Some(true), Some(false)),
    ("resolved", "incident.resolved", Some(false), None),
];

/// `GET /incidents`.
pub async fn get_incidents(
    State(site): State<Site>,
    user: User,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    page_of(gather(&site, &user, &query).await)
}

async fn gather(site: &Site, user: &User, query: &HashMap<String, String>) -> Result<Page, StoreError> {
    let now = site.clock.now();
    let get = |key: &str| {
        let text = query.get(key).map(|value| value.trim()).unwrap_or_default();
        text.chars().filter(|c| !c.is_control()).take(200).collect::<String>()
    };
    let (search, state) = (get("q"), get("state"));
    let chosen = STATES.iter().find(|(value, ..)| *value == state).unwrap_or(&STATES[0]);
    let (state, _, open, acknowledged) = *chosen;
    let chosen = Chosen { open, acknowledged, search: &search, ..Chosen::default() };
    let before = get("before").parse::<IncidentId>().ok();
    let mut scoped = user.scoped(site).await?;
    let limit = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
    let mut rows = read::page(&mut scoped, chosen, before, limit).await?;
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    let (all, open, unacknowledged, resolved) = read::counts(&mut scoped, chosen).await?;
    let counts = [all, open, unacknowledged, resolved];
    let chips = STATES.iter().zip(counts).map(|((value, key, ..), count)| Chip {
        href: link(&search, value, None),
        word: text(key),
        count,
        current: *value == state,
    });
    Ok(Page {
        frame: Frame::of(user, "/incidents", text("incident.title")).noting(query),
        chips: chips.collect(),
        any: all > 0 || !search.is_empty(),
        next: rows.last().filter(|_| more).map(|last| link(&search, state, Some(last.incident.uuid))),
        items: rows.iter().map(|row| item(user, row, now)).collect(),
        state: state.to_owned(),
        search,
    })
}

/// The address of the list with this filter.
fn link(search: &str, state: &str, before: Option<uuid::Uuid>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let before = before.map(|id| id.to_string()).unwrap_or_default();
    for (key, value) in [("q", search), ("state", state), ("before", &before)] {
        if !value.is_empty() {
            query.append_pair(key, value);
        }
    }
    let query = query.finish();
    if query.is_empty() { "/incidents".to_owned() } else { format!("/incidents?{query}") }
}

fn item(user: &User, of: &IncidentOf, now: Timestamp) -> Item {
    let row = &of.incident;
    let started = Timestamp::from_micros(row.started_at);
    let ended = row.resolved_at.map(Timestamp::from_micros);
    Item {
        id: row.uuid.to_string(),
        name: of.name().to_owned(),
        shape: standing(ended.is_none(), &of.severity),
        by_hand: of.origin == "person",
        message: if of.title.is_some() {
            of.monitors.iter().map(|monitor| monitor.name.as_str()).collect::<Vec<_>>().join(", ")
        } else {
            row.message.clone()
        },
        started: when(started, now),
        lasted: lasting(ended.unwrap_or(now).since(started).as_secs()),
        notes: notes(user, of),
    }
}

/// What is to be said of it beside whether it is open.
pub(super) fn notes(user: &User, of: &IncidentOf) -> Vec<String> {
    let mut notes = Vec::new();
    let open = of.incident.resolved_at.is_none();
    if open && of.incident.acknowledged_at.is_some() {
        let by = who(user, of.acknowledged_by.as_deref());
        notes.push(by.map_or_else(
            || text("incident.acknowledged").to_owned(),
            |by| crate::web::texts::filled("incident.acknowledged_by", by),
        ));
    }
    if of.incident.resolution.as_deref() == Some("by_hand") && of.origin == "judge" {
        notes.push(text(if of.fails { "incident.by_hand_fails" } else { "incident.by_hand" }).to_owned());
    }
    if of.post_mortem_at.is_some() {
        let published = of.published_at.is_some();
        notes.push(text(if published { "incident.published" } else { "incident.draft" }).to_owned());
    }
    notes
}
