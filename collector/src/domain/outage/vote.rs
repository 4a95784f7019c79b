//! What one region says about a monitor.

use picket_shared::ids::Region;
use picket_shared::outcome::{Status, Trigger};
use picket_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::input::{Input, RegionFacts, RegionResult};

/// A region's voice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vote {
    /// It sees the target good.
    Ok,
    /// Its last check failed and was not yet repeated: reason to ask, no vote.
    Failing,
    /// Its failure stood a repetition, or was seen by a check that the judge asked for.
    Fail,
    /// It works and has no result yet that counts: it is waited for.
    Expected,
    /// It was not heard for F.
    Silent,
    /// Its last check could not be made.
    Unmeasured,
    /// Its own network is bad.
    SelfCheckBad,
    /// It fails, and the correlated-failure guard withholds that.
    Held,
}

/// A region with its vote.
#[derive(Clone, Debug)]
pub struct Ballot<'a> {
    /// What is known of the region.
    pub facts: &'a RegionFacts,
    /// What it says.
    pub vote: Vote,
}

impl Ballot<'_> {
    /// Whose ballot this is.
    pub fn region(&self) -> &Region {
        &self.facts.region
    }

    /// The network that it is in.
    pub fn network(&self) -> &str {
        &self.facts.network
    }

    /// Whether it counts in n.
    pub fn has_vote(&self) -> bool {
        matches!(self.vote, Vote::Ok | Vote::Failing | Vote::Fail | Vote::Expected)
    }

    /// Whether its last check failed.
    pub fn is_failing(&self) -> bool {
        matches!(self.vote, Vote::Failing | Vote::Fail)
    }

    /// The start of its current run; long ago without a result.
    pub fn since(&self) -> Timestamp {
        self.result().map_or_else(Timestamp::default, |result| result.since)
    }

    /// The start of its last check; long ago without a result.
    pub fn last_at(&self) -> Timestamp {
        self.result().map_or_else(Timestamp::default, |result| result.last_at)
    }

    /// How many failures in a row, counted to 3.
    pub fn fails(&self) -> u8 {
        self.result().map_or(0, |result| result.fails)
    }

    /// How many good results in a row, counted to 3.
    pub fn oks(&self) -> u8 {
        self.result().map_or(0, |result| result.oks)
    }

    /// Whether the probe is about to repeat a failure of its own accord.
    pub fn confirm_is_coming(&self) -> bool {
        self.vote == Vote::Failing && self.result().is_some_and(|result| result.last_trigger == Trigger::Scheduled)
    }

    /// Until when it was of use; now if it is.
    pub fn known_until(&self, input: &Input) -> Timestamp {
        match self.vote {
            Vote::Silent => self.facts.heard().unwrap_or(input.monitor.created_at),
            Vote::Unmeasured => self.since(),
            _ => input.as_of,
        }
        .min(input.as_of)
    }

    fn result(&self) -> Option<&RegionResult> {
        self.facts.result.as_ref()
    }
}

/// Every region's ballot; checks started before `not_before` have no vote.
pub fn cast(input: &Input, not_before: Timestamp) -> Vec<Ballot<'_>> {
    input.regions.iter().map(|facts| Ballot { facts, vote: vote(input, facts, not_before) }).collect()
}

fn vote(input: &Input, facts: &RegionFacts, not_before: Timestamp) -> Vote {
    let result = facts.result.as_ref();
    if facts.self_check_bad || result.is_some_and(|result| !result.self_check.may_vote()) {
        return Vote::SelfCheckBad;
    }
    if !facts.heard().is_some_and(|heard| input.timing().is_fresh(heard, input.as_of)) {
        return Vote::Silent;
    }
    let counts = |result: &&RegionResult| result.version == input.monitor.version && result.last_at >= not_before;
    let Some(result) = result.filter(counts) else { return Vote::Expected };
    match result.status {
        Status::Up | Status::Degraded => Vote::Ok,
        Status::Unmeasured | Status::Other => Vote::Unmeasured,
        Status::Down if facts.hold_until.is_some_and(|until| until > input.as_of) => Vote::Held,
        Status::Down if result.fails >= 2 || stands_alone(result.last_trigger) => Vote::Fail,
        Status::Down => Vote::Failing,
    }
}

/// Whether a failure of such a check needs no repetition.
fn stands_alone(trigger: Trigger) -> bool {
    matches!(trigger, Trigger::Confirm | Trigger::Recheck)
}
