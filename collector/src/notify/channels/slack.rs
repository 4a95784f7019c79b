//! Slack: an incoming webhook.
//! <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>, limits of blocks:
//! <https://docs.slack.dev/reference/block-kit/blocks>, escaping: <https://docs.slack.dev/messaging/formatting-message-text>,
//! rates: <https://docs.slack.dev/apis/web-api/rate-limits>.
//!
//! It answers `200 ok`, or a status with a word: 400 `invalid_payload`, `user_not_found`; 403 `action_prohibited`,
//! `invalid_token`; 404 `channel_not_found`, `no_service`; 410 `channel_is_archived`; 500 `rollup_error`. 429 names
//! `Retry-After`. 429 and 5xx help by waiting; the rest is the webhook's and stays.
//!
//! Or a bot: `chat.postMessage` of the Web API, <https://docs.slack.dev/reference/methods/chat.postMessage>: 200 with `ok`, and `error` where it
//! is false; by a token with the scope `chat:write` (<https://docs.slack.dev/authentication/tokens>), to a channel that the app is in. With
//! the app's signing secret its messages have a button that acknowledges: what Slack sends when it is pressed is read in
//! [`crate::notify::inbound`].
//!
//! The whole URL is the secret. It must lead to Slack's own host, so that no tenant can name another by it.

use std::fmt;

use picket_shared::secret::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::form::{is_alphanumeric, is_token, masked};
use super::{Answer, Channel, Field, Form, InvalidSettings, SendError, shorten};
use crate::notify::client::{Ask, Client, Reply, To};
use crate::notify::escape::text as escape;
use crate::notify::message::{Message, short};

/// Which button it is.
pub(in crate::notify) const ACKNOWLEDGE: &str = "acknowledge";
const API: &str = "https://slack.com";
const HOST: &str = "https://hooks.slack.com";
/// Slack for governments of the United States.
const GOV: &str = "https://hooks.slack-gov.com";
const PATH: &str = "/services/";
/// Of a header block.
const HEADER_LIMIT: usize = 150;
/// Of the text of a section block.
const SECTION_LIMIT: usize = 3000;
/// "for best results, limit the number of characters in the text field to 4,000".
const TEXT_LIMIT: usize = 4000;

/// Settings of an incoming webhook of Slack.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Slack {
    /// The webhook's URL, or a bot's token.
    pub url: SecretString,
    /// With a token: the id of the channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// With a token: what Slack signs by when somebody presses a button.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_secret: Option<SecretString>,
}

impl fmt::Debug for Slack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slack({})", self.hint())
    }
}

impl Channel for Slack {
    const KIND: &'static str = "slack";
    const ACKNOWLEDGES: bool = true;
    const FIELDS: &'static [Field] = &[
        Field::new("url", "xoxb-not-a-real-token").secret(),
        Field::new("channel", "C0123456789").optional(),
        Field::new("signing_secret", "0123456789abcdef0123456789abcdef").secret().optional(),
    ];

    fn read(form: &Form) -> Result<Self, InvalidSettings> {
        let signing_secret = form.get("signing_secret").map(|_| form.secret("signing_secret"));
        Ok(Self { url: form.secret("url"), channel: form.get("channel").map(ToOwned::to_owned), signing_secret })
    }

    fn check(&self) -> Vec<InvalidSettings> {
        let why = "it is no incoming webhook of Slack and no bot's token: those are https://hooks.slack.com/services/T.../B.../... and xoxb-...";
        let (is_bot, is_hook) = (self.token().is_some(), self.parts().is_some());
        let id = |id: &str| id.starts_with(['C', 'G', 'D']) && is_token(id, 9, 32, "");
        let (goes_with, said) = match self.channel.as_deref() {
            _ if !is_bot && !is_hook => (true, ""),
            channel if is_bot => (
                channel.is_some_and(id),
                "give the channel's id, such as C0123456789: it is at the end of what Slack shows of a channel",
            ),
            channel => (channel.is_none(), "a webhook has its channel already: leave it empty"),
        };
        let wrong = [
            InvalidSettings::unless(is_bot || is_hook, "url", why),
            InvalidSettings::unless(goes_with, "channel", said),
            self.signing_secret.as_ref().and_then(|secret| {
                let (good, why) = match is_hook {
                    true => (false, "a webhook has no buttons: leave it empty, or use a bot's token"),
                    false => (
                        is_alphanumeric(secret.expose(), 32, 32),
                        "it is not a signing secret: Slack shows one of 32 digits or letters a-f under Basic Information",
                    ),
                };
                InvalidSettings::unless(good, "signing_secret", why)
            }),
        ];
        wrong.into_iter().flatten().collect()
    }

    fn abroad(&self) -> Option<&'static str> {
        Some("Slack")
    }

    /// Of a bot the channel; else the last characters of the webhook's id, which is no secret: the third part is.
    fn hint(&self) -> String {
        if let (Some(_), Some(channel)) = (self.token(), &self.channel) {
            return format!("channel {}", masked(channel, 1, 4));
        }
        let id = self.parts().and_then(|(_, path)| path.split('/').nth(3).map(|id| masked(id, 1, 4)));
        format!("webhook {}", id.unwrap_or_else(|| "***".to_owned()))
    }

    fn name(&self) -> String {
        format!("Slack {}", self.hint())
    }

    fn hook_secret(&self) -> Option<&SecretString> {
        self.signing_secret.as_ref()
    }

    async fn send(&self, message: &Message, client: &Client) -> Result<Answer, SendError> {
        if let (Some(token), Some(channel)) = (self.token(), &self.channel) {
            let mut body = body(message);
            body["channel"] = channel.as_str().into();
            body["unfurl_links"] = false.into();
            if let (Some(_), Some(token)) = (&self.signing_secret, message.back.token()) {
                push(&mut body["blocks"], button(token));
            }
            let ask = Ask::json(Self::KIND, To::Provider(API), "/api/chat.postMessage".to_owned(), &body);
            return self.judge_api(&client.call(ask.authorized(format!("Bearer {token}"))).await?);
        }
        let Some((usual, path)) = self.parts() else {
            return Err(SendError::Permanent("the settings cannot be used: enter the webhook's URL anew".to_owned()));
        };
        let ask = Ask::json(Self::KIND, To::Provider(usual), path, &body(message));
        self.judge(&client.call(ask).await?)
    }
}

/// What the Web API answers.
#[derive(Default, Deserialize)]
struct Said {
    #[serde(default)]
    ok: bool,
    #[serde(default)]
    error: String,
    #[serde(default)]
    ts: String,
}

impl Slack {
    /// Slack's host, and the path that is the secret: `/services/T.../B.../...`, nothing after it.
    fn parts(&self) -> Option<(&'static str, String)> {
        let url = Url::parse(self.url.expose()).ok()?;
        let plain =
            url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
        let usual = [HOST, GOV].into_iter().find(|host| url.origin().ascii_serialization() == *host)?;
        let parts: Vec<_> = url.path().strip_prefix(PATH)?.split('/').collect();
        let good = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric());
        (plain && parts.len() == 3 && parts.iter().all(good)).then(|| (usual, url.path().to_owned()))
    }

    /// A bot's token.
    fn token(&self) -> Option<&str> {
        let token = self.url.expose().as_str();
        token.strip_prefix("xoxb-").filter(|rest| is_token(rest, 10, 200, "-")).map(|_| token)
    }

    /// The Web API answers 200 with `ok`, also where it refuses.
    fn judge_api(&self, reply: &Reply) -> Result<Answer, SendError> {
        let said: Option<Said> = serde_json::from_slice(&reply.body).ok();
        let words = match &said {
            Some(said) if said.ok => format!("ok {}", said.ts),
            Some(said) => said.error.clone(),
            None => String::from_utf8_lossy(&reply.body).into_owned(),
        };
        let reason = shorten(&format!("{} {words}", reply.status), &[self.url.expose()]);
        if reply.is_for_later() {
            return Err(SendError::Retry { reason, after: reply.retry_after() });
        }
        let said = said.unwrap_or_default();
        if reply.status.is_success() && said.ok {
            return Ok(Answer(reason));
        }
        Err(match said.error.as_str() {
            "ratelimited"
            | "rate_limited"
            | "internal_error"
            | "fatal_error"
            | "request_timeout"
            | "service_unavailable" => SendError::retry(reason),
            "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive" => {
                SendError::Permanent(reason).but("edit the channel and enter the token that Slack shows")
            }
            "missing_scope" | "no_permission" => {
                SendError::Permanent(reason).but("give the app the scope chat:write, and install it anew")
            }
            "not_in_channel" => SendError::Permanent(reason).but("invite the app to the channel in Slack: /invite"),
            "channel_not_found" | "is_archived" => {
                SendError::Permanent(reason).but("check the channel's id, and that the app is in it")
            }
            _ => SendError::Permanent(reason),
        })
    }

    fn judge(&self, reply: &Reply) -> Result<Answer, SendError> {
        let path = self.parts().map(|(_, path)| path).unwrap_or_default();
        let token = path.rsplit('/').next().unwrap_or_default();
        let words = String::from_utf8_lossy(&reply.body);
        let said = shorten(&format!("{} {words}", reply.status), &[self.url.expose(), &path, token]);
        if reply.status.is_success() {
            return Ok(Answer(said));
        }
        if reply.is_for_later() {
            return Err(SendError::Retry { reason: said, after: reply.retry_after() });
        }
        let refused = SendError::Permanent(said);
        Err(match words.trim() {
            "no_service" | "no_service_id" | "invalid_token" | "no_team" | "team_disabled" => {
                refused.but("the webhook is gone; make a new one in Slack and edit the channel")
            }
            "channel_is_archived" | "channel_not_found" => {
                refused.but("the channel in Slack is gone; make a webhook to another")
            }
            "action_prohibited" | "posting_to_general_channel_denied" => {
                refused.but("an administrator of the workspace forbids it; ask there")
            }
            _ => refused,
        })
    }
}

/// A button: <https://docs.slack.dev/reference/block-kit/block-elements/button-element>.
fn button(token: &str) -> Value {
    let text = json!({ "type": "plain_text", "text": "Acknowledge" });
    let button = json!({ "type": "button", "action_id": ACKNOWLEDGE, "text": text, "value": token });
    json!({ "type": "actions", "elements": [button] })
}

fn push(blocks: &mut Value, block: Value) {
    if let Some(blocks) = blocks.as_array_mut() {
        blocks.push(block);
    }
}

/// `text` is what notifications show; the blocks are the message.
fn body(message: &Message) -> Value {
    let brief = &message.brief;
    let mut blocks = vec![json!({
        "type": "header",
        "text": { "type": "plain_text", "text": short::cut(&brief.headline, HEADER_LIMIT), "emoji": false },
    })];
    let rows: Vec<_> =
        brief.rows.iter().map(|(label, value)| format!("*{}* {}", escape(label), escape(value))).collect();
    let mut text = rows.join("\n");
    text.push_str(&brief.prose.as_deref().map(escape).unwrap_or_default());
    if let Some(link) = &brief.link {
        text.push_str(&format!("\n<{}|Open in Picket>", escape(link)));
    }
    if !text.trim().is_empty() {
        let text = short::cut(text.trim(), SECTION_LIMIT);
        blocks.push(json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } }));
    }
    let plain = escape(&format!("{}{}", brief.headline, brief.lines(" | ")));
    json!({ "text": short::cut(&plain, TEXT_LIMIT), "blocks": blocks })
}
