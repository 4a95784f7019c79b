//! What providers answered, as far as it is kept beside the words of an answer.

use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;

/// What the last answer to a client was.
#[derive(Clone, Debug, Default)]
pub struct Watcher(Arc<Mutex<Option<Seen>>>);

/// An answer, as far as it is kept beside its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The code of HTTP or SMTP.
    pub status: u16,
    /// What the provider calls the request, to ask it by.
    pub request_id: Option<String>,
}

/// How providers name a request.
const REQUEST_IDS: [&str; 5] =
    ["x-request-id", "request-id", "twilio-request-id", "x-slack-req-id", "x-correlation-id"];

impl Watcher {
    /// What was seen last.
    pub fn seen(&self) -> Option<Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn note(&self, seen: Seen) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
    }
}

pub(super) fn request_id(headers: &HeaderMap) -> Option<String> {
    let named = REQUEST_IDS.iter().find_map(|name| headers.get(*name)?.to_str().ok())?;
    let named: String = named.chars().filter(char::is_ascii_graphic).take(100).collect();
    (!named.is_empty()).then_some(named)
}
