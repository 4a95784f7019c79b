//! Who would be told, as programs are shown it.

use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use super::policy::Known;
use crate::domain::incident::Severity;
use crate::domain::telling::schedule::AHEAD;
use crate::store::policies::Preview;
use crate::store::policies::reach::{Hop, Miss, Target};
use crate::store::schedules::ScheduleRow;

/// Who would be told of an incident of this severity that is found at `at`.
pub fn view(preview: &Preview, severity: Severity, known: &Known, at: Timestamp) -> Value {
    let policy =
        preview.chosen.as_ref().map(|chosen| json!({ "id": chosen.id, "name": chosen.name, "by": chosen.by.as_str() }));
    let levels = preview.levels.iter().map(|told| {
        json!({
            "level": told.level + 1,
            "at": told.at.exact(),
            "after_s": told.at.since(at).as_secs(),
            "channels": told.reach.hops.iter().map(|one| hop(one, severity, known, told.at)).collect::<Vec<_>>(),
            "misses": told.reach.misses.iter().map(|one| miss(one, known)).collect::<Vec<_>>(),
        })
    });
    json!({
        "at": at.exact(),
        "policy": policy,
        "levels": levels.collect::<Vec<_>>(),
        "reaches_somebody": reaches_somebody(preview),
    })
}

/// Whether anybody is told.
pub fn reaches_somebody(preview: &Preview) -> bool {
    preview.levels.iter().any(|told| !told.reach.hops.is_empty())
}

/// Until when quiet hours hold what a channel would be told.
pub fn held_until(hop: &Hop, severity: Severity, at: Timestamp) -> Option<Timestamp> {
    hop.quiet.as_ref().and_then(|quiet| quiet.held_until(severity, at))
}

fn hop(hop: &Hop, severity: Severity, known: &Known, at: Timestamp) -> Value {
    let schedule = hop.schedule.and_then(|key| known.schedules.iter().find(|row| row.key == key));
    json!({
        "id": hop.id,
        "name": hop.name,
        "kind": hop.kind,
        "member": hop.member.and_then(|member| known.people.id(member)),
        "schedule": schedule.map(|row| row.id),
        "held_until": held_until(hop, severity, at).map(Timestamp::exact),
    })
}

fn miss(miss: &Miss, known: &Known) -> Value {
    let (kind, id) = match known.named(miss.target) {
        Some((kind, id)) => (kind.trim_end_matches('s'), Some(id)),
        None => (kind(miss.target), None),
    };
    json!({ "kind": kind, "id": id, "why": miss.why.as_str() })
}

const fn kind(target: Target) -> &'static str {
    match target {
        Target::Channel(_) => "channel",
        Target::Member(_) => "member",
        Target::Schedule(_) => "schedule",
    }
}

/// The schedules among these targets with times of the next fortnight in which nobody is on call.
pub fn with_gaps(targets: impl Iterator<Item = Target>, known: &Known, now: Timestamp) -> Vec<&ScheduleRow> {
    let mut found: Vec<&ScheduleRow> = Vec::new();
    for target in targets {
        let Target::Schedule(key) = target else { continue };
        let row = known.schedules.iter().find(|row| row.key == key);
        let Some(row) = row.filter(|row| !row.rota.empty(now, now + AHEAD).is_empty()) else { continue };
        if !found.iter().any(|other| other.key == row.key) {
            found.push(row);
        }
    }
    found
}
