//! Twilio: what became of a message, <https://www.twilio.com/docs/messaging/guides/track-outbound-message-status>, or of a call,
//! <https://www.twilio.com/docs/voice/api/call-resource#statuscallback>, signed as
//! <https://www.twilio.com/docs/usage/security#validating-requests>: base64 of HMAC-SHA1 over the address and each field with its value,
//! sorted by name.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use picket_shared::ids::DeliveryId;
use picket_shared::secret::SecretString;
use url::{Url, form_urlencoded};

use super::{Refusal, Request, Said, header};

pub(super) fn hear(secret: &SecretString, request: &Request<'_>) -> Result<Said, Refusal> {
    let mut fields: Vec<(String, String)> =
        form_urlencoded::parse(request.body).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    let mut signed = request.url.to_owned();
    fields.iter().for_each(|(name, value)| signed.extend([name.as_str(), value.as_str()]));
    let signature = BASE64_STANDARD.decode(header(request, "x-twilio-signature")).unwrap_or_default();
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.expose().as_bytes());
    hmac::verify(&key, signed.as_bytes(), &signature).map_err(|_| Refusal::Unsigned)?;
    let url = Url::parse(request.url).map_err(|_| Refusal::Malformed)?;
    let delivery = url.query_pairs().find(|(name, _)| name == "delivery").and_then(|(_, id)| id.parse().ok());
    let delivery: DeliveryId = delivery.ok_or(Refusal::Malformed)?;
    let field = |name: &str| fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
    let status = field("MessageStatus").or_else(|| field("CallStatus")).ok_or(Refusal::Malformed)?;
    let delivered = match status {
        "delivered" | "read" | "completed" => true,
        "undelivered" | "failed" | "busy" | "no-answer" | "canceled" => false,
        // It is on its way.
        _ => return Ok(Said::Nothing),
    };
    let code = field("ErrorCode").filter(|code| !code.is_empty() && code.bytes().all(|digit| digit.is_ascii_digit()));
    let why = match code {
        Some(code) => format!("{status}, error {}: see twilio.com/docs/api/errors", code.get(..8).unwrap_or(code)),
        None => status.to_owned(),
    };
    Ok(Said::Reported { delivery, delivered, why: (!delivered).then_some(why) })
}
