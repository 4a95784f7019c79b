//! `[outbound]`: how the collector reaches mail servers and providers; never used for the targets of checks.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use url::Url;

use super::{ConfigError, read, resolve};

/// The way out.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outbound {
    proxy: Option<String>,
    /// Hosts, domains (with a leading dot) and networks that are reached without the proxy.
    pub no_proxy: Vec<String>,
    ca_file: Option<PathBuf>,
    #[serde(skip)]
    proxy_url: Option<Url>,
    #[serde(skip)]
    ca_pem: Option<String>,
}

impl Outbound {
    /// The HTTP proxy.
    pub fn proxy(&self) -> Option<&Url> {
        self.proxy_url.as_ref()
    }

    /// Authorities to be trusted besides the built-in ones, in PEM.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    pub(super) fn validate(&mut self, base: &Path) -> Result<(), ConfigError> {
        if let Some(text) = &self.proxy {
            let url = Url::parse(text).ok().filter(|url| url.scheme() == "http" && url.host_str().is_some());
            let why = || format!("{text:?} is no proxy: write it as http://HOST:PORT");
            self.proxy_url = Some(url.ok_or_else(|| ConfigError::invalid("outbound.proxy", why()))?);
        }
        if let Some(file) = resolve(base, &mut self.ca_file) {
            let pem = read("outbound.ca_file", &file)?;
            if !pem.contains("-----BEGIN CERTIFICATE-----") {
                let why = format!("{} holds no certificate in PEM", file.display());
                return Err(ConfigError::invalid("outbound.ca_file", why));
            }
            self.ca_pem = Some(pem);
        }
        Ok(())
    }
}
