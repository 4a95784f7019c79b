//! `[keys]`: where the master key lies.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{ConfigError, resolve};

/// The key ring's place: never inside the data, so that a copy of one is no copy of the other.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keys {
    directory: Option<PathBuf>,
    #[serde(skip)]
    resolved: PathBuf,
}

impl Keys {
    /// The folder of the key ring; absolute once checked.
    pub fn directory(&self) -> &Path {
        &self.resolved
    }

    /// Lays the keys beside another data directory, unless they were given a place of their own.
    pub fn follow(&mut self, data_dir: &Path) {
        if self.directory.is_none() {
            self.resolved = beside(data_dir);
        }
    }

    pub(super) fn validate(&mut self, base: &Path, data_dir: &Path) -> Result<(), ConfigError> {
        self.resolved = resolve(base, &mut self.directory).unwrap_or_else(|| beside(data_dir));
        if self.resolved.starts_with(data_dir) || data_dir.starts_with(&self.resolved) {
            let why = format!(
                "{} must lie outside the data directory {}: whoever copies the data must not get the key with it",
                self.resolved.display(),
                data_dir.display()
            );
            return Err(ConfigError::invalid("keys.directory", why));
        }
        Ok(())
    }
}

fn beside(data_dir: &Path) -> PathBuf {
    let mut name = data_dir.as_os_str().to_owned();
    name.push(".keys");
    PathBuf::from(name)
}
