//! SMS by Twilio: `POST /2010-04-01/Accounts/{AccountSid}/Messages.json`; or a call that reads the message aloud: `.../Calls.json` with
//! `Twiml`, <https://www.twilio.com/docs/voice/api/call-resource#create-a-call-resource>,
//! <https://www.twilio.com/docs/voice/twiml/say>.
//! <https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource>, errors:
//! <https://www.twilio.com/docs/usage/twilios-response> and <https://www.twilio.com/docs/api/errors>, keys:
//! <https://www.twilio.com/docs/iam/api-keys>, regions: <https://www.twilio.com/docs/global-infrastructure/understanding-twilio-regions>,
//! segments: <https://www.twilio.com/docs/glossary/what-sms-character-limit>, what became of a message or call:
//! <https://www.twilio.com/docs/messaging/guides/track-outbound-message-status>, read in [`crate::notify::inbound`].
//!
//! Created is 201 with the message's `sid` and `status`. An error is JSON: `code`, `message`, `more_info`, `status`. 429
//! (code 20429) and 5xx help by waiting; everything else (21211 no such number, 21610 the receiver said STOP, 20003 wrong
//! credentials) does not. `Body` takes 1600 characters; a text is cut to two segments, for each is paid for.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{Method, StatusCode};
use picket_shared::secret::SecretString;
use serde::{Deserialize, Serialize};
use url::form_urlencoded::Serializer;

use super::form::{is_alphanumeric, is_digits, is_token, masked};
use super::{Answer, Channel, Field, Form, InvalidSettings, SendError, shorten};
use crate::notify::client::{Ask, Client, Reply, To};
use crate::notify::escape::html as escape;
use crate::notify::message::{Message, short};

/// `Twiml` takes 4000 characters; of the text, which is in it twice, an escaped character takes six at most.
const SAID_LIMIT: usize = 320;

const US1: &str = "https://api.twilio.com";
/// Twilio's region in Ireland; it has credentials of its own.
const IE1: &str = "https://api.dublin.ie1.twilio.com";

/// Settings of a phone that Twilio reaches.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Twilio {
    /// The account's SID: AC and 32 digits.
    pub account: String,
    /// The SID of an API key, SK and 32 digits; without it the secret is the account's auth token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The auth token, or the API key's secret.
    pub secret: SecretString,
    /// A number, a sender's name, or the SID of a messaging service.
    pub from: String,
    /// The receiver's number.
    pub to: String,
    /// `us1` or `ie1`.
    #[serde(default = "us1")]
    pub region: String,
    /// Whether the phone is called and the message read aloud, in the place of an SMS.
    #[serde(default)]
    pub call: bool,
}

fn us1() -> String {
    "us1".to_owned()
}

impl fmt::Debug for Twilio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Twilio({})", self.hint())
    }
}

impl Channel for Twilio {
    const KIND: &'static str = "twilio";
    const IS_SMS: bool = true;
    const FIELDS: &'static [Field] = &[
        Field::new("account", "AC0123456789abcdef0123456789abcdef"),
        Field::new("key", "SK0123456789abcdef0123456789abcdef").optional(),
        Field::new("secret", "0123456789abcdef0123456789ABCDEF").secret(),
        Field::new("from", "+4915735982000"),
        Field::new("to", "+4915735983764"),
        Field::new("region", "ie1").optional().one_of(&["us1", "ie1"]),
        Field::new("by", "call").optional().one_of(&["sms", "call"]),
    ];

    fn read(form: &Form) -> Result<Self, InvalidSettings> {
        let number = |name| form.text(name).replace([' ', '-', '(', ')'], "");
        let from = form.text("from");
        Ok(Self {
            account: form.text("account"),
            key: form.get("key").map(ToOwned::to_owned),
            secret: form.secret("secret"),
            from: if from.starts_with('+') { number("from") } else { from },
            to: number("to"),
            region: form.get("region").map_or_else(us1, str::to_ascii_lowercase),
            call: match form.text("by").to_ascii_lowercase().as_str() {
                "" | "sms" => false,
                "call" => true,
                _ => return Err(InvalidSettings::new("by", "use sms or call")),
            },
        })
    }

    fn check(&self) -> Vec<InvalidSettings> {
        let key = self.key.as_deref().is_none_or(|key| is_sid(key, "SK"));
        let sender =
            is_number(&self.from) || is_sid(&self.from, "MG") || is_short_code(&self.from) || is_sender(&self.from);
        let wrong = [
            InvalidSettings::unless(
                is_sid(&self.account, "AC"),
                "account",
                "it is not an account: AC and 32 digits or letters a-f",
            ),
            InvalidSettings::unless(
                key,
                "key",
                "it is not an API key: SK and 32 digits or letters a-f, or leave it empty",
            ),
            InvalidSettings::unless(
                is_alphanumeric(self.secret.expose(), 16, 64),
                "secret",
                "it is not an auth token or a key's secret: those are 32 letters and digits",
            ),
            InvalidSettings::unless(
                sender,
                "from",
                "it is no sender: use a number such as +4915735982000, a name of at most 11 letters and digits, or MG...",
            ),
            InvalidSettings::unless(is_number(&self.to), "to", "it is not a phone number: write it as +4915735983764"),
            InvalidSettings::unless(
                matches!(self.region.as_str(), "us1" | "ie1"),
                "region",
                "there is no such region: use us1 or ie1",
            ),
            // Only a number calls; the field is at fault once only.
            InvalidSettings::unless(
                !self.call || is_number(&self.from) || !sender,
                "from",
                "a call comes from a number: use one such as +4915735982000",
            ),
        ];
        wrong.into_iter().flatten().collect()
    }

    fn abroad(&self) -> Option<&'static str> {
        (self.region != "ie1").then_some("Twilio")
    }

    fn hint(&self) -> String {
        masked(&self.to, 3, 2)
    }

    /// Twilio signs by the auth token, not by a key's secret: <https://www.twilio.com/docs/usage/security#validating-requests>.
    fn hook_secret(&self) -> Option<&SecretString> {
        self.key.is_none().then_some(&self.secret)
    }

    fn name(&self) -> String {
        format!("{} {}", if self.call { "Call to" } else { "SMS" }, self.hint())
    }

    async fn send(&self, message: &Message, client: &Client) -> Result<Answer, SendError> {
        let sender = if is_sid(&self.from, "MG") { "MessagingServiceSid" } else { "From" };
        let (resource, field, said) = match self.call {
            true => ("Calls", "Twiml", twiml(message)),
            false => ("Messages", "Body", short::sms(&message.brief)),
        };
        let told = self.hook_secret().and(message.back.hook.as_ref());
        let told = told.map(|hook| ("StatusCallback", format!("{}?delivery={}", hook.expose(), message.id)));
        let body = Serializer::new(String::new())
            .append_pair("To", &self.to)
            .append_pair(sender, &self.from)
            .append_pair(field, &said)
            .extend_pairs(told)
            .finish();
        let ask = Ask {
            kind: Self::KIND,
            to: To::Provider(if self.region == "ie1" { IE1 } else { US1 }),
            method: Method::POST,
            path: SecretString::new(format!("/2010-04-01/Accounts/{}/{resource}.json", self.account)),
            content_type: "application/x-www-form-urlencoded",
            authorization: Some(SecretString::new(format!("Basic {}", self.basic()))),
            body: body.into_bytes(),
        };
        self.judge(&client.call(ask).await?)
    }
}

/// What Twilio answers: a message, or an error.
#[derive(Default, Deserialize)]
struct Said {
    #[serde(default)]
    sid: String,
    /// The message's status; in an error the number of the HTTP status.
    #[serde(default)]
    status: serde_json::Value,
    #[serde(default)]
    code: Option<u32>,
    #[serde(default)]
    message: String,
}

impl Twilio {
    /// User and password as RFC 7617 writes them.
    fn basic(&self) -> String {
        let user = self.key.as_ref().unwrap_or(&self.account);
        BASE64_STANDARD.encode(format!("{user}:{}", self.secret.expose()))
    }

    fn judge(&self, reply: &Reply) -> Result<Answer, SendError> {
        let said: Said = serde_json::from_slice(&reply.body).unwrap_or_default();
        let basic = self.basic();
        let hidden = [self.secret.expose().as_str(), &basic, self.to.as_str(), self.to.trim_start_matches('+')];
        if reply.status.is_success() {
            let status = said.status.as_str().unwrap_or_default();
            return Ok(Answer(shorten(&format!("{} {status} {}", reply.status, said.sid), &hidden)));
        }
        let code = said.code.map(|code| format!(" (code {code})")).unwrap_or_default();
        let reason = shorten(&format!("{} {}{code}", reply.status, said.message), &hidden);
        if reply.is_for_later() {
            return Err(SendError::Retry { reason, after: reply.retry_after() });
        }
        let refused = SendError::Permanent(reason);
        Err(match (reply.status, said.code) {
            (StatusCode::UNAUTHORIZED, _) => {
                refused.but("edit the channel and enter SID and secret of one region anew")
            }
            (_, Some(21_610)) => refused.but("the receiver has to answer START to the sender"),
            (_, Some(21_211 | 21_614)) => refused.but("check the number in To"),
            (_, Some(code)) => refused.but(&format!("see https://www.twilio.com/docs/api/errors/{code}")),
            _ => refused,
        })
    }
}

/// What is said: the headline, since when and what was seen; twice, for who answers a phone hears the beginning badly. No links: nobody
/// types one from a call. The digits of a code are said one by one.
fn twiml(message: &Message) -> String {
    let brief = &message.brief;
    let told = ["Since", "Until", "Severity", "Seen", "Owner"];
    let rows = brief
        .rows
        .iter()
        .filter(|(label, _)| told.contains(label))
        .map(|(label, value)| format!("{label}: {}.", value.trim_end_matches('.')));
    let prose = brief.prose.as_deref().map(|prose| match &message.code {
        Some(code) => prose.replace(code.expose().as_str(), &spelt(code.expose())),
        None => prose.to_owned(),
    });
    let said = std::iter::once(format!("{}.", brief.headline)).chain(rows).chain(prose).collect::<Vec<_>>().join(" ");
    let said = escape(&short::cut(&said, SAID_LIMIT));
    let say = format!("<Say>{said}</Say>");
    format!("<Response>{say}<Pause length=\"1\"/>{say}</Response>")
}

fn spelt(code: &str) -> String {
    code.chars().map(|digit| digit.to_string()).collect::<Vec<_>>().join(", ")
}

fn is_sid(text: &str, kind: &str) -> bool {
    text.strip_prefix(kind).is_some_and(|rest| rest.len() == 32 && rest.chars().all(|c| c.is_ascii_hexdigit()))
}

/// E.164.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    is_digits(digits, 7, 15) && !digits.starts_with('0')
}

fn is_short_code(text: &str) -> bool {
    is_digits(text, 3, 8)
}

/// An alphanumeric sender: at most 11 letters, digits and spaces, with at least one letter.
fn is_sender(text: &str) -> bool {
    is_token(text, 1, 11, " -_&") && text.chars().any(|c| c.is_ascii_alphabetic())
}
