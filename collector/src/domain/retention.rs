//! Which daily partitions have expired, and which must exist before they are needed.

use std::time::Duration;

use picket_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A day in UTC, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Day(pub i64);

const SECONDS: i64 = 86_400;

/// A clock that went forwards by more at once, or a collector that was away for longer, may be wrong about what is old.
pub const LEAP: Duration = Duration::from_secs(86_400);
/// For so long nothing is deleted for its age after such a leap: somebody sees by then whether the clock is right.
pub const WAIT_AFTER_LEAP: Duration = Duration::from_secs(86_400);

impl Day {
    /// The day of a time.
    pub const fn of(time: Timestamp) -> Self {
        Self(time.seconds().div_euclid(SECONDS))
    }

    /// Its first moment.
    pub const fn start(self) -> Timestamp {
        Timestamp::from_seconds(self.0.saturating_mul(SECONDS))
    }

    /// The first moment after it.
    pub const fn end(self) -> Timestamp {
        Self(self.0.saturating_add(1)).start()
    }
}

/// The partitions of which nothing needs to be kept: all of their rows are older than `keep_days` days.
pub fn expired(partitions: &[Day], keep_days: u32, as_of: Timestamp) -> Vec<Day> {
    let oldest_kept = as_of.shifted(-i64::from(keep_days) * SECONDS * 1_000_000);
    partitions.iter().copied().filter(|day| day.end() <= oldest_kept).collect()
}

/// The partitions that must exist at `as_of` and are not there: from `back` days ago, for what comes late, until
/// `ahead` days from now.
pub fn missing(partitions: &[Day], back: u32, ahead: u32, as_of: Timestamp) -> Vec<Day> {
    let today = Day::of(as_of).0;
    let wanted = (today - i64::from(back)..=today + i64::from(ahead)).map(Day);
    wanted.filter(|day| !partitions.contains(day)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon(day: i64) -> Timestamp {
        Timestamp::from_seconds(day * SECONDS + SECONDS / 2)
    }

    #[test]
    fn a_day_expires_when_its_last_moment_is_too_old() {
        let days = [Day(9), Day(10), Day(11)];
        assert_eq!(expired(&days, 7, noon(17)), [Day(9)]);
        assert_eq!(expired(&days, 7, Day(18).start()), [Day(9), Day(10)]);
    }

    #[test]
    fn days_behind_and_ahead_are_made_once() {
        assert_eq!(missing(&[Day(10)], 1, 2, noon(10)), [Day(9), Day(11), Day(12)]);
        assert_eq!(missing(&[Day(9), Day(10), Day(11), Day(12)], 1, 2, noon(10)), []);
    }

    #[test]
    fn nothing_that_is_wanted_has_expired() {
        for hour in 0..200 {
            let as_of = Timestamp::from_seconds(1000 * SECONDS + hour * 3600);
            assert_eq!(expired(&missing(&[], 3, 3, as_of), 4, as_of), []);
        }
    }
}
