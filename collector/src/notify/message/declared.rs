//! A message about an incident that a person opened: it has a title, and perhaps monitors; no check saw it.

use picket_shared::ids::IncidentId;
use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use super::Facts;
use super::alarm::{Act, Alarm, Class, Severity};
use super::sheet::Sheet;
use super::words::{LATE, duration, one_line};
use crate::domain::outage::NoticeKind;

/// An incident that a person opened.
#[derive(Clone, Debug)]
pub struct DeclaredFacts {
    /// Its id, which ties its messages together.
    pub id: IncidentId,
    /// What it is called.
    pub title: String,
    /// How bad it is.
    pub severity: Severity,
    /// The names of the monitors that are affected.
    pub monitors: Vec<String>,
    /// When it was opened.
    pub started_at: Timestamp,
    /// When it was over.
    pub resolved_at: Option<Timestamp>,
}

impl DeclaredFacts {
    fn lasted(&self) -> Option<String> {
        self.resolved_at.map(|at| duration(at.since(self.started_at)))
    }

    fn affected(&self) -> String {
        self.monitors.join(", ")
    }
}

pub(super) fn sheet(facts: &Facts, kind: &NoticeKind, incident: &DeclaredFacts) -> Sheet {
    let title = &incident.title;
    let late = incident.resolved_at.is_some_and(|at| facts.now.since(at) >= LATE);
    let (subject, lead) = match (kind, incident.lasted()) {
        (NoticeKind::DeclaredOver, Some(lasted)) => {
            (format!("Over: {title} (after {lasted})"), format!("The incident \"{title}\" is over after {lasted}."))
        }
        (NoticeKind::DeclaredOver, None) => (format!("Over: {title}"), format!("The incident \"{title}\" was over.")),
        (NoticeKind::Acknowledged, _) => {
            (format!("Acknowledged: {title}"), format!("Somebody looks after the incident \"{title}\"."))
        }
        (NoticeKind::Reminder, None) => (
            format!("Still open, not acknowledged: {title}"),
            format!("The incident \"{title}\" is still open, and nobody has acknowledged it."),
        ),
        (_, Some(_)) if late => (
            format!("Was an incident: {title}"),
            format!("The incident \"{title}\" was opened and is over; this message could not be sent earlier."),
        ),
        _ => (format!("Incident: {title}"), format!("A person opened the incident \"{title}\".")),
    };
    let mut rows = vec![("Severity", incident.severity.as_str().to_owned())];
    if !incident.monitors.is_empty() {
        rows.push(("Monitors", incident.affected()));
    }
    rows.extend(when(incident));
    let link =
        facts.public_url.as_deref().map(|url| format!("{}/incidents/{}", url.trim_end_matches('/'), incident.id));
    Sheet { subject, lead, rows, link }
}

/// The labelled lines of the short form.
pub(super) fn rows(incident: &DeclaredFacts) -> Vec<(&'static str, String)> {
    let what = if incident.monitors.is_empty() {
        incident.severity.as_str().to_owned()
    } else {
        format!("{}, affects {}", incident.severity.as_str(), incident.affected())
    };
    let mut rows = vec![("What", one_line(&what))];
    rows.extend(when(incident));
    rows
}

fn when(incident: &DeclaredFacts) -> Vec<(&'static str, String)> {
    let mut rows = vec![("Since", format!("{:.0}", incident.started_at))];
    if let (Some(at), Some(lasted)) = (incident.resolved_at, incident.lasted()) {
        rows.push(("Until", format!("{at:.0} ({lasted})")));
    }
    rows
}

pub(super) fn event(kind: &NoticeKind, at: Timestamp, incident: &DeclaredFacts) -> Value {
    json!({
        "notice": kind.as_str(),
        "at": at.to_string(),
        "incident": {
            "id": incident.id,
            "title": incident.title,
            "severity": incident.severity.as_str(),
            "monitors": incident.monitors,
            "started_at": incident.started_at.to_string(),
            "resolved_at": incident.resolved_at.map(|at| at.to_string()),
        },
    })
}

pub(super) fn alarm(kind: &NoticeKind, incident: &DeclaredFacts) -> Alarm {
    let (act, severity) = match kind {
        NoticeKind::DeclaredOver => (Act::Clear, Severity::Info),
        NoticeKind::Acknowledged => (Act::Acknowledge, Severity::Info),
        // It is over by the time it is told.
        _ if incident.resolved_at.is_some() => (Act::Raise, Severity::Warning),
        _ => (Act::Raise, incident.severity),
    };
    Alarm {
        act,
        key: incident.id.to_string(),
        class: Class::Declared(incident.severity),
        about: incident.title.clone(),
        severity,
        source: if incident.monitors.is_empty() { "picket".to_owned() } else { incident.affected() },
        since: incident.started_at,
    }
}
