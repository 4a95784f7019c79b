//! `/portfolio`: the organizations that this one manages, a summary each, and the consents that wait to be accepted.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use picket_shared::time::Timestamp;
use uuid::Uuid;

use super::frame::Frame;
use super::management::{Item, open};
use super::member::role_word;
use super::shape::{Shape, When, shape, when};
use super::{filters, page_of};
use crate::store::managements::Side;
use crate::store::read::portfolio::{After, ManagedRow, PAGE, by_attention};
use crate::store::{StoreError, organizations};
use crate::web::Site;
use crate::web::extract::user::User;
use crate::web::texts::text;

#[derive(Template)]
#[template(path = "portfolio/page.html")]
struct Page {
    frame: Frame,
    /// What names this organization outside: who is to be managed needs it.
    own: String,
    offers: Vec<Item>,
    items: Vec<Managed>,
    next: Option<String>,
}

/// A managed organization.
struct Managed {
    id: Uuid,
    management: Uuid,
    name: String,
    most: &'static str,
    until: Option<String>,
    /// How many monitors are in each state in which there are any.
    states: Vec<(Shape, i32)>,
    incidents: i32,
    untold: i32,
    failing: Option<When>,
    changed: Option<When>,
    counted: When,
}

/// `GET /portfolio`.
pub async fn get_portfolio(
    State(site): State<Site>,
    user: User,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    page_of(read(&site, &user, &query).await)
}

async fn read(site: &Site, user: &User, query: &HashMap<String, String>) -> Result<Page, StoreError> {
    let now = site.clock.now();
    let mut scoped = user.scoped(site).await?;
    let own = organizations::own_id(&mut scoped).await?.to_string();
    let most = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
    let mut rows = by_attention(&mut scoped, after(query).as_ref(), most, now).await?;
    drop(scoped);
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    let next = rows.last().filter(|_| more).map(|row| link(&row.place()));
    let waits = open(site, user, Side::Managing).await?;
    Ok(Page {
        frame: Frame::of(user, "/portfolio", text("portfolio.title")).noting(query),
        own,
        offers: waits.into_iter().filter(|item| item.accepted.is_none()).collect(),
        items: rows.into_iter().map(|row| managed(row, now)).collect(),
        next,
    })
}

fn after(query: &HashMap<String, String>) -> Option<After> {
    let id = query.get("id")?.parse().ok()?;
    Some(After { rank: query.get("rank")?.parse().ok()?, name: query.get("name")?.replace('\0', ""), id })
}

fn link(after: &After) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("rank", &after.rank.to_string()).append_pair("name", &after.name);
    query.append_pair("id", &after.id.to_string());
    format!("/portfolio?{}", query.finish())
}

fn managed(row: ManagedRow, now: Timestamp) -> Managed {
    let at = |micros: i64| when(Timestamp::from_micros(micros), now);
    let states = row.counts.named().into_iter().filter(|(_, many)| *many > 0);
    Managed {
        id: row.uuid,
        management: row.management,
        most: row.most.parse().map(role_word).unwrap_or_default(),
        until: row.until_at.map(|micros| format!("{:.0}", Timestamp::from_micros(micros))),
        states: states.map(|(state, many)| (shape(state), many)).collect(),
        incidents: row.open_incidents,
        untold: row.untold,
        failing: row.failing_since.map(at),
        changed: row.changed_at.map(at),
        counted: at(row.updated_at),
        name: row.name,
    }
}
