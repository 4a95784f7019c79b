//! `[metrics]`: who may read `/metrics` besides this machine.

use std::path::{Path, PathBuf};

use ipnet::IpNet;
use picket_shared::secret::SecretString;
use serde::{Deserialize, Serialize};

use super::{ConfigError, read_secret, resolve};

/// The readers of `/metrics`; everybody else gets 404.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// Networks whose addresses may read.
    pub allow: Vec<IpNet>,
    token_file: Option<PathBuf>,
    #[serde(skip)]
    token: Option<SecretString>,
}

/// A token that can be guessed is none.
const SHORTEST_TOKEN: usize = 16;

impl Metrics {
    /// The token by which anybody may read.
    pub fn token(&self) -> Option<&SecretString> {
        self.token.as_ref()
    }

    pub(super) fn validate(&mut self, base: &Path) -> Result<(), ConfigError> {
        if let Some(file) = resolve(base, &mut self.token_file) {
            let token = read_secret("metrics.token_file", &file)?;
            if token.expose().len() < SHORTEST_TOKEN {
                let why = format!(
                    "{} holds fewer than {SHORTEST_TOKEN} characters: `openssl rand -hex 32` makes a good token",
                    file.display()
                );
                return Err(ConfigError::invalid("metrics.token_file", why));
            }
            self.token = Some(token);
        }
        Ok(())
    }
}
