//! The words of a message: what a person reads, and in which order.

use std::collections::BTreeSet;
use std::time::Duration;

use picket_shared::ids::Region;
use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;

use super::sheet::{RUNBOOK, Sheet};
use super::{Facts, IncidentFacts, MonitorFacts};
use crate::domain::incident::Severity;
use crate::domain::outage::vote::Vote;
use crate::domain::outage::{Notice, NoticeKind, Over, RegionLine, Resolution};

/// When an incident was over for so long before a message went out, the message says so first.
pub(super) const LATE: Duration = Duration::from_secs(60);
/// So much of each thing that was seen is told.
const EVIDENCE_CHARS: usize = 200;

pub(super) fn test(channel: &str) -> Sheet {
    Sheet {
        subject: format!("Test: the channel {channel} works"),
        lead: format!("This is a test message from Picket to the channel {channel}. It works."),
        rows: Vec::new(),
        link: None,
    }
}

/// The subject keeps the code to itself: servers log subjects.
pub(super) fn code(code: &SecretString, until: Timestamp) -> Sheet {
    Sheet {
        subject: "Verify this channel for Picket".to_owned(),
        lead: format!("The code is {}", code.expose()),
        rows: vec![
            ("Works", format!("once, until {until:.0}")),
            ("Where", "enter it where this channel was set up".to_owned()),
            ("Why", "somebody wants Picket to send notices of outages here".to_owned()),
            ("Not you?", "ignore this message: without the code nothing is sent".to_owned()),
        ],
        link: None,
    }
}

pub(super) fn tell(facts: &Facts, notice: &Notice, monitor: &MonitorFacts, incident: Option<&IncidentFacts>) -> Sheet {
    let name = &monitor.name;
    let (subject, lead) = headline(facts, notice, monitor, incident);
    let mut rows = vec![("What", format!("{name}: {} ({})", monitor.target, monitor.kind))];
    rows.extend(when(notice, incident));
    if let Some(incident) = incident.filter(|_| is_of_outage(&notice.kind)) {
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
    rows.extend(briefing(notice, monitor, incident));
    let link = facts.public_url.as_deref().map(|url| {
        let url = url.trim_end_matches('/');
        match incident {
            Some(incident) => format!("{url}/incidents/{}", incident.id),
            None => format!("{url}/monitors/{}", monitor.id),
        }
    });
    Sheet { subject, lead, rows, link }
}

/// What was said of the monitor for those who are told: how bad it is where that is not the usual, whose it is, and what to do. What
/// is told of a region is told once for all its monitors, of which each may have other words.
pub(super) fn briefing(
    notice: &Notice,
    monitor: &MonitorFacts,
    incident: Option<&IncidentFacts>,
) -> Vec<(&'static str, String)> {
    let of = &monitor.briefing;
    let severity = incident.map_or(of.severity, |incident| incident.severity);
    let severity = (is_of_outage(&notice.kind) && severity != Severity::Critical).then(|| severity.as_str().to_owned());
    let mut rows = muted(notice, monitor);
    let more = match &notice.kind {
        NoticeKind::RegionSilent { .. }
        | NoticeKind::RegionHeard { .. }
        | NoticeKind::RegionNetworkBad { .. }
        | NoticeKind::RegionNetworkGood { .. } => [None, None, None],
        _ => [
            severity.map(|severity| ("Severity", severity)),
            of.owner.as_deref().map(|owner| ("Owner", one_line(owner))),
            of.runbook_url.clone().map(|url| (RUNBOOK, url)),
        ],
    };
    rows.extend(more.into_iter().flatten());
    rows
}

/// So many of those that depend on it are named.
const DEPENDENTS: usize = 10;

/// Which monitors depend on one that is down: nobody is told of them meanwhile.
fn muted(notice: &Notice, monitor: &MonitorFacts) -> Vec<(&'static str, String)> {
    let begins = matches!(notice.kind, NoticeKind::Down | NoticeKind::Reopened | NoticeKind::Reminder);
    let names = &monitor.dependents;
    if !begins || names.is_empty() {
        return Vec::new();
    }
    let named = names.iter().take(DEPENDENTS).map(|name| one_line(name)).collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(DEPENDENTS);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    vec![("Muted", format!("{named}{more}: they depend on it"))]
}

/// How an incident ended.
fn ended(name: &str, over: Over, incident: Option<&IncidentFacts>) -> (String, String) {
    match (over.resolution, incident) {
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
        (Resolution::ByHand, _) => (
            format!("Resolved by hand: {name}"),
            format!("A person resolved the incident of {name}; whether it is up is not known by that."),
        ),
    }
}

/// What stands and nobody looks after.
fn reminder(facts: &Facts, name: &str, incident: Option<&IncidentFacts>) -> (String, String) {
    let lead = match incident {
        Some(incident) => format!("{name} has been down for {}", duration(facts.now.since(incident.started_at))),
        None => format!("{name} is still down"),
    };
    (format!("Still down, not acknowledged: {name}"), format!("{lead}, and nobody has acknowledged it."))
}

/// Whether a notice tells of an outage itself, so that why and what was seen belong to it.
const fn is_of_outage(kind: &NoticeKind) -> bool {
    matches!(kind, NoticeKind::Down | NoticeKind::Reopened | NoticeKind::Reminder | NoticeKind::Up { .. })
}

fn regional(name: &str, failing: &BTreeSet<Region>) -> (String, String) {
    let regions = failing.iter().map(Region::as_str).collect::<Vec<_>>().join(", ");
    (
        format!("Failing from {regions}: {name}"),
        format!("{name} fails from {regions} and is up from elsewhere; this is no incident."),
    )
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
        NoticeKind::Down | NoticeKind::Reminder if over.is_some() => (
            format!("Was down: {name}"),
            format!("{name} was down, and that is over; this message could not be sent earlier."),
        ),
        NoticeKind::Down => (format!("Down: {name}"), format!("{name} is down.")),
        NoticeKind::Up { over } => ended(name, *over, incident),
        NoticeKind::Reminder => reminder(facts, name, incident),
        NoticeKind::Reopened => {
            (format!("Reopened: {name}"), format!("A person opened the incident of {name} again that was over."))
        }
        NoticeKind::Acknowledged => {
            (format!("Acknowledged: {name}"), format!("Somebody looks after the incident of {name}."))
        }
        // Those have a title, and are written in `declared`.
        NoticeKind::Declared | NoticeKind::DeclaredOver => {
            (format!("Incident: {name}"), format!("A person opened or ended an incident of {name}."))
        }
        // Those are of no monitor, and are written in `channel` and `maintenance`.
        NoticeKind::ChannelFailing { channel } | NoticeKind::ChannelWorks { channel } => {
            (format!("Channel: {}", channel.name), format!("The channel {} fails, or works again.", channel.name))
        }
        NoticeKind::MaintenanceScheduled
        | NoticeKind::MaintenanceBegan
        | NoticeKind::MaintenanceEnded
        | NoticeKind::MaintenanceCalledOff => {
            (format!("Maintenance: {name}"), format!("Maintenance of {name} is planned, began or ended."))
        }
        NoticeKind::NeverCameUp => (
            format!("Never came up: {name}"),
            format!("{name} has not been seen up since it was made; check its settings and its probes."),
        ),
        NoticeKind::Regional { failing } => regional(name, failing),
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

pub(super) fn when(notice: &Notice, incident: Option<&IncidentFacts>) -> Vec<(&'static str, String)> {
    if let Some(incident) = incident {
        let sure = duration(incident.confirmed_at.since(incident.started_at));
        let mut rows = vec![("Since", format!("{:.0} (sure after {sure})", incident.started_at))];
        if let Some(over) = over(notice, incident) {
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

/// When the incident was over, as of this notice.
pub(super) fn over(notice: &Notice, incident: &IncidentFacts) -> Option<Timestamp> {
    match &notice.kind {
        NoticeKind::Up { over } => Some(over.at),
        _ => incident.resolved_at,
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

pub(super) fn shorten(text: &str) -> String {
    let flat: String = text.chars().take(EVIDENCE_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(EVIDENCE_CHARS).is_some() { format!("{flat}...") } else { flat }
}

pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}
