//! For how long somebody may administer the instance: for a time, never for good.

use std::str::FromStr;
use std::time::Duration;

use super::written;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// For how long a grant is given: a minute at least, 30 days at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term(Duration);

impl Term {
    /// What is given where nobody says otherwise: a working day.
    pub const USUAL: Self = Self(Duration::from_secs(8 * HOUR.as_secs()));
    /// The longest.
    pub const MOST: Self = Self(Duration::from_secs(30 * DAY.as_secs()));
    /// The shortest.
    pub const LEAST: Self = Self(Duration::from_secs(60));

    /// How long it is.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Term {
    type Err = String;

    /// `90m`, `8h`, `7d`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a time of 1m to 30d: use 90m, 8h or 7d");
        let duration = match text.strip_suffix('d') {
            Some(days) => days.parse().ok().and_then(|days| DAY.checked_mul(days)),
            None => written::duration(text).ok(),
        };
        let fits = |duration: &Duration| (Self::LEAST.0..=Self::MOST.0).contains(duration);
        duration.filter(fits).map(Self).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_is_a_minute_at_least_and_thirty_days_at_most() {
        assert_eq!("8h".parse(), Ok(Term::USUAL));
        assert_eq!("30d".parse(), Ok(Term::MOST));
        assert_eq!("720h".parse(), Ok(Term::MOST));
        assert_eq!("60".parse(), Ok(Term::LEAST));
        for bad in ["", "0h", "59s", "31d", "721h", "-1d", "1w", "forever", "d", "99999999999d", "4294967295d"] {
            let refused = bad.parse::<Term>();
            assert!(refused.as_ref().is_err_and(|why| why.contains("1m to 30d")), "{bad}: {refused:?}");
        }
    }
}
