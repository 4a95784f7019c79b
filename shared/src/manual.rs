//! Manual checks: what a person wants checked now, once, and what it found. They belong to no monitor's history: they
//! fill no slot, never vote, and are worth nothing when they come too late.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::check::CheckSpec;
use crate::ids::ManualId;
use crate::outcome::{Certificate, Evidence, Failure, Hop, Phases, SelfCheck, Status};
use crate::time::Timestamp;

/// Largest body of an answer as sent (compressed), in bytes.
pub const MAX_BODY: usize = 64 * 1024;
/// Largest JSON of an outcome, in bytes.
pub const MAX_OUTCOME: usize = 60 * 1024;

/// Somebody waits this long for an answer, and no longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// A check with a long timeout is waited for so much longer than that.
const ON_THE_WAY: Duration = Duration::from_secs(15);

/// How long after it was asked a manual check is worth an answer.
pub fn life(timeout: Duration) -> Duration {
    PATIENCE.max(timeout + ON_THE_WAY)
}

/// A check that a person wants now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ManualCheck {
    /// What was asked; repeated in the answer.
    pub id: ManualId,
    /// What to ask of the target.
    pub check: CheckSpec,
    /// Milliseconds after which the check is given up.
    pub timeout_ms: u32,
    /// Until when an answer is waited for.
    pub until: Timestamp,
}

impl ManualCheck {
    /// After which the check is given up.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(u64::from(self.timeout_ms))
    }
}

/// What a manual check found: an outcome without a monitor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ManualOutcome {
    /// When the check began, by the collector's clock.
    pub at: Timestamp,
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
    /// The probe's last judgement of its own network.
    #[serde(default, skip_serializing_if = "SelfCheck::is_unverified")]
    pub self_check: SelfCheck,
    /// One record a redirect followed; empty without redirects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hops: Vec<Hop>,
    /// The target's certificate, without its chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
    /// The records found, sorted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Vec<String>>,
}

impl ManualOutcome {
    /// Leaves out what can be done without until the rest is small enough to be taken: the chain always, then the records,
    /// the redirects, the certificate, the evidence.
    #[must_use]
    pub fn fitted(mut self) -> Self {
        let steps: [fn(&mut Self); 4] = [
            |outcome| outcome.answers = None,
            |outcome| outcome.hops.clear(),
            |outcome| outcome.certificate = None,
            |outcome| {
                if let Some(failure) = &mut outcome.failure {
                    failure.evidence = Evidence::default();
                    failure.message = failure.message.chars().take(500).collect();
                }
            },
        ];
        if let Some(certificate) = &mut self.certificate {
            certificate.chain.clear();
        }
        for step in steps {
            if serde_json::to_vec(&self).is_ok_and(|json| json.len() <= MAX_OUTCOME) {
                break;
            }
            step(&mut self);
        }
        self
    }
}

/// The body of `POST /probe/v1/manual`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ManualAnswer {
    /// What was asked.
    pub id: ManualId,
    /// What was found.
    pub outcome: ManualOutcome,
}

/// The answer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManualReceipt {
    /// What was asked.
    pub id: ManualId,
    /// Why the answer was not taken; sending it again does not help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<ManualReject>,
}

/// Why an answer was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ManualReject {
    /// This probe was not asked.
    NotAsked,
    /// It was answered before.
    Answered,
    /// Nobody waits for it any more.
    Expired,
    /// A field cannot be.
    Malformed,
    /// A reason that this version does not know.
    #[serde(other)]
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

    fn outcome(answers: usize) -> ManualOutcome {
        ManualOutcome {
            at: Timestamp::from_seconds(1),
            status: Status::Down,
            total_us: 1,
            phases: Phases::default(),
            address: None,
            code: Some(0),
            failure: Some(Failure::new(FailureKind::DnsWrongAnswer, "wrong").seen("answer", "192.0.2.1")),
            self_check: SelfCheck::Good,
            hops: Vec::new(),
            certificate: None,
            answers: Some(vec!["x".repeat(1000); answers]),
        }
    }

    #[test]
    fn what_is_too_large_loses_what_can_be_done_without_and_nothing_else() {
        assert_eq!(outcome(3).fitted(), outcome(3));
        let fitted = outcome(100).fitted();
        assert_eq!(fitted, ManualOutcome { answers: None, ..outcome(100) });
    }

    #[test]
    fn a_long_timeout_is_waited_for() {
        assert_eq!(life(Duration::from_secs(10)), Duration::from_secs(60));
        assert_eq!(life(Duration::from_secs(120)), Duration::from_secs(135));
    }
}
