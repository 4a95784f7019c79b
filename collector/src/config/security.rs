//! `[security]`: whom to tell of a weakness, as `/.well-known/security.txt` says it (RFC 9116).

use serde::{Deserialize, Serialize};
use url::Url;

use super::ConfigError;

/// Whom to tell of a weakness of this instance. Without a contact nothing is said.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Security {
    /// How to reach them, the best way first.
    pub contacts: Vec<String>,
    /// Where the keys are by which a report can be encrypted to them: `https://`, `dns:` or `openpgp4fpr:` (RFC 9116, 2.5.4).
    pub encryption_keys: Vec<String>,
    /// The languages that they read, in no order.
    pub languages: Vec<String>,
    /// Where the rules for who looks for weaknesses are.
    pub policy_url: Option<String>,
}

impl Default for Security {
    fn default() -> Self {
        Self { contacts: Vec::new(), encryption_keys: Vec::new(), languages: vec!["en".to_owned()], policy_url: None }
    }
}

impl Security {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let is_uri = |text: &str, schemes: &[&str]| {
            let plain = text.chars().all(|c| c.is_ascii_graphic());
            plain && Url::parse(text).is_ok_and(|url| schemes.contains(&url.scheme()) && !url.path().is_empty())
        };
        if let Some(bad) = self.contacts.iter().find(|text| !is_uri(text, &["mailto", "https", "tel"])) {
            let why = format!("{bad:?} is no address that begins with mailto:, https:// or tel:");
            return Err(ConfigError::invalid("security.contacts", why));
        }
        if let Some(bad) = self.encryption_keys.iter().find(|text| !is_uri(text, &["https", "dns", "openpgp4fpr"])) {
            let why = format!("{bad:?} is no address of a key that begins with https://, dns: or openpgp4fpr:");
            return Err(ConfigError::invalid("security.encryption_keys", why));
        }
        if let Some(bad) = self.policy_url.as_ref().filter(|text| !is_uri(text, &["https"])) {
            let why = format!("{bad:?} is no address that begins with https://");
            return Err(ConfigError::invalid("security.policy_url", why));
        }
        let is_tag = |tag: &String| {
            tag.split('-').all(|part| (1..=8).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric()))
        };
        match self.languages.iter().find(|tag| !is_tag(tag)) {
            Some(bad) => Err(ConfigError::invalid(
                "security.languages",
                format!("{bad:?} is no tag of a language, such as \"en\" or \"de-AT\""),
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validate(text: &str) -> Result<(), ConfigError> {
        toml::from_str::<Security>(text).unwrap().validate()
    }

    #[test]
    fn contacts_are_addresses_that_a_program_understands_and_hold_no_line_of_their_own() {
        let good = "contacts = [\"mailto:security@example.org\", \"https://example.org/report\", \"tel:+43-1-234\"]";
        assert!(validate(good).is_ok());
        for bad in ["security@example.org", "http://example.org/", "mailto:", "mailto:a@b.c\\nExpires: never", ""] {
            let refused = validate(&format!("contacts = [\"{bad}\"]")).unwrap_err().to_string();
            assert!(refused.contains("mailto:, https:// or tel:"), "{refused}");
        }
        let keys = "[\"https://example.org/key.asc\", \"openpgp4fpr:5f2de5521c63a801ab59ccb603d49de44b29100f\"]";
        assert!(validate(&format!("encryption_keys = {keys}")).is_ok());
        assert!(validate("encryption_keys = [\"-----BEGIN PGP PUBLIC KEY BLOCK-----\"]").is_err());
        assert!(validate("policy_url = \"http://example.org/\"").is_err());
        assert!(validate("languages = [\"en\", \"de-AT\"]").is_ok());
        for bad in ["", "german language", "en, de"] {
            assert!(validate(&format!("languages = [\"{bad}\"]")).is_err(), "{bad}");
        }
    }
}
