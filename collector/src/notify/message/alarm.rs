//! A notice for a pager, which knows alarms that begin and end under a key, not messages.

use picket_shared::time::Timestamp;

use super::{Facts, IncidentFacts, MonitorFacts, Occasion, short};
use crate::domain::outage::{Notice, NoticeKind};

/// What happens to an alarm. Acknowledging will be a third.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It begins, or still stands.
    Raise,
    /// It is over.
    Clear,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// A monitor is down.
    Critical,
    /// Nobody knows whether it is.
    Error,
    /// Part of it, or part of the watching, is in trouble; or it is over already.
    Warning,
    /// Nothing is wrong.
    Info,
}

impl Severity {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// One thing to do to an alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// What.
    pub act: Act,
    /// The same from beginning to end: the incident's id, where there is one.
    pub key: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is in trouble.
    pub source: String,
    /// Since when.
    pub since: Timestamp,
}

/// What to do to alarms: one thing for a notice; a test raises one and clears it at once.
pub(super) fn alarms(facts: &Facts) -> Vec<Alarm> {
    match &facts.occasion {
        Occasion::Test { .. } | Occasion::Code { .. } => {
            let alarm = |act| Alarm {
                act,
                key: format!("picket-test-{}", facts.delivery),
                severity: Severity::Info,
                source: "picket".to_owned(),
                since: facts.now,
            };
            vec![alarm(Act::Raise), alarm(Act::Clear)]
        }
        Occasion::Notice { notice, monitor, incident } => vec![alarm(notice, monitor, incident.as_ref())],
    }
}

fn alarm(notice: &Notice, monitor: &MonitorFacts, incident: Option<&IncidentFacts>) -> Alarm {
    let over = incident.is_some_and(|incident| incident.resolved_at.is_some());
    let of_monitor = |what: &str| format!("picket-{}-{what}", monitor.id);
    let outage = || incident.map_or_else(|| of_monitor("down"), |incident| incident.id.to_string());
    let (act, key, severity) = match &notice.kind {
        NoticeKind::Down if over => (Act::Raise, outage(), Severity::Warning),
        NoticeKind::Down => (Act::Raise, outage(), Severity::Critical),
        NoticeKind::Up { .. } => (Act::Clear, outage(), Severity::Info),
        NoticeKind::NeverCameUp => (Act::Raise, of_monitor("never-came-up"), Severity::Error),
        NoticeKind::NoData { .. } => (Act::Raise, of_monitor("no-data"), Severity::Error),
        NoticeKind::Regional { .. } => (Act::Raise, of_monitor("regional"), Severity::Warning),
        NoticeKind::RegionalOver => (Act::Clear, of_monitor("regional"), Severity::Info),
        NoticeKind::Flapping { .. } => (Act::Raise, of_monitor("flapping"), Severity::Warning),
        NoticeKind::FlappingOver => (Act::Clear, of_monitor("flapping"), Severity::Info),
        // Told once for all monitors of a region, so the key is the region's.
        NoticeKind::RegionSilent { region, .. } => {
            (Act::Raise, format!("picket-region-{region}-silent"), Severity::Warning)
        }
        NoticeKind::RegionHeard { region } => (Act::Clear, format!("picket-region-{region}-silent"), Severity::Info),
        NoticeKind::RegionNetworkBad { region, .. } => {
            (Act::Raise, format!("picket-region-{region}-network"), Severity::Warning)
        }
        NoticeKind::RegionNetworkGood { region } => {
            (Act::Clear, format!("picket-region-{region}-network"), Severity::Info)
        }
    };
    let since = incident.map_or(notice.at, |incident| incident.started_at);
    Alarm { act, key, severity, source: short::target(&monitor.target), since }
}
