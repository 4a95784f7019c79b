//! `GET /schedules`: who is on call now, and who is next.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use picket_shared::time::Timestamp;

use super::{called, people, until, warning};
use crate::store::StoreError;
use crate::store::schedules::{self, ScheduleRow};
use crate::web::Site;
use crate::web::extract::user::User;
use crate::web::telling::{People, rota};
use crate::web::texts::{filled, text};
use crate::web::ui::frame::Frame;
use crate::web::ui::{filters, page_of};

#[derive(Template)]
#[template(path = "schedule/list.html")]
struct Page {
    frame: Frame,
    items: Vec<Item>,
}

struct Item {
    id: String,
    name: String,
    now: String,
    next: Option<String>,
    policies: Option<String>,
    warning: Option<String>,
}

/// `GET /schedules`.
pub async fn get_schedules(
    State(site): State<Site>,
    user: User,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    page_of(gather(&site, &user, &query).await)
}

async fn gather(site: &Site, user: &User, query: &HashMap<String, String>) -> Result<Page, StoreError> {
    let now = site.clock.now();
    let people = people(site, user).await?;
    let rows = schedules::list(&mut user.scoped(site).await?, now).await?;
    Ok(Page {
        frame: Frame::of(user, "/schedules", text("schedule.title")).noting(query),
        items: rows.iter().map(|row| item(row, &people, now)).collect(),
    })
}

fn item(row: &ScheduleRow, people: &People, now: Timestamp) -> Item {
    let (current, next) = rota::standing(&row.rota, now);
    let zone = &row.rota.zone;
    let next = next.and_then(|shift| {
        Some(filled("schedule.then", format!("{}, {}", called(people, shift.user?), zone.text(shift.from))))
    });
    Item {
        id: row.id.to_string(),
        name: row.name.clone(),
        now: current.map_or_else(|| text("schedule.nobody").to_owned(), |shift| until(zone, &shift, people)),
        next,
        policies: (!row.policies.is_empty()).then(|| filled("schedule.used_by", row.policies.join(", "))),
        warning: warning(&row.rota, now),
    }
}
