//! `[http]`: where people and probes reach the collector.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use picket_shared::secret::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{ConfigError, read, resolve};

/// The listeners and their certificate.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// The address and port that are listened on.
    pub listen: SocketAddr,
    public_url: Option<String>,
    probe_listen: String,
    certificate_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    /// Whose word is taken for the client's address and scheme.
    pub trusted_proxies: Vec<IpNet>,
    #[serde(skip)]
    certificate: Option<Certificate>,
    #[serde(skip)]
    door: Option<SocketAddr>,
}

/// How `listen` is served; it follows from the other keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// Plain HTTP, on loopback.
    Plain,
    /// Plain HTTP, to nobody but the trusted proxies, which do HTTPS.
    BehindProxies,
    /// HTTPS, by the operator's certificate.
    Certificate,
    /// HTTPS, by a certificate of the collector's own authority.
    OwnAuthority,
}

impl Served {
    /// Whether this listener itself speaks TLS.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Certificate | Self::OwnAuthority)
    }
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
    /// Where the key was read from.
    pub key_file: PathBuf,
}

impl Certificate {
    /// Reads both files, as they are now.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn read(chain_file: &Path, key_file: &Path) -> Result<Self, ConfigError> {
        Ok(Self {
            chain_pem: read("http.certificate_file", chain_file)?,
            key_pem: SecretString::new(read("http.key_file", key_file)?),
            chain_file: chain_file.to_owned(),
            key_file: key_file.to_owned(),
        })
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.chain_file.display())
    }
}

/// Where probes of other machines are let in unless the settings say otherwise.
const DOOR: &str = "[::]:8443";
/// What `probe_listen` says for nowhere.
const OFF: &str = "off";

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            probe_listen: DOOR.to_owned(),
            certificate_file: None,
            key_file: None,
            trusted_proxies: Vec::new(),
            certificate: None,
            door: None,
        }
    }
}

impl Http {
    /// The operator's certificate.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// How `listen` is served.
    pub fn served(&self) -> Served {
        if self.certificate.is_some() {
            Served::Certificate
        } else if self.listen.ip().is_loopback() {
            Served::Plain
        } else if self.trusted_proxies.is_empty() {
            Served::OwnAuthority
        } else {
            Served::BehindProxies
        }
    }

    /// The address that the operator gave for people and probes, without a slash at the end.
    pub fn given_url(&self) -> Option<&str> {
        self.public_url.as_deref()
    }

    /// The address that people use, and probes of this machine, without a slash at the end.
    pub fn public_url(&self) -> String {
        let scheme = if self.served().is_tls() { "https" } else { "http" };
        let host = match self.listen.ip() {
            ip if ip.is_loopback() || ip.is_unspecified() => "localhost".to_owned(),
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        self.public_url.clone().unwrap_or_else(|| format!("{scheme}://{host}:{}", self.listen.port()))
    }

    /// The address that links in messages begin with; none as long as pages can be seen on this machine alone.
    pub fn link_url(&self) -> Option<String> {
        let is_seen = !self.listen.ip().is_loopback() && !self.listen.ip().is_unspecified();
        (is_seen || self.public_url.is_some()).then(|| self.public_url())
    }

    /// Where probes of other machines are let in by the collector's own authority, while `listen` is for this machine
    /// alone and no other address was given.
    pub fn probe_door(&self) -> Option<SocketAddr> {
        self.door.filter(|_| self.listen.ip().is_loopback() && self.public_url.is_none())
    }

    /// Whether the collector may have to show a certificate of its own authority.
    pub fn needs_authority(&self) -> bool {
        self.served() == Served::OwnAuthority || self.probe_door().is_some()
    }

    pub(super) fn validate(&mut self, base: &Path) -> Result<(), ConfigError> {
        if let Some(text) = &mut self.public_url {
            *text = check_url(text)?;
        }
        self.certificate = match (resolve(base, &mut self.certificate_file), resolve(base, &mut self.key_file)) {
            (Some(chain), Some(key)) => Some(Certificate::read(&chain, &key)?),
            (None, None) => None,
            _ => {
                let why = "certificate_file and key_file go together: give both, or neither";
                return Err(ConfigError::invalid("http.certificate_file", why));
            }
        };
        self.door = check_door(&self.probe_listen)?;
        self.check_proxies()
    }

    fn check_proxies(&self) -> Result<(), ConfigError> {
        if let Some(everyone) = self.trusted_proxies.iter().find(|net| net.prefix_len() == 0) {
            let why = format!("{everyone} is everybody, who could then claim any address: name your proxies' networks");
            return Err(ConfigError::invalid("http.trusted_proxies", why));
        }
        let https = self.public_url.as_ref().is_some_and(|url| url.starts_with("https://"));
        if self.served() == Served::BehindProxies && !https {
            let why = "behind proxies only you know the address that people and probes use, and it must be HTTPS: set \
                       it, such as https://picket.example.org";
            return Err(ConfigError::invalid("http.public_url", why));
        }
        Ok(())
    }
}

fn check_door(text: &str) -> Result<Option<SocketAddr>, ConfigError> {
    if text == OFF {
        return Ok(None);
    }
    let why = || format!("{text:?} is no address and port such as {DOOR}, and not \"{OFF}\"");
    text.parse().map(Some).map_err(|_| ConfigError::invalid("http.probe_listen", why()))
}

fn check_url(text: &str) -> Result<String, ConfigError> {
    let wrong = |why: &str| ConfigError::invalid("http.public_url", format!("{text:?} {why}"));
    let url = Url::parse(text).map_err(|error| wrong(&format!("is no URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(wrong("must begin with https:// (or http:// for loopback) and name a host"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err(wrong("must be only scheme, host and port, such as https://picket.example.org"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(text: &str) -> Http {
        let mut http: Http = toml::from_str(text).unwrap();
        http.validate(Path::new("/srv")).unwrap();
        http
    }

    #[test]
    fn how_it_is_served_follows_from_where_it_listens_and_for_whom() {
        let plain = http("");
        assert_eq!((plain.served(), plain.public_url().as_str()), (Served::Plain, "http://localhost:8080"));
        let own = http("listen = \"0.0.0.0:8443\"");
        assert_eq!((own.served(), own.public_url().as_str()), (Served::OwnAuthority, "https://localhost:8443"));
        assert_eq!(http("listen = \"[2001:db8::1]:8443\"").public_url(), "https://[2001:db8::1]:8443");
        let proxied =
            http("listen = \"10.0.0.1:80\"\ntrusted_proxies = [\"10.0.0.0/8\"]\npublic_url = \"https://p.example\"");
        assert_eq!(proxied.served(), Served::BehindProxies);
        let beside = http("trusted_proxies = [\"127.0.0.1/32\"]");
        assert_eq!(beside.served(), Served::Plain);
    }

    #[test]
    fn links_of_messages_begin_with_what_others_can_open() {
        assert_eq!(http("").link_url(), None);
        assert_eq!(http("listen = \"0.0.0.0:8443\"").link_url(), None, "which of its addresses is not known");
        assert_eq!(http("listen = \"192.0.2.7:8443\"").link_url().unwrap(), "https://192.0.2.7:8443");
        assert_eq!(http("public_url = \"https://p.example/\"").link_url().unwrap(), "https://p.example");
    }

    #[test]
    fn probes_of_other_machines_have_a_door_of_their_own_only_while_there_is_no_other_way() {
        assert_eq!(http("").probe_door(), Some(DOOR.parse().unwrap()));
        assert_eq!(http("probe_listen = \"192.0.2.1:9000\"").probe_door(), Some("192.0.2.1:9000".parse().unwrap()));
        for other in
            ["probe_listen = \"off\"", "listen = \"0.0.0.0:8443\"", "public_url = \"https://picket.example.org\""]
        {
            assert_eq!(http(other).probe_door(), None, "{other}");
        }
        assert!(http("").needs_authority() && http("listen = \"0.0.0.0:8443\"").needs_authority());
        assert!(!http("public_url = \"https://picket.example.org\"").needs_authority());
    }
}
