use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use url::form_urlencoded;
use uuid::Uuid;

use super::*;

const INCIDENT: &str = "00000000-0000-0000-0000-000000000003";
const NOW: i64 = 1_790_000_000;

fn secret(text: &str) -> SecretString {
    SecretString::new(text.to_owned())
}

fn hex(key: &str, signed: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    hmac::sign(&key, signed.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn heard(kind: Kind, key: &str, url: &str, headers: &[(&'static str, String)], body: &str) -> Result<Said, Refusal> {
    heard_at(NOW, kind, key, url, headers, body)
}

fn heard_at(
    now: i64,
    kind: Kind,
    key: &str,
    url: &str,
    headers: &[(&'static str, String)],
    body: &str,
) -> Result<Said, Refusal> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, HeaderValue::from_str(value).unwrap());
    }
    let now = Timestamp::from_seconds(now);
    hear(kind, &secret(key), &Request { url, headers: &map, body: body.as_bytes(), now })
}

fn slack(time: i64, body: &str) -> [(&'static str, String); 2] {
    let signature = format!("v0={}", hex("s3cret", &format!("v0:{time}:{body}")));
    [("x-slack-request-timestamp", time.to_string()), ("x-slack-signature", signature)]
}

#[test]
fn slacks_published_signature_is_taken_and_no_other() {
    let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&\
        channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=\
        https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=\
        398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let key = "8f742231b10e8888abcd99yyyzzz85a5";
    let signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503".to_owned();
    let headers = [("x-slack-request-timestamp", "1531420618".to_owned()), ("x-slack-signature", signature)];
    let at = |now, key: &str, body: &str| heard_at(now, Kind::Slack, key, "", &headers, body);
    // It is signed, and holds no payload.
    assert_eq!(at(1_531_420_618, key, body), Err(Refusal::Malformed));
    assert_eq!(at(1_531_420_618, key, &format!("{body}x")), Err(Refusal::Unsigned));
    assert_eq!(at(1_531_420_618, "another", body), Err(Refusal::Unsigned));
    assert_eq!(at(1_531_420_919, key, body), Err(Refusal::Stale));
    assert_eq!(at(1_531_420_317, key, body), Err(Refusal::Stale));
}

#[test]
fn a_button_of_slack_says_what_it_carries_and_who_pressed_it() {
    let payload = serde_json::json!({
        "type": "block_actions",
        "user": { "id": "U2CERLKJA", "username": "anna\nb", "team_id": "T1DC2JH3J" },
        "actions": [{ "type": "button", "action_id": "acknowledge", "value": "t0ken" }],
    });
    let body = form_urlencoded::Serializer::new(String::new()).append_pair("payload", &payload.to_string()).finish();
    let said = heard(Kind::Slack, "s3cret", "", &slack(NOW - 299, &body), &body);
    assert_eq!(said, Ok(Said::Pressed { token: "t0ken".to_owned(), who: Some("anna b".to_owned()) }));
    let other = body.replace("acknowledge", "something");
    assert_eq!(heard(Kind::Slack, "s3cret", "", &slack(NOW, &other), &other), Ok(Said::Nothing));
    assert_eq!(heard(Kind::Slack, "s3cret", "", &[], &body), Err(Refusal::Unsigned));
}

#[test]
fn telegram_names_the_secret_and_is_answered_with_words() {
    let body = r#"{"update_id":7,"callback_query":{"id":"4382bfdwdsb323b2d9","from":{"id":1,"first_name":"Anna"},"data":"a:t0ken"}}"#;
    let headers = |secret: &str| [("x-telegram-bot-api-secret-token", secret.to_owned())];
    let said = heard(Kind::Telegram, "s3cret", "", &headers("s3cret"), body);
    assert_eq!(said, Ok(Said::Pressed { token: "t0ken".to_owned(), who: Some("Anna".to_owned()) }));
    for wrong in ["", "s3cre", "s3cret2"] {
        assert_eq!(heard(Kind::Telegram, "s3cret", "", &headers(wrong), body), Err(Refusal::Unsigned), "{wrong}");
    }
    let message = r#"{"update_id":8,"message":{"text":"hello"}}"#;
    assert_eq!(heard(Kind::Telegram, "s3cret", "", &headers("s3cret"), message), Ok(Said::Nothing));
    assert_eq!(heard(Kind::Telegram, "s3cret", "", &headers("s3cret"), "{"), Err(Refusal::Malformed));
    let map = HeaderMap::new();
    let request = Request { url: "", headers: &map, body: body.as_bytes(), now: Timestamp::from_seconds(NOW) };
    let answer = answer(Kind::Telegram, &request, "Acknowledged").unwrap();
    assert_eq!(
        answer.to_string(),
        r#"{"callback_query_id":"4382bfdwdsb323b2d9","method":"answerCallbackQuery","text":"Acknowledged"}"#
    );
}

#[test]
fn twilios_published_signature_is_taken_and_no_other() {
    let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
    let body = "Digits=1234&CallSid=CA1234567890ABCDE&To=%2B18005551212&Caller=%2B14158675309&From=%2B14158675309";
    let headers = [("x-twilio-signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8=".to_owned())];
    // It is signed, and names no delivery.
    assert_eq!(heard(Kind::Twilio, "12345", url, &headers, body), Err(Refusal::Malformed));
    assert_eq!(heard(Kind::Twilio, "12346", url, &headers, body), Err(Refusal::Unsigned));
    assert_eq!(heard(Kind::Twilio, "12345", &url.replace("bar=2", "bar=3"), &headers, body), Err(Refusal::Unsigned));
    assert_eq!(heard(Kind::Twilio, "12345", url, &headers, &body.replace("1234", "1235")), Err(Refusal::Unsigned));
    assert_eq!(heard(Kind::Twilio, "12345", url, &[], body), Err(Refusal::Unsigned));
}

#[test]
fn twilio_says_what_became_of_a_message_or_a_call() {
    let url = format!("https://picket.example/hooks/x?delivery={INCIDENT}");
    let said = |fields: &[(&str, &str)]| {
        let mut sorted = fields.to_vec();
        sorted.sort_unstable();
        let signed = sorted.iter().fold(url.clone(), |signed, (name, value)| format!("{signed}{name}{value}"));
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"s3cret");
        let signature = BASE64_STANDARD.encode(hmac::sign(&key, signed.as_bytes()));
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        heard(Kind::Twilio, "s3cret", &url, &[("x-twilio-signature", signature)], &body)
    };
    let delivery = DeliveryId(Uuid::from_u128(3));
    let reported =
        |why: Option<&str>| Ok(Said::Reported { delivery, delivered: why.is_none(), why: why.map(ToOwned::to_owned) });
    assert_eq!(said(&[("MessageStatus", "delivered"), ("MessageSid", "SM1")]), reported(None));
    assert_eq!(said(&[("CallStatus", "completed")]), reported(None));
    assert_eq!(said(&[("CallStatus", "no-answer")]), reported(Some("no-answer")));
    let lost = reported(Some("undelivered, error 30003: see twilio.com/docs/api/errors"));
    assert_eq!(said(&[("MessageStatus", "undelivered"), ("ErrorCode", "30003")]), lost);
    assert_eq!(said(&[("MessageStatus", "sent")]), Ok(Said::Nothing));
    assert_eq!(said(&[("Body", "hello")]), Err(Refusal::Malformed));
}

#[test]
fn pagerduty_says_who_acknowledged_which_incident() {
    let body = |kind: &str, key: &str| {
        serde_json::json!({ "event": {
            "id": "01BZ", "event_type": kind, "resource_type": "incident", "occurred_at": "2026-03-01T14:30:00Z",
            "agent": { "id": "PXPGF42", "type": "user_reference", "summary": "Earline Greenholt" },
            "data": { "id": "PT4KHLK", "type": "incident", "status": "acknowledged", "incident_key": key },
        } })
        .to_string()
    };
    let said = |body: &str, signature: String| {
        heard(Kind::Pagerduty, "s3cret", "", &[("x-pagerduty-signature", signature)], body)
    };
    let acknowledged = body("incident.acknowledged", INCIDENT);
    let good = hex("s3cret", &acknowledged);
    let expected =
        Said::Acknowledged { incident: IncidentId(Uuid::from_u128(3)), who: Some("Earline Greenholt".to_owned()) };
    assert_eq!(said(&acknowledged, format!("v1={good}")), Ok(expected.clone()));
    // While a secret is replaced, one of two signatures is ours.
    assert_eq!(said(&acknowledged, format!("v1={}, v1={good}", hex("other", &acknowledged))), Ok(expected));
    assert_eq!(said(&acknowledged, format!("v1={}", hex("other", &acknowledged))), Err(Refusal::Unsigned));
    for wrong in ["", "v1=", "v1=zz", "v2="] {
        assert_eq!(said(&acknowledged, wrong.to_owned()), Err(Refusal::Unsigned), "{wrong}");
    }
    for nothing in [body("incident.resolved", INCIDENT), body("incident.acknowledged", "picket-x-regional")] {
        assert_eq!(said(&nothing, format!("v1={}", hex("s3cret", &nothing))), Ok(Said::Nothing));
    }
    assert_eq!(said("{}", format!("v1={}", hex("s3cret", "{}"))), Err(Refusal::Malformed));
}

#[test]
fn a_kind_whose_provider_says_nothing_is_not_believed() {
    for kind in Kind::ALL.iter().filter(|kind| !speaks(**kind)) {
        assert_eq!(heard(*kind, "", "", &[], ""), Err(Refusal::Unsigned), "{kind:?}");
    }
}
