//! `[audit]`: where the heads of the audit log are put outside the database.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{ConfigError, Keys, resolve};

/// The file's name beside the keys.
const FILE: &str = "audit-anchors.ndjson";

/// The file of anchors: never inside the data, so that who can rewrite one need not be able to rewrite the other.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Audit {
    anchors_file: Option<PathBuf>,
}

impl Audit {
    /// The file of anchors: where the settings say, else beside the keys.
    pub fn anchors_file(&self, keys: &Keys) -> PathBuf {
        self.anchors_file.clone().unwrap_or_else(|| keys.directory().join(FILE))
    }

    pub(super) fn validate(&mut self, base: &Path, data_dir: &Path) -> Result<(), ConfigError> {
        match resolve(base, &mut self.anchors_file) {
            Some(file) if file.starts_with(data_dir) => {
                let why = format!(
                    "{} must lie outside the data directory {}: whoever rewrites the data must not find the anchors there",
                    file.display(),
                    data_dir.display()
                );
                Err(ConfigError::invalid("audit.anchors_file", why))
            }
            _ => Ok(()),
        }
    }
}
