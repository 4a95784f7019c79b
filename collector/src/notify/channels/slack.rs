//! Slack: an incoming webhook.
//! <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>, limits of blocks:
//! <https://docs.slack.dev/reference/block-kit/blocks>, escaping: <https://docs.slack.dev/messaging/formatting-message-text>,
//! rates: <https://docs.slack.dev/apis/web-api/rate-limits>.
//!
//! It answers `200 ok`, or a status with a word: 400 `invalid_payload`, `user_not_found`; 403 `action_prohibited`,
//! `invalid_token`; 404 `channel_not_found`, `no_service`; 410 `channel_is_archived`; 500 `rollup_error`. 429 names
//! `Retry-After`. 429 and 5xx help by waiting; the rest is the webhook's and stays.
//!
//! The whole URL is the secret. It must lead to Slack's own host, so that no tenant can name another by it.

use std::fmt;

use picket_shared::secret::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::form::masked;
use super::{Answer, Channel, Field, Form, InvalidSettings, SendError, shorten};
use crate::notify::client::{Ask, Client, Reply, To};
use crate::notify::escape::text as escape;
use crate::notify::message::{Message, short};

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
    /// The webhook's URL.
    pub url: SecretString,
}

impl fmt::Debug for Slack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slack({})", self.hint())
    }
}

impl Channel for Slack {
    const KIND: &'static str = "slack";
    const FIELDS: &'static [Field] =
        &[Field::new("url", "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX").secret()];

    fn read(form: &Form) -> Result<Self, InvalidSettings> {
        Ok(Self { url: form.secret("url") })
    }

    fn check(&self) -> Vec<InvalidSettings> {
        let why = "it is not an incoming webhook of Slack: those are https://hooks.slack.com/services/T.../B.../...";
        InvalidSettings::unless(self.parts().is_some(), "url", why).into_iter().collect()
    }

    /// The last characters of the webhook's id, which is no secret: the third part is.
    fn abroad(&self) -> Option<&'static str> {
        Some("Slack")
    }

    fn hint(&self) -> String {
        let id = self.parts().and_then(|(_, path)| path.split('/').nth(3).map(|id| masked(id, 1, 4)));
        format!("webhook {}", id.unwrap_or_else(|| "***".to_owned()))
    }

    fn name(&self) -> String {
        format!("Slack {}", self.hint())
    }

    async fn send(&self, message: &Message, client: &Client) -> Result<Answer, SendError> {
        let Some((usual, path)) = self.parts() else {
            return Err(SendError::Permanent("the settings cannot be used: enter the webhook's URL anew".to_owned()));
        };
        let ask = Ask::json(Self::KIND, To::Provider(usual), path, &body(message));
        self.judge(&client.call(ask).await?)
    }
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
