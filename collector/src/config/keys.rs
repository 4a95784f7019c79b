//! Where the key ring lies.

use std::path::PathBuf;

use serde::Deserialize;

use super::{ConfigError, Database};

/// `[keys]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keys {
    /// The directory of the key ring; the data directory's name with `.keys` behind it unless given.
    pub directory: Option<PathBuf>,
}

impl Keys {
    pub(super) fn validate(&self, database: &Database) -> Result<(), ConfigError> {
        match &self.directory {
            Some(directory) if directory.starts_with(&database.data_dir) => Err(ConfigError::invalid(
                "keys",
                "directory",
                "the keys must lie outside the data directory: whoever copies the data must not get the keys with it",
            )),
            _ => Ok(()),
        }
    }
}
