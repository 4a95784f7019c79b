//! How much is taken in.

use serde::Deserialize;

use super::ConfigError;

/// `[limits]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Requests a second that one probe may make, on average.
    pub probe_requests_per_second: u32,
    /// Requests a second of all probes together, on average.
    pub all_requests_per_second: u32,
    /// Connections at the same time.
    pub connections: u32,
    /// Connections to PostgreSQL in each of the four pools.
    pub pool_size: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { probe_requests_per_second: 50, all_requests_per_second: 2000, connections: 4096, pool_size: 8 }
    }
}

impl Limits {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        for (key, value) in [
            ("probe_requests_per_second", self.probe_requests_per_second),
            ("all_requests_per_second", self.all_requests_per_second),
            ("connections", self.connections),
            ("pool_size", self.pool_size),
        ] {
            if value == 0 {
                return Err(ConfigError::invalid("limits", key, "0 would let nothing in: use 1 or more"));
            }
        }
        Ok(())
    }
}
