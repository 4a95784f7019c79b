//! Escalation policies: levels of targets, each told when nobody acknowledged the levels before it in time.

use std::time::Duration;

/// Most levels of a policy.
pub const MOST_LEVELS: usize = 10;
/// Most targets of a level.
pub const MOST_TARGETS: usize = 20;
/// The longest a level waits for the one before it.
pub const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);
/// Most often all levels are gone through again.
pub const MOST_REPEATS: u8 = 9;
/// The least pause before all levels are gone through again, and before a reminder.
pub const LEAST_PAUSE: Duration = Duration::from_secs(300);
/// Most tags by which one policy is chosen.
pub const MOST_TAGS: usize = 20;
/// Most SMS and calls a day that a policy may be limited to.
pub const MOST_SMS: u32 = 10_000;

/// When whom: what a policy does after an incident was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// For each level how long after the one before it; of the first, after the incident was found.
    pub waits: Vec<Duration>,
    /// How often all levels are gone through again while nobody acknowledges, 0 to [`MOST_REPEATS`].
    pub repeats: u8,
    /// How long after the last level that begins.
    pub repeat_after: Duration,
    /// After how long those who were told are reminded of what stands and nobody acknowledged; each pause is twice the one before it,
    /// up to [`LONGEST_WAIT`].
    pub reminder: Option<Duration>,
}

/// What is wrong with a policy: which field, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The field of a form or body.
    pub field: &'static str,
    /// What would be right.
    pub message: String,
}

impl Wrong {
    pub(crate) fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into() }
    }
}

impl Policy {
    /// Every field that cannot be, with what would be right. `targets` is how many each level has.
    pub fn check(&self, targets: &[usize]) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        if self.waits.is_empty() || self.waits.len() > MOST_LEVELS {
            wrong.push(Wrong::new("levels", format!("needs 1 to {MOST_LEVELS} levels")));
        }
        if targets.iter().any(|count| *count == 0 || *count > MOST_TARGETS) {
            wrong.push(Wrong::new(
                "levels",
                format!("each level names 1 to {MOST_TARGETS} channels, members or schedules"),
            ));
        }
        if self.waits.iter().any(|wait| *wait > LONGEST_WAIT) {
            wrong.push(Wrong::new("levels", "a level waits 24 hours at most"));
        }
        // Two levels at the same moment are one.
        if self.waits.iter().skip(1).any(|wait| wait.as_secs() < 60) {
            wrong.push(Wrong::new(
                "levels",
                "each level after the first waits 1 minute at least for somebody to acknowledge",
            ));
        }
        if self.repeats > MOST_REPEATS {
            wrong.push(Wrong::new("repeats", format!("at most {MOST_REPEATS} times")));
        }
        if self.repeats > 0 && !(LEAST_PAUSE..=LONGEST_WAIT).contains(&self.repeat_after) {
            wrong.push(Wrong::new("repeat_after", "use 5 minutes to 24 hours"));
        }
        if self.reminder.is_some_and(|pause| !(LEAST_PAUSE..=LONGEST_WAIT).contains(&pause)) {
            wrong.push(Wrong::new("reminder", "use 5 minutes to 24 hours, or none"));
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn policy(waits: &[u32]) -> Policy {
        let waits = waits.iter().map(|minutes| MINUTE * *minutes).collect();
        Policy { waits, repeats: 0, repeat_after: Duration::ZERO, reminder: None }
    }

    #[test]
    fn what_cannot_be_is_named_by_field_with_what_would_be_right() {
        let fields = |policy: &Policy, targets: &[usize]| {
            policy.check(targets).into_iter().map(|wrong| wrong.field).collect::<Vec<_>>()
        };
        assert_eq!(fields(&policy(&[0, 15]), &[1, 2]), [""; 0]);
        assert_eq!(fields(&policy(&[]), &[]), ["levels"]);
        assert_eq!(fields(&policy(&[0, 0]), &[1, 1]), ["levels"]);
        assert_eq!(fields(&policy(&[0]), &[0]), ["levels"]);
        assert_eq!(fields(&policy(&[0]), &[21]), ["levels"]);
        assert_eq!(fields(&policy(&[24 * 60 + 1]), &[1]), ["levels"]);
        let worse = Policy { repeats: 10, repeat_after: MINUTE, reminder: Some(MINUTE), ..policy(&[0]) };
        assert_eq!(fields(&worse, &[1]), ["repeats", "repeat_after", "reminder"]);
    }
}
