//! The list of monitors: what is wrong, at a glance.

use std::collections::{HashMap, HashSet};

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use picket_shared::check::Kind;
use picket_shared::time::Timestamp;

use super::frame::Frame;
use super::shape::{self, Bars, Shape, When};
use super::{filters, page_of};
use crate::domain::gap::SILENT_AFTER;
use crate::store::StoreError;
use crate::store::monitors::FailingFrom;
use crate::store::read::dashboard::{self as read, After, Filter, ItemRow, Sort, VoteRow};
use crate::store::read::telling;
use crate::store::results::Mark;
use crate::web::Site;
use crate::web::extract::user::User;
use crate::web::texts::{filled, text};

#[derive(Template)]
#[template(path = "dashboard/page.html")]
struct Page {
    frame: Frame,
    filter: Filter,
    chips: Vec<Chip>,
    kinds: Vec<Choice>,
    sorts: Vec<Choice>,
    tags: Vec<Choice>,
    items: Vec<Item>,
    any: bool,
    told: bool,
    next: Option<String>,
}

/// A count that is also a filter.
struct Chip {
    href: String,
    shape: Option<Shape>,
    word: &'static str,
    count: i64,
    current: bool,
}

struct Choice {
    value: String,
    word: String,
    chosen: bool,
}

struct Item {
    row: ItemRow,
    shape: Shape,
    since: When,
    notes: Vec<String>,
    strip: Vec<Bars>,
    strip_says: String,
    response: Option<String>,
    votes: Vec<Vote>,
}

struct Vote {
    region: String,
    shape: Shape,
}

/// `GET /`.
pub async fn get_dashboard(
    State(site): State<Site>,
    user: User,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    page_of(gather(&site, &user, &query).await)
}

async fn gather(site: &Site, user: &User, query: &HashMap<String, String>) -> Result<Page, StoreError> {
    let now = site.clock.now();
    let filter = filter(query);
    let mut scoped = user.scoped(site).await?;
    let found = read::page(&mut scoped, &filter, after(query).as_ref(), now).await?;
    let told = telling::of(&mut scoped).await?.is_told();
    let items = items(&found, now);
    let choice = |value: &str, word: &str, chosen: &str| Choice {
        value: value.to_owned(),
        word: word.to_owned(),
        chosen: value == chosen,
    };
    Ok(Page {
        frame: Frame::of(user, "/", text("dashboard.title")).noting(query),
        chips: chips(&filter, &found.counts),
        kinds: Kind::ALL.iter().map(|kind| choice(kind.as_str(), kind.as_str(), &filter.kind)).collect(),
        sorts: SORTS
            .iter()
            .map(|(sort, value, key)| Choice { chosen: *sort == filter.sort, ..choice(value, text(key), "") })
            .collect(),
        tags: found.tags.iter().map(|tag| choice(tag, tag, &filter.tag)).collect(),
        any: found.any,
        next: found.next.as_ref().map(|next| link(&filter, Some(next))),
        filter,
        items,
        told,
    })
}

const SORTS: &[(Sort, &str, &str)] = &[
    (Sort::Attention, "", "dashboard.sort_attention"),
    (Sort::Name, "name", "dashboard.sort_name"),
    (Sort::Since, "since", "dashboard.sort_since"),
];

/// States in the order in which they are counted.
const STATES: &[&str] = &["down", "recovering", "suspect", "unknown", "up", "pending", "paused"];

fn filter(query: &HashMap<String, String>) -> Filter {
    let get = |key: &str, most: usize| {
        query
            .get(key)
            .map(|value| value.trim().chars().filter(|c| !c.is_control()).take(most).collect::<String>())
            .unwrap_or_default()
    };
    let sort = get("sort", 16);
    Filter {
        search: get("q", 200),
        state: get("state", 16),
        kind: get("kind", 16),
        tag: get("tag", 64),
        sort: SORTS.iter().find(|(_, value, _)| *value == sort).map_or_else(Sort::default, |(sort, ..)| *sort),
    }
}

fn after(query: &HashMap<String, String>) -> Option<After> {
    let number = |key: &str| query.get(key)?.parse().ok();
    Some(After { rank: number("rank")?, name: query.get("name")?.replace('\0', ""), id: number("id")? })
}

/// The address of the list with this filter.
fn link(filter: &Filter, after: Option<&After>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let sort = SORTS.iter().find(|(sort, ..)| *sort == filter.sort).map_or("", |(_, value, _)| value);
    for (key, value) in [
        ("q", filter.search.as_str()),
        ("state", &filter.state),
        ("kind", &filter.kind),
        ("tag", &filter.tag),
        ("sort", sort),
    ] {
        if !value.is_empty() {
            query.append_pair(key, value);
        }
    }
    if let Some(after) = after {
        query.append_pair("rank", &after.rank.to_string());
        query.append_pair("name", &after.name);
        query.append_pair("id", &after.id.to_string());
    }
    let query = query.finish();
    if query.is_empty() { "/".to_owned() } else { format!("/?{query}") }
}

fn chips(filter: &Filter, counts: &[(String, i64)]) -> Vec<Chip> {
    let count = |state: &str| counts.iter().find(|(found, _)| found == state).map_or(0, |(_, count)| *count);
    let to = |state: &str| link(&Filter { state: state.to_owned(), ..filter.clone() }, None);
    let all = Chip {
        href: to(""),
        shape: None,
        word: text("dashboard.all"),
        count: counts.iter().map(|(_, count)| count).sum(),
        current: filter.state.is_empty(),
    };
    let each = STATES.iter().filter(|state| count(state) > 0 || **state == filter.state).map(|state| {
        let shape = shape::shape(state);
        Chip {
            href: to(state),
            shape: Some(shape),
            word: shape.word,
            count: count(state),
            current: filter.state == **state,
        }
    });
    std::iter::once(all).chain(each).collect()
}

fn items(found: &read::Page, now: Timestamp) -> Vec<Item> {
    let item = |row: &ItemRow| {
        let marks: Vec<&Mark> = found.marks.iter().filter(|mark| mark.monitor == row.id).collect();
        let votes = found.votes.iter().filter(|vote| vote.monitor_id == row.id);
        let good = marks.iter().filter(|mark| mark.status.is_good()).count();
        Item {
            shape: shape::shape(&row.state),
            since: shape::when(Timestamp::from_micros(row.since), now),
            notes: notes(row, now),
            strip: shape::strip(marks.iter().rev().map(|mark| mark.status), usize::try_from(read::MARKS).unwrap_or(30)),
            strip_says: filled("dashboard.strip", format!("{good}/{}", marks.len())),
            response: response(&marks),
            votes: votes.map(|vote| Vote { region: vote.code.clone(), shape: says(vote, now) }).collect(),
            row: row.clone(),
        }
    };
    found.items.iter().map(item).collect()
}

/// What a region says, as it counts: who was not heard says nothing.
fn says(vote: &VoteRow, now: Timestamp) -> Shape {
    let silent = vote.seen_at.is_none_or(|seen| now.since(Timestamp::from_micros(seen)) > SILENT_AFTER);
    shape::shape(if silent { "silent" } else { vote.status.as_deref().unwrap_or("pending") })
}

/// What lies over the state.
pub(super) fn overlays(
    overlays: Option<&serde_json::Value>,
    failing_from: &[FailingFrom],
    (unverified, muted): (bool, bool),
    now: Timestamp,
) -> Vec<String> {
    let has =
        |name: &str| overlays.and_then(|all| all.get(name)).is_some_and(|one| one == &serde_json::Value::Bool(true));
    let from = |one: &FailingFrom| match one.since {
        Some(since) => {
            format!(
                "{} {}",
                one.region,
                filled("monitor.since", shape::when(Timestamp::from_micros(since), now).lasted)
            )
        }
        None => one.region.clone(),
    };
    let mut notes = Vec::new();
    if !failing_from.is_empty() {
        notes.push(filled("overlay.regional", failing_from.iter().map(from).collect::<Vec<_>>().join(", ")));
    }
    for (name, key) in
        [("degraded", "overlay.degraded"), ("flapping", "overlay.flapping"), ("maintenance", "overlay.maintenance")]
    {
        if has(name) {
            notes.push(text(key).to_owned());
        }
    }
    if overlays.and_then(|all| all.get("held_until")).is_some_and(|until| !until.is_null()) {
        notes.push(text("overlay.held").to_owned());
    }
    if muted {
        notes.push(text("overlay.muted").to_owned());
    }
    if unverified {
        notes.push(text("overlay.unverified").to_owned());
    }
    notes
}

fn notes(row: &ItemRow, now: Timestamp) -> Vec<String> {
    let mut notes = Vec::new();
    if row.acknowledged {
        notes.push(text("overlay.acknowledged").to_owned());
    }
    // Nothing but a person ends an incident while its monitor is down.
    if row.state == "down" && row.incident.is_none() {
        notes.push(text("overlay.by_hand").to_owned());
    }
    notes.extend(overlays(row.overlays.as_ref(), &row.failing_from, (row.unverified, row.muted), now));
    notes
}

/// The middle of the last good response times: the newest of each region may be an exception.
fn response(marks: &[&Mark]) -> Option<String> {
    let regions: HashSet<_> = marks.iter().map(|mark| mark.region.0).collect();
    let mut times: Vec<u32> = marks
        .iter()
        .filter(|mark| mark.status.is_good())
        .take(regions.len().max(1) * 3)
        .map(|mark| mark.total_us)
        .collect();
    times.sort_unstable();
    times.get(times.len() / 2).map(|us| shape::duration_us(*us))
}
