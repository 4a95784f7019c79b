//! Schedules: what a body says of one, who stands in, and how they are shown.

use std::time::Duration;

use picket_shared::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{People, Wrong, name, time, unfit};
use crate::domain::maintenance::settings::local;
use crate::domain::telling::calendar::{self, Event};
use crate::domain::telling::schedule::{AHEAD, FARTHEST_DAYS, Hours, Override, Rotation, Schedule, Shift, Unit};
use crate::domain::zone::Zone;
use crate::store::UserKey;
use crate::store::schedules::{Rota, ScheduleRow};

/// What somebody wants a schedule to be.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// What it is called.
    pub name: String,
    /// Who is on call when; without overrides.
    pub rota: Rota,
    /// The version that was looked at, if that is to be the one that is changed.
    pub version: Option<i32>,
}

/// Most overrides of a schedule that have not ended.
pub const MOST_OVERRIDES: usize = 200;
/// The longest that somebody stands in.
const LONGEST_OVERRIDE: Duration = Duration::from_secs(FARTHEST_DAYS.unsigned_abs() * 86_400);
/// How far back a calendar begins: who subscribes sees the shift that runs from its start.
const BACK: Duration = Duration::from_secs(7 * 86_400);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    name: String,
    #[serde(default = "utc")]
    zone: String,
    rotations: Vec<RotationBody>,
    version: Option<i32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RotationBody {
    name: String,
    starts: String,
    every: u16,
    unit: String,
    members: Vec<String>,
    #[serde(default)]
    hours: Vec<Value>,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// Reads a body.
///
/// # Errors
/// Every field that cannot be.
pub fn read(body: &Value, people: &People) -> Result<Wanted, Vec<Wrong>> {
    let body = Body::deserialize(body).map_err(|error| vec![(String::new(), error.to_string())])?;
    let mut wrong: Vec<Wrong> = Vec::new();
    let called = name(&body.name, 200).unwrap_or_else(|message| {
        wrong.push(("name".to_owned(), message));
        String::new()
    });
    let zone: Zone = body.zone.parse().unwrap_or_else(|error: crate::domain::zone::UnknownZone| {
        wrong.push(("zone".to_owned(), error.to_string()));
        Zone::utc()
    });
    let mut rotations = Vec::new();
    for (index, rotation) in body.rotations.into_iter().enumerate() {
        match rotation.read(people) {
            Ok(rotation) => rotations.push(rotation),
            Err(found) => {
                wrong.extend(found.into_iter().map(|(at, says)| (format!("rotations[{index}].{at}"), says)));
            }
        }
    }
    let rota = Schedule { zone, rotations, overrides: Vec::new() };
    if wrong.is_empty() {
        wrong.extend(unfit(rota.check()));
    }
    if wrong.is_empty() { Ok(Wanted { name: called, rota, version: body.version }) } else { Err(wrong) }
}

impl RotationBody {
    fn read(self, people: &People) -> Result<Rotation<UserKey>, Vec<Wrong>> {
        let mut wrong: Vec<Wrong> = Vec::new();
        let starts = local(&self.starts).filter(|starts| starts.second() == 0 && starts.subsec_nanosecond() == 0);
        if starts.is_none() {
            wrong.push(("starts".to_owned(), "must be a local time of whole minutes: 2026-09-21T09:00".to_owned()));
        }
        let unit: Option<Unit> = match self.unit.parse() {
            Ok(unit) => Some(unit),
            Err(error) => {
                wrong.push(("unit".to_owned(), format!("{error}")));
                None
            }
        };
        let mut members = Vec::new();
        for (index, id) in self.members.iter().enumerate() {
            match people.key(id) {
                Some(key) => members.push(key),
                None => wrong.push((format!("members[{index}]"), "is no member of the organization".to_owned())),
            }
        }
        let hours = hours(&self.hours).unwrap_or_else(|found| {
            wrong.extend(found);
            Vec::new()
        });
        match (starts, unit) {
            (Some(starts), Some(unit)) if wrong.is_empty() => {
                Ok(Rotation { name: self.name.trim().to_owned(), starts, every: self.every, unit, members, hours })
            }
            _ => Err(wrong),
        }
    }
}

/// Ranges of hours as bodies have them.
pub(super) fn hours(given: &[Value]) -> Result<Vec<Hours>, Vec<Wrong>> {
    let mut wrong = Vec::new();
    let mut hours = Vec::new();
    for (index, one) in given.iter().enumerate() {
        match Hours::deserialize(one) {
            Ok(read) => hours.push(read),
            Err(error) => wrong.push((format!("hours[{index}]"), error.to_string())),
        }
    }
    if wrong.is_empty() { Ok(hours) } else { Err(wrong) }
}

/// Reads who stands in when.
///
/// # Errors
/// Every field that cannot be.
pub fn read_override(
    (member, from, to): (&str, &str, &str),
    people: &People,
    now: Timestamp,
) -> Result<Override<UserKey>, Vec<Wrong>> {
    let mut wrong: Vec<Wrong> = Vec::new();
    let user = people.key(member);
    if user.is_none() {
        wrong.push(("member".to_owned(), "is no member of the organization".to_owned()));
    }
    let mut when = |field: &str, text: &str| match time(text) {
        Ok(at) => Some(at),
        Err(message) => {
            wrong.push((field.to_owned(), message.to_owned()));
            None
        }
    };
    let (from, to) = (when("from", from), when("to", to));
    if let (Some(from), Some(to)) = (from, to) {
        if to <= from || to <= now {
            wrong.push(("to".to_owned(), "must lie after the beginning, and ahead".to_owned()));
        } else if to.since(from) > LONGEST_OVERRIDE {
            wrong.push(("to".to_owned(), format!("must lie {FARTHEST_DAYS} days after the beginning at most")));
        }
    }
    match (user, from, to) {
        (Some(user), Some(from), Some(to)) if wrong.is_empty() => Ok(Override { user, from, to }),
        _ => Err(wrong),
    }
}

/// A schedule as programs are shown it.
pub fn view(row: &ScheduleRow, people: &People, now: Timestamp) -> Value {
    let (current, next) = standing(&row.rota, now);
    let times = |(from, to): (Timestamp, Timestamp)| json!({ "from": from.exact(), "to": to.exact() });
    let overrides = row.overrides.iter().zip(&row.rota.overrides).map(
        |(id, one)| json!({ "id": id, "member": people.id(one.user), "from": one.from.exact(), "to": one.to.exact() }),
    );
    json!({
        "id": row.id,
        "name": row.name,
        "zone": row.rota.zone,
        "rotations": row.rota.rotations.iter().map(|one| rotation(one, people)).collect::<Vec<_>>(),
        "overrides": overrides.collect::<Vec<_>>(),
        "on_call": current.as_ref().map(|shift| on_call(shift, people)),
        "next": next.as_ref().map(|shift| on_call(shift, people)),
        "nobody": row.rota.empty(now, now + AHEAD).into_iter().map(times).collect::<Vec<_>>(),
        "policies": row.policies,
        "version": row.version,
        "created_at": row.created_at.exact(),
        "updated_at": row.updated_at.exact(),
    })
}

fn rotation(one: &Rotation<UserKey>, people: &People) -> Value {
    json!({
        "name": one.name,
        "starts": one.starts.strftime("%Y-%m-%dT%H:%M").to_string(),
        "every": one.every,
        "unit": one.unit,
        "members": one.members.iter().filter_map(|member| people.id(*member)).collect::<Vec<_>>(),
        "hours": one.hours,
    })
}

/// What runs at `now`, and the first shift after it in which another is on call.
pub fn standing(rota: &Rota, now: Timestamp) -> (Option<Shift<UserKey>>, Option<Shift<UserKey>>) {
    let mut shifts = rota.shifts(now, now + AHEAD).into_iter();
    let current = shifts.next();
    let user = current.as_ref().and_then(|shift| shift.user);
    (current, shifts.find(|shift| shift.user.is_some() && shift.user != user))
}

/// Who is on call at `at`.
pub fn at(rota: &Rota, at: Timestamp) -> Option<Shift<UserKey>> {
    rota.shifts(at, at.shifted(FARTHEST_DAYS * 86_400_000_000)).into_iter().next()
}

/// A shift as programs are shown it.
pub fn on_call(shift: &Shift<UserKey>, people: &People) -> Value {
    json!({
        "member": shift.user.and_then(|user| people.id(user)),
        "called": shift.user.and_then(|user| people.called(user)),
        "stands_in": shift.is_override,
        "from": shift.from.exact(),
        "to": shift.to.exact(),
    })
}

/// Since when a calendar has shifts.
pub fn calendar_begins(now: Timestamp) -> Timestamp {
    now - BACK
}

/// The shifts of a schedule, read with overrides since [`calendar_begins`], as a calendar.
pub fn calendar(row: &ScheduleRow, people: &People, now: Timestamp) -> String {
    let from = calendar_begins(now);
    let shifts = row.rota.shifts(from, from.shifted(FARTHEST_DAYS * 86_400_000_000));
    let event = |shift: &Shift<UserKey>| {
        let called = people.called(shift.user?);
        Some(Event {
            uid: format!("{}-{}@picket", row.id, shift.from.micros() / 1_000_000),
            summary: called.map_or_else(|| row.name.clone(), |called| format!("{}: {called}", row.name)),
            from: shift.from,
            to: shift.to,
        })
    };
    let events: Vec<Event> = shifts.iter().filter_map(event).collect();
    calendar::write(&row.name, &events, now)
}
