//! Matrix: a message to a room, client-server API v3.
//! <https://spec.matrix.org/latest/client-server-api/#put_matrixclientv3roomsroomidsendeventtypetxnid>, texts and their HTML:
//! <https://spec.matrix.org/latest/client-server-api/#mroommessage-msgtypes>, who is called:
//! <https://spec.matrix.org/latest/client-server-api/#user-and-room-mentions>, errors and rates:
//! <https://spec.matrix.org/latest/client-server-api/#standard-error-response>, the size of an event:
//! <https://spec.matrix.org/latest/client-server-api/#size-limits>.
//!
//! The transaction's id is the delivery's, the same at every try: a repeated request is the same event. It answers 200 and
//! `event_id`, or JSON: `errcode`, `error`. 429 names `Retry-After`, or `retry_after_ms` before version 1.10. 429 and 5xx help by
//! waiting; everything else does not. The server is judged by the egress guard.

use std::fmt;
use std::fmt::Write;

use http::Method;
use picket_shared::secret::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::form::masked;
use super::{Answer, Channel, Field, Form, InvalidSettings, SendError, server, shorten};
use crate::notify::client::{Ask, Client, Reply, To, wait};
use crate::notify::escape::html as escape;
use crate::notify::message::{Message, short};

/// Of one text. An event may have 65536 bytes; it holds at most seven such texts twice, once with five bytes for a sign.
const TEXT_LIMIT: usize = 1000;

/// Settings of a room of Matrix.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Matrix {
    /// Where the homeserver is.
    pub server: String,
    /// The room's id.
    pub room: String,
    /// The access token of a user that is in the room.
    pub token: SecretString,
}

impl fmt::Debug for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Matrix({})", self.hint())
    }
}

impl Channel for Matrix {
    const KIND: &'static str = "matrix";
    const FIELDS: &'static [Field] = &[
        Field::new("server", "https://matrix.example.org"),
        Field::new("room", "!OGEhHVWSdvArJzumhm:example.org"),
        Field::new("token", "syt_cGlja2V0_AbCdEfGhIjKlMnOpQrSt_0a1b2c").secret(),
    ];

    fn read(form: &Form) -> Result<Self, InvalidSettings> {
        Ok(Self { server: form.text("server"), room: form.text("room"), token: form.secret("token") })
    }

    fn check(&self) -> Vec<InvalidSettings> {
        let visible = |text: &str| text.chars().all(|c| c.is_ascii_graphic());
        let room = self.room.strip_prefix('!').is_some_and(|id| (1..=254).contains(&id.len()) && visible(id));
        let token = self.token.expose();
        let wrong = [
            server::complaint(&self.server, "server", "https://matrix.example.org"),
            InvalidSettings::unless(
                room,
                "room",
                "it is not a room's id: those begin with !, such as !OGEhHVWSdvArJzumhm:example.org (an address with # is none)",
            ),
            InvalidSettings::unless(
                (8..=1024).contains(&token.len()) && visible(token),
                "token",
                "it is not an access token: it has no spaces, and is in the settings of the client that is signed in",
            ),
        ];
        wrong.into_iter().flatten().collect()
    }

    fn hint(&self) -> String {
        format!("{} room {}", server::shown(&self.server), masked(&self.room, 3, 4))
    }

    fn name(&self) -> String {
        format!("Matrix {}", self.hint())
    }

    async fn send(&self, message: &Message, client: &Client) -> Result<Answer, SendError> {
        let target = server::target(&self.server)?;
        let room = server::segment(&self.room);
        let path = format!("/_matrix/client/v3/rooms/{room}/send/m.room.message/{}", message.id);
        let ask = Ask::json(Self::KIND, To::Tenant(target), path, &body(message));
        let ask = Ask { method: Method::PUT, ..ask.authorized(format!("Bearer {}", self.token.expose())) };
        self.judge(&server::heard(client.call(ask).await?, message))
    }
}

/// What a homeserver answers: an event, or an error.
#[derive(Default, Deserialize)]
struct Said {
    #[serde(default)]
    event_id: String,
    #[serde(default)]
    errcode: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    retry_after_ms: Option<u64>,
}

impl Matrix {
    fn judge(&self, reply: &Reply) -> Result<Answer, SendError> {
        let said: Option<Said> = serde_json::from_slice(&reply.body).ok();
        let words = match &said {
            Some(said) if said.errcode.is_empty() => format!("event {}", said.event_id),
            Some(said) => format!("{} ({})", said.error, said.errcode),
            None => String::from_utf8_lossy(&reply.body).into_owned(),
        };
        let reason = shorten(&format!("{} {words}", reply.status), &[self.token.expose()]);
        if reply.status.is_success() {
            return Ok(Answer(reason));
        }
        let said = said.unwrap_or_default();
        if reply.is_for_later() {
            let after = reply.retry_after().or(said.retry_after_ms.map(|ms| wait(ms.div_ceil(1000))));
            return Err(SendError::Retry { reason, after });
        }
        let refused = SendError::Permanent(reason);
        Err(match said.errcode.as_str() {
            "M_UNKNOWN_TOKEN" | "M_MISSING_TOKEN" => {
                refused.but("the access token works no more; sign in anew and edit the channel")
            }
            "M_FORBIDDEN" | "M_NOT_FOUND" => {
                refused.but("the user is not in the room, or may not write there; invite it and let it join")
            }
            "M_UNRECOGNIZED" => refused.but("there is no homeserver at this address; edit the channel"),
            _ => refused,
        })
    }
}

/// Plain text, and the same as HTML. `m.notice` would ring nowhere; an empty `m.mentions` says that nobody is called by name.
fn body(message: &Message) -> Value {
    let brief = &message.brief;
    let cut = |text: &str| short::cut(text, TEXT_LIMIT);
    let mut text = cut(&brief.headline);
    let mut html = format!("<strong>{}</strong>", escape(&text));
    for (label, value) in &brief.rows {
        let value = cut(value);
        let _ = write!(text, "\n{label}: {value}");
        let _ = write!(html, "<br>{label}: {}", escape(&value));
    }
    if let Some(line) = brief.prose.as_deref().map(cut) {
        let _ = write!(text, "\n{line}");
        let _ = write!(html, "<br>{}", escape(&line));
    }
    if let Some(link) = &brief.link {
        let _ = write!(text, "\n{link}");
        let _ = write!(html, "<br><a href=\"{}\">Open in Picket</a>", escape(link));
    }
    json!({
        "msgtype": "m.text",
        "body": text,
        "format": "org.matrix.custom.html",
        "formatted_body": html,
        "m.mentions": {},
    })
}
