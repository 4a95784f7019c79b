//! Who a request comes from: the peer of its connection, or whom a trusted proxy names. Nobody else is believed.
//!
//! In comes [`Peer`], which the listener attaches; out go [`ClientAddress`] and [`ClientScheme`] as extensions of the
//! request, for rate limits, sessions and logs.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::middleware::Next;
use axum::response::Response;
use ipnet::IpNet;

/// Both ends of the connection that a request came on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The other end.
    pub address: IpAddr,
    /// This end.
    pub local: IpAddr,
    /// Whether the connection itself is TLS.
    pub tls: bool,
}

/// The client's address. Without a trusted proxy in between, that of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// How the client speaks, as far as the nearest trusted proxy or the connection says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientScheme {
    /// Plain HTTP.
    Http,
    /// HTTPS.
    Https,
}

/// Whose word is taken.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Vec<IpNet>);

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

impl Proxies {
    /// The proxies of these networks.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Whether this address is a trusted proxy's.
    pub fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address.to_canonical()))
    }

    /// Whether a connection may come in where only proxies may: from one of them, or from this very machine.
    pub fn admit(&self, peer: Peer) -> bool {
        self.trust(peer.address) || peer.address.is_loopback() || peer.address == peer.local
    }
}

impl Peer {
    /// The ends of a connection, IPv4 in its own form.
    pub fn new(address: SocketAddr, local: SocketAddr, tls: bool) -> Self {
        Self { address: address.ip().to_canonical(), local: local.ip().to_canonical(), tls }
    }

    /// Of a request that came on no connection, as in a test: nobody in particular.
    const NOBODY: Self =
        Self { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), local: IpAddr::V4(Ipv4Addr::UNSPECIFIED), tls: false };
}

/// Attaches the client's address and scheme to a request.
pub async fn identify(State(proxies): State<Arc<Proxies>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().copied().unwrap_or(Peer::NOBODY);
    let (address, scheme) = (address(&proxies, peer, request.headers()), scheme(&proxies, peer, request.headers()));
    request.extensions_mut().insert(address);
    request.extensions_mut().insert(scheme);
    next.run(request).await
}

/// The rightmost address that is no trusted proxy's. What stands further left may be anybody's invention, and so may a
/// whole header that the proxy does not write itself: where both headers are there and differ, neither is believed.
fn address(proxies: &Proxies, peer: Peer, headers: &HeaderMap) -> ClientAddress {
    let of = |name: HeaderName, parse: fn(&str) -> Option<IpAddr>| {
        headers.contains_key(&name).then(|| walk(proxies, peer.address, &elements(headers, &name), parse))
    };
    let found = match (of(FORWARDED_FOR, parse_address), of(header::FORWARDED, parse_forwarded)) {
        (Some(one), Some(other)) if one != other => None,
        (one, other) => one.or(other),
    };
    ClientAddress(found.unwrap_or(peer.address))
}

fn walk(proxies: &Proxies, peer: IpAddr, hops: &[Option<&str>], parse: fn(&str) -> Option<IpAddr>) -> IpAddr {
    let mut client = peer;
    for hop in hops.iter().rev() {
        // What is no address says nothing: the last one that is known stands.
        match hop.and_then(parse) {
            Some(address) if proxies.trust(client) => client = address,
            _ => break,
        }
    }
    client
}

/// What the nearest proxy says, if it is trusted; it alone knows how it was asked.
fn scheme(proxies: &Proxies, peer: Peer, headers: &HeaderMap) -> ClientScheme {
    let own = if peer.tls { ClientScheme::Https } else { ClientScheme::Http };
    if !proxies.trust(peer.address) {
        return own;
    }
    let last = |name: HeaderName| elements(headers, &name).pop().flatten();
    let named = |text: &str| match text.to_ascii_lowercase().as_str() {
        "https" => Some(ClientScheme::Https),
        "http" => Some(ClientScheme::Http),
        _ => None,
    };
    let by_header = last(FORWARDED_PROTO).and_then(named);
    let by_standard = last(header::FORWARDED).and_then(|element| named(parameter(element, "proto")?));
    match (by_header, by_standard) {
        (Some(one), Some(other)) if one != other => own,
        (one, other) => one.or(other).unwrap_or(own),
    }
}

/// Every element of a list that may be spread over several headers; `None` for what is no text.
fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<Option<&'a str>> {
    let mut all = Vec::new();
    for value in headers.get_all(name) {
        match value.to_str() {
            // Commas inside quotes split too: no element that names an address has one, and a quote that somebody left
            // open must not swallow what a proxy added.
            Ok(text) => all.extend(text.split(',').map(|element| Some(element.trim()))),
            Err(_) => all.push(None),
        }
    }
    all
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn parse_address(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[')?.strip_suffix(']');
    let address = text.parse().ok().or_else(|| bare()?.parse().ok());
    address.or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip())).map(|ip| ip.to_canonical())
}

/// The address in an element of `Forwarded` (RFC 7239).
fn parse_forwarded(element: &str) -> Option<IpAddr> {
    parse_address(parameter(element, "for")?)
}

fn parameter<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim());
    let value = values.next().filter(|_| values.next().is_none())?;
    Some(value.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    type Lines = &'static [(&'static str, &'static str)];

    fn proxies() -> Proxies {
        Proxies::new(vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()])
    }

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        map
    }

    #[track_caller]
    fn client(peer: &str, lines: &[(&str, &str)]) -> String {
        let peer = Peer { address: peer.parse().unwrap(), ..Peer::NOBODY };
        address(&proxies(), peer, &headers(lines)).0.to_string()
    }

    #[test]
    fn the_client_is_the_rightmost_address_that_is_no_proxys() {
        const XFF: &str = "x-forwarded-for";
        let table: &[(&str, Lines, &str)] = &[
            // No proxy, no belief.
            ("203.0.113.9", &[], "203.0.113.9"),
            ("203.0.113.9", &[(XFF, "192.0.2.1")], "203.0.113.9"),
            ("203.0.113.9", &[("forwarded", "for=192.0.2.1")], "203.0.113.9"),
            ("127.0.0.1", &[(XFF, "192.0.2.1")], "127.0.0.1"),
            ("11.0.0.1", &[(XFF, "192.0.2.1")], "11.0.0.1"),
            // One proxy.
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[(XFF, "192.0.2.1")], "192.0.2.1"),
            ("10.0.0.1", &[(XFF, "192.0.2.1:4711")], "192.0.2.1"),
            ("10.0.0.1", &[(XFF, "2001:db8::1")], "2001:db8::1"),
            ("10.0.0.1", &[(XFF, "[2001:db8::1]:443")], "2001:db8::1"),
            ("10.0.0.1", &[(XFF, "::ffff:192.0.2.1")], "192.0.2.1"),
            ("fd00::1", &[(XFF, "192.0.2.1")], "192.0.2.1"),
            // What the client itself sent stands on the left.
            ("10.0.0.1", &[(XFF, "127.0.0.1, 192.0.2.1")], "192.0.2.1"),
            ("10.0.0.1", &[(XFF, "10.0.0.7, 192.0.2.1")], "192.0.2.1"),
            ("10.0.0.1", &[(XFF, "127.0.0.1"), (XFF, "192.0.2.1")], "192.0.2.1"),
            ("10.0.0.1", &[(XFF, "1.1.1.1,,192.0.2.1")], "192.0.2.1"),
            // Two proxies.
            ("10.0.0.1", &[(XFF, "6.6.6.6, 192.0.2.1, 10.0.0.2")], "192.0.2.1"),
            ("10.0.0.1", &[(XFF, "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
            // What is no address ends the walk at the last that is known.
            ("10.0.0.1", &[(XFF, "unknown")], "10.0.0.1"),
            ("10.0.0.1", &[(XFF, "192.0.2.1, ")], "10.0.0.1"),
            ("10.0.0.1", &[(XFF, "192.0.2.1, garbage, 10.0.0.2")], "10.0.0.2"),
            ("10.0.0.1", &[(XFF, "192.0.2.1 127.0.0.1")], "10.0.0.1"),
            // The standard header.
            ("10.0.0.1", &[("forwarded", "for=192.0.2.1;proto=https;by=10.0.0.1")], "192.0.2.1"),
            ("10.0.0.1", &[("forwarded", "For=\"[2001:db8::1]:4711\"")], "2001:db8::1"),
            ("10.0.0.1", &[("forwarded", "for=127.0.0.1, for=192.0.2.1")], "192.0.2.1"),
            ("10.0.0.1", &[("forwarded", "for=\"127.0.0.1, for=192.0.2.1")], "192.0.2.1"),
            ("10.0.0.1", &[("forwarded", "for=_hidden")], "10.0.0.1"),
            ("10.0.0.1", &[("forwarded", "for=127.0.0.1;for=192.0.2.1")], "10.0.0.1"),
            // One header may be the client's own: where they differ, neither is believed.
            ("10.0.0.1", &[(XFF, "192.0.2.1"), ("forwarded", "for=192.0.2.1")], "192.0.2.1"),
            ("10.0.0.1", &[(XFF, "192.0.2.1"), ("forwarded", "for=127.0.0.1")], "10.0.0.1"),
            ("10.0.0.1", &[(XFF, "127.0.0.1"), ("forwarded", "for=192.0.2.1")], "10.0.0.1"),
        ];
        for (peer, lines, expected) in table {
            assert_eq!(&client(peer, lines), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_no_address() {
        let mut headers = headers(&[("x-forwarded-for", "192.0.2.1")]);
        headers.append(FORWARDED_FOR, HeaderValue::from_bytes(b"\xff\xfe").unwrap());
        let peer = Peer { address: "10.0.0.1".parse().unwrap(), ..Peer::NOBODY };
        assert_eq!(address(&proxies(), peer, &headers).0.to_string(), "10.0.0.1");
    }

    #[test]
    fn the_scheme_is_that_of_the_connection_unless_the_nearest_trusted_proxy_says_otherwise() {
        use ClientScheme::{Http, Https};
        let table: &[(&str, bool, Lines, ClientScheme)] = &[
            ("203.0.113.9", false, &[], Http),
            ("203.0.113.9", true, &[], Https),
            ("203.0.113.9", false, &[("x-forwarded-proto", "https")], Http),
            ("203.0.113.9", true, &[("x-forwarded-proto", "http")], Https),
            ("10.0.0.1", false, &[], Http),
            ("10.0.0.1", false, &[("x-forwarded-proto", "HTTPS")], Https),
            ("10.0.0.1", false, &[("x-forwarded-proto", "https, http")], Http),
            ("10.0.0.1", false, &[("x-forwarded-proto", "ftp")], Http),
            ("10.0.0.1", false, &[("forwarded", "for=1.2.3.4;proto=https")], Https),
            ("10.0.0.1", false, &[("x-forwarded-proto", "https"), ("forwarded", "proto=http")], Http),
        ];
        for (peer, tls, lines, expected) in table {
            let peer = Peer { address: peer.parse().unwrap(), tls: *tls, ..Peer::NOBODY };
            assert_eq!(scheme(&proxies(), peer, &headers(lines)), *expected, "{peer:?} {lines:?}");
        }
    }

    #[test]
    fn where_only_proxies_may_come_in_nobody_else_does_but_this_machine() {
        let local = "10.0.0.5:80".parse().unwrap();
        for (peer, expected) in [
            ("10.9.9.9:1", true),
            ("[::ffff:10.9.9.9]:1", true),
            ("127.0.0.1:1", true),
            ("10.0.0.5:1", true),
            ("192.168.0.1:1", false),
            ("203.0.113.9:1", false),
            ("[2001:db8::1]:1", false),
        ] {
            assert_eq!(proxies().admit(Peer::new(peer.parse().unwrap(), local, false)), expected, "{peer}");
        }
        let other = Proxies::new(vec!["192.0.2.0/24".parse().unwrap()]);
        assert!(other.admit(Peer::new(local, local, false)), "this machine");
        assert!(!other.admit(Peer::new("10.0.0.6:1".parse().unwrap(), local, false)));
    }
}
