//! Damping: a monitor that opens incidents again and again is told once, then not until it is steady.

use std::time::Duration;

use super::draft::Draft;
use super::kind::NoticeKind;
use super::notice::Notice;

/// So many openings ...
pub const OPENINGS: usize = 3;
/// ... within this time are flapping, and it ends when nothing opened or resolved for as long.
pub const WITHIN: Duration = Duration::from_secs(30 * 60);

/// Called when an incident opens.
pub(super) fn on_opening(draft: &mut Draft<'_>) {
    let as_of = draft.as_of();
    let recent = draft.input.openings.iter().filter(|at| **at <= as_of && as_of.since(**at) < WITHIN).count() + 1;
    let monitor = &draft.input.monitor;
    let below = monitor.parents.iter().any(|parent| parent.fails);
    let withheld = monitor.maintenance.holds_alerts || monitor.muted_since.is_some() || below;
    let overlays = &mut draft.standing.overlays;
    if recent >= OPENINGS && !overlays.flapping && !withheld {
        overlays.flapping = true;
        let notice = Notice::about(draft, NoticeKind::Flapping { openings: recent }, draft.open_since);
        draft.notices.push(notice);
    }
}

/// Ends flapping when nothing opened or resolved for long enough. True when it ended now.
pub(super) fn settle(draft: &mut Draft<'_>) -> bool {
    if !draft.standing.overlays.flapping {
        return false;
    }
    let steady = draft.standing.memory.changed_at.unwrap_or_default() + WITHIN;
    draft.standing.overlays.flapping = draft.as_of() < steady;
    draft.wake_at(steady);
    !draft.standing.overlays.flapping
}
