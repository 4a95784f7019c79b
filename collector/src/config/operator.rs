//! `[operator]`: who is told of the instance itself, and what notices when it is silent.

use serde::{Deserialize, Serialize};
use url::Url;

use super::ConfigError;

/// Most addresses.
const MOST: usize = 20;

/// Who is told when the instance itself needs somebody.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Operator {
    /// Addresses of mail; those who administer the instance just then unless given.
    pub mail: Vec<String>,
    /// An address that is asked for every so often while everything runs: whatever listens there notices when it is not.
    pub ping_url: Option<String>,
    /// How often, in seconds: 10 to 3600.
    pub ping_seconds: u32,
}

impl Default for Operator {
    fn default() -> Self {
        Self { mail: Vec::new(), ping_url: None, ping_seconds: 60 }
    }
}

impl Operator {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let is_address = |text: &str| text.parse::<lettre::Address>().is_ok();
        if let Some(bad) = self.mail.iter().find(|address| !is_address(address)) {
            return Err(ConfigError::invalid("operator.mail", format!("{bad:?} is no address of mail")));
        }
        if self.mail.len() > MOST {
            return Err(ConfigError::invalid(
                "operator.mail",
                format!("names more than {MOST} addresses: take a list of mail"),
            ));
        }
        // What it asks for may hold a token, so it is not repeated.
        let is_web = |text: &String| Url::parse(text).is_ok_and(|url| ["http", "https"].contains(&url.scheme()));
        if self.ping_url.as_ref().is_some_and(|url| !is_web(url)) {
            return Err(ConfigError::invalid("operator.ping_url", "must begin with https:// or http://"));
        }
        if !(10..=3600).contains(&self.ping_seconds) {
            return Err(ConfigError::invalid("operator.ping_seconds", "must be 10 to 3600"));
        }
        Ok(())
    }
}
