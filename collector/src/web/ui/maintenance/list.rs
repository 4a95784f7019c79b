//! `GET /maintenance`: what runs, what comes, and what was.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;

use super::{Clock, clock, scope};
use crate::store::StoreError;
use crate::store::read::maintenance::{self, Standing};
use crate::web::Site;
use crate::web::extract::user::User;
use crate::web::texts::text;
use crate::web::ui::frame::Frame;
use crate::web::ui::{filters, page_of};

#[derive(Template)]
#[template(path = "maintenance/list.html")]
struct Page {
    frame: Frame,
    groups: Vec<Group>,
}

struct Group {
    title: &'static str,
    /// Which time its windows are shown with.
    time: &'static str,
    items: Vec<Item>,
}

struct Item {
    id: String,
    title: String,
    words: String,
    scope: String,
    at: Option<Clock>,
}

/// `GET /maintenance`.
pub async fn get_list(State(site): State<Site>, user: User, Query(query): Query<HashMap<String, String>>) -> Response {
    page_of(gather(&site, &user, &query).await)
}

async fn gather(site: &Site, user: &User, query: &HashMap<String, String>) -> Result<Page, StoreError> {
    let mut scoped = user.scoped(site).await?;
    let all = maintenance::list(&mut scoped, site.clock.now()).await?;
    let (running, rest): (Vec<_>, Vec<_>) = all.iter().partition(|one| one.running.is_some());
    let (mut coming, past): (Vec<_>, Vec<_>) = rest.into_iter().partition(|one| one.next.is_some());
    coming.sort_by_key(|one| one.next);
    let group = |title, time, items: Vec<&Standing>| Group {
        title: text(title),
        time: text(time),
        items: items.into_iter().map(item).collect(),
    };
    let groups = vec![
        group("maintenance.running", "maintenance.until", running),
        group("maintenance.upcoming", "maintenance.next", coming),
        group("maintenance.past", "maintenance.ended", past),
    ];
    Ok(Page {
        frame: Frame::of(user, "/maintenance", text("maintenance.title")).noting(query),
        groups: groups.into_iter().filter(|group| !group.items.is_empty()).collect(),
    })
}

fn item(one: &Standing) -> Item {
    let settings = &one.kept.settings;
    let at = one.running.map(|(_, to)| to).or(one.next).or(one.last);
    Item {
        id: one.kept.id.to_string(),
        title: settings.title.clone(),
        words: settings.window.words(),
        scope: scope(one),
        at: at.map(|at| clock(&settings.window.zone, at)),
    }
}
