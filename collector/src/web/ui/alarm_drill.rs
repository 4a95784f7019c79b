//! `/alarm-drills`: whether and how soon people were reached, and a button that tries it now.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use picket_shared::time::Timestamp;

use super::frame::Frame;
use super::shape::{self, When, when};
use super::{error, filters, page_of, see};
use crate::store::StoreError;
use crate::store::incidents::drills::{self, DrillRow};
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::texts::{filled, text};

#[derive(Template)]
#[template(path = "incident/alarm_drills.html")]
struct Page {
    frame: Frame,
    weekly: bool,
    items: Vec<Item>,
}

struct Item {
    incident: String,
    began: When,
    weekly: bool,
    class: &'static str,
    words: String,
    first: String,
    last: String,
    acknowledged: String,
}

/// So many drills are shown.
const SHOWN: i64 = 50;

/// `GET /alarm-drills`.
pub async fn get_drills(
    State(site): State<Site>,
    user: User,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    page_of(gather(&site, &user, &query).await)
}

/// `POST /alarm-drills`.
pub async fn post_drill(State(site): State<Site>, user: User, _: Form) -> Response {
    let begins = async {
        let mut scoped = user.scoped(&site).await?;
        drills::begin(&mut scoped, &[], false, site.clock.now()).await?;
        scoped.commit().await?;
        Ok(see("/alarm-drills?done=drilled"))
    };
    begins.await.unwrap_or_else(|failed: StoreError| error::unavailable(&failed))
}

async fn gather(site: &Site, user: &User, query: &HashMap<String, String>) -> Result<Page, StoreError> {
    let mut scoped = user.scoped(site).await?;
    let rows = drills::list(&mut scoped, None, SHOWN).await?;
    let now = site.clock.now();
    Ok(Page {
        frame: Frame::of(user, "/channels", text("alarm_drill.title")).noting(query),
        weekly: drills::are_weekly(&mut scoped).await?,
        items: rows.iter().map(|row| item(row, now)).collect(),
    })
}

fn item(row: &DrillRow, now: Timestamp) -> Item {
    let waiting = row.messages - row.taken - row.failed;
    let (class, words) = match (row.messages, row.failed, waiting) {
        (0, ..) => ("down", text("alarm_drill.nobody").to_owned()),
        (all, 0, 0) => ("up", filled("alarm_drill.all", all)),
        (all, failed, _) => (if failed > 0 { "down" } else { "pending" }, format!("{} / {all}", row.taken)),
    };
    let lasted = |us: Option<i64>| us.map_or_else(|| "–".to_owned(), seconds);
    Item {
        incident: row.uuid.to_string(),
        began: when(Timestamp::from_micros(row.started_at), now),
        weekly: row.drill == "weekly",
        class: shape::shape(class).class,
        words,
        first: lasted(row.first_us),
        last: lasted(row.last_us),
        acknowledged: lasted(row.acknowledged_at.map(|at| at - row.started_at)),
    }
}

fn seconds(us: i64) -> String {
    format!("{}.{} s", us / 1_000_000, us % 1_000_000 / 100_000)
}
