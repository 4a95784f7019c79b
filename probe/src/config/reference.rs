//! Reference targets of the self-check: `tcp://HOST:PORT`, `https://HOST/`, `dns:NAME@SERVER`.

use std::net::{IpAddr, SocketAddr};

use picket_shared::check::{CheckSpec, DnsMatch, DnsSpec, HttpSpec, RecordType, StatusRange, TcpSpec};
use url::Url;

use super::{ConfigError, bad};

/// One target whose answer says that the probe's own network is good.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// What it stands for.
    pub over: Over,
    /// What to ask.
    pub spec: CheckSpec,
}

/// What a reference target stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// A question to a name server.
    Dns,
    /// A name, reached over whatever answers.
    Either,
}

/// A reference target of the self-check.
pub(super) fn parse(text: &str) -> Result<Reference, ConfigError> {
    const KEY: &str = "self_check.targets";
    let wrong = || bad(KEY, format!("{text:?} is none: use tcp://HOST:PORT, https://HOST/ or dns:NAME@SERVER"));
    if let Some(question) = text.strip_prefix("dns:") {
        let (name, server) = question.split_once('@').map_or((question, None), |(name, server)| (name, Some(server)));
        let mut spec = DnsSpec {
            name: name.to_owned(),
            record: RecordType::A,
            server: None,
            port: 53,
            expect: Vec::new(),
            matching: DnsMatch::All,
        };
        if let Some(server) = server {
            (spec.server, spec.port) = host_and_port(server, Some(53)).map(|(h, p)| (Some(h), p)).ok_or_else(wrong)?;
        }
        return valid(KEY, Reference { over: Over::Dns, spec: CheckSpec::Dns(spec) });
    }
    if let Some(rest) = text.strip_prefix("tcp://") {
        let (host, port) = host_and_port(rest, None).ok_or_else(wrong)?;
        return valid(KEY, Reference { over: over(&host), spec: CheckSpec::Tcp(TcpSpec { host, port }) });
    }
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https")).ok_or_else(wrong)?;
    let over = over(url.host_str().unwrap_or_default().trim_matches(['[', ']']));
    // Any answer shows that the network is good, whatever the page thinks of the question.
    let any = vec![StatusRange { from: 100, to: 599 }];
    let spec = HttpSpec { max_redirects: 0, accept_status: any, ..HttpSpec::get(text) };
    valid(KEY, Reference { over, spec: CheckSpec::Http(spec) })
}

fn valid(key: &'static str, reference: Reference) -> Result<Reference, ConfigError> {
    reference.spec.validate().map_err(|error| bad(key, error.to_string()))?;
    Ok(reference)
}

fn over(host: &str) -> Over {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => Over::Ipv4,
        Ok(IpAddr::V6(_)) => Over::Ipv6,
        Err(_) => Over::Either,
    }
}

fn host_and_port(text: &str, default: Option<u16>) -> Option<(String, u16)> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return default.map(|port| (address.to_string(), port));
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some((address.ip().to_string(), address.port()));
    }
    match text.rsplit_once(':') {
        Some((host, port)) => Some((host.to_owned(), port.parse().ok()?)),
        None => default.map(|port| (text.to_owned(), port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_targets_say_what_they_stand_for() {
        for (text, over) in [
            ("tcp://192.0.2.1:443", Over::Ipv4),
            ("tcp://[2001:db8::1]:443", Over::Ipv6),
            ("https://example.org/", Over::Either),
            ("https://[2001:db8::1]/", Over::Ipv6),
            ("dns:example.org", Over::Dns),
            ("dns:example.org@192.0.2.53", Over::Dns),
            ("dns:example.org@[::1]:5353", Over::Dns),
        ] {
            assert_eq!(parse(text).map(|r| r.over).ok(), Some(over), "{text}");
        }
        for bad in ["", "example.org", "tcp://example.org", "dns:", "ftp://x/", "tcp://h:0"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
