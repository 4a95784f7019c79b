//! `/admin/organizations`: who is here, and how much each one watches; never what.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use picket_shared::time::Timestamp;

use super::super::frame::Frame;
use super::super::shape::day;
use super::super::{filters, page_of};
use super::{Head, frame, next_page};
use crate::store::StoreError;
use crate::store::read::organizations::{self as read, OrganizationRow};
use crate::web::Site;
use crate::web::extract::administrator::Administrator;

#[derive(Template)]
#[template(path = "admin/organizations.html")]
struct Organizations {
    frame: Frame,
    head: Head,
    items: Vec<Item>,
    next: Option<String>,
}

struct Item {
    name: String,
    id: String,
    members: i64,
    monitors: i64,
    created: String,
}

/// `GET /admin/organizations`.
pub async fn get_organizations(
    State(site): State<Site>,
    administrator: Administrator,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let after = query.get("after").map(|after| after.replace('\0', "")).unwrap_or_default();
    let read = async {
        let mut rows = read::page(&mut site.pools.auth().await?, &after).await?;
        let next = next_page(&mut rows, read::PAGE, "/admin/organizations", "", |row| &row.name);
        let head = Head::of(&administrator, "/admin/organizations");
        let items = rows.into_iter().map(item).collect();
        Ok::<_, StoreError>(Organizations { frame: frame(&administrator, "admin.organizations"), head, items, next })
    };
    page_of(read.await)
}

fn item(row: OrganizationRow) -> Item {
    Item {
        name: row.name,
        id: row.uuid.to_string(),
        members: row.members,
        monitors: row.monitors,
        created: day(Timestamp::from_micros(row.created_at)),
    }
}
