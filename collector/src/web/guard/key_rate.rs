//! How many requests a key may make: so many a minute, counted in memory from a key's first request on.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use picket_shared::time::Timestamp;

/// Requests of one key in each window.
pub const LIMIT: u64 = 600;
/// How long a window is.
pub const WINDOW: Duration = Duration::from_secs(60);
/// With so many keys counted, those whose window is over are forgotten.
const SWEEP_AT: usize = 1024;

/// Counts by the ids of keys that were found good; nobody else is counted, so nobody can fill this.
#[derive(Debug, Default)]
pub struct KeyRates(Mutex<HashMap<String, Count>>);

#[derive(Clone, Copy, Debug)]
struct Count {
    since: Timestamp,
    made: u64,
}

/// What is left for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// How many requests a window has.
    pub limit: u64,
    /// How many are left after this one.
    pub left: u64,
    /// Seconds until the next window.
    pub reset_s: u64,
    over: bool,
}

impl Room {
    /// How long to wait, when this request is one too many.
    pub fn wait_s(self) -> Option<u64> {
        self.over.then_some(self.reset_s)
    }
}

impl KeyRates {
    /// Counts a request of a key.
    pub fn take(&self, key: &str, now: Timestamp) -> Room {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back begins a window too: no key waits longer than one.
        let is_open = |count: &Count| count.since <= now && now.since(count.since) < WINDOW;
        if counts.len() >= SWEEP_AT {
            counts.retain(|_, count| is_open(count));
        }
        let count = counts.entry(key.to_owned()).or_insert(Count { since: now, made: 0 });
        if !is_open(count) {
            *count = Count { since: now, made: 0 };
        }
        count.made = count.made.saturating_add(1);
        let rest = WINDOW.saturating_sub(now.since(count.since));
        Room {
            limit: LIMIT,
            left: LIMIT.saturating_sub(count.made),
            reset_s: rest.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX),
            over: count.made > LIMIT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_own_window_and_waits_no_longer_than_that() {
        let (rates, start) = (KeyRates::default(), Timestamp::from_seconds(1_000));
        let first = rates.take("a", start);
        assert_eq!((first.limit, first.left, first.reset_s, first.wait_s()), (600, 599, 60, None));
        let last = (1..LIMIT).map(|_| rates.take("a", start)).last().unwrap();
        assert_eq!((last.left, last.wait_s()), (0, None));
        let later = start + Duration::from_millis(20_500);
        assert_eq!(rates.take("a", later).wait_s(), Some(40));
        assert_eq!(rates.take("b", later).wait_s(), None);
        assert_eq!(rates.take("a", start + WINDOW).left, 599);
        assert_eq!(rates.take("a", start).left, 599, "a clock that was set back");
    }

    #[test]
    fn keys_that_are_quiet_are_forgotten() {
        let rates = KeyRates::default();
        for n in 0..SWEEP_AT {
            rates.take(&n.to_string(), Timestamp::from_seconds(0));
        }
        rates.take("x", Timestamp::from_seconds(100));
        assert_eq!(rates.0.lock().unwrap().len(), 1);
    }
}
