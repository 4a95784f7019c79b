//! `[database]`: which PostgreSQL, and where its data lies.

use std::path::{Path, PathBuf};

use picket_shared::secret::SecretString;
use serde::{Deserialize, Serialize};

use super::{ConfigError, absolute, read_secret, resolve};

/// The database.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// Whose PostgreSQL it is.
    pub mode: DatabaseMode,
    /// The folder of everything that is kept (managed mode); absolute once checked.
    pub data_dir: PathBuf,
    /// Where PostgreSQL's programs lie; `None` looks for the newest.
    pub binaries_dir: Option<PathBuf>,
    url_file: Option<PathBuf>,
    url: Option<String>,
    #[serde(skip)]
    secret_url: Option<SecretString>,
}

/// Whose PostgreSQL it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseMode {
    /// The collector runs its own.
    #[default]
    Managed,
    /// Somebody else runs it, at a URL.
    External,
}

impl Default for Database {
    fn default() -> Self {
        let data_dir = PathBuf::from("data");
        Self { mode: DatabaseMode::Managed, data_dir, binaries_dir: None, url_file: None, url: None, secret_url: None }
    }
}

impl Database {
    /// The URL of an external database, with its password.
    pub fn url(&self) -> Option<&SecretString> {
        self.secret_url.as_ref()
    }

    pub(super) fn validate(&mut self, base: &Path) -> Result<(), ConfigError> {
        self.data_dir = absolute(base, &self.data_dir);
        resolve(base, &mut self.binaries_dir);
        let file = resolve(base, &mut self.url_file);
        if self.mode == DatabaseMode::Managed {
            if file.is_some() || self.url.is_some() {
                let why = "a URL is for mode = \"external\" only: set the mode, or take the URL away";
                return Err(ConfigError::invalid("database.url", why));
            }
            return Ok(());
        }
        self.secret_url = match (file, &self.url) {
            (Some(file), None) => Some(read_secret("database.url_file", &file)?),
            (None, Some(url)) if has_password(url) => {
                let why = "a URL with a password belongs in a file of mode 0600: name it by url_file";
                return Err(ConfigError::invalid("database.url", why));
            }
            (None, Some(url)) => Some(SecretString::new(url.clone())),
            _ => {
                let why = "mode = \"external\" needs either url_file or url";
                return Err(ConfigError::invalid("database.url", why));
            }
        };
        Ok(())
    }
}

fn has_password(url: &str) -> bool {
    url::Url::parse(url)
        .is_ok_and(|url| url.password().is_some() || url.query_pairs().any(|(key, _)| key == "password"))
}
