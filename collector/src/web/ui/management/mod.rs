//! `/management`: which organizations manage this one, by whose consent. [`give`] consents to another, [`answer`] accepts and ends,
//! on either side; what the organization manages itself is on `/portfolio`.

pub mod answer;
pub mod give;

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use picket_shared::time::Timestamp;
use uuid::Uuid;

use super::frame::Frame;
use super::member::role_word;
use super::{filters, page_of};
use crate::domain::access::Role;
use crate::login::members::Acting;
use crate::store::StoreError;
use crate::store::audit::Author;
use crate::store::managements::{ManagementRow, Side};
use crate::web::Site;
use crate::web::extract::user::User;
use crate::web::texts::text;

#[derive(Template)]
#[template(path = "management/list.html")]
struct Page {
    frame: Frame,
    items: Vec<Item>,
    /// Whether who looks may consent to another.
    owner: bool,
}

/// A consent, seen from one side.
pub(super) struct Item {
    pub(super) id: Uuid,
    /// What the other organization is called.
    pub(super) name: String,
    /// What names it outside.
    pub(super) other: Uuid,
    pub(super) most: &'static str,
    pub(super) by: String,
    pub(super) since: String,
    /// Since when it works.
    pub(super) accepted: Option<String>,
    pub(super) until: Option<String>,
}

/// `GET /management`.
pub async fn get_management(
    State(site): State<Site>,
    user: User,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let frame = Frame::of(&user, "/members", text("management.title")).noting(&query);
    let owner = user.member.role == Role::Owner;
    page_of(open(&site, &user, Side::Managed).await.map(|items| Page { frame, items, owner }))
}

/// The open consents on a side of the user's organization.
pub(super) async fn open(site: &Site, user: &User, side: Side) -> Result<Vec<Item>, StoreError> {
    let (rows, now) = (site.porter.open_managements(side, user.member.org).await?, site.clock.now());
    // What is past its end is over, whether that was noted yet or not.
    let live = rows.into_iter().filter(|row| row.until_at.is_none_or(|at| at > now.micros()));
    Ok(live.map(|row| item(row, side)).collect())
}

pub(super) fn item(row: ManagementRow, side: Side) -> Item {
    let at = |micros: i64| format!("{:.0}", Timestamp::from_micros(micros));
    let (name, other) = match side {
        Side::Managed => (row.manager_name, row.manager_uuid),
        Side::Managing => (row.org_name, row.org_uuid),
    };
    Item {
        id: row.uuid,
        name,
        other,
        most: row.most.parse().map(role_word).unwrap_or_default(),
        by: row.consented_by,
        since: at(row.consented_at),
        accepted: row.accepted_at.map(at),
        until: row.until_at.map(at),
    }
}

pub(super) fn acting<'a>(user: &'a User, author: &'a Author) -> Acting<'a> {
    Acting { user: user.member.user, org: user.member.org, ticket: Some(&user.ticket), author }
}
