//! What a probe sends and what the collector answers.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::check::Kind;
use crate::ids::{BatchId, MonitorId};
use crate::outcome::{Outcome, SelfCheck};
use crate::time::Timestamp;

/// Most outcomes in one batch.
pub const MAX_OUTCOMES: usize = 1000;
/// Largest body of a batch as sent (compressed), in bytes.
pub const MAX_BODY: usize = 256 * 1024;
/// Largest body of a batch after decompression, in bytes.
pub const MAX_DECOMPRESSED: usize = 8 * 1024 * 1024;
/// A batch older than this is refused and becomes a gap.
pub const MAX_AGE: Duration = Duration::from_secs(72 * 3600);

/// The body of `POST /probe/v1/batches`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// This start of the probe accounts for slots after this time: those before are another start's, or nobody's. From a
    /// probe that does not say, after its hello.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// All slots up to this time are delivered (here or earlier) or listed as missed.
    pub through: Timestamp,
    /// What the checks found, in no particular order.
    #[serde(default)]
    pub outcomes: Vec<Outcome>,
    /// Slots without an outcome.
    #[serde(default)]
    pub missed: Vec<Missed>,
    /// How the probe is.
    pub report: Report,
}

/// A range of slots of one monitor without an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// Whose slots.
    pub monitor: MonitorId,
    /// The first slot missed.
    pub from: Timestamp,
    /// The last slot missed.
    pub to: Timestamp,
    /// How many.
    pub count: u32,
    /// Why.
    pub reason: GapReason,
}

/// Why slots have no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The probe did not report.
    ProbeOffline,
    /// The probe's buffer was full.
    BufferOverflow,
    /// The probe could not run the check in its slot.
    NotScheduled,
    /// The probe's own network was bad.
    SelfCheckFailed,
    /// The collector did not run, or could not look.
    CollectorDown,
    /// The monitor was paused.
    Paused,
    /// The batch was older than [`MAX_AGE`] when it came.
    TooOld,
    /// The collector's clock was set forwards over them.
    ClockSet,
    /// A reason that this version does not know.
    #[serde(other)]
    Other,
}

impl GapReason {
    /// Its name on the wire and in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProbeOffline => "probe_offline",
            Self::BufferOverflow => "buffer_overflow",
            Self::NotScheduled => "not_scheduled",
            Self::SelfCheckFailed => "self_check_failed",
            Self::CollectorDown => "collector_down",
            Self::Paused => "paused",
            Self::TooOld => "too_old",
            Self::ClockSet => "clock_set",
            Self::Other => "other",
        }
    }
}

/// How a probe is, with every batch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The probe's version.
    pub version: String,
    /// The kinds of check that it can run.
    #[serde(default)]
    pub kinds: Vec<Kind>,
    /// The version of the assignments that it runs.
    #[serde(default)]
    pub assignments: u64,
    /// How many monitors it runs.
    #[serde(default)]
    pub monitors: u32,
    /// Its clock minus the collector's, in microseconds; absent until measured.
    #[serde(default)]
    pub clock_offset_us: Option<i64>,
    /// Its own network over IPv4.
    #[serde(default)]
    pub ipv4: SelfCheck,
    /// Its own network over IPv6.
    #[serde(default)]
    pub ipv6: SelfCheck,
    /// Its own resolver.
    #[serde(default)]
    pub dns: SelfCheck,
    /// What the kernel enforces on it.
    #[serde(default)]
    pub confinement: Confinement,
    /// Bytes in its buffer.
    #[serde(default)]
    pub buffered_bytes: u64,
    /// Outcomes dropped since it started, by reason.
    #[serde(default)]
    pub dropped: BTreeMap<String, u64>,
    /// The 99th percentile of lateness of the checks in this batch, in microseconds.
    #[serde(default)]
    pub late_p99_us: u32,
}

/// What the kernel enforces on a probe; every `false` weakens the promise that it writes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// The Landlock ABI in force, 0 for none.
    #[serde(default)]
    pub landlock_abi: u32,
    /// A seccomp filter is in force on every thread.
    #[serde(default)]
    pub seccomp: bool,
    /// No new privileges can be gained.
    #[serde(default)]
    pub no_new_privileges: bool,
    /// No core dump can be written, and no other process of the user can read the memory.
    #[serde(default)]
    pub no_core_dumps: bool,
}

/// The answer to a batch; the same for every repetition of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Which batch.
    pub batch: BatchId,
    /// Outcomes stored.
    pub accepted: u32,
    /// Outcomes refused one by one; sending them again does not help.
    #[serde(default)]
    pub rejected: Vec<Rejected>,
}

/// An outcome that was not stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Its place in the batch, from 0.
    pub index: u32,
    /// Why.
    pub reason: RejectReason,
}

/// Why an outcome was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectReason {
    /// The monitor is not this probe's, or does not exist.
    NotAssigned,
    /// The time lies more than [`MAX_AGE`] back.
    TooOld,
    /// The time lies ahead of the collector's clock.
    InTheFuture,
    /// A field cannot be.
    Malformed,
    /// A reason that this version does not know.
    #[serde(other)]
    Other,
}
