//! Suspicion: who is asked again, in rounds, and how it ends.

use std::time::Duration;

use picket_shared::time::Timestamp;

use super::decision::Because;
use super::draft::Draft;
use super::incident;
use super::input::{State, Suspect};
use super::timing::{ANSWER_ROUNDS, APART, REGIONAL_ROUNDS};
use super::vote::{Ballot, Vote};

/// By how much the start of a check, in the probe's time, may seem to lie before the request for it.
const CLOCK_SLACK: Duration = Duration::from_secs(1);

/// From up or pending: the first failure that is not known as regional.
pub(super) fn begin(draft: &mut Draft<'_>, from_pending: bool) -> bool {
    let Some(t0) = draft.suspects().map(Ballot::since).min() else { return false };
    let suspect = Suspect {
        t0,
        evidence_from: t0,
        from_pending,
        round: 1,
        round_at: draft.as_of(),
        round_asked: false,
        asked: Default::default(),
        voters: draft.full_tally().names(),
        mute: Default::default(),
    };
    draft.enter(State::Suspect(suspect), Because::FirstFailure);
    true
}

/// While suspect: ends in down or up, or asks on. True when the state changed.
pub(super) fn go_on(draft: &mut Draft<'_>, mut suspect: Suspect) -> bool {
    follow_the_first_failure(draft, &mut suspect);
    take_leave_of_voters(draft, &mut suspect);
    let lost = draft.lately_lost();
    let tally = draft.tally(&suspect.mute).and_lost(lost.len());
    let patience = draft.timing.patience();
    if tally.is_down(suspect.evidence_from, draft.as_of() - patience) {
        incident::open(draft, suspect.t0);
        return true;
    }
    let (outvoted, all_answered) = (tally.outvotes(suspect.evidence_from), tally.all_answered(suspect.round_at));
    // Who was good before and does not answer any more outvotes nobody: an absence would decide.
    let outvoted_now = tally.outvotes(suspect.evidence_from.max(suspect.round_at));
    let (may_decide, three, in_a_row) = (tally.may_decide(), tally.needs_three(), tally.wanted_in_a_row());
    let may_go_down = tally.may_go_down();
    let nobody_fails = draft.suspects().next().is_none();
    if outvoted && nobody_fails {
        draft.verdict_from = suspect.from_pending.then(|| first_good(draft));
        draft.enter(State::Up, Because::FailureGone);
        return true;
    }
    let round_over = draft.as_of() >= suspect.round_at + draft.timing.round();
    let undecided = draft.suspects().any(|b| b.vote == Vote::Failing);
    let is_minority = (outvoted_now && round_over) || (may_decide && all_answered && !three && !may_go_down);
    if suspect.round >= REGIONAL_ROUNDS && is_minority && !undecided && !nobody_fails {
        draft.verdict_from = suspect.from_pending.then(|| first_good(draft));
        draft.call_regional();
        draft.enter(State::Up, Because::MinorityFails);
        return true;
    }
    if round_over {
        next_round(draft, &mut suspect);
    }
    ask(draft, &mut suspect, in_a_row);
    let unrepeated: Vec<_> = draft.ballots.iter().filter(|b| b.vote == Vote::Fail).map(Ballot::last_at).collect();
    unrepeated.into_iter().for_each(|started| draft.wake_at(started + patience));
    draft.wake_at(suspect.round_at + draft.timing.round());
    lost.into_iter().for_each(|until| draft.wake_at(until));
    draft.standing.state = State::Suspect(suspect);
    false
}

/// `t0` is the first failing check of those that still fail, so that it does not depend on who was heard first.
fn follow_the_first_failure(draft: &mut Draft<'_>, suspect: &mut Suspect) {
    let Some(t0) = draft.suspects().map(Ballot::since).min().filter(|t0| *t0 != suspect.t0) else { return };
    if t0 > suspect.t0 {
        restart(draft, suspect);
        suspect.evidence_from = suspect.evidence_from.max(t0);
    } else if suspect.evidence_from == suspect.t0 {
        suspect.evidence_from = t0;
    }
    suspect.t0 = t0;
}

/// When a voter is lost, the rest votes anew: nothing is decided by an absence alone.
fn take_leave_of_voters(draft: &mut Draft<'_>, suspect: &mut Suspect) {
    let answered = |b: &&Ballot<'_>| b.has_vote() && b.last_at() >= suspect.evidence_from;
    let heard: Vec<_> = draft.ballots.iter().filter(answered).map(|b| b.region().clone()).collect();
    suspect.mute.retain(|region| !heard.contains(region));
    let round_over = draft.as_of() >= suspect.round_at + draft.timing.round();
    if round_over && suspect.round >= ANSWER_ROUNDS {
        let silent = draft.ballots.iter().filter(|b| b.has_vote() && !heard.contains(b.region()));
        suspect.mute.extend(silent.map(|b| b.region().clone()));
    }
    let voters = draft.tally(&suspect.mute).names();
    if !suspect.voters.is_subset(&voters) {
        suspect.evidence_from = draft.as_of();
        draft.because.push(Because::VoterLost);
        restart(draft, suspect);
    }
    suspect.voters = voters;
}

fn restart(draft: &Draft<'_>, suspect: &mut Suspect) {
    suspect.round = 1;
    suspect.round_at = draft.as_of();
    suspect.round_asked = false;
}

fn next_round(draft: &mut Draft<'_>, suspect: &mut Suspect) {
    suspect.round = suspect.round.saturating_add(1);
    suspect.round_at = draft.as_of();
    suspect.round_asked = false;
    draft.because.push(Because::NextRound);
}

/// Asks everyone once a round, but for a probe that is about to repeat its failure anyway; and whoever fails again 3 s
/// after its last failure, until there are so many in a row as its vote needs.
fn ask(draft: &mut Draft<'_>, suspect: &mut Suspect, in_a_row: u8) {
    let as_of = draft.as_of();
    let mut now = Vec::new();
    let mut later = Vec::new();
    for ballot in &draft.ballots {
        let asked = suspect.asked.get(ballot.region()).copied().unwrap_or_default();
        let confirms_itself = suspect.round == 1 && ballot.confirm_is_coming();
        let lacks =
            ballot.vote == Vote::Fail && (ballot.fails() < in_a_row || ballot.last_at() < suspect.evidence_from);
        let due = if lacks { ballot.last_at() + APART } else { as_of };
        let answered = asked <= ballot.last_at() + CLOCK_SLACK;
        match (suspect.round_asked, due <= as_of) {
            (false, true) if !confirms_itself => now.push(ballot.region().clone()),
            (true, true) if lacks && answered => now.push(ballot.region().clone()),
            (_, false) => later.push(due),
            _ => {}
        }
    }
    suspect.round_asked = true;
    for region in now {
        draft.ask(&region);
        suspect.asked.insert(region, as_of);
    }
    later.into_iter().for_each(|due| draft.wake_at(due));
}

/// When the first of those that are good now became so: the start of up for a monitor that was pending.
fn first_good(draft: &Draft<'_>) -> Timestamp {
    let good = draft.ballots.iter().filter(|b| b.vote == Vote::Ok);
    good.map(Ballot::since).min().unwrap_or(draft.as_of())
}
