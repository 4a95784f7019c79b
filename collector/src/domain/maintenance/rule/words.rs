//! A rule in words: what is often meant in a sentence's part, anything else as it was written.

use jiff::civil::Weekday;

use super::days::WEEKDAYS;
use super::{Day, Freq, Rule};
use crate::domain::zone::Local;

impl Rule {
    /// How often, for people: `every Sunday`, `every 2 weeks on Tuesday and Friday`, `every month on the last day`.
    pub fn words(&self, start: Local) -> String {
        let mut words = self.often(start).unwrap_or_else(|| format!("by the rule {}", self.without_end()));
        if let Some(count) = self.count {
            words.push_str(&format!(", {count} times"));
        }
        words
    }

    fn often(&self, start: Local) -> Option<String> {
        let simple = [self.months.len(), self.weeks.len(), self.year_days.len(), self.hours.len(), self.minutes.len()];
        if simple.iter().any(|length| *length > 0) || !self.positions.is_empty() {
            return None;
        }
        let every = |unit: &str| match self.interval {
            1 => format!("every {unit}"),
            n => format!("every {n} {unit}s"),
        };
        let plain = self.month_days.is_empty();
        match (self.freq, self.days.as_slice()) {
            (Freq::Daily, []) if plain => Some(every("day")),
            (Freq::Weekly, []) => Some(self.weekly(&[Day { nth: None, weekday: start.date().weekday() }])),
            (Freq::Weekly, days) => Some(self.weekly(days)),
            (Freq::Monthly, []) if plain => Some(format!("{} on day {}", every("month"), start.day())),
            (Freq::Monthly, []) if self.month_days == [-1] => Some(format!("{} on the last day", every("month"))),
            (Freq::Monthly, []) => match self.month_days.as_slice() {
                [day] if *day > 0 => Some(format!("{} on day {day}", every("month"))),
                _ => None,
            },
            (Freq::Monthly, [Day { nth: Some(nth), weekday }]) if plain => {
                Some(format!("{} on the {} {}", every("month"), ordinal(*nth)?, name(*weekday)))
            }
            (Freq::Yearly, []) if plain => Some(format!("{} on {}", every("year"), start.strftime("%-d %B"))),
            _ => None,
        }
    }

    fn weekly(&self, days: &[Day]) -> String {
        let mut sorted: Vec<_> = days.iter().map(|day| day.weekday).collect();
        sorted.sort_unstable_by_key(|day| day.to_monday_zero_offset());
        let names: Vec<_> = sorted.iter().map(|day| name(*day)).collect();
        let listed = match names.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
            None => String::new(),
        };
        match (self.interval, sorted.len()) {
            (1, 7) => "every day".to_owned(),
            (1, _) => format!("every {listed}"),
            (n, _) => format!("every {n} weeks on {listed}"),
        }
    }

    fn without_end(&self) -> String {
        let is_end = |part: &&str| part.starts_with("COUNT=") || part.starts_with("UNTIL=");
        self.text.split(';').filter(|part| !is_end(part)).collect::<Vec<_>>().join(";")
    }
}

fn name(weekday: Weekday) -> &'static str {
    WEEKDAYS.iter().find(|(_, day, _)| *day == weekday).map_or("", |(_, _, name)| name)
}

fn ordinal(nth: i8) -> Option<&'static str> {
    Some(match nth {
        1 => "first",
        2 => "second",
        3 => "third",
        4 => "fourth",
        5 => "fifth",
        -1 => "last",
        -2 => "second to last",
        _ => return None,
    })
}
