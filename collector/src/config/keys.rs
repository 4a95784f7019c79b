//! `[keys]`: where the master keys come from, and where what is beside them lies.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{ConfigError, resolve};

/// Where the key ring comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum From {
    /// The file `master-keys.txt` in the keys' directory, which the collector makes.
    #[default]
    File,
    /// The credential `picket-master-keys` of systemd (`LoadCredential=`, `LoadCredentialEncrypted=`).
    Credential,
    /// The environment variable `PICKET_MASTER_KEYS`.
    Environment,
    /// What a command prints: the client of a key management service.
    Command,
}

/// The key ring's place: never inside the data, so that a copy of one is no copy of the other.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keys {
    /// Where the ring comes from.
    pub from: From,
    /// The program and its arguments, for [`From::Command`].
    pub command: Vec<String>,
    directory: Option<PathBuf>,
    #[serde(skip)]
    resolved: PathBuf,
}

impl Keys {
    /// Keys that lie in a folder.
    pub fn in_folder(directory: &Path) -> Self {
        Self { resolved: directory.to_owned(), ..Self::default() }
    }

    /// The folder of the key ring, and of what is kept beside it; absolute once checked.
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
        match (self.from, self.command.first()) {
            (From::Command, None) => {
                let why = "is missing: name the program that prints the key ring, and its arguments";
                Err(ConfigError::invalid("keys.command", why))
            }
            (From::Command, Some(program)) if !Path::new(program).is_absolute() => {
                Err(ConfigError::invalid("keys.command", format!("{program:?} must be a path from the root")))
            }
            (From::File | From::Credential | From::Environment, Some(_)) => {
                Err(ConfigError::invalid("keys.command", "is for from = \"command\" alone: take one of both away"))
            }
            _ => Ok(()),
        }?;
        Ok(())
    }
}

fn beside(data_dir: &Path) -> PathBuf {
    let mut name = data_dir.as_os_str().to_owned();
    name.push(".keys");
    PathBuf::from(name)
}
