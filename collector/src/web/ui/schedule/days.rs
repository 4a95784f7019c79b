//! The next fortnight of a schedule, day by day: a bar of its hours, and the same in words.

use jiff::ToSpan;
use jiff::civil::Date;
use picket_shared::time::Timestamp;

use super::called;
use crate::domain::telling::schedule::Shift;
use crate::domain::zone::Zone;
use crate::store::UserKey;
use crate::store::schedules::Rota;
use crate::web::telling::People;
use crate::web::texts::text;

/// How many days are shown.
const DAYS: usize = 14;
/// How wide a day is drawn.
const WIDE: u64 = 960;
/// How many members have a colour of their own.
const COLOURS: usize = 6;

/// A day by the clocks of the schedule.
pub(super) struct Day {
    pub(super) label: String,
    pub(super) parts: Vec<Part>,
}

/// A part of a day for which one is on call.
pub(super) struct Part {
    pub(super) x: u64,
    pub(super) width: u64,
    pub(super) class: String,
    pub(super) hours: String,
    pub(super) who: String,
    pub(super) is_empty: bool,
    pub(super) stands_in: bool,
}

/// The days from that of `now` on. What was is left out.
pub(super) fn days(rota: &Rota, people: &People, now: Timestamp) -> Vec<Day> {
    let zone = &rota.zone;
    let first = zone.civil(now).date();
    let dates: Vec<Date> = first.series(1.day()).take(DAYS + 1).collect();
    let Some(last) = dates.last() else { return Vec::new() };
    let shifts = rota.shifts(now, midnight(zone, *last));
    let mut seen: Vec<UserKey> = Vec::new();
    dates.windows(2).map(|two| day(zone, (two[0], two[1]), &shifts, people, &mut seen)).collect()
}

fn midnight(zone: &Zone, date: Date) -> Timestamp {
    zone.instant(date.to_datetime(jiff::civil::Time::midnight()))
}

fn day(
    zone: &Zone,
    (date, next): (Date, Date),
    shifts: &[Shift<UserKey>],
    people: &People,
    seen: &mut Vec<UserKey>,
) -> Day {
    let (begins, ends) = (midnight(zone, date), midnight(zone, next));
    let long = ends.since(begins).as_secs().max(1);
    let mut parts = Vec::new();
    for shift in shifts.iter().filter(|shift| shift.from < ends && shift.to > begins) {
        let (from, to) = (shift.from.max(begins), shift.to.min(ends));
        let x = from.since(begins).as_secs() * WIDE / long;
        let clock = |at: Timestamp| zone.civil(at).strftime("%H:%M").to_string();
        let end = if to == ends { "24:00".to_owned() } else { clock(to) };
        parts.push(Part {
            x,
            width: (to.since(begins).as_secs() * WIDE / long).saturating_sub(x).max(1),
            class: shift.user.map_or_else(|| "nobody".to_owned(), |user| format!("m{}", colour(user, seen))),
            hours: format!("{}–{end}", clock(from)),
            who: shift.user.map_or_else(|| text("schedule.nobody").to_owned(), |user| called(people, user)),
            is_empty: shift.user.is_none(),
            stands_in: shift.is_override,
        });
    }
    Day { label: date.strftime("%a %Y-%m-%d").to_string(), parts }
}

/// Which colour a member has: in the order in which they come.
fn colour(user: UserKey, seen: &mut Vec<UserKey>) -> usize {
    let place = seen.iter().position(|one| *one == user).unwrap_or_else(|| {
        seen.push(user);
        seen.len() - 1
    });
    place % COLOURS
}
