//! What a monitor is checked by where nobody says otherwise: the same on pages, in commands and by the API.

use std::time::Duration;

/// From slot to slot.
pub const INTERVAL: Duration = Duration::from_secs(60);

/// After which a check is given up.
const TIMEOUT: Duration = Duration::from_secs(10);

/// After which a check is given up, for a monitor of this interval: 10 s, and four fifths of the interval at most.
pub fn timeout(interval: Duration) -> Duration {
    TIMEOUT.min(interval / 5 * 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_over_before_the_next() {
        let of = |seconds| timeout(Duration::from_secs(seconds)).as_millis();
        assert_eq!([of(5), of(10), of(13), of(60), of(86_400)], [4_000, 8_000, 10_000, 10_000, 10_000]);
    }
}
