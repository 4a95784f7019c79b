//! `GET /deliveries`: every message, the newest first.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use picket_shared::time::Timestamp;

use super::{standing, told};
use crate::store::StoreError;
use crate::store::channels;
use crate::store::read::deliveries::{self as read, Chosen, DeliveryRow, Standing};
use crate::web::Site;
use crate::web::extract::user::User;
use crate::web::texts::text;
use crate::web::ui::frame::Frame;
use crate::web::ui::shape::{Shape, When, when};
use crate::web::ui::{filters, page_of};

#[derive(Template)]
#[template(path = "delivery/list.html")]
struct Page {
    frame: Frame,
    chips: Vec<Chip>,
    channels: Vec<(String, String, bool)>,
    state: String,
    items: Vec<Item>,
    chosen: bool,
    next: Option<String>,
}

struct Chip {
    href: String,
    word: &'static str,
    current: bool,
}

struct Item {
    id: String,
    told: String,
    channel: String,
    channel_name: String,
    shape: Shape,
    answer: Option<String>,
    attempts: i32,
    made: When,
}

/// How many messages a page holds.
const PAGE: usize = 50;

/// `GET /deliveries`.
pub async fn get_deliveries(
    State(site): State<Site>,
    user: User,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    page_of(gather(&site, &user, &query).await)
}

async fn gather(site: &Site, user: &User, query: &HashMap<String, String>) -> Result<Page, StoreError> {
    let now = site.clock.now();
    let get = |key: &str| query.get(key).map(String::as_str).unwrap_or_default();
    let standing = Standing::parse(get("state"));
    let chosen = Chosen { channel: get("channel").parse().ok(), standing, ..Chosen::default() };
    let before = get("before").parse::<i64>().ok();
    let mut scoped = user.scoped(site).await?;
    let limit = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
    let mut rows = read::page(&mut scoped, chosen, before, limit).await?;
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    let channels = channels::list(&mut scoped).await?;
    let state = standing.map_or("", Standing::as_str);
    let channel = chosen.channel.map(|id| id.to_string()).unwrap_or_default();
    let all = [("", "delivery.all")].into_iter().chain(Standing::ALL.map(|one| (one.as_str(), word(one))));
    Ok(Page {
        frame: Frame::of(user, "/channels", text("delivery.title")).noting(query),
        chips: all
            .map(|(value, key)| Chip { href: link(&channel, value, None), word: text(key), current: value == state })
            .collect(),
        channels: channels
            .into_iter()
            .map(|row| (row.id.to_string(), row.name, Some(row.id) == chosen.channel))
            .collect(),
        chosen: standing.is_some() || chosen.channel.is_some(),
        next: rows.last().filter(|_| more).map(|last| link(&channel, state, Some(last.id))),
        items: rows.iter().map(|row| item(row, now)).collect(),
        state: state.to_owned(),
    })
}

const fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Pending => "delivery.are_pending",
        Standing::Sent => "delivery.are_sent",
        Standing::Failed => "delivery.are_failed",
        Standing::Superseded => "delivery.are_superseded",
    }
}

/// The address of the list with this filter.
fn link(channel: &str, state: &str, before: Option<i64>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let before = before.map(|id| id.to_string()).unwrap_or_default();
    for (key, value) in [("channel", channel), ("state", state), ("before", &before)] {
        if !value.is_empty() {
            query.append_pair(key, value);
        }
    }
    let query = query.finish();
    if query.is_empty() { "/deliveries".to_owned() } else { format!("/deliveries?{query}") }
}

fn item(row: &DeliveryRow, now: Timestamp) -> Item {
    Item {
        id: row.uuid.to_string(),
        told: told(row),
        channel: row.channel.to_string(),
        channel_name: row.channel_name.clone(),
        shape: standing(row),
        answer: row.reported_why.clone().or_else(|| row.answer.clone()),
        attempts: row.attempts,
        made: when(Timestamp::from_micros(row.created_at), now),
    }
}
