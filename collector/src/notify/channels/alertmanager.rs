//! Alertmanager: alerts, API v2, `POST /api/v2/alerts`.
//! <https://prometheus.io/docs/alerting/latest/alerts_api/>, the API's own description:
//! <https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>, who may ask:
//! <https://prometheus.io/docs/alerting/latest/https/>.
//!
//! An alert is known by its labels, which are the same from beginning to end: class, key, and severity of the class.
//! It ends at `endsAt`, so one that stands is told again each minute with an end ten minutes ahead: should nobody tell it any
//! more, it ends by itself, and a restart of Picket is no end. What nothing ends (no data, never came up) stands for a day.
//!
//! It answers 200 without a body. 400 is JSON: what is wrong, as a text; 401 comes from its own list of users or a proxy. 429 and
//! 5xx help by waiting. The server is judged by the egress guard.
//!
//! Anybody who reaches one may raise alerts, so its acceptance proves nothing: a code is sent in an alert that stands as long as it
//! works.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::StatusCode;
use picket_shared::secret::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Answer, Channel, Field, Form, InvalidSettings, SendError, server, shorten};
use crate::notify::client::{Ask, Client, Reply, To};
use crate::notify::message::{Act, Alarm, Class, Message, short};

/// Between two times that an alert which stands is told.
const AGAIN: Duration = Duration::from_secs(60);
/// So long it stands without being told again.
const STANDS: Duration = Duration::from_secs(600);
/// So long stands what nothing ends, and a test or a code.
const STANDS_ALONE: Duration = Duration::from_secs(24 * 3600);
const STANDS_TEST: Duration = Duration::from_secs(15 * 60);
/// Of one text; the documentation names no limit.
const TEXT_LIMIT: usize = 4000;

/// Settings of an Alertmanager.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Alertmanager {
    /// Where it is.
    pub server: String,
    /// The user's name, for basic authentication; without one the secret is a bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The user's password, or a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretString>,
}

impl fmt::Debug for Alertmanager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Alertmanager({})", self.hint())
    }
}

impl Channel for Alertmanager {
    const KIND: &'static str = "alertmanager";
    const FOLDS: bool = false;
    const AGAIN: Option<Duration> = Some(AGAIN);
    const HOLDS: bool = true;
    const FIELDS: &'static [Field] = &[
        Field::new("server", "https://alertmanager.example.org"),
        Field::new("user", "picket").optional(),
        Field::new("secret", "8f14e45fceea167a5a36dedd4bea2543").secret().optional(),
    ];

    fn read(form: &Form) -> Result<Self, InvalidSettings> {
        Ok(Self {
            server: form.text("server"),
            user: form.get("user").map(ToOwned::to_owned),
            secret: form.get("secret").map(|_| form.secret("secret")),
        })
    }

    fn check(&self) -> Vec<InvalidSettings> {
        let sendable = |text: &str| text.len() <= 1024 && !text.chars().any(char::is_control);
        let user = self.user.as_deref().is_none_or(|user| sendable(user) && !user.contains(':'));
        let secret = self.secret.as_ref().map(|secret| secret.expose().as_str());
        let token = |text: &str| self.user.is_some() || text.chars().all(|c| c.is_ascii_graphic());
        let wrong = [
            server::complaint(&self.server, "server", "https://alertmanager.example.org"),
            InvalidSettings::unless(user, "user", "it is not a user's name: it has no colon and no line break"),
            InvalidSettings::unless(
                secret.is_none_or(|text| sendable(text) && token(text)) && (self.user.is_none() || secret.is_some()),
                "secret",
                "give the user's password, or without a user a token without spaces, or neither",
            ),
        ];
        wrong.into_iter().flatten().collect()
    }

    fn hint(&self) -> String {
        server::shown(&self.server)
    }

    fn name(&self) -> String {
        format!("Alertmanager {}", self.hint())
    }

    async fn send(&self, message: &Message, client: &Client) -> Result<Answer, SendError> {
        let target = server::target(&self.server)?;
        // One that is cleared at once would be told to nobody: tests and codes end by themselves.
        let told = message.alarms.iter().filter(|alarm| alarm.act == Act::Raise || alarm.class != Class::Test);
        let alerts: Vec<_> = told.map(|alarm| alert(message, alarm)).collect();
        let mut ask = Ask::json(Self::KIND, To::Tenant(target), "/api/v2/alerts".to_owned(), &alerts.into());
        if let Some(value) = self.authorization() {
            ask = ask.authorized(value);
        }
        self.judge(&server::heard(client.call(ask).await?, message))
    }
}

impl Alertmanager {
    fn authorization(&self) -> Option<String> {
        let secret = self.secret.as_ref()?.expose();
        Some(match &self.user {
            Some(user) => format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{secret}"))),
            None => format!("Bearer {secret}"),
        })
    }

    fn judge(&self, reply: &Reply) -> Result<Answer, SendError> {
        let words = serde_json::from_slice::<String>(&reply.body)
            .unwrap_or_else(|_| String::from_utf8_lossy(&reply.body).into_owned());
        let authorization = self.authorization().unwrap_or_default();
        let value = authorization.split_once(' ').map_or("", |(_, value)| value);
        let secret = self.secret.as_ref().map(|secret| secret.expose().as_str()).unwrap_or_default();
        let reason = shorten(&format!("{} {words}", reply.status), &[value, secret]);
        if reply.status.is_success() {
            return Ok(Answer(reason));
        }
        if reply.is_for_later() {
            return Err(SendError::Retry { reason, after: reply.retry_after() });
        }
        let refused = SendError::Permanent(reason);
        Err(match reply.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                refused.but("edit the channel and enter user and secret anew")
            }
            StatusCode::NOT_FOUND => {
                refused.but("there is no Alertmanager at this address (or one before 0.16); edit the channel")
            }
            _ => refused,
        })
    }
}

fn alert(message: &Message, alarm: &Alarm) -> Value {
    let brief = &message.brief;
    let ends = message.at
        + match (alarm.act, alarm.class) {
            (Act::Clear, _) => Duration::ZERO,
            (_, Class::Test) => STANDS_TEST,
            (_, class) if class.ends() => STANDS,
            _ => STANDS_ALONE,
        };
    let summary = if alarm.act == Act::Raise { brief.summary() } else { brief.headline.clone() };
    let mut alert = json!({
        "labels": {
            "alertname": alert_name(alarm.class),
            "alarm": alarm.key,
            // Of the class: one that ends must have the labels of the one that began.
            "severity": alarm.class.severity().as_str(),
            "service": "picket",
        },
        // What may be renamed while it stands is no label: labels are what an alert is known by.
        "annotations": {
            "about": short::cut(&alarm.about, TEXT_LIMIT),
            "summary": short::cut(&summary, TEXT_LIMIT),
            "description": short::cut(&brief.text(), TEXT_LIMIT),
        },
        "startsAt": alarm.since.to_string(),
        "endsAt": ends.to_string(),
    });
    for (name, said) in [("owner", brief.owner()), ("runbook_url", brief.runbook())] {
        if let Some(said) = said {
            alert["annotations"][name] = short::cut(said, TEXT_LIMIT).into();
        }
    }
    if let Some(link) = &brief.link {
        alert["generatorURL"] = link.as_str().into();
    }
    alert
}

const fn alert_name(class: Class) -> &'static str {
    match class {
        Class::Outage(_) => "PicketDown",
        Class::Declared(_) => "PicketIncident",
        Class::NeverCameUp => "PicketNeverCameUp",
        Class::NoData => "PicketNoData",
        Class::Regional => "PicketFailingFromRegions",
        Class::Flapping => "PicketFlapping",
        Class::RegionSilent => "PicketRegionSilent",
        Class::RegionNetwork => "PicketRegionNetworkBad",
        Class::Channel => "PicketChannelFailing",
        Class::Test => "PicketTest",
    }
}
