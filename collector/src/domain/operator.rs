//! Pure: what the operator is told of the instance itself, and what was told already.

use std::collections::BTreeMap;
use std::time::Duration;

use picket_shared::time::Timestamp;

/// What is not well: a name, and what was seen.
pub type Alarms = BTreeMap<String, String>;

/// For so long something is not well before it is told again.
pub const AGAIN: Duration = Duration::from_secs(7 * 86_400);

/// What a mail says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// What was not told yet.
    pub new: Vec<(String, String)>,
    /// What was told, and is well again.
    pub over: Vec<String>,
    /// What was told, and is as it was.
    pub still: Vec<(String, String)>,
}

/// What is to be told; none where everything was. `told` is by name when it was told last.
pub fn news(alarms: &Alarms, told: &BTreeMap<String, Timestamp>, now: Timestamp) -> Option<News> {
    let of = |(name, says): (&String, &String)| (name.clone(), says.clone());
    let news = News {
        new: alarms.iter().filter(|(name, _)| !told.contains_key(*name)).map(of).collect(),
        over: told.keys().filter(|name| !alarms.contains_key(*name)).cloned().collect(),
        still: alarms.iter().filter(|(name, _)| told.contains_key(*name)).map(of).collect(),
    };
    let is_due = news.still.iter().any(|(name, _)| told.get(name).is_some_and(|at| now.since(*at) >= AGAIN));
    (!news.new.is_empty() || !news.over.is_empty() || is_due).then_some(news)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn alarms(names: &[&str]) -> Alarms {
        names.iter().map(|name| ((*name).to_owned(), format!("{name} says"))).collect()
    }

    fn told(names: &[&str], before: Duration) -> BTreeMap<String, Timestamp> {
        names.iter().map(|name| ((*name).to_owned(), NOW - before)).collect()
    }

    #[test]
    fn what_begins_and_what_ends_is_told_once_and_the_rest_after_a_week() {
        let hour = Duration::from_secs(3600);
        assert_eq!(news(&alarms(&[]), &told(&[], hour), NOW), None);
        let first = news(&alarms(&["a"]), &told(&[], hour), NOW).unwrap();
        assert_eq!(first.new, [("a".to_owned(), "a says".to_owned())]);
        assert_eq!(news(&alarms(&["a"]), &told(&["a"], hour), NOW), None);
        let next = news(&alarms(&["a", "b"]), &told(&["a", "c"], hour), NOW).unwrap();
        assert_eq!((next.new.len(), next.over, next.still.len()), (1, vec!["c".to_owned()], 1));
        assert!(news(&alarms(&["a"]), &told(&["a"], AGAIN), NOW).is_some());
    }
}
