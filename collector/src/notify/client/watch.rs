//! What receivers answered, and what of it is kept beside the words of an answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};

use super::wait;

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

/// What a receiver answered.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, cut off at 64 KiB.
    pub body: Bytes,
}

impl Reply {
    /// Whether the same request may be taken later.
    pub(in crate::notify) fn is_for_later(&self) -> bool {
        let later = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
        later.contains(&self.status) || self.status.is_server_error()
    }

    /// How long the receiver wants to be left alone, an hour at most.
    pub(in crate::notify) fn retry_after(&self) -> Option<Duration> {
        let seconds = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
        Some(wait(seconds))
    }
}
