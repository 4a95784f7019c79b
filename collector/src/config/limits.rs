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
}

impl Default for Limits {
    fn default() -> Self {
        Self { batches_per_second_per_probe: 20, batches_per_second: 500, connections: 4096 }
    }
}

impl Limits {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let rows = [
            ("limits.batches_per_second_per_probe", self.batches_per_second_per_probe, 1, 10_000),
            ("limits.batches_per_second", self.batches_per_second, 1, 100_000),
            ("limits.connections", self.connections, 16, 1_000_000),
        ];
        for (key, value, least, most) in rows {
            if !(least..=most).contains(&value) {
                return Err(ConfigError::invalid(key, format!("{value} must be from {least} to {most}")));
            }
        }
        Ok(())
    }
}
