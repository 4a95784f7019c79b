//! What a person did to the monitor: paused, deleted, edited it, or announced maintenance.

use picket_shared::time::Timestamp;

use super::decision::Because;
use super::draft::Draft;
use super::incident::{self, IncidentAction, Resolution};
use super::input::{Memory, Overlays, Pending, State, Verdict};
use super::state;

/// Whether the monitor runs at all. A pause or deletion closes the incident and forgets the rest; when it ends, the
/// monitor begins anew, and only checks from then on count.
pub(super) fn is_running(draft: &mut Draft<'_>) -> bool {
    let monitor = &draft.input.monitor;
    let stopped = match (monitor.deleted_at, monitor.paused_at) {
        (Some(at), _) => Some((at, Resolution::Deleted, Because::Deleted)),
        (None, Some(at)) => Some((at, Resolution::Paused, Because::Paused)),
        (None, None) => None,
    };
    let was_paused = draft.standing.overlays.paused;
    match stopped {
        Some((at, resolution, because)) if !was_paused => stop(draft, at, resolution, because),
        None if was_paused => {
            draft.begin_anew();
            draft.standing.overlays.paused = false;
            draft.enter(State::Pending(Pending::default()), Because::Resumed);
        }
        _ => {}
    }
    stopped.is_none()
}

/// Notes an edit; an open incident stays open.
pub(super) fn note_edit(draft: &mut Draft<'_>) {
    let version = draft.input.monitor.version;
    if draft.standing.memory.version == version {
        return;
    }
    draft.standing.memory.version = version;
    draft.standing.memory.edited_at = draft.as_of();
    if let Some(started_at) = draft.open_since {
        draft.incidents.push(IncidentAction::MarkEdited { started_at, version });
    }
    draft.because.push(Because::Edited);
}

/// Puts the maintenance overlay on or off.
pub(super) fn overlay(draft: &mut Draft<'_>) {
    let maintenance = draft.input.monitor.maintenance;
    draft.standing.overlays.maintenance = maintenance.runs;
    if let Some(at) = maintenance.changes_at {
        draft.wake_at(at);
    }
}

/// What counts for the sums, and from when where that is not the time of the last transition.
pub(super) fn verdict(draft: &Draft<'_>) -> (Verdict, Option<Timestamp>) {
    let overlays = &draft.standing.overlays;
    if overlays.paused {
        return (Verdict::Paused, draft.verdict_from);
    }
    let maintenance = &draft.input.monitor.maintenance;
    if let Some(since) = maintenance.counts_since {
        return (Verdict::Maintenance, Some(since));
    }
    // However late the judge learns of it, the window ended when it did.
    let was_counted = draft.input.span.is_some_and(|span| span.verdict == Verdict::Maintenance);
    let from = maintenance.counted_until.filter(|_| was_counted).max(draft.verdict_from);
    (state::verdict(&draft.standing.state), from)
}

fn stop(draft: &mut Draft<'_>, at: Timestamp, resolution: Resolution, because: Because) {
    incident::resolve(draft, at, resolution);
    let memory = &draft.standing.memory;
    draft.standing.memory = Memory {
        version: memory.version,
        edited_at: memory.edited_at,
        changed_at: memory.changed_at,
        told: memory.told.clone(),
        told_regional: memory.told_regional.clone(),
        told_never_up: memory.told_never_up,
        ..Memory::default()
    };
    draft.standing.overlays = Overlays { paused: true, ..Overlays::default() };
    draft.verdict_from = Some(at);
    draft.enter(State::Pending(Pending::default()), because);
}
