//! Pushover's "Pushing Messages", field by field: <https://pushover.net/api#messages>.

use std::collections::BTreeMap;

use picket_collector::domain::outage::{NoticeKind, Over, Resolution};
use picket_collector::notify::channels::pushover::Pushover;
use picket_collector::notify::channels::{Form, Kind};
use picket_collector::notify::{Settings, message};
use picket_shared::secret::SecretString;
use serde_json::json;

use crate::providers::{at, client, down, is_final, is_for_later, judged, notice, send, written};
use crate::receiver::{Call, Receiver};

const TOKEN: &str = "canaryRePK8gMaC0QOYAMyEEuzJnyU";
const USER: &str = "canaryzpo4DXghDmr9QzzfQu27cmVR";
const TAKEN: &str = r#"{"status":1,"request":"647d2300-702c-4b38-8b2f-d56326ae460b"}"#;

fn pushover(priority: &str) -> Settings {
    let secret = |text: &str| SecretString::new(text.to_owned());
    Settings::Pushover(Pushover { token: secret(TOKEN), user: secret(USER), priority: priority.to_owned() })
}

fn form(call: &Call) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(&call.body).into_owned().collect()
}

fn read(call: &Call) -> String {
    let fields = form(call).into_iter().map(|(name, value)| format!("{name}: {value}"));
    format!("{}\n{}", call.path, fields.collect::<Vec<_>>().join("\n"))
}

#[tokio::test]
async fn every_message_as_pushover_gets_it() {
    insta::assert_snapshot!(written(&pushover("emergency"), read).await);
}

#[tokio::test]
async fn the_request_is_that_of_the_documentation() {
    let mut message = down();
    message.brief.link = Some("https://picket.example/incidents/3".to_owned());
    let receiver = Receiver::start().await;
    receiver.answers(200, &[], TAKEN);
    let answer = pushover("high").send(&message, &client(&receiver)).await.map(|answer| answer.0);
    assert_eq!(answer, Ok("200 OK request 647d2300-702c-4b38-8b2f-d56326ae460b".to_owned()));
    let calls = receiver.calls();
    let [call] = &calls[..] else { unreachable!("one request was made") };
    assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/1/messages.json"));
    assert_eq!(call.header("content-type"), "application/x-www-form-urlencoded");
    assert_eq!(call.header("authorization"), "");
    let form = form(call);
    let keys: Vec<_> = form.keys().map(String::as_str).collect();
    assert_eq!(keys, ["message", "priority", "timestamp", "title", "token", "url", "url_title", "user"]);
    assert_eq!((form["token"].as_str(), form["user"].as_str()), (TOKEN, USER));
    assert_eq!((form["title"].as_str(), form["priority"].as_str()), ("Down: shop <EU> & more", "1"));
    assert_eq!(form["timestamp"], at("2026-03-01T10:08:00Z").seconds().to_string());
    assert_eq!(form["url"], "https://picket.example/incidents/3");
    assert!(form["message"].starts_with("What: ") && form["message"].contains("\nSince: 2026-03-01"), "{form:?}");
    assert!(!form["message"].contains("canary") && !form["message"].contains("Backend"), "{form:?}");
}

#[tokio::test]
async fn an_emergency_rings_until_it_is_over() {
    let (_, raised) = send(&pushover("emergency"), &down()).await;
    let raised = form(&raised[0]);
    let incident = "00000000-0000-0000-0000-000000000003";
    assert_eq!((raised["priority"].as_str(), raised["tags"].as_str()), ("2", incident));
    assert_eq!((raised["retry"].as_str(), raised["expire"].as_str()), ("60", "10800"));
    let over = Over { at: at("2026-03-01T10:07:05Z"), resolution: Resolution::Recovered };
    let up = message::write(&notice(NoticeKind::Up { over }, true));
    let (_, calls) = send(&pushover("emergency"), &up).await;
    let paths: Vec<_> = calls.iter().map(|call| call.path.as_str()).collect();
    assert_eq!(paths, [format!("/1/receipts/cancel_by_tag/{incident}.json").as_str(), "/1/messages.json"]);
    assert_eq!(form(&calls[0]).into_iter().collect::<Vec<_>>(), [("token".to_owned(), TOKEN.to_owned())]);
    assert_eq!(form(&calls[1])["priority"], "0");
    // Without one nothing is taken back.
    assert_eq!(send(&pushover("high"), &up).await.1.len(), 1);
}

#[tokio::test]
async fn only_an_outage_is_an_emergency() {
    let since = at("2026-03-01T10:00:00Z");
    for (kind, priority) in [
        (NoticeKind::NoData { since }, "1"),
        (NoticeKind::NeverCameUp, "1"),
        (NoticeKind::Flapping { openings: 4 }, "0"),
        (NoticeKind::FlappingOver, "0"),
    ] {
        let (_, calls) = send(&pushover("emergency"), &message::write(&notice(kind, false))).await;
        let [call] = &calls[..] else { unreachable!("nothing is taken back") };
        assert_eq!(form(call)["priority"], priority, "{call:?}");
        assert!(!form(call).contains_key("retry"));
    }
}

#[tokio::test]
async fn title_message_and_url_keep_their_limits() {
    let mut message = down();
    message.brief.headline = "ü".repeat(900);
    message.brief.rows.push(("Seen", "ü😀".repeat(3000)));
    message.brief.link = Some(format!("https://picket.example/{}", "x".repeat(500)));
    let (_, calls) = send(&pushover("normal"), &message).await;
    let form = form(&calls[0]);
    assert!((1020..=1024).contains(&form["message"].encode_utf16().count()), "{form:?}");
    assert_eq!(form["title"].chars().count(), 250);
    assert!(!form.contains_key("url"), "a URL is sent whole or not at all");
}

#[tokio::test]
async fn the_documented_errors_say_whether_trying_again_helps_and_what_to_do() {
    let pushover = pushover("high");
    let reset = (at("2026-03-01T10:08:00Z").seconds() + 600).to_string();
    let used_up = json!({ "status": 0, "errors": ["application has exceeded its monthly message limit"] }).to_string();
    let said = judged(&pushover, 429, &[("x-limit-app-reset", &reset)], &used_up).await;
    is_for_later(&said, Some(600), "monthly message limit");
    // Never sooner than in 5 seconds.
    is_for_later(&judged(&pushover, 500, &[], "").await, Some(5), "500");
    let error = |field: &str, error: &str| json!({ field: "invalid", "status": 0, "errors": [error] }).to_string();
    for (field, word, advice) in [
        ("token", "application token is invalid", "enter another token"),
        ("user", "user identifier is not a valid user, group, or subscribed user key", "the user or group is gone"),
        ("message", "message cannot be blank", ""),
    ] {
        is_final(&judged(&pushover, 400, &[], &error(field, word)).await, &[word, advice]);
    }
    // 200 without `status` 1 is no message.
    is_final(&judged(&pushover, 200, &[], "<html>a captive portal</html>").await, &["captive portal"]);
    let echo = judged(&pushover, 400, &[], &json!({ "errors": [format!("no {TOKEN} or {USER}")] }).to_string()).await;
    is_final(&echo, &["no *** or ***"]);
    assert!(!format!("{echo:?} {pushover:?} {}", pushover.hint()).contains("canary"), "{echo:?}");
}

#[test]
fn bad_fields_are_named_and_not_repeated() {
    let form = Form::default().with("token", "canary").with("user", "canary-key").with("priority", "loud");
    let wrong = Settings::parse(Kind::Pushover, &form).unwrap_err();
    assert_eq!(wrong.iter().map(|wrong| wrong.field).collect::<Vec<_>>(), ["token", "user", "priority"]);
    assert!(!format!("{wrong:?}").contains("canary"), "{wrong:?}");
}
