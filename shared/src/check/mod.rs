//! What to ask of a target: one kind of check a file, with its wire form and its validation.

mod dns;
mod http;
mod tcp;
mod tls;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use dns::{DnsMatch, DnsSpec, RecordType};
pub use http::{HttpAuth, HttpSpec, StatusRange};
pub use tcp::TcpSpec;
pub use tls::TlsSpec;

/// What one monitor asks, of one kind. On the wire an object with `kind` as its tag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CheckSpec {
    /// Ask a web server and judge its answer.
    Http(HttpSpec),
    /// Ask a name server and judge its answer.
    Dns(DnsSpec),
    /// Shake hands by TLS and judge the certificate.
    Tls(TlsSpec),
    /// Open a TCP connection.
    Tcp(TcpSpec),
    /// A kind that this version does not know; it is never run.
    #[serde(other)]
    Other,
}

/// The kinds of check, as announced by probes and named in commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// See [`HttpSpec`].
    Http,
    /// See [`DnsSpec`].
    Dns,
    /// See [`TlsSpec`].
    Tls,
    /// See [`TcpSpec`].
    Tcp,
    /// A kind that this version does not know.
    #[serde(other)]
    Other,
}

impl Kind {
    /// Every kind this version can run.
    pub const ALL: [Self; 4] = [Self::Http, Self::Dns, Self::Tls, Self::Tcp];

    /// Its name on the wire, in tables and in commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Tcp => "tcp",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = InvalidSpec;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
            InvalidSpec::new("kind", format!("{text:?} is not a kind of check: use http, dns, tls or tcp"))
        })
    }
}

/// Whether the certificate of a target must be good. Off is shown wherever the monitor is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verify {
    /// Chain, name and dates must be good.
    #[default]
    On,
    /// Anything is accepted; the outcome says that nothing was verified.
    Off,
}

impl Verify {
    /// Whether this is the default.
    pub fn is_on(&self) -> bool {
        *self == Self::On
    }
}

/// A field of a specification that cannot be, with what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct InvalidSpec {
    /// The field at fault, as on the wire.
    pub field: &'static str,
    /// What is wrong and what would be right.
    pub message: String,
}

impl InvalidSpec {
    /// An error for `field`.
    pub fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into() }
    }
}

impl CheckSpec {
    /// The kind of this check.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Http(_) => Kind::Http,
            Self::Dns(_) => Kind::Dns,
            Self::Tls(_) => Kind::Tls,
            Self::Tcp(_) => Kind::Tcp,
            Self::Other => Kind::Other,
        }
    }

    /// What is watched, for a person: a URL, a name with record type, host and port.
    pub fn target(&self) -> String {
        match self {
            Self::Http(spec) => spec.url.clone(),
            Self::Dns(spec) => spec.target(),
            Self::Tls(spec) => spec.target(),
            Self::Tcp(spec) => spec.target(),
            Self::Other => String::new(),
        }
    }

    /// Checks every field; the collector calls it before storing, the probe before running.
    ///
    /// # Errors
    /// The first field that cannot be, with what would be right.
    pub fn validate(&self) -> Result<(), InvalidSpec> {
        match self {
            Self::Http(spec) => spec.validate(),
            Self::Dns(spec) => spec.validate(),
            Self::Tls(spec) => spec.validate(),
            Self::Tcp(spec) => spec.validate(),
            Self::Other => Err(InvalidSpec::new("kind", "this version does not know this kind of check")),
        }
    }

    /// Whether the target's certificate is not verified.
    pub fn is_unverified(&self) -> bool {
        match self {
            Self::Http(spec) => !spec.verify.is_on(),
            Self::Tls(spec) => !spec.verify.is_on(),
            Self::Dns(_) | Self::Tcp(_) | Self::Other => false,
        }
    }
}

/// A host as typed: a name or an IP address, 1 to 253 bytes, no spaces or control characters.
fn validate_host(field: &'static str, host: &str) -> Result<(), InvalidSpec> {
    let plain = host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':'));
    if host.is_empty() || host.len() > 253 || !plain {
        return Err(InvalidSpec::new(
            field,
            format!("{host:?} is not a host: use a name such as example.org or an IP address"),
        ));
    }
    Ok(())
}

fn validate_port(field: &'static str, port: u16) -> Result<(), InvalidSpec> {
    if port == 0 { Err(InvalidSpec::new(field, "0 is not a port: use 1 to 65535")) } else { Ok(()) }
}

/// `host:port`, an IPv6 address in brackets.
fn host_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
