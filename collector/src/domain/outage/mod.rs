//! Is it down? [`judge`] answers, from one frozen [`Input`], with one [`Decision`].
//!
//! In the order of the calls: [`vote`] turns each region's last result into a vote; `maintenance` sees to pauses,
//! edits and windows; `state` is the transition table, with `suspect` for the rounds of rechecks and [`incident`]
//! for opening and resolving, both asking [`quorum`]; [`flap`] and [`notice`] say what must be told. All waits are in
//! [`timing`]. [`correlation`] decides beside it which regions' failures are withheld, [`replay`] which outages are
//! found in outcomes that came late.
//!
//! The judge never asks anybody anything, never remembers outside [`Standing`], and never decides by an absence.

pub mod correlation;
pub mod flap;
pub mod incident;
pub mod network;
pub mod notice;
pub mod quorum;
pub mod replay;
pub mod timing;
pub mod vote;

mod decision;
mod dependency;
mod draft;
mod input;
mod kind;
mod maintenance;
mod state;
mod suspect;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod table;
#[cfg(test)]
mod troubles;
#[cfg(test)]
mod world;

pub use decision::{Because, Decision};
pub use incident::{ByHand, IncidentAction, OpenIncident, Over, Resolution};
pub use input::{
    Before, FailureFacts, Input, Maintenance, Memory, MonitorFacts, Overlays, Parent, Pending, Recovering, RegionFacts,
    RegionResult, RegionalAlert, Span, Standing, State, Suspect, Told, Verdict,
};
pub use kind::{Audience, ChannelFacts, NoticeKind, OF_INCIDENT};
pub use notice::{Notice, RegionLine};
pub use quorum::QuorumRule;

use draft::Draft;
use picket_shared::outcome::Status;
use picket_shared::time::Timestamp;
use vote::Vote;

/// More transitions than any set of facts can call for at once.
const MOST_STEPS: u32 = 16;

/// Decides. The same input always gives the same decision, and the input after the decision gives no further one.
pub fn judge(input: &Input) -> Decision {
    let mut draft = Draft::new(input);
    incident::note_by_hand(&mut draft);
    let runs = maintenance::is_running(&mut draft);
    if runs {
        maintenance::note_edit(&mut draft);
        maintenance::overlay(&mut draft);
        if let Some(end) = warm_up_ends(input) {
            draft.wake_at(end.min(input.as_of + timing::WARM_UP_LOOK));
            draft.because.push(Because::WarmingUp);
            let (verdict, from) = maintenance::verdict(&draft);
            draft.verdict_from = from;
            return draft.finish(verdict);
        }
        forget_regional(&mut draft);
        (0..MOST_STEPS).take_while(|_| state::step(&mut draft)).for_each(drop);
        show(&mut draft);
    }
    notice::make_up(&mut draft);
    let (verdict, from) = maintenance::verdict(&draft);
    draft.verdict_from = from;
    draft.finish(verdict)
}

/// While the collector has not heard every region since it began to listen, when that wait ends.
fn warm_up_ends(input: &Input) -> Option<Timestamp> {
    let heard = |at: Option<Timestamp>| at.is_some_and(|at| at >= input.listening_since);
    let end = input.listening_since + input.timing().freshness();
    let waits = input.monitor.created_at < input.listening_since
        && input.as_of < end
        && input.regions.iter().any(|region| !heard(region.through));
    waits.then_some(end)
}

/// A region that is good twice, or no longer assigned, does not fail alone any more; one that is silent still does.
fn forget_regional(draft: &mut Draft<'_>) {
    let still: Vec<_> = draft.ballots.iter().filter(|b| !(b.vote == Vote::Ok && b.oks() >= 2)).collect();
    let still: std::collections::BTreeSet<_> = still.iter().map(|b| b.region().clone()).collect();
    draft.standing.overlays.regional.retain(|region| still.contains(region));
}

/// The overlays that only show.
fn show(draft: &mut Draft<'_>) {
    let tally = draft.full_tally();
    let degraded = |b: &&vote::Ballot<'_>| b.facts.result.as_ref().is_some_and(|r| r.status == Status::Degraded);
    let degraded = tally.saying(Vote::Ok, Timestamp::default()).filter(degraded).count();
    let is_degraded = tally.may_decide() && degraded >= tally.q();
    let held = draft.ballots.iter().filter(|b| b.vote == Vote::Held).filter_map(|b| b.facts.hold_until).max();
    draft.standing.overlays.degraded = is_degraded && draft.standing.state == State::Up;
    draft.standing.overlays.held_until = held;
    if let Some(first) = draft.ballots.iter().filter(|b| b.vote == Vote::Held).filter_map(|b| b.facts.hold_until).min()
    {
        draft.wake_at(first);
    }
}
