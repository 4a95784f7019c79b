//! PagerDuty's Events API v2, field by field: <https://developer.pagerduty.com/docs/send-alert-event>.

use picket_collector::domain::outage::NoticeKind;
use picket_collector::notify::Settings;
use picket_collector::notify::channels::pagerduty::Pagerduty;
use picket_collector::notify::message;
use picket_shared::secret::SecretString;
use serde_json::{Value, json};

use crate::providers::{down, is_final, is_for_later, json, judged, notice, send, test, written};
use crate::receiver::Call;

const KEY: &str = "canary6789abcdef0123456789abcdef";
const TAKEN: &str = r#"{"status":"success","message":"Event processed","dedup_key":"srv01/HTTP"}"#;

fn pager() -> Settings {
    Settings::Pagerduty(Pagerduty {
        key: SecretString::new(KEY.to_owned()),
        region: "eu".to_owned(),
        webhook_secret: None,
    })
}

fn body(call: &Call) -> Value {
    serde_json::from_slice(&call.body).unwrap()
}

#[tokio::test]
async fn every_message_as_pagerduty_gets_it() {
    insta::assert_snapshot!(written(&pager(), json).await);
}

#[tokio::test]
async fn the_request_is_that_of_the_documentation() {
    let (answer, calls) = send(&pager(), &down()).await;
    assert!(answer.is_ok(), "{answer:?}");
    let [call] = &calls[..] else { unreachable!("one request was made") };
    assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/v2/enqueue"));
    assert_eq!(call.header("content-type"), "application/json");
    // The key is in the body: there is no other authentication.
    assert_eq!(call.header("authorization"), "");
    let body = body(call);
    let incident = "00000000-0000-0000-0000-000000000003";
    assert_eq!((&body["routing_key"], &body["event_action"]), (&KEY.into(), &"trigger".into()));
    assert_eq!(body["dedup_key"], incident);
    assert_eq!(body["client"], "Picket");
    let payload = &body["payload"];
    assert_eq!(payload["summary"], "Down: shop <EU> & more: The status 503 is not an accepted one (200-399).");
    assert_eq!(payload["source"], "https://shop.example/cart?...");
    assert_eq!(payload["severity"], "critical");
    assert_eq!(payload["timestamp"], "2026-03-01T10:00:00.000Z");
    assert_eq!(payload["custom_details"]["From"], "eu-1 down; ap-1 silent; us-1 up");
    let keys: Vec<_> = payload.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["custom_details", "severity", "source", "summary", "timestamp"]);
    assert!(body.get("links").is_none() && body.get("client_url").is_none(), "there is no page to link to");
}

#[tokio::test]
async fn an_incident_is_triggered_and_resolved_under_one_key() {
    use picket_collector::domain::outage::{Over, Resolution};
    let over = Over { at: crate::providers::at("2026-03-01T10:07:05Z"), resolution: Resolution::Recovered };
    let up = message::write(&notice(NoticeKind::Up { over }, true));
    let (_, first) = send(&pager(), &down()).await;
    let (_, second) = send(&pager(), &up).await;
    let (first, second) = (body(&first[0]), body(&second[0]));
    assert_eq!(second["event_action"], "resolve");
    assert_eq!(first["dedup_key"], second["dedup_key"]);
    assert!(second.get("payload").is_none(), "{second}");
}

#[tokio::test]
async fn who_acknowledges_here_acknowledges_there_under_the_same_key() {
    // <https://developer.pagerduty.com/docs/send-alert-event>: an acknowledgement needs key and action, and no payload.
    let (answer, calls) = send(&pager(), &message::write(&notice(NoticeKind::Acknowledged, true))).await;
    assert!(answer.is_ok(), "{answer:?}");
    let [call] = &calls[..] else { unreachable!("one request was made") };
    assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/v2/enqueue"));
    let sent = body(call);
    let (_, raised) = send(&pager(), &down()).await;
    assert_eq!((&sent["event_action"], &sent["dedup_key"]), (&"acknowledge".into(), &body(&raised[0])["dedup_key"]));
    assert_eq!(sent["routing_key"], body(&raised[0])["routing_key"]);
    let keys: Vec<_> = sent.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["dedup_key", "event_action", "routing_key"]);
}

#[tokio::test]
async fn a_test_is_triggered_and_resolved_at_once() {
    let (_, calls) = send(&pager(), &message::write(&test())).await;
    let acts: Vec<_> = calls.iter().map(|call| body(call)["event_action"].clone()).collect();
    assert_eq!(acts, ["trigger", "resolve"]);
    assert_eq!(body(&calls[0])["dedup_key"], body(&calls[1])["dedup_key"]);
    assert_eq!(body(&calls[0])["payload"]["severity"], "info");
}

#[tokio::test]
async fn a_summary_has_1024_characters_at_most() {
    let mut message = down();
    message.brief.headline = "ü".repeat(5000);
    let (_, calls) = send(&pager(), &message).await;
    assert_eq!(body(&calls[0])["payload"]["summary"].as_str().unwrap().chars().count(), 1024);
    assert!(body(&calls[0])["dedup_key"].as_str().unwrap().len() <= 255);
}

#[tokio::test]
async fn the_documented_errors_say_whether_trying_again_helps_and_what_to_do() {
    let pager = pager();
    assert_eq!(judged(&pager, 202, &[], TAKEN).await, Ok("202 Accepted Event processed".to_owned()));
    let invalid = json!({
        "status": "invalid event", "message": "Event object is invalid",
        "errors": ["Length of 'routing_key' is incorrect (should be 32 characters)"],
    });
    let said = judged(&pager, 400, &[], &invalid.to_string()).await;
    is_final(&said, &["Event object is invalid", "Length of 'routing_key'", "check the integration key"]);
    is_for_later(&judged(&pager, 429, &[], "").await, None, "429");
    is_for_later(&judged(&pager, 500, &[("retry-after", "3")], "").await, Some(3), "500");
    // Only 202 says that the event was taken.
    is_final(&judged(&pager, 200, &[], "<html>a captive portal</html>").await, &["200"]);
    let echo = judged(&pager, 400, &[], &json!({ "message": format!("no {KEY}") }).to_string()).await;
    is_final(&echo, &["no ***"]);
    assert!(!format!("{echo:?} {pager:?} {}", pager.hint()).contains("canary"), "{echo:?}");
}
