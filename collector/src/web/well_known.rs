//! `/.well-known/security.txt`: whom to tell of a weakness (RFC 9116), where the operator says so.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use picket_shared::time::Timestamp;

use super::{Site, ui};
use crate::config::Security;

/// Where it is.
pub const SECURITY_TXT: &str = "/.well-known/security.txt";

const DAY_S: i64 = 86_400;
/// For so long what is said is good, in days; the standard wants less than a year.
const GOOD_DAYS: i64 = 180;

/// `GET /.well-known/security.txt`: 404 as for any other address unless there is a contact.
pub async fn get_security_txt(State(site): State<Site>, uri: Uri, headers: HeaderMap) -> Response {
    let Some(text) = security_txt(&site.security, &site.front.public_url, site.clock.now()) else {
        return ui::error::get_nothing(uri, headers).await;
    };
    let mut response = text.into_response();
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// The file. It is made from the settings of the collector that runs, so it is as fresh as the answer: it ends at midnight,
/// half a year from now.
fn security_txt(security: &Security, public_url: &str, now: Timestamp) -> Option<String> {
    if security.contacts.is_empty() {
        return None;
    }
    let mut text = String::new();
    for contact in &security.contacts {
        let _ = writeln!(text, "Contact: {contact}");
    }
    let expires = Timestamp::from_seconds((now.seconds().div_euclid(DAY_S) + GOOD_DAYS) * DAY_S);
    let _ = writeln!(text, "Expires: {expires:.0}");
    for key in &security.encryption_keys {
        let _ = writeln!(text, "Encryption: {key}");
    }
    // The standard knows no address but of HTTPS.
    if public_url.starts_with("https://") {
        let _ = writeln!(text, "Canonical: {public_url}{SECURITY_TXT}");
    }
    if !security.languages.is_empty() {
        let _ = writeln!(text, "Preferred-Languages: {}", security.languages.join(", "));
    }
    if let Some(policy) = &security.policy_url {
        let _ = writeln!(text, "Policy: {policy}");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact() -> Security {
        Security { contacts: vec!["mailto:security@example.org".to_owned()], ..Security::default() }
    }

    #[test]
    fn it_says_whom_to_tell_until_when_where_it_is_and_in_which_language() {
        let now = Timestamp::from_seconds(1_790_000_000);
        let text = security_txt(&contact(), "https://picket.example", now).unwrap();
        assert_eq!(
            text,
            "Contact: mailto:security@example.org\nExpires: 2027-03-20T00:00:00Z\n\
             Canonical: https://picket.example/.well-known/security.txt\nPreferred-Languages: en\n"
        );
        let more = Security {
            contacts: vec!["https://example.org/report".to_owned(), "mailto:security@example.org".to_owned()],
            encryption_keys: vec!["https://example.org/key.asc".to_owned()],
            languages: vec!["de".to_owned(), "en".to_owned()],
            policy_url: Some("https://example.org/policy".to_owned()),
        };
        let text = security_txt(&more, "http://localhost:8080", now).unwrap();
        assert!(
            text.starts_with("Contact: https://example.org/report\nContact: mailto:"),
            "the best way first: {text}"
        );
        assert!(text.contains("Z\nEncryption: https://example.org/key.asc\nPreferred-Languages"), "{text}");
        assert!(text.ends_with("Preferred-Languages: de, en\nPolicy: https://example.org/policy\n"), "{text}");
        assert!(!text.contains("Canonical"), "there is no address of HTTPS");
        assert_eq!(security_txt(&Security::default(), "https://picket.example", now), None);
    }

    #[test]
    fn it_never_ends_soon_and_never_in_a_year() {
        for second in [0, 86_399, 86_400, 1_790_000_000] {
            let text = security_txt(&contact(), "https://x", Timestamp::from_seconds(second)).unwrap();
            let expires = text.lines().find_map(|line| line.strip_prefix("Expires: ")).unwrap();
            let left = expires.parse::<Timestamp>().unwrap().seconds() - second;
            assert!((179 * DAY_S..=180 * DAY_S).contains(&left), "{expires}");
        }
    }
}
