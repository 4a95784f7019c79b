//! `[egress]`: which private addresses a target may have. Only this file can allow one; no page and no request can.

use ipnet::{IpNet, Ipv6Net};
use serde::{Deserialize, Serialize};

use super::ConfigError;

/// Exceptions from the rule that only public addresses are contacted.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Egress {
    /// Networks that may be contacted although they are private.
    pub allow: Vec<IpNet>,
    /// Prefixes by which this network translates IPv6 to IPv4, judged by the address inside.
    pub nat64: Vec<Ipv6Net>,
}

impl Egress {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        // The only lengths that RFC 6052 section 2.2 gives a meaning.
        match self.nat64.iter().find(|net| ![32, 40, 48, 56, 64, 96].contains(&net.prefix_len())) {
            Some(net) => {
                let why = format!("{net} is no NAT64 prefix: its length must be 32, 40, 48, 56, 64 or 96 (RFC 6052)");
                Err(ConfigError::invalid("egress.nat64", why))
            }
            None => Ok(()),
        }
    }
}
