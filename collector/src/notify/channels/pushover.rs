//! Pushover: a message to a user or group, "Pushing Messages".
//! <https://pushover.net/api#messages>, limits: <https://pushover.net/api#limits>, emergencies:
//! <https://pushover.net/api#priority> and <https://pushover.net/api/receipts#cancel_by_tag>, errors:
//! <https://pushover.net/api#response> and <https://pushover.net/api#friendly>.
//!
//! It answers 200 and `status` 1, or a 4xx with `status` 0 and `errors`: repeating helps against none of those, but 429, which says
//! that the application's messages of this month are used up until `X-Limit-App-Reset`. 5xx helps by waiting 5 seconds at least.
//!
//! An emergency rings until somebody acknowledges it, at most 3 hours; only an outage is one. It has the alarm's key as its tag, and
//! the message that it is over takes it back first.

use std::fmt;
use std::time::Duration;

use http::{Method, StatusCode};
use picket_shared::secret::SecretString;
use serde::{Deserialize, Serialize};
use url::form_urlencoded::Serializer;

use super::form::{is_alphanumeric, masked};
use super::tone::Tone;
use super::{Answer, Channel, Field, Form, InvalidSettings, SendError, shorten};
use crate::notify::client::{Ask, Client, Reply, To, wait};
use crate::notify::message::{Act, Alarm, Class, Message, Severity, short};

const API: &str = "https://api.pushover.net";
const MESSAGE_LIMIT: usize = 1024;
const TITLE_LIMIT: usize = 250;
const URL_LIMIT: usize = 512;
/// So many rings of one message are ended by what they are about.
const MOST_TAGS: usize = 20;
/// Between two rings of an emergency, and until it ends by itself, in seconds: at least 30, at most 10800.
const RING: (&str, &str) = ("60", "10800");
/// "no sooner than 5 seconds".
const PAUSE: Duration = Duration::from_secs(5);

/// Settings of a user or group of Pushover.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Pushover {
    /// The application's API token.
    pub token: SecretString,
    /// The key of the user or group.
    pub user: SecretString,
    /// How loud bad news are: `normal`, `high` or `emergency`.
    #[serde(default = "high")]
    pub priority: String,
}

fn high() -> String {
    "high".to_owned()
}

impl fmt::Debug for Pushover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pushover({})", self.hint())
    }
}

impl Channel for Pushover {
    const KIND: &'static str = "pushover";
    const FIELDS: &'static [Field] = &[
        Field::new("token", "azGDORePK8gMaC0QOYAMyEEuzJnyUi").secret(),
        Field::new("user", "uQiRzpo4DXghDmr9QzzfQu27cmVRsG").secret(),
        Field::new("priority", "emergency").optional().one_of(&["normal", "high", "emergency"]),
    ];
    const HOLDS: bool = true;

    fn read(form: &Form) -> Result<Self, InvalidSettings> {
        let priority = form.get("priority").map_or_else(high, str::to_ascii_lowercase);
        Ok(Self { token: form.secret("token"), user: form.secret("user"), priority })
    }

    fn check(&self) -> Vec<InvalidSettings> {
        let wrong = [
            InvalidSettings::unless(
                is_alphanumeric(self.token.expose(), 30, 30),
                "token",
                "it is not an application's API token: those have 30 letters and digits",
            ),
            InvalidSettings::unless(
                is_alphanumeric(self.user.expose(), 30, 30),
                "user",
                "it is not the key of a user or group: those have 30 letters and digits",
            ),
            InvalidSettings::unless(
                matches!(self.priority.as_str(), "normal" | "high" | "emergency"),
                "priority",
                "there is no such priority: use normal, high or emergency",
            ),
        ];
        wrong.into_iter().flatten().collect()
    }

    fn abroad(&self) -> Option<&'static str> {
        Some("Pushover")
    }

    fn hint(&self) -> String {
        format!("key {}", masked(self.user.expose(), 0, 4))
    }

    fn name(&self) -> String {
        format!("Pushover {}", self.hint())
    }

    async fn send(&self, message: &Message, client: &Client) -> Result<Answer, SendError> {
        let rings = |alarm: &&Alarm| matches!(alarm.class, Class::Outage(_)) && self.priority == "emergency";
        let over = message.alarms.iter().filter(|alarm| alarm.act == Act::Clear).filter(rings);
        for alarm in over.take(MOST_TAGS) {
            let token = Serializer::new(String::new()).append_pair("token", self.token.expose()).finish();
            let reply = client.call(ask(format!("/1/receipts/cancel_by_tag/{}.json", alarm.key), token)).await?;
            // One that ended by itself cannot be taken back: only what waiting helps against holds the message up.
            if reply.is_for_later() {
                self.judge(&reply, message)?;
            }
        }
        let reply = client.call(ask("/1/messages.json".to_owned(), self.body(message))).await?;
        self.judge(&reply, message)
    }
}

fn ask(path: String, body: String) -> Ask {
    Ask {
        kind: Pushover::KIND,
        to: To::Provider(API),
        method: Method::POST,
        path: SecretString::new(path),
        content_type: "application/x-www-form-urlencoded",
        authorization: None,
        body: body.into_bytes(),
    }
}

/// What Pushover answers.
#[derive(Default, Deserialize)]
struct Said {
    #[serde(default)]
    status: serde_json::Value,
    #[serde(default)]
    request: String,
    #[serde(default)]
    errors: Vec<String>,
    /// `invalid`, when it is at fault.
    #[serde(default)]
    user: serde_json::Value,
    #[serde(default)]
    token: serde_json::Value,
}

impl Pushover {
    fn body(&self, message: &Message) -> String {
        let brief = &message.brief;
        let loud = matches!(Tone::of(message), Tone::Bad | Tone::Unknown);
        // An emergency rings until somebody does something: only an outage that is critical calls for that, and ends it.
        let is_outage = message.alarms.first().is_some_and(|alarm| alarm.class == Class::Outage(Severity::Critical));
        let priority = match self.priority.as_str() {
            "emergency" if loud && is_outage => "2",
            "high" | "emergency" if loud => "1",
            _ => "0",
        };
        let mut body = Serializer::new(String::new());
        body.append_pair("token", self.token.expose())
            .append_pair("user", self.user.expose())
            .append_pair("title", &short::cut(&brief.headline, TITLE_LIMIT))
            .append_pair("message", &short::cut(&brief.text(), MESSAGE_LIMIT))
            .append_pair("priority", priority)
            .append_pair("timestamp", &message.at.seconds().to_string());
        if let Some(link) = brief.link.as_deref().filter(|link| link.len() <= URL_LIMIT) {
            body.append_pair("url", link).append_pair("url_title", "Open in Picket");
        }
        if priority == "2" {
            let tags = message.alarms.iter().filter(|alarm| alarm.act == Act::Raise).take(MOST_TAGS);
            let tags: Vec<&str> = tags.map(|alarm| alarm.key.as_str()).collect();
            body.append_pair("retry", RING.0).append_pair("expire", RING.1).append_pair("tags", &tags.join(","));
        }
        body.finish()
    }

    fn judge(&self, reply: &Reply, message: &Message) -> Result<Answer, SendError> {
        let said: Option<Said> = serde_json::from_slice(&reply.body).ok();
        let (parsed, said) = (said.is_some(), said.unwrap_or_default());
        let hidden = [self.token.expose().as_str(), self.user.expose()];
        if reply.status.is_success() && said.status == 1 {
            return Ok(Answer(shorten(&format!("{} request {}", reply.status, said.request), &hidden)));
        }
        let words = if parsed { said.errors.join(": ") } else { String::from_utf8_lossy(&reply.body).into_owned() };
        let reason = shorten(&format!("{} {words}", reply.status), &hidden);
        if reply.is_for_later() {
            let after = reply.retry_after().or_else(|| reset(reply, message)).unwrap_or(PAUSE).max(PAUSE);
            return Err(SendError::Retry { reason, after: Some(after) });
        }
        let refused = SendError::Permanent(reason);
        Err(if said.token == "invalid" {
            refused.but("the application is gone; edit the channel and enter another token")
        } else if said.user == "invalid" {
            refused.but("the user or group is gone or has no active device; edit the channel")
        } else {
            refused
        })
    }
}

/// How long the application has no messages left.
fn reset(reply: &Reply, message: &Message) -> Option<Duration> {
    let at: i64 = reply.headers.get("x-limit-app-reset")?.to_str().ok()?.trim().parse().ok()?;
    let left = u64::try_from(at.saturating_sub(message.at.seconds())).ok();
    left.filter(|_| reply.status == StatusCode::TOO_MANY_REQUESTS).map(wait)
}
