//! What the buttons of a schedule do: who stands in, take that back, remove it; and its calendar.

use std::collections::HashMap;

use axum::extract::{Path, State};
use axum::response::Response;
use picket_shared::ids::OverrideId;
use picket_shared::time::Timestamp;

use super::show::{Typed, show};
use super::{find, people, shown};
use crate::domain::maintenance::settings::local;
use crate::domain::zone::Zone;
use crate::store::schedules;
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::file;
use crate::web::telling::rota;
use crate::web::texts::{filled, text};
use crate::web::ui::see;

/// `POST /schedules/{id}/overrides`: somebody stands in, by the clocks of the schedule.
pub async fn post_override(State(site): State<Site>, user: User, Path(id): Path<String>, form: Form) -> Response {
    let stands_in = async {
        let now = site.clock.now();
        let people = people(&site, &user).await?;
        let mut scoped = user.scoped(&site).await?;
        let Some(row) = find(&mut scoped, &id, now).await? else { return Ok(None) };
        let typed = Typed {
            member: form.text("member").to_owned(),
            from: form.text("from").to_owned(),
            to: form.text("to").to_owned(),
        };
        let zone = &row.rota.zone;
        let from = if typed.from.is_empty() { now.to_string() } else { exact(zone, &typed.from) };
        let wrong = match rota::read_override((&typed.member, &from, &exact(zone, &typed.to)), &people, now) {
            Ok(_) if row.overrides.len() >= rota::MOST_OVERRIDES => {
                vec![filled("schedule.too_many_overrides", rota::MOST_OVERRIDES)]
            }
            Ok(one) => {
                schedules::stand_in(&mut scoped, &row, OverrideId::at(now), &one, now).await?;
                scoped.commit().await?;
                return Ok(Some(see(&format!("/schedules/{}?done=override_added", row.id))));
            }
            Err(wrong) => wrong.into_iter().map(|(field, message)| format!("{}: {message}", label(&field))).collect(),
        };
        drop(scoped);
        show(&site, &user, &id, &HashMap::new(), (typed, wrong)).await
    };
    shown(stands_in.await)
}

/// A local time as the API takes it; what is none stays as it is, and is told as wrong.
fn exact(zone: &Zone, typed: &str) -> String {
    local(typed).map_or_else(|| typed.to_owned(), |local| zone.instant(local).to_string())
}

fn label(field: &str) -> &'static str {
    text(match field {
        "member" => "schedule.who",
        "from" => "schedule.from",
        _ => "schedule.to",
    })
}

/// `POST /schedules/{id}/overrides/{override}/remove`.
pub async fn post_take_back(
    State(site): State<Site>,
    user: User,
    Path((id, one)): Path<(String, String)>,
    _: Form,
) -> Response {
    let takes_back = async {
        let now = site.clock.now();
        let mut scoped = user.scoped(&site).await?;
        let Some(row) = find(&mut scoped, &id, now).await? else { return Ok(None) };
        let Ok(one) = one.parse::<OverrideId>() else { return Ok(None) };
        // Two may press at once.
        schedules::take_back(&mut scoped, &row, one, now).await?;
        scoped.commit().await?;
        Ok(Some(see(&format!("/schedules/{}?done=override_removed", row.id))))
    };
    shown(takes_back.await)
}

/// `POST /schedules/{id}/remove`.
pub async fn post_remove(State(site): State<Site>, user: User, Path(id): Path<String>, _: Form) -> Response {
    let removes = async {
        let now = site.clock.now();
        let mut scoped = user.scoped(&site).await?;
        let Some(row) = find(&mut scoped, &id, now).await? else { return Ok(None) };
        schedules::remove(&mut scoped, &row, now).await?;
        scoped.commit().await?;
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let query = query.append_pair("done", "schedule_removed").append_pair("name", &row.name).finish();
        Ok(Some(see(&format!("/schedules?{query}"))))
    };
    shown(removes.await)
}

/// `GET /schedules/{id}/calendar.ics`.
pub async fn get_calendar(State(site): State<Site>, user: User, Path(id): Path<String>) -> Response {
    let gives = async {
        let now: Timestamp = site.clock.now();
        let people = people(&site, &user).await?;
        let mut scoped = user.scoped(&site).await?;
        let Some(row) = find(&mut scoped, &id, rota::calendar_begins(now)).await? else { return Ok(None) };
        let text = rota::calendar(&row, &people, now);
        Ok(Some(file::whole(file::CALENDAR, &format!("schedule-{}.ics", row.id), text)))
    };
    shown(gives.await)
}
