//! How many regions must agree, and whether those that vote do.

use std::collections::BTreeSet;
use std::str::FromStr;

use picket_shared::ids::Region;
use picket_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::timing::IN_A_ROW;
use super::vote::{Ballot, Vote};

/// How many failures in a row are a repeated one.
const REPEATED: u8 = 2;
/// So many voters that all fail need no repetition.
const ALL_AGREE: usize = 3;

/// How many of the regions that vote must see a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuorumRule {
    /// One of one, two of two, else a majority.
    #[default]
    Default,
    /// One is enough.
    Any,
    /// All that vote.
    All,
    /// So many, or all when fewer vote.
    AtLeast(u8),
}

impl FromStr for QuorumRule {
    type Err = String;

    /// As people write it: any, majority, all, or a number of regions.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "any" => Ok(Self::Any),
            "all" => Ok(Self::All),
            "majority" | "default" => Ok(Self::Default),
            number => match number.parse() {
                Ok(k) if k > 0 => Ok(Self::AtLeast(k)),
                _ => Err("use any, majority, all, or a number of regions".to_owned()),
            },
        }
    }
}

impl QuorumRule {
    /// How many of `n` voters must see a failure; at least 1.
    pub fn to_fail(self, n: usize) -> usize {
        let wanted = match self {
            Self::Default => n / 2 + 1,
            Self::Any => 1,
            Self::All => n,
            Self::AtLeast(k) => usize::from(k),
        };
        wanted.min(n).max(1)
    }

    /// How many of `n` voters must see it good: as many as must see a failure, and so many that no failure could stand.
    pub fn to_recover(self, n: usize) -> usize {
        let q = self.to_fail(n);
        q.max((n + 1).saturating_sub(q))
    }
}

/// The fewest voters that may decide: 2, or 1 where no more than two regions are assigned (one silent region of two
/// leaves one voter).
pub fn least_voters(assigned: usize) -> usize {
    if assigned <= 2 { 1 } else { 2 }
}

/// Those who have a vote, counted.
pub struct Tally<'a> {
    voters: Vec<&'a Ballot<'a>>,
    rule: QuorumRule,
    assigned: usize,
    assigned_networks: usize,
    lost: usize,
}

impl<'a> Tally<'a> {
    /// Counts everyone who has a vote or is about to cast one, except `mute`.
    pub fn new(ballots: &'a [Ballot<'a>], rule: QuorumRule, mute: &BTreeSet<Region>) -> Self {
        let voters = ballots.iter().filter(|b| b.has_vote() && !mute.contains(b.region())).collect();
        Self { voters, rule, assigned: ballots.len(), assigned_networks: networks(ballots.iter()), lost: 0 }
    }

    /// The same where so many more were lost so lately that they may be back: an outage must be seen by a quorum of all.
    pub fn and_lost(self, lost: usize) -> Self {
        Self { lost, ..self }
    }

    /// n: how many there are.
    pub fn n(&self) -> usize {
        self.voters.len()
    }

    /// q: how many must see a failure.
    pub fn q(&self) -> usize {
        self.rule.to_fail(self.n())
    }

    /// How many must see it good for an incident to end.
    pub fn to_recover(&self) -> usize {
        self.rule.to_recover(self.n())
    }

    /// Whether there are enough to decide anything.
    pub fn may_decide(&self) -> bool {
        self.n() >= least_voters(self.assigned)
    }

    /// Whether some assigned region has no vote.
    pub fn is_partial(&self) -> bool {
        self.n() < self.assigned
    }

    /// Their names.
    pub fn names(&self) -> BTreeSet<Region> {
        self.voters.iter().map(|b| b.region().clone()).collect()
    }

    /// Those who say so, by checks started at `from` or later.
    pub fn saying(&self, vote: Vote, from: Timestamp) -> impl Iterator<Item = &'a Ballot<'a>> {
        self.voters.iter().copied().filter(move |b| b.vote == vote && b.last_at() >= from)
    }

    /// Whether every voter has cast a vote by a check started at `from` or later.
    pub fn all_answered(&self, from: Timestamp) -> bool {
        self.voters.iter().all(|b| matches!(b.vote, Vote::Ok | Vote::Fail) && b.last_at() >= from)
    }

    /// Whether one voice alone would decide: the quorum is 1, or all voters sit in one of several assigned networks.
    /// Then each failure must stand three times in a row.
    pub fn needs_three(&self) -> bool {
        self.q() == 1 || (self.assigned_networks >= 2 && networks(self.voters.iter().copied()) == 1)
    }

    /// Whether a quorum fails, by checks started at `from` or later, seen from two networks where the voters have two.
    ///
    /// A failure that only one recheck saw counts if that started by `unrepeated_by`, or when three voters at least all fail:
    /// so that one lost packet elsewhere does not make a failure of one region an outage.
    pub fn is_down(&self, from: Timestamp, unrepeated_by: Timestamp) -> bool {
        let all_agree = self.saying(Vote::Fail, from).count() >= self.n().max(ALL_AGREE);
        let stands = |b: &&Ballot<'_>| match self.needs_three() {
            true => b.fails() >= IN_A_ROW,
            false => b.fails() >= REPEATED || all_agree || b.last_at() <= unrepeated_by,
        };
        let fails: Vec<_> = self.saying(Vote::Fail, from).filter(stands).collect();
        fails.len() >= self.rule.to_fail(self.n() + self.lost) && self.is_quorum(&fails)
    }

    /// Whether those who see a failure would make up a quorum, if each repeated it: then they are no minority.
    pub fn may_go_down(&self) -> bool {
        self.is_quorum(&self.saying(Vote::Fail, Timestamp::default()).collect::<Vec<_>>())
    }

    fn is_quorum(&self, fails: &[&'a Ballot<'a>]) -> bool {
        let two_networks =
            self.q() == 1 || networks(self.voters.iter().copied()) < 2 || networks(fails.iter().copied()) >= 2;
        self.may_decide() && fails.len() >= self.q() && two_networks
    }

    /// How many failures in a row a voter is asked for before it needs no more rechecks within a round.
    pub fn wanted_in_a_row(&self) -> u8 {
        if self.needs_three() { IN_A_ROW } else { REPEATED }
    }

    /// Whether so many are good, by checks started at `from` or later, that no failing quorum can come together.
    pub fn outvotes(&self, from: Timestamp) -> bool {
        self.may_decide() && self.saying(Vote::Ok, from).count() + self.q() > self.n()
    }
}

fn networks<'a>(ballots: impl Iterator<Item = &'a Ballot<'a>>) -> usize {
    ballots.map(Ballot::network).collect::<BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_one_two_of_two_else_a_majority() {
        let q: Vec<_> = (1..=7).map(|n| QuorumRule::Default.to_fail(n)).collect();
        assert_eq!(q, [1, 2, 2, 3, 3, 4, 4]);
    }

    #[test]
    fn overrides_never_ask_for_more_than_vote() {
        for n in 1..=6 {
            assert_eq!(QuorumRule::Any.to_fail(n), 1);
            assert_eq!(QuorumRule::All.to_fail(n), n);
            assert_eq!(QuorumRule::AtLeast(3).to_fail(n), n.min(3));
        }
    }

    #[test]
    fn good_and_failing_quorum_never_stand_at_once() {
        for rule in [QuorumRule::Default, QuorumRule::Any, QuorumRule::All, QuorumRule::AtLeast(2)] {
            for n in 1..=9 {
                assert!(rule.to_fail(n) + rule.to_recover(n) > n, "{rule:?} of {n}");
                assert!(rule.to_recover(n) <= n, "{rule:?} of {n}");
            }
        }
    }
}
