//! A window's page: when it is next, what follows from it, and what may be done.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use picket_shared::time::Timestamp;

use super::{Clock, clock, effects, scope, shown};
use crate::domain::access::Right;
use crate::domain::incident::called;
use crate::domain::maintenance::{Window, in_words};
use crate::store::read::maintenance;
use crate::web::Site;
use crate::web::extract::user::User;
use crate::web::texts::{filled, text};
use crate::web::ui::frame::Frame;
use crate::web::ui::{filters, page};

#[derive(Template)]
#[template(path = "maintenance/page.html")]
struct Page {
    frame: Frame,
    id: String,
    words: String,
    left_out: Vec<String>,
    scope: String,
    effects: Vec<&'static str>,
    announced: String,
    note: Vec<String>,
    until: Option<Clock>,
    next: Vec<(Clock, Clock)>,
    last: Option<Clock>,
    made_by: Option<String>,
}

/// `GET /maintenance/{id}`.
pub async fn get_maintenance(
    State(site): State<Site>,
    user: User,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let shows = async {
        let now = site.clock.now();
        let mut scoped = user.scoped(&site).await?;
        let Ok(id) = id.parse() else { return Ok(None) };
        let Some(one) = maintenance::one(&mut scoped, id, now).await? else { return Ok(None) };
        let settings = &one.kept.settings;
        let (window, zone) = (&settings.window, &settings.window.zone);
        let next = window.after(now).filter(|time| time.start > now).take(maintenance::SHOWN);
        Ok(Some(page(&Page {
            frame: Frame::of(&user, "/maintenance", settings.title.clone()).noting(&query),
            id: id.to_string(),
            words: window.words(),
            left_out: coming(window, now),
            scope: scope(settings),
            effects: effects(settings),
            announced: match settings.announce_before {
                None => text("maintenance.not_announced").to_owned(),
                Some(before) if before.is_zero() => text("maintenance.announced_then").to_owned(),
                Some(before) => filled("maintenance.announced", in_words(before)),
            },
            note: settings.note.lines().map(str::to_owned).collect(),
            until: one.running.map(|(_, to)| clock(zone, to)),
            next: next.map(|time| (clock(zone, time.start), clock(zone, time.end))).collect(),
            last: one.last.map(|at| clock(zone, at)),
            made_by: user.member.may(Right::MembersRead).then(|| called(&one.kept.created_by).to_owned()),
        })))
    };
    shown(shows.await)
}

/// The times to come that are left out.
fn coming(window: &Window, now: Timestamp) -> Vec<String> {
    let times = window.exceptions.iter().map(|local| window.occurrence(*local).start);
    times.filter(|start| *start > now).map(|start| window.zone.text(start)).collect()
}
