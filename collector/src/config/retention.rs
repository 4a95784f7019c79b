//! `[retention]`: how long what is kept.

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// Ages in days, after which rows are deleted.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Outcomes of checks.
    pub results_days: u16,
    /// What was answered to probes.
    pub receipts_days: u16,
    /// Changes of outcomes, from which the judge works.
    pub changes_days: u16,
    /// The audit log; 13 months unless set.
    pub audit_days: u16,
}

impl Default for Retention {
    fn default() -> Self {
        Self { results_days: 90, receipts_days: 4, changes_days: 90, audit_days: 396 }
    }
}

impl Retention {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        // A batch may come again for 72 hours, and is known again by its receipt only.
        let rows = [
            ("retention.results_days", self.results_days, 4),
            ("retention.receipts_days", self.receipts_days, 4),
            ("retention.changes_days", self.changes_days, 8),
            // Twelve months, leap years too: the database refuses to remove what is younger.
            ("retention.audit_days", self.audit_days, 366),
        ];
        for (key, days, least) in rows {
            if !(least..=3650).contains(&days) {
                return Err(ConfigError::invalid(key, format!("{days} must be from {least} to 3650 days")));
            }
        }
        Ok(())
    }
}
