//! Everything the judge may know: gathered by `flow::judge` from the store in one read, then frozen.
//!
//! What the judge keeps between two judgements is [`Standing`]; the store writes it as JSON and gives it back unread.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use picket_shared::ids::{MonitorId, Region};
use picket_shared::outcome::{FailureKind, SelfCheck, Status, Trigger};
use picket_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::incident::{ByHand, OpenIncident, Over};
use super::network::Network;
use super::quorum::QuorumRule;
use super::timing::Timing;

/// All facts about one monitor at one time.
#[derive(Clone, Debug)]
pub struct Input {
    /// Now; the only one there is.
    pub as_of: Timestamp,
    /// Since when this collector has been listening to probes without a break. Until each region was heard after it,
    /// or F has passed, nothing is decided.
    pub listening_since: Timestamp,
    /// What is watched.
    pub monitor: MonitorFacts,
    /// The regions that the monitor is assigned to, each once, in any order.
    pub regions: Vec<RegionFacts>,
    /// What the last judgement left; [`Standing::new`] for a monitor never judged.
    pub standing: Standing,
    /// The newest verdict span; `None` before the first.
    pub span: Option<Span>,
    /// The incident that is open.
    pub incident: Option<OpenIncident>,
    /// The incident that a person resolved last.
    pub by_hand: Option<ByHand>,
    /// `confirmed_at` of the incidents confirmed in the last 30 minutes (more do no harm), in any order.
    pub openings: Vec<Timestamp>,
}

impl Input {
    /// What follows from the monitor's interval and timeout.
    pub fn timing(&self) -> Timing {
        Timing { interval: self.monitor.interval, timeout: self.monitor.timeout }
    }
}

/// A monitor as the judge sees it.
#[derive(Clone, Debug)]
pub struct MonitorFacts {
    /// Which one.
    pub id: MonitorId,
    /// Raised by every edit; results of another version carry no vote.
    pub version: u32,
    /// From slot to slot.
    pub interval: Duration,
    /// After which a check is given up.
    pub timeout: Duration,
    /// When it was made.
    pub created_at: Timestamp,
    /// How many regions must agree.
    pub quorum: QuorumRule,
    /// Since when it is paused.
    pub paused_at: Option<Timestamp>,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
    /// The windows of maintenance that run, all as one.
    pub maintenance: Maintenance,
    /// Since when it is judged and tells its members nothing, until somebody releases it.
    pub muted_since: Option<Timestamp>,
    /// Whether members are told when it fails from some regions and is up from elsewhere.
    pub regional: RegionalAlert,
    /// What it depends on.
    pub parents: Vec<Parent>,
}

/// A monitor that another depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Whether it is down, or may be.
    pub fails: bool,
    /// Up to when it was heard, if ever.
    pub heard: Option<Timestamp>,
}

/// The windows of maintenance that a monitor is in, and what follows from them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Maintenance {
    /// Whether one runs.
    pub runs: bool,
    /// Whether one that runs withholds what would be told.
    pub holds_alerts: bool,
    /// Since when those run whose time counts as maintenance.
    pub counts_since: Option<Timestamp>,
    /// When the last of those ended that are over.
    pub counted_until: Option<Timestamp>,
    /// When the next edge is.
    pub changes_at: Option<Timestamp>,
}

/// What members want to know of failures that are no incident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegionalAlert {
    /// Whether they are told.
    pub told: bool,
    /// Until when they are told nothing of it all the same.
    pub muted_until: Option<Timestamp>,
}

/// One assigned region.
#[derive(Clone, Debug)]
pub struct RegionFacts {
    /// Its name.
    pub region: Region,
    /// The autonomous system or provider that it is in.
    pub network: String,
    /// All its slots of this monitor up to this time are delivered or listed as missed; `None` if it never reported.
    pub through: Option<Timestamp>,
    /// Its results; `None` before the first.
    pub result: Option<RegionResult>,
    /// Until when the correlated-failure guard withholds its failures.
    pub hold_until: Option<Timestamp>,
    /// Its probe says now that its own network is bad.
    pub self_check_bad: bool,
}

impl RegionFacts {
    /// Up to when the region is known to have reported.
    pub fn heard(&self) -> Option<Timestamp> {
        self.through.max(self.result.as_ref().map(|result| result.last_at))
    }
}

/// One row of `region_states`: the last result of a region, and how long it has been so.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionResult {
    /// The version of the monitor that was run.
    pub version: u32,
    /// The result; a slot that was missed is unmeasured.
    pub status: Status,
    /// Why it is not up.
    pub failure: Option<FailureFacts>,
    /// The length of the current run of failures, counted to 3; 0 when the last was good.
    pub fails: u8,
    /// The length of the current run of good results, counted to 3; 0 when the last was not good.
    pub oks: u8,
    /// The start of the first check of the current run.
    pub since: Timestamp,
    /// The start of the last check that was recorded here.
    pub last_at: Timestamp,
    /// Why that check ran.
    pub last_trigger: Trigger,
    /// What the probe thought of its own network then.
    pub self_check: SelfCheck,
}

/// What failed, as far as a message needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureFacts {
    /// What kind of failure.
    pub kind: FailureKind,
    /// One sentence for a person.
    pub message: String,
}

/// What one judgement leaves to the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// What the judge holds of the monitor.
    pub state: State,
    /// Since when it is this state.
    pub since: Timestamp,
    /// What is shown beside the state.
    pub overlays: Overlays,
    /// What was told, and since when things are as they are.
    pub memory: Memory,
}

impl Standing {
    /// Of a monitor that was never judged.
    pub fn new(created_at: Timestamp, version: u32) -> Self {
        Self {
            state: State::Pending(Pending::default()),
            since: created_at,
            overlays: Overlays::default(),
            memory: Memory { version, edited_at: created_at, ..Memory::default() },
        }
    }
}

/// What the judge holds of a monitor; each state carries what only it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Not enough was heard yet.
    Pending(Pending),
    /// As it should be.
    Up,
    /// Somebody saw a failure; the others are being asked.
    Suspect(Suspect),
    /// A quorum saw it fail.
    Down,
    /// A quorum sees it good again; not yet for long enough.
    Recovering(Recovering),
    /// Too few regions vote to know.
    Unknown {
        /// What it was before.
        before: Before,
    },
}

impl State {
    /// Its name in tables and messages.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Pending(_) => "pending",
            Self::Up => "up",
            Self::Suspect(_) => "suspect",
            Self::Down => "down",
            Self::Recovering(_) => "recovering",
            Self::Unknown { .. } => "unknown",
        }
    }
}

/// The wait for first data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pending {
    /// How many rounds of first checks were asked for.
    pub round: u32,
    /// When the last one was.
    pub asked_at: Timestamp,
}

/// A suspicion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspect {
    /// The start of the first failing check.
    pub t0: Timestamp,
    /// Only checks started from here on count: `t0`, or when a voter was lost, so that a loss alone never decides.
    pub evidence_from: Timestamp,
    /// Whether the monitor was pending before, not up.
    pub from_pending: bool,
    /// Which round of rechecks this is, from 1.
    pub round: u32,
    /// When the round began.
    pub round_at: Timestamp,
    /// Whether its rechecks were asked for.
    pub round_asked: bool,
    /// When each region was asked last.
    pub asked: BTreeMap<Region, Timestamp>,
    /// Who had a vote at the last judgement.
    pub voters: BTreeSet<Region>,
    /// Who did not answer three rounds and left the vote until it does.
    pub mute: BTreeSet<Region>,
}

/// The way back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovering {
    /// When the quorum was first good.
    pub t1: Timestamp,
    /// When the last round of rechecks was asked for, or the state entered.
    pub round_at: Timestamp,
}

/// What a monitor was before it became unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Before {
    /// Never decided.
    Pending,
    /// Up.
    Up,
    /// Down, its incident open.
    Down,
}

/// What is shown beside the state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Overlays {
    /// A quorum calls it degraded.
    pub degraded: bool,
    /// Where it fails while the others see it up.
    pub regional: BTreeSet<Region>,
    /// It opens and resolves too often to be told each time.
    pub flapping: bool,
    /// A maintenance window is running.
    pub maintenance: bool,
    /// It is paused (or deleted).
    pub paused: bool,
    /// Until when a correlated-failure hold withholds failures.
    pub held_until: Option<Timestamp>,
}

/// What was told, and since when things are as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// The monitor's version at the last judgement.
    pub version: u32,
    /// When that version was first seen.
    pub edited_at: Timestamp,
    /// Results of checks started earlier have no vote (set when a pause ends).
    pub not_before: Timestamp,
    /// Since when too few regions vote.
    pub thin_since: Option<Timestamp>,
    /// When an incident was last opened or resolved.
    pub changed_at: Option<Timestamp>,
    /// The incident that was told as down and not yet as over.
    pub told: Option<Told>,
    /// Who saw it good when the last incident was opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub good_at_open: Option<BTreeSet<Region>>,
    /// When regions were last found to fail while the others see it up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alone_at: Option<Timestamp>,
    /// The regional failure that was told.
    #[serde(rename = "regional_told")]
    pub told_regional: BTreeSet<Region>,
    /// That too few regions vote was told.
    pub told_no_data: bool,
    /// "Never came up" was told, or can no longer be.
    pub told_never_up: bool,
    /// The silent regions that the operator was told of.
    pub told_silent: BTreeSet<Region>,
    /// The regions whose own network is bad, or was told to be.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub networks: BTreeMap<Region, Network>,
}

/// An incident that people know of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Its start, which names it among the monitor's incidents.
    pub started_at: Timestamp,
    /// Its end, once there is one.
    pub over: Option<Over>,
}

/// From when on which verdict holds; it ends where the next begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Its start.
    pub start: Timestamp,
    /// What holds.
    pub verdict: Verdict,
}

/// What was decided for a monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing yet.
    Pending,
    /// Up.
    Up,
    /// Down.
    Down,
    /// Too few regions vote to know.
    Unknown,
    /// A maintenance window is running.
    Maintenance,
    /// Paused or deleted.
    Paused,
}

impl Verdict {
    /// Its name in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Up => "up",
            Self::Down => "down",
            Self::Unknown => "unknown",
            Self::Maintenance => "maintenance",
            Self::Paused => "paused",
        }
    }
}
