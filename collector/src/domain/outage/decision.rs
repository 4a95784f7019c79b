//! What the judge answers: everything that `flow::judge` writes in one transaction.

use picket_shared::ids::Region;
use picket_shared::time::Timestamp;

use super::incident::{IncidentAction, OpenIncident};
use super::input::{Input, Span, Standing};
use super::notice::Notice;

/// The answer to one [`Input`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What to keep; write it when it differs from the input's.
    pub standing: Standing,
    /// Whether ingest must record every outcome of the monitor in `region_states`, not only changes.
    pub watch: bool,
    /// What happens to incidents, in this order.
    pub incidents: Vec<IncidentAction>,
    /// Verdict spans to append, in this order; starts never decrease.
    pub spans: Vec<Span>,
    /// What must be told, in this order.
    pub notices: Vec<Notice>,
    /// The regions that are to check now.
    pub rechecks: Vec<Region>,
    /// When to judge again though nothing new was heard; `None`: only when something is.
    pub next_due: Option<Timestamp>,
    /// Why, for the log and the incident's timeline; empty when nothing changed and nothing kept it from deciding.
    pub because: Vec<Because>,
}

impl Decision {
    /// Whether anything but `next_due` has to be written.
    pub fn changes(&self, input: &Input) -> bool {
        self.standing != input.standing
            || !self.incidents.is_empty()
            || !self.spans.is_empty()
            || !self.notices.is_empty()
            || !self.rechecks.is_empty()
    }

    /// The input after this decision was written, at the same time and with the same results.
    #[must_use]
    pub fn applied_to(&self, input: &Input) -> Input {
        let mut next = input.clone();
        next.standing = self.standing.clone();
        next.span = self.spans.last().copied().or(next.span);
        for action in &self.incidents {
            match action {
                IncidentAction::Open { started_at, confirmed_at, .. } => {
                    next.openings.push(*confirmed_at);
                    let id = picket_shared::ids::IncidentId(uuid::Uuid::nil());
                    let (started_at, confirmed_at) = (*started_at, *confirmed_at);
                    next.incident = Some(OpenIncident { id, started_at, confirmed_at, reopened_at: None });
                }
                IncidentAction::Resolve { .. } => next.incident = None,
                IncidentAction::MarkNoData { .. }
                | IncidentAction::MarkEdited { .. }
                | IncidentAction::MarkFailing { .. } => {}
            }
        }
        next
    }
}

/// Why something changed; the names are stable, for logs and timelines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// A quorum saw the target good for the first time.
    FirstData,
    /// A region saw a failure.
    FirstFailure,
    /// A quorum failed.
    QuorumFails,
    /// The failure was gone before a quorum saw it.
    FailureGone,
    /// A minority failed in two rounds.
    MinorityFails,
    /// Neither came together in a round; the next one began.
    NextRound,
    /// A voter was lost, and the rest is asked anew.
    VoterLost,
    /// A person resolved the incident.
    ResolvedByHand,
    /// A quorum is good again.
    QuorumGood,
    /// It failed again before it was good for long enough.
    FailsAgain,
    /// It was good for two rounds.
    StayedGood,
    /// Too few regions vote.
    TooFewVotes,
    /// Enough regions vote again.
    VotesBack,
    /// The monitor was paused.
    Paused,
    /// The pause ended.
    Resumed,
    /// The monitor was deleted.
    Deleted,
    /// The monitor was edited.
    Edited,
    /// The collector has not yet heard every region since it began to listen.
    WarmingUp,
}

impl Because {
    /// Its stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FirstData => "first_data",
            Self::FirstFailure => "first_failure",
            Self::QuorumFails => "quorum_fails",
            Self::FailureGone => "failure_gone",
            Self::MinorityFails => "minority_fails",
            Self::NextRound => "next_round",
            Self::VoterLost => "voter_lost",
            Self::ResolvedByHand => "resolved_by_hand",
            Self::QuorumGood => "quorum_good",
            Self::FailsAgain => "fails_again",
            Self::StayedGood => "stayed_good",
            Self::TooFewVotes => "too_few_votes",
            Self::VotesBack => "votes_back",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Deleted => "deleted",
            Self::Edited => "edited",
            Self::WarmingUp => "warming_up",
        }
    }
}
