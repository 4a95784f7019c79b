//! Time zones: from an IANA name to local times and back, by the data that is compiled in (crate `jiff`); no file of the
//! machine is read, so that every collector reads the same (`docs/decisions/0082-zones-and-rules.md`).
//!
//! Local times are read as RFC 5545, 3.3.5, says: one in a gap by the offset before the gap, so that 02:30 of a night that
//! leaves 02:00 to 03:00 out is 03:30; one that comes twice is the first.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use jiff::tz::{Disambiguation, TimeZone, TimeZoneDatabase};
use picket_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A date and a time of day somewhere, without the place.
pub type Local = jiff::civil::DateTime;

static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A time zone of the IANA database; prints as its name. Cheap to clone.
#[derive(Clone, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(TimeZone);

/// What was written is no time zone; says what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("There is no time zone “{written}”: write {advice}.")]
pub struct UnknownZone {
    written: String,
    advice: String,
}

impl Zone {
    /// Coordinated Universal Time.
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The name, as the database spells it: `Europe/Berlin`.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// What clocks show there at `at`.
    pub fn civil(&self, at: Timestamp) -> Local {
        self.0.to_datetime(known(at))
    }

    /// When clocks show `local` there: the first time where they show it twice, and by the offset before where they
    /// never do.
    pub fn instant(&self, local: Local) -> Timestamp {
        let found = self.0.to_ambiguous_zoned(local).disambiguate(Disambiguation::Compatible);
        found.map_or_else(
            // Within hours of the year -9999 or 9999.
            |_| if local.year() < 0 { Timestamp::from_micros(i64::MIN) } else { Timestamp::from_micros(i64::MAX) },
            |zoned| Timestamp::from_micros(zoned.timestamp().as_microsecond()),
        )
    }

    /// How far clocks there are ahead of UTC at `at`, in seconds.
    pub fn offset_s(&self, at: Timestamp) -> i32 {
        self.0.to_offset(known(at)).seconds()
    }

    /// [`Zone::offset_s`] for people: `UTC+02:00`, `UTC-03:30`, `UTC`.
    pub fn offset_text(&self, at: Timestamp) -> String {
        let offset = self.offset_s(at);
        if offset == 0 {
            return "UTC".to_owned();
        }
        let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs() / 60);
        format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }

    /// `at` there for people: `2026-03-29 03:30 Europe/Berlin (UTC+02:00)`.
    pub fn text(&self, at: Timestamp) -> String {
        let local = self.civil(at).strftime("%Y-%m-%d %H:%M");
        match self.offset_text(at) {
            offset if offset == self.name() => format!("{local} {offset}"),
            offset => format!("{local} {} ({offset})", self.name()),
        }
    }

    /// The names that a form offers, in order: places (`Europe/Berlin`) and `UTC`, not the abbreviations of before.
    pub fn names() -> Vec<String> {
        let all: BTreeSet<_> = DATABASE.available().map(|name| name.as_str().to_owned()).collect();
        let offered = |name: &String| name == "UTC" || (name.contains('/') && !name.starts_with("Etc/"));
        all.into_iter().filter(offered).collect()
    }
}

/// The nearest time that the database can be asked for: the years -9999 to 9999.
fn known(at: Timestamp) -> jiff::Timestamp {
    let nearest = if at.micros() < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    jiff::Timestamp::from_microsecond(at.micros()).unwrap_or(nearest)
}

impl FromStr for Zone {
    type Err = UnknownZone;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let written = text.trim();
        match DATABASE.get(written) {
            // The name of what is no zone in particular, and means another on each machine.
            Ok(zone) if zone.iana_name().is_some() && !zone.is_unknown() => Ok(Self(zone)),
            _ => Err(UnknownZone { written: written.chars().take(64).collect(), advice: advice(written) }),
        }
    }
}

/// What to write instead of `written`: the zone of the city, where one is called so.
fn advice(written: &str) -> String {
    let city = written.rsplit('/').next().unwrap_or_default().trim().replace(' ', "_");
    let is_of_the_city = |name: &&String| name.rsplit('/').next().is_some_and(|last| last.eq_ignore_ascii_case(&city));
    match Zone::names().iter().find(is_of_the_city) {
        Some(name) => format!("“{name}”"),
        None => "a name of the IANA database, like “Europe/Berlin” or “UTC”".to_owned(),
    }
}

impl TryFrom<String> for Zone {
    type Error = UnknownZone;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name().to_owned()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Zone {}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> Zone {
        name.parse().unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[track_caller]
    fn is_at(name: &str, local: &str, instant: &str) {
        assert_eq!(format!("{:.0}", zone(name).instant(local.parse().unwrap())), instant, "{local} {name}");
    }

    #[test]
    fn a_local_time_is_the_time_that_clocks_show() {
        is_at("UTC", "2026-07-01T02:30", "2026-07-01T02:30:00Z");
        is_at("Europe/Berlin", "2026-01-15T02:30", "2026-01-15T01:30:00Z");
        is_at("Europe/Berlin", "2026-07-15T02:30", "2026-07-15T00:30:00Z");
        is_at("Asia/Kolkata", "2026-07-15T02:30", "2026-07-14T21:00:00Z");
        is_at("Asia/Kathmandu", "2026-07-15T02:30", "2026-07-14T20:45:00Z");
        is_at("America/St_Johns", "2026-01-15T02:30", "2026-01-15T06:00:00Z");
        // Beyond what the database lists change by change.
        is_at("Europe/Berlin", "2060-07-15T02:30", "2060-07-15T00:30:00Z");
    }

    #[test]
    fn a_local_time_in_a_gap_is_read_by_the_offset_before_it() {
        is_at("Europe/Berlin", "2026-03-29T01:59", "2026-03-29T00:59:00Z");
        is_at("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:30:00Z");
        is_at("Europe/Berlin", "2026-03-29T03:00", "2026-03-29T01:00:00Z");
        // The example of RFC 5545, 3.3.5.
        is_at("America/New_York", "2007-03-11T02:30", "2007-03-11T07:30:00Z");
        // Half an hour, in October, in the south.
        is_at("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:45:00Z");
        is_at("America/Santiago", "2026-09-06T00:30", "2026-09-06T04:30:00Z");
        // A whole day that Samoa left out.
        is_at("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T22:00:00Z");
    }

    #[test]
    fn a_local_time_that_comes_twice_is_the_first() {
        is_at("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30:00Z");
        is_at("Europe/Berlin", "2026-10-25T03:00", "2026-10-25T02:00:00Z");
        is_at("America/New_York", "2007-11-04T01:30", "2007-11-04T05:30:00Z");
        is_at("Australia/Sydney", "2026-04-05T02:30", "2026-04-04T15:30:00Z");
        is_at("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45:00Z");
    }

    #[test]
    fn clocks_show_what_the_offset_of_the_time_says() {
        let berlin = zone("Europe/Berlin");
        let mut shown = Vec::new();
        for instant in ["2026-03-29T00:59:59Z", "2026-03-29T01:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"]
        {
            shown.push(format!("{} {}", berlin.civil(at(instant)), berlin.offset_text(at(instant))));
        }
        assert_eq!(
            shown,
            [
                "2026-03-29T01:59:59 UTC+01:00",
                "2026-03-29T03:00:00 UTC+02:00",
                "2026-10-25T02:30:00 UTC+02:00",
                "2026-10-25T02:30:00 UTC+01:00",
            ]
        );
        assert_eq!(zone("America/St_Johns").offset_text(at("2026-01-15T00:00:00Z")), "UTC-03:30");
        assert_eq!(berlin.text(at("2026-03-29T01:30:00Z")), "2026-03-29 03:30 Europe/Berlin (UTC+02:00)");
        assert_eq!(zone("UTC").text(at("2026-03-29T01:30:00Z")), "2026-03-29 01:30 UTC");
        assert_eq!(zone("Africa/Abidjan").text(at("2026-03-29T01:30:00Z")), "2026-03-29 01:30 Africa/Abidjan (UTC)");
    }

    #[test]
    fn a_time_comes_back_from_what_the_clocks_of_every_zone_show() {
        for name in Zone::names() {
            let zone = zone(&name);
            for hour in (0..366 * 24).step_by(if name.starts_with("Au") { 1 } else { 19 }) {
                let instant = at("2026-01-01T00:00:00Z").shifted(hour * 3_600_000_000);
                let back = zone.instant(zone.civil(instant));
                // The second of two is read as the first; no clock is ever set back by more than a day.
                let early = instant.micros_since(back);
                assert!((0..86_400_000_000).contains(&early), "{name} {instant}");
                assert_eq!(zone.civil(back), zone.civil(instant), "{name} {instant}");
            }
        }
    }

    #[test]
    fn names_are_read_in_any_case_and_the_old_ones_too() {
        assert_eq!(zone(" europe/berlin ").name(), "Europe/Berlin");
        assert_eq!(zone("Europe/Kyiv").offset_s(at("2026-07-01T00:00:00Z")), 10_800);
        assert_eq!(zone("Europe/Kiev").offset_s(at("2026-07-01T00:00:00Z")), 10_800);
        assert_eq!(Zone::utc(), zone("utc"));
        let names = Zone::names();
        assert!(names.len() > 400, "{}", names.len());
        for name in &names {
            assert_eq!(&zone(name).to_string(), name);
        }
        assert!(names.contains(&"UTC".to_owned()) && !names.contains(&"CET".to_owned()));
    }

    #[test]
    fn what_is_no_zone_is_told_what_to_write() {
        let told = |text: &str| text.parse::<Zone>().unwrap_err().to_string();
        assert_eq!(told("Berlin"), "There is no time zone “Berlin”: write “Europe/Berlin”.");
        assert_eq!(told("new york"), "There is no time zone “new york”: write “America/New_York”.");
        let anything = "write a name of the IANA database, like “Europe/Berlin” or “UTC”.";
        for text in ["", "Etc/Unknown", "+02:00", "../../etc/passwd", "CEST", "Europe/Berlin\n; x", "\0"] {
            assert_eq!(told(text), format!("There is no time zone “{text}”: {anything}"));
        }
        assert!(told(&"x".repeat(10_000)).len() < 200);
        assert_eq!(serde_json::from_str::<Zone>("\"Nowhere\"").unwrap_err().to_string(), told("Nowhere"));
        assert_eq!(serde_json::to_string(&zone("Europe/Berlin")).unwrap(), "\"Europe/Berlin\"");
    }

    #[test]
    fn times_beyond_the_calendar_are_read_as_its_ends() {
        let berlin = zone("Europe/Berlin");
        assert_eq!(berlin.civil(Timestamp::from_micros(i64::MAX)).year(), 9999);
        assert_eq!(berlin.civil(Timestamp::from_micros(i64::MIN)).year(), -9999);
        assert!(berlin.instant(Local::MAX) > at("9999-12-30T00:00:00Z"));
        assert!(berlin.instant(Local::MIN) < at("0000-01-01T00:00:00Z"));
    }
}
