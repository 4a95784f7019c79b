//! A schedule's page: who is on call in the next fortnight, when nobody is, and who stands in.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use picket_shared::time::Timestamp;

use super::days::{Day, days};
use super::{Rota, called, find, people, shown, until, warning};
use crate::domain::telling::schedule::{AHEAD, Hours, Rotation, Unit};
use crate::store::policies::without_a_way as unreachable;
use crate::store::{Scoped, StoreError, UserKey};
use crate::web::Site;
use crate::web::extract::user::User;
use crate::web::telling::{People, rota};
use crate::web::texts::{filled, text};
use crate::web::ui::frame::Frame;
use crate::web::ui::{filters, page_with};

#[derive(Template)]
#[template(path = "schedule/page.html")]
struct Page {
    frame: Frame,
    id: String,
    now: String,
    next: Option<String>,
    warning: Option<String>,
    /// Of whom takes turns and has no way to be told.
    without_a_way: Option<String>,
    clocks: String,
    days: Vec<Day>,
    rotations: Vec<(String, Vec<String>)>,
    policies: Vec<String>,
    overrides: Vec<StandsIn>,
    members: Vec<(String, String, bool)>,
    typed: Typed,
    wrong: Vec<String>,
}

struct StandsIn {
    id: String,
    who: String,
    when: String,
}

/// What stands in the fields of an override.
#[derive(Default)]
pub(super) struct Typed {
    pub(super) member: String,
    pub(super) from: String,
    pub(super) to: String,
}

/// `GET /schedules/{id}`.
pub async fn get_schedule(
    State(site): State<Site>,
    user: User,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    shown(show(&site, &user, &id, &query, (Typed::default(), Vec::new())).await)
}

/// The page, with what is wrong with what was typed.
pub(super) async fn show(
    site: &Site,
    user: &User,
    id: &str,
    query: &HashMap<String, String>,
    (typed, wrong): (Typed, Vec<String>),
) -> Result<Option<Response>, StoreError> {
    let now = site.clock.now();
    let people = people(site, user).await?;
    let mut scoped = user.scoped(site).await?;
    let Some(row) = find(&mut scoped, id, now).await? else { return Ok(None) };
    let without_a_way = without_a_way(&mut scoped, &row.rota, &people, now).await?;
    drop(scoped);
    let (current, next) = rota::standing(&row.rota, now);
    let zone = &row.rota.zone;
    let overrides = row.overrides.iter().zip(&row.rota.overrides).map(|(id, one)| StandsIn {
        id: id.to_string(),
        who: called(&people, one.user),
        when: filled("schedule.from_to", zone.text(one.from)).replacen("{}", &zone.text(one.to), 1),
    });
    let members = people.all().map(|(id, name)| {
        let id = id.to_string();
        let chosen = id == typed.member;
        (id, name.unwrap_or(text("schedule.a_member")).to_owned(), chosen)
    });
    let status = if wrong.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = Page {
        frame: Frame::of(user, "/schedules", row.name.clone()).noting(query),
        id: row.id.to_string(),
        now: current.map_or_else(|| text("schedule.nobody").to_owned(), |shift| until(zone, &shift, &people)),
        next: next.and_then(|shift| Some(format!("{}, {}", called(&people, shift.user?), zone.text(shift.from)))),
        warning: warning(&row.rota, now),
        without_a_way,
        clocks: filled("schedule.by_clocks", zone),
        days: days(&row.rota, &people, now),
        rotations: row.rota.rotations.iter().map(|one| (one.name.clone(), words(one, &people))).collect(),
        policies: row.policies.clone(),
        overrides: overrides.collect(),
        members: members.collect(),
        typed,
        wrong,
    };
    Ok(Some(page_with(status, &page)))
}

/// The members who are on call in the next fortnight and would not be reached, in words.
async fn without_a_way(
    scoped: &mut Scoped,
    rota: &Rota,
    people: &People,
    now: Timestamp,
) -> Result<Option<String>, StoreError> {
    let mut users: Vec<UserKey> = rota.shifts(now, now + AHEAD).into_iter().filter_map(|shift| shift.user).collect();
    users.sort_unstable_by_key(|user| user.0);
    users.dedup();
    let names: Vec<String> = unreachable(scoped, &users).await?.into_iter().map(|user| called(people, user)).collect();
    Ok((!names.is_empty()).then(|| filled("schedule.without_a_way", names.join(", "))))
}

/// What a rotation says, in words.
fn words(one: &Rotation<UserKey>, people: &People) -> Vec<String> {
    let length = match one.unit {
        Unit::Hours => filled("schedule.turns_hours", one.every),
        Unit::Days => filled("schedule.turns_days", one.every),
        Unit::Weeks => filled("schedule.turns_weeks", one.every),
    };
    let starts = filled("schedule.first_turn", one.starts.strftime("%Y-%m-%d %H:%M"));
    let members: Vec<String> = one.members.iter().map(|member| called(people, *member)).collect();
    let mut says = vec![members.join(" → "), format!("{length}, {starts}")];
    says.extend(one.hours.iter().map(hours));
    says
}

/// A range of hours, in words: `Mon, Tue 09:00–17:00`.
pub(in crate::web::ui) fn hours(hours: &Hours) -> String {
    let days: Vec<&str> = hours.days.iter().filter_map(|day| weekday(*day)).collect();
    format!("{} {}–{}", days.join(", "), hours.from.strftime("%H:%M"), hours.to.strftime("%H:%M"))
}

/// A day of the week in short.
pub(in crate::web::ui) fn weekday(day: i8) -> Option<&'static str> {
    let keys = [
        "schedule.mon",
        "schedule.tue",
        "schedule.wed",
        "schedule.thu",
        "schedule.fri",
        "schedule.sat",
        "schedule.sun",
    ];
    keys.get(usize::try_from(day).ok()?.checked_sub(1)?).map(|key| text(key))
}
