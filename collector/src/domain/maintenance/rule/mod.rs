//! A recurrence rule (RRULE of RFC 5545) in local time without a zone: [`parse`](Rule) reads one, [`Rule::from`] gives the
//! times from some time on. Nothing is more frequent than daily, and nothing is looked for later than [`YEARS`] after the start;
//! that bounds each question (`docs/decisions/0082-zones-and-rules.md`).

mod days;
mod parse;
mod words;

use jiff::ToSpan;
use jiff::civil::{Date, Time, Weekday};

use crate::domain::zone::Local;
pub use parse::RuleError;

/// For so many years after its start a rule is followed.
pub const YEARS: i16 = 60;

/// A rule as it was written, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    text: String,
    freq: Freq,
    interval: i32,
    count: Option<usize>,
    /// When it ends, that time included.
    pub until: Option<Until>,
    months: Vec<i8>,
    weeks: Vec<i8>,
    year_days: Vec<i16>,
    month_days: Vec<i8>,
    days: Vec<Day>,
    hours: Vec<i8>,
    minutes: Vec<i8>,
    positions: Vec<i16>,
    week_start: Weekday,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Freq {
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// A day of the week: each, or the nth of the month or year (from its end where below 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Day {
    nth: Option<i8>,
    weekday: Weekday,
}

/// The end of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// What clocks show there; a date alone is its last moment.
    Local(Local),
    /// The same time everywhere: written with a `Z`.
    Utc(Local),
}

impl Rule {
    /// As it was written, in capitals and without `RRULE:`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The times of the rule that begins at `start`, from `from` on, in order. `UNTIL` is left to who knows the zone.
    pub fn from(&self, start: Local, from: Local) -> impl Iterator<Item = Local> + '_ {
        // Whoever counts has to begin at the start.
        let first = if self.count.is_some() { start } else { from.max(start) };
        let end = start.date().saturating_add(i32::from(YEARS).years());
        let periods = Periods { rule: self, begin: self.period_of(start.date(), first.date()), end };
        periods
            .flat_map(move |begin| self.times(start, begin))
            .skip_while(move |time| *time < start)
            .take(self.count.unwrap_or(usize::MAX))
            .skip_while(move |time| *time < from)
    }

    /// The start of the last period at or before `date`, counted in intervals from that of `start`.
    fn period_of(&self, start: Date, date: Date) -> Date {
        let begin = self.period_start(start);
        let passed = |unit: i32| unit.max(0) / self.interval * self.interval;
        match self.freq {
            Freq::Daily => begin.saturating_add(passed(days_between(begin, date)).days()),
            Freq::Weekly => begin.saturating_add(passed(days_between(begin, date) / 7).weeks()),
            Freq::Monthly => begin.saturating_add(passed(months_between(begin, date)).months()),
            Freq::Yearly => begin.saturating_add(passed(i32::from(date.year()) - i32::from(begin.year())).years()),
        }
    }

    fn period_start(&self, date: Date) -> Date {
        match self.freq {
            Freq::Daily => date,
            Freq::Weekly => week_start(date, self.week_start),
            Freq::Monthly => date.first_of_month(),
            Freq::Yearly => date.first_of_year(),
        }
    }

    fn period_length(&self) -> jiff::Span {
        match self.freq {
            Freq::Daily => 1.day(),
            Freq::Weekly => 1.week(),
            Freq::Monthly => 1.month(),
            Freq::Yearly => 1.year(),
        }
    }

    /// The times of the period that begins on `begin`, in order.
    fn times(&self, start: Local, begin: Date) -> Vec<Local> {
        let dates = self.dates(start, begin);
        let (hours, minutes) = (or(&self.hours, start.hour()), or(&self.minutes, start.minute()));
        let of_a_day = hours.iter().flat_map(|hour| minutes.iter().map(move |minute| (*hour, *minute)));
        let of_a_day: Vec<Time> =
            of_a_day.filter_map(|(hour, minute)| Time::new(hour, minute, start.second(), 0).ok()).collect();
        let all: Vec<Local> =
            dates.iter().flat_map(|date| of_a_day.iter().map(|time| date.to_datetime(*time))).collect();
        if self.positions.is_empty() {
            return all;
        }
        let length = i16::try_from(all.len()).unwrap_or(i16::MAX);
        let index = |position: &i16| usize::try_from(if *position < 0 { length + position } else { position - 1 }).ok();
        let mut chosen: Vec<Local> =
            self.positions.iter().filter_map(index).filter_map(|index| all.get(index).copied()).collect();
        chosen.sort_unstable();
        chosen.dedup();
        chosen
    }
}

/// The rule of the weekday that `start` is in its month: `FREQ=MONTHLY;BYDAY=2TU`; the fifth is the last.
pub fn nth_weekday(start: Local) -> String {
    let nth = (start.day() - 1) / 7 + 1;
    let name = days::WEEKDAYS.iter().find(|(_, day, _)| *day == start.date().weekday()).map_or("MO", |(name, ..)| name);
    format!("FREQ=MONTHLY;BYDAY={}{name}", if nth > 4 { -1 } else { nth })
}

/// The first days of the periods from `begin` on.
struct Periods<'a> {
    rule: &'a Rule,
    begin: Date,
    end: Date,
}

impl Iterator for Periods<'_> {
    type Item = Date;

    fn next(&mut self) -> Option<Date> {
        let begin = self.begin;
        let step = match self.rule.freq {
            Freq::Daily => self.rule.interval.days(),
            Freq::Weekly => self.rule.interval.weeks(),
            Freq::Monthly => self.rule.interval.months(),
            Freq::Yearly => self.rule.interval.years(),
        };
        self.begin = begin.checked_add(step).ok()?;
        (begin <= self.end).then_some(begin)
    }
}

/// What is written, or what the start says.
fn or(written: &[i8], start: i8) -> Vec<i8> {
    if written.is_empty() { vec![start] } else { written.to_vec() }
}

fn days_between(from: Date, to: Date) -> i32 {
    from.until(to).map_or(0, |span| span.get_days())
}

fn months_between(from: Date, to: Date) -> i32 {
    (i32::from(to.year()) - i32::from(from.year())) * 12 + i32::from(to.month()) - i32::from(from.month())
}

/// The first day of the week of `date`, where weeks begin on `first`.
fn week_start(date: Date, first: Weekday) -> Date {
    date.saturating_sub(i32::from(first.until(date.weekday())).days())
}
