//! `/portfolio`: the organizations that this one manages, and the consents that wait to be accepted.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;

use super::frame::Frame;
use super::management::{Item, open};
use super::{filters, page_of};
use crate::store::managements::Side;
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
    items: Vec<Item>,
}

/// `GET /portfolio`.
pub async fn get_portfolio(
    State(site): State<Site>,
    user: User,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let frame = Frame::of(&user, "/portfolio", text("portfolio.title")).noting(&query);
    page_of(read(&site, &user, frame).await)
}

async fn read(site: &Site, user: &User, frame: Frame) -> Result<Page, StoreError> {
    let own = organizations::own_id(&mut user.scoped(site).await?).await?.to_string();
    let (offers, items) =
        open(site, user, Side::Managing).await?.into_iter().partition(|item: &Item| item.accepted.is_none());
    Ok(Page { frame, own, offers, items })
}
