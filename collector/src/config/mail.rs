//! How mail is sent: the operator's own mail server.

use std::path::PathBuf;

use serde::Deserialize;

use super::ConfigError;

/// `[mail]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mail {
    /// The mail server; no mail is sent without one.
    pub host: Option<String>,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: MailTls,
    /// The user to sign in as; none unless given.
    pub user: Option<String>,
    /// A file that holds the user's password.
    pub password_file: Option<PathBuf>,
    /// The sender of every mail.
    pub from: String,
}

/// How the connection to the mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// Plain first, then TLS before anything else is said; refused if the server cannot (RFC 3207).
    #[default]
    Starttls,
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// None: for a server on this machine only.
    None,
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            host: None,
            port: 587,
            tls: MailTls::Starttls,
            user: None,
            password_file: None,
            from: "Picket <picket@localhost>".to_owned(),
        }
    }
}

impl Mail {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let invalid = |key, message: &str| Err(ConfigError::invalid("mail", key, message));
        if self.user.is_some() != self.password_file.is_some() {
            return invalid("user", "user and password_file go together: give both or neither");
        }
        let local = self.host.as_deref().is_none_or(|host| {
            host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        });
        if self.tls == MailTls::None && !local {
            return invalid(
                "tls",
                "tls = \"none\" is for a mail server on this machine only: use \"starttls\" or \"tls\"",
            );
        }
        if self.from.chars().any(char::is_control) || !self.from.contains('@') {
            return invalid("from", "from must be an address such as Picket <picket@example.org>");
        }
        Ok(())
    }
}
