//! What a control finds: whether a promise is kept, and by what that is known.

use std::fmt;
use std::time::Duration;

use picket_shared::time::Timestamp;

/// How a promise stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It was looked at, and is kept.
    Pass,
    /// It was looked at, and is not kept.
    Fail,
    /// It could not be looked at; nobody knows.
    NotMeasured,
}

impl State {
    /// The name in the database and for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::NotMeasured => "not_measured",
        }
    }

    /// The state of this name.
    pub fn of(name: &str) -> Option<Self> {
        [Self::Pass, Self::Fail, Self::NotMeasured].into_iter().find(|state| state.as_str() == name)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the evidence begins where a person's word is all there is.
const ATTESTED: &str = "attested, not measured: ";

/// What a control found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How the promise stands.
    pub state: State,
    /// By what that is known: for everybody, so without names of hosts, buckets, people and versions.
    pub evidence: String,
    /// What the operator wants to know besides.
    pub detail: Option<String>,
}

impl Finding {
    /// It is kept.
    pub fn pass(evidence: impl Into<String>) -> Self {
        Self { state: State::Pass, evidence: evidence.into(), detail: None }
    }

    /// It is not kept.
    pub fn fail(evidence: impl Into<String>) -> Self {
        Self { state: State::Fail, ..Self::pass(evidence) }
    }

    /// It could not be looked at, for this reason.
    pub fn not_measured(why: impl Into<String>) -> Self {
        Self { state: State::NotMeasured, ..Self::pass(why) }
    }

    /// It could not be looked at, but a person vouches for it.
    pub fn attested(what: impl fmt::Display) -> Self {
        Self::not_measured(format!("{ATTESTED}{what}"))
    }

    /// Whether a person's word is all there is.
    pub fn is_attested(&self) -> bool {
        self.state == State::NotMeasured && self.evidence.starts_with(ATTESTED)
    }

    /// Kept if that is so; by this evidence either way.
    pub fn kept(is_kept: bool, evidence: impl Into<String>) -> Self {
        if is_kept { Self::pass(evidence) } else { Self::fail(evidence) }
    }

    /// With something for the operator.
    #[must_use]
    pub fn with(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }
}

/// After so long without a look nobody knows any more.
pub const STALE: Duration = Duration::from_secs(2 * 3600);

impl Finding {
    /// What it says at `now`, where it was looked at last at `looked_at`: what was true long ago proves nothing.
    #[must_use]
    pub fn as_of(self, looked_at: Timestamp, now: Timestamp) -> Self {
        if now.since(looked_at) <= STALE {
            return self;
        }
        Self::not_measured(format!("nobody has looked since {looked_at:.0}"))
    }
}

/// So many of something, in words: `1 key`, `2 keys`.
pub fn many(count: usize, one: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        count => format!("{count} {one}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_long_ago_passes_no_more() {
        let then = Timestamp::from_seconds(1_790_000_000);
        let seen = Finding::pass("all is well");
        assert_eq!(seen.clone().as_of(then, then + STALE).state, State::Pass);
        assert_eq!(seen.as_of(then, then + STALE + Duration::from_secs(1)).state, State::NotMeasured);
    }

    #[test]
    fn a_persons_word_is_no_measurement_and_is_told_from_not_knowing() {
        let word = Finding::attested("it lies in the EU");
        assert_eq!((word.state, word.is_attested()), (State::NotMeasured, true));
        assert_eq!(word.evidence, "attested, not measured: it lies in the EU");
        assert!(!Finding::not_measured("nobody knows").is_attested() && !Finding::pass(ATTESTED).is_attested());
    }

    #[test]
    fn states_come_back_by_their_names() {
        for state in [State::Pass, State::Fail, State::NotMeasured] {
            assert_eq!(State::of(state.as_str()), Some(state));
        }
        assert_eq!(State::of("passed"), None);
    }
}
