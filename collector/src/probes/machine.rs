//! What this machine is called from outside: its addresses and its name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// How this machine can be reached, as far as it knows itself.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// The addresses of its interfaces, without loopback and without those of a single link.
    pub addresses: Vec<IpAddr>,
    /// The address by which it goes out.
    pub routed: Option<IpAddr>,
    /// Its name.
    pub name: Option<String>,
}

impl Machine {
    /// Looks.
    pub fn look() -> Self {
        let mut addresses = own_addresses();
        addresses.retain(|address| !is_link_local(*address));
        Self { addresses, routed: routed(), name: hostname() }
    }

    /// The host that others most likely reach it by, and whether that is only inside a private network: a public
    /// address, else the one by which it goes out, else any, else its name.
    pub fn host(&self) -> Option<(String, bool)> {
        let v4 = |address: &&IpAddr| address.is_ipv4();
        let public = || self.addresses.iter().filter(|address| is_public(**address));
        if let Some(address) = public().find(v4).or_else(|| public().next()) {
            return Some((in_url(*address), false));
        }
        let private = self.routed.or_else(|| self.addresses.iter().copied().find(IpAddr::is_ipv4));
        if let Some(address) = private.or_else(|| self.addresses.first().copied()) {
            return Some((in_url(address), true));
        }
        self.name.clone().map(|name| (name, false))
    }
}

/// The addresses of this machine's interfaces, without loopback.
pub fn own_addresses() -> Vec<IpAddr> {
    let interfaces = nix::ifaddrs::getifaddrs().into_iter().flatten();
    let addresses = interfaces.filter_map(|interface| interface.address).filter_map(|address| {
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    });
    addresses.filter(|address| !address.is_loopback()).collect()
}

/// An address as it stands in a URL.
pub fn in_url(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

/// Whether an address means something outside of private networks.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let shared = first == 100 && second & 0xc0 == 64;
            !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || shared)
        }
        IpAddr::V6(v6) => v6.segments()[0] & 0xe000 == 0x2000,
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// The address by which packets to the world would leave; none are sent.
fn routed() -> Option<IpAddr> {
    let towards = |bind: IpAddr, to: IpAddr| {
        let socket = UdpSocket::bind((bind, 0)).ok()?;
        socket.connect((to, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
    };
    // Documentation ranges: they are routed as the world is, and nobody has them.
    towards(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into())
        .or_else(|| towards(Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()))
}

fn hostname() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?.trim().to_ascii_lowercase();
    let fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    Some(name).filter(|name| !name.is_empty() && name != "localhost" && name.bytes().all(fit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(addresses: &[&str], routed: Option<&str>) -> Machine {
        let parse = |text: &str| text.parse().unwrap();
        let addresses = addresses.iter().map(|text| parse(text)).collect();
        Machine { addresses, routed: routed.map(parse), name: Some("box".to_owned()) }
    }

    #[test]
    fn a_public_address_goes_before_a_private_one_and_the_name_comes_last() {
        let host = |addresses: &[&str], routed| machine(addresses, routed).host().unwrap();
        assert_eq!(host(&["10.0.0.1", "2a01::1", "45.64.0.1"], Some("10.0.0.1")), ("45.64.0.1".to_owned(), false));
        assert_eq!(host(&["10.0.0.1", "2a01::1"], Some("10.0.0.1")), ("[2a01::1]".to_owned(), false));
        assert_eq!(host(&["172.17.0.1", "10.0.0.1"], Some("10.0.0.1")), ("10.0.0.1".to_owned(), true));
        assert_eq!(host(&["fd00::1", "172.17.0.1"], None), ("172.17.0.1".to_owned(), true));
        assert_eq!(host(&["100.64.0.1"], None), ("100.64.0.1".to_owned(), true));
        assert_eq!(host(&[], None), ("box".to_owned(), false));
        assert!(Machine::default().host().is_none());
    }
}
