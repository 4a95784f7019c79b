//! Slack: interactions, <https://docs.slack.dev/interactivity/handling-user-interaction>, as
//! <https://docs.slack.dev/reference/interaction-payloads/block_actions-payload> has them, signed as
//! <https://docs.slack.dev/authentication/verifying-requests-from-slack>: `v0=` and HMAC-SHA256 over `v0:timestamp:body` in hexadecimal.

use std::time::Duration;

use aws_lc_rs::hmac;
use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;
use serde::Deserialize;
use url::form_urlencoded;

use super::{Refusal, Request, Said, called, from_hex, header};
use crate::notify::channels::slack::ACKNOWLEDGE;

/// "more than five minutes from local time": it may be a replay.
const FRESH: Duration = Duration::from_secs(300);

#[derive(Deserialize)]
struct Payload {
    #[serde(default)]
    actions: Vec<Action>,
    #[serde(default)]
    user: User,
}

#[derive(Deserialize)]
struct Action {
    #[serde(default)]
    action_id: String,
    #[serde(default)]
    value: String,
}

#[derive(Default, Deserialize)]
struct User {
    id: Option<String>,
    username: Option<String>,
    name: Option<String>,
}

pub(super) fn hear(secret: &SecretString, request: &Request<'_>) -> Result<Said, Refusal> {
    let time = header(request, "x-slack-request-timestamp");
    let signature = header(request, "x-slack-signature").strip_prefix("v0=").and_then(from_hex);
    let signed = [b"v0:", time.as_bytes(), b":", request.body].concat();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    hmac::verify(&key, &signed, &signature.unwrap_or_default()).map_err(|_| Refusal::Unsigned)?;
    let seconds: i64 = time.parse().map_err(|_| Refusal::Malformed)?;
    let at = Timestamp::from_seconds(seconds);
    if request.now.since(at) > FRESH || at.since(request.now) > FRESH {
        return Err(Refusal::Stale);
    }
    let payload = form_urlencoded::parse(request.body).find(|(name, _)| name == "payload").map(|(_, value)| value);
    let payload: Payload = serde_json::from_str(&payload.ok_or(Refusal::Malformed)?).map_err(|_| Refusal::Malformed)?;
    let user = &payload.user;
    let who = called([user.username.as_deref(), user.name.as_deref(), user.id.as_deref()]);
    let pressed = payload.actions.into_iter().find(|action| action.action_id == ACKNOWLEDGE);
    Ok(pressed.map_or(Said::Nothing, |action| Said::Pressed { token: action.value, who }))
}
