//! Schedules of who is on call: made, changed, removed, asked, and who stands in.

use axum::routing::{delete, get, post, put};
use picket_shared::ids::{OverrideId, ScheduleId};
use picket_shared::time::Timestamp;
use serde_json::Value;

use super::problem::{Fault, Kind, Problem};
use super::query::{Parameter, Shape};
use super::{Answer, Call, Operation, Outcome};
use crate::domain::access::Right;
use crate::store::schedules::{self as store, ScheduleRow};
use crate::store::{Scoped, StoreError};
use crate::web::telling::{MOST, People, Wrong, rota};

const ONE: &[(u16, Option<&str>)] = &[(200, Some("Schedule"))];
const AT: Parameter = Parameter { name: "at", shape: Shape::Time, what: "When; now if absent." };

/// `GET /api/v1/schedules`.
pub const LIST: Operation =
    Operation::get("/api/v1/schedules", Right::PoliciesRead, "listSchedules", || get(list_schedules))
        .does("Lists schedules by name.")
        .answers(&[(200, Some("SchedulePage"))]);
/// `POST /api/v1/schedules`.
pub const CREATE: Operation =
    Operation::post("/api/v1/schedules", Right::PoliciesWrite, "createSchedule", || post(create_schedule))
        .does("Makes a schedule.")
        .body("ScheduleBody")
        .answers(&[(201, Some("Schedule"))]);
/// `GET /api/v1/schedules/{id}`.
pub const GET: Operation =
    Operation::get("/api/v1/schedules/{id}", Right::PoliciesRead, "getSchedule", || get(get_schedule))
        .does("Shows a schedule: who is on call, who is next, and when nobody is.")
        .answers(ONE);
/// `PUT /api/v1/schedules/{id}`.
pub const PUT: Operation =
    Operation::put("/api/v1/schedules/{id}", Right::PoliciesWrite, "putSchedule", || put(put_schedule))
        .does("Replaces what a schedule says; who stands in stays.")
        .body("ScheduleBody")
        .answers(ONE);
/// `DELETE /api/v1/schedules/{id}`.
pub const REMOVE: Operation =
    Operation::delete("/api/v1/schedules/{id}", Right::PoliciesWrite, "removeSchedule", || delete(remove_schedule))
        .does("Removes a schedule, also from the levels that it is in.")
        .answers(&[(204, None)]);
/// `GET /api/v1/schedules/{id}/on-call`.
pub const ON_CALL: Operation =
    Operation::get("/api/v1/schedules/{id}/on-call", Right::PoliciesRead, "getOnCall", || get(get_on_call))
        .does("Says who is on call at a time.")
        .query(&[AT])
        .answers(&[(200, Some("OnCall"))]);
/// `GET /api/v1/schedules/{id}/calendar`.
pub const CALENDAR: Operation =
    Operation::get("/api/v1/schedules/{id}/calendar", Right::PoliciesRead, "getCalendar", || get(get_calendar))
        .does("Gives the shifts from a week ago on as a calendar (iCalendar).")
        .as_calendar()
        .answers(&[(200, None)]);
/// `POST /api/v1/schedules/{id}/overrides`.
pub const STAND_IN: Operation =
    Operation::post("/api/v1/schedules/{id}/overrides", Right::PoliciesWrite, "standIn", || post(stand_in))
        .does("Lets a member stand in for a time.")
        .body("NewOverride")
        .answers(&[(201, Some("Schedule"))]);
/// `DELETE /api/v1/schedules/{id}/overrides/{override}`.
pub const TAKE_BACK: Operation =
    Operation::delete("/api/v1/schedules/{id}/overrides/{override}", Right::PoliciesWrite, "takeBackOverride", || {
        delete(take_back)
    })
    .does("Takes back that somebody stands in.")
    .answers(&[(204, None)]);

async fn list_schedules(call: Call) -> Outcome {
    let now = call.site.clock.now();
    let people = people(&call).await?;
    let rows = store::list(&mut call.caller.scoped(&call.site).await?, now).await?;
    Ok(Answer::page(rows.iter().map(|row| rota::view(row, &people, now)).collect(), None))
}

async fn create_schedule(call: Call) -> Outcome {
    let now = call.site.clock.now();
    let people = people(&call).await?;
    let wanted = rota::read(&call.body, &people).map_err(faults)?;
    let mut scoped = call.caller.scoped(&call.site).await?;
    if store::count(&mut scoped).await? >= MOST {
        return Err(too_many("schedules"));
    }
    let id = ScheduleId::at(now);
    store::insert(&mut scoped, id, &wanted.name, &wanted.rota, now)
        .await
        .map_err(|error| named(error, &wanted.name))?;
    scoped.commit().await?;
    Ok(Answer::created(format!("/api/v1/schedules/{id}"), shown(&call, id, &people).await?))
}

async fn get_schedule(call: Call) -> Outcome {
    Ok(Answer::ok(shown(&call, call.id()?, &people(&call).await?).await?))
}

async fn put_schedule(call: Call) -> Outcome {
    let now = call.site.clock.now();
    let people = people(&call).await?;
    let (mut scoped, row) = find(&call, now).await?;
    let wanted = rota::read(&call.body, &people).map_err(faults)?;
    let is_meant = wanted.version.is_none_or(|version| version == row.version);
    let (name, rota) = (&wanted.name, &wanted.rota);
    let stored =
        is_meant && store::update(&mut scoped, &row, name, rota, now).await.map_err(|error| named(error, name))?;
    if !stored {
        return Err(meanwhile());
    }
    scoped.commit().await?;
    Ok(Answer::ok(shown(&call, row.id, &people).await?))
}

async fn remove_schedule(call: Call) -> Outcome {
    let now = call.site.clock.now();
    let (mut scoped, row) = find(&call, now).await?;
    store::remove(&mut scoped, &row, now).await?;
    scoped.commit().await?;
    Ok(Answer::done())
}

async fn get_on_call(call: Call) -> Outcome {
    let at: Timestamp = call.query.value(AT.name).unwrap_or_else(|| call.site.clock.now());
    let people = people(&call).await?;
    let (_, row) = find(&call, at).await?;
    let shift = rota::at(&row.rota, at).ok_or_else(Problem::not_found)?;
    Ok(Answer::ok(rota::on_call(&shift, &people)))
}

async fn get_calendar(call: Call) -> Outcome {
    let now = call.site.clock.now();
    let people = people(&call).await?;
    let (_, row) = find(&call, rota::calendar_begins(now)).await?;
    Ok(Answer::calendar(format!("schedule-{}.ics", row.id), rota::calendar(&row, &people, now)))
}

async fn stand_in(call: Call) -> Outcome {
    let now = call.site.clock.now();
    let people = people(&call).await?;
    let (mut scoped, row) = find(&call, now).await?;
    let field = |name: &str| call.body.get(name).and_then(Value::as_str).unwrap_or_default();
    let one = rota::read_override((field("member"), field("from"), field("to")), &people, now).map_err(faults)?;
    if row.overrides.len() >= rota::MOST_OVERRIDES {
        return Err(too_many("times for which somebody stands in"));
    }
    store::stand_in(&mut scoped, &row, OverrideId::at(now), &one, now).await?;
    scoped.commit().await?;
    Ok(Answer::created(format!("/api/v1/schedules/{}", row.id), shown(&call, row.id, &people).await?))
}

async fn take_back(call: Call) -> Outcome {
    let now = call.site.clock.now();
    let (mut scoped, row) = find(&call, now).await?;
    let id: OverrideId = call.place("override").parse().map_err(|_| Problem::not_found())?;
    if !store::take_back(&mut scoped, &row, id, now).await? {
        return Err(Problem::not_found());
    }
    scoped.commit().await?;
    Ok(Answer::done())
}

/// The members of the organization, by name for who may see them.
pub(super) async fn people(call: &Call) -> Result<People, Problem> {
    Ok(People::of(&call.site, call.caller.org(), call.caller.holder.may(Right::MembersRead)).await?)
}

/// The schedule of the path; what belongs to others is not there.
async fn find(call: &Call, since: Timestamp) -> Result<(Scoped, ScheduleRow), Problem> {
    let mut scoped = call.caller.scoped(&call.site).await?;
    let row = store::get(&mut scoped, call.id()?, since).await?.ok_or_else(Problem::not_found)?;
    Ok((scoped, row))
}

async fn shown(call: &Call, id: ScheduleId, people: &People) -> Result<Value, Problem> {
    let now = call.site.clock.now();
    let row = store::get(&mut call.caller.scoped(&call.site).await?, id, now).await?;
    Ok(rota::view(&row.ok_or_else(Problem::not_found)?, people, now))
}

pub(super) fn faults(wrong: Vec<Wrong>) -> Problem {
    Problem::faults(Kind::InvalidBody, wrong.into_iter().map(|(field, message)| Fault::new(field, message)).collect())
}

pub(super) fn too_many(what: &str) -> Problem {
    faults(vec![(String::new(), format!("there are {MOST} {what} already: remove one that is not needed"))])
}

pub(super) fn meanwhile() -> Problem {
    Problem::new(Kind::ChangedMeanwhile, "somebody else changed it meanwhile: look at it again")
}

/// A name that is taken is a fault of the field.
pub(super) fn named(error: StoreError, name: &str) -> Problem {
    match error.constraint() {
        Some("schedules_org_name" | "policies_org_name") => {
            faults(vec![("name".to_owned(), format!("another one is called {name:?}: choose another name"))])
        }
        _ => error.into(),
    }
}
