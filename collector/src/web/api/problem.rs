//! Refusals of the API: problem+json (RFC 9457) with types that stay as they are, so that a program can tell them apart.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use crate::domain::access::Right;
use crate::login::LoginError;
use crate::store::StoreError;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident: $slug:literal, $status:ident, $title:literal),+ $(,)?) => {
        /// What kind of refusal it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind {
            $($(#[$doc])* $name),+
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The last part of its type.
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug),+ }
            }

            /// Its status.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status),+ }
            }

            /// Its title: the same for each of the kind.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),+ }
            }
        }
    };
}

kinds! {
    /// The body is no JSON.
    NotJson: "not-json", BAD_REQUEST, "The body is not JSON",
    /// A parameter of the query cannot be.
    InvalidQuery: "invalid-query", BAD_REQUEST, "A parameter of the query cannot be",
    /// No key that works.
    InvalidKey: "invalid-key", UNAUTHORIZED, "No API key that works",
    /// The key works, but not from this address.
    WrongAddress: "wrong-address", FORBIDDEN, "The key does not work from this address",
    /// The key has not the scope.
    MissingScope: "missing-scope", FORBIDDEN, "The key lacks a scope",
    /// The role of the key's user does not include it.
    MissingRight: "missing-right", FORBIDDEN, "The role of the key's user does not include this",
    /// The organization wants a second factor of its members, and the key's user has none.
    SecondFactorRequired: "second-factor-required", FORBIDDEN, "The user of the key needs a second factor",
    /// It is against the rules on members.
    NotAllowed: "not-allowed", FORBIDDEN, "The rules on members do not allow this",
    /// The last owner stays one.
    LastOwner: "last-owner", CONFLICT, "An organization has an owner",
    /// The organization is at a limit that the operator set.
    Limit: "limit", FORBIDDEN, "The organization is at a limit",
    /// A browser went there.
    Navigation: "navigation", FORBIDDEN, "This is for programs",
    /// There is nothing, or nothing of this organization's.
    NotFound: "not-found", NOT_FOUND, "Nothing here",
    /// Another method is served there.
    MethodNotAllowed: "method-not-allowed", METHOD_NOT_ALLOWED, "This method is not served here",
    /// Somebody else was faster.
    ChangedMeanwhile: "changed-meanwhile", CONFLICT, "Somebody else changed it meanwhile",
    /// Something hangs on the member, and somebody has to be named who takes over.
    SuccessorNeeded: "successor-needed", CONFLICT, "Somebody has to take over what the member holds",
    /// What is wanted needs an incident that is open.
    NotOpen: "not-open", CONFLICT, "The incident is over",
    /// The incident cannot be opened again.
    NotReopened: "not-reopened", CONFLICT, "The incident cannot be opened again",
    /// Nothing of the window runs, or nothing of it comes.
    NoMaintenance: "no-maintenance", CONFLICT, "No maintenance runs or comes",
    /// The channel has to be verified first.
    NotVerified: "not-verified", CONFLICT, "The channel is not verified",
    /// The channel signs by no key that could be rotated.
    NotSigned: "not-signed", CONFLICT, "The channel signs by no key",
    /// The message cannot be sent again.
    NotSentAgain: "not-sent-again", CONFLICT, "The message cannot be sent again",
    /// An export has more rows than a request is answered with.
    ExportTooLarge: "export-too-large", CONFLICT, "The export is too large for one answer",
    /// An export is not made yet, or was not made.
    NotReady: "not-ready", CONFLICT, "The export is not ready",
    /// The body is too large.
    TooLarge: "too-large", PAYLOAD_TOO_LARGE, "The body is too large",
    /// The body is not announced as JSON.
    NotAnnouncedAsJson: "not-announced-as-json", UNSUPPORTED_MEDIA_TYPE, "The body is not announced as JSON",
    /// Fields of the body cannot be.
    InvalidBody: "invalid-body", UNPROCESSABLE_ENTITY, "Fields of the body cannot be",
    /// Too many requests, or too many messages.
    TooMany: "too-many", TOO_MANY_REQUESTS, "Too many",
    /// The database does not answer.
    Unavailable: "unavailable", SERVICE_UNAVAILABLE, "Not now",
}

impl Kind {
    /// Its type, as in the body.
    pub fn uri(self) -> String {
        format!("urn:picket:problem:{}", self.slug())
    }
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The field: `spec.url`, `monitors[3].name`; empty for the whole.
    pub field: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Fault {
    /// A fault of a field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }

    /// The same, of a field inside another.
    #[must_use]
    pub fn within(self, outer: &str) -> Self {
        let field = match (outer, self.field.as_str()) {
            ("", _) => self.field,
            (_, "") => outer.to_owned(),
            _ => format!("{outer}.{}", self.field),
        };
        Self { field, message: self.message }
    }
}

/// A refusal. Internal details go to the log, never to the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    kind: Kind,
    detail: String,
    errors: Vec<Fault>,
    retry_after_s: Option<u64>,
    scope: Option<Right>,
}

impl Problem {
    /// A refusal with a sentence that says what to do.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new(), retry_after_s: None, scope: None }
    }

    /// There is nothing, or nothing of this organization's: the same for both.
    pub fn not_found() -> Self {
        Self::new(Kind::NotFound, "there is nothing at this address: it was mistyped, or what was here is gone")
    }

    /// Fields that cannot be.
    pub fn faults(kind: Kind, errors: Vec<Fault>) -> Self {
        let first = errors.first().map(|fault| format!("{}: {}", fault.field, fault.message)).unwrap_or_default();
        let more = errors.len().saturating_sub(1);
        let detail = if more == 0 { first } else { format!("{first} (and {more} more)") };
        Self { errors, ..Self::new(kind, detail) }
    }

    /// Too much was asked for; again after so many seconds.
    pub fn wait(seconds: u64, detail: impl Into<String>) -> Self {
        Self { retry_after_s: Some(seconds.max(1)), ..Self::new(Kind::TooMany, detail) }
    }

    /// The key has not the scope that is needed.
    pub fn scope(right: Right) -> Self {
        let detail = format!("this needs the scope {right}: make a key that has it");
        Self { scope: Some(right), ..Self::new(Kind::MissingScope, detail) }
    }

    /// Whether who asks lacks a right: what is refused for that is in the audit log.
    pub fn is_of_rights(&self) -> bool {
        matches!(self.kind, Kind::MissingScope | Kind::MissingRight | Kind::SecondFactorRequired)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::RowCount { .. }) {
            return Self::new(Kind::ChangedMeanwhile, "somebody else changed it meanwhile: read it and try again");
        }
        if let StoreError::Limit(exceeded) = error {
            return Self::new(Kind::Limit, exceeded.to_string());
        }
        tracing::error!("A request to the API failed: {error}");
        Self { retry_after_s: Some(5), ..Self::new(Kind::Unavailable, "the data cannot be reached: try again") }
    }
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        if let LoginError::Store(error) = error {
            return error.into();
        }
        tracing::error!("A request to the API failed: {error}");
        Self { retry_after_s: Some(5), ..Self::new(Kind::Unavailable, "it could not be done: try again") }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, title) = (self.kind.status(), self.kind.title());
        let mut body =
            json!({ "type": self.kind.uri(), "title": title, "status": status.as_u16(), "detail": self.detail });
        if !self.errors.is_empty() {
            body["errors"] = json!(self.errors);
        }
        let mut response = (status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        let challenge = match (self.kind, self.scope) {
            (Kind::InvalidKey, _) => Some("Bearer realm=\"picket\", error=\"invalid_token\"".to_owned()),
            (_, Some(scope)) => {
                Some(format!("Bearer realm=\"picket\", error=\"insufficient_scope\", scope=\"{scope}\""))
            }
            _ => None,
        };
        if let Some(value) = challenge.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(header::WWW_AUTHENTICATE, value);
        }
        response
    }
}
