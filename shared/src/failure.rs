//! Every way in which a check can fail, and what was seen of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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
    }
}
