//! On-call schedules: who is on call at a time.
//!
//! Rotations hand over at a local time of the schedule's zone, so that a hand-over at 09:00 stays one when clocks are put forward or
//! back. Of several rotations that have somebody on call the last one stands; an override stands above all. Outside of its hours a
//! rotation has nobody.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Time, Weekday};
use picket_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::policy::Wrong;
use crate::domain::zone::Zone;

/// Most rotations of a schedule.
pub const MOST_ROTATIONS: usize = 10;
/// Most members of a rotation.
pub const MOST_MEMBERS: usize = 50;
/// Most ranges of hours of a rotation.
pub const MOST_HOURS: usize = 14;
/// The farthest that shifts are worked out, in days.
pub const FARTHEST_DAYS: i64 = 92;
/// How far ahead people are warned of times with nobody on call.
pub const AHEAD: Duration = Duration::from_secs(14 * 86_400);

/// Who is on call when; `M` names a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule<M> {
    /// Where its local times are.
    pub zone: Zone,
    /// In the order in which the later stands above the earlier.
    pub rotations: Vec<Rotation<M>>,
    /// Who stands in; the later made stands above the earlier.
    pub overrides: Vec<Override<M>>,
}

/// Members who take turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation<M> {
    /// What it is called.
    pub name: String,
    /// When the first member's first turn begins, in local time; hand-overs are at its time of day.
    pub starts: DateTime,
    /// How many of `unit` a turn lasts.
    pub every: u16,
    /// What is counted.
    pub unit: Unit,
    /// In the order of their turns.
    pub members: Vec<M>,
    /// The hours in which it has somebody; always where there are none.
    pub hours: Vec<Hours>,
}

/// What the length of a turn is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Hours as they pass, whatever clocks show.
    Hours,
    /// Days of the calendar.
    Days,
    /// Weeks of it.
    Weeks,
}

/// A range of hours on some days of the week.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    /// On which days it begins: 1 is Monday, 7 is Sunday.
    pub days: BTreeSet<i8>,
    /// From then.
    #[serde(with = "time_of_day")]
    pub from: Time,
    /// Until then; on the next day where that is not later than `from`.
    #[serde(with = "time_of_day")]
    pub to: Time,
}

/// Somebody stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override<M> {
    /// Who.
    pub user: M,
    /// From then.
    pub from: Timestamp,
    /// Until then.
    pub to: Timestamp,
}

/// A time for which one member is on call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shift<M> {
    /// Who; nobody where none is.
    pub user: Option<M>,
    /// From then.
    pub from: Timestamp,
    /// Until then.
    pub to: Timestamp,
    /// Whether somebody stands in.
    pub is_override: bool,
}

impl<M: Copy + PartialEq> Schedule<M> {
    /// Every field that cannot be, with what would be right.
    pub fn check(&self) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        if self.rotations.len() > MOST_ROTATIONS {
            wrong.push(Wrong::new("rotations", format!("at most {MOST_ROTATIONS} rotations")));
        }
        for rotation in &self.rotations {
            wrong.extend(rotation.check());
        }
        wrong
    }

    /// Who is on call at `at`.
    pub fn on_call(&self, at: Timestamp) -> Option<M> {
        self.holder(at).map(|(user, _)| user)
    }

    /// Every shift of a range of [`FARTHEST_DAYS`] at most, without gaps between them: a time with nobody is one with no user.
    pub fn shifts(&self, from: Timestamp, to: Timestamp) -> Vec<Shift<M>> {
        let day = 86_400_000_000;
        let to = to.min(from.shifted(FARTHEST_DAYS * day));
        let mut edges: BTreeSet<Timestamp> = [from].into();
        for rotation in &self.rotations {
            edges.extend(rotation.edges(&self.zone, from, to));
        }
        edges.extend(self.overrides.iter().flat_map(|one| [one.from, one.to]));
        edges.retain(|edge| (from..to).contains(edge));
        let mut shifts: Vec<Shift<M>> = Vec::new();
        for edge in edges {
            let holder = self.holder(edge);
            let (user, is_override) = (holder.map(|(user, _)| user), holder.is_some_and(|(_, stands_in)| stands_in));
            if let Some(last) = shifts.last_mut() {
                last.to = edge;
                if last.user == user && last.is_override == is_override {
                    continue;
                }
            }
            shifts.push(Shift { user, from: edge, to, is_override });
        }
        if let Some(last) = shifts.last_mut() {
            last.to = to;
        }
        shifts
    }

    /// Every time of a range in which nobody is on call, from when until when.
    pub fn empty(&self, from: Timestamp, to: Timestamp) -> Vec<(Timestamp, Timestamp)> {
        let shifts = self.shifts(from, to).into_iter();
        shifts.filter(|shift| shift.user.is_none()).map(|shift| (shift.from, shift.to)).collect()
    }

    /// Who, and whether that is an override.
    fn holder(&self, at: Timestamp) -> Option<(M, bool)> {
        let stands_in = self.overrides.iter().rev().find(|one| one.from <= at && at < one.to);
        if let Some(one) = stands_in {
            return Some((one.user, true));
        }
        self.rotations.iter().rev().find_map(|rotation| rotation.on_call(&self.zone, at)).map(|user| (user, false))
    }
}

impl<M: Copy + PartialEq> Rotation<M> {
    fn check(&self) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        let name = &self.name;
        let count = name.chars().count();
        if count == 0 || count > 100 || name.chars().any(char::is_control) {
            wrong.push(Wrong::new("rotations", "a rotation's name has 1 to 100 characters on one line"));
        }
        if self.members.is_empty() || self.members.len() > MOST_MEMBERS {
            wrong.push(Wrong::new("rotations", format!("rotation {name:?} needs 1 to {MOST_MEMBERS} members")));
        }
        let most = match self.unit {
            Unit::Hours => 24 * 7,
            Unit::Days => 92,
            Unit::Weeks => 52,
        };
        if self.every == 0 || self.every > most {
            let unit = self.unit.as_str();
            wrong.push(Wrong::new("rotations", format!("a turn in rotation {name:?} lasts 1 to {most} {unit}")));
        }
        if self.hours.len() > MOST_HOURS {
            wrong.push(Wrong::new("rotations", format!("rotation {name:?} has at most {MOST_HOURS} ranges of hours")));
        }
        if !self.hours.iter().all(Hours::names_days) {
            wrong.push(Wrong::new(
                "rotations",
                format!("the hours of rotation {name:?} name days, 1 (Monday) to 7 (Sunday)"),
            ));
        }
        let year = self.starts.year();
        if !(2000..=2200).contains(&year) {
            wrong.push(Wrong::new("rotations", format!("rotation {name:?} starts in a year from 2000 to 2200")));
        }
        wrong
    }

    fn on_call(&self, zone: &Zone, at: Timestamp) -> Option<M> {
        if !self.hours.is_empty() && !self.hours.iter().any(|hours| hours.contains(zone, at)) {
            return None;
        }
        let turn = self.turn(zone, at)?;
        let count = i64::try_from(self.members.len()).ok().filter(|count| *count > 0)?;
        self.members.get(usize::try_from(turn.rem_euclid(count)).ok()?).copied()
    }

    /// Which turn runs at `at`, from 0; none before the first.
    fn turn(&self, zone: &Zone, at: Timestamp) -> Option<i64> {
        let start = zone.instant(self.starts);
        if at < start {
            return None;
        }
        let length = i64::try_from(at.since(start).as_secs()).ok()? / self.about_seconds();
        // By how much local days differ from 24 hours is less than a turn.
        (length.saturating_sub(1)..=length.saturating_add(1))
            .rev()
            .find(|turn| *turn >= 0 && self.hand_over(zone, *turn).is_some_and(|begins| begins <= at))
    }

    /// When a turn begins.
    fn hand_over(&self, zone: &Zone, turn: i64) -> Option<Timestamp> {
        let count = turn.checked_mul(i64::from(self.every))?;
        match self.unit {
            Unit::Hours => Some(zone.instant(self.starts).shifted(count.checked_mul(3_600_000_000)?)),
            Unit::Days => Some(zone.instant(self.starts.checked_add(count.days()).ok()?)),
            Unit::Weeks => Some(zone.instant(self.starts.checked_add(count.checked_mul(7)?.days()).ok()?)),
        }
    }

    fn about_seconds(&self) -> i64 {
        let unit = match self.unit {
            Unit::Hours => 3600,
            Unit::Days => 86_400,
            Unit::Weeks => 7 * 86_400,
        };
        i64::from(self.every.max(1)) * unit
    }

    /// When it may change hands in a range.
    fn edges(&self, zone: &Zone, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
        let mut edges = vec![zone.instant(self.starts)];
        let first = self.turn(zone, from).unwrap_or(0);
        for turn in first.. {
            match self.hand_over(zone, turn) {
                Some(begins) if begins < to => edges.push(begins),
                _ => break,
            }
        }
        let days = zone.civil(from).date().yesterday().ok().into_iter().flat_map(|day| day.series(1.day()));
        let last = zone.civil(to).date();
        for day in days.take_while(|day| *day <= last) {
            edges.extend(self.hours.iter().filter_map(|hours| hours.on(zone, day)).flat_map(|(from, to)| [from, to]));
        }
        edges
    }
}

impl Unit {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hours => "hours",
            Self::Days => "days",
            Self::Weeks => "weeks",
        }
    }
}

/// A text that names no unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use hours, days or weeks")]
pub struct NoUnit;

impl std::str::FromStr for Unit {
    type Err = NoUnit;

    fn from_str(text: &str) -> Result<Self, NoUnit> {
        [Self::Hours, Self::Days, Self::Weeks].into_iter().find(|unit| unit.as_str() == text).ok_or(NoUnit)
    }
}

impl Hours {
    /// Whether it names days, and only such as there are.
    pub fn names_days(&self) -> bool {
        !self.days.is_empty() && self.days.iter().all(|day| (1..=7).contains(day))
    }

    /// Whether it is one of them at `at`.
    pub fn contains(&self, zone: &Zone, at: Timestamp) -> bool {
        let day = zone.civil(at).date();
        let days = day.yesterday().into_iter().chain([day]);
        days.filter_map(|day| self.on(zone, day)).any(|(from, to)| from <= at && at < to)
    }

    /// When those end that `at` is in.
    pub fn end(&self, zone: &Zone, at: Timestamp) -> Option<Timestamp> {
        let day = zone.civil(at).date();
        let days = day.yesterday().into_iter().chain([day]);
        days.filter_map(|day| self.on(zone, day)).filter(|(from, to)| *from <= at && at < *to).map(|(_, to)| to).max()
    }

    /// Those that begin on a day.
    fn on(&self, zone: &Zone, day: Date) -> Option<(Timestamp, Timestamp)> {
        if !self.days.contains(&weekday(day.weekday())) {
            return None;
        }
        let last = if self.to > self.from { day } else { day.tomorrow().ok()? };
        Some((zone.instant(day.to_datetime(self.from)), zone.instant(last.to_datetime(self.to))))
    }
}

/// A time of day as text: `09:00`.
mod time_of_day {
    use jiff::civil::Time;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&time.strftime("%H:%M"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        let text = String::deserialize(deserializer)?;
        Time::strptime("%H:%M", &text).map_err(|_| D::Error::custom("a time of day is written as 09:00"))
    }
}

const fn weekday(day: Weekday) -> i8 {
    day.to_monday_one_offset()
}

#[cfg(test)]
mod tests {
    use super::*;
    fn zone(name: &str) -> Zone {
        name.parse().unwrap()
    }

    fn rotation(starts: &str, every: u16, unit: Unit, members: &[u128]) -> Rotation<u128> {
        Rotation {
            name: "day".to_owned(),
            starts: starts.parse().unwrap(),
            every,
            unit,
            members: members.to_vec(),
            hours: Vec::new(),
        }
    }

    fn schedule(rotations: Vec<Rotation<u128>>) -> Schedule<u128> {
        Schedule { zone: zone("Europe/Berlin"), rotations, overrides: Vec::new() }
    }

    fn at(local: &str) -> Timestamp {
        zone("Europe/Berlin").instant(local.parse().unwrap())
    }

    /// Shifts as `local start:user`, where nobody is `-` and an override is starred.
    fn shown(schedule: &Schedule<u128>, from: &str, to: &str) -> String {
        let line = |shift: &Shift<u128>| {
            let who = shift.user.map_or("-".to_owned(), |user| user.to_string());
            let star = if shift.is_override { "*" } else { "" };
            format!("{}:{who}{star}", schedule.zone.civil(shift.from).strftime("%m-%dT%H:%M"))
        };
        schedule.shifts(at(from), at(to)).iter().map(line).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn weeks_hand_over_at_the_same_local_time_when_clocks_change() {
        let weekly = schedule(vec![rotation("2026-03-23T09:00", 1, Unit::Weeks, &[1, 2])]);
        // Clocks are put forward on 2026-03-29 and back on 2026-10-25.
        assert_eq!(
            shown(&weekly, "2026-03-20T00:00", "2026-04-14T00:00"),
            "03-20T00:00:- 03-23T09:00:1 03-30T09:00:2 04-06T09:00:1 04-13T09:00:2"
        );
        assert_eq!(weekly.on_call(at("2026-03-30T08:59")), Some(1));
        assert_eq!(weekly.on_call(at("2026-03-30T09:00")), Some(2));
        assert_eq!(shown(&weekly, "2026-10-19T09:00", "2026-11-03T00:00"), "10-19T09:00:1 10-26T09:00:2 11-02T09:00:1");
    }

    #[test]
    fn hours_pass_as_they_pass() {
        let by_hours = schedule(vec![rotation("2026-03-29T00:00", 12, Unit::Hours, &[1, 2])]);
        assert_eq!(
            shown(&by_hours, "2026-03-29T00:00", "2026-03-30T12:00"),
            "03-29T00:00:1 03-29T13:00:2 03-30T01:00:1"
        );
    }

    #[test]
    fn a_hand_over_in_the_hour_that_is_left_out_or_comes_twice_is_one() {
        let nights = schedule(vec![rotation("2026-03-28T02:30", 1, Unit::Days, &[1, 2, 3])]);
        assert_eq!(shown(&nights, "2026-03-28T02:30", "2026-03-31T00:00"), "03-28T02:30:1 03-29T03:30:2 03-30T02:30:3");
        let autumn = schedule(vec![rotation("2026-10-24T02:30", 1, Unit::Days, &[1, 2, 3])]);
        let shifts = autumn.shifts(at("2026-10-24T02:30"), at("2026-10-27T00:00"));
        let lengths: Vec<_> = shifts.iter().map(|s| s.to.since(s.from).as_secs() / 60).collect();
        assert_eq!(lengths, [24 * 60, 25 * 60, 21 * 60 + 30]);
    }

    #[test]
    fn hours_restrict_a_rotation_and_what_is_below_shows_through() {
        let mut office = rotation("2026-06-01T00:00", 1, Unit::Weeks, &[7]);
        office.hours =
            vec![Hours { days: [1, 2, 3, 4, 5].into(), from: "09:00".parse().unwrap(), to: "17:00".parse().unwrap() }];
        let alone = schedule(vec![office.clone()]);
        assert_eq!(
            shown(&alone, "2026-06-05T00:00", "2026-06-09T00:00"),
            "06-05T00:00:- 06-05T09:00:7 06-05T17:00:- 06-08T09:00:7 06-08T17:00:-"
        );
        let above = schedule(vec![rotation("2026-06-01T00:00", 1, Unit::Weeks, &[1]), office]);
        assert_eq!(shown(&above, "2026-06-05T00:00", "2026-06-06T00:00"), "06-05T00:00:1 06-05T09:00:7 06-05T17:00:1");
    }

    #[test]
    fn hours_over_midnight_belong_to_the_day_on_which_they_begin() {
        let mut nights = rotation("2026-06-01T00:00", 1, Unit::Weeks, &[7]);
        nights.hours = vec![Hours { days: [5].into(), from: "22:00".parse().unwrap(), to: "06:00".parse().unwrap() }];
        let nights = schedule(vec![nights]);
        assert_eq!(shown(&nights, "2026-06-05T00:00", "2026-06-07T00:00"), "06-05T00:00:- 06-05T22:00:7 06-06T06:00:-");
        let hours = &nights.rotations[0].hours[0];
        assert_eq!(hours.end(&nights.zone, at("2026-06-06T01:00")), Some(at("2026-06-06T06:00")));
        assert_eq!(hours.end(&nights.zone, at("2026-06-06T06:00")), None);
    }

    #[test]
    fn an_override_stands_above_all_and_the_later_one_above_the_earlier() {
        let mut all = schedule(vec![rotation("2026-06-01T09:00", 1, Unit::Weeks, &[1, 2])]);
        let over = |n, from, to| Override { user: n, from: at(from), to: at(to) };
        all.overrides =
            vec![over(8, "2026-06-02T00:00", "2026-06-04T00:00"), over(9, "2026-06-03T00:00", "2026-06-03T12:00")];
        assert_eq!(
            shown(&all, "2026-06-01T09:00", "2026-06-08T10:00"),
            "06-01T09:00:1 06-02T00:00:8* 06-03T00:00:9* 06-03T12:00:8* 06-04T00:00:1 06-08T09:00:2"
        );
    }

    #[test]
    fn shifts_say_what_on_call_says_at_every_quarter_hour_of_a_year_in_many_zones() {
        for name in ["Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "Asia/Kathmandu", "UTC"] {
            let mut one = rotation("2026-01-01T02:15", 3, Unit::Days, &[1, 2, 3]);
            one.hours = vec![
                Hours { days: [1, 3, 6, 7].into(), from: "01:30".parse().unwrap(), to: "02:45".parse().unwrap() },
                Hours { days: [2, 7].into(), from: "20:00".parse().unwrap(), to: "03:00".parse().unwrap() },
            ];
            let all = Schedule {
                zone: zone(name),
                rotations: vec![rotation("2025-12-29T02:30", 1, Unit::Weeks, &[4, 5]), one],
                overrides: Vec::new(),
            };
            let quarter = 900_000_000;
            let mut start = all.zone.instant("2026-01-01T00:00".parse().unwrap());
            for _ in 0..4 {
                let end = start.shifted(91 * 96 * quarter);
                let shifts = all.shifts(start, end);
                assert!(shifts.windows(2).all(|two| two[0].to == two[1].from && two[0].user != two[1].user), "{name}");
                for step in 0..91 * 96 {
                    let at = start.shifted(step * quarter);
                    let shift = shifts.iter().find(|shift| shift.from <= at && at < shift.to).unwrap();
                    assert_eq!(shift.user, all.on_call(at), "{name} {at}");
                }
                start = end;
            }
        }
    }

    #[test]
    fn what_cannot_be_says_what_would_be_right() {
        let mut wrong = rotation("2026-06-01T09:00", 0, Unit::Weeks, &[]);
        wrong.hours = vec![Hours { days: [8].into(), from: "09:00".parse().unwrap(), to: "17:00".parse().unwrap() }];
        let said: Vec<_> = schedule(vec![wrong]).check().into_iter().map(|wrong| wrong.message).collect();
        assert_eq!(
            said,
            [
                "rotation \"day\" needs 1 to 50 members",
                "a turn in rotation \"day\" lasts 1 to 52 weeks",
                "the hours of rotation \"day\" name days, 1 (Monday) to 7 (Sunday)",
            ]
        );
    }
}
