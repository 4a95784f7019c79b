//! Settings: one TOML file, or nothing but the enrolment token in the environment. Unknown keys are refused.
//!
//! [`File::settings`] reads everything that the probe ever reads from disk, because afterwards [`crate::confine`] shuts it.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use picket_shared::enrolment::EnrolmentToken;
use picket_shared::secret::Secret;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use url::{Host, Url};

mod file;
mod reference;

pub use file::{BufferSection, Egress, File, Limits, Log, LogFormat, LogLevel, Outbound, SelfCheckSection};
pub use reference::{Over, Reference};

/// Every key with its default and a sentence; a test parses it.
pub const EXAMPLE: &str = include_str!("../../../probe.example.toml");
/// The environment variable that names the file.
pub const CONFIG_VARIABLE: &str = "PICKET_PROBE_CONFIG";
/// The environment variable that holds the enrolment token.
pub const TOKEN_VARIABLE: &str = "PICKET_TOKEN";
/// The environment variable that names a file with the enrolment token.
pub const TOKEN_FILE_VARIABLE: &str = "PICKET_TOKEN_FILE";

/// What the probe runs with: read, checked, and complete.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who the probe is.
    pub token: EnrolmentToken,
    /// How the collector is reached.
    pub collector: Collector,
    /// Further authorities to trust in checks.
    pub extra_ca: Vec<CertificateDer<'static>>,
    /// Name servers to use instead of the machine's.
    pub resolvers: Vec<SocketAddr>,
    /// Named in every check.
    pub user_agent: String,
    /// Which private addresses checks may reach.
    pub egress: Egress,
    /// What tells whether the probe's own network is good.
    pub references: Vec<Reference>,
    /// From one self-check to the next.
    pub self_check_period: Duration,
    /// Most bytes for outcomes that are not delivered yet.
    pub buffer_limit: usize,
    /// Most checks at once.
    pub concurrency: usize,
    /// Files that were read, and that may be read again.
    pub read_files: Vec<PathBuf>,
}

/// How the collector is reached.
#[derive(Clone, Debug)]
pub struct Collector {
    /// Where it is; the path is empty.
    pub url: Url,
    /// Whom to believe that it is the collector.
    pub trust: Trust,
    /// The proxy on the way.
    pub outbound: Outbound,
}

/// Whom to believe that it is the collector.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Mozilla's authorities and these.
    Roots(Vec<CertificateDer<'static>>),
    /// Only the certificate with this SHA-256, in lower-case hexadecimal.
    Pin(String),
}

/// What is wrong with the settings, and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read {what} {path}: {source}; check the path and that this user may read it")]
    Unreadable {
        /// What it is for.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("{path} cannot be used: {source}")]
    Syntax {
        /// Where.
        path: PathBuf,
        /// Where in it, and what is wrong.
        source: Box<toml::de::Error>,
    },
    /// No token anywhere.
    #[error(
        "there is no enrolment token: put what `picket-collector probe add` printed into {TOKEN_VARIABLE}, or its file into {TOKEN_FILE_VARIABLE} or `token_file`"
    )]
    NoToken,
    /// The token is none.
    #[error(transparent)]
    Token(#[from] picket_shared::enrolment::InvalidToken),
    /// A key has a value that cannot be.
    #[error("{key}: {message}")]
    Value {
        /// Which key.
        key: &'static str,
        /// What is wrong and what would be right.
        message: String,
    },
}

impl File {
    /// Reads the file, or takes every default if there is none.
    ///
    /// # Errors
    /// When it cannot be read, is no TOML, or has a key that does not exist.
    pub fn read(path: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let text = read("the configuration file", path)?;
        toml::from_str(&text).map_err(|source| ConfigError::Syntax { path: path.to_owned(), source: Box::new(source) })
    }

    /// Finds the enrolment token: the text given (from the environment), the file given, or `token_file`.
    ///
    /// # Errors
    /// When there is none, or it is none.
    pub fn token(&self, text: Option<Secret<String>>, file: Option<&Path>) -> Result<EnrolmentToken, ConfigError> {
        let text = match (text, file.or(self.token_file.as_deref())) {
            (Some(text), _) => text,
            (None, Some(path)) => Secret::new(read("the enrolment token", path)?),
            (None, None) => return Err(ConfigError::NoToken),
        };
        Ok(text.expose().parse()?)
    }

    /// Checks every key and reads the certificates that it names.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn settings(self, token: EnrolmentToken) -> Result<Settings, ConfigError> {
        let mut read_files = Vec::new();
        let url = self.collector_url.as_deref().or(token.url.as_deref());
        let url = collector_url(url)?;
        let trust = match (&self.ca_file, self.pin.as_deref().or(token.pin.as_deref())) {
            (Some(path), _) => Trust::Roots(certificates("ca_file", path, &mut read_files)?),
            (None, Some(pin)) => Trust::Pin(valid_pin(pin)?),
            (None, None) => Trust::Roots(Vec::new()),
        };
        let extra_ca = match &self.extra_ca_file {
            Some(path) => certificates("extra_ca_file", path, &mut read_files)?,
            None => Vec::new(),
        };
        if let Some(proxy) = &self.outbound.proxy {
            let known = Url::parse(proxy).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
            known.then_some(()).ok_or_else(|| bad("outbound.proxy", "use a URL such as http://proxy.example:3128"))?;
        }
        Ok(Settings {
            token,
            collector: Collector { url, trust, outbound: self.outbound },
            extra_ca,
            resolvers: self.resolvers.iter().map(|text| resolver(text)).collect::<Result<_, _>>()?,
            user_agent: user_agent(self.contact_url.as_deref())?,
            egress: self.egress,
            references: self.self_check.targets.iter().map(|text| reference::parse(text)).collect::<Result<_, _>>()?,
            self_check_period: Duration::from_secs(within("self_check.period_s", self.self_check.period_s, 2, 300)?),
            buffer_limit: within("buffer.limit_mib", self.buffer.limit_mib, 1, 4096)? * 1024 * 1024,
            concurrency: within("limits.concurrency", self.limits.concurrency, 1, 16_384)?,
            read_files,
        })
    }
}

fn read(what: &'static str, path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { what, path: path.to_owned(), source })
}

fn bad(key: &'static str, message: impl Into<String>) -> ConfigError {
    ConfigError::Value { key, message: message.into() }
}

fn within<T: PartialOrd + std::fmt::Display>(key: &'static str, value: T, least: T, most: T) -> Result<T, ConfigError> {
    if value < least || value > most {
        return Err(bad(key, format!("{value} cannot be: use {least} to {most}")));
    }
    Ok(value)
}

/// The collector's address: HTTPS, or plain HTTP to this very machine.
fn collector_url(text: Option<&str>) -> Result<Url, ConfigError> {
    const KEY: &str = "collector_url";
    let text = text.ok_or_else(|| bad(KEY, "the enrolment token names no collector: set collector_url"))?;
    let mut url = Url::parse(text).map_err(|error| bad(KEY, format!("{text:?} is not a URL ({error})")))?;
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err(bad(KEY, format!("{text:?} names no host"))),
    };
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        "http" => {
            return Err(bad(
                KEY,
                "plain HTTP is only for a collector on this machine (localhost): use https://, with `ca_file` or `pin` if the collector has a certificate of its own",
            ));
        }
        scheme => return Err(bad(KEY, format!("the scheme {scheme:?} cannot be used: use https"))),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad(KEY, "leave user and password out: the enrolment token says who the probe is"));
    }
    url.set_path("");
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

fn valid_pin(text: &str) -> Result<String, ConfigError> {
    let pin: String = text.chars().filter(|c| *c != ':').map(|c| c.to_ascii_lowercase()).collect();
    if pin.len() == 64 && pin.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(pin)
    } else {
        Err(bad("pin", "use the SHA-256 of the authority's certificate: 64 hexadecimal digits"))
    }
}

fn certificates(
    key: &'static str,
    path: &Path,
    read_files: &mut Vec<PathBuf>,
) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let text = read(key, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let found = found.map_err(|error| bad(key, format!("{} is not PEM: {error}", path.display())))?;
    if found.is_empty() {
        return Err(bad(key, format!("{} holds no certificate", path.display())));
    }
    read_files.push(path.to_owned());
    Ok(found)
}

fn user_agent(contact: Option<&str>) -> Result<String, ConfigError> {
    let product = concat!("Picket/", env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));
    let Some(contact) = contact else { return Ok(product.to_owned()) };
    match Url::parse(contact) {
        Ok(url) if matches!(url.scheme(), "http" | "https" | "mailto") => Ok(format!("{product} (+{url})")),
        _ => Err(bad("contact_url", format!("{contact:?} is not a URL: use one such as https://example.org/probes"))),
    }
}

/// A name server: an address, with port 53 unless it names another.
fn resolver(text: &str) -> Result<SocketAddr, ConfigError> {
    text.parse::<SocketAddr>().or_else(|_| text.parse::<IpAddr>().map(|address| SocketAddr::new(address, 53))).map_err(
        |_| bad("resolvers", format!("{text:?} is not an address: use one such as 192.0.2.53 or [2001:db8::53]:5353")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use picket_shared::ids::{CollectorId, ProbeId};
    use uuid::Uuid;

    fn token(url: Option<&str>) -> EnrolmentToken {
        EnrolmentToken {
            probe: ProbeId(Uuid::from_u128(1)),
            collector: CollectorId(Uuid::from_u128(2)),
            secret: Secret::new(vec![7; 32]),
            url: url.map(ToOwned::to_owned),
            pin: None,
        }
    }

    #[test]
    fn the_example_names_every_key_with_its_default() {
        // A key that is commented out in the example has no default; with the `#` gone it must be one that exists.
        let shown: String =
            EXAMPLE.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line)).collect::<Vec<_>>().join("\n");
        toml::from_str::<File>(&shown).unwrap();
        let file: File = toml::from_str(EXAMPLE).unwrap();
        assert_eq!(format!("{file:?}"), format!("{:?}", File::default()));
        for key in [
            "collector_url",
            "ca_file",
            "pin",
            "token_file",
            "contact_url",
            "extra_ca_file",
            "resolvers",
            "allow",
            "nat64",
            "targets",
            "period_s",
            "limit_mib",
            "proxy",
            "no_proxy",
            "concurrency",
            "level",
            "format",
        ] {
            assert!(shown.lines().any(|line| line.starts_with(&format!("{key} = "))), "{key} is not in the example");
        }
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(toml::from_str::<File>("collector_uri = \"x\"").is_err());
        assert!(toml::from_str::<File>("[egress]\nallow_private = []").is_err());
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for good in ["http://localhost:8080", "http://127.0.0.1:1/x", "http://[::1]:1", "https://c.example/"] {
            assert!(collector_url(Some(good)).is_ok(), "{good}");
        }
        let refused = collector_url(Some("http://c.example")).unwrap_err().to_string();
        assert!(refused.contains("use https://"), "{refused}");
        for bad in [None, Some("ftp://localhost"), Some("c.example"), Some("https://u:p@c.example")] {
            assert!(collector_url(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_token_names_the_collector_unless_the_file_does() {
        let settings = File::default().settings(token(Some("https://a.example/x"))).unwrap();
        assert_eq!(settings.collector.url.as_str(), "https://a.example/");
        let file = File { collector_url: Some("https://b.example".to_owned()), ..File::default() };
        assert_eq!(
            file.settings(token(Some("https://a.example"))).unwrap().collector.url.as_str(),
            "https://b.example/"
        );
        assert!(File::default().settings(token(None)).is_err());
    }

    #[test]
    fn the_user_agent_names_picket_and_whom_to_ask() {
        assert_eq!(user_agent(None).unwrap(), "Picket/0.1");
        assert_eq!(user_agent(Some("https://example.org/p")).unwrap(), "Picket/0.1 (+https://example.org/p)");
        assert!(user_agent(Some("a b")).is_err());
    }
}
