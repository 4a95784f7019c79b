//! Quiet hours of a channel: what is not bad enough waits until they end.

use picket_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::policy::Wrong;
use super::schedule::{Hours, MOST_HOURS};
use crate::domain::incident::Severity;
use crate::domain::zone::Zone;

/// When a channel is quiet, and what is told all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quiet {
    /// Where its hours are.
    pub zone: Zone,
    /// When it is quiet.
    pub hours: Vec<Hours>,
    /// What is at least as bad is told at once; nothing is where there is none.
    pub passes: Option<Severity>,
}

impl Quiet {
    /// Every field that cannot be, with what would be right.
    pub fn check(&self) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        if self.hours.is_empty() || self.hours.len() > MOST_HOURS {
            wrong.push(Wrong::new("quiet", format!("name 1 to {MOST_HOURS} ranges of hours")));
        }
        if !self.hours.iter().all(Hours::names_days) {
            wrong.push(Wrong::new("quiet", "each range names days, 1 (Monday) to 7 (Sunday)"));
        }
        if self.hours.iter().any(|hours| hours.from == hours.to) {
            wrong.push(Wrong::new(
                "quiet",
                "a range ends at another time than it begins: a channel that is always quiet tells nobody",
            ));
        }
        wrong
    }

    /// Until when something of that severity waits; `None` when it is told at once. Ranges that follow on each other are one.
    pub fn held_until(&self, severity: Severity, at: Timestamp) -> Option<Timestamp> {
        if self.passes.is_some_and(|least| severity <= least) {
            return None;
        }
        let mut until = at;
        // A week of ranges that follow on each other, at most.
        for _ in 0..=MOST_HOURS * 7 {
            match self.hours.iter().filter_map(|hours| hours.end(&self.zone, until)).max() {
                Some(end) if end > until => until = end,
                _ => break,
            }
        }
        (until > at).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(hours: &[(&[i8], &str, &str)], passes: Option<Severity>) -> Quiet {
        let hours = hours.iter().map(|(days, from, to)| Hours {
            days: days.iter().copied().collect(),
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
        });
        Quiet { zone: "Europe/Berlin".parse().unwrap(), hours: hours.collect(), passes }
    }

    fn at(local: &str) -> Timestamp {
        "Europe/Berlin".parse::<Zone>().unwrap().instant(local.parse().unwrap())
    }

    const EVERY_DAY: &[i8] = &[1, 2, 3, 4, 5, 6, 7];

    #[test]
    fn what_is_not_bad_enough_waits_until_the_morning_also_when_clocks_change() {
        let nights = quiet(&[(EVERY_DAY, "22:00", "07:00")], Some(Severity::Critical));
        assert_eq!(nights.held_until(Severity::Critical, at("2026-03-29T01:00")), None);
        assert_eq!(nights.held_until(Severity::Error, at("2026-03-29T01:00")), Some(at("2026-03-29T07:00")));
        assert_eq!(nights.held_until(Severity::Warning, at("2026-03-28T22:00")), Some(at("2026-03-29T07:00")));
        assert_eq!(nights.held_until(Severity::Warning, at("2026-03-29T07:00")), None);
        let all = quiet(&[(EVERY_DAY, "22:00", "07:00")], None);
        assert_eq!(all.held_until(Severity::Critical, at("2026-10-25T01:00")), Some(at("2026-10-25T07:00")));
        let errors = quiet(&[(EVERY_DAY, "22:00", "07:00")], Some(Severity::Error));
        assert_eq!(errors.held_until(Severity::Error, at("2026-10-25T01:00")), None);
    }

    #[test]
    fn a_weekend_of_ranges_that_follow_on_each_other_is_one() {
        let weekend =
            quiet(&[(&[5], "18:00", "00:00"), (&[6, 7], "00:00", "12:00"), (&[6, 7], "12:00", "00:00")], None);
        assert_eq!(weekend.held_until(Severity::Critical, at("2026-06-05T19:00")), Some(at("2026-06-08T00:00")));
    }

    #[test]
    fn hours_that_never_end_hold_for_a_bounded_time() {
        let always = quiet(&[(EVERY_DAY, "00:00", "12:00"), (EVERY_DAY, "12:00", "00:00")], None);
        assert!(always.held_until(Severity::Critical, at("2026-06-05T19:00")).is_some());
    }

    #[test]
    fn what_cannot_be_says_what_would_be_right() {
        let said = |quiet: &Quiet| quiet.check().into_iter().map(|wrong| wrong.message).collect::<Vec<_>>();
        assert_eq!(said(&quiet(&[(EVERY_DAY, "22:00", "07:00")], None)), [""; 0]);
        assert_eq!(said(&quiet(&[], None)), ["name 1 to 14 ranges of hours"]);
        assert!(said(&quiet(&[(&[1], "08:00", "08:00")], None))[0].contains("another time"));
    }
}
