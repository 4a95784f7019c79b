//! When to try again: a pure policy, so that probe, collector and simulation share one.

use std::time::Duration;

/// Exponential back-off with full jitter, obeying `Retry-After` with a little jitter of its own.
///
/// "Full jitter" as in M. Brooker, "Exponential Backoff and Jitter" (AWS Architecture Blog, 2015).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryPolicy {
    /// The upper bound of the first delay.
    pub first: Duration,
    /// The upper bound of every delay.
    pub cap: Duration,
    /// No delay is shorter than this.
    pub floor: Duration,
}

impl RetryPolicy {
    /// What a probe uses towards the collector: 0.5 s doubling to 30 s, for ever.
    pub const PROBE: Self =
        Self { first: Duration::from_millis(500), cap: Duration::from_secs(30), floor: Duration::from_millis(50) };

    /// How long to wait before the next try.
    ///
    /// `attempt` counts the failures so far, from 1. `random` is uniform in 0..1 and comes from the caller.
    /// A `retry_after` is obeyed and stretched by up to a quarter, so that many waiters do not return at once.
    pub fn delay(&self, attempt: u32, retry_after: Option<Duration>, random: f64) -> Duration {
        let random = if random.is_finite() { random.clamp(0.0, 1.0) } else { 1.0 };
        if let Some(after) = retry_after {
            return after.min(Duration::from_secs(3600)).mul_f64(1.0 + random / 4.0);
        }
        let doublings = attempt.saturating_sub(1).min(30);
        let bound = self.first.saturating_mul(1 << doublings).min(self.cap);
        bound.mul_f64(random).max(self.floor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_cap_and_never_fall_under_the_floor() {
        let policy = RetryPolicy::PROBE;
        assert_eq!(policy.delay(1, None, 1.0), Duration::from_millis(500));
        assert_eq!(policy.delay(3, None, 1.0), Duration::from_secs(2));
        assert_eq!(policy.delay(u32::MAX, None, 1.0), Duration::from_secs(30));
        assert_eq!(policy.delay(5, None, 0.0), Duration::from_millis(50));
        assert_eq!(policy.delay(5, None, f64::NAN), Duration::from_secs(8));
    }

    #[test]
    fn retry_after_is_obeyed_and_never_undercut() {
        let policy = RetryPolicy::PROBE;
        for random in [0.0, 0.5, 1.0] {
            let delay = policy.delay(9, Some(Duration::from_secs(8)), random);
            assert!((Duration::from_secs(8)..=Duration::from_secs(10)).contains(&delay), "{delay:?}");
        }
    }
}
