//! `[mail]`: the server that takes mail.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use picket_shared::secret::SecretString;
use serde::{Deserialize, Serialize};

use super::dkim::Dkim;
use super::residency::{in_the_eu, is_known, is_own};
use super::{ConfigError, read_secret, resolve};

/// The mail server; without a host no mail is sent.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mail {
    /// Its name or address; `None` means that mail is not set up.
    pub host: Option<String>,
    port: Option<u16>,
    /// How the connection is encrypted.
    pub tls: MailTls,
    /// The name to log in with; `None` logs in as nobody.
    pub user: Option<String>,
    password_file: Option<PathBuf>,
    /// The sender's address.
    pub from: Option<String>,
    eu_attested: Option<String>,
    /// Who signs mails; `None` leaves that to the server.
    pub dkim: Option<Dkim>,
    #[serde(skip)]
    password: Option<SecretString>,
}

/// How the connection to the mail server is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// Plain at first, then STARTTLS, which is required.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// Not at all; to loopback only.
    None,
}

/// Where the relay lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailPlace<'a> {
    /// There is none.
    Nowhere,
    /// On this machine or in a private network, by its address.
    Own,
    /// At a service that says of itself that its relay lies in the EU.
    Known,
    /// In the EU, as a person says: who, when, and where it is.
    Attested(&'a str),
}

/// Hosts of services that say of themselves that this relay lies in the EU. London and Zurich do not.
const IN_THE_EU: &[&str] = &[
    "email-smtp.eu-central-1.amazonaws.com",
    "email-smtp.eu-west-1.amazonaws.com",
    "email-smtp.eu-west-3.amazonaws.com",
    "email-smtp.eu-north-1.amazonaws.com",
    "email-smtp.eu-south-1.amazonaws.com",
    "smtp.eu.mailgun.org",
    "smtp.tem.scaleway.com",
    "smtp.tem.scw.cloud",
];

impl Mail {
    /// The port: as set, else 587 (STARTTLS), 465 (TLS) or 25.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            MailTls::Starttls => 587,
            MailTls::Tls => 465,
            MailTls::None => 25,
        })
    }

    /// The password that goes with the user.
    pub fn password(&self) -> Option<&SecretString> {
        self.password.as_ref()
    }

    /// Where the relay lies, as far as that is known from here.
    pub fn place(&self) -> MailPlace<'_> {
        match (self.host.as_deref(), self.eu_attested.as_deref()) {
            (None, _) => MailPlace::Nowhere,
            (Some(host), _) if is_known(host, IN_THE_EU) => MailPlace::Known,
            (Some(host), attested) if is_own(host) => attested.map_or(MailPlace::Own, MailPlace::Attested),
            (Some(_), Some(attested)) => MailPlace::Attested(attested),
            // Refused at the start; what was not checked is nowhere that is known.
            (Some(_), None) => MailPlace::Nowhere,
        }
    }

    pub(super) fn validate(&mut self, base: &Path) -> Result<(), ConfigError> {
        if let Some(file) = resolve(base, &mut self.password_file) {
            self.password = Some(read_secret("mail.password_file", &file)?);
        }
        if self.user.is_some() != self.password.is_some() {
            return Err(ConfigError::invalid("mail.user", "user and password_file go together: give both, or neither"));
        }
        let Some(host) = &self.host else { return Ok(()) };
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c == '/') {
            return Err(ConfigError::invalid("mail.host", format!("{host:?} is no host name: give it without scheme")));
        }
        if !self.from.as_ref().is_some_and(|from| from.contains('@')) {
            let why = "give the address that mails come from, such as picket@example.org";
            return Err(ConfigError::invalid("mail.from", why));
        }
        if let Some(dkim) = &mut self.dkim {
            dkim.validate(base, self.from.as_deref().unwrap_or_default())?;
        }
        let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if self.tls == MailTls::None && !loopback {
            let why = "mail without encryption goes to loopback only: use \"starttls\" or \"tls\"";
            return Err(ConfigError::invalid("mail.tls", why));
        }
        match self.eu_attested.as_deref() {
            None if is_own(host) => Ok(()),
            attested => in_the_eu("mail.eu_attested", host, IN_THE_EU, attested),
        }
    }
}
