//! How the collector itself reaches mail servers and providers. Never how targets are checked.

use std::path::PathBuf;

use serde::Deserialize;

use super::ConfigError;

/// `[outbound]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outbound {
    /// An HTTP proxy (`http://HOST:PORT`) for mail and providers.
    pub proxy: Option<String>,
    /// Hosts and domains that are reached without the proxy.
    pub no_proxy: Vec<String>,
    /// Certificates (PEM) of further authorities to trust.
    pub ca_file: Option<PathBuf>,
}

impl Outbound {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let Some(proxy) = &self.proxy else { return Ok(()) };
        match url::Url::parse(proxy) {
            Ok(url) if url.scheme() == "http" && url.host().is_some() && url.path() == "/" => Ok(()),
            _ => Err(ConfigError::invalid(
                "outbound",
                "proxy",
                format!("{proxy:?} is not a proxy's address: use http://HOST:PORT"),
            )),
        }
    }
}
