//! A message that says as little as it can: what sort of thing happened, since when, and where to look. For channels that go where nothing
//! else may go: no name, target, evidence, failure, region, owner or runbook is in it, in no form of it.

use aws_lc_rs::digest;
use serde_json::{Value, json};

use super::alarm::{self, Alarm};
use super::many;
use super::sheet::Sheet;
use super::words::{self, duration};
use super::{Brief, Facts, Message, Occasion};
use crate::domain::outage::{NoticeKind, Over, Resolution};

/// What an alarm is about, at a pager.
const ABOUT: &str = "picket";

pub(super) fn write(facts: &Facts) -> Message {
    let kind = super::kind(&facts.occasion);
    let counts;
    let (subject, lead, rows, data) = match &facts.occasion {
        Occasion::Many { items } => {
            counts = many::counts(items);
            let lead = "Several messages in one, since the last was sent within half a minute.";
            (counts.as_str(), lead, Vec::new(), json!({ "notices": items.len() }))
        }
        Occasion::Test { .. } | Occasion::Code { .. } => {
            ("Test: the channel works", "This is a test message from Picket. It works.", Vec::new(), json!({}))
        }
        Occasion::Notice { notice, incident, .. } => {
            let (subject, lead) = said(&notice.kind);
            let rows = words::when(notice, incident.as_ref());
            let since = incident.as_ref().map_or(notice.at, |incident| incident.started_at);
            let until = incident.as_ref().and_then(|incident| words::over(notice, incident));
            let data = event(&notice.kind, since, until, incident.as_ref().map(|incident| incident.id));
            (subject, lead, rows, data)
        }
        Occasion::Declared { kind, incident, .. } => {
            let (subject, lead) = said(kind);
            let mut rows = vec![("Since", format!("{:.0}", incident.started_at))];
            if let Some(at) = incident.resolved_at {
                rows.push(("Until", format!("{at:.0} ({})", duration(at.since(incident.started_at)))));
            }
            (subject, lead, rows, event(kind, incident.started_at, incident.resolved_at, Some(incident.id)))
        }
        Occasion::Channel { kind, at, .. } => {
            let (subject, lead) = said(kind);
            (subject, lead, vec![("Since", format!("{at:.0}"))], event(kind, *at, None, None))
        }
        Occasion::Maintenance { kind, maintenance, .. } => {
            let (subject, lead) = said(kind);
            let (from, until) = (maintenance.starts_at, maintenance.ends_at);
            let rows = vec![("Begins", format!("{from:.0}")), ("Ends", format!("{until:.0}"))];
            (subject, lead, rows, event(kind, from, Some(until), None))
        }
    };
    let thread = thread(&facts.occasion);
    let link = facts.public_url.as_deref().map(|url| match (thread, &facts.occasion) {
        (Some(incident), _) => format!("{}/incidents/{incident}", url.trim_end_matches('/')),
        (None, Occasion::Maintenance { kind, maintenance, .. }) => maintenance.link(kind, url),
        (None, _) => format!("{}/", url.trim_end_matches('/')),
    });
    let sheet = Sheet { subject: subject.to_owned(), lead: lead.to_owned(), rows: rows.clone(), link: link.clone() };
    let prose = rows.is_empty().then(|| lead.to_owned());
    let back = super::back::of(facts);
    Message {
        id: facts.delivery,
        thread,
        at: facts.now,
        text: sheet.text_asking(back.page()),
        html: sheet.html_asking(back.page()),
        event: json!({ "type": kind, "timestamp": facts.now.to_string(), "data": data }),
        brief: Brief { headline: sheet.subject.clone(), rows, prose, link },
        subject: sheet.subject,
        alarms: alarm::alarms(facts).into_iter().map(neutral).collect(),
        code: None,
        back,
    }
}

fn thread(occasion: &Occasion) -> Option<picket_shared::ids::IncidentId> {
    match occasion {
        Occasion::Notice { incident, .. } => incident.as_ref().map(|incident| incident.id),
        Occasion::Declared { incident, .. } => Some(incident.id),
        Occasion::Test { .. }
        | Occasion::Code { .. }
        | Occasion::Many { .. }
        | Occasion::Channel { .. }
        | Occasion::Maintenance { .. } => None,
    }
}

fn event(
    kind: &NoticeKind,
    since: picket_shared::time::Timestamp,
    until: Option<picket_shared::time::Timestamp>,
    incident: Option<picket_shared::ids::IncidentId>,
) -> Value {
    json!({
        "notice": kind.as_str(),
        "since": since.to_string(),
        "until": until.map(|at| at.to_string()),
        "incident": incident,
    })
}

/// What happened, in words that are the same for everybody.
const fn said(kind: &NoticeKind) -> (&'static str, &'static str) {
    match kind {
        NoticeKind::Down => ("Down", "A monitor is down."),
        NoticeKind::Up { over: Over { resolution: Resolution::Recovered, .. } } => ("Up", "A monitor is up again."),
        NoticeKind::Up { .. } => ("Over", "The incident of a monitor is closed."),
        NoticeKind::Reopened => ("Reopened", "A person opened an incident again that was over."),
        NoticeKind::Acknowledged => ("Acknowledged", "Somebody looks after an incident."),
        NoticeKind::Reminder => ("Not acknowledged", "An incident is still open, and nobody has acknowledged it."),
        NoticeKind::Declared => ("Incident", "A person opened an incident."),
        NoticeKind::DeclaredOver => ("Over", "An incident is over."),
        NoticeKind::NeverCameUp => ("Never came up", "A monitor has not been seen up since it was made."),
        NoticeKind::Regional { .. } => ("Failing from some regions", "A monitor fails from some regions."),
        NoticeKind::RegionalOver => ("Good from everywhere", "A monitor fails from no region any more."),
        NoticeKind::NoData { .. } => ("No data", "Too few regions report on a monitor to say whether it is up."),
        NoticeKind::RegionSilent { .. } => ("A region is silent", "A region does not report."),
        NoticeKind::RegionHeard { .. } => ("A region is back", "A region reports again."),
        NoticeKind::RegionNetworkBad { .. } => ("Bad network of a region", "The network of a region's probes is bad."),
        NoticeKind::RegionNetworkGood { .. } => {
            ("Good network of a region", "The network of a region's probes is good.")
        }
        NoticeKind::Flapping { .. } => ("Flapping", "A monitor goes down again and again."),
        NoticeKind::FlappingOver => ("Settled", "A monitor has settled."),
        NoticeKind::MaintenanceScheduled => ("Maintenance planned", "Maintenance is planned."),
        NoticeKind::MaintenanceBegan => ("Maintenance began", "Maintenance has begun."),
        NoticeKind::MaintenanceEnded => ("Maintenance over", "Maintenance is over."),
        NoticeKind::MaintenanceCalledOff => ("Maintenance called off", "Maintenance that was planned will not be."),
        NoticeKind::ChannelFailing { .. } => ("A channel fails", "Messages to another channel do not arrive."),
        NoticeKind::ChannelWorks { .. } => ("A channel works again", "Messages to another channel arrive again."),
    }
}

/// The same alarm without what it is about. What is known by the id of a monitor or the name of a region is known by a fingerprint of
/// that, which is the same at its end.
fn neutral(alarm: Alarm) -> Alarm {
    let key = if alarm.key.starts_with("picket-") && alarm.class != alarm::Class::Test {
        let hash = digest::digest(&digest::SHA256, alarm.key.as_bytes());
        let hex: String = hash.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        format!("picket-{hex}")
    } else {
        alarm.key
    };
    Alarm { key, about: ABOUT.to_owned(), source: ABOUT.to_owned(), ..alarm }
}
