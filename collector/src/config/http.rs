//! `[http]`: where people and probes reach the collector.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use picket_shared::secret::SecretString;
use serde::{Deserialize, Serialize};

use super::{ConfigError, read, resolve};

/// The listener and its certificate.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// The address and port that are listened on.
    pub listen: SocketAddr,
    public_url: Option<String>,
    certificate_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    #[serde(skip)]
    certificate: Option<Certificate>,
}

/// A certificate chain and its private key, as read from their files.
#[derive(Clone, PartialEq)]
pub struct Certificate {
    /// The chain in PEM, the server's own certificate first.
    pub chain_pem: String,
    /// The private key in PEM.
    pub key_pem: SecretString,
    /// Where the chain was read from.
    pub chain_file: PathBuf,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.chain_file.display())
    }
}

impl Default for Http {
    fn default() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 8080));
        Self { listen, public_url: None, certificate_file: None, key_file: None, certificate: None }
    }
}

impl Http {
    /// The certificate; `None` means plain HTTP on loopback.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// The address that people and probes use, without a slash at the end.
    pub fn public_url(&self) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        let host = if self.listen.ip().is_loopback() || self.listen.ip().is_unspecified() {
            "localhost".to_owned()
        } else {
            SocketAddr::new(self.listen.ip(), 0).to_string().trim_end_matches(":0").to_owned()
        };
        self.public_url.clone().unwrap_or_else(|| format!("{scheme}://{host}:{}", self.listen.port()))
    }

    pub(super) fn validate(&mut self, base: &Path) -> Result<(), ConfigError> {
        if let Some(text) = &mut self.public_url {
            *text = check_url(text)?;
        }
        self.certificate = match (resolve(base, &mut self.certificate_file), resolve(base, &mut self.key_file)) {
            (Some(chain), Some(key)) => Some(Certificate {
                chain_pem: read("http.certificate_file", &chain)?,
                key_pem: SecretString::new(read("http.key_file", &key)?),
                chain_file: chain,
            }),
            (None, None) => None,
            _ => {
                let why = "certificate_file and key_file go together: give both, or neither";
                return Err(ConfigError::invalid("http.certificate_file", why));
            }
        };
        if self.certificate.is_none() && !self.listen.ip().is_loopback() {
            let why = format!(
                "plain HTTP is served on loopback only, and {} is not: set certificate_file and key_file, \
                 or listen on 127.0.0.1 behind a proxy that does HTTPS",
                self.listen.ip()
            );
            return Err(ConfigError::invalid("http.listen", why));
        }
        Ok(())
    }
}

fn check_url(text: &str) -> Result<String, ConfigError> {
    let wrong = |why: &str| ConfigError::invalid("http.public_url", format!("{text:?} {why}"));
    let url = url::Url::parse(text).map_err(|error| wrong(&format!("is no URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(wrong("must begin with https:// (or http:// for loopback) and name a host"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err(wrong("must be only scheme, host and port, such as https://picket.example.org"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}
