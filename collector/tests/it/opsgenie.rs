//! Opsgenie's Alert API, field by field: <https://docs.opsgenie.com/docs/alert-api#create-alert>.

use picket_collector::domain::outage::{NoticeKind, Over, Resolution};
use picket_collector::notify::channels::opsgenie::Opsgenie;
use picket_collector::notify::channels::{Form, Kind, Proof};
use picket_collector::notify::{Settings, message};
use picket_shared::secret::SecretString;
use serde_json::{Value, json};

use crate::providers::{at, down, is_final, is_for_later, judged, notice, send, test, written};
use crate::receiver::Call;

const KEY: &str = "ca4a4701-89ab-cdef-0123-456789abcdef";
const INCIDENT: &str = "00000000-0000-0000-0000-000000000003";

fn opsgenie() -> Settings {
    Settings::Opsgenie(Opsgenie { key: SecretString::new(KEY.to_owned()), region: "eu".to_owned() })
}

fn body(call: &Call) -> Value {
    serde_json::from_slice(&call.body).unwrap()
}

fn read(call: &Call) -> String {
    format!("{} {}\n{}", call.method, call.path, serde_json::to_string_pretty(&body(call)).unwrap())
}

#[tokio::test]
async fn every_message_as_opsgenie_gets_it() {
    insta::assert_snapshot!(written(&opsgenie(), read).await);
}

#[tokio::test]
async fn the_request_is_that_of_the_documentation() {
    let (answer, calls) = send(&opsgenie(), &down()).await;
    assert!(answer.is_ok(), "{answer:?}");
    let [call] = &calls[..] else { unreachable!("one request was made") };
    assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/v2/alerts"));
    assert_eq!(call.header("content-type"), "application/json");
    assert_eq!(call.header("authorization"), format!("GenieKey {KEY}"));
    let body = body(call);
    let keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["alias", "description", "details", "entity", "message", "priority", "source"]);
    assert_eq!((&body["message"], &body["alias"]), (&"Down: shop <EU> & more".into(), &INCIDENT.into()));
    assert_eq!((&body["priority"], &body["source"]), (&"P1".into(), &"Picket".into()));
    assert_eq!(body["entity"], "https://shop.example/cart?...");
    assert_eq!(body["details"]["From"], "eu-1 down; ap-1 silent; us-1 up");
    assert!(!body.to_string().contains("canary") && !body.to_string().contains("Backend"), "{body}");
}

#[tokio::test]
async fn an_incident_is_raised_and_closed_under_one_alias() {
    let over = Over { at: at("2026-03-01T10:07:05Z"), resolution: Resolution::Recovered };
    let (_, calls) = send(&opsgenie(), &message::write(&notice(NoticeKind::Up { over }, true))).await;
    let [call] = &calls[..] else { unreachable!("one request was made") };
    let path = format!("/v2/alerts/{INCIDENT}/close?identifierType=alias");
    assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", path.as_str()));
    assert_eq!(call.header("authorization"), format!("GenieKey {KEY}"));
    assert_eq!(body(call), json!({ "source": "Picket", "note": "Up: shop <EU> & more (was down for 7 min 5 s)" }));
}

#[tokio::test]
async fn who_acknowledges_here_acknowledges_there_under_the_same_alias() {
    // <https://docs.opsgenie.com/docs/alert-api#acknowledge-alert>
    let (_, calls) = send(&opsgenie(), &message::write(&notice(NoticeKind::Acknowledged, true))).await;
    let [call] = &calls[..] else { unreachable!("one request was made") };
    let path = format!("/v2/alerts/{INCIDENT}/acknowledge?identifierType=alias");
    assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", path.as_str()));
    assert_eq!(call.header("authorization"), format!("GenieKey {KEY}"));
    let body = body(call);
    let keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!((keys, &body["source"]), (vec!["note", "source"], &"Picket".into()));
    assert!(body["note"].as_str().unwrap().starts_with("Acknowledged"), "{body}");
}

#[tokio::test]
async fn a_test_is_raised_and_closed_at_once_and_proves_the_channel() {
    assert_eq!(Kind::Opsgenie.proof(), Proof::Acceptance);
    let (_, calls) = send(&opsgenie(), &message::write(&test())).await;
    assert_eq!(calls.len(), 2);
    assert_eq!(body(&calls[0])["priority"], "P5");
    let alias = body(&calls[0])["alias"].as_str().unwrap().to_owned();
    assert_eq!(calls[1].path, format!("/v2/alerts/{alias}/close?identifierType=alias"));
}

#[tokio::test]
async fn every_field_keeps_its_limit() {
    let mut message = down();
    message.brief.headline = "ü".repeat(900);
    message.brief.rows = ["What", "Since", "Until", "From", "Seen"].map(|label| (label, "x".repeat(9000))).into();
    message.alarms[0].source = "y".repeat(900);
    let (_, calls) = send(&opsgenie(), &message).await;
    let body = body(&calls[0]);
    let length = |field: &str| body[field].as_str().unwrap().chars().count();
    assert_eq!((length("message"), length("description"), length("entity")), (130, 15_000, 512));
    let details: usize =
        body["details"].as_object().unwrap().iter().map(|(k, v)| k.len() + v.as_str().unwrap().len()).sum();
    assert!((4000..=8000).contains(&details), "{details}");
}

#[tokio::test]
async fn the_documented_errors_say_whether_trying_again_helps_and_what_to_do() {
    let opsgenie = opsgenie();
    let said = |message: &str| json!({ "message": message, "took": 0.1, "requestId": "r1" }).to_string();
    let taken = json!({ "result": "Request will be processed", "took": 0.302, "requestId": "43a2" }).to_string();
    assert_eq!(
        judged(&opsgenie, 202, &[], &taken).await,
        Ok("202 Accepted Request will be processed (request 43a2)".to_owned())
    );
    let many = said("You are making too many requests!");
    let limited = judged(&opsgenie, 429, &[("x-ratelimit-period-in-sec", "60")], &many).await;
    is_for_later(&limited, Some(60), "too many requests");
    is_for_later(&judged(&opsgenie, 503, &[("retry-after", "3")], "").await, Some(3), "503");
    for (status, word, advice) in [
        (401, "Could not authenticate", "check the integration"),
        (403, "You are not authorized to access this resource", "the service region"),
        (400, "Request body is not processable", ""),
    ] {
        is_final(&judged(&opsgenie, status, &[], &said(word)).await, &[word, advice]);
    }
    let fields = json!({ "message": "Request body is not processable", "errors": { "message": "must not be blank" } });
    is_final(&judged(&opsgenie, 422, &[], &fields.to_string()).await, &["not processable", "must not be blank"]);
    // Only 202 says that it was taken.
    is_final(&judged(&opsgenie, 200, &[], "<html>a captive portal</html>").await, &["200"]);
    let echo = judged(&opsgenie, 401, &[], &said(&format!("no {KEY}"))).await;
    is_final(&echo, &["no ***"]);
    assert!(!format!("{echo:?} {opsgenie:?} {}", opsgenie.hint()).contains("ca4a47"), "{echo:?}");
}

#[test]
fn bad_fields_are_named_and_not_repeated() {
    let form = Form::default().with("key", "canary").with("region", "moon");
    let wrong = Settings::parse(Kind::Opsgenie, &form).unwrap_err();
    assert_eq!(wrong.iter().map(|wrong| wrong.field).collect::<Vec<_>>(), ["key", "region"]);
    assert!(!format!("{wrong:?}").contains("canary"), "{wrong:?}");
}
