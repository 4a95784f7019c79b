//! The lists: which addresses are public. Pure; in comes an address, out goes the first reason against it.
//!
//! IPv4 is public but for a list. Of IPv6 only 2000::/3 is (all that IANA gives out), again but for a list: what lies
//! outside needs no entry (loopback, v4-compatible, NAT64, discard-only, segment routing, unique local, link-local,
//! site-local, multicast).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};

/// Why an address is not public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// `0.0.0.0/8` and `::`: this host.
    Unspecified,
    /// This machine.
    Loopback,
    /// The wire this machine is at.
    LinkLocal,
    /// Where clouds tell a machine its secrets.
    Metadata,
    /// Private and shared networks.
    Private,
    /// Documentation, benchmarks, protocol assignments, the future.
    Reserved,
    /// An IPv4 address in IPv6 clothes.
    Translated,
    /// Groups.
    Multicast,
    /// Everyone.
    Broadcast,
    /// An address of this program or of the machine it runs on.
    Own,
}

type V4 = (Ipv4Addr, u8, Denied);
type V6 = (Ipv6Addr, u8, Denied);

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8, denied: Denied) -> V4 {
    (Ipv4Addr::new(a, b, c, d), length, denied)
}

const fn v6(a: u16, b: u16, c: u16, length: u8, denied: Denied) -> V6 {
    (Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), length, denied)
}

/// Denied IPv4 blocks; the first that holds an address gives the reason.
const V4_DENIED: &[V4] = &[
    v4(169, 254, 169, 254, 32, Denied::Metadata),
    // Azure's host service looks public; Alibaba's metadata lies in the shared block.
    v4(168, 63, 129, 16, 32, Denied::Metadata),
    v4(100, 100, 100, 200, 32, Denied::Metadata),
    v4(0, 0, 0, 0, 8, Denied::Unspecified),
    v4(10, 0, 0, 0, 8, Denied::Private),
    v4(100, 64, 0, 0, 10, Denied::Private),
    v4(127, 0, 0, 0, 8, Denied::Loopback),
    v4(169, 254, 0, 0, 16, Denied::LinkLocal),
    v4(172, 16, 0, 0, 12, Denied::Private),
    v4(192, 0, 0, 0, 24, Denied::Reserved),
    v4(192, 0, 2, 0, 24, Denied::Reserved),
    v4(192, 31, 196, 0, 24, Denied::Reserved),
    v4(192, 52, 193, 0, 24, Denied::Reserved),
    v4(192, 88, 99, 0, 24, Denied::Translated),
    v4(192, 168, 0, 0, 16, Denied::Private),
    v4(192, 175, 48, 0, 24, Denied::Reserved),
    v4(198, 18, 0, 0, 15, Denied::Reserved),
    v4(198, 51, 100, 0, 24, Denied::Reserved),
    v4(203, 0, 113, 0, 24, Denied::Reserved),
    v4(224, 0, 0, 0, 4, Denied::Multicast),
    v4(255, 255, 255, 255, 32, Denied::Broadcast),
    v4(240, 0, 0, 0, 4, Denied::Reserved),
];

/// Denied IPv6 blocks within 2000::/3.
const V6_DENIED: &[V6] = &[
    v6(0x2001, 0, 0, 32, Denied::Translated),
    v6(0x2001, 0, 0, 23, Denied::Reserved),
    v6(0x2001, 0xdb8, 0, 32, Denied::Reserved),
    v6(0x2002, 0, 0, 16, Denied::Translated),
    v6(0x2620, 0x4f, 0x8000, 48, Denied::Reserved),
    v6(0x3fff, 0, 0, 20, Denied::Reserved),
];

/// Reasons for what lies outside 2000::/3; the rest is reserved.
const V6_OUTSIDE: &[V6] = &[
    v6(0xff00, 0, 0, 8, Denied::Multicast),
    v6(0xfe80, 0, 0, 10, Denied::LinkLocal),
    v6(0xfec0, 0, 0, 10, Denied::Private),
    v6(0xfc00, 0, 0, 7, Denied::Private),
    v6(0x64, 0xff9b, 0, 96, Denied::Translated),
    v6(0x64, 0xff9b, 1, 48, Denied::Translated),
];

/// Metadata services in the unique local block: of Amazon and of Google.
const V6_METADATA: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

/// Judges the canonical form of an address: one that maps an IPv4 address is that address.
///
/// # Errors
/// Why the address is not public.
pub fn judge(ip: IpAddr) -> Result<(), Denied> {
    match ip.to_canonical() {
        IpAddr::V4(ip) => V4_DENIED.iter().find(|block| holds_v4(block, ip)).map_or(Ok(()), |block| Err(block.2)),
        IpAddr::V6(ip) => judge_v6(ip),
    }
}

fn judge_v6(ip: Ipv6Addr) -> Result<(), Denied> {
    let list = if ip.segments()[0] & 0xe000 == 0x2000 { V6_DENIED } else { V6_OUTSIDE };
    match list.iter().find(|block| holds_v6(block, ip)) {
        _ if V6_METADATA.contains(&ip) => Err(Denied::Metadata),
        Some(block) => Err(block.2),
        None if list == V6_DENIED => Ok(()),
        None if ip.is_loopback() => Err(Denied::Loopback),
        None if ip.is_unspecified() => Err(Denied::Unspecified),
        // ::/96 is the deprecated v4-compatible form.
        None if ip.segments()[..6].iter().all(|part| *part == 0) => Err(Denied::Translated),
        None => Err(Denied::Reserved),
    }
}

/// The block of loopback or link-local addresses that holds this one.
pub(super) fn block_of(ip: IpAddr) -> Option<IpNet> {
    let (base, length) = match ip {
        IpAddr::V4(v4) if v4.is_loopback() => (Ipv4Addr::new(127, 0, 0, 0).into(), 8),
        IpAddr::V4(_) => (Ipv4Addr::new(169, 254, 0, 0).into(), 16),
        IpAddr::V6(v6) if v6.is_loopback() => (ip, 128),
        IpAddr::V6(_) => (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0).into(), 10),
    };
    IpNet::new(base, length).ok()
}

/// The address to judge: the canonical form, and for one in a NAT64 prefix the IPv4 address in it (RFC 6052).
pub(super) fn embedded(ip: IpAddr, nat64: &[Ipv6Net]) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => match nat64.iter().find(|net| net.contains(&v6)) {
            Some(net) => IpAddr::V4(extract(v6, net.prefix_len())),
            None => IpAddr::V6(v6),
        },
        canonical @ IpAddr::V4(_) => canonical,
    }
}

/// The four bytes after the prefix, but for byte 8, which is always zero; a prefix past /96 counts as /96.
fn extract(ip: Ipv6Addr, prefix: u8) -> Ipv4Addr {
    let bytes = ip.octets();
    let start = usize::from(prefix.min(96) / 8);
    let skip = |n: usize| if start <= 8 && start + n >= 8 { start + n + 1 } else { start + n };
    let at = |n: usize| bytes.get(skip(n)).copied().unwrap_or(0);
    Ipv4Addr::new(at(0), at(1), at(2), at(3))
}

fn holds_v4(&(base, length, _): &V4, ip: Ipv4Addr) -> bool {
    (base.to_bits() ^ ip.to_bits()).checked_shr(32 - u32::from(length)).unwrap_or(0) == 0
}

fn holds_v6(&(base, length, _): &V6, ip: Ipv6Addr) -> bool {
    (base.to_bits() ^ ip.to_bits()).checked_shr(128 - u32::from(length)).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nat64_prefixes_of_every_length_give_the_address_of_rfc_6052() {
        // RFC 6052, section 2.4.
        for (prefix, address) in [
            ("2001:db8::/32", "2001:db8:c000:221::"),
            ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
            ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
            ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
        ] {
            let net: Ipv6Net = prefix.parse().unwrap();
            let ip: IpAddr = address.parse().unwrap();
            assert_eq!(embedded(ip, &[net]), "192.0.2.33".parse::<IpAddr>().unwrap(), "{prefix}");
        }
    }
}
