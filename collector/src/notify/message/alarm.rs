//! A notice for a pager, which knows alarms that begin and end under a key, not messages.

use picket_shared::time::Timestamp;

use super::{Facts, IncidentFacts, MonitorFacts, Occasion, declared, short};
use crate::domain::incident;
use crate::domain::outage::{Notice, NoticeKind};

/// What happens to an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It begins, or still stands.
    Raise,
    /// Somebody looks after it; only pagers are told.
    Acknowledge,
    /// It is over.
    Clear,
}

/// How bad it is, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A monitor is down.
    Critical,
    /// A monitor is down that is less pressing, or nobody knows whether one is.
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

impl From<incident::Severity> for Severity {
    fn from(severity: incident::Severity) -> Self {
        match severity {
            incident::Severity::Critical => Self::Critical,
            incident::Severity::Error => Self::Error,
            incident::Severity::Warning => Self::Warning,
        }
    }
}

/// What sort of alarm it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A monitor is down, and that is this bad.
    Outage(Severity),
    /// A person opened an incident, this bad.
    Declared(Severity),
    /// A monitor was never seen up.
    NeverCameUp,
    /// Nobody knows of a monitor.
    NoData,
    /// A monitor fails from some regions.
    Regional,
    /// A monitor goes down again and again.
    Flapping,
    /// A region does not report.
    RegionSilent,
    /// A region's own network is bad.
    RegionNetwork,
    /// Messages to another channel do not arrive.
    Channel,
    /// Nothing is wrong.
    Test,
}

impl Class {
    /// How bad one that stands is.
    pub const fn severity(self) -> Severity {
        match self {
            Self::Outage(severity) | Self::Declared(severity) => severity,
            Self::NeverCameUp | Self::NoData => Severity::Error,
            Self::Regional | Self::Flapping | Self::RegionSilent | Self::RegionNetwork | Self::Channel => {
                Severity::Warning
            }
            Self::Test => Severity::Info,
        }
    }

    /// Whether another message tells when it is over.
    pub const fn ends(self) -> bool {
        !matches!(self, Self::NeverCameUp | Self::NoData)
    }
}

/// One thing to do to an alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// What.
    pub act: Act,
    /// The same from beginning to end: the incident's id, where there is one.
    pub key: String,
    /// What sort it is.
    pub class: Class,
    /// The name of the monitor or region in trouble, as it is now.
    pub about: String,
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
                class: Class::Test,
                about: "picket".to_owned(),
                severity: Severity::Info,
                source: "picket".to_owned(),
                since: facts.now,
            };
            vec![alarm(Act::Raise), alarm(Act::Clear)]
        }
        // Nothing is in trouble.
        Occasion::Maintenance { .. } => Vec::new(),
        Occasion::Channel { kind, at, channel } => vec![super::channel::alarm(kind, channel, *at)],
        Occasion::Declared { kind, incident, .. } => vec![declared::alarm(kind, incident)],
        Occasion::Notice { notice, monitor, incident } => vec![alarm(notice, monitor, incident.as_ref())],
        Occasion::Many { items } => many(facts, items),
    }
}

/// The last thing to do to each, the worst that stands first: how a message of many sounds. Pagers get each by itself.
fn many(facts: &Facts, items: &[Occasion]) -> Vec<Alarm> {
    let of = |item: &Occasion| alarms(&Facts { occasion: item.clone(), ..facts.clone() });
    let mut last: Vec<Alarm> = Vec::new();
    for alarm in items.iter().flat_map(of) {
        last.retain(|other| other.key != alarm.key);
        last.push(alarm);
    }
    last.sort_by_key(|alarm| (alarm.act != Act::Raise, alarm.severity));
    last
}

fn alarm(notice: &Notice, monitor: &MonitorFacts, incident: Option<&IncidentFacts>) -> Alarm {
    let how_bad = incident.map_or(monitor.briefing.severity, |incident| incident.severity);
    let outage = Class::Outage(how_bad.into());
    let over = incident.is_some_and(|incident| incident.resolved_at.is_some());
    let (act, class) = match &notice.kind {
        NoticeKind::Down | NoticeKind::Reopened | NoticeKind::Reminder | NoticeKind::Declared => (Act::Raise, outage),
        NoticeKind::Acknowledged => (Act::Acknowledge, outage),
        NoticeKind::Up { .. } | NoticeKind::DeclaredOver => (Act::Clear, outage),
        NoticeKind::NeverCameUp => (Act::Raise, Class::NeverCameUp),
        NoticeKind::NoData { .. } => (Act::Raise, Class::NoData),
        NoticeKind::Regional { .. } => (Act::Raise, Class::Regional),
        NoticeKind::RegionalOver => (Act::Clear, Class::Regional),
        NoticeKind::Flapping { .. } => (Act::Raise, Class::Flapping),
        NoticeKind::FlappingOver => (Act::Clear, Class::Flapping),
        // Those are of no monitor, and no alarms.
        NoticeKind::MaintenanceScheduled
        | NoticeKind::MaintenanceBegan
        | NoticeKind::MaintenanceEnded
        | NoticeKind::MaintenanceCalledOff
        | NoticeKind::ChannelFailing { .. }
        | NoticeKind::ChannelWorks { .. } => (Act::Clear, Class::Test),
        NoticeKind::RegionSilent { .. } => (Act::Raise, Class::RegionSilent),
        NoticeKind::RegionHeard { .. } => (Act::Clear, Class::RegionSilent),
        NoticeKind::RegionNetworkBad { .. } => (Act::Raise, Class::RegionNetwork),
        NoticeKind::RegionNetworkGood { .. } => (Act::Clear, Class::RegionNetwork),
    };
    let severity = match act {
        Act::Acknowledge | Act::Clear => Severity::Info,
        // It is over by the time it is told.
        Act::Raise if class == outage && over => Severity::Warning,
        Act::Raise => class.severity(),
    };
    let (key, about) = known_by(notice, monitor, incident);
    let since = incident.map_or(notice.at, |incident| incident.started_at);
    Alarm { act, key, class, about, severity, source: short::target(&monitor.target), since }
}

/// The key of an alarm, and the name of what is in trouble.
fn known_by(notice: &Notice, monitor: &MonitorFacts, incident: Option<&IncidentFacts>) -> (String, String) {
    let of_monitor = |what: &str| format!("picket-{}-{what}", monitor.id);
    let key = match &notice.kind {
        NoticeKind::Down
        | NoticeKind::Reopened
        | NoticeKind::Acknowledged
        | NoticeKind::Reminder
        | NoticeKind::Declared
        | NoticeKind::DeclaredOver
        | NoticeKind::Up { .. } => incident.map_or_else(|| of_monitor("down"), |incident| incident.id.to_string()),
        NoticeKind::NeverCameUp => of_monitor("never-came-up"),
        NoticeKind::NoData { .. } => of_monitor("no-data"),
        NoticeKind::Regional { .. } | NoticeKind::RegionalOver => of_monitor("regional"),
        NoticeKind::Flapping { .. } | NoticeKind::FlappingOver => of_monitor("flapping"),
        NoticeKind::MaintenanceScheduled
        | NoticeKind::MaintenanceBegan
        | NoticeKind::MaintenanceEnded
        | NoticeKind::MaintenanceCalledOff
        | NoticeKind::ChannelFailing { .. }
        | NoticeKind::ChannelWorks { .. } => of_monitor("maintenance"),
        // Told once for all monitors of a region, so the key is the region's.
        NoticeKind::RegionSilent { region, .. } | NoticeKind::RegionHeard { region } => {
            return (format!("picket-region-{region}-silent"), region.to_string());
        }
        NoticeKind::RegionNetworkBad { region, .. } | NoticeKind::RegionNetworkGood { region } => {
            return (format!("picket-region-{region}-network"), region.to_string());
        }
    };
    (key, monitor.name.clone())
}
