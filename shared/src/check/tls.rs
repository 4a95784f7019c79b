//! The tls kind: one handshake, and what the certificate must be.

use serde::{Deserialize, Serialize};

use super::http::validate_extra_ca;
use super::{InvalidSpec, Verify, host_port, validate_host, validate_port};

/// One TLS check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsSpec {
    /// Where to connect: a name or an address.
    pub host: String,
    /// The port to connect to.
    #[serde(default = "port", skip_serializing_if = "is_port")]
    pub port: u16,
    /// The name asked for by SNI and expected in the certificate; `host` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// Fewer days than this before the certificate ends make the outcome degraded; 0 turns that off.
    #[serde(default = "days", skip_serializing_if = "is_days")]
    pub min_days_left: u16,
    /// Whether the certificate must be good.
    #[serde(default, skip_serializing_if = "Verify::is_on")]
    pub verify: Verify,
    /// Certificates (PEM) of further authorities to trust for this monitor, at most 32 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_ca: Option<String>,
}

impl TlsSpec {
    /// A handshake with `host`, every default.
    pub fn connect(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port, server_name: None, min_days_left: days(), verify: Verify::On, extra_ca: None }
    }

    pub(super) fn target(&self) -> String {
        host_port(&self.host, self.port)
    }

    pub(super) fn validate(&self) -> Result<(), InvalidSpec> {
        validate_host("host", &self.host)?;
        validate_port("port", self.port)?;
        if let Some(name) = &self.server_name {
            validate_host("server_name", name)?;
        }
        validate_extra_ca(self.extra_ca.as_deref())
    }
}

const fn port() -> u16 {
    443
}

const fn is_port(port: &u16) -> bool {
    *port == 443
}

const fn days() -> u16 {
    14
}

const fn is_days(days: &u16) -> bool {
    *days == 14
}
