//! Mattermost: an incoming webhook of a server of the tenant's.
//! <https://developers.mattermost.com/integrate/webhooks/incoming/>, attachments:
//! <https://developers.mattermost.com/integrate/reference/message-attachments/>, errors and rates:
//! <https://developers.mattermost.com/api-documentation/>, limits: <https://docs.mattermost.com/configure/site-configuration-settings.html>.
//!
//! It answers `200 ok`, or JSON: `id`, `message`, `status_code`. 429 and 5xx help by waiting, but 501, which says that webhooks
//! are turned off; everything else is the webhook's or its channel's and stays.
//!
//! The last part of the URL is the secret. The server is the tenant's: its address is judged by the egress guard.

use std::fmt;

use http::StatusCode;
use picket_shared::egress::Target;
use picket_shared::secret::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::form::{is_alphanumeric, is_token};
use super::markdown::{escape, rows};
use super::tone::Tone;
use super::{Answer, Channel, Field, Form, InvalidSettings, SendError, server, shorten};
use crate::notify::client::{Ask, Client, Reply, To};
use crate::notify::message::{Message, short};

/// Of a post.
const TEXT_LIMIT: usize = 16_383;
/// Of what notifications show.
const FALLBACK_LIMIT: usize = 1000;
/// What Mattermost reads as markup.
const SPECIAL: &str = r"\*_~`|[]<>#";

/// Settings of an incoming webhook of Mattermost.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Mattermost {
    /// The webhook's URL.
    pub url: SecretString,
    /// Another channel than the webhook's own, by the name in its address, or @ and a user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
}

impl fmt::Debug for Mattermost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mattermost({})", self.hint())
    }
}

impl Channel for Mattermost {
    const KIND: &'static str = "mattermost";
    const FIELDS: &'static [Field] = &[
        Field::new("url", "https://chat.example.org/hooks/xxxxxxxxxxxxxxxxxxxxxxxxxx").secret(),
        Field::new("channel", "on-call").optional(),
    ];

    fn read(form: &Form) -> Result<Self, InvalidSettings> {
        Ok(Self { url: form.secret("url"), channel: form.get("channel").map(ToOwned::to_owned) })
    }

    fn check(&self) -> Vec<InvalidSettings> {
        let is_name = |name: &str| is_token(name.strip_prefix('@').unwrap_or(name), 1, 64, "-_.");
        let wrong = [
            InvalidSettings::unless(
                self.parts().is_some(),
                "url",
                "it is not an incoming webhook of Mattermost: those are https://HOST/hooks/ and 26 letters and digits",
            ),
            InvalidSettings::unless(
                self.channel.as_deref().is_none_or(is_name),
                "channel",
                "it is not a channel: use the name in its address, such as on-call, or @ and a user's name",
            ),
        ];
        wrong.into_iter().flatten().collect()
    }

    fn hint(&self) -> String {
        server::shown(self.url.expose())
    }

    fn name(&self) -> String {
        format!("Mattermost {}", self.hint())
    }

    async fn send(&self, message: &Message, client: &Client) -> Result<Answer, SendError> {
        let Some((target, path, _)) = self.parts() else {
            return Err(SendError::Permanent("the settings cannot be used: enter the webhook's URL anew".to_owned()));
        };
        let ask = Ask::json(Self::KIND, To::Tenant(target), path, &self.body(message));
        self.judge(&server::heard(client.call(ask).await?, message))
    }
}

/// What Mattermost says of a request that it refuses.
#[derive(Default, Deserialize)]
struct Said {
    #[serde(default)]
    id: String,
    #[serde(default)]
    message: String,
}

impl Mattermost {
    /// The server, the path, and the key in it.
    fn parts(&self) -> Option<(Target, String, String)> {
        let (target, path) = server::split(self.url.expose())?;
        let (front, key) = path.expose().rsplit_once('/')?;
        let good = front.ends_with("/hooks") && is_alphanumeric(key, 20, 64);
        good.then(|| (target, path.expose().clone(), key.to_owned()))
    }

    /// `text` begins the post; the attachment has the rest, and a colour.
    fn body(&self, message: &Message) -> Value {
        let brief = &message.brief;
        let text = rows(brief, shown);
        let mut attachment = json!({
            "fallback": short::cut(&format!("{}{}", brief.headline, brief.lines(" | ")), FALLBACK_LIMIT),
            "color": format!("#{:06X}", Tone::of(message).rgb()),
            "text": short::cut(text.trim(), TEXT_LIMIT),
        });
        if let Some(link) = &brief.link {
            attachment["title"] = "Open in Picket".into();
            attachment["title_link"] = link.as_str().into();
        }
        let headline = short::cut(&shown(&brief.headline), TEXT_LIMIT - "****".len());
        let mut body = json!({ "text": format!("**{headline}**"), "attachments": [attachment] });
        if let Some(channel) = &self.channel {
            body["channel"] = channel.as_str().into();
        }
        body
    }

    fn judge(&self, reply: &Reply) -> Result<Answer, SendError> {
        let said: Option<Said> = serde_json::from_slice(&reply.body).ok();
        let words = match &said {
            Some(said) => format!("{} ({})", said.message, said.id),
            None => String::from_utf8_lossy(&reply.body).into_owned(),
        };
        let (path, key) = self.parts().map(|(_, path, key)| (path, key)).unwrap_or_default();
        let reason = shorten(&format!("{} {words}", reply.status), &[self.url.expose(), &path, &key]);
        if reply.status.is_success() {
            return Ok(Answer(reason));
        }
        let refused = SendError::Permanent(reason.clone());
        if reply.status == StatusCode::NOT_IMPLEMENTED {
            return Err(refused.but("the server takes no webhooks; its administrator can turn them on"));
        }
        if reply.is_for_later() {
            return Err(SendError::Retry { reason, after: reply.retry_after() });
        }
        let id = said.unwrap_or_default().id;
        Err(match id.strip_prefix("web.incoming_webhook.").and_then(|id| id.strip_suffix(".app_error")) {
            Some("invalid") => refused.but("the webhook is gone; make a new one in Mattermost and edit the channel"),
            Some("channel") => refused.but("there is no such channel; edit the channel and name another, or none"),
            Some("channel_locked" | "permissions") => {
                refused.but("the webhook may not write to that channel; edit the channel and name none")
            }
            _ => refused,
        })
    }
}

/// A text as it is: no markup, and a name with @ in it calls nobody, as a sign without width comes after it.
fn shown(text: &str) -> String {
    escape(text, SPECIAL).replace('@', "@\u{200b}")
}
