//! Where a probe is to call, and whether it must know the collector by a pin: all that its token has to say.

use std::net::{IpAddr, SocketAddr};

use url::{Host, Url};

use super::AddError;
use super::machine::{Machine, in_url, is_public};
use crate::config::{Http, Served};

/// Where a probe is to call.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    /// The collector's address.
    pub url: String,
    /// The collector shows a certificate of its own authority there.
    pub pinned: bool,
    /// The door that must be open for that.
    pub door: Option<SocketAddr>,
    /// How far that address is of use.
    pub reach: Reach,
}

/// From where an address can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// From anywhere, as far as can be told.
    Anywhere,
    /// From inside a private network.
    PrivateNetwork,
    /// From this machine alone.
    ThisMachine,
}

/// Finds it, from what the operator says now, the settings, and what the machine knows of itself.
///
/// # Errors
/// When the URL is none, or the machine knows no address of its own.
pub fn find(given: Option<&str>, http: &Http, machine: &Machine) -> Result<Place, AddError> {
    let door = http.probe_door();
    let url = match given {
        Some(text) => checked(text)?,
        None => told(http, machine, door)?,
    };
    let at_door = door.filter(|door| leads_to(&url, door.port()));
    let own = http.served() == Served::OwnAuthority && url.starts_with("https://");
    Ok(Place { pinned: own || at_door.is_some(), door: at_door, reach: reach(&url), url })
}

/// The address that nobody gave with the command.
fn told(http: &Http, machine: &Machine, door: Option<SocketAddr>) -> Result<String, AddError> {
    let at = |listen: SocketAddr| {
        let own = (!listen.ip().is_unspecified()).then(|| in_url(listen.ip()));
        let host = own.or_else(|| machine.host().map(|(host, _)| host)).ok_or(AddError::Nowhere)?;
        Ok(format!("https://{host}:{}", listen.port()))
    };
    match (http.given_url(), door) {
        (Some(url), _) => Ok(url.to_owned()),
        (None, Some(door)) => at(door),
        (None, None) if http.listen.ip().is_loopback() => Ok(http.public_url()),
        (None, None) => at(http.listen),
    }
}

/// Whether a probe that was told this URL calls at this port by HTTPS.
pub fn leads_to(url: &str, port: u16) -> bool {
    let url = Url::parse(url).ok().filter(|url| url.scheme() == "https");
    url.is_some_and(|url| url.port_or_known_default() == Some(port))
}

fn checked(text: &str) -> Result<String, AddError> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some());
    let whole = url.filter(|url| url.path() == "/" && url.query().is_none() && url.username().is_empty());
    whole.map(|_| text.trim_end_matches('/').to_owned()).ok_or_else(|| AddError::Url(text.to_owned()))
}

fn reach(url: &str) -> Reach {
    let url = Url::parse(url).ok();
    let address = match url.as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) if name == "localhost" || name.ends_with(".localhost") => return Reach::ThisMachine,
        Some(Host::Ipv4(v4)) => IpAddr::V4(v4),
        Some(Host::Ipv6(v6)) => IpAddr::V6(v6),
        Some(Host::Domain(_)) | None => return Reach::Anywhere,
    };
    if address.is_loopback() {
        Reach::ThisMachine
    } else if is_public(address) {
        Reach::Anywhere
    } else {
        Reach::PrivateNetwork
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[track_caller]
    fn found(http: &str, given: Option<&str>, addresses: &[&str]) -> (String, bool, bool, Reach) {
        let config: Config = toml::from_str(&format!("[http]\n{http}")).unwrap();
        let http = config.checked(std::path::Path::new("/srv")).unwrap().http;
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        let place = find(given, &http, &Machine { addresses, routed: None, name: None }).unwrap();
        (place.url, place.pinned, place.door.is_some(), place.reach)
    }

    #[test]
    fn without_any_setting_a_probe_is_told_an_address_of_this_machine_the_door_and_the_pin() {
        let of = |text: &str, pinned, door, reach| (text.to_owned(), pinned, door, reach);
        assert_eq!(found("", None, &["45.64.0.1"]), of("https://45.64.0.1:8443", true, true, Reach::Anywhere));
        assert_eq!(found("", None, &["2a01::1"]), of("https://[2a01::1]:8443", true, true, Reach::Anywhere));
        assert_eq!(found("", None, &["10.0.0.1"]), of("https://10.0.0.1:8443", true, true, Reach::PrivateNetwork));
        assert_eq!(
            found("probe_listen = \"192.0.2.1:9000\"", None, &[]),
            of("https://192.0.2.1:9000", true, true, Reach::Anywhere)
        );
        let forwarded = Some("https://203.0.113.5:8443/");
        assert_eq!(found("", forwarded, &[]), of("https://203.0.113.5:8443", true, true, Reach::Anywhere));
        let local = Some("http://127.0.0.1:8080");
        assert_eq!(found("", local, &["45.64.0.1"]), of("http://127.0.0.1:8080", false, false, Reach::ThisMachine));
        let proxied = Some("https://picket.example.org");
        assert_eq!(found("", proxied, &[]), of("https://picket.example.org", false, false, Reach::Anywhere));
        let off = "probe_listen = \"off\"";
        assert_eq!(found(off, None, &["45.64.0.1"]), of("http://localhost:8080", false, false, Reach::ThisMachine));
    }

    #[test]
    fn the_pin_is_told_where_our_own_authority_is_shown_and_nowhere_else() {
        let of = |text: &str, pinned| (text.to_owned(), pinned, false, Reach::Anywhere);
        let open = "listen = \"0.0.0.0:8443\"";
        assert_eq!(found(open, None, &["45.64.0.1"]), of("https://45.64.0.1:8443", true));
        let named = format!("{open}\npublic_url = \"https://p.example:8443\"");
        assert_eq!(found(&named, None, &["45.64.0.1"]), of("https://p.example:8443", true));
        let proxied =
            "listen = \"10.0.0.1:80\"\ntrusted_proxies = [\"10.0.0.0/8\"]\npublic_url = \"https://p.example\"";
        assert_eq!(found(proxied, None, &["45.64.0.1"]), of("https://p.example", false));
        assert_eq!(found("public_url = \"https://p.example\"", None, &["45.64.0.1"]), of("https://p.example", false));
    }

    #[test]
    fn what_is_no_address_of_a_collector_is_refused() {
        let http = Config::default().http;
        for bad in ["", "picket.example.org", "ftp://p.example", "https://p.example/x", "https://u@p.example"] {
            assert!(matches!(find(Some(bad), &http, &Machine::default()), Err(AddError::Url(_))), "{bad}");
        }
        let open: Config = toml::from_str("[http]\nlisten = \"0.0.0.0:8443\"").unwrap();
        assert!(matches!(find(None, &open.http, &Machine::default()), Err(AddError::Nowhere)));
    }
}
