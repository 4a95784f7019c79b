//! What providers say back: who pressed a button, who acknowledged there, what became of a message. Pure: a request in, one fact out, or
//! why it is not believed. One provider a file.
//!
//! Nothing is believed that is not signed by the secret of the channel whose address it came to.

mod pagerduty;
mod slack;
mod telegram;
mod twilio;

use http::HeaderMap;
use picket_shared::ids::{DeliveryId, IncidentId};
use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;
use serde_json::Value;

use super::channels::{Kind, shorten};

/// The largest request, in bytes: what a button of Slack sends repeats the whole message.
pub const LIMIT: usize = 128 * 1024;
/// So long may the name of a person be, in characters.
const MOST_NAME: usize = 80;

/// What a provider sent.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The whole address that it called.
    pub url: &'a str,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body.
    pub body: &'a [u8],
    /// When it came.
    pub now: Timestamp,
}

/// What it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Somebody pressed the button of a message.
    Pressed {
        /// What the button carries.
        token: String,
        /// Who, as the provider calls them.
        who: Option<String>,
    },
    /// Somebody acknowledged an incident there.
    Acknowledged {
        /// Which.
        incident: IncidentId,
        /// Who, as the provider calls them.
        who: Option<String>,
    },
    /// What became of a message that it had taken.
    Reported {
        /// Which.
        delivery: DeliveryId,
        /// Whether it arrived.
        delivered: bool,
        /// Why it did not.
        why: Option<String>,
    },
    /// Nothing that concerns us.
    Nothing,
}

/// Why it is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is not signed, or by another secret.
    Unsigned,
    /// It was signed so long ago that somebody may repeat it, or after now.
    Stale,
    /// It is not what the provider documents.
    Malformed,
}

/// Whether a kind of channel has a provider that says something.
pub const fn speaks(kind: Kind) -> bool {
    matches!(kind, Kind::Slack | Kind::Telegram | Kind::Twilio | Kind::Pagerduty)
}

/// Reads what the provider of a channel of that kind sent, which signs by `secret`.
///
/// # Errors
/// Why it is not believed.
pub fn hear(kind: Kind, secret: &SecretString, request: &Request<'_>) -> Result<Said, Refusal> {
    match kind {
        Kind::Slack => slack::hear(secret, request),
        Kind::Telegram => telegram::hear(secret, request),
        Kind::Twilio => twilio::hear(secret, request),
        Kind::Pagerduty => pagerduty::hear(secret, request),
        _ => Err(Refusal::Unsigned),
    }
}

/// What the provider is answered, who shows `words` to whoever pressed the button; nothing where it takes none.
pub fn answer(kind: Kind, request: &Request<'_>, words: &str) -> Option<Value> {
    match kind {
        Kind::Telegram => telegram::answer(request, words),
        _ => None,
    }
}

/// The value of a header.
fn header<'a>(request: &Request<'a>, name: &str) -> &'a str {
    request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// What a provider calls somebody, in one line.
fn called<'a>(names: impl IntoIterator<Item = Option<&'a str>>) -> Option<String> {
    let name = names.into_iter().flatten().map(str::trim).find(|name| !name.is_empty())?;
    Some(shorten(name, &[]).chars().take(MOST_NAME).collect())
}

/// The bytes of a hexadecimal text.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    digits.chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests;
