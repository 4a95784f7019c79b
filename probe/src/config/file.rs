//! The keys of the file, section by section, with their defaults.

use std::path::PathBuf;

use ipnet::{IpNet, Ipv6Net};
use serde::Deserialize;

/// The file as written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct File {
    /// Where the collector is; the enrolment token knows it otherwise.
    pub collector_url: Option<String>,
    /// Certificates (PEM) of further authorities to trust for the collector.
    pub ca_file: Option<PathBuf>,
    /// SHA-256 of the collector's own authority, in hexadecimal; nothing else is trusted then.
    pub pin: Option<String>,
    /// A file with the enrolment token.
    pub token_file: Option<PathBuf>,
    /// Named in the User-Agent of every check, so that a target's owner can ask.
    pub contact_url: Option<String>,
    /// Certificates (PEM) of further authorities to trust in checks.
    pub extra_ca_file: Option<PathBuf>,
    /// Name servers to use instead of the machine's.
    pub resolvers: Vec<String>,
    /// Which private addresses checks may reach.
    pub egress: Egress,
    /// How the probe finds out whether its own network is good.
    pub self_check: SelfCheckSection,
    /// What is kept while the collector is away.
    pub buffer: BufferSection,
    /// How the collector is reached.
    pub outbound: Outbound,
    /// How much runs at once.
    pub limits: Limits,
    /// What is logged.
    pub log: Log,
}

/// `[egress]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Egress {
    /// Ranges that checks may reach although they are not public.
    pub allow: Vec<IpNet>,
    /// The network's own NAT64 prefix, whose addresses are judged by the IPv4 address inside.
    pub nat64: Option<Ipv6Net>,
}

/// `[self_check]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SelfCheckSection {
    /// Reference targets: `tcp://HOST:PORT`, `https://HOST/`, `dns:NAME@SERVER`.
    pub targets: Vec<String>,
    /// Seconds from one self-check to the next.
    pub period_s: u64,
}

impl Default for SelfCheckSection {
    fn default() -> Self {
        Self { targets: Vec::new(), period_s: 10 }
    }
}

/// `[buffer]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BufferSection {
    /// Most memory for outcomes that are not delivered yet, in MiB.
    pub limit_mib: usize,
}

impl Default for BufferSection {
    fn default() -> Self {
        Self { limit_mib: 64 }
    }
}

/// `[outbound]`: from the probe to the collector only, never for checks.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outbound {
    /// An HTTP proxy such as `http://proxy.example:3128`.
    pub proxy: Option<String>,
    /// Hosts that are reached without it, comma-separated.
    pub no_proxy: Option<String>,
}

/// `[limits]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Most checks at once.
    pub concurrency: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { concurrency: 512 }
    }
}

/// `[log]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// What is worth a line.
    pub level: LogLevel,
    /// How a line looks.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: LogLevel::Info, format: LogFormat::Text }
    }
}

/// What is worth a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}
