//! Opening and resolving incidents.

use picket_shared::ids::Region;
use picket_shared::time::Timestamp;

use super::decision::Because;
use super::draft::Draft;
use super::flap;
use super::input::{FailureFacts, Over, Recovering, Resolution, State};
use super::timing::{IN_A_ROW, RECOVERY_ROUNDS};
use super::vote::{Ballot, Vote};

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

/// The transition to down: opens an incident that started at `t0`.
pub(super) fn open(draft: &mut Draft<'_>, t0: Timestamp) {
    let mut fails: Vec<_> = draft.ballots.iter().filter(|b| b.vote == Vote::Fail).collect();
    fails.sort_by(|a, b| (a.since(), a.region()).cmp(&(b.since(), b.region())));
    let failure = fails.iter().find_map(|b| b.facts.result.as_ref()?.failure.clone());
    let regions = fails.iter().map(|b| b.region().clone()).collect();
    let confirmed_at = draft.as_of();
    draft.incidents.push(IncidentAction::Open { started_at: t0, confirmed_at, regions, failure });
    draft.open_since = Some(t0);
    draft.verdict_from = Some(t0);
    draft.standing.overlays.regional.clear();
    let good = draft.ballots.iter().filter(|b| b.vote == Vote::Ok).map(|b| b.region().clone()).collect();
    draft.standing.memory.good_at_open = Some(good);
    draft.standing.memory.changed_at = Some(confirmed_at);
    flap::on_opening(draft);
    draft.enter(State::Down, Because::QuorumFails);
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
    let began = draft.open_since.unwrap_or(draft.standing.since);
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
