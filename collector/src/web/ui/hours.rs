//! Ranges of hours in forms: numbered fields (`r0h1.day`, `r0h1.from`, `r0h1.to`), of which one that is empty says nothing.

use serde_json::{Value, json};

use super::schedule::show::weekday;
use crate::domain::telling::schedule::{Hours, MOST_HOURS};
use crate::web::extract::form::Form;

/// A range as typed.
#[derive(Clone, Debug, Default)]
pub(super) struct Range {
    pub(super) days: Vec<i8>,
    pub(super) from: String,
    pub(super) to: String,
}

impl Range {
    /// What is stored, as it would have been typed.
    pub(super) fn of(hours: &Hours) -> Self {
        Self {
            days: hours.days.iter().copied().collect(),
            from: hours.from.strftime("%H:%M").to_string(),
            to: hours.to.strftime("%H:%M").to_string(),
        }
    }

    /// A new one: working hours.
    fn new() -> Self {
        Self { days: (1..=5).collect(), from: "09:00".to_owned(), to: "17:00".to_owned() }
    }

    /// Every day of the week: number, word, whether it is chosen.
    pub(super) fn week(&self) -> Vec<(i8, &'static str, bool)> {
        (1..=7).map(|day| (day, weekday(day).unwrap_or_default(), self.days.contains(&day))).collect()
    }
}

/// The ranges of a form whose fields begin with `of`.
pub(super) fn from(form: &Form, of: &str) -> Vec<Range> {
    let count = form.text(&format!("{of}.hours")).parse().unwrap_or(0_usize).min(MOST_HOURS);
    let range = |at: usize| Range {
        days: form.all(&format!("{of}h{at}.day")).into_iter().filter_map(|day| day.parse().ok()).collect(),
        from: form.text(&format!("{of}h{at}.from")).to_owned(),
        to: form.text(&format!("{of}h{at}.to")).to_owned(),
    };
    (0..count).map(range).collect()
}

/// The same as the API takes it.
pub(super) fn body(ranges: &[Range]) -> Vec<Value> {
    // A time of a form may have seconds.
    let minutes = |time: &str| time.get(..5).unwrap_or(time).to_owned();
    let said = ranges.iter().filter(|range| !range.days.is_empty() || !range.from.is_empty() || !range.to.is_empty());
    said.map(|range| json!({ "days": range.days, "from": minutes(&range.from), "to": minutes(&range.to) })).collect()
}

/// Adds a range (`hours`), or takes one away (`hours1`).
pub(super) fn redraw(ranges: &mut Vec<Range>, what: &str) {
    match what.strip_prefix("hours").map(str::parse::<usize>) {
        Some(Ok(at)) if at < ranges.len() => drop(ranges.remove(at)),
        Some(Err(_)) if what == "hours" && ranges.len() < MOST_HOURS => ranges.push(Range::new()),
        _ => {}
    }
}

/// Where something is wrong in a list that is numbered: `rotations[0].starts` is the first of them.
pub(super) fn numbered(field: &str, list: &str, word: &str) -> String {
    let at = field.strip_prefix(list).and_then(|rest| rest.split(']').next()?.parse::<usize>().ok());
    at.map_or_else(|| word.to_owned(), |at| format!("{word} {}", at + 1))
}
