//! Microsoft Teams: a workflow that begins with "When a Teams webhook request is received" and posts the card that it is sent.
//! <https://learn.microsoft.com/en-us/connectors/teams/#webhook>, how one is made:
//! <https://support.microsoft.com/en-us/office/create-incoming-webhooks-with-workflows-for-microsoft-teams-8ae491c7-0394-4861-ba59-055e33f75498>,
//! limits: <https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook>, cards:
//! <https://adaptivecards.io/explorer/AdaptiveCard.html>, errors:
//! <https://learn.microsoft.com/en-us/azure/logic-apps/logic-apps-http-endpoint>. Office connectors are retired.
//!
//! It answers 202 without a body, which says that the workflow was started, or JSON: `error.code`, `error.message`. 429 and
//! 5xx help by waiting; 401, 403 and 404 say that the workflow is gone, turned off, or has another URL.
//!
//! The URL is signed (`sig`), so the whole is the secret. It must lead to a host of Microsoft's, and its address is judged by
//! the egress guard besides. Texts are runs of a `RichTextBlock`, which Teams does not read as Markdown.

use std::fmt;

use picket_shared::egress::Target;
use picket_shared::secret::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::tone::Tone;
use super::{Answer, Channel, Field, Form, InvalidSettings, SendError, server, shorten};
use crate::notify::client::{Ask, Client, Reply, To};
use crate::notify::message::{Message, short};

/// Where workflows are: Power Platform and Logic Apps, of which the second ends with the year 2025, and their clouds for
/// governments.
const HOSTS: [&str; 6] = [
    ".environment.api.powerplatform.com",
    ".environment.api.gov.powerplatform.microsoft.us",
    ".environment.api.high.powerplatform.microsoft.us",
    ".environment.api.powerplatform.partner.microsoftonline.cn",
    ".logic.azure.com",
    ".logic.azure.us",
];
/// Where connectors were.
const RETIRED: &str = ".webhook.office.com";
/// Of one text. A message may have 28 KB; the rows of one have no more than six such texts of three bytes a unit.
const TEXT_LIMIT: usize = 1000;

/// Settings of a workflow of Microsoft Teams.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Teams {
    /// The workflow's URL.
    pub url: SecretString,
}

impl fmt::Debug for Teams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Teams({})", self.hint())
    }
}

impl Channel for Teams {
    const KIND: &'static str = "teams";
    const FIELDS: &'static [Field] = &[Field::new(
        "url",
        "https://default0123456789abcdef0123456789abcd.ef.environment.api.powerplatform.com/powerautomate/automations/direct/workflows/0123456789abcdef0123456789abcdef/triggers/manual/paths/invoke?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
    )
    .secret()];

    fn read(form: &Form) -> Result<Self, InvalidSettings> {
        Ok(Self { url: form.secret("url") })
    }

    fn check(&self) -> Vec<InvalidSettings> {
        let host = server::split(self.url.expose()).map(|(target, _)| target.host.to_string()).unwrap_or_default();
        let why = if host.ends_with(RETIRED) {
            "it is an Office connector, which Microsoft has retired: make a webhook with the app Workflows in Teams"
        } else {
            "it is not the URL of a workflow: copy the one that the app Workflows in Teams shows, with all that follows the ?"
        };
        InvalidSettings::unless(self.parts().is_some(), "url", why).into_iter().collect()
    }

    /// The last characters of the workflow's id, which is no secret: the signature is, and follows the ?.
    fn abroad(&self) -> Option<&'static str> {
        Some("Microsoft Teams")
    }

    fn hint(&self) -> String {
        let id = self.parts().and_then(|(_, path, _)| {
            let id = path.split_once("/workflows/")?.1.split(['/', '?']).next()?.to_owned();
            Some(super::form::masked(&id, 0, 4))
        });
        format!("workflow {}", id.unwrap_or_else(|| "***".to_owned()))
    }

    fn name(&self) -> String {
        format!("Teams {}", self.hint())
    }

    async fn send(&self, message: &Message, client: &Client) -> Result<Answer, SendError> {
        let Some((target, path, _)) = self.parts() else {
            return Err(SendError::Permanent("the settings cannot be used: enter the workflow's URL anew".to_owned()));
        };
        let ask = Ask::json(Self::KIND, To::Tenant(target), path, &body(message));
        self.judge(&server::heard(client.call(ask).await?, message))
    }
}

/// What the workflow's host says of a request that it refuses.
#[derive(Default, Deserialize)]
struct Said {
    error: Fault,
}

#[derive(Default, Deserialize)]
struct Fault {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl Teams {
    /// The server, path and query, and the signature among it.
    fn parts(&self) -> Option<(Target, String, String)> {
        let (target, path) = server::split(self.url.expose())?;
        let host = target.host.to_string();
        let known = target.is_https() && target.port == 443 && HOSTS.iter().any(|suffix| host.ends_with(suffix));
        let (before, query) = path.expose().split_once('?')?;
        let signature = query.split('&').find_map(|pair| pair.strip_prefix("sig="))?.to_owned();
        let good = known && before.contains("/workflows/") && (16..=256).contains(&signature.len());
        good.then(|| (target, path.expose().clone(), signature))
    }

    fn judge(&self, reply: &Reply) -> Result<Answer, SendError> {
        let words = match serde_json::from_slice::<Said>(&reply.body) {
            Ok(said) => format!("{} ({})", said.error.message, said.error.code),
            Err(_) => String::from_utf8_lossy(&reply.body).into_owned(),
        };
        let (path, signature) = self.parts().map(|(_, path, signature)| (path, signature)).unwrap_or_default();
        let reason = shorten(&format!("{} {words}", reply.status), &[self.url.expose(), &path, &signature]);
        if reply.status.is_success() {
            return Ok(Answer(reason));
        }
        if reply.is_for_later() {
            return Err(SendError::Retry { reason, after: reply.retry_after() });
        }
        let refused = SendError::Permanent(reason);
        Err(match reply.status.as_u16() {
            401 | 403 | 404 => refused.but(
                "the workflow is gone, turned off, not open to anyone, or has another URL; look at it in Teams and edit the channel",
            ),
            400 => refused.but("the workflow does not take cards; make one by \"Send webhook alerts to a channel\""),
            _ => refused,
        })
    }
}

/// A message with one card.
fn body(message: &Message) -> Value {
    let brief = &message.brief;
    let block = |runs: Value| json!({ "type": "RichTextBlock", "spacing": "Small", "inlines": runs });
    let run = |text: &str| json!({ "type": "TextRun", "text": short::cut(text, TEXT_LIMIT) });
    let bold = |text: &str| json!({ "type": "TextRun", "text": text, "weight": "Bolder" });
    let mut headline = run(&brief.headline);
    headline["weight"] = "Bolder".into();
    headline["size"] = "Medium".into();
    headline["color"] = colour(Tone::of(message)).into();
    let mut blocks = vec![block(json!([headline]))];
    let rows = brief.rows.iter().map(|(label, value)| block(json!([bold(&format!("{label}: ")), run(value)])));
    blocks.extend(rows);
    blocks.extend(brief.prose.as_deref().map(|prose| block(json!([run(prose)]))));
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": { "width": "Full" },
        "body": blocks,
    });
    if let Some(link) = &brief.link {
        card["actions"] = json!([{ "type": "Action.OpenUrl", "title": "Open in Picket", "url": link }]);
    }
    let attachment = json!({
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": null,
        "content": card,
    });
    json!({ "type": "message", "attachments": [attachment] })
}

/// A colour of a run, by the names of Adaptive Cards.
const fn colour(tone: Tone) -> &'static str {
    match tone {
        Tone::Bad => "Attention",
        Tone::Unknown | Tone::Warning => "Warning",
        Tone::Good => "Good",
        Tone::Plain => "Default",
    }
}
