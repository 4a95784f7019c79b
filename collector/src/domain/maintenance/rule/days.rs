//! Which days of a period a rule names: each day of it is asked, as the parts of a rule only ever leave days out.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};

use super::{Day, Freq, Rule, days_between, week_start};
use crate::domain::zone::Local;

impl Rule {
    /// The days of the period that begins on `begin`, in order.
    pub(super) fn dates(&self, start: Local, begin: Date) -> Vec<Date> {
        let Ok(end) = begin.checked_add(self.period_length()) else { return Vec::new() };
        begin.series(1.day()).take_while(|date| *date < end).filter(|date| self.names(*date, start)).collect()
    }

    /// Whether `date` is one of the rule's; what it does not say is as on the day of the start.
    fn names(&self, date: Date, start: Local) -> bool {
        let says_no_day =
            self.weeks.is_empty() && self.year_days.is_empty() && self.month_days.is_empty() && self.days.is_empty();
        let by_default = match self.freq {
            _ if !says_no_day => true,
            Freq::Daily => true,
            Freq::Weekly => date.weekday() == start.date().weekday(),
            Freq::Monthly => date.day() == start.day(),
            Freq::Yearly => date.day() == start.day() && (!self.months.is_empty() || date.month() == start.month()),
        };
        by_default
            && (self.months.is_empty() || self.months.contains(&date.month()))
            && (self.weeks.is_empty() || self.is_in_a_week(date))
            && (self.year_days.is_empty() || self.is_a_year_day(date))
            && (self.month_days.is_empty() || self.is_a_month_day(date))
            && (self.days.is_empty() || self.days.iter().any(|day| self.is_the_day(*day, date)))
    }

    fn is_a_month_day(&self, date: Date) -> bool {
        let from_end = date.day() - date.days_in_month() - 1;
        self.month_days.contains(&date.day()) || self.month_days.contains(&from_end)
    }

    fn is_a_year_day(&self, date: Date) -> bool {
        let (day, length) = (date.day_of_year(), date.days_in_year());
        self.year_days.contains(&day) || self.year_days.contains(&(day - length - 1))
    }

    /// Weeks are of the year that has most of their days.
    fn is_in_a_week(&self, date: Date) -> bool {
        let first_of = |year: i16| {
            let fourth = Date::new(year, 1, 4).unwrap_or(Date::MIN);
            week_start(fourth, self.week_start)
        };
        let mut year = date.year();
        if date < first_of(year) {
            year -= 1;
        } else if date >= first_of(year + 1) {
            year += 1;
        }
        let weeks = days_between(first_of(year), first_of(year + 1)) / 7;
        let week = days_between(first_of(year), date) / 7 + 1;
        self.weeks.iter().any(|wanted| i32::from(*wanted) == week || i32::from(*wanted) == week - weeks - 1)
    }

    /// The nth of a weekday counts within the month, and in a yearly rule without months within the year.
    fn is_the_day(&self, day: Day, date: Date) -> bool {
        let Day { nth, weekday } = day;
        let is_weekday = date.weekday() == weekday;
        let Some(nth) = nth.filter(|_| is_weekday) else { return is_weekday };
        let within_year = self.freq == Freq::Yearly && self.months.is_empty();
        let (index, length) = if within_year {
            (date.day_of_year(), date.days_in_year())
        } else {
            (i16::from(date.day()), i16::from(date.days_in_month()))
        };
        i16::from(nth) == (index - 1) / 7 + 1 || i16::from(nth) == -((length - index) / 7 + 1)
    }
}

/// The days of the week as rules write them.
pub(super) const WEEKDAYS: [(&str, Weekday, &str); 7] = [
    ("MO", Weekday::Monday, "Monday"),
    ("TU", Weekday::Tuesday, "Tuesday"),
    ("WE", Weekday::Wednesday, "Wednesday"),
    ("TH", Weekday::Thursday, "Thursday"),
    ("FR", Weekday::Friday, "Friday"),
    ("SA", Weekday::Saturday, "Saturday"),
    ("SU", Weekday::Sunday, "Sunday"),
];
