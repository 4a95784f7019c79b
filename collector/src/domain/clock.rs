//! Whether the collector follows its machine's clock when somebody sets it. Pure.
//!
//! The collector is the authority on time: its clock must not leap because an administrator, a dead battery or a resumed
//! machine makes the machine's leap. It goes on evenly, and asks who is right: the probes, whose machines have clocks of their own
//! ([`Watch::look`]). What is believed to be a correction is followed in one step; what is not is held, and shown.

use std::time::Duration;

/// A smaller difference is made up for little by little.
pub const JUMP: Duration = Duration::from_secs(5);
/// A difference must have lasted so long to be followed.
pub const SETTLED_AFTER: Duration = Duration::from_secs(20);
/// A larger step back is followed only where the clock leapt forwards lately: what is older was stamped by a clock that nobody
/// doubted then.
pub const SMALL_STEP_BACK: Duration = Duration::from_secs(3600);
/// How lately.
pub const LATELY: Duration = Duration::from_secs(7 * 86_400);
/// Probes that see the collector so far ahead doubt it enough that nothing is deleted for its age.
pub const DOUBTED_BY: Duration = Duration::from_secs(3600);

/// At most so much is slewed back at each look, so that time never runs backwards by it.
const SLEW_US: i64 = 100_000;

/// What to do about the machine's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// They agree, or nearly: move by this, in microseconds.
    Slew(i64),
    /// They do not, and the collector's time stands: by this, in microseconds, the machine is ahead.
    Hold(i64),
    /// Take the machine's time over: move by this, in microseconds.
    Follow(i64),
}

/// What is known of a difference.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watch {
    seen: Option<(i64, Duration)>,
}

impl Watch {
    /// `ahead_us` is how far the machine is ahead of the collector's time, `elapsed` the time since any fixed moment by a
    /// monotonic clock, `witnesses` how far each probe's machine is ahead, and `leapt_lately` whether the collector's time itself
    /// leapt forwards (or began) within [`LATELY`].
    pub fn look(&mut self, ahead_us: i64, elapsed: Duration, witnesses: &[i64], leapt_lately: bool) -> Step {
        if ahead_us.unsigned_abs() < micros(JUMP) {
            self.seen = None;
            return Step::Slew(ahead_us.max(-SLEW_US));
        }
        let same = self.seen.filter(|(seen, _)| seen.abs_diff(ahead_us) < micros(JUMP));
        let (_, since) = *self.seen.insert(same.unwrap_or((ahead_us, elapsed)));
        if elapsed.saturating_sub(since) < SETTLED_AFTER || !is_believed(ahead_us, witnesses, leapt_lately) {
            return Step::Hold(ahead_us);
        }
        self.seen = None;
        Step::Follow(ahead_us)
    }
}

fn is_believed(ahead_us: i64, witnesses: &[i64], leapt_lately: bool) -> bool {
    let near = |time: i64| {
        let within = (ahead_us.unsigned_abs() / 4).max(micros(JUMP) / 2);
        witnesses.iter().filter(|witness| witness.abs_diff(time) <= within).count()
    };
    let (for_machine, for_collector) = (near(ahead_us), near(0));
    if ahead_us > 0 {
        // A machine that slept wakes before its probes have said anything: nobody contradicts.
        for_machine >= for_collector
    } else {
        let is_small = ahead_us.unsigned_abs() <= micros(SMALL_STEP_BACK);
        for_machine > for_collector && (is_small || leapt_lately)
    }
}

/// Whether most probes see the collector's time far ahead of theirs.
pub fn is_doubted(witnesses: &[i64]) -> bool {
    let far = i64::try_from(micros(DOUBTED_BY)).unwrap_or(i64::MAX);
    let doubting = witnesses.iter().filter(|witness| **witness < -far).count();
    doubting * 2 > witnesses.len()
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000;
    const DAY: i64 = 86_400 * S;

    /// What is done about a difference that lasts for a minute, looked at every second.
    fn decides(ahead: i64, witnesses: &[i64], leapt_lately: bool) -> Step {
        let mut watch = Watch::default();
        let mut looks = (0..60).map(|second| watch.look(ahead, Duration::from_secs(second), witnesses, leapt_lately));
        let first = looks.next().unwrap();
        looks.find(|step| matches!(step, Step::Follow(_))).unwrap_or(first)
    }

    #[test]
    fn a_small_difference_is_made_up_for_and_never_by_running_backwards() {
        assert_eq!(decides(2 * S, &[], false), Step::Slew(2 * S));
        assert_eq!(decides(-2 * S, &[], false), Step::Slew(-SLEW_US));
    }

    #[test]
    fn a_leap_that_the_probes_do_not_see_is_held_for_ever() {
        for ahead in [300 * S, DAY, -300 * S, -DAY] {
            assert_eq!(decides(ahead, &[S / 10, -S / 5, 0], true), Step::Hold(ahead));
        }
    }

    #[test]
    fn a_correction_that_the_probes_see_is_followed_once_it_has_lasted() {
        for ahead in [300 * S, DAY, -300 * S, -DAY] {
            assert_eq!(decides(ahead, &[ahead + S / 10, ahead - S / 5, 0], true), Step::Follow(ahead));
        }
        let mut watch = Watch::default();
        assert_eq!(watch.look(DAY, Duration::from_secs(1), &[DAY], true), Step::Hold(DAY));
        assert_eq!(watch.look(DAY + S, Duration::from_secs(20), &[DAY], true), Step::Hold(DAY + S));
        assert_eq!(watch.look(DAY, Duration::from_secs(21), &[DAY], true), Step::Follow(DAY));
        // Set again meanwhile: the wait begins anew.
        assert_eq!(watch.look(DAY, Duration::from_secs(30), &[DAY], true), Step::Hold(DAY));
        assert_eq!(watch.look(-DAY, Duration::from_secs(49), &[-DAY], true), Step::Hold(-DAY));
        assert_eq!(watch.look(-DAY, Duration::from_secs(51), &[-DAY], true), Step::Hold(-DAY));
    }

    #[test]
    fn without_a_probe_a_leap_forwards_is_followed_and_one_back_is_not() {
        assert_eq!(decides(DAY, &[], false), Step::Follow(DAY));
        assert_eq!(decides(-300 * S, &[], true), Step::Hold(-300 * S));
        // Probes that are off by something else say nothing.
        assert_eq!(decides(DAY, &[-7 * DAY], false), Step::Follow(DAY));
    }

    #[test]
    fn a_large_step_back_is_followed_only_where_the_clock_leapt_lately() {
        assert_eq!(decides(-DAY, &[-DAY], true), Step::Follow(-DAY));
        assert_eq!(decides(-DAY, &[-DAY], false), Step::Hold(-DAY));
        assert_eq!(decides(-300 * S, &[-300 * S], false), Step::Follow(-300 * S));
    }

    #[test]
    fn the_collector_is_doubted_when_most_probes_see_it_far_ahead() {
        assert!(is_doubted(&[-DAY, -DAY, 0]) && is_doubted(&[-DAY]));
        assert!(!is_doubted(&[]) && !is_doubted(&[-DAY, 0]) && !is_doubted(&[-60 * S, DAY]));
    }
}
