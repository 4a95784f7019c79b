//! A window's page: when it is next, what follows from it, and what may be done.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use picket_shared::time::Timestamp;

use super::{Clock, clock, effects, scope, shown};
use crate::domain::access::Right;
use crate::domain::incident::called;
use crate::domain::maintenance::{Occurrence, Window, in_words};
use crate::domain::zone::Zone;
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
    clocks: String,
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
            scope: scope(&one),
            effects: effects(settings),
            announced: match settings.announce_before {
                None => text("maintenance.not_announced").to_owned(),
                Some(before) if before.is_zero() => text("maintenance.announced_then").to_owned(),
                Some(before) => filled("maintenance.announced", in_words(before)),
            },
            note: settings.note.lines().map(str::to_owned).collect(),
            until: one.running.map(|(_, to)| clock(zone, to)),
            clocks: filled("maintenance.by_clocks", zone),
            next: next.map(|time| both(zone, &time)).collect(),
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

/// Start and end in short, by the clocks of a zone that is named elsewhere: of the end what differs.
fn both(zone: &Zone, time: &Occurrence) -> (Clock, Clock) {
    let (from, to) = (zone.civil(time.start), zone.civil(time.end));
    let (before, after) = (zone.offset_text(time.start), zone.offset_text(time.end));
    let mut end = to.strftime(if from.date() == to.date() { "%H:%M" } else { "%Y-%m-%d %H:%M" }).to_string();
    if before != after {
        end = format!("{end} {after}");
    }
    let start = format!("{} {before}", from.strftime("%Y-%m-%d %H:%M"));
    (Clock { text: start, exact: time.start.to_string() }, Clock { text: end, exact: time.end.to_string() })
}
