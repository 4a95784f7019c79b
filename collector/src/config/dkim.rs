//! `[mail.dkim]`: the key that signs mails.

use std::path::{Path, PathBuf};

use picket_shared::secret::SecretString;
use serde::{Deserialize, Serialize};

use super::{ConfigError, absolute, read_secret};

/// Who signs mails. Whether the key is one is known to what signs (`notify::dkim`).
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Dkim {
    /// The domain that signs: that of the sender's address, or one above it.
    pub domain: String,
    /// The name of the key below `_domainkey` of the domain.
    pub selector: String,
    key_file: PathBuf,
    #[serde(skip)]
    key: Option<SecretString>,
}

impl Dkim {
    /// The private key, in PEM.
    pub fn key(&self) -> &str {
        self.key.as_ref().map_or("", |key| key.expose())
    }

    pub(super) fn validate(&mut self, base: &Path, from: &str) -> Result<(), ConfigError> {
        let named = |name: &str, text: &str| {
            let why = format!(
                "{text:?} is no {name}: give one such as {}",
                if name == "domain" { "example.org" } else { "picket" }
            );
            is_name(text).then_some(()).ok_or(why)
        };
        named("domain", &self.domain).map_err(|why| ConfigError::invalid("mail.dkim.domain", why))?;
        named("selector", &self.selector).map_err(|why| ConfigError::invalid("mail.dkim.selector", why))?;
        let sender = from.rsplit_once('@').map_or("", |(_, domain)| domain.trim_end_matches('>')).to_ascii_lowercase();
        let of_sender = sender.strip_suffix(&self.domain.to_ascii_lowercase());
        if !of_sender.is_some_and(|rest| rest.is_empty() || rest.ends_with('.')) {
            let why = format!(
                "mails come from {sender}: give that domain or one above it, for no other is taken for the sender's"
            );
            return Err(ConfigError::invalid("mail.dkim.domain", why));
        }
        self.key_file = absolute(base, &self.key_file);
        self.key = Some(read_secret("mail.dkim.key_file", &self.key_file)?);
        Ok(())
    }
}

/// Labels of letters, digits and hyphens, with dots between.
fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.len() <= 200 && text.split('.').all(label)
}
