//! `[limits]`: how much may come in.

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// Rates and numbers above which the collector answers 429 or takes no connection.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Batches a second from one probe.
    pub batches_per_second_per_probe: u32,
    /// Batches a second from all probes.
    pub batches_per_second: u32,
    /// Open connections from all clients.
    pub connections: u32,
    /// Requests a minute from one address that show something; of what costs more a part.
    pub requests_per_minute_per_address: u32,
    /// The same, of one signed-in user.
    pub requests_per_minute_per_account: u32,
    /// The same, of one API key.
    pub requests_per_minute_per_key: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            batches_per_second_per_probe: 20,
            batches_per_second: 500,
            connections: 4096,
            requests_per_minute_per_address: 3000,
            requests_per_minute_per_account: 1200,
            requests_per_minute_per_key: 600,
        }
    }
}

impl Limits {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let rows = [
            ("limits.batches_per_second_per_probe", self.batches_per_second_per_probe, 1, 10_000),
            ("limits.batches_per_second", self.batches_per_second, 1, 100_000),
            ("limits.connections", self.connections, 16, 1_000_000),
            ("limits.requests_per_minute_per_address", self.requests_per_minute_per_address, 60, 10_000_000),
            ("limits.requests_per_minute_per_account", self.requests_per_minute_per_account, 60, 10_000_000),
            ("limits.requests_per_minute_per_key", self.requests_per_minute_per_key, 60, 10_000_000),
        ];
        for (key, value, least, most) in rows {
            if !(least..=most).contains(&value) {
                return Err(ConfigError::invalid(key, format!("{value} must be from {least} to {most}")));
            }
        }
        Ok(())
    }
}
