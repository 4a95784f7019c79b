//! What of a policy is due: the next level, all levels again, or a reminder. It ends when somebody acknowledges or the incident is
//! over, which the caller knows.

use std::time::Duration;

use picket_shared::time::Timestamp;

use super::policy::{LONGEST_WAIT, Policy};

/// How far an incident got in its policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How often all levels were gone through.
    pub round: u8,
    /// The level that is next, from 0; as many as there are when none is.
    pub level: usize,
    /// When that is due; with no level left, when the next round is.
    pub due: Option<Timestamp>,
    /// How many reminders went out.
    pub reminders: u32,
    /// When the next is due; nobody is reminded before somebody was told.
    pub reminder_due: Option<Timestamp>,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Tell this level, from 0.
    Level {
        /// Which.
        level: usize,
        /// In which round, from 0; from the second on people are told again.
        round: u8,
    },
    /// Remind those who were told.
    Reminder {
        /// Which one, from 1.
        nth: u32,
    },
}

impl Progress {
    /// At the beginning, for an incident that was found at `at`.
    pub fn begin(policy: &Policy, at: Timestamp) -> Self {
        let due = policy.waits.first().map(|wait| at + *wait);
        Self { round: 0, level: 0, due, reminders: 0, reminder_due: None }
    }

    /// When something is due next; `None` when nothing will be.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.into_iter().chain(self.reminder_due).min()
    }

    /// The first thing that is due at `now`, and how far it is after that. Nothing is skipped: who comes late takes step after
    /// step, and the pauses count from when each was taken. A policy that was shortened meanwhile just ends earlier.
    pub fn step(&self, policy: &Policy, now: Timestamp) -> Option<(Step, Self)> {
        let is_due = |due: Option<Timestamp>| due.is_some_and(|due| due <= now);
        if is_due(self.due) {
            if self.level < policy.waits.len() {
                return Some((Step::Level { level: self.level, round: self.round }, self.told(policy, now)));
            }
            if self.round < policy.repeats {
                let again = Self { round: self.round + 1, level: 0, ..*self };
                return Some((Step::Level { level: 0, round: again.round }, again.told(policy, now)));
            }
        }
        let pause = policy.reminder.filter(|_| is_due(self.reminder_due))?;
        let nth = self.reminders.saturating_add(1);
        let due = (self.due.is_some() && !self.is_over(policy)).then_some(self.due).flatten();
        let next = Self { reminders: nth, reminder_due: Some(now + grown(pause, nth)), due, ..*self };
        Some((Step::Reminder { nth }, next))
    }

    /// The same with nobody to tell at the level that was just taken: the next one is due at once.
    #[must_use]
    pub fn nobody_there(self, now: Timestamp) -> Self {
        Self { due: self.due.map(|due| due.min(now)), ..self }
    }

    fn is_over(&self, policy: &Policy) -> bool {
        self.level >= policy.waits.len() && self.round >= policy.repeats
    }

    fn told(&self, policy: &Policy, now: Timestamp) -> Self {
        let level = self.level + 1;
        let due = match policy.waits.get(level) {
            Some(wait) => Some(now + *wait),
            None => (self.round < policy.repeats).then(|| now + policy.repeat_after),
        };
        // Whoever is told now needs no reminder for a while.
        let reminder_due = policy.reminder.map(|pause| now + grown(pause, self.reminders));
        Self { level, due, reminder_due, ..*self }
    }
}

/// The pause after the `nth` reminder.
fn grown(pause: Duration, nth: u32) -> Duration {
    pause.saturating_mul(2_u32.saturating_pow(nth.min(16))).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(minute: u32) -> Timestamp {
        Timestamp::from_seconds(1_000_000) + MINUTE * minute
    }

    /// What happens minute by minute until `end`: `minute:what`.
    fn run(policy: &Policy, end: u32, there: impl Fn(usize) -> bool) -> String {
        let mut progress = Progress::begin(policy, at(0));
        let mut seen = Vec::new();
        for minute in 0..=end {
            while let Some((step, next)) = progress.step(policy, at(minute)) {
                progress = next;
                match step {
                    Step::Level { level, round } => {
                        if there(level) {
                            seen.push(format!("{minute}:L{}r{round}", level + 1));
                        } else {
                            seen.push(format!("{minute}:nobody{}", level + 1));
                            progress = progress.nobody_there(at(minute));
                        }
                    }
                    Step::Reminder { nth } => seen.push(format!("{minute}:remind{nth}")),
                }
            }
        }
        seen.join(" ")
    }

    fn policy(waits: &[u32], repeats: u8, repeat_after: u32, reminder: Option<u32>) -> Policy {
        Policy {
            waits: waits.iter().map(|minutes| MINUTE * *minutes).collect(),
            repeats,
            repeat_after: MINUTE * repeat_after,
            reminder: reminder.map(|minutes| MINUTE * minutes),
        }
    }

    #[test]
    fn levels_follow_each_other_and_are_gone_through_again() {
        let three = policy(&[0, 15, 30], 0, 0, None);
        assert_eq!(run(&three, 200, |_| true), "0:L1r0 15:L2r0 45:L3r0");
        let again = policy(&[0, 15], 2, 20, None);
        assert_eq!(run(&again, 300, |_| true), "0:L1r0 15:L2r0 35:L1r1 50:L2r1 70:L1r2 85:L2r2");
        let late = policy(&[5], 0, 0, None);
        assert_eq!(run(&late, 100, |_| true), "5:L1r0");
    }

    #[test]
    fn a_level_without_anybody_gives_way_to_the_next_at_once() {
        let three = policy(&[0, 15, 30], 0, 0, None);
        assert_eq!(run(&three, 200, |level| level != 0), "0:nobody1 0:L2r0 30:L3r0");
        assert_eq!(run(&three, 200, |_| false), "0:nobody1 0:nobody2 0:nobody3");
    }

    #[test]
    fn with_nobody_anywhere_rounds_end_too() {
        let again = policy(&[0], 2, 20, None);
        assert_eq!(run(&again, 100, |_| false), "0:nobody1 0:nobody1 0:nobody1");
    }

    #[test]
    fn reminders_grow_and_begin_anew_after_a_level() {
        let one = policy(&[0], 0, 0, Some(10));
        assert_eq!(run(&one, 160, |_| true), "0:L1r0 10:remind1 30:remind2 70:remind3 150:remind4");
        let two = policy(&[0, 15], 0, 0, Some(10));
        assert_eq!(run(&two, 80, |_| true), "0:L1r0 10:remind1 15:L2r0 35:remind2 75:remind3");
        let day = policy(&[0], 0, 0, Some(24 * 60));
        assert_eq!(run(&day, 24 * 60 * 3, |_| true), "0:L1r0 1440:remind1 2880:remind2 4320:remind3");
    }

    #[test]
    fn who_comes_late_takes_step_after_step() {
        let two = policy(&[0, 15], 0, 0, None);
        let begun = Progress::begin(&two, at(0));
        let (step, next) = begun.step(&two, at(60)).unwrap();
        assert_eq!(step, Step::Level { level: 0, round: 0 });
        assert_eq!(next.step(&two, at(60)), None, "level 2 waits from when level 1 was told");
        assert_eq!(next.next_due(), Some(at(75)));
    }

    #[test]
    fn a_policy_that_was_shortened_ends() {
        let two = policy(&[0, 15], 0, 0, None);
        let (_, told) = Progress::begin(&two, at(0)).step(&two, at(0)).unwrap();
        let one = policy(&[0], 0, 0, None);
        assert_eq!(told.step(&one, at(20)), None);
    }
}
