//! Which addresses a socket may reach that a tenant named.
//!
//! In comes what a tenant typed: [`parse_target`] and [`parse_host`] read it as a browser would. [`resolve`] turns the
//! name into addresses, [`EgressGuard`] judges each of them, and [`connect`] opens a socket to exactly an address
//! that was judged, on probe and collector alike; a redirect goes the whole way again.
//! [`addresses`] and [`ports`] are the pure lists; `question` reads what a name server that a tenant named answers.
//!
//! An answer to a tenant never says more than [`Blocked::MESSAGE`]: no address, no answer of a name server.

pub mod addresses;
pub mod connect;
pub mod ports;
mod question;
pub mod resolve;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv6Net};
use url::{Host, Url};

pub use addresses::Denied;
pub use ports::Purpose;

/// Decides whether an address may be contacted. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct EgressGuard(Arc<Rules>);

#[derive(Clone, Debug, Default)]
struct Rules {
    allow: Vec<IpNet>,
    own: Vec<IpAddr>,
    nat64: Vec<Ipv6Net>,
}

impl EgressGuard {
    /// A guard that also lets through the ranges in `allow`, which come from the program's own file and from nowhere else.
    ///
    /// A range opens private and other reserved addresses inside it. Loopback and link-local addresses are opened only
    /// by a range that lies wholly inside their block (`127.0.0.0/8`, `fe80::/10` or narrower), the addresses of a
    /// cloud's metadata and those given to [`EgressGuard::denying`] only by themselves (`/32` or `/128`). Thus
    /// `0.0.0.0/0` opens neither. Nothing opens multicast, broadcast and the unspecified address.
    pub fn new(allow: Vec<IpNet>) -> Self {
        Self(Arc::new(Rules { allow, ..Rules::default() }))
    }

    /// Also denies these: what this program listens at, its database, its resolver, the collector.
    #[must_use]
    pub fn denying(self, own: Vec<IpAddr>) -> Self {
        let own = own.into_iter().map(|ip| ip.to_canonical()).collect();
        Self(Arc::new(Rules { own, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// Takes these prefixes (RFC 6052) as ways to IPv4 addresses, which are judged in their place.
    #[must_use]
    pub fn with_nat64(self, nat64: Vec<Ipv6Net>) -> Self {
        Self(Arc::new(Rules { nat64, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// Whether a socket may be opened to `address` for this purpose.
    ///
    /// # Errors
    /// [`Blocked`], with the reason inside.
    pub fn judge(&self, address: SocketAddr, purpose: Purpose) -> Result<(), Blocked> {
        // A zone names an interface of this machine: no tenant has a say in that.
        if matches!(address, SocketAddr::V6(v6) if v6.scope_id() != 0) {
            return Err(Blocked(Reason::Address(Denied::LinkLocal)));
        }
        let ip = addresses::embedded(address.ip(), &self.0.nat64);
        let allowed = self.judge_address(ip).map_err(|denied| Blocked(Reason::Address(denied)))?;
        if ports::permit(address.port(), purpose, allowed == Allowed::ByOperator) {
            Ok(())
        } else {
            Err(Blocked(Reason::Port(address.port())))
        }
    }

    fn judge_address(&self, ip: IpAddr) -> Result<Allowed, Denied> {
        let itself = || self.0.allow.iter().any(|net| net.prefix_len() == net.max_prefix_len() && net.contains(&ip));
        if self.0.own.contains(&ip) && !ip.is_loopback() {
            return if itself() { Ok(Allowed::ByOperator) } else { Err(Denied::Own) };
        }
        let within = |block: Option<IpNet>| {
            self.0.allow.iter().any(|net| net.contains(&ip) && block.is_none_or(|block| block.contains(net)))
        };
        let denied = match addresses::judge(ip) {
            Ok(()) if within(None) => return Ok(Allowed::ByOperator),
            Ok(()) => return Ok(Allowed::ByList),
            Err(denied) => denied,
        };
        let opened = match denied {
            Denied::Unspecified | Denied::Multicast | Denied::Broadcast => false,
            Denied::Metadata | Denied::Own => itself(),
            Denied::Loopback | Denied::LinkLocal => within(addresses::block_of(ip)),
            Denied::Private | Denied::Reserved | Denied::Translated => within(None),
        };
        if opened { Ok(Allowed::ByOperator) } else { Err(denied) }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Allowed {
    ByList,
    ByOperator,
}

/// The target may not be contacted. It prints as one constant sentence; the reason is for tests and `doctor` only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Blocked(Reason);

/// Why a target may not be contacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its address.
    Address(Denied),
    /// Its port.
    Port(u16),
}

impl Blocked {
    /// All that a tenant is told.
    pub const MESSAGE: &'static str = "the target may not be contacted by the operator's policy";

    /// Why; never for a tenant.
    pub const fn reason(&self) -> Reason {
        self.0
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::MESSAGE)
    }
}

impl fmt::Debug for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blocked({:?})", self.0)
    }
}

impl std::error::Error for Blocked {}

/// A URL that may be asked for, and where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The URL as read by WHATWG's rules.
    pub url: Url,
    /// The host: a name in ASCII or an address.
    pub host: Host<String>,
    /// The port, that of the scheme unless given.
    pub port: u16,
}

/// What is wrong with a target, for the person who typed it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// It cannot be read.
    #[error("{0:?} is not a URL: use one such as https://example.org/")]
    Unreadable(String),
    /// It is neither http nor https.
    #[error("the scheme {0:?} cannot be asked: use http or https")]
    Scheme(String),
    /// It holds a user or password.
    #[error("a URL must hold no user or password")]
    UserInfo,
    /// It is no host.
    #[error("{0:?} is not a host: use a name such as example.org or an IP address")]
    Host(String),
}

/// Reads a URL as a browser would (`http://0x7f.1/` is 127.0.0.1): http or https, no user, no password, no zone.
///
/// # Errors
/// What is wrong with it.
pub fn parse_target(url: &str) -> Result<Target, BadTarget> {
    Target::from_url(Url::parse(url).map_err(|_| BadTarget::Unreadable(url.to_owned()))?)
}

/// Reads the host of a check without a URL by the rules of [`parse_target`]; IPv6 addresses with or without brackets.
///
/// # Errors
/// When it is neither a name nor an address.
pub fn parse_host(host: &str) -> Result<Host<String>, BadTarget> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(match ip {
            IpAddr::V4(v4) => Host::Ipv4(v4),
            IpAddr::V6(v6) => Host::Ipv6(v6),
        });
    }
    Host::parse(host).map_err(|_| BadTarget::Host(host.to_owned()))
}

impl Target {
    /// From a URL that was read already, such as the one a redirect names.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_url(url: Url) -> Result<Self, BadTarget> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BadTarget::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadTarget::UserInfo);
        }
        match (url.host().map(|host| host.to_owned()), url.port_or_known_default()) {
            (Some(host), Some(port)) => Ok(Self { url, host, port }),
            _ => Err(BadTarget::Unreadable(url.into())),
        }
    }

    /// Whether it is asked over TLS.
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }
}

#[cfg(test)]
mod tests;
