//! PagerDuty: webhooks v3, <https://developer.pagerduty.com/docs/webhooks-overview>, of `incident.acknowledged`, signed as
//! <https://developer.pagerduty.com/docs/verifying-webhook-signatures>: `v1=` and HMAC-SHA256 over the body in hexadecimal, one for each
//! secret that may be in use. The key of an incident there is its id here.

use aws_lc_rs::hmac;
use picket_shared::secret::SecretString;
use serde::Deserialize;

use super::{Refusal, Request, Said, called, from_hex, header};

#[derive(Deserialize)]
struct Payload {
    event: Event,
}

#[derive(Deserialize)]
struct Event {
    event_type: String,
    #[serde(default)]
    agent: Option<Agent>,
    #[serde(default)]
    data: Data,
}

#[derive(Deserialize)]
struct Agent {
    summary: Option<String>,
}

#[derive(Default, Deserialize)]
struct Data {
    incident_key: Option<String>,
}

pub(super) fn hear(secret: &SecretString, request: &Request<'_>) -> Result<Said, Refusal> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let signatures = header(request, "x-pagerduty-signature").split(',');
    let mut signatures = signatures.filter_map(|one| one.trim().strip_prefix("v1=").and_then(from_hex));
    if !signatures.any(|signature| hmac::verify(&key, request.body, &signature).is_ok()) {
        return Err(Refusal::Unsigned);
    }
    let Payload { event } = serde_json::from_slice(request.body).map_err(|_| Refusal::Malformed)?;
    let who = event.agent.as_ref().and_then(|agent| called([agent.summary.as_deref()]));
    // Incidents of other tools, and alarms that are no incidents here, have keys of other forms.
    let incident = event.data.incident_key.and_then(|key| key.parse().ok());
    Ok(match (event.event_type.as_str(), incident) {
        ("incident.acknowledged", Some(incident)) => Said::Acknowledged { incident, who },
        _ => Said::Nothing,
    })
}
