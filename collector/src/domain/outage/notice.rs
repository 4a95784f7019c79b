//! What must be told. Notices follow from what is so and what was told, never from a transition: so one that was
//! withheld is made up for, none comes twice, and down and up alternate.

use std::collections::BTreeSet;

use picket_shared::ids::Region;
use picket_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::dependency;
use super::draft::Draft;
use super::flap;
use super::input::{Before, FailureFacts, State, Told};
use super::kind::NoticeKind;
use super::network;
use super::state::JUST_AFTER;
use super::timing::{NEVER_UP_AFTER, SILENCE_LOOK};
use super::vote::Vote;

/// One thing to tell, with the facts that a message needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What.
    pub kind: NoticeKind,
    /// When it was decided.
    pub at: Timestamp,
    /// The start of the incident that this is about, which names it among the monitor's incidents.
    pub incident_started_at: Option<Timestamp>,
    /// What each region says, sorted by name.
    pub regions: Vec<RegionLine>,
}

/// What one region says, for a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionLine {
    /// Which.
    pub region: Region,
    /// Its vote.
    pub vote: Vote,
    /// What failed, where it fails.
    pub failure: Option<FailureFacts>,
}

impl Notice {
    pub(super) fn about(draft: &Draft<'_>, kind: NoticeKind, incident_started_at: Option<Timestamp>) -> Self {
        Self { kind, at: draft.as_of(), incident_started_at, regions: lines(draft) }
    }

    /// What is so of maintenance, at an edge of it.
    pub const fn of_maintenance(kind: NoticeKind, at: Timestamp) -> Self {
        Self { kind, at, incident_started_at: None, regions: Vec::new() }
    }

    /// That messages to a channel do not arrive, or do again.
    pub const fn of_channel(kind: NoticeKind, at: Timestamp) -> Self {
        Self { kind, at, incident_started_at: None, regions: Vec::new() }
    }

    /// What a person did to an incident, or nobody did.
    pub const fn by_a_person(kind: NoticeKind, at: Timestamp, incident_started_at: Timestamp) -> Self {
        Self { kind, at, incident_started_at: Some(incident_started_at), regions: Vec::new() }
    }
}

/// What every region says, sorted by name.
pub(super) fn lines(draft: &Draft<'_>) -> Vec<RegionLine> {
    let line = |b: &super::vote::Ballot<'_>| RegionLine {
        region: b.region().clone(),
        vote: b.vote,
        failure: b.facts.result.as_ref().filter(|_| b.is_failing()).and_then(|r| r.failure.clone()),
    };
    let mut regions: Vec<_> = draft.ballots.iter().map(line).collect();
    regions.sort_by(|a, b| a.region.cmp(&b.region));
    regions
}

/// Makes up the difference between what is so and what was told.
pub(super) fn make_up(draft: &mut Draft<'_>) {
    let settled = flap::settle(draft);
    let below = dependency::withholds(draft);
    let overlays = &draft.standing.overlays;
    let muted = draft.input.monitor.muted_since.is_some();
    let withheld =
        muted || (!overlays.paused && (below || draft.input.monitor.maintenance.holds_alerts || overlays.flapping));
    if !withheld {
        outage(draft);
        if settled && draft.open_since.is_none() {
            tell(draft, NoticeKind::FlappingOver, None);
        }
        regional(draft);
        never_up(draft);
        no_data(draft);
    }
    if !draft.standing.overlays.paused {
        silence(draft);
        network::compare(draft);
    }
}

pub(super) fn tell(draft: &mut Draft<'_>, kind: NoticeKind, incident: Option<Timestamp>) {
    let notice = Notice::about(draft, kind, incident);
    draft.notices.push(notice);
}

fn outage(draft: &mut Draft<'_>) {
    if let Some(Told { started_at, over: Some(over) }) = draft.standing.memory.told.clone() {
        draft.standing.memory.told = None;
        tell(draft, NoticeKind::Up { over }, Some(started_at));
    }
    if let (None, Some(started_at)) = (draft.standing.memory.told.clone(), draft.open_since) {
        if dependency::waits(draft, started_at) {
            return;
        }
        draft.standing.memory.told = Some(Told { started_at, over: None });
        let again = draft.input.incident.as_ref().is_some_and(|open| open.reopened_at.is_some());
        tell(draft, if again { NoticeKind::Reopened } else { NoticeKind::Down }, Some(started_at));
    }
}

/// Where members want it: what failed from some regions alone, and once it was told also that this is over. What a mute withholds
/// and still stands at its end is told then.
fn regional(draft: &mut Draft<'_>) {
    let wanted = draft.input.monitor.regional;
    if let Some(until) = wanted.muted_until.filter(|until| *until > draft.as_of()) {
        draft.wake_at(until);
        return;
    }
    if draft.standing.state != State::Up {
        return;
    }
    let failing = draft.standing.overlays.regional.clone();
    let told = &mut draft.standing.memory.told_regional;
    let is_over = failing.is_empty() && !told.is_empty();
    let is_news = wanted.told && !failing.is_subset(told);
    if is_over || wanted.told {
        *told = failing.clone();
    }
    if is_news {
        tell(draft, NoticeKind::Regional { failing }, None);
    } else if is_over {
        tell(draft, NoticeKind::RegionalOver, None);
    }
}

fn never_up(draft: &mut Draft<'_>) {
    let memory = &draft.standing.memory;
    // What does not run cannot come up; when it runs again, the time begins anew.
    if memory.told_never_up || draft.standing.overlays.paused {
        return;
    }
    let waits = match &draft.standing.state {
        State::Pending(_) | State::Unknown { before: Before::Pending } => true,
        State::Suspect(suspect) => suspect.from_pending,
        _ => false,
    };
    let due = draft.input.monitor.created_at.max(memory.not_before) + NEVER_UP_AFTER;
    if !waits {
        draft.standing.memory.told_never_up = true;
    } else if draft.as_of() >= due {
        draft.standing.memory.told_never_up = true;
        tell(draft, NoticeKind::NeverCameUp, None);
    } else {
        draft.wake_at(due);
    }
}

fn no_data(draft: &mut Draft<'_>) {
    let unknown = matches!(draft.standing.state, State::Unknown { before: Before::Up | Before::Down });
    let told = std::mem::replace(&mut draft.standing.memory.told_no_data, unknown);
    if unknown && !told {
        let since = draft.standing.memory.thin_since.unwrap_or(draft.standing.since);
        tell(draft, NoticeKind::NoData { since }, draft.open_since);
    }
}

fn silence(draft: &mut Draft<'_>) {
    let memory = &draft.standing.memory;
    let baseline = draft.input.monitor.created_at.max(memory.edited_at).max(memory.not_before);
    let known = memory.told_silent.clone();
    let mut silent = BTreeSet::new();
    let mut news = Vec::new();
    for ballot in &draft.ballots {
        let (region, heard) = (ballot.region().clone(), ballot.facts.heard());
        let counts_from = heard.map_or(baseline, |heard| heard.max(baseline));
        if !draft.timing.is_fresh(counts_from, draft.as_of()) {
            if !known.contains(&region) {
                news.push(NoticeKind::RegionSilent { region: region.clone(), heard });
            }
            silent.insert(region);
        } else if known.contains(&region) {
            news.push(NoticeKind::RegionHeard { region });
        }
    }
    if !silent.is_empty() {
        draft.wake_at(draft.as_of() + SILENCE_LOOK);
    }
    draft.standing.memory.told_silent = silent;
    news.into_iter().for_each(|kind| tell(draft, kind, None));
    let fresh = draft.timing.freshness() + JUST_AFTER;
    let ends: Vec<_> =
        draft.ballots.iter().map(|b| b.facts.heard().map_or(baseline, |h| h.max(baseline)) + fresh).collect();
    ends.into_iter().for_each(|end| draft.wake_at(end));
}
