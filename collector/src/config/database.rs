//! Where the data lies: a cluster of our own, or one by URL.

use std::path::PathBuf;

use serde::Deserialize;

use super::ConfigError;

/// `[database]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// Who runs PostgreSQL.
    pub mode: Mode,
    /// The data directory of the managed cluster.
    pub data_dir: PathBuf,
    /// Where PostgreSQL's programs lie; the newest installed unless given.
    pub binaries_dir: Option<PathBuf>,
    /// A file that holds the URL of an external PostgreSQL, password included.
    pub url_file: Option<PathBuf>,
}

/// Who runs PostgreSQL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The collector does.
    #[default]
    Managed,
    /// Somebody else does.
    External,
}

impl Default for Database {
    fn default() -> Self {
        Self { mode: Mode::Managed, data_dir: PathBuf::from("data"), binaries_dir: None, url_file: None }
    }
}

impl Database {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        match (self.mode, &self.url_file) {
            (Mode::External, None) => Err(ConfigError::invalid(
                "database",
                "url_file",
                "mode = \"external\" needs url_file: a file (mode 0600) that holds postgres://USER:PASSWORD@HOST/DATABASE",
            )),
            (Mode::Managed, Some(_)) => Err(ConfigError::invalid(
                "database",
                "url_file",
                "url_file is for mode = \"external\": remove it, or set the mode",
            )),
            _ => Ok(()),
        }
    }
}
