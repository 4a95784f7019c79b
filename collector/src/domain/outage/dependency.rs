//! What a monitor depends on: while that fails, nobody is told of it, and before it is known whether it does, nobody is either, for a while.

use std::time::Duration;

use picket_shared::time::Timestamp;

use super::draft::Draft;

/// For so long after it is sure that a monitor is down a check of what it depends on is waited for.
pub(super) const WAIT: Duration = Duration::from_secs(90);
/// While it waits it looks so often.
const LOOK: Duration = Duration::from_secs(2);
/// While something fails that it depends on it looks so often, and when that changes.
const LOOK_BELOW: Duration = Duration::from_secs(60);

/// Whether something fails that it depends on.
pub(super) fn withholds(draft: &mut Draft<'_>) -> bool {
    let fails = draft.input.monitor.parents.iter().any(|parent| parent.fails);
    if fails {
        draft.wake_at(draft.as_of() + LOOK_BELOW);
    }
    fails
}

/// Whether an incident that began at `started_at` is not told yet, since something that it depends on was not checked since.
pub(super) fn waits(draft: &mut Draft<'_>, started_at: Timestamp) -> bool {
    let sure_since = draft.input.incident.as_ref().map_or(draft.as_of(), |open| open.confirmed_at);
    let unheard = draft.input.monitor.parents.iter().any(|parent| parent.heard.is_none_or(|heard| heard < started_at));
    let waits = unheard && draft.as_of() < sure_since + WAIT;
    if waits {
        draft.wake_at(draft.as_of() + LOOK);
    }
    waits
}
