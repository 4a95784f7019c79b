//! Servers that a tenant names, such as one of their own: how they are read and shown, and what is kept of what they say.
//!
//! Each request to one is judged by the egress guard, so a private address is refused unless the operator allows it.

use bytes::Bytes;
use picket_shared::egress::{Target, parse_target};
use picket_shared::secret::SecretString;
use url::Position;

use super::{InvalidSettings, SendError};
use crate::notify::client::Reply;
use crate::notify::message::Message;

/// The longest URL that is taken, in bytes.
const LONGEST: usize = 2048;

/// Scheme and host, maybe with a port and a path in front of what the API's documentation names.
pub(super) fn read(text: &str) -> Option<Target> {
    let target = parse_target(text).ok().filter(|_| text.len() <= LONGEST)?;
    (target.url.query().is_none() && target.url.fragment().is_none()).then_some(target)
}

/// The same, to send to.
///
/// # Errors
/// When it is none, which whoever set the channel up has to mend.
pub(super) fn target(text: &str) -> Result<Target, SendError> {
    read(text).ok_or_else(|| SendError::Permanent("the settings cannot be used: enter the server anew".to_owned()))
}

/// Whether it is at that host, or at one below it.
pub(super) fn is_at(text: &str, host: &str) -> bool {
    let target = read(text);
    let named = target.as_ref().and_then(|target| target.url.host_str()).unwrap_or_default().trim_end_matches('.');
    named.strip_suffix(host).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// A complaint unless it is one; what was given may be a secret in the wrong field, so it is not repeated.
pub(super) fn complaint(text: &str, field: &'static str, example: &str) -> Option<InvalidSettings> {
    let why = format!("it is no address of a server: give one such as {example}, without a user, password or query");
    InvalidSettings::unless(read(text).is_some(), field, &why)
}

/// Of a URL that is a secret as a whole: its server, and path and query.
pub(super) fn split(text: &str) -> Option<(Target, SecretString)> {
    let mut target =
        parse_target(text).ok().filter(|target| target.url.fragment().is_none() && text.len() <= LONGEST)?;
    let path = SecretString::new(target.url[Position::BeforePath..Position::AfterQuery].to_owned());
    target.url.set_path("");
    target.url.set_query(None);
    Some((target, path))
}

/// A text as one part of a path.
pub(super) fn segment(text: &str) -> String {
    use std::fmt::Write;

    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// Host and port, for people.
pub(super) fn shown(text: &str) -> String {
    parse_target(text)
        .map_or_else(|_| "***".to_owned(), |target| target.url[Position::BeforeHost..Position::AfterPort].to_owned())
}

/// The answer; of that to a message with a code only the status, for a server that repeats what it is sent would hand the
/// code to whoever named its address.
pub(super) fn heard(reply: Reply, message: &Message) -> Reply {
    if message.code.is_some() { Reply { body: Bytes::new(), ..reply } } else { reply }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_scheme_host_and_maybe_port_and_path() {
        for good in ["https://chat.example.org", "http://10.0.0.8:8065/team", "https://[2001:db8::1]/"] {
            assert!(read(good).is_some(), "{good}");
        }
        for bad in ["", "chat.example.org", "ftp://a.example", "https://u:p@a.example", "https://a.example/?t=1"] {
            assert!(read(bad).is_none(), "{bad}");
            let said = complaint(bad, "server", "https://chat.example.org").unwrap();
            assert!(bad.is_empty() || !said.message.contains("u:p"), "{said}");
            assert!(matches!(target(bad), Err(SendError::Permanent(_))));
        }
    }

    #[test]
    fn of_a_secret_url_only_the_server_is_shown() {
        let (target, path) = split("https://chat.example.org:8065/hooks/abc?x=1").unwrap();
        assert_eq!(target.url.as_str(), "https://chat.example.org:8065/");
        assert_eq!(path.expose(), "/hooks/abc?x=1");
        assert_eq!(shown("https://chat.example.org:8065/hooks/abc?x=1"), "chat.example.org:8065");
        assert_eq!(shown("hooks/abc"), "***");
    }
}
