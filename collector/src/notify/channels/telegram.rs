//! Telegram: a message of a bot to a chat, `sendMessage` of the Bot API.
//! <https://core.telegram.org/bots/api#sendmessage>, errors: <https://core.telegram.org/bots/api#making-requests> and
//! <https://core.telegram.org/bots/api#responseparameters>.
//!
//! By Telegram's design the bot's token is part of the path, so no error, answer or log names the path: what the server says
//! is kept without the token. `ok: false` carries `error_code` and `description`; 429 names `parameters.retry_after` in
//! seconds; a server of one's own: <https://core.telegram.org/bots/api#using-a-local-bot-api-server>; a group that became a supergroup names its new id. 429 and 5xx help by waiting, everything else does not.

use std::fmt;

use aws_lc_rs::rand;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD;
use http::StatusCode;
use picket_shared::secret::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::form::{is_digits, is_token, masked};
use super::{Answer, Channel, Field, Form, InvalidSettings, SendError, server, shorten};
use crate::notify::client::{Ask, Client, Reply, To, wait};
use crate::notify::escape::text as escape;
use crate::notify::message::{Message, short};

/// How what a button carries begins that acknowledges.
pub(in crate::notify) const ACKNOWLEDGE: &str = "a:";
const API: &str = "https://api.telegram.org";
/// "1-4096 characters after entities parsing".
const LIMIT: usize = 4096;
/// Of `secret_token`, which may have 256 letters, digits, `_` and `-`.
const HOOK_BYTES: usize = 32;

/// Settings of a Telegram chat.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Telegram {
    /// The bot's token, as @BotFather gave it.
    pub token: SecretString,
    /// The chat: a number, or @name of a public channel.
    pub chat: String,
    /// The topic in a forum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Whether messages make no sound.
    #[serde(default)]
    pub silent: bool,
    /// A Bot API server in the place of Telegram's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// What Telegram names when somebody presses a button; no buttons without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<SecretString>,
}

impl fmt::Debug for Telegram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Telegram({})", self.hint())
    }
}

impl Channel for Telegram {
    const KIND: &'static str = "telegram";
    const ACKNOWLEDGES: bool = true;
    const FIELDS: &'static [Field] = &[
        Field::new("token", "123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc").secret(),
        Field::new("chat", "-1001234567890"),
        Field::new("topic", "42").optional(),
        Field::new("silent", "yes").optional().one_of(&["no", "yes"]),
        Field::new("server", "https://bots.example.org").optional(),
        Field::new("buttons", "yes").optional().one_of(&["no", "yes"]),
    ];

    fn read(form: &Form) -> Result<Self, InvalidSettings> {
        let topic = form.get("topic").map(ToOwned::to_owned);
        Ok(Self {
            token: form.secret("token"),
            chat: form.text("chat"),
            topic,
            silent: form.yes("silent")?,
            server: form.get("server").map(ToOwned::to_owned),
            hook: if form.yes("buttons")? { Some(make_hook()?) } else { None },
        })
    }

    fn check(&self) -> Vec<InvalidSettings> {
        let token =
            self.token.expose().split_once(':').is_some_and(|(id, key)| is_number(id) && is_token(key, 30, 64, "-_"));
        let name = |name: &str| {
            let first = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
            first && is_token(name, 4, 32, "_")
        };
        let chat = match self.chat.strip_prefix('@') {
            Some(public) => name(public),
            None => is_number(self.chat.strip_prefix('-').unwrap_or(&self.chat)),
        };
        let topic = self.topic.as_deref().is_none_or(is_number);
        let wrong = [
            InvalidSettings::unless(
                token,
                "token",
                "it is not a bot's token: those look like 123456789:AAEhBOweik6ad9r...",
            ),
            InvalidSettings::unless(chat, "chat", "it is not a chat: use its number, such as -1001234567890, or @name"),
            InvalidSettings::unless(topic, "topic", "it is not a topic: use its number, or leave it empty"),
            self.server.as_deref().and_then(|server| server::complaint(server, "server", "https://bots.example.org")),
        ];
        wrong.into_iter().flatten().collect()
    }

    fn abroad(&self) -> Option<&'static str> {
        Some("Telegram")
    }

    fn hint(&self) -> String {
        match self.chat.strip_prefix('@') {
            Some(_) => format!("chat {}", self.chat),
            None => format!("chat {}", masked(&self.chat, 0, 4)),
        }
    }

    fn name(&self) -> String {
        format!("Telegram {}", self.hint())
    }

    fn hook_secret(&self) -> Option<&SecretString> {
        self.hook.as_ref()
    }

    async fn send(&self, message: &Message, client: &Client) -> Result<Answer, SendError> {
        let mut body = json!({
            "chat_id": self.chat,
            "text": text(message),
            "parse_mode": "HTML",
            "link_preview_options": { "is_disabled": true },
        });
        if let Some(topic) = self.topic.as_deref().and_then(|topic| topic.parse::<i64>().ok()) {
            body["message_thread_id"] = topic.into();
        }
        if self.silent {
            body["disable_notification"] = true.into();
        }
        if let (Some(_), Some(token)) = (&self.hook, message.back.token()) {
            let button = json!({ "text": "Acknowledge", "callback_data": format!("{ACKNOWLEDGE}{token}") });
            body["reply_markup"] = json!({ "inline_keyboard": [[button]] });
        }
        if message.is_trial() {
            self.take_over(message, client).await?;
        }
        let reply = self.call("sendMessage", &body, client).await?;
        let judged = self.judge(&reply);
        match self.server {
            // Whoever named the server must not read the code from what it says: the status is all that is kept.
            Some(_) if message.code.is_some() => without_words(judged, &reply),
            _ => judged,
        }
    }
}

/// What the Bot API answers.
#[derive(Default, Deserialize)]
struct Said {
    #[serde(default)]
    ok: bool,
    #[serde(default)]
    description: String,
    #[serde(default)]
    result: Value,
    #[serde(default)]
    parameters: Parameters,
}

#[derive(Default, Deserialize)]
struct Parameters {
    retry_after: Option<u64>,
    migrate_to_chat_id: Option<i64>,
}

impl Telegram {
    /// Calls a method of the Bot API.
    async fn call(&self, method: &str, body: &Value, client: &Client) -> Result<Reply, SendError> {
        let to = match &self.server {
            Some(server) => To::Own(server::target(server)?),
            None => To::Provider(API),
        };
        client.call(Ask::json(Self::KIND, to, format!("/bot{}/{method}", self.token.expose()), body)).await
    }

    /// Has Telegram tell us who presses a button: `setWebhook`, <https://core.telegram.org/bots/api#setwebhook>. It is asked for with each
    /// trial of the channel, since a bot has one address only.
    async fn take_over(&self, message: &Message, client: &Client) -> Result<(), SendError> {
        let Some(secret) = &self.hook else { return Ok(()) };
        let Some(hook) = &message.back.hook else {
            let why = "buttons need a Picket that Telegram finds by https";
            return Err(SendError::Permanent(why.to_owned()).but("edit the channel and leave the buttons out"));
        };
        let body = json!({ "url": hook, "secret_token": secret, "allowed_updates": ["callback_query"] });
        self.judge(&self.call("setWebhook", &body, client).await?).map(|_| ())
    }

    fn judge(&self, reply: &Reply) -> Result<Answer, SendError> {
        let said: Option<Said> = serde_json::from_slice(&reply.body).ok();
        let (parsed, said) = (said.is_some(), said.unwrap_or_default());
        if reply.status.is_success() && said.ok {
            let id = said.result.get("message_id").and_then(Value::as_i64).unwrap_or_default();
            return Ok(Answer(format!("{} message {id}", reply.status)));
        }
        let words = if parsed { said.description } else { String::from_utf8_lossy(&reply.body).into_owned() };
        let key = self.token.expose().split_once(':').map_or("", |(_, key)| key);
        let reason = shorten(&format!("{} {words}", reply.status), &[self.token.expose(), key]);
        if reply.is_for_later() {
            let after = said.parameters.retry_after.map(wait).or_else(|| reply.retry_after());
            return Err(SendError::Retry { reason, after });
        }
        let refused = SendError::Permanent(reason);
        if let Some(chat) = said.parameters.migrate_to_chat_id {
            return Err(refused.but(&format!("the group is a supergroup now; edit the channel: its chat is {chat}")));
        }
        Err(match reply.status {
            StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND => {
                refused.but("edit the channel and enter the token that @BotFather shows")
            }
            StatusCode::FORBIDDEN => {
                refused.but("let the bot into the chat again (a person: unblock it and press Start)")
            }
            StatusCode::BAD_REQUEST => refused.but("check the chat's number and that the bot is in it"),
            _ => refused,
        })
    }
}

fn without_words(judged: Result<Answer, SendError>, reply: &Reply) -> Result<Answer, SendError> {
    let status = reply.status.to_string();
    match judged {
        Ok(_) => Ok(Answer(status)),
        Err(SendError::Permanent(_)) => Err(SendError::Permanent(status)),
        Err(SendError::Retry { after, .. }) => Err(SendError::Retry { reason: status, after }),
    }
}

fn make_hook() -> Result<SecretString, InvalidSettings> {
    let mut key = [0_u8; HOOK_BYTES];
    rand::fill(&mut key).map_err(|_| InvalidSettings::new("buttons", "the machine gives no random bytes"))?;
    Ok(SecretString::new(URL_SAFE_NO_PAD.encode(key)))
}

/// The message as HTML of Telegram's kind; what would not fit is cut before it is escaped, for it counts unescaped.
fn text(message: &Message) -> String {
    let brief = &message.brief;
    let headline = short::cut(&brief.headline, LIMIT);
    let room = LIMIT - headline.encode_utf16().count().min(LIMIT);
    let rest = short::cut(&brief.lines("\n"), room);
    format!("<b>{}</b>{}", escape(&headline), escape(&rest)).trim_end().to_owned()
}

fn is_number(text: &str) -> bool {
    is_digits(text, 1, 19)
}
