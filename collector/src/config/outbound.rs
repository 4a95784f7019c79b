//! `[outbound]`: how the collector reaches mail servers and providers; never used for the targets of checks.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use url::Url;

use super::{ConfigError, read, resolve};

/// The way out.
#[derive(Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outbound {
    #[serde(serialize_with = "without_password")]
    proxy: Option<String>,
    /// Hosts, domains (with a leading dot) and networks that are reached without the proxy.
    pub no_proxy: Vec<String>,
    ca_file: Option<PathBuf>,
    telegram_url: Option<String>,
    twilio_url: Option<String>,
    slack_url: Option<String>,
    pagerduty_url: Option<String>,
    discord_url: Option<String>,
    teams_url: Option<String>,
    pushover_url: Option<String>,
    opsgenie_url: Option<String>,
    #[serde(skip)]
    proxy_url: Option<Url>,
    #[serde(skip)]
    providers: BTreeMap<&'static str, Url>,
    #[serde(skip)]
    ca_pem: Option<String>,
}

/// Without the proxy's user and password, and without the certificates themselves.
impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound")
            .field("proxy", &self.proxy_url.as_ref().map(|url| (url.host_str(), url.port_or_known_default())))
            .field("no_proxy", &self.no_proxy)
            .field("ca_file", &self.ca_file)
            .field("providers", &self.providers.keys())
            .finish_non_exhaustive()
    }
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

    /// Where the operator says that a provider is, by the name of its kind of channel; `None` means at its usual address.
    pub fn provider(&self, kind: &str) -> Option<&Url> {
        self.providers.get(kind)
    }

    pub(super) fn validate(&mut self, base: &Path) -> Result<(), ConfigError> {
        if let Some(text) = &self.proxy {
            let url = Url::parse(text).ok().filter(|url| url.scheme() == "http" && url.host_str().is_some());
            // What was given may hold a password, so it is not repeated.
            let why = || "it is no proxy: write it as http://HOST:PORT or http://USER:PASSWORD@HOST:PORT";
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
        let named = [
            ("telegram", "outbound.telegram_url", &self.telegram_url),
            ("twilio", "outbound.twilio_url", &self.twilio_url),
            ("slack", "outbound.slack_url", &self.slack_url),
            ("pagerduty", "outbound.pagerduty_url", &self.pagerduty_url),
            ("discord", "outbound.discord_url", &self.discord_url),
            ("teams", "outbound.teams_url", &self.teams_url),
            ("pushover", "outbound.pushover_url", &self.pushover_url),
            ("opsgenie", "outbound.opsgenie_url", &self.opsgenie_url),
        ];
        for (kind, key, text) in named {
            if let Some(text) = text {
                self.providers.insert(kind, provider(text).ok_or_else(|| ConfigError::invalid(key, NO_PROVIDER))?);
            }
        }
        Ok(())
    }
}

const NO_PROVIDER: &str =
    "it is no address of a provider: write it as https://HOST or https://HOST/PATH (http:// to loopback only)";

/// Tokens travel to it, so it is encrypted or on this machine.
pub(super) fn provider(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let host = url.host_str()?;
    let local = host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let plain =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    (plain && (url.scheme() == "https" || (url.scheme() == "http" && local))).then_some(url)
}

/// As `config show` prints it.
#[expect(clippy::ref_option, reason = "serde hands the field over so")]
fn without_password<S: serde::Serializer>(proxy: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    let shown = proxy.as_deref().map(|text| match Url::parse(text) {
        Ok(mut url) if url.password().is_some() => match url.set_password(Some("***")) {
            Ok(()) => url.to_string(),
            Err(()) => "***".to_owned(),
        },
        _ => text.to_owned(),
    });
    shown.serialize(serializer)
}
