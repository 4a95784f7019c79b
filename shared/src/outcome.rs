//! What a check found.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::ids::MonitorId;
use crate::time::Timestamp;

pub use crate::failure::{Evidence, Failure, FailureKind};

/// The result of one check, or of a run of identical good ones folded into one.
///
/// It is identified by (monitor, region, `at`, `trigger`); readers keep the first stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// What was watched.
    pub monitor: MonitorId,
    /// The version of the monitor that was run; outcomes of an older version never vote.
    pub version: u32,
    /// Why the check ran.
    pub trigger: Trigger,
    /// The slot of a scheduled check, the start of any other, by the collector's clock.
    pub at: Timestamp,
    /// How long after `at` the check began, in microseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub late_us: u32,
    /// The result.
    pub status: Status,
    /// From the start of the check to its end, in microseconds.
    pub total_us: u32,
    /// Where the time went; the phases of all hops added up.
    #[serde(default)]
    pub phases: Phases,
    /// The address that answered, or that was tried last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The last HTTP status, or the DNS response code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// Why the outcome is not up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The probe's judgement of its own network around a failure.
    #[serde(default, skip_serializing_if = "SelfCheck::is_unverified")]
    pub self_check: SelfCheck,
    /// One record a redirect followed; empty without redirects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hops: Vec<Hop>,
    /// The target's certificate, when it is new to this probe or at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
    /// The records found, when they differ from this probe's last or are at fault; sorted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Vec<String>>,
    /// Present when this stands for several outcomes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<Fold>,
}

/// Why a check ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// Its slot came; only these fill slots.
    Scheduled,
    /// The probe retried its own failure.
    Confirm,
    /// The judge asked.
    Recheck,
    /// A person asked.
    Manual,
    /// A reason that this version does not know.
    #[serde(other)]
    Other,
}

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As it should be.
    Up,
    /// Usable, with something to mend soon.
    Degraded,
    /// Not as it should be.
    Down,
    /// The probe could not tell: its own fault, or the target may not be contacted.
    Unmeasured,
    /// A status that this version does not know; treated as unmeasured.
    #[serde(other)]
    Other,
}

impl Status {
    /// Up or degraded.
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Up | Self::Degraded)
    }

    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Unmeasured => "unmeasured",
            Self::Other => "other",
        }
    }
}

/// Where the time of a check went, in microseconds; a phase that was not reached is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phases {
    /// Looking the name up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolve: Option<u32>,
    /// Opening the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<u32>,
    /// Shaking hands by TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<u32>,
    /// Sending the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send: Option<u32>,
    /// Waiting for the first byte of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<u32>,
    /// Receiving the rest of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receive: Option<u32>,
}

impl Phases {
    /// Name and duration of each phase, in the order in which they happen.
    pub const fn in_order(&self) -> [(&'static str, Option<u32>); 6] {
        [
            ("resolve", self.resolve),
            ("connect", self.connect),
            ("tls", self.tls),
            ("send", self.send),
            ("wait", self.wait),
            ("receive", self.receive),
        ]
    }

    /// Phase by phase, the sum of both.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let add = |a: Option<u32>, b: Option<u32>| match (a, b) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (one, None) | (None, one) => one,
        };
        Self {
            resolve: add(self.resolve, other.resolve),
            connect: add(self.connect, other.connect),
            tls: add(self.tls, other.tls),
            send: add(self.send, other.send),
            wait: add(self.wait, other.wait),
            receive: add(self.receive, other.receive),
        }
    }
}

/// One request that was answered by a redirect, or the last one after redirects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// The URL asked, without query and fragment.
    pub url: String,
    /// The address that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The status that it gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// Where this hop's time went.
    #[serde(default)]
    pub phases: Phases,
}

/// What a probe thinks of its own network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SelfCheck {
    /// Enough reference targets answered.
    Good,
    /// Too few answered: the outcome carries no vote.
    Bad,
    /// No reference targets are configured; counts as good, shown as unverified.
    #[default]
    #[serde(other)]
    Unverified,
}

impl SelfCheck {
    /// Whether a failure seen with this may vote.
    pub const fn may_vote(self) -> bool {
        !matches!(self, Self::Bad)
    }

    /// Whether nothing was checked.
    pub fn is_unverified(&self) -> bool {
        *self == Self::Unverified
    }

    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Unverified => "unverified",
        }
    }
}

/// A certificate as a target showed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// SHA-256 of the leaf's DER form, in lower-case hexadecimal.
    pub fingerprint: String,
    /// The leaf's subject (RFC 4514).
    pub subject: String,
    /// The leaf's issuer (RFC 4514).
    pub issuer: String,
    /// The names it is for, at most 50.
    pub names: Vec<String>,
    /// From when it holds.
    pub not_before: Timestamp,
    /// Until when it holds.
    pub not_after: Timestamp,
    /// The chain as sent, DER in base64, leaf first; only when the fingerprint is new to this probe.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<String>,
}

/// A run of identical good outcomes as one: the first is the outcome itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fold {
    /// The slot of the last.
    pub last: Timestamp,
    /// How many there are, 2 at least.
    pub count: u32,
    /// The shortest total, in microseconds.
    pub min_us: u32,
    /// The mean total, in microseconds.
    pub avg_us: u32,
    /// The longest total, in microseconds.
    pub max_us: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_self_check_is_unverified() {
        assert_eq!(serde_json::from_str::<SelfCheck>("\"from_the_future\"").unwrap(), SelfCheck::Unverified);
    }
}
