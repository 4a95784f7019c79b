//! Where pages, API and probes connect.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::ConfigError;

/// `[http]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// The address and port to listen on.
    pub listen: SocketAddr,
    /// How people and probes reach it, without a path; `http://localhost:PORT` on loopback unless given.
    pub public_url: Option<String>,
    /// The certificate chain (PEM); with `key_file` this makes it HTTPS.
    pub certificate_file: Option<PathBuf>,
    /// The certificate's private key (PEM).
    pub key_file: Option<PathBuf>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            certificate_file: None,
            key_file: None,
        }
    }
}

impl Http {
    /// Whether it speaks HTTPS.
    pub fn is_https(&self) -> bool {
        self.certificate_file.is_some()
    }

    /// How people and probes reach it, without a trailing slash.
    pub fn public_url(&self) -> String {
        match &self.public_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None if self.is_https() => format!("https://{}", self.listen),
            None => format!("http://localhost:{}", self.listen.port()),
        }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let invalid = |key, message: String| Err(ConfigError::invalid("http", key, message));
        if self.certificate_file.is_some() != self.key_file.is_some() {
            return invalid(
                "certificate_file",
                "certificate_file and key_file go together: give both or neither".to_owned(),
            );
        }
        if !self.is_https() && !self.listen.ip().is_loopback() {
            let message = format!(
                "plain HTTP is for loopback only, and {} is not: give certificate_file and key_file, or listen on 127.0.0.1",
                self.listen.ip()
            );
            return invalid("listen", message);
        }
        let Some(text) = &self.public_url else { return Ok(()) };
        let plain = |url: &url::Url| {
            matches!(url.scheme(), "http" | "https")
                && url.path() == "/"
                && url.query().is_none()
                && url.username().is_empty()
        };
        match url::Url::parse(text) {
            Ok(url) if plain(&url) => Ok(()),
            _ => invalid(
                "public_url",
                format!("{text:?} is not the address of a site: use one such as https://picket.example.org"),
            ),
        }
    }
}
