//! `GET /policies`: every policy, the default marked.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;

use super::{Level, levels, people, warnings};
use crate::store::StoreError;
use crate::store::policies;
use crate::web::Site;
use crate::web::extract::user::User;
use crate::web::telling::policy::Known;
use crate::web::texts::{filled, text};
use crate::web::ui::frame::Frame;
use crate::web::ui::{filters, page_of};

#[derive(Template)]
#[template(path = "policy/list.html")]
struct Page {
    frame: Frame,
    items: Vec<Item>,
}

struct Item {
    id: String,
    name: String,
    is_default: bool,
    levels: Vec<Level>,
    tags: Option<String>,
    monitors: String,
    warnings: Vec<(String, String)>,
}

/// `GET /policies`.
pub async fn get_policies(
    State(site): State<Site>,
    user: User,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    page_of(gather(&site, &user, &query).await)
}

async fn gather(site: &Site, user: &User, query: &HashMap<String, String>) -> Result<Page, StoreError> {
    let now = site.clock.now();
    let people = people(site, user).await?;
    let mut scoped = user.scoped(site).await?;
    let known = Known::of(&mut scoped, people, now).await?;
    let rows = policies::list(&mut scoped).await?;
    let items = rows.iter().map(|row| Item {
        id: row.id.to_string(),
        name: row.is.name.clone(),
        is_default: row.is.is_default,
        levels: levels(&row.is, &known),
        tags: (!row.is.tags.is_empty()).then(|| filled("policy.for_tags", row.is.tags.join(", "))),
        monitors: filled("policy.named_by", row.monitors),
        warnings: warnings(&row.is, &known, now),
    });
    Ok(Page { frame: Frame::of(user, "/policies", text("policy.title")).noting(query), items: items.collect() })
}
