//! The transition table: from which state which facts lead where.

use picket_shared::time::Timestamp;

use super::decision::Because;
use super::draft::Draft;
use super::incident::{self, IncidentAction};
use super::input::{Before, Pending, State, Verdict};
use super::suspect;
use super::timing::ANSWER_ROUNDS;
use super::vote::Vote;

/// Takes one transition, if the facts call for one.
pub(super) fn step(draft: &mut Draft<'_>) -> bool {
    draft.note_thinness();
    if lose_sight(draft) {
        return true;
    }
    match draft.standing.state.clone() {
        State::Pending(pending) => suspect::begin(draft, true) || while_pending(draft, pending),
        State::Up => suspect::begin(draft, false),
        State::Suspect(suspect) => suspect::go_on(draft, suspect),
        State::Down => incident::while_down(draft),
        State::Recovering(recovering) => incident::while_recovering(draft, recovering),
        State::Unknown { before } => while_unknown(draft, before),
    }
}

/// What the state says when nothing overlays it.
pub(super) fn verdict(state: &State) -> Verdict {
    match state {
        State::Pending(_) => Verdict::Pending,
        State::Suspect(suspect) if suspect.from_pending => Verdict::Pending,
        State::Up | State::Suspect(_) => Verdict::Up,
        State::Down | State::Recovering(_) => Verdict::Down,
        State::Unknown { before: Before::Pending } => Verdict::Pending,
        State::Unknown { .. } => Verdict::Unknown,
    }
}

/// To unknown, when too few vote for longer than F. Never opens, never resolves.
fn lose_sight(draft: &mut Draft<'_>) -> bool {
    let Some(since) = draft.standing.memory.thin_since else { return false };
    let before = match &draft.standing.state {
        State::Pending(_) | State::Unknown { .. } => return false,
        State::Suspect(suspect) if suspect.from_pending => Before::Pending,
        State::Up | State::Suspect(_) => Before::Up,
        State::Down | State::Recovering(_) => Before::Down,
    };
    if draft.timing.is_fresh(since, draft.as_of()) {
        let end = since + draft.timing.freshness() + JUST_AFTER;
        draft.wake_at(end);
        return false;
    }
    if let Some(started_at) = draft.open_since {
        draft.incidents.push(IncidentAction::MarkNoData { started_at, since });
    }
    draft.verdict_from = Some(since);
    draft.enter(State::Unknown { before }, Because::TooFewVotes);
    true
}

/// Back to what it was before, when enough regions have a fresh vote.
fn while_unknown(draft: &mut Draft<'_>, before: Before) -> bool {
    let fresh = draft.ballots.iter().filter(|b| b.has_vote() && b.vote != Vote::Expected).count();
    if draft.is_thin() || fresh < super::quorum::least_voters(draft.ballots.len()) {
        return false;
    }
    let state = match before {
        Before::Pending => State::Pending(Pending::default()),
        Before::Up => State::Up,
        Before::Down => State::Down,
    };
    draft.verdict_from = Some(draft.as_of());
    draft.enter(state, Because::VotesBack);
    true
}

fn while_pending(draft: &mut Draft<'_>, mut pending: Pending) -> bool {
    let tally = draft.full_tally();
    let mut good: Vec<_> = tally.saying(Vote::Ok, Timestamp::default()).map(|b| b.since()).collect();
    good.sort_unstable();
    if let Some(since) = good.get(tally.to_recover() - 1).filter(|_| tally.may_decide()).copied() {
        draft.verdict_from = Some(since);
        draft.enter(State::Up, Because::FirstData);
        return true;
    }
    let next = pending.asked_at + draft.timing.round();
    if pending.round < ANSWER_ROUNDS && draft.as_of() >= next {
        pending = Pending { round: pending.round + 1, asked_at: draft.as_of() };
        let waiting = draft.ballots.iter().filter(|b| b.vote != Vote::Ok);
        let waiting: Vec<_> = waiting.map(|b| b.region().clone()).collect();
        waiting.iter().for_each(|region| draft.ask(region));
    }
    if pending.round < ANSWER_ROUNDS {
        draft.wake_at(pending.asked_at + draft.timing.round());
    }
    draft.standing.state = State::Pending(pending);
    false
}

/// F is still fresh; this much later it is not.
pub(super) const JUST_AFTER: std::time::Duration = std::time::Duration::from_millis(1);
