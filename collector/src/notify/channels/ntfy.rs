//! ntfy: a topic, at ntfy.sh or at a server of the tenant's, "Publish as JSON".
//! <https://docs.ntfy.sh/publish/#publish-as-json>, access tokens: <https://docs.ntfy.sh/publish/#access-tokens>, limits:
//! <https://docs.ntfy.sh/publish/#limitations>, one notification for a repeated request:
//! <https://docs.ntfy.sh/publish/#updating-deleting-notifications>.
//!
//! It answers 200 and the message. An error is JSON: `code` (the HTTP status and two digits), `http`, `error`. 429 and 5xx help by
//! waiting; everything else does not. A message of more than 4096 bytes would be made an attachment, so it is cut.
//!
//! Who knows the name of an open topic may read it, so the name is a secret. The server is judged by the egress guard.

use std::fmt;

use http::StatusCode;
use picket_shared::secret::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::form::{is_token, masked};
use super::tone::Tone;
use super::{Answer, Channel, Field, Form, InvalidSettings, SendError, server, shorten};
use crate::notify::client::{Ask, Client, Reply, To};
use crate::notify::message::{Message, short};

const USUAL: &str = "https://ntfy.sh";
/// Of an access token.
const PREFIX: &str = "tk_";
/// Of a message, in bytes.
const MESSAGE_LIMIT: usize = 4096;
/// Of a title; the documentation names no limit, but a phone shows no more.
const TITLE_LIMIT: usize = 250;

/// Settings of a topic of ntfy.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Ntfy {
    /// The topic's name.
    pub topic: SecretString,
    /// An access token that may write to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretString>,
    /// Where the server is.
    #[serde(default = "usual")]
    pub server: String,
}

fn usual() -> String {
    USUAL.to_owned()
}

impl fmt::Debug for Ntfy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ntfy({})", self.hint())
    }
}

impl Channel for Ntfy {
    const KIND: &'static str = "ntfy";
    const FIELDS: &'static [Field] = &[
        Field::new("topic", "picket-8c1f2b7d90ae").secret(),
        Field::new("token", "tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2").secret().optional(),
        Field::new("server", "https://ntfy.example.org").optional(),
    ];

    fn read(form: &Form) -> Result<Self, InvalidSettings> {
        Ok(Self {
            topic: form.secret("topic"),
            token: form.get("token").map(|_| form.secret("token")),
            server: form.get("server").map_or_else(usual, ToOwned::to_owned),
        })
    }

    fn check(&self) -> Vec<InvalidSettings> {
        let wrong = [
            InvalidSettings::unless(
                is_token(self.topic.expose(), 1, 64, "-_"),
                "topic",
                "it is not a topic: use 1 to 64 letters, digits, - and _",
            ),
            InvalidSettings::unless(
                self.token.as_ref().is_none_or(|token| is_token(token.expose(), 20, 64, "_") && is_access(token)),
                "token",
                "it is not an access token: those begin with tk_; leave it empty for an open topic",
            ),
            server::complaint(&self.server, "server", "https://ntfy.example.org"),
        ];
        wrong.into_iter().flatten().collect()
    }

    fn abroad(&self) -> Option<&'static str> {
        server::is_at(&self.server, "ntfy.sh").then_some("ntfy.sh")
    }

    fn hint(&self) -> String {
        format!("{} topic {}", server::shown(&self.server), masked(self.topic.expose(), 0, 3))
    }

    fn name(&self) -> String {
        format!("ntfy {}", self.hint())
    }

    async fn send(&self, message: &Message, client: &Client) -> Result<Answer, SendError> {
        let target = server::target(&self.server)?;
        let mut ask = Ask::json(Self::KIND, To::Tenant(target), "/".to_owned(), &self.body(message));
        if let Some(token) = &self.token {
            ask = ask.authorized(format!("Bearer {}", token.expose()));
        }
        self.judge(&server::heard(client.call(ask).await?, message))
    }
}

fn is_access(token: &SecretString) -> bool {
    token.expose().starts_with(PREFIX)
}

/// What ntfy answers: a message, or an error.
#[derive(Default, Deserialize)]
struct Said {
    #[serde(default)]
    id: String,
    #[serde(default)]
    code: u32,
    #[serde(default)]
    error: String,
}

impl Ntfy {
    fn body(&self, message: &Message) -> Value {
        let brief = &message.brief;
        let link = brief.link.as_deref();
        let (priority, tags) = match Tone::of(message) {
            Tone::Bad => (5, &["rotating_light"][..]),
            Tone::Unknown => (4, &["question"][..]),
            Tone::Warning => (3, &["warning"][..]),
            Tone::Good => (3, &["white_check_mark"][..]),
            Tone::Plain => (3, &[][..]),
        };
        let mut body = json!({
            "topic": self.topic,
            "title": short::cut(&brief.headline, TITLE_LIMIT),
            "message": short::cut_bytes(&brief.text(), MESSAGE_LIMIT),
            "priority": priority,
            "tags": tags,
            "sequence_id": message.id.to_string(),
        });
        if let Some(link) = link {
            body["click"] = link.into();
        }
        body
    }

    fn judge(&self, reply: &Reply) -> Result<Answer, SendError> {
        let said: Option<Said> = serde_json::from_slice(&reply.body).ok();
        let words = match &said {
            Some(said) if said.code > 0 => format!("{} (code {})", said.error, said.code),
            Some(said) => format!("message {}", said.id),
            None => String::from_utf8_lossy(&reply.body).into_owned(),
        };
        let token = self.token.as_ref().map(|token| token.expose().as_str()).unwrap_or_default();
        let hidden = [self.topic.expose().as_str(), token, token.trim_start_matches(PREFIX)];
        let reason = shorten(&format!("{} {words}", reply.status), &hidden);
        if reply.status.is_success() {
            return Ok(Answer(reason));
        }
        if reply.is_for_later() {
            return Err(SendError::Retry { reason, after: reply.retry_after() });
        }
        let refused = SendError::Permanent(reason);
        Err(match reply.status {
            StatusCode::UNAUTHORIZED => refused.but("the access token is not known there; edit the channel"),
            StatusCode::FORBIDDEN => {
                refused.but("the topic needs an access token that may write to it; edit the channel")
            }
            StatusCode::NOT_FOUND => refused.but("there is no ntfy at this address; edit the channel"),
            _ => refused,
        })
    }
}
