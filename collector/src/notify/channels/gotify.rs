//! Gotify: a message of an application of a server of the tenant's.
//! <https://gotify.net/docs/pushmsg>, the API: <https://gotify.net/api-docs>, what a click opens:
//! <https://gotify.net/docs/msgextras>, how loud a priority is: <https://github.com/gotify/android#message-priorities>.
//!
//! It answers 200 and the message. An error is JSON: `error`, `errorCode`, `errorDescription`. 429 and 5xx help by waiting; 401
//! and 403 say that the token is no application's. The server is judged by the egress guard.

use std::fmt;

use http::StatusCode;
use picket_shared::secret::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::form::is_token;
use super::tone::Tone;
use super::{Answer, Channel, Field, Form, InvalidSettings, SendError, server, shorten};
use crate::notify::client::{Ask, Client, Reply, To};
use crate::notify::message::{Message, short};

/// The documentation names no limits; a phone shows no more.
const TITLE_LIMIT: usize = 250;
const MESSAGE_LIMIT: usize = 4000;

/// Settings of an application of Gotify.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Gotify {
    /// Where the server is.
    pub server: String,
    /// The application's token.
    pub token: SecretString,
}

impl fmt::Debug for Gotify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gotify({})", self.hint())
    }
}

impl Channel for Gotify {
    const KIND: &'static str = "gotify";
    const FIELDS: &'static [Field] =
        &[Field::new("server", "https://gotify.example.org"), Field::new("token", "AWVjqGMqQ.wl-Iy").secret()];

    fn read(form: &Form) -> Result<Self, InvalidSettings> {
        Ok(Self { server: form.text("server"), token: form.secret("token") })
    }

    fn check(&self) -> Vec<InvalidSettings> {
        let token = is_token(self.token.expose(), 10, 128, ".-_") && self.token.expose().starts_with('A');
        let wrong = [
            server::complaint(&self.server, "server", "https://gotify.example.org"),
            InvalidSettings::unless(
                token,
                "token",
                "it is not an application's token: those begin with A (a client's with C)",
            ),
        ];
        wrong.into_iter().flatten().collect()
    }

    fn hint(&self) -> String {
        server::shown(&self.server)
    }

    fn name(&self) -> String {
        format!("Gotify {}", self.hint())
    }

    async fn send(&self, message: &Message, client: &Client) -> Result<Answer, SendError> {
        let target = server::target(&self.server)?;
        let ask = Ask::json(Self::KIND, To::Tenant(target), "/message".to_owned(), &body(message))
            .authorized(format!("Bearer {}", self.token.expose()));
        self.judge(&server::heard(client.call(ask).await?, message))
    }
}

/// What Gotify answers: a message, or an error.
#[derive(Default, Deserialize)]
struct Said {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    error: String,
    #[serde(default, rename = "errorDescription")]
    description: String,
}

impl Gotify {
    fn judge(&self, reply: &Reply) -> Result<Answer, SendError> {
        let words = match serde_json::from_slice::<Said>(&reply.body) {
            Ok(said) if said.error.is_empty() => format!("message {}", said.id.to_string().trim_matches('"')),
            Ok(said) => format!("{}: {}", said.error, said.description),
            Err(_) => String::from_utf8_lossy(&reply.body).into_owned(),
        };
        let reason = shorten(&format!("{} {words}", reply.status), &[self.token.expose()]);
        if reply.status.is_success() {
            return Ok(Answer(reason));
        }
        if reply.is_for_later() {
            return Err(SendError::Retry { reason, after: reply.retry_after() });
        }
        let refused = SendError::Permanent(reason);
        Err(match reply.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                refused.but("the token is no application's; make one in Gotify and edit the channel")
            }
            StatusCode::NOT_FOUND => refused.but("there is no Gotify at this address; edit the channel"),
            _ => refused,
        })
    }
}

fn body(message: &Message) -> Value {
    let brief = &message.brief;
    // From 8 on a phone rings and vibrates, from 4 on it rings.
    let priority = match Tone::of(message) {
        Tone::Bad => 8,
        Tone::Unknown => 7,
        Tone::Warning | Tone::Good | Tone::Plain => 5,
    };
    let mut extras = json!({ "client::display": { "contentType": "text/plain" } });
    if let Some(link) = &brief.link {
        extras["client::notification"] = json!({ "click": { "url": link } });
    }
    json!({
        "title": short::cut(&brief.headline, TITLE_LIMIT),
        "message": short::cut(&brief.text(), MESSAGE_LIMIT),
        "priority": priority,
        "extras": extras,
    })
}
