//! Discord: a webhook of a channel, "Execute Webhook".
//! <https://discord.com/developers/docs/resources/webhook#execute-webhook>, limits of embeds:
//! <https://discord.com/developers/docs/resources/message#embed-object-embed-limits>, who is pinged:
//! <https://discord.com/developers/docs/resources/message#allowed-mentions-object>, rates:
//! <https://discord.com/developers/docs/topics/rate-limits>, errors:
//! <https://discord.com/developers/docs/topics/opcodes-and-status-codes#json-json-error-codes>.
//!
//! With `wait=true` it answers 200 and the message once it was made. An error is JSON: `code`, `message`, `errors`. 429 names
//! `retry_after` in seconds, which may have a fraction, or only `Retry-After` when it comes from the wall before Discord. 429 and
//! 5xx help by waiting; 10015 and 50027 say that the webhook is gone, 10003 that the thread is.
//!
//! The last part of the URL is the secret. It must lead to Discord's own host, so that no tenant can name another by it.

use std::fmt;

use picket_shared::secret::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::form::{is_digits, is_token, masked};
use super::markdown::{escape, rows};
use super::tone::Tone;
use super::{Answer, Channel, Field, Form, InvalidSettings, SendError, shorten};
use crate::notify::client::{Ask, Client, Reply, To, wait};
use crate::notify::message::{Message, short};

const API: &str = "https://discord.com";
/// Where Discord shows webhooks: its present and former name, and its previews.
const HOSTS: [&str; 4] =
    ["https://discord.com", "https://discordapp.com", "https://ptb.discord.com", "https://canary.discord.com"];
/// Of `content`.
const CONTENT_LIMIT: usize = 2000;
/// Of an embed's `description`; all texts of a message's embeds may have 6000.
const DESCRIPTION_LIMIT: usize = 4096;
/// What Discord reads as markup, mentions and time stamps included.
const SPECIAL: &str = r"\*_~`|[]<>";

/// Settings of a webhook of Discord.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Discord {
    /// The webhook's URL.
    pub url: SecretString,
    /// The thread, where the channel has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
}

impl fmt::Debug for Discord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Discord({})", self.hint())
    }
}

impl Channel for Discord {
    const KIND: &'static str = "discord";
    const FIELDS: &'static [Field] = &[
        Field::new(
            "url",
            "https://discord.com/api/webhooks/1234567890123456789/Xx0-XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
        )
        .secret(),
        Field::new("thread", "1234567890123456790").optional(),
    ];

    fn read(form: &Form) -> Result<Self, InvalidSettings> {
        Ok(Self { url: form.secret("url"), thread: form.get("thread").map(ToOwned::to_owned) })
    }

    fn check(&self) -> Vec<InvalidSettings> {
        let thread = self.thread.as_deref().is_none_or(is_snowflake);
        let wrong = [
            InvalidSettings::unless(
                self.parts().is_some(),
                "url",
                "it is not a webhook of Discord: those are https://discord.com/api/webhooks/NUMBER/...",
            ),
            InvalidSettings::unless(thread, "thread", "it is not a thread: use its number, or leave it empty"),
        ];
        wrong.into_iter().flatten().collect()
    }

    /// The last digits of the webhook's number, which is no secret.
    fn abroad(&self) -> Option<&'static str> {
        Some("Discord")
    }

    fn hint(&self) -> String {
        let id = self.parts().map_or_else(|| "***".to_owned(), |(id, _)| masked(&id, 0, 4));
        format!("webhook {id}")
    }

    fn name(&self) -> String {
        format!("Discord {}", self.hint())
    }

    async fn send(&self, message: &Message, client: &Client) -> Result<Answer, SendError> {
        let Some((id, token)) = self.parts() else {
            return Err(SendError::Permanent("the settings cannot be used: enter the webhook's URL anew".to_owned()));
        };
        let thread = self.thread.as_ref().map(|thread| format!("&thread_id={thread}")).unwrap_or_default();
        let path = format!("/api/v10/webhooks/{id}/{token}?wait=true{thread}");
        let ask = Ask::json(Self::KIND, To::Provider(API), path, &body(message));
        self.judge(&client.call(ask).await?)
    }
}

/// What Discord answers: a message, or an error.
#[derive(Default, Deserialize)]
struct Said {
    #[serde(default)]
    id: String,
    #[serde(default)]
    code: u32,
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: Value,
    #[serde(default)]
    retry_after: Option<f64>,
}

impl Discord {
    /// The webhook's number and its token.
    fn parts(&self) -> Option<(String, String)> {
        let url = Url::parse(self.url.expose()).ok()?;
        let plain =
            url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
        let known = HOSTS.contains(&url.origin().ascii_serialization().as_str());
        let parts: Vec<_> = url.path().strip_prefix("/api/")?.split('/').collect();
        let (id, token) = match parts[..] {
            ["webhooks", id, token] => (id, token),
            [version, "webhooks", id, token] if version.strip_prefix('v').is_some_and(is_snowflake) => (id, token),
            _ => return None,
        };
        (plain && known && is_snowflake(id) && is_token(token, 20, 128, "-_"))
            .then(|| (id.to_owned(), token.to_owned()))
    }

    fn judge(&self, reply: &Reply) -> Result<Answer, SendError> {
        let said: Option<Said> = serde_json::from_slice(&reply.body).ok();
        let (parsed, said) = (said.is_some(), said.unwrap_or_default());
        if reply.status.is_success() && !said.id.is_empty() {
            let id: String = said.id.chars().filter(char::is_ascii_digit).collect();
            return Ok(Answer(format!("{} message {id}", reply.status)));
        }
        let words = match (parsed, said.errors.is_null()) {
            (true, true) => format!("{} (code {})", said.message, said.code),
            (true, false) => format!("{} (code {}): {}", said.message, said.code, said.errors),
            (false, _) => String::from_utf8_lossy(&reply.body).into_owned(),
        };
        let token = self.parts().map(|(_, token)| token).unwrap_or_default();
        let reason = shorten(&format!("{} {words}", reply.status), &[self.url.expose(), &token]);
        if reply.is_for_later() {
            return Err(SendError::Retry { reason, after: said.retry_after.map(rounded_up).or(reply.retry_after()) });
        }
        let refused = SendError::Permanent(reason);
        Err(match said.code {
            10_015 | 50_027 => refused.but("the webhook is gone; make a new one in Discord and edit the channel"),
            10_003 => refused.but("the thread is gone or not of the webhook's channel; edit the channel"),
            220_001 => refused.but("the webhook's channel is a forum; edit the channel and name a thread"),
            _ => refused,
        })
    }
}

/// Seconds with a fraction, as whole ones.
fn rounded_up(seconds: f64) -> std::time::Duration {
    wait(std::time::Duration::try_from_secs_f64(seconds).map_or(1, |named| named.as_secs() + 1))
}

fn is_snowflake(text: &str) -> bool {
    is_digits(text, 1, 20)
}

/// `content` is what notifications show; the embed has the rest, and a colour. Nobody is pinged by a name in it.
fn body(message: &Message) -> Value {
    let brief = &message.brief;
    let text = rows(brief, |text| escape(text, SPECIAL));
    let mut embed =
        json!({ "description": short::cut(text.trim(), DESCRIPTION_LIMIT), "color": Tone::of(message).rgb() });
    if let Some(link) = &brief.link {
        embed["title"] = "Open in Picket".into();
        embed["url"] = link.as_str().into();
    }
    let headline = short::cut(&escape(&brief.headline, SPECIAL), CONTENT_LIMIT - "****".len());
    json!({
        "content": format!("**{headline}**"),
        "embeds": [embed],
        "allowed_mentions": { "parse": [] },
    })
}
