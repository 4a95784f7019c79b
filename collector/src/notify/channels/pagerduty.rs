//! PagerDuty: Events API v2, `POST /v2/enqueue`.
//! <https://developer.pagerduty.com/docs/events-api-v2-overview>, fields and limits:
//! <https://developer.pagerduty.com/docs/send-alert-event>, service regions: <https://support.pagerduty.com/main/docs/service-regions>.
//!
//! The key of an incident is its id here, so a repeated `trigger` is the same alert and `resolve` finds it. What begins
//! without an incident (a silent region, flapping) has a key of its own; what nothing ends (no data, never came up) is left
//! to a person to resolve. 202 is taken; 400 is an event or a key that never will be; 429 and 5xx help by waiting.
//!
//! An integration key is made by who owns the service, for events to come: a test event that is accepted, and resolved
//! at once, proves the channel. Who acknowledges an incident here acknowledges it there, under the same key; and the other way round where
//! PagerDuty tells us by a webhook, [`crate::notify::inbound`].

use http::StatusCode;
use picket_shared::secret::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::form::{is_alphanumeric, is_token, masked};
use super::{Answer, Channel, Field, Form, InvalidSettings, Proof, SendError, shorten};
use crate::notify::client::{Ask, Client, Reply, To};
use crate::notify::message::{Act, Alarm, Message, short};

const US: &str = "https://events.pagerduty.com";
const EU: &str = "https://events.eu.pagerduty.com";
/// Of `payload.summary`.
const SUMMARY_LIMIT: usize = 1024;
/// Of one value in `custom_details`; the whole event may have 512 KB.
const DETAIL_LIMIT: usize = 2000;

/// Settings of a service in PagerDuty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pagerduty {
    /// The integration key of an Events API v2 integration.
    pub key: SecretString,
    /// `us` or `eu`.
    #[serde(default = "us")]
    pub region: String,
    /// What PagerDuty signs its webhooks by, which say who acknowledged there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_secret: Option<SecretString>,
}

fn us() -> String {
    "us".to_owned()
}

impl Channel for Pagerduty {
    const KIND: &'static str = "pagerduty";
    const FOLDS: bool = false;
    const PROOF: Proof = Proof::Acceptance;
    const ACKNOWLEDGES: bool = true;
    const HOLDS: bool = true;
    const FIELDS: &'static [Field] = &[
        Field::new("key", "0123456789abcdef0123456789abcdef").secret(),
        Field::new("region", "eu").optional().one_of(&["us", "eu"]),
        Field::new("webhook_secret", "PrNq0sNq5v4hWQyYxLwXyM1ZJm0cC0rHqv7kQ3b8a1c").secret().optional(),
    ];

    fn read(form: &Form) -> Result<Self, InvalidSettings> {
        Ok(Self {
            key: form.secret("key"),
            region: form.get("region").map_or_else(us, str::to_ascii_lowercase),
            webhook_secret: form.get("webhook_secret").map(|_| form.secret("webhook_secret")),
        })
    }

    fn check(&self) -> Vec<InvalidSettings> {
        let wrong = [
            InvalidSettings::unless(
                is_alphanumeric(self.key.expose(), 32, 32),
                "key",
                "it is not an integration key: those have 32 letters and digits",
            ),
            InvalidSettings::unless(
                matches!(self.region.as_str(), "us" | "eu"),
                "region",
                "there is no such service region: use us or eu",
            ),
            InvalidSettings::unless(
                self.webhook_secret.as_ref().is_none_or(|secret| is_token(secret.expose(), 16, 128, "-_+/=")),
                "webhook_secret",
                "it is not a webhook's secret: PagerDuty shows it once, when the webhook is made",
            ),
        ];
        wrong.into_iter().flatten().collect()
    }

    fn abroad(&self) -> Option<&'static str> {
        (self.region != "eu").then_some("PagerDuty")
    }

    fn hint(&self) -> String {
        format!("key {} ({})", masked(self.key.expose(), 0, 4), self.region)
    }

    fn name(&self) -> String {
        format!("PagerDuty {}", self.hint())
    }

    fn hook_secret(&self) -> Option<&SecretString> {
        self.webhook_secret.as_ref()
    }

    async fn send(&self, message: &Message, client: &Client) -> Result<Answer, SendError> {
        let mut said = String::new();
        for alarm in &message.alarms {
            let usual = if self.region == "eu" { EU } else { US };
            let ask = Ask::json(Self::KIND, To::Provider(usual), "/v2/enqueue".to_owned(), &self.event(message, alarm));
            let taken = self.judge(&client.call(ask).await?)?;
            said = if said.is_empty() { taken } else { format!("{said}; {}: {taken}", action(alarm.act)) };
        }
        Ok(Answer(said))
    }
}

const fn action(act: Act) -> &'static str {
    match act {
        Act::Raise => "trigger",
        Act::Acknowledge => "acknowledge",
        Act::Clear => "resolve",
    }
}

/// What PagerDuty answers.
#[derive(Default, Deserialize)]
struct Said {
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: Vec<String>,
}

impl Pagerduty {
    /// `acknowledge` and `resolve` need no more than its key.
    fn event(&self, message: &Message, alarm: &Alarm) -> Value {
        let mut event = json!({
            "routing_key": self.key,
            "event_action": action(alarm.act),
            "dedup_key": alarm.key,
        });
        if alarm.act == Act::Raise {
            let brief = &message.brief;
            event["payload"] = json!({
                "summary": short::cut(&brief.summary(), SUMMARY_LIMIT),
                "source": alarm.source,
                "severity": alarm.severity.as_str(),
                "timestamp": alarm.since.to_string(),
                "custom_details": brief.details(DETAIL_LIMIT),
            });
            event["client"] = "Picket".into();
            let mut links = Vec::new();
            if let Some(link) = &brief.link {
                event["client_url"] = link.as_str().into();
                links.push(json!({ "href": link, "text": "Open in Picket" }));
            }
            links.extend(brief.runbook().map(|url| json!({ "href": url, "text": "Runbook" })));
            if !links.is_empty() {
                event["links"] = links.into();
            }
        }
        event
    }

    fn judge(&self, reply: &Reply) -> Result<String, SendError> {
        let said: Said = serde_json::from_slice(&reply.body).unwrap_or_default();
        let words = [vec![said.message], said.errors].concat().join(": ");
        let reason = shorten(&format!("{} {words}", reply.status), &[self.key.expose()]);
        if reply.status == StatusCode::ACCEPTED {
            return Ok(reason);
        }
        if reply.is_for_later() {
            return Err(SendError::Retry { reason, after: reply.retry_after() });
        }
        let refused = SendError::Permanent(reason);
        Err(match reply.status {
            StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                refused.but("check the integration key and the service region, and edit the channel")
            }
            _ => refused,
        })
    }
}
