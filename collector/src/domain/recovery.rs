//! Pure: whether this installation could be brought back after its machine is lost, and what is missing for that.

use picket_shared::time::Timestamp;

use super::drill::KIT_TRUSTED;

/// What is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Whether there is an archive.
    pub archives: bool,
    /// Whether it lies off this machine.
    pub elsewhere: bool,
    /// When a recovery kit was last proven.
    pub proven: Option<Timestamp>,
    /// Whether that kit held the key with which everything is sealed now.
    pub holds_key: bool,
    /// When a restore from a kit and the store alone last began that passed.
    pub drilled: Option<Timestamp>,
}

/// What is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// An archive.
    Archive,
    /// A place for it that is not this machine.
    Elsewhere,
    /// A recovery kit that was proven.
    Proof,
    /// One with the newest key.
    Key,
    /// A restore from a kit alone.
    Drill,
    /// One of the last 90 days.
    NewDrill,
}

/// What is missing, the first thing to do first; nothing when a lost machine can be brought back, and that was shown.
pub fn missing(facts: &Facts, now: Timestamp) -> Vec<Missing> {
    if !facts.archives {
        return vec![Missing::Archive];
    }
    let mut missing = Vec::new();
    if !facts.elsewhere {
        missing.push(Missing::Elsewhere);
    }
    match facts.proven {
        None => missing.push(Missing::Proof),
        Some(_) if !facts.holds_key => missing.push(Missing::Key),
        Some(_) => {}
    }
    match facts.drilled {
        None => missing.push(Missing::Drill),
        Some(at) if now.since(at) > KIT_TRUSTED => missing.push(Missing::NewDrill),
        Some(_) => {}
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn recoverable_is_only_what_was_shown_to_be() {
        let day = |number: u32| Timestamp::from_seconds(0) + Duration::from_secs(86_400) * number;
        let whole =
            Facts { archives: true, elsewhere: true, proven: Some(day(1)), holds_key: true, drilled: Some(day(1)) };
        assert_eq!(missing(&whole, day(91)), []);
        assert_eq!(missing(&whole, day(92)), [Missing::NewDrill]);
        assert_eq!(missing(&Facts { archives: false, ..whole }, day(2)), [Missing::Archive]);
        assert_eq!(missing(&Facts { elsewhere: false, ..whole }, day(2)), [Missing::Elsewhere]);
        assert_eq!(missing(&Facts { holds_key: false, ..whole }, day(2)), [Missing::Key]);
        let none = Facts { elsewhere: false, proven: None, holds_key: false, drilled: None, ..whole };
        assert_eq!(missing(&none, day(2)), [Missing::Elsewhere, Missing::Proof, Missing::Drill]);
    }
}
