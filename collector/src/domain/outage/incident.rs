//! Opening and resolving incidents.
//!
//! What a person resolves is over for people; the monitor stays down until it is seen good, and no other incident is opened before
//! that. What a person opens again goes on as if it had never ended.

use picket_shared::ids::{IncidentId, Region};
use picket_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::decision::Because;
use super::draft::Draft;
use super::flap;
use super::input::{FailureFacts, Recovering, State};
use super::notice::{RegionLine, lines};
use super::timing::{IN_A_ROW, RECOVERY_ROUNDS};
use super::vote::{Ballot, Vote};

/// The incident that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenIncident {
    /// Which one.
    pub id: IncidentId,
    /// The start of the first failing check.
    pub started_at: Timestamp,
    /// When the judge was sure.
    pub confirmed_at: Timestamp,
    /// When a person opened it again.
    pub reopened_at: Option<Timestamp>,
}

/// An incident that a person resolved, whatever the monitor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByHand {
    /// Its start.
    pub started_at: Timestamp,
    /// When it was resolved.
    pub at: Timestamp,
}

/// The end of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Over {
    /// When it ended.
    pub at: Timestamp,
    /// How.
    pub resolution: Resolution,
}

/// How an incident ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// A quorum saw the target good again.
    Recovered,
    /// The monitor was paused.
    Paused,
    /// The monitor was deleted.
    Deleted,
    /// A person said that it is over.
    ByHand,
}

impl Resolution {
    /// Its name in tables and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::Paused => "paused",
            Self::Deleted => "deleted",
            Self::ByHand => "by_hand",
        }
    }
}

/// What happens to an incident. An incident is named by its monitor and its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IncidentAction {
    /// A new one.
    Open {
        /// The start of the first failing check.
        started_at: Timestamp,
        /// When the judge was sure: now.
        confirmed_at: Timestamp,
        /// Who saw it.
        regions: Vec<Region>,
        /// What the first of them saw.
        failure: Option<FailureFacts>,
        /// What every region said then, sorted by name.
        votes: Vec<RegionLine>,
    },
    /// It fails while one is open that a person opened again; for its timeline.
    MarkFailing {
        /// Its start.
        started_at: Timestamp,
        /// The start of the first failing check.
        since: Timestamp,
        /// What every region said then, sorted by name.
        votes: Vec<RegionLine>,
    },
    /// The open one is over.
    Resolve {
        /// Its start.
        started_at: Timestamp,
        /// Its end; not before its start.
        at: Timestamp,
        /// How.
        resolution: Resolution,
    },
    /// The open one goes on without data; for its timeline.
    MarkNoData {
        /// Its start.
        started_at: Timestamp,
        /// Since when.
        since: Timestamp,
    },
    /// The monitor was edited while it was open; for its timeline.
    MarkEdited {
        /// Its start.
        started_at: Timestamp,
        /// The new version.
        version: u32,
    },
}

/// The transition to down: opens an incident that started at `t0`, unless a person opened the last one again.
pub(super) fn open(draft: &mut Draft<'_>, t0: Timestamp) {
    let mut fails: Vec<_> = draft.ballots.iter().filter(|b| b.vote == Vote::Fail).collect();
    fails.sort_by(|a, b| (a.since(), a.region()).cmp(&(b.since(), b.region())));
    let failure = fails.iter().find_map(|b| b.facts.result.as_ref()?.failure.clone());
    let regions = fails.iter().map(|b| b.region().clone()).collect();
    let (confirmed_at, votes) = (draft.as_of(), lines(draft));
    let is_new = draft.open_since.is_none();
    draft.incidents.push(match draft.open_since {
        Some(started_at) => IncidentAction::MarkFailing { started_at, since: t0, votes },
        None => IncidentAction::Open { started_at: t0, confirmed_at, regions, failure, votes },
    });
    draft.open_since.get_or_insert(t0);
    draft.verdict_from = Some(t0);
    draft.standing.overlays.regional.clear();
    let good = draft.ballots.iter().filter(|b| b.vote == Vote::Ok).map(|b| b.region().clone()).collect();
    draft.standing.memory.good_at_open = Some(good);
    draft.standing.memory.changed_at = Some(confirmed_at);
    if is_new {
        flap::on_opening(draft);
    }
    draft.enter(State::Down, Because::QuorumFails);
}

/// Takes note that a person resolved the incident that was told: that it is over will be told too.
pub(super) fn note_by_hand(draft: &mut Draft<'_>) {
    let Some(ByHand { started_at, at }) = draft.input.by_hand.filter(|_| draft.open_since.is_none()) else { return };
    let told = draft.standing.memory.told.as_mut();
    if let Some(told) = told.filter(|told| told.started_at == started_at && told.over.is_none()) {
        told.over = Some(Over { at, resolution: Resolution::ByHand });
        draft.standing.memory.changed_at = Some(draft.as_of());
        draft.because.push(Because::ResolvedByHand);
    }
}

/// Ends the open incident, if there is one.
pub(super) fn resolve(draft: &mut Draft<'_>, at: Timestamp, resolution: Resolution) {
    let Some(started_at) = draft.open_since.take() else { return };
    let at = at.max(started_at);
    draft.incidents.push(IncidentAction::Resolve { started_at, at, resolution });
    draft.standing.memory.changed_at = Some(draft.as_of());
    if let Some(told) = draft.standing.memory.told.as_mut().filter(|told| told.started_at == started_at) {
        told.over = Some(Over { at, resolution });
    }
}

/// From down: a quorum good again begins the way back.
pub(super) fn while_down(draft: &mut Draft<'_>) -> bool {
    let Some(t1) = good_since(draft, 1) else { return false };
    let round_at = draft.as_of();
    draft.enter(State::Recovering(Recovering { t1, round_at }), Because::QuorumGood);
    true
}

/// From recovering: two good rounds resolve, a failure goes back to down within the same incident.
pub(super) fn while_recovering(draft: &mut Draft<'_>, mut recovering: Recovering) -> bool {
    let first_good = good_since(draft, 1);
    let tally = draft.full_tally();
    let fails = tally.saying(Vote::Fail, Timestamp::default()).count();
    if tally.may_decide() && (fails >= tally.q() || (first_good.is_none() && fails > 0)) {
        draft.enter(State::Down, Because::FailsAgain);
        return true;
    }
    if let Some(t1) = good_since(draft, RECOVERY_ROUNDS) {
        resolve(draft, t1, Resolution::Recovered);
        draft.verdict_from = Some(t1);
        draft.call_regional();
        draft.enter(State::Up, Because::StayedGood);
        return true;
    }
    recovering.t1 = first_good.unwrap_or(recovering.t1);
    let next = recovering.round_at + draft.timing.recovery_round();
    if draft.as_of() >= next {
        recovering.round_at = draft.as_of();
        let all: Vec<_> = draft.ballots.iter().map(|b| b.region().clone()).collect();
        all.iter().for_each(|region| draft.ask(region));
    }
    draft.wake_at(recovering.round_at + draft.timing.recovery_round());
    draft.standing.state = State::Recovering(recovering);
    false
}

/// Since when a quorum has been good, each for `rounds` results at least.
///
/// Absence is not recovery: one of them must have turned good since the incident began, or come to vote since then, and where a
/// region has no vote, three times in a row before the incident may end.
fn good_since(draft: &Draft<'_>, rounds: u8) -> Option<Timestamp> {
    let tally = draft.full_tally();
    let by_hand = draft.input.by_hand.map(|by_hand| by_hand.started_at);
    let began = draft.open_since.or(by_hand).unwrap_or(draft.standing.since);
    let good: Vec<_> = tally.saying(Vote::Ok, Timestamp::default()).filter(|b| b.oks() >= rounds).collect();
    let in_a_row = if rounds > 1 && tally.is_partial() { IN_A_ROW } else { rounds };
    let came = |b: &Ballot<'_>| {
        let before = draft.standing.memory.good_at_open.as_ref();
        before.is_some_and(|before| !before.contains(b.region())) && b.last_at() >= began
    };
    let turned = good.iter().any(|b| (b.since() >= began || came(b)) && b.oks() >= in_a_row);
    if !tally.may_decide() || !turned || good.len() < tally.to_recover() {
        return None;
    }
    let mut since: Vec<_> = good.iter().map(|b| b.since()).collect();
    since.sort_unstable();
    let t1 = since.get(tally.to_recover() - 1).copied()?.max(began);
    let again = good.iter().filter(|b| rounds == 1 || b.last_at() > t1).count();
    (again >= tally.to_recover()).then_some(t1)
}
