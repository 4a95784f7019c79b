//! Which private addresses webhooks may reach.

use ipnet::{IpNet, Ipv6Net};
use serde::Deserialize;

/// `[egress]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Egress {
    /// Private ranges that webhooks may reach, such as `10.20.0.0/16`.
    pub allow: Vec<IpNet>,
    /// NAT64 prefixes of this network; the address inside is judged.
    pub nat64: Vec<Ipv6Net>,
}
