//! What many outages that are told together have in common: one address, network, certificate, domain or region. A hint for people, never a
//! reason to keep something from them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use picket_shared::outcome::FailureKind;

/// So many have it in common, at least.
pub const LEAST: usize = 3;
/// Networks are as large as what one provider routes as one: <https://www.rfc-editor.org/rfc/rfc6177> for a site by IPv6.
const V4_BITS: u8 = 24;
const V6_BITS: u8 = 48;

/// What was seen of an outage.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The address that was asked.
    pub address: Option<IpAddr>,
    /// The fingerprint of the certificate that was shown.
    pub certificate: Option<&'a str>,
    /// The name of the host.
    pub host: &'a str,
    /// What failed.
    pub failure: FailureKind,
    /// From where it failed, sorted.
    pub regions: &'a [&'a str],
    /// Whether it is good from elsewhere.
    pub elsewhere_good: bool,
}

/// What outages have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A certificate is at fault, by its fingerprint.
    Certificate(String),
    /// One address.
    Address(IpAddr),
    /// Names below one domain are not found: its nameservers.
    Domain(String),
    /// One network.
    Network(IpNet),
    /// They fail from the same regions alone.
    Regions(String),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(fingerprint) => {
                write!(f, "the certificate {}", fingerprint.get(..16).unwrap_or(fingerprint))
            }
            Self::Address(address) => write!(f, "the address {address}"),
            Self::Domain(domain) => write!(f, "the nameservers of {domain}"),
            Self::Network(network) => write!(f, "the network {network}"),
            Self::Regions(regions) => write!(f, "checks from {regions} alone"),
        }
    }
}

/// What most of these have in common, and how many do: [`LEAST`] and half of them at least. Of several the one that is most to the
/// point: of as many, a certificate rather than an address, that rather than a network.
pub fn shared(seen: &[Seen<'_>]) -> Option<(Cause, usize)> {
    let mut counts: BTreeMap<Cause, usize> = BTreeMap::new();
    for one in seen {
        for cause in causes(one) {
            *counts.entry(cause).or_default() += 1;
        }
    }
    // The first of the greatest: causes sort by how much to the point they are.
    let most = counts.values().copied().max()?;
    let (cause, count) = counts.into_iter().find(|(_, count)| *count == most)?;
    (count >= LEAST && count * 2 >= seen.len()).then_some((cause, count))
}

fn causes(seen: &Seen<'_>) -> Vec<Cause> {
    let mut causes = Vec::new();
    if seen.failure.as_str().starts_with("certificate_") {
        causes.extend(seen.certificate.map(|fingerprint| Cause::Certificate(fingerprint.to_owned())));
    }
    if seen.failure.as_str().starts_with("dns_") {
        causes.extend(domain(seen.host).map(Cause::Domain));
    }
    if let Some(address) = seen.address {
        causes.extend([Cause::Address(address), Cause::Network(network(address))]);
    }
    if seen.elsewhere_good && !seen.regions.is_empty() {
        causes.push(Cause::Regions(seen.regions.join(", ")));
    }
    causes
}

/// The last two labels: who owns a name is not to be known from it alone, and this is a hint.
fn domain(host: &str) -> Option<String> {
    let labels: Vec<&str> = host.trim_end_matches('.').split('.').filter(|label| !label.is_empty()).collect();
    let from = labels.len().checked_sub(2)?;
    Some(labels[from..].join(".").to_ascii_lowercase())
}

fn network(address: IpAddr) -> IpNet {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpNet::V4(Ipv4Net::new_assert(v4, V4_BITS).trunc()),
        IpAddr::V6(v6) => IpNet::V6(Ipv6Net::new_assert(v6, V6_BITS).trunc()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen<'a>(address: &str, host: &'a str, failure: FailureKind) -> Seen<'a> {
        let address = address.parse().ok();
        Seen {
            address,
            certificate: Some("abcdef0123456789abcdef"),
            host,
            failure,
            regions: &[],
            elsewhere_good: false,
        }
    }

    fn said(seen: &[Seen<'_>]) -> Option<String> {
        shared(seen).map(|(cause, count)| format!("{count} of {}: {cause}", seen.len()))
    }

    #[test]
    fn what_is_most_to_the_point_of_what_most_share_is_named() {
        let refused = |address| seen(address, "a.example.org", FailureKind::ConnectRefused);
        let one = [refused("192.0.2.7"), refused("192.0.2.7"), refused("192.0.2.7"), refused("198.51.100.1")];
        assert_eq!(said(&one).as_deref(), Some("3 of 4: the address 192.0.2.7"));
        let network = [refused("192.0.2.7"), refused("192.0.2.8"), refused("192.0.2.200")];
        assert_eq!(said(&network).as_deref(), Some("3 of 3: the network 192.0.2.0/24"));
        let v6 = [refused("2001:db8:1::1"), refused("2001:db8:1:2::1"), refused("2001:db8:1:ffff::1")];
        assert_eq!(said(&v6).as_deref(), Some("3 of 3: the network 2001:db8:1::/48"));
        // More are of the network than of the address.
        let wider = [refused("192.0.2.7"), refused("192.0.2.7"), refused("192.0.2.7"), refused("192.0.2.8")];
        assert_eq!(said(&wider).as_deref(), Some("4 of 4: the network 192.0.2.0/24"));
    }

    #[test]
    fn certificates_and_nameservers_count_where_they_are_at_fault() {
        let expired = |host| seen("192.0.2.7", host, FailureKind::CertificateExpired);
        let expired = [expired("a.example.org"), expired("b.example.org"), expired("c.example.org")];
        assert_eq!(said(&expired).as_deref(), Some("3 of 3: the certificate abcdef0123456789"));
        let lost = |host| seen("", host, FailureKind::DnsServfail);
        let lost = [lost("a.example.org"), lost("B.Example.org."), lost("example.org"), lost("a.example.net")];
        assert_eq!(said(&lost).as_deref(), Some("3 of 4: the nameservers of example.org"));
    }

    #[test]
    fn regions_count_where_it_is_good_from_elsewhere() {
        let from = |regions, elsewhere_good| Seen {
            regions,
            elsewhere_good,
            ..seen("", "a.example.org", FailureKind::ConnectTimeout)
        };
        let partly = [from(&["eu-1", "eu-2"][..], true), from(&["eu-1", "eu-2"], true), from(&["eu-1", "eu-2"], true)];
        assert_eq!(said(&partly).as_deref(), Some("3 of 3: checks from eu-1, eu-2 alone"));
        let everywhere = [from(&["eu-1"][..], false), from(&["eu-1"], false), from(&["eu-1"], false)];
        assert_eq!(said(&everywhere), None);
    }

    #[test]
    fn two_or_less_than_half_share_nothing() {
        let refused = |address| seen(address, "", FailureKind::ConnectRefused);
        assert_eq!(said(&[]), None);
        assert_eq!(said(&[refused("192.0.2.7"), refused("192.0.2.7")]), None);
        let few: Vec<_> = (0..7).map(|n| refused(["192.0.2.7", "a"][usize::from(n >= 3)])).collect();
        assert_eq!(said(&few), None);
    }
}
