//! Webhooks, signed as <https://www.standardwebhooks.com> says: `v1,` and the base64 form of HMAC-SHA256 over
//! `id.timestamp.body`. The id is the delivery's and the same at every try.
//!
//! The body is Picket's event, or what a template of the tenant's makes of it.
//!
//! The URL was named by a tenant: its address is judged by the egress guard, redirects are not followed.

use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use picket_shared::egress::{BadTarget, parse_target};
use picket_shared::secret::SecretString;
use serde::{Deserialize, Serialize};

use super::{Answer, Channel, Field, Form, InvalidSettings, Keys, SendError, shorten, template};
use crate::notify::client::{AGENT, Client, Reply};
use crate::notify::message::Message;

const PREFIX: &str = "whsec_";
/// The key's length; Standard Webhooks wants 24 to 64 bytes.
const KEY_BYTES: usize = 32;
/// Shorter parts of a URL are words, and hiding those would garble the answer.
const SHORTEST_TOKEN: usize = 8;

/// Settings of a webhook. The URL may hold a token, so it is a secret too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Webhook {
    /// Where to send: http or https.
    pub url: SecretString,
    /// The signing secret: `whsec_` and base64.
    pub secret: SecretString,
    /// The body, where it is not Picket's own event: JSON with placeholders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Another secret that signs too: the former one, for a time after it was rotated.
    #[serde(skip)]
    pub former: Option<SecretString>,
}

/// Makes a signing secret.
///
/// # Errors
/// When the machine gives no random bytes.
pub fn make_secret() -> Result<SecretString, InvalidSettings> {
    let mut key = [0_u8; KEY_BYTES];
    rand::fill(&mut key).map_err(|_| InvalidSettings::new("secret", "the machine gives no random bytes"))?;
    Ok(SecretString::new(format!("{PREFIX}{}", BASE64_STANDARD.encode(key))))
}

impl Channel for Webhook {
    const KIND: &'static str = "webhook";
    const FOLDS: bool = false;
    const SIGNS: bool = true;
    const FIELDS: &'static [Field] = &[
        Field::new("url", "https://hooks.example.org/picket?token=5f2c91d07b3e").secret(),
        Field::new("secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").secret().optional(),
        Field::new("template", r#"{"title": "{{headline}}", "body": "{{text}}"}"#).optional().lines(),
    ];

    fn read(form: &Form) -> Result<Self, InvalidSettings> {
        let secret = if form.get("secret").is_some() { form.secret("secret") } else { make_secret()? };
        let template = form.get("template").map(ToOwned::to_owned);
        Ok(Self { url: form.secret("url"), secret, template, former: None })
    }

    fn check(&self) -> Vec<InvalidSettings> {
        let url = match parse_target(self.url.expose()) {
            _ if self.url.expose().is_empty() => {
                Some("give the URL, such as https://hooks.example.org/picket".to_owned())
            }
            _ if self.url.expose().len() > 2048 => Some("a URL may have at most 2048 bytes".to_owned()),
            Err(error @ BadTarget::UserInfo) => Some(error.to_string()),
            // What was given may be a secret in the wrong field: nothing of it is repeated.
            Err(_) => {
                Some("it is no URL of http or https: give one such as https://hooks.example.org/picket".to_owned())
            }
            Ok(_) => None,
        };
        let url = url.map(|why| InvalidSettings::new("url", why));
        let template = self.template.as_deref().and_then(template::complaint);
        url.into_iter().chain(key(&self.secret).err()).chain(template).collect()
    }

    fn hint(&self) -> String {
        match parse_target(self.url.expose()) {
            Ok(target) => format!("{}://{}/...", target.url.scheme(), target.host),
            Err(_) => "...".to_owned(),
        }
    }

    fn name(&self) -> String {
        parse_target(self.url.expose()).map_or_else(|_| self.hint(), |target| target.host.to_string())
    }

    fn made(&self, form: &Form) -> Option<&SecretString> {
        form.get("secret").is_none().then_some(&self.secret)
    }

    fn rotate(&mut self, keys: Keys) {
        let first = std::mem::replace(&mut self.secret, keys.current);
        self.former = keys.signs_too.then(|| keys.former.unwrap_or(first));
    }

    async fn send(&self, message: &Message, client: &Client) -> Result<Answer, SendError> {
        let request = request(self, message)?;
        let reply = client.post(self.url.expose(), request).await?;
        // A server that repeats what it is sent would hand the code to whoever named its URL.
        let reply = if message.code.is_some() { Reply { body: Bytes::new(), ..reply } } else { reply };
        judge(self, &reply)
    }
}

/// The signature of one request.
pub(super) fn signature(key: &hmac::Key, id: &str, timestamp: i64, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(key);
    context.update(format!("{id}.{timestamp}.").as_bytes());
    context.update(body);
    format!("v1,{}", BASE64_STANDARD.encode(context.sign()))
}

fn key(secret: &SecretString) -> Result<hmac::Key, InvalidSettings> {
    let text = secret.expose().trim();
    let bytes = BASE64_STANDARD.decode(text.strip_prefix(PREFIX).unwrap_or(text)).ok();
    match bytes {
        Some(bytes) if (24..=64).contains(&bytes.len()) => Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes)),
        _ => Err(InvalidSettings::new(
            "secret",
            "it must be whsec_ and 24 to 64 bytes in base64: leave it out to have one made",
        )),
    }
}

fn request(settings: &Webhook, message: &Message) -> Result<Request<Full<Bytes>>, SendError> {
    let broken = |error: &dyn std::fmt::Display| SendError::Permanent(format!("the settings cannot be used: {error}"));
    let target = parse_target(settings.url.expose()).map_err(|_| broken(&"the URL is none"))?;
    let keys = [Some(&settings.secret), settings.former.as_ref()].into_iter().flatten();
    let keys = keys.map(key).collect::<Result<Vec<_>, _>>().map_err(|error| broken(&error))?;
    let body = match &settings.template {
        Some(template) => template::body(template, message).map_err(|error| broken(&error))?,
        None => serde_json::to_vec(&message.event).map_err(|error| broken(&error))?,
    };
    let (id, timestamp) = (format!("msg_{}", message.id), message.at.seconds());
    // A receiver that knows one of the keys takes it: the specification wants such a list while a key is rotated.
    let signatures: Vec<_> = keys.iter().map(|key| signature(key, &id, timestamp, &body)).collect();
    let path = &target.url[url::Position::BeforePath..url::Position::AfterQuery];
    let host = &target.url[url::Position::BeforeHost..url::Position::AfterPort];
    Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(HOST, host)
        .header(USER_AGENT, AGENT)
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", signatures.join(" "))
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| broken(&error))
}

fn judge(settings: &Webhook, reply: &Reply) -> Result<Answer, SendError> {
    let hidden = hidden(settings);
    let hidden: Vec<_> = hidden.iter().map(|part| part.expose().as_str()).collect();
    let said = format!("{} {}", reply.status, shorten(&String::from_utf8_lossy(&reply.body), &hidden));
    let said = said.trim().to_owned();
    match reply.status {
        status if status.is_success() => Ok(Answer(said)),
        StatusCode::GONE => Err(SendError::Permanent(format!("the receiver wants no more messages: {said}"))),
        _ if reply.is_for_later() => Err(SendError::Retry { reason: said, after: reply.retry_after() }),
        status if status.is_redirection() => {
            Err(SendError::Permanent(format!("redirects are not followed; name the URL that it leads to: {said}")))
        }
        _ => Err(SendError::Permanent(said)),
    }
}

/// What a receiver may repeat but no record may hold: secret and URL, then each part of the URL that may be a token.
fn hidden(settings: &Webhook) -> Vec<SecretString> {
    let mut hidden = vec![settings.url.clone(), settings.secret.clone()];
    hidden.push(SecretString::new(settings.secret.expose().trim_start_matches(PREFIX).to_owned()));
    if let Some(former) = &settings.former {
        hidden.extend([former.clone(), SecretString::new(former.expose().trim_start_matches(PREFIX).to_owned())]);
    }
    let Ok(target) = parse_target(settings.url.expose()) else { return hidden };
    let path = &target.url[url::Position::BeforePath..];
    if path.len() > 1 {
        hidden.push(SecretString::new(path.to_owned()));
    }
    let parts = path.split(['/', '?', '&', '=', '#', ';']).filter(|part| part.len() >= SHORTEST_TOKEN);
    hidden.extend(parts.map(|part| SecretString::new(part.to_owned())));
    hidden.extend(target.url.query_pairs().map(|(_, value)| SecretString::new(value.into_owned())));
    hidden.retain(|part| part.expose().len() >= SHORTEST_TOKEN || part.expose().starts_with('/'));
    hidden.sort_by_key(|part| std::cmp::Reverse(part.expose().len()));
    hidden
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderMap;
    use http::header::RETRY_AFTER;

    use super::*;

    fn settings(url: &str, secret: &str) -> Webhook {
        let secret = SecretString::new(secret.to_owned());
        Webhook { url: SecretString::new(url.to_owned()), secret, template: None, former: None }
    }

    #[test]
    fn the_signature_is_that_of_the_published_example() {
        // From the specification's reference libraries: id, timestamp, body and signature.
        let secret = SecretString::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let signature = signature(
            &key(&secret).unwrap(),
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn secrets_are_made_long_enough_and_bad_ones_refused() {
        let made = make_secret().unwrap();
        assert_eq!(settings("https://example.org/x", made.expose()).check(), []);
        assert_ne!(made, make_secret().unwrap());
        for bad in ["", "whsec_", "whsec_c2hvcnQ=", "whsec_***"] {
            assert_eq!(settings("https://example.org/", bad).check()[0].field, "secret", "{bad}");
        }
        for bad in ["ftp://t0ken.example/", "https://u:t0ken@example.org/", "example.org", "t0ken", "t0ken:rest"] {
            let wrong = &settings(bad, made.expose()).check()[0];
            assert!(
                wrong.field == "url" && !wrong.message.contains("t0ken"),
                "{bad} may be a secret: {}",
                wrong.message
            );
        }
    }

    #[test]
    fn while_a_key_is_rotated_both_sign_and_each_is_hidden() {
        let [first, second, third] = [0, 1, 2].map(|_| make_secret().unwrap());
        let mut webhook = settings("https://hooks.example.org/picket", first.expose());
        let rotate = |webhook: &mut Webhook, current: &SecretString, former: Option<&SecretString>, signs_too| {
            webhook.rotate(Keys { current: current.clone(), former: former.cloned(), signs_too });
        };
        rotate(&mut webhook, &second, None, true);
        assert_eq!((&webhook.secret, webhook.former.as_ref()), (&second, Some(&first)));
        let said = shorten(
            &format!("{} {}", first.expose(), second.expose()),
            &hidden(&webhook).iter().map(|part| part.expose().as_str()).collect::<Vec<_>>(),
        );
        assert_eq!(said, "*** ***");
        let mut webhook = settings("https://hooks.example.org/picket", first.expose());
        rotate(&mut webhook, &third, Some(&second), true);
        assert_eq!((&webhook.secret, webhook.former.as_ref()), (&third, Some(&second)));
        rotate(&mut webhook, &third, Some(&second), false);
        assert_eq!((&webhook.secret, webhook.former.as_ref()), (&third, None));
        assert!(!serde_json::to_string(&webhook).unwrap().contains("former"));
    }

    #[test]
    fn the_hint_and_debug_show_neither_path_nor_secret() {
        let secret = make_secret().unwrap();
        let webhook = settings("https://hooks.example.org/services/canary?token=canary", secret.expose());
        assert_eq!(webhook.hint(), "https://hooks.example.org/...");
        assert!(!format!("{webhook:?}").contains("canary"));
    }

    #[test]
    fn a_reply_says_whether_trying_again_helps_and_keeps_no_secret() {
        let secret = make_secret().unwrap();
        let webhook = settings("https://hooks.example.org/services/canary", secret.expose());
        let judged = |status: u16, after: Option<&str>| {
            let mut headers = HeaderMap::new();
            after.map(|after| headers.insert(RETRY_AFTER, after.parse().unwrap()));
            let body = Bytes::from(format!("no /services/canary with {}", secret.expose()));
            judge(&webhook, &Reply { status: StatusCode::from_u16(status).unwrap(), headers, body })
        };
        assert_eq!(judged(200, None), Ok(Answer("200 OK no *** with ***".to_owned())));
        for status in [400, 401, 404, 410, 301, 308] {
            assert!(matches!(judged(status, None), Err(SendError::Permanent(_))), "{status}");
        }
        for status in [408, 429, 500, 502, 503] {
            assert!(matches!(judged(status, None), Err(SendError::Retry { after: None, .. })), "{status}");
        }
        let after = Some(Duration::from_secs(7));
        assert!(matches!(judged(503, Some("7")), Err(SendError::Retry { after: a, .. }) if a == after));
        assert!(
            matches!(judged(429, Some("99999")), Err(SendError::Retry { after: Some(a), .. }) if a.as_secs() == 3600)
        );
    }
}
