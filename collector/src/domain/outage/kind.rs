//! What can be told, for whom it is, and on what it follows.

use std::collections::BTreeSet;

use picket_shared::ids::{ChannelId, Region};
use picket_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::incident::Over;
use crate::domain::incident::Severity;

/// What can be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum NoticeKind {
    /// The monitor is down.
    Down,
    /// A person opened an incident again that was told as over.
    Reopened,
    /// Somebody looks after the incident that was told.
    Acknowledged,
    /// The incident that was told still stands, and nobody looks after it.
    Reminder,
    /// A person opened an incident, of some monitors or none.
    Declared,
    /// Such an incident is over.
    DeclaredOver,
    /// The incident that was told is over.
    Up {
        /// When and how.
        over: Over,
    },
    /// Nothing was decided since it was made, 10 minutes ago.
    NeverCameUp,
    /// It fails in a minority of its regions.
    Regional {
        /// Which.
        failing: BTreeSet<Region>,
    },
    /// It fails in none of its regions any more.
    RegionalOver,
    /// Too few regions vote to know.
    NoData {
        /// Since when.
        since: Timestamp,
    },
    /// A region was not heard for F.
    RegionSilent {
        /// Which.
        region: Region,
        /// Up to when it was heard, if ever.
        heard: Option<Timestamp>,
    },
    /// A region that was told to be silent is heard again.
    RegionHeard {
        /// Which.
        region: Region,
    },
    /// The probes of a region say that their own network is bad: what they see fail does not count.
    RegionNetworkBad {
        /// Which.
        region: Region,
        /// Since when.
        since: Timestamp,
    },
    /// The network of a region that was told to be bad is good again.
    RegionNetworkGood {
        /// Which.
        region: Region,
    },
    /// It opens and resolves so often that it is no longer told each time.
    Flapping {
        /// How many openings in 30 minutes.
        openings: usize,
    },
    /// It has been up for 30 minutes; everything is told again.
    FlappingOver,
    /// Maintenance is coming, of some monitors or all.
    MaintenanceScheduled,
    /// Maintenance began.
    MaintenanceBegan,
    /// Maintenance is over.
    MaintenanceEnded,
    /// Maintenance that was to come will not be.
    MaintenanceCalledOff,
    /// Messages to a channel do not arrive.
    ChannelFailing {
        /// Which.
        channel: ChannelFacts,
    },
    /// Messages to a channel arrive again.
    ChannelWorks {
        /// Which.
        channel: ChannelFacts,
    },
}

/// A channel whose messages do not arrive, or did not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelFacts {
    /// Its id.
    pub id: ChannelId,
    /// What it is called.
    pub name: String,
    /// Which kind of channel it is.
    pub sort: String,
    /// What its provider said last; empty where it arrives again.
    pub why: String,
}

/// For whom a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The monitor's channels.
    Members,
    /// The channels that know messages: it is no alarm.
    MembersNotPaged,
    /// Every channel but the one that it is about.
    OtherChannels,
    /// Channels that know alarms which somebody looks after.
    Pagers,
    /// The operator, and the monitor's channels where they ask for it.
    OperatorAndMembersIfWanted,
    /// The operator; one message for all monitors of a region.
    Operator,
}

impl NoticeKind {
    /// Its stable name.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Reopened => "reopened",
            Self::Acknowledged => "acknowledged",
            Self::Reminder => "reminder",
            Self::Declared => "declared",
            Self::DeclaredOver => "declared_over",
            Self::Up { .. } => "up",
            Self::NeverCameUp => "never_came_up",
            Self::Regional { .. } => "regional",
            Self::RegionalOver => "regional_over",
            Self::NoData { .. } => "no_data",
            Self::RegionSilent { .. } => "region_silent",
            Self::RegionHeard { .. } => "region_heard",
            Self::RegionNetworkBad { .. } => "region_network_bad",
            Self::RegionNetworkGood { .. } => "region_network_good",
            Self::Flapping { .. } => "flapping",
            Self::FlappingOver => "flapping_over",
            Self::MaintenanceScheduled => "maintenance_scheduled",
            Self::MaintenanceBegan => "maintenance_began",
            Self::MaintenanceEnded => "maintenance_ended",
            Self::MaintenanceCalledOff => "maintenance_called_off",
            Self::ChannelFailing { .. } => "channel_failing",
            Self::ChannelWorks { .. } => "channel_works",
        }
    }

    /// For whom it is.
    pub const fn audience(&self) -> Audience {
        match self {
            Self::Down
            | Self::Reopened
            | Self::Reminder
            | Self::Declared
            | Self::DeclaredOver
            | Self::Up { .. }
            | Self::NeverCameUp
            | Self::Regional { .. }
            | Self::RegionalOver
            | Self::Flapping { .. }
            | Self::FlappingOver => Audience::Members,
            Self::MaintenanceScheduled
            | Self::MaintenanceBegan
            | Self::MaintenanceEnded
            | Self::MaintenanceCalledOff => Audience::MembersNotPaged,
            Self::ChannelFailing { .. } | Self::ChannelWorks { .. } => Audience::OtherChannels,
            Self::Acknowledged => Audience::Pagers,
            Self::NoData { .. } => Audience::OperatorAndMembersIfWanted,
            Self::RegionSilent { .. }
            | Self::RegionHeard { .. }
            | Self::RegionNetworkBad { .. }
            | Self::RegionNetworkGood { .. } => Audience::Operator,
        }
    }
}

/// The kinds by which people hear of an incident.
pub const OF_INCIDENT: &[&str] = &["down", "reopened", "declared", "reminder"];

impl NoticeKind {
    /// The kinds on which it follows: who was told one of those is told it, and nobody else. `None` where it is news by itself.
    pub const fn follows(&self) -> Option<&'static [&'static str]> {
        match self {
            Self::Up { .. } | Self::DeclaredOver | Self::Acknowledged | Self::Reminder => Some(OF_INCIDENT),
            Self::RegionalOver => Some(&["regional"]),
            Self::FlappingOver => Some(&["flapping"]),
            Self::RegionHeard { .. } => Some(&["region_silent"]),
            Self::RegionNetworkGood { .. } => Some(&["region_network_bad"]),
            Self::Down
            | Self::Reopened
            | Self::Declared
            | Self::NeverCameUp
            | Self::Regional { .. }
            | Self::NoData { .. }
            | Self::RegionSilent { .. }
            | Self::RegionNetworkBad { .. }
            | Self::Flapping { .. }
            | Self::MaintenanceScheduled
            | Self::MaintenanceBegan
            | Self::MaintenanceEnded
            | Self::MaintenanceCalledOff
            | Self::ChannelFailing { .. }
            | Self::ChannelWorks { .. } => None,
        }
    }

    /// Whether it begins an incident, which then is told further until somebody looks after it.
    pub const fn begins_incident(&self) -> bool {
        matches!(self, Self::Down | Self::Reopened | Self::Declared)
    }

    /// Whether it tells that something is over which a policy may keep to itself.
    pub const fn is_recovery(&self) -> bool {
        matches!(self, Self::Up { .. } | Self::DeclaredOver | Self::RegionalOver | Self::FlappingOver)
    }

    /// How bad it is, where the incident or monitor that it is about is as bad as `of`.
    pub const fn severity(&self, of: Severity) -> Severity {
        match self {
            Self::NeverCameUp | Self::NoData { .. } => Severity::Error,
            Self::Regional { .. }
            | Self::RegionalOver
            | Self::Flapping { .. }
            | Self::FlappingOver
            | Self::RegionSilent { .. }
            | Self::RegionHeard { .. }
            | Self::RegionNetworkBad { .. }
            | Self::RegionNetworkGood { .. }
            | Self::MaintenanceScheduled
            | Self::MaintenanceBegan
            | Self::MaintenanceEnded
            | Self::MaintenanceCalledOff
            | Self::ChannelFailing { .. }
            | Self::ChannelWorks { .. } => Severity::Warning,
            Self::Down
            | Self::Reopened
            | Self::Acknowledged
            | Self::Reminder
            | Self::Declared
            | Self::DeclaredOver
            | Self::Up { .. } => of,
        }
    }
}
