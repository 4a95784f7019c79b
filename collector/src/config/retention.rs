//! How long data is kept.

use serde::Deserialize;

use super::ConfigError;

/// `[retention]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Days that outcomes are kept.
    pub results_days: u32,
    /// Days that receipts of batches are kept; batches may be repeated for 3.
    pub receipts_days: u32,
    /// Days that changes of results are kept.
    pub changes_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { results_days: 90, receipts_days: 4, changes_days: 90 }
    }
}

impl Retention {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        for (key, days, least) in [
            ("results_days", self.results_days, 4),
            ("receipts_days", self.receipts_days, 4),
            ("changes_days", self.changes_days, 4),
        ] {
            if !(least..=3660).contains(&days) {
                return Err(ConfigError::invalid(
                    "retention",
                    key,
                    format!("{days} days is out of range: use {least} to 3660"),
                ));
            }
        }
        Ok(())
    }
}
