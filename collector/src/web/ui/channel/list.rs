//! `GET /channels`: everybody who is told, and whether that works.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;

use super::{kind_word, result_word, standing};
use crate::notify::channels::Kind;
use crate::store::StoreError;
use crate::store::channels;
use crate::web::Site;
use crate::web::extract::user::User;
use crate::web::texts::text;
use crate::web::ui::frame::Frame;
use crate::web::ui::shape::{Shape, When, when};
use crate::web::ui::{filters, page_of};

#[derive(Template)]
#[template(path = "channel/list.html")]
struct Page {
    frame: Frame,
    items: Vec<Item>,
    kinds: Vec<(&'static str, &'static str)>,
    told: bool,
}

struct Item {
    id: String,
    name: String,
    kind: &'static str,
    hint: String,
    shape: Shape,
    last: Option<(&'static str, When)>,
}

/// The list.
pub async fn get_channels(
    State(site): State<Site>,
    user: User,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    page_of(gather(&site, &user, &query).await)
}

async fn gather(site: &Site, user: &User, query: &HashMap<String, String>) -> Result<Page, StoreError> {
    let now = site.clock.now();
    let rows = channels::list(&mut user.scoped(site).await?).await?;
    let item = |row: &channels::ChannelRow| Item {
        id: row.id.to_string(),
        name: row.name.clone(),
        kind: kind_word(&row.kind),
        hint: row.hint.clone(),
        shape: standing(row),
        last: row.last.as_ref().map(|last| (result_word(&last.state), when(last.at, now))),
    };
    Ok(Page {
        frame: Frame::of(user, "/channels", text("channel.title")).noting(query),
        items: rows.iter().map(item).collect(),
        kinds: Kind::ALL.iter().map(|kind| (kind.as_str(), kind_word(kind.as_str()))).collect(),
        told: rows.iter().any(|row| row.verified_at.is_some()),
    })
}
