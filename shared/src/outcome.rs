//! What a check found.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::ids::MonitorId;
use crate::time::Timestamp;

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

/// Why an outcome is not up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// One sentence for a person, without secrets.
    pub message: String,
    /// What was seen, at most [`Evidence::LIMIT`] bytes.
    #[serde(default, skip_serializing_if = "Evidence::is_empty")]
    pub evidence: Evidence,
}

impl Failure {
    /// A failure without evidence.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), evidence: Evidence::default() }
    }

    /// With one more thing that was seen.
    #[must_use]
    pub fn seen(mut self, what: &str, value: &str) -> Self {
        self.evidence.add(what, value);
        self
    }
}

/// What a failed check saw: named texts such as `answer`, `not_after`, `body`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Evidence(BTreeMap<String, String>);

impl Evidence {
    /// Names and values together hold at most this many bytes.
    pub const LIMIT: usize = 4096;

    /// Adds one text; what does not fit is cut off at a character, control characters become spaces.
    pub fn add(&mut self, what: &str, value: &str) {
        let used: usize = self.0.iter().map(|(k, v)| k.len() + v.len()).sum();
        let room = Self::LIMIT.saturating_sub(used + what.len());
        if room == 0 {
            return;
        }
        let clean: String = value.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
        let end = (0..=room.min(clean.len())).rev().find(|&i| clean.is_char_boundary(i)).unwrap_or(0);
        self.0.insert(what.to_owned(), clean[..end].to_owned());
    }

    /// Whether nothing was kept.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Name and value of each thing seen.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// One thing seen.
    pub fn get(&self, what: &str) -> Option<&str> {
        self.0.get(what).map(String::as_str)
    }
}

macro_rules! failure_kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// Every way in which a check can fail; closed, so that each is counted, explained and told apart.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum FailureKind {
            $($(#[$doc])* #[serde(rename = $text)] $name,)+
            /// A kind that this version does not know.
            #[serde(other, rename = "other")]
            Other,
        }

        impl FailureKind {
            /// Every kind this version knows.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Its name on the wire and in tables.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                    Self::Other => "other",
                }
            }
        }
    };
}

failure_kinds! {
    /// The name does not exist (RCODE 3).
    DnsNxdomain = "dns_nxdomain",
    /// The name server failed (RCODE 2).
    DnsServfail = "dns_servfail",
    /// The name server refused (RCODE 5).
    DnsRefused = "dns_refused",
    /// No answer from the name server in time.
    DnsTimeout = "dns_timeout",
    /// The name exists and has no record of that type.
    DnsNoData = "dns_no_data",
    /// The answer does not hold what was expected.
    DnsWrongAnswer = "dns_wrong_answer",
    /// Any other failure to look a name up.
    DnsError = "dns_error",
    /// Nobody listens at the port.
    ConnectRefused = "connect_refused",
    /// No connection in time.
    ConnectTimeout = "connect_timeout",
    /// No way to the network or host.
    ConnectUnreachable = "connect_unreachable",
    /// The connection was cut.
    ConnectReset = "connect_reset",
    /// Any other failure to connect.
    ConnectError = "connect_error",
    /// No handshake in time.
    TlsTimeout = "tls_timeout",
    /// No version or cipher suite in common with this probe.
    TlsNoCommonProtocol = "tls_no_common_protocol",
    /// The handshake failed in another way.
    TlsHandshake = "tls_handshake",
    /// The certificate has ended.
    CertificateExpired = "certificate_expired",
    /// The certificate does not hold yet.
    CertificateNotYetValid = "certificate_not_yet_valid",
    /// The certificate is for other names.
    CertificateWrongName = "certificate_wrong_name",
    /// The certificate is signed by itself.
    CertificateSelfSigned = "certificate_self_signed",
    /// No trusted authority vouches for the certificate.
    CertificateUntrusted = "certificate_untrusted",
    /// The certificate cannot be used in another way.
    CertificateInvalid = "certificate_invalid",
    /// The certificate ends soon (degraded).
    CertificateExpiresSoon = "certificate_expires_soon",
    /// No answer in time.
    HttpTimeout = "http_timeout",
    /// The answer is not HTTP, or broke off.
    HttpProtocol = "http_protocol",
    /// The status is not an accepted one.
    HttpStatus = "http_status",
    /// The body lacks a text.
    HttpTextMissing = "http_text_missing",
    /// The body holds a text that it must not.
    HttpTextForbidden = "http_text_forbidden",
    /// More redirects than allowed.
    HttpTooManyRedirects = "http_too_many_redirects",
    /// A redirect that leads nowhere.
    HttpBadRedirect = "http_bad_redirect",
    /// The answer is larger than a check reads.
    HttpTooLarge = "http_too_large",
    /// The target may not be contacted (unmeasured).
    BlockedByPolicy = "blocked_by_policy",
    /// The probe's own resolver, sockets or memory failed (unmeasured).
    ProbeFault = "probe_fault",
    /// The probe cannot run what was asked (unmeasured).
    Unsupported = "unsupported",
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
    fn evidence_is_bounded_and_clean() {
        let mut evidence = Evidence::default();
        evidence.add("body", &"é\u{1b}".repeat(5000));
        evidence.add("more", "does not fit");
        let size: usize = evidence.iter().map(|(k, v)| k.len() + v.len()).sum();
        assert!(size <= Evidence::LIMIT, "{size}");
        assert!(!evidence.get("body").unwrap().contains('\u{1b}'));
    }

    #[test]
    fn every_failure_kind_survives_the_wire_and_unknown_ones_become_other() {
        for kind in FailureKind::ALL {
            let text = serde_json::to_string(kind).unwrap();
            assert_eq!(text, format!("{:?}", kind.as_str()));
            assert_eq!(serde_json::from_str::<FailureKind>(&text).unwrap(), *kind);
        }
        assert_eq!(serde_json::from_str::<FailureKind>("\"from_the_future\"").unwrap(), FailureKind::Other);
        assert_eq!(serde_json::from_str::<SelfCheck>("\"from_the_future\"").unwrap(), SelfCheck::Unverified);
    }
}
