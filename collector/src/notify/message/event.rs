//! A notice for a program.

use serde_json::json;

use super::{IncidentFacts, MonitorFacts};
use crate::domain::outage::{Notice, NoticeKind, RegionLine};

pub(super) fn event(notice: &Notice, monitor: &MonitorFacts, incident: Option<&IncidentFacts>) -> serde_json::Value {
    let incident = incident.map(|incident| {
        json!({
            "id": incident.id,
            "severity": incident.severity,
            "started_at": incident.started_at.to_string(),
            "confirmed_at": incident.confirmed_at.to_string(),
            "resolved_at": incident.resolved_at.map(|at| at.to_string()),
            "failure": { "kind": incident.failure, "message": incident.message, "evidence": incident.evidence },
        })
    });
    let region = |line: &RegionLine| json!({ "region": line.region, "vote": line.vote, "failure": line.failure });
    let over = match &notice.kind {
        NoticeKind::Up { over } => json!({ "at": over.at.to_string(), "resolution": over.resolution }),
        _ => serde_json::Value::Null,
    };
    json!({
        "notice": notice.kind.as_str(),
        "at": notice.at.to_string(),
        "monitor": monitor,
        "incident": incident,
        "over": over,
        "regions": notice.regions.iter().map(region).collect::<Vec<_>>(),
    })
}
