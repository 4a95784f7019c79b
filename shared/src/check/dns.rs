//! The dns kind: one question to one name server, and what the answer must be.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{InvalidSpec, host_port, validate_host, validate_port};

/// One DNS check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsSpec {
    /// The name to ask for; taken as absolute.
    pub name: String,
    /// The record type to ask for.
    #[serde(default)]
    pub record: RecordType,
    /// The name server to ask (a name or an address); the probe's own resolver if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The port of `server`.
    #[serde(default = "port", skip_serializing_if = "is_port")]
    pub port: u16,
    /// What the answer must hold, in presentation form (RFC 1035 section 5.1); any answer will do if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<String>,
    /// How `expect` is compared with the answer.
    #[serde(default)]
    pub matching: DnsMatch,
}

/// How the expected records are compared with those found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DnsMatch {
    /// Every expected record is in the answer; further ones do not matter.
    #[default]
    All,
    /// At least one expected record is in the answer.
    Any,
    /// The answer is the expected set, no more and no less.
    Exact,
}

/// The record types that can be asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names are those of the standards")]
pub enum RecordType {
    #[default]
    A,
    Aaaa,
    Caa,
    Cname,
    Mx,
    Ns,
    Ptr,
    Soa,
    Srv,
    Txt,
}

impl RecordType {
    /// Every type, by name.
    pub const ALL: [Self; 10] =
        [Self::A, Self::Aaaa, Self::Caa, Self::Cname, Self::Mx, Self::Ns, Self::Ptr, Self::Soa, Self::Srv, Self::Txt];

    /// The type's mnemonic.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Caa => "CAA",
            Self::Cname => "CNAME",
            Self::Mx => "MX",
            Self::Ns => "NS",
            Self::Ptr => "PTR",
            Self::Soa => "SOA",
            Self::Srv => "SRV",
            Self::Txt => "TXT",
        }
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RecordType {
    type Err = InvalidSpec;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|record| record.as_str().eq_ignore_ascii_case(text)).ok_or_else(|| {
            InvalidSpec::new("record", format!("{text:?} is not a record type that can be asked for: use A, AAAA, CAA, CNAME, MX, NS, PTR, SOA, SRV or TXT"))
        })
    }
}

impl DnsSpec {
    /// Asks the probe's own resolver for `record` of `name`; any answer is good.
    pub fn ask(name: impl Into<String>, record: RecordType) -> Self {
        Self { name: name.into(), record, server: None, port: port(), expect: Vec::new(), matching: DnsMatch::All }
    }

    pub(super) fn target(&self) -> String {
        match &self.server {
            Some(server) => format!("{} {} @{}", self.name, self.record, host_port(server, self.port)),
            None => format!("{} {}", self.name, self.record),
        }
    }

    pub(super) fn validate(&self) -> Result<(), InvalidSpec> {
        validate_host("name", self.name.trim_end_matches('.'))?;
        if let Some(server) = &self.server {
            validate_host("server", server)?;
        }
        validate_port("port", self.port)?;
        if self.expect.len() > 50 || self.expect.iter().any(|text| text.is_empty() || text.len() > 1024) {
            return Err(InvalidSpec::new("expect", "at most 50 records of 1 to 1024 bytes"));
        }
        Ok(())
    }
}

const fn port() -> u16 {
    53
}

const fn is_port(port: &u16) -> bool {
    *port == 53
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_alone_is_enough_and_says_what_it_asks() {
        let mut spec = DnsSpec::ask("example.org", RecordType::Mx);
        assert_eq!((spec.validate(), spec.target()), (Ok(()), "example.org MX".to_owned()));
        spec.server = Some("2001:db8::1".to_owned());
        assert_eq!(spec.target(), "example.org MX @[2001:db8::1]:53");
    }

    #[test]
    fn names_with_spaces_are_refused() {
        assert_eq!(DnsSpec::ask("a b", RecordType::A).validate().map_err(|e| e.field), Err("name"));
    }
}
