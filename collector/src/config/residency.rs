//! `[residency]`: whether everything keeps to the EU. And what sections with a place in common need: who says that it lies there.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// Where data may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Residency {
    /// Whether every organization keeps to the EU, whatever it says itself.
    pub eu_only: bool,
}

/// What a person vouches for, as the settings have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    /// What: `archive` or `mail`.
    pub what: &'static str,
    /// The host that it is about.
    pub host: String,
    /// Who made sure, when, and where it is.
    pub text: String,
}

/// Who made sure, when, and where it is.
pub(super) fn attests(text: &str) -> bool {
    text.split(',').filter(|part| !part.trim().is_empty()).count() >= 3
}

/// Nothing is handed to a service that does not lie in the EU unless a person says by name where else it is safe: `known` are hosts of
/// services that say of themselves that they do.
pub(super) fn in_the_eu(
    key: &'static str,
    host: &str,
    known: &[&str],
    attested: Option<&str>,
) -> Result<(), ConfigError> {
    let why = match attested {
        _ if is_known(host, known) => return Ok(()),
        Some(text) if attests(text) => return Ok(()),
        Some(_) => "name who made sure, when, and where it is, with commas between".to_owned(),
        None => format!(
            "{host} is no service that Picket knows to be in the EU: use one in the EU, and if you made sure that this is, say so \
             with your name, the date and the place"
        ),
    };
    Err(ConfigError::invalid(key, why))
}

/// Whether a host is one of these, however it is spelled.
pub(super) fn is_known(host: &str, known: &[&str]) -> bool {
    let host = host.trim_end_matches('.');
    known.iter().any(|known| known.eq_ignore_ascii_case(host))
}

/// Whether a host is this machine or one of the operator's own network, by its address; names are not looked up.
pub(super) fn is_own(host: &str) -> bool {
    let Ok(address) = host.parse::<IpAddr>() else { return host == "localhost" };
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_hosts_are_known_by_their_address_alone() {
        for own in
            ["localhost", "127.0.0.1", "10.1.2.3", "192.168.0.9", "172.16.0.1", "::1", "fd00::1", "::ffff:10.0.0.1"]
        {
            assert!(is_own(own), "{own}");
        }
        for other in ["mail.internal", "8.8.8.8", "2001:4860::1", "172.32.0.1", "localhost.example.org", ""] {
            assert!(!is_own(other), "{other}");
        }
    }

    #[test]
    fn a_place_is_known_or_attested_by_who_when_and_where() {
        let known = &["smtp.eu.example.org"];
        let place = |host, attested| in_the_eu("mail.eu_attested", host, known, attested);
        assert!(place("SMTP.eu.example.org.", None).is_ok());
        assert!(place("smtp.example.org", None).unwrap_err().to_string().contains("smtp.example.org is no service"));
        assert!(place("smtp.example.org", Some("trust me")).unwrap_err().to_string().contains("who made sure"));
        assert!(place("smtp.example.org", Some("a, , b")).is_err());
        assert!(place("smtp.example.org", Some("Jane Doe, 2026-11-23, Falkenstein (DE)")).is_ok());
        assert!(place("smtp.eu.example.org.evil.example", None).is_err());
    }
}
