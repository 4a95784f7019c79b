//! The texts of messages. Pure: facts in, subject, plain text, HTML and a JSON event out.
//!
//! A message names what, where, since when, why, what was seen, what each region says, and where to look.

use std::fmt::Write;
use std::time::Duration;

use picket_shared::ids::{DeliveryId, IncidentId, MonitorId};
use picket_shared::outcome::{Evidence, FailureKind};
use picket_shared::time::Timestamp;
use serde::Serialize;
use serde_json::json;

use crate::domain::outage::vote::Vote;
use crate::domain::outage::{Notice, NoticeKind, RegionLine, Resolution};

/// When an incident was over for so long before a message went out, the message says so first.
const LATE: Duration = Duration::from_secs(60);
/// So much of each thing that was seen is told.
const EVIDENCE_CHARS: usize = 200;

/// All that a message says.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Which delivery this is; the receiver knows a repeated one by it.
    pub delivery: DeliveryId,
    /// When it is written.
    pub now: Timestamp,
    /// Where people find the collector; no link without one.
    pub public_url: Option<String>,
    /// What has to be told.
    pub occasion: Occasion,
}

/// What has to be told.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "one lives at a time, and notices are the rule")]
pub enum Occasion {
    /// Somebody wants to know whether the channel works.
    Test {
        /// The channel's name.
        channel: String,
    },
    /// The judge decided something.
    Notice {
        /// What.
        notice: Notice,
        /// About which monitor.
        monitor: MonitorFacts,
        /// Its incident, as it is now.
        incident: Option<IncidentFacts>,
    },
}

/// What is watched.
#[derive(Clone, Debug, Serialize)]
pub struct MonitorFacts {
    /// Its id.
    pub id: MonitorId,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// A URL, a name with record type, host and port.
    pub target: String,
}

/// An incident.
#[derive(Clone, Debug)]
pub struct IncidentFacts {
    /// Its id, which ties its messages together.
    pub id: IncidentId,
    /// The start of the first failing check.
    pub started_at: Timestamp,
    /// When the judge was sure.
    pub confirmed_at: Timestamp,
    /// When it was over.
    pub resolved_at: Option<Timestamp>,
    /// What failed.
    pub failure: FailureKind,
    /// The same for a person.
    pub message: String,
    /// What was seen.
    pub evidence: Evidence,
}

/// A message, ready for any channel.
#[derive(Clone, Debug)]
pub struct Message {
    /// The delivery's id.
    pub id: DeliveryId,
    /// The incident that ties messages together.
    pub thread: Option<IncidentId>,
    /// When it was written.
    pub at: Timestamp,
    /// One line, without line breaks.
    pub subject: String,
    /// The whole as plain text.
    pub text: String,
    /// The whole as HTML.
    pub html: String,
    /// The whole for a program.
    pub event: serde_json::Value,
}

/// Writes the message.
pub fn write(facts: &Facts) -> Message {
    let (sheet, event, thread) = match &facts.occasion {
        Occasion::Test { channel } => (test(channel), json!({ "channel": channel }), None),
        Occasion::Notice { notice, monitor, incident } => {
            let sheet = tell(facts, notice, monitor, incident.as_ref());
            let event = event(notice, monitor, incident.as_ref());
            let thread = incident.as_ref().map(|incident| incident.id);
            (sheet, event, thread)
        }
    };
    let kind = match &facts.occasion {
        Occasion::Test { .. } => "test".to_owned(),
        Occasion::Notice { notice, .. } => format!("monitor.{}", notice.kind.as_str()),
    };
    Message {
        id: facts.delivery,
        thread,
        at: facts.now,
        subject: one_line(&sheet.subject),
        text: sheet.text(),
        html: sheet.html(),
        event: json!({ "type": kind, "timestamp": facts.now.to_string(), "data": event }),
    }
}

/// A message before it is laid out: a headline and labelled lines.
struct Sheet {
    subject: String,
    lead: String,
    rows: Vec<(&'static str, String)>,
    link: Option<String>,
}

impl Sheet {
    fn text(&self) -> String {
        let mut text = format!("{}\n", self.lead);
        if !self.rows.is_empty() {
            text.push('\n');
        }
        for (label, value) in &self.rows {
            let _ = writeln!(text, "{label:<10}{}", value.replace('\n', "\n          "));
        }
        if let Some(link) = &self.link {
            let _ = write!(text, "\n{link}\n");
        }
        text
    }

    fn html(&self) -> String {
        let mut html = format!("<!DOCTYPE html>\n<html><body>\n<p><strong>{}</strong></p>\n", escape(&self.lead));
        if !self.rows.is_empty() {
            html.push_str("<table>\n");
            for (label, value) in &self.rows {
                let value = escape(value).replace('\n', "<br>");
                let _ = writeln!(html, "<tr><th align=\"left\" valign=\"top\">{label}</th><td>{value}</td></tr>");
            }
            html.push_str("</table>\n");
        }
        if let Some(link) = &self.link {
            let _ = writeln!(html, "<p><a href=\"{0}\">{0}</a></p>", escape(link));
        }
        html.push_str("</body></html>\n");
        html
    }
}

fn test(channel: &str) -> Sheet {
    Sheet {
        subject: format!("Test: the channel {channel} works"),
        lead: format!("This is a test message from Picket to the channel {channel}. It works."),
        rows: Vec::new(),
        link: None,
    }
}

fn tell(facts: &Facts, notice: &Notice, monitor: &MonitorFacts, incident: Option<&IncidentFacts>) -> Sheet {
    let name = &monitor.name;
    let (subject, lead) = headline(facts, notice, monitor, incident);
    let mut rows = vec![("What", format!("{name}: {} ({})", monitor.target, monitor.kind))];
    rows.extend(when(notice, incident));
    if let Some(incident) = incident.filter(|_| matches!(notice.kind, NoticeKind::Down | NoticeKind::Up { .. })) {
        rows.push(("Why", format!("{} [{}]", incident.message, incident.failure.as_str())));
        let seen: Vec<_> =
            incident.evidence.iter().map(|(what, value)| format!("{what}: {}", shorten(value))).collect();
        if !seen.is_empty() {
            rows.push(("Seen", seen.join("\n")));
        }
    }
    if !notice.regions.is_empty() {
        rows.push(("Regions", notice.regions.iter().map(says).collect::<Vec<_>>().join("\n")));
    }
    let link = facts.public_url.as_deref().map(|url| {
        let url = url.trim_end_matches('/');
        match incident {
            Some(incident) => format!("{url}/incidents/{}", incident.id),
            None => format!("{url}/monitors/{}", monitor.id),
        }
    });
    Sheet { subject, lead, rows, link }
}

fn headline(
    facts: &Facts,
    notice: &Notice,
    monitor: &MonitorFacts,
    incident: Option<&IncidentFacts>,
) -> (String, String) {
    let name = &monitor.name;
    let over = incident.and_then(|incident| incident.resolved_at).filter(|at| facts.now.since(*at) >= LATE);
    match &notice.kind {
        NoticeKind::Down if over.is_some() => (
            format!("Was down: {name}"),
            format!("{name} was down, and that is over; this message could not be sent earlier."),
        ),
        NoticeKind::Down => (format!("Down: {name}"), format!("{name} is down.")),
        NoticeKind::Up { over } => match (over.resolution, incident) {
            (Resolution::Recovered, Some(incident)) => {
                let lasted = duration(over.at.since(incident.started_at));
                (format!("Up: {name} (was down for {lasted})"), format!("{name} is up again after {lasted}."))
            }
            (Resolution::Recovered, None) => (format!("Up: {name}"), format!("{name} is up again.")),
            (Resolution::Paused, _) => (
                format!("Paused: {name}"),
                format!("{name} was paused; its incident is closed without knowing whether it is up."),
            ),
            (Resolution::Deleted, _) => {
                (format!("Deleted: {name}"), format!("{name} was deleted; its incident is closed."))
            }
        },
        NoticeKind::NeverCameUp => (
            format!("Never came up: {name}"),
            format!("{name} has not been seen up since it was made; check its settings and its probes."),
        ),
        NoticeKind::Regional { failing } => {
            let regions = failing.iter().map(|region| region.as_str()).collect::<Vec<_>>().join(", ");
            (
                format!("Failing from {regions}: {name}"),
                format!("{name} fails from {regions} and is up from elsewhere; this is no incident."),
            )
        }
        NoticeKind::RegionalOver => {
            (format!("Good from everywhere: {name}"), format!("{name} fails from no region any more."))
        }
        NoticeKind::NoData { .. } => (
            format!("No data: {name}"),
            format!("Too few regions report on {name} to say whether it is up; check the probes."),
        ),
        NoticeKind::RegionSilent { region, .. } => (
            format!("Silent: region {region}"),
            format!("Region {region} does not report, neither on {name} nor perhaps on others; check its probe."),
        ),
        NoticeKind::RegionHeard { region } => {
            (format!("Back: region {region}"), format!("Region {region} reports again."))
        }
        NoticeKind::RegionNetworkBad { region, .. } => (
            format!("Bad network: region {region}"),
            format!(
                "The probes of region {region} do not reach their own reference targets; what they see fail does not \
                 count until they do. Check their network and resolver; `picket-probe doctor` there says more."
            ),
        ),
        NoticeKind::RegionNetworkGood { region } => (
            format!("Good network: region {region}"),
            format!("The probes of region {region} reach their reference targets again; the region votes again."),
        ),
        NoticeKind::Flapping { openings } => (
            format!("Flapping: {name}"),
            format!("{name} went down {openings} times in 30 minutes; until it settles, not every change is told."),
        ),
        NoticeKind::FlappingOver => {
            (format!("Settled: {name}"), format!("{name} has been up for 30 minutes; every change is told again."))
        }
    }
}

fn when(notice: &Notice, incident: Option<&IncidentFacts>) -> Vec<(&'static str, String)> {
    if let Some(incident) = incident {
        let sure = duration(incident.confirmed_at.since(incident.started_at));
        let mut rows = vec![("Since", format!("{:.0} (sure after {sure})", incident.started_at))];
        let over = match &notice.kind {
            NoticeKind::Up { over } => Some(over.at),
            _ => incident.resolved_at,
        };
        if let Some(over) = over {
            rows.push(("Until", format!("{over:.0} ({})", duration(over.since(incident.started_at)))));
        }
        return rows;
    }
    match &notice.kind {
        NoticeKind::NoData { since } => vec![("Since", format!("{since:.0}"))],
        NoticeKind::RegionNetworkBad { since, .. } => vec![("Since", format!("{since:.0}"))],
        NoticeKind::RegionSilent { heard: Some(heard), .. } => vec![("Heard", format!("until {heard:.0}"))],
        NoticeKind::RegionSilent { heard: None, .. } => vec![("Heard", "never".to_owned())],
        _ => vec![("At", format!("{:.0}", notice.at))],
    }
}

fn says(line: &RegionLine) -> String {
    let vote = vote(line.vote);
    match &line.failure {
        Some(failure) => format!("{}: {vote}: {} [{}]", line.region, failure.message, failure.kind.as_str()),
        None => format!("{}: {vote}", line.region),
    }
}

/// A vote for a person.
pub fn vote(vote: Vote) -> &'static str {
    match vote {
        Vote::Ok => "up",
        Vote::Failing => "failing, not yet repeated",
        Vote::Fail => "down",
        Vote::Expected => "no result yet",
        Vote::Silent => "silent",
        Vote::Unmeasured => "could not measure",
        Vote::SelfCheckBad => "its own network is bad",
        Vote::Held => "failing, withheld: many targets fail there at once",
    }
}

fn event(notice: &Notice, monitor: &MonitorFacts, incident: Option<&IncidentFacts>) -> serde_json::Value {
    let incident = incident.map(|incident| {
        json!({
            "id": incident.id,
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

/// A duration for a person: `12 s`, `3 min 5 s`, `2 h 7 min`, `4 d 1 h`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

fn shorten(text: &str) -> String {
    let flat: String = text.chars().take(EVIDENCE_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(EVIDENCE_CHARS).is_some() { format!("{flat}...") } else { flat }
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests;
