//! The http kind: one request, its redirects, and what the answer must and must not be.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

use super::{InvalidSpec, Verify};
use crate::secret::SecretString;

/// One HTTP check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpSpec {
    /// Where to ask: `http` or `https`, no user or password in it.
    pub url: String,
    /// `GET` unless said otherwise.
    #[serde(default = "get", skip_serializing_if = "is_get")]
    pub method: String,
    /// Sent as given, after Picket's own; `Host` and `User-Agent` may be replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// Sent as the request's body, at most 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The statuses that are good; 200-399 if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accept_status: Vec<StatusRange>,
    /// Texts that must all be in the body.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contains: Vec<String>,
    /// Texts of which none may be in the body.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub must_not_contain: Vec<String>,
    /// Credentials; kept sealed by the collector and sent to the probe alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<HttpAuth>,
    /// How many redirects to follow, 0 to 10.
    #[serde(default = "ten", skip_serializing_if = "is_ten")]
    pub max_redirects: u8,
    /// Whether certificates must be good.
    #[serde(default, skip_serializing_if = "Verify::is_on")]
    pub verify: Verify,
    /// Certificates (PEM) of further authorities to trust for this monitor, at most 32 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_ca: Option<String>,
    /// Offer HTTP/2 by ALPN on https targets.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub http2: bool,
}

/// Credentials of an HTTP check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "scheme", rename_all = "snake_case")]
pub enum HttpAuth {
    /// RFC 7617.
    Basic {
        /// The user's name, without a colon.
        user: String,
        /// The password.
        password: SecretString,
    },
    /// RFC 6750.
    Bearer {
        /// The token.
        token: SecretString,
    },
}

/// A range of HTTP statuses, both ends included; written `200-399` or `204`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StatusRange {
    /// The lowest good status, 100 at least.
    pub from: u16,
    /// The highest good status, 599 at most.
    pub to: u16,
}

impl HttpSpec {
    /// A plain GET of `url` with every default.
    pub fn get(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            method: get(),
            headers: Vec::new(),
            body: None,
            accept_status: Vec::new(),
            contains: Vec::new(),
            must_not_contain: Vec::new(),
            auth: None,
            max_redirects: ten(),
            verify: Verify::On,
            extra_ca: None,
            http2: true,
        }
    }

    /// Whether `status` is good.
    pub fn accepts(&self, status: u16) -> bool {
        if self.accept_status.is_empty() {
            return (200..400).contains(&status);
        }
        self.accept_status.iter().any(|range| (range.from..=range.to).contains(&status))
    }

    pub(super) fn validate(&self) -> Result<(), InvalidSpec> {
        let url = Url::parse(&self.url).map_err(|error| {
            InvalidSpec::new(
                "url",
                format!("{:?} is not a URL ({error}): use one such as https://example.org/", self.url),
            )
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidSpec::new(
                "url",
                format!("the scheme {:?} cannot be checked: use http or https", url.scheme()),
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidSpec::new(
                "url",
                "a URL must hold no user or password: give them as credentials, which are kept sealed",
            ));
        }
        if self.url.len() > 2048 {
            return Err(InvalidSpec::new("url", "a URL may have at most 2048 bytes"));
        }
        let token = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
        };
        if !token(&self.method) || self.method.len() > 20 {
            return Err(InvalidSpec::new(
                "method",
                format!("{:?} is not an HTTP method: use GET, HEAD, POST or the like", self.method),
            ));
        }
        for (name, value) in &self.headers {
            if !token(name) || value.bytes().any(|b| b < 0x20 && b != b'\t' || b == 0x7f) {
                return Err(InvalidSpec::new(
                    "headers",
                    format!(
                        "{name:?} is not a header that can be sent: names are letters, digits and hyphens, values have no line breaks"
                    ),
                ));
            }
        }
        if self.headers.len() > 50 || self.headers.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>() > 16 * 1024 {
            return Err(InvalidSpec::new("headers", "at most 50 headers with 16 KiB in all"));
        }
        if self.body.as_ref().is_some_and(|body| body.len() > 64 * 1024) {
            return Err(InvalidSpec::new("body", "a body may have at most 64 KiB"));
        }
        for (field, texts) in [("contains", &self.contains), ("must_not_contain", &self.must_not_contain)] {
            if texts.len() > 20 || texts.iter().any(|text| text.is_empty() || text.len() > 1024) {
                return Err(InvalidSpec::new(field, "at most 20 texts of 1 to 1024 bytes"));
            }
        }
        if self.max_redirects > 10 {
            return Err(InvalidSpec::new("max_redirects", "at most 10 redirects can be followed"));
        }
        match &self.auth {
            Some(HttpAuth::Basic { user, .. }) if user.contains(':') || user.chars().any(char::is_control) => {
                Err(InvalidSpec::new(
                    "auth",
                    "the user of basic credentials must hold no colon or control character (RFC 7617)",
                ))
            }
            Some(HttpAuth::Bearer { token })
                if token.expose().is_empty() || token.expose().bytes().any(|b| b <= b' ' || b == 0x7f) =>
            {
                Err(InvalidSpec::new("auth", "a bearer token must be given, without spaces or line breaks"))
            }
            _ => validate_extra_ca(self.extra_ca.as_deref()),
        }
    }
}

pub(super) fn validate_extra_ca(pem: Option<&str>) -> Result<(), InvalidSpec> {
    match pem {
        Some(pem) if pem.len() > 32 * 1024 => Err(InvalidSpec::new("extra_ca", "at most 32 KiB of certificates")),
        Some(pem) if !pem.contains("-----BEGIN CERTIFICATE-----") => Err(InvalidSpec::new(
            "extra_ca",
            "no certificate found: give one or more in PEM form (-----BEGIN CERTIFICATE-----)",
        )),
        _ => Ok(()),
    }
}

impl FromStr for StatusRange {
    type Err = InvalidSpec;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        match (from.trim().parse::<u16>(), to.trim().parse::<u16>()) {
            (Ok(from), Ok(to)) if (100..=to).contains(&from) && to <= 599 => Ok(Self { from, to }),
            _ => Err(InvalidSpec::new(
                "accept_status",
                format!("{text:?} is not a range of statuses: use 204 or 200-399, within 100 to 599"),
            )),
        }
    }
}

impl TryFrom<String> for StatusRange {
    type Error = InvalidSpec;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<StatusRange> for String {
    fn from(range: StatusRange) -> Self {
        range.to_string()
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to { write!(f, "{}", self.from) } else { write!(f, "{}-{}", self.from, self.to) }
    }
}

fn get() -> String {
    "GET".to_owned()
}

fn is_get(method: &str) -> bool {
    method == "GET"
}

const fn ten() -> u8 {
    10
}

const fn is_ten(number: &u8) -> bool {
    *number == 10
}

const fn yes() -> bool {
    true
}

const fn is_yes(value: &bool) -> bool {
    *value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(spec: &HttpSpec, field: &str) {
        assert_eq!(spec.validate().map_err(|e| e.field), Err(field));
    }

    #[test]
    fn a_url_alone_is_enough() {
        assert_eq!(HttpSpec::get("https://example.org/").validate(), Ok(()));
    }

    #[test]
    fn urls_with_credentials_or_other_schemes_are_refused() {
        for url in [
            "ftp://example.org/",
            "https://u:p@example.org/",
            "https://u@example.org/",
            "example.org",
            "file:///etc/passwd",
        ] {
            refused(&HttpSpec::get(url), "url");
        }
    }

    #[test]
    fn a_header_cannot_smuggle_a_line() {
        let mut spec = HttpSpec::get("https://example.org/");
        spec.headers.push(("X-A".to_owned(), "1\r\nHost: other".to_owned()));
        refused(&spec, "headers");
    }

    #[test]
    fn status_ranges_parse_and_decide() {
        let mut spec = HttpSpec::get("https://example.org/");
        assert!(spec.accepts(200) && spec.accepts(301) && !spec.accepts(404));
        spec.accept_status = vec!["401".parse().unwrap(), "500-503".parse().unwrap()];
        assert!(spec.accepts(401) && spec.accepts(502) && !spec.accepts(200));
        for bad in ["", "99", "600", "300-200", "2xx"] {
            assert!(bad.parse::<StatusRange>().is_err(), "{bad:?}");
        }
    }
}
