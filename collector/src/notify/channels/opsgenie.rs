//! Opsgenie: Alert API, create, acknowledge and close.
//! <https://docs.opsgenie.com/docs/alert-api>, fields and limits: <https://docs.opsgenie.com/docs/alert-api#create-alert>, answers:
//! <https://docs.opsgenie.com/docs/response>, rates: <https://docs.opsgenie.com/docs/api-rate-limiting>. Atlassian ends Opsgenie in
//! April 2027; Jira Service Management takes the same requests.
//!
//! The alias of an incident is its id here, so a repeated alert is the same one and `close` finds it. 202 is taken: it is worked off
//! later. 401 and 403 are the key's, 422 names fields; 429 says in `X-RateLimit-Period-In-Sec` what it counts by; 429 and 5xx help by
//! waiting.
//!
//! A key is made by who owns the integration, for alerts to come: a test alert that is accepted, and closed at once, proves
//! the channel.

use http::StatusCode;
use picket_shared::secret::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::form::masked;
use super::{Answer, Channel, Field, Form, InvalidSettings, Proof, SendError, server, shorten};
use crate::notify::client::{Ask, Client, Reply, To, wait};
use crate::notify::message::{Act, Alarm, Message, Severity, short};

const US: &str = "https://api.opsgenie.com";
const EU: &str = "https://api.eu.opsgenie.com";
const MESSAGE_LIMIT: usize = 130;
const DESCRIPTION_LIMIT: usize = 15_000;
/// Of one value in `details`, which may have 8000 characters.
const DETAIL_LIMIT: usize = 1000;
const ENTITY_LIMIT: usize = 512;
const SOURCE: &str = "Picket";

/// Settings of an integration of Opsgenie.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opsgenie {
    /// The key of an API integration.
    pub key: SecretString,
    /// `us` or `eu`.
    #[serde(default = "us")]
    pub region: String,
}

fn us() -> String {
    "us".to_owned()
}

impl Channel for Opsgenie {
    const KIND: &'static str = "opsgenie";
    const FOLDS: bool = false;
    const PROOF: Proof = Proof::Acceptance;
    const ACKNOWLEDGES: bool = true;
    const HOLDS: bool = true;
    const FIELDS: &'static [Field] = &[
        Field::new("key", "01234567-89ab-cdef-0123-456789abcdef").secret(),
        Field::new("region", "eu").optional().one_of(&["us", "eu"]),
    ];

    fn read(form: &Form) -> Result<Self, InvalidSettings> {
        Ok(Self { key: form.secret("key"), region: form.get("region").map_or_else(us, str::to_ascii_lowercase) })
    }

    fn check(&self) -> Vec<InvalidSettings> {
        let key = uuid::Uuid::try_parse(self.key.expose()).is_ok() && self.key.expose().len() == 36;
        let region = matches!(self.region.as_str(), "us" | "eu");
        let wrong = [
            InvalidSettings::unless(
                key,
                "key",
                "it is not the key of an API integration: those are 36 characters with four dashes",
            ),
            InvalidSettings::unless(region, "region", "there is no such service region: use us or eu"),
        ];
        wrong.into_iter().flatten().collect()
    }

    fn abroad(&self) -> Option<&'static str> {
        (self.region != "eu").then_some("Opsgenie")
    }

    fn hint(&self) -> String {
        format!("key {} ({})", masked(self.key.expose(), 0, 4), self.region)
    }

    fn name(&self) -> String {
        format!("Opsgenie {}", self.hint())
    }

    async fn send(&self, message: &Message, client: &Client) -> Result<Answer, SendError> {
        let mut said = Vec::new();
        for alarm in &message.alarms {
            said.push(self.judge(&client.call(self.ask(message, alarm)).await?)?);
        }
        Ok(Answer(said.join("; closed: ")))
    }
}

/// What Opsgenie answers.
#[derive(Default, Deserialize)]
struct Said {
    #[serde(default)]
    result: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: Value,
    #[serde(default, rename = "requestId")]
    request: String,
}

impl Opsgenie {
    fn ask(&self, message: &Message, alarm: &Alarm) -> Ask {
        let (path, body) = match alarm.act {
            Act::Raise => ("/v2/alerts".to_owned(), raised(message, alarm)),
            Act::Acknowledge => (of_alias(alarm, "acknowledge"), noted(message)),
            Act::Clear => (of_alias(alarm, "close"), noted(message)),
        };
        let usual = if self.region == "eu" { EU } else { US };
        Ask::json(Self::KIND, To::Provider(usual), path, &body).authorized(format!("GenieKey {}", self.key.expose()))
    }

    fn judge(&self, reply: &Reply) -> Result<String, SendError> {
        let said: Option<Said> = serde_json::from_slice(&reply.body).ok();
        let words = match &said {
            Some(said) if said.errors.is_object() => format!("{}: {}", said.message, said.errors),
            Some(said) => format!("{}{} (request {})", said.result, said.message, said.request),
            None => String::from_utf8_lossy(&reply.body).into_owned(),
        };
        let reason = shorten(&format!("{} {words}", reply.status), &[self.key.expose()]);
        if reply.status == StatusCode::ACCEPTED {
            return Ok(reason);
        }
        if reply.is_for_later() {
            let period =
                reply.headers.get("x-ratelimit-period-in-sec").and_then(|value| value.to_str().ok()?.parse().ok());
            return Err(SendError::Retry { reason, after: reply.retry_after().or(period.map(wait)) });
        }
        let refused = SendError::Permanent(reason);
        Err(match reply.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                refused.but("check the integration, its key and the service region, and edit the channel")
            }
            _ => refused,
        })
    }
}

fn of_alias(alarm: &Alarm, deed: &str) -> String {
    format!("/v2/alerts/{}/{deed}?identifierType=alias", server::segment(&alarm.key))
}

fn noted(message: &Message) -> Value {
    json!({ "source": SOURCE, "note": short::cut(&message.brief.headline, DETAIL_LIMIT) })
}

fn raised(message: &Message, alarm: &Alarm) -> Value {
    let brief = &message.brief;
    json!({
        "message": short::cut(&brief.headline, MESSAGE_LIMIT),
        "alias": alarm.key,
        "description": short::cut(brief.lines("\n").trim(), DESCRIPTION_LIMIT),
        "details": brief.details(DETAIL_LIMIT),
        "entity": short::cut(&alarm.source, ENTITY_LIMIT),
        "source": SOURCE,
        "priority": match alarm.severity {
            Severity::Critical => "P1",
            Severity::Error => "P2",
            Severity::Warning => "P3",
            Severity::Info => "P5",
        },
    })
}
