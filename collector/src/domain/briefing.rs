//! What a message says of a monitor beside what was found: how bad it is, who looks after it, and where it is written what to do.

use serde::Serialize;
use url::Url;

use super::incident::Severity;

/// The longest owner, in characters.
pub const MOST_OWNER: usize = 200;
/// The longest URL of a runbook, in bytes.
pub const MOST_RUNBOOK: usize = 2000;

/// What was said of a monitor for those who are told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Briefing {
    /// How bad it is when the monitor is down; that of the incidents which the judge opens for it.
    pub severity: Severity,
    /// Who looks after what is watched, in one line.
    pub owner: Option<String>,
    /// Where it is written what to do: an http or https URL.
    pub runbook_url: Option<String>,
}

impl Default for Briefing {
    fn default() -> Self {
        Self { severity: Severity::Critical, owner: None, runbook_url: None }
    }
}

/// Who looks after it: one line, without white space around it; nobody where nothing is written.
///
/// # Errors
/// What would be right.
pub fn owner(text: &str) -> Result<Option<String>, &'static str> {
    let text = text.trim();
    if text.chars().count() > MOST_OWNER || text.chars().any(char::is_control) {
        return Err("use one line of at most 200 characters");
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// A runbook's URL in its one spelling; none where nothing is written.
///
/// # Errors
/// What would be right.
pub fn runbook_url(text: &str) -> Result<Option<String>, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(url) = url else { return Err("use a URL such as https://wiki.example.org/shop-is-down") };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("leave user and password out of it: it is sent to everybody who is told");
    }
    let url = url.to_string();
    if url.len() > MOST_RUNBOOK { Err("use a URL of at most 2000 bytes") } else { Ok(Some(url)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runbook_is_a_web_address_without_credentials_and_of_bounded_length() {
        let is = |text: &str| runbook_url(text).unwrap();
        assert_eq!(is(" https://wiki.example.org "), Some("https://wiki.example.org/".to_owned()));
        assert_eq!(is("http://wiki.example.org/a?b=c#d"), Some("http://wiki.example.org/a?b=c#d".to_owned()));
        assert_eq!(is(""), None);
        for bad in [
            "wiki.example.org",
            "ftp://a.example/",
            "javascript:alert(1)",
            "https://u:p@a.example/",
            "https://u@a.example/",
        ] {
            assert!(runbook_url(bad).is_err(), "{bad}");
        }
        let long = |length: usize| format!("https://a.example/{}", "x".repeat(length - 18));
        assert!(runbook_url(&long(2000)).is_ok() && runbook_url(&long(2001)).is_err());
        assert_eq!(is("https://a.example/a\r\nb"), Some("https://a.example/ab".to_owned()), "no line break is left");
    }

    #[test]
    fn an_owner_is_one_line() {
        assert_eq!(owner("  Team Shop "), Ok(Some("Team Shop".to_owned())));
        assert_eq!(owner(" "), Ok(None));
        assert!(owner("a\nb").is_err() && owner(&"x".repeat(201)).is_err());
        assert!(owner(&"ü".repeat(200)).is_ok());
    }
}
