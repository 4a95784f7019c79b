//! Text -> [`Rule`]: strict, and each refusal says what to write.

use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::civil::{Date, Time, Weekday};

use super::days::WEEKDAYS;
use super::{Day, Freq, Rule, Until};
use crate::domain::zone::Local;

/// Longest text of a rule, in characters.
const LONGEST: usize = 500;
/// Most times a day.
const MOST_A_DAY: usize = 24;
/// Most that a rule may count, and the longest interval.
const MOST: i32 = 1000;

/// Why a rule is refused, and what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RuleError(String);

fn refuse<T>(why: impl Into<String>) -> Result<T, RuleError> {
    Err(RuleError(why.into()))
}

const PARTS: [&str; 13] = [
    "FREQ",
    "INTERVAL",
    "COUNT",
    "UNTIL",
    "BYMONTH",
    "BYWEEKNO",
    "BYYEARDAY",
    "BYMONTHDAY",
    "BYDAY",
    "BYHOUR",
    "BYMINUTE",
    "BYSETPOS",
    "WKST",
];

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = Parts::split(text)?;
        let rule = Self {
            freq: parts.freq()?,
            interval: parts.number("INTERVAL")?.unwrap_or(1),
            count: parts.number("COUNT")?.and_then(|count| usize::try_from(count).ok()),
            until: parts.until()?,
            months: parts.list("BYMONTH", 1..=12, false)?,
            weeks: parts.list("BYWEEKNO", 1..=53, true)?,
            year_days: parts.list("BYYEARDAY", 1..=366, true)?,
            month_days: parts.list("BYMONTHDAY", 1..=31, true)?,
            days: parts.days()?,
            hours: parts.list("BYHOUR", 0..=23, false)?,
            minutes: parts.list("BYMINUTE", 0..=59, false)?,
            positions: parts.list("BYSETPOS", 1..=366, true)?,
            week_start: parts.week_start()?,
            text: parts.text,
        };
        rule.fits()?;
        Ok(rule)
    }
}

impl Rule {
    /// What RFC 5545 rules out, or what means a different thing to everybody.
    fn fits(&self) -> Result<(), RuleError> {
        let yearly = self.freq == Freq::Yearly;
        if self.count.is_some() && self.until.is_some() {
            return refuse("A rule ends by COUNT or by UNTIL: leave one of them out.");
        }
        if !self.weeks.is_empty() && (!yearly || self.days.is_empty()) {
            return refuse("BYWEEKNO goes with FREQ=YEARLY, and needs a BYDAY that says on which day of the week.");
        }
        if !self.year_days.is_empty() && !yearly {
            return refuse("BYYEARDAY goes with FREQ=YEARLY: use BYMONTHDAY, or BYMONTH with it.");
        }
        if !self.month_days.is_empty() && self.freq == Freq::Weekly {
            return refuse("BYMONTHDAY does not go with FREQ=WEEKLY: use FREQ=MONTHLY.");
        }
        let counts_days = self.days.iter().any(|day| day.nth.is_some());
        if counts_days && (self.freq < Freq::Monthly || !self.weeks.is_empty()) {
            return refuse("A number before a day, like 2TU, goes with FREQ=MONTHLY or FREQ=YEARLY, without BYWEEKNO.");
        }
        if self.hours.len().max(1) * self.minutes.len().max(1) > MOST_A_DAY {
            return refuse(format!("BYHOUR and BYMINUTE give at most {MOST_A_DAY} times a day: name fewer."));
        }
        let says_when = [self.months.len(), self.weeks.len(), self.month_days.len(), self.days.len(), self.hours.len()];
        let more = [self.minutes.len(), self.year_days.len()];
        if !self.positions.is_empty() && says_when.iter().chain(&more).all(|length| *length == 0) {
            return refuse("BYSETPOS chooses among what another part names: add one, like BYDAY=MO,TU,WE,TH,FR.");
        }
        Ok(())
    }
}

/// The parts of a rule by name, in capitals.
struct Parts {
    text: String,
    by_name: BTreeMap<String, String>,
}

impl Parts {
    fn split(text: &str) -> Result<Self, RuleError> {
        let text = text.trim();
        if text.len() > LONGEST {
            return refuse(format!("A rule has at most {LONGEST} characters."));
        }
        let text = text.to_ascii_uppercase();
        let text = text.strip_prefix("RRULE:").unwrap_or(&text).trim_end_matches(';').to_owned();
        let mut by_name = BTreeMap::new();
        for part in text.split(';') {
            let Some((name, value)) = part.split_once('=') else {
                return refuse(format!("“{part}” is no part of a rule: write FREQ=WEEKLY;BYDAY=SU and the like."));
            };
            if name == "BYSECOND" {
                return refuse("BYSECOND is not read: times begin at the second of the start.");
            }
            if !PARTS.contains(&name) {
                return refuse(format!("“{name}” is no part of a rule; there are {}.", PARTS.join(", ")));
            }
            if by_name.insert(name.to_owned(), value.to_owned()).is_some() {
                return refuse(format!("{name} is there twice: put all its values into one, with commas."));
            }
        }
        Ok(Self { text, by_name })
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.by_name.get(name).map(String::as_str)
    }

    fn freq(&self) -> Result<Freq, RuleError> {
        match self.get("FREQ") {
            Some("DAILY") => Ok(Freq::Daily),
            Some("WEEKLY") => Ok(Freq::Weekly),
            Some("MONTHLY") => Ok(Freq::Monthly),
            Some("YEARLY") => Ok(Freq::Yearly),
            Some("SECONDLY" | "MINUTELY" | "HOURLY") => refuse(
                "Nothing is more frequent than daily: write FREQ=DAILY with BYHOUR=0,6,12,18 for several times a day.",
            ),
            Some(other) => refuse(format!("FREQ is DAILY, WEEKLY, MONTHLY or YEARLY, not “{other}”.")),
            None => refuse("A rule says how often: add FREQ=DAILY, FREQ=WEEKLY, FREQ=MONTHLY or FREQ=YEARLY."),
        }
    }

    fn number(&self, name: &str) -> Result<Option<i32>, RuleError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match text.parse() {
            Ok(number @ 1..=MOST) => Ok(Some(number)),
            _ => refuse(format!("{name} is a number from 1 to {MOST}, not “{text}”.")),
        }
    }

    /// Numbers within `range`, or as far below 0 where they may count from the end; sorted, each once.
    fn list<T: TryFrom<i32> + Ord>(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<i32>,
        from_end: bool,
    ) -> Result<Vec<T>, RuleError> {
        let Some(text) = self.get(name) else { return Ok(Vec::new()) };
        let mut numbers = Vec::new();
        for item in text.split(',') {
            let number = item.parse::<i32>().ok();
            let fits = number.filter(|n| range.contains(n) || (from_end && *n < 0 && range.contains(&-n)));
            let Some(number) = fits.and_then(|n| T::try_from(n).ok()) else {
                let (low, high) = (range.start(), range.end());
                let or = if from_end { format!(", or -{low} to -{high} from the end") } else { String::new() };
                return refuse(format!("{name} has numbers from {low} to {high}{or}, with commas; “{item}” is none."));
            };
            numbers.push(number);
        }
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }

    fn days(&self) -> Result<Vec<Day>, RuleError> {
        let Some(text) = self.get("BYDAY") else { return Ok(Vec::new()) };
        let mut days = Vec::new();
        for item in text.split(',') {
            let day = item.len().checked_sub(2).and_then(|at| item.split_at_checked(at));
            let weekday = day.and_then(|(_, name)| weekday(name));
            let nth = day.map(|(nth, _)| (nth, nth.parse::<i8>()));
            let day = match (weekday, nth) {
                (Some(weekday), Some(("", _))) => Day { nth: None, weekday },
                (Some(weekday), Some((_, Ok(nth @ (-53..=-1 | 1..=53))))) => Day { nth: Some(nth), weekday },
                _ => return refuse(format!("BYDAY has days like MO, 2TU or -1FR, with commas; “{item}” is none.")),
            };
            if !days.contains(&day) {
                days.push(day);
            }
        }
        Ok(days)
    }

    fn week_start(&self) -> Result<Weekday, RuleError> {
        let text = self.get("WKST").unwrap_or("MO");
        weekday(text).map_or_else(|| refuse(format!("WKST is a day like MO or SU, not “{text}”.")), Ok)
    }

    fn until(&self) -> Result<Option<Until>, RuleError> {
        let Some(text) = self.get("UNTIL") else { return Ok(None) };
        let read = if let Some(text) = text.strip_suffix('Z') {
            local(text).map(Until::Utc)
        } else if text.contains('T') {
            local(text).map(Until::Local)
        } else {
            date(text).map(|date| Until::Local(date.to_datetime(Time::constant(23, 59, 59, 0))))
        };
        read.map_or_else(
            || refuse(format!("UNTIL is like 20261231, 20261231T235959 or 20261231T225959Z, not “{text}”.")),
            |until| Ok(Some(until)),
        )
    }
}

fn weekday(text: &str) -> Option<Weekday> {
    WEEKDAYS.iter().find(|(name, ..)| *name == text).map(|(_, weekday, _)| *weekday)
}

fn date(text: &str) -> Option<Date> {
    let is_plain = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain { text.parse().ok() } else { None }
}

fn local(text: &str) -> Option<Local> {
    let (day, time) = text.split_once('T')?;
    let is_plain = time.len() == 6 && time.bytes().all(|byte| byte.is_ascii_digit());
    let part = |from: usize| time.get(from..from + 2)?.parse::<i8>().ok();
    let time = Time::new(part(0)?, part(2)?, part(4)?, 0).ok();
    Some(date(day)?.to_datetime(time.filter(|_| is_plain)?))
}
