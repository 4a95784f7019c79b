//! Who else works on the data: what the operator says of each, and what changed since it was told last.

use picket_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Countries in which the GDPR holds: the Union, Iceland, Liechtenstein and Norway.
const EEA: [&str; 30] = [
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IS", "IT", "LI", "LT",
    "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK",
];

/// A processor that works for the operator.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SubProcessor {
    /// What it is called.
    pub name: String,
    /// What it does.
    pub purpose: String,
    /// Where it does that: two capital letters (ISO 3166).
    pub country: String,
    /// Which data it sees.
    pub data: String,
    /// Where more is said about it.
    #[serde(default)]
    pub url: Option<String>,
    /// The day on which it begins: 2026-12-24.
    pub since: String,
    /// The day on which it ends.
    #[serde(default)]
    pub until: Option<String>,
}

/// The beginning of a day such as 2026-12-24, in UTC; none if it is none.
pub fn day(text: &str) -> Option<Timestamp> {
    let digits = |part: &str, many: usize| part.len() == many && part.bytes().all(|b| b.is_ascii_digit());
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, date] = parts[..] else { return None };
    let is_day = digits(year, 4) && digits(month, 2) && digits(date, 2);
    if is_day { format!("{text}T00:00:00Z").parse().ok() } else { None }
}

/// How one stands on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It begins later.
    Upcoming,
    /// It works.
    Current,
    /// It has ended.
    Ended,
}

impl Standing {
    /// Its name for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upcoming => "upcoming",
            Self::Current => "current",
            Self::Ended => "ended",
        }
    }
}

impl SubProcessor {
    /// When it begins.
    pub fn begins(&self) -> Timestamp {
        day(&self.since).unwrap_or_default()
    }

    /// How it stands.
    pub fn standing(&self, now: Timestamp) -> Standing {
        if self.until.as_deref().and_then(day).is_some_and(|until| until <= now) {
            Standing::Ended
        } else if self.begins() > now {
            Standing::Upcoming
        } else {
            Standing::Current
        }
    }

    /// Whether it works where the GDPR does not hold.
    pub fn is_abroad(&self) -> bool {
        !EEA.contains(&&*self.country)
    }

    /// One line.
    pub fn told(&self) -> String {
        let until = self.until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
        format!(
            "{} ({}), for {}; sees {}; from {}{until}",
            self.name, self.country, self.purpose, self.data, self.since
        )
    }
}

/// What happened to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// It is new.
    Added,
    /// Something else is said of it.
    Changed,
    /// It is not in the list any more.
    Removed,
}

/// A change that is told.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Change {
    /// What happened.
    pub step: Step,
    /// To which: as it is from then on, or was.
    pub of: SubProcessor,
}

impl Change {
    /// One line.
    pub fn told(&self) -> String {
        let word = match self.step {
            Step::Added => "New",
            Step::Changed => "Changed",
            Step::Removed => "Removed",
        };
        format!("{word}: {}", self.of.told())
    }
}

/// What differs between two lists, in the order of the newer one; what left comes last.
pub fn changes(before: &[SubProcessor], now: &[SubProcessor]) -> Vec<Change> {
    let of = |list: &[SubProcessor], name: &str| list.iter().find(|one| one.name == name).cloned();
    let mut changes: Vec<Change> = now
        .iter()
        .filter_map(|one| match of(before, &one.name) {
            None => Some(Change { step: Step::Added, of: one.clone() }),
            Some(was) if was != *one => Some(Change { step: Step::Changed, of: one.clone() }),
            Some(_) => None,
        })
        .collect();
    let left = before.iter().filter(|one| of(now, &one.name).is_none());
    changes.extend(left.map(|one| Change { step: Step::Removed, of: one.clone() }));
    changes
}

/// How many whole days lie between a notice and the first day of the new ones of it; none where nothing is new.
pub fn days_ahead(changes: &[Change], noted_at: Timestamp) -> Option<i64> {
    let added = changes.iter().filter(|change| change.step == Step::Added);
    added.map(|change| change.of.begins().micros_since(noted_at).div_euclid(86_400_000_000)).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, since: &str) -> SubProcessor {
        let text = |text: &str| text.to_owned();
        SubProcessor {
            name: text(name),
            purpose: text("hosting"),
            country: text("DE"),
            data: text("everything, sealed"),
            url: None,
            since: text(since),
            until: None,
        }
    }

    #[test]
    fn a_day_is_a_day_of_the_calendar() {
        assert_eq!(day("2026-12-24").map(|at| format!("{at:.0}")), Some("2026-12-24T00:00:00Z".to_owned()));
        for bad in ["", "2026-02-30", "24.12.2026", "2026-12-24T00:00:00Z", "26-12-24", "2026-1-2", "2026-12"] {
            assert_eq!(day(bad), None, "{bad}");
        }
    }

    #[test]
    fn lists_are_compared_by_name() {
        let (a, b, c) = (one("a", "2026-01-01"), one("b", "2026-01-01"), one("c", "2026-12-31"));
        let moved = SubProcessor { country: "US".to_owned(), ..b.clone() };
        let found = changes(&[a.clone(), b.clone()], &[moved, c]);
        let steps: Vec<_> = found.iter().map(|change| (change.step, &*change.of.name)).collect();
        assert_eq!(steps, [(Step::Changed, "b"), (Step::Added, "c"), (Step::Removed, "a")]);
        assert_eq!(changes(&[a.clone(), b.clone()], &[b, a]), [], "the order says nothing");
    }

    #[test]
    fn a_notice_is_counted_in_whole_days_to_the_first_new_one() {
        let at = day("2026-12-01").unwrap() + std::time::Duration::from_secs(1);
        let added = |since| Change { step: Step::Added, of: one("x", since) };
        assert_eq!(days_ahead(&[added("2026-12-31"), added("2027-01-31")], at), Some(29));
        assert_eq!(days_ahead(&[added("2026-11-30")], at), Some(-2));
        assert_eq!(days_ahead(&[], at), None);
    }

    #[test]
    fn one_stands_by_its_days() {
        let at = |text| day(text).unwrap();
        let it = SubProcessor { until: Some("2027-01-01".to_owned()), ..one("x", "2026-12-01") };
        assert_eq!(it.standing(at("2026-11-30")), Standing::Upcoming);
        assert_eq!(it.standing(at("2026-12-01")), Standing::Current);
        assert_eq!(it.standing(at("2027-01-01")), Standing::Ended);
        assert!(!it.is_abroad() && SubProcessor { country: "US".to_owned(), ..it }.is_abroad());
    }
}
