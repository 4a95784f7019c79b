//! `[log]`: what is logged, and how.

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// Logging, to standard error.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// The least severe lines that are written.
    pub level: Level,
    /// For people or for programs.
    pub format: Format,
}

/// How severe a line must be to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Only what failed.
    Error,
    /// Also what needs somebody's attention.
    Warn,
    /// Also what happened.
    #[default]
    Info,
    /// Also why.
    Debug,
    /// Everything.
    Trace,
}

/// The form of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One line of text, in colour on a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Log {
    #[expect(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        reason = "every section has this check; its kinds hold here"
    )]
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        Ok(())
    }
}
