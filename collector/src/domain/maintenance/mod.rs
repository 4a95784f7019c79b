//! Windows of maintenance: when they are, by the clocks of a zone. A [`Window`] begins once or by a [`rule`]; its
//! [`Occurrence`]s are instants. [`plan`] says what is to be done about them now.

pub mod plan;
pub mod rule;
pub mod settings;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::ToSpan;
use picket_shared::time::Timestamp;

use self::rule::{Rule, Until};
use super::zone::{Local, Zone};

/// The longest that one occurrence takes.
pub const LONGEST: Duration = Duration::from_secs(31 * 86_400);
/// The shortest.
pub const SHORTEST: Duration = Duration::from_secs(60);
/// So many occurrences are looked at to see that none begins before the one before it ends.
const LOOKED_AT: usize = 100;
/// At most so many times may be left out.
pub const MOST_EXCEPTIONS: usize = 200;

/// When maintenance is, as people say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first time.
    pub start: Local,
    /// For how long each time, in time that passes.
    pub duration: Duration,
    /// Whose clocks.
    pub zone: Zone,
    /// How it repeats; once where there is none.
    pub rule: Option<Rule>,
    /// The starts that are left out.
    pub exceptions: BTreeSet<Local>,
}

/// One time of a window: from `start` until before `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// Its start by the clocks of the zone.
    pub local: Local,
    /// Its start.
    pub start: Timestamp,
    /// Its end.
    pub end: Timestamp,
}

/// Why a window is none; says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// Not within the bounds.
    #[error("A window takes from 1 minute to 31 days: choose a duration within them.")]
    Duration,
    /// A year that nobody means.
    #[error("A window begins in the years 2000 to 2099: correct its start.")]
    Start,
    /// The rule names other days.
    #[error("The rule does not name {start}: begin with {first}, the first time that it does.")]
    NotOfTheRule {
        /// What was given.
        start: String,
        /// What to give.
        first: String,
    },
    /// No day is like that.
    #[error("The rule names no time within 60 years of the start: correct it, as BYMONTH=2;BYMONTHDAY=30 never comes.")]
    Never,
    /// The end lies before the start.
    #[error("The rule ends before its first time: choose a later UNTIL.")]
    EndsFirst,
    /// One begins before the last ended.
    #[error("The window of {second} begins before that of {first} ends: make it shorter, or repeat it less often.")]
    Overlaps {
        /// One.
        first: String,
        /// The next.
        second: String,
    },
    /// Too many were left out.
    #[error("At most 200 times can be left out: end the rule and make a new window.")]
    Exceptions,
}

impl Window {
    /// Whether it can be kept.
    ///
    /// # Errors
    /// What to change.
    pub fn check(&self) -> Result<(), WindowError> {
        if !(SHORTEST..=LONGEST).contains(&self.duration) {
            return Err(WindowError::Duration);
        }
        if !(2000..2100).contains(&self.start.year()) {
            return Err(WindowError::Start);
        }
        if self.exceptions.len() > MOST_EXCEPTIONS {
            return Err(WindowError::Exceptions);
        }
        let Some(rule) = &self.rule else { return Ok(()) };
        let first = rule.from(self.start, self.start).next().ok_or(WindowError::Never)?;
        if first != self.start {
            return Err(WindowError::NotOfTheRule { start: minutes(self.start), first: minutes(first) });
        }
        if !self.is_within(first) {
            return Err(WindowError::EndsFirst);
        }
        let looked_at: Vec<_> = rule.from(self.start, self.start).take(LOOKED_AT).collect();
        let length = i64::try_from(self.duration.as_secs()).unwrap_or(i64::MAX).seconds();
        for pair in looked_at.windows(2) {
            let [first, second] = pair else { continue };
            if first.saturating_add(length) > *second {
                return Err(WindowError::Overlaps { first: minutes(*first), second: minutes(*second) });
            }
        }
        Ok(())
    }

    /// The occurrences that end after `from`, in order, those left out left out.
    pub fn after(&self, from: Timestamp) -> impl Iterator<Item = Occurrence> + '_ {
        // Two days: more than any clock was ever set.
        let since = self.zone.civil(from - self.duration).saturating_sub(2.days());
        let ruled = self.rule.as_ref().map(|rule| rule.from(self.start, since));
        let once = self.rule.is_none().then_some(self.start);
        ruled
            .into_iter()
            .flatten()
            .chain(once)
            .take_while(|local| self.is_within(*local))
            .filter(|local| !self.exceptions.contains(local))
            .map(|local| self.occurrence(local))
            .filter(move |occurrence| occurrence.end > from)
    }

    /// The occurrence that begins at `local`.
    pub fn occurrence(&self, local: Local) -> Occurrence {
        let start = self.zone.instant(local);
        Occurrence { local, start, end: start + self.duration }
    }

    /// Whether `local` is not past `UNTIL`.
    fn is_within(&self, local: Local) -> bool {
        match self.rule.as_ref().and_then(|rule| rule.until) {
            None => true,
            Some(Until::Local(until)) => local <= until,
            Some(Until::Utc(until)) => self.zone.instant(local) <= Zone::utc().instant(until),
        }
    }

    /// When, for people: `every Sunday at 02:00 Europe/Berlin for 2 h`.
    pub fn words(&self) -> String {
        let time = self.start.strftime(if self.start.second() == 0 { "%H:%M" } else { "%H:%M:%S" });
        let duration = in_words(self.duration);
        let Some(rule) = &self.rule else {
            return format!("once, on {} at {time} {} for {duration}", self.start.date(), self.zone);
        };
        let until = match rule.until {
            None => String::new(),
            Some(Until::Local(until)) => format!(", until {}", until.date()),
            Some(Until::Utc(until)) => format!(", until {}", self.zone.civil(Zone::utc().instant(until)).date()),
        };
        format!("{} at {time} {} for {duration}{until}", rule.words(self.start), self.zone)
    }
}

fn minutes(local: Local) -> String {
    local.strftime("%Y-%m-%dT%H:%M").to_string()
}

/// A duration for people, in the units that it has: `2 h 30 min`.
pub fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let said: Vec<_> = units.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n} {unit}")).collect();
    if said.is_empty() { "0 s".to_owned() } else { said.join(" ") }
}
