//! ntfy's "Publish as JSON", field by field: <https://docs.ntfy.sh/publish/#publish-as-json>.

use picket_collector::notify::Settings;
use picket_collector::notify::channels::ntfy::Ntfy;
use picket_collector::notify::channels::{Form, Kind};
use picket_shared::secret::SecretString;
use serde_json::{Value, json};

use crate::providers::{down, is_final, is_for_later, json, judged_at, send_at, written_at};

const TOPIC: &str = "canary-8c1f2b7d90ae";
const TOKEN: &str = "tk_canaryq7mVBoFD37zQVN29RhuMzNIz2";

fn ntfy(url: &str) -> Settings {
    let secret = |text: &str| SecretString::new(text.to_owned());
    Settings::Ntfy(Ntfy { topic: secret(TOPIC), token: Some(secret(TOKEN)), server: format!("{url}/push") })
}

fn open(url: &str) -> Settings {
    Settings::Ntfy(Ntfy { topic: SecretString::new(TOPIC.to_owned()), token: None, server: url.to_owned() })
}

#[tokio::test]
async fn every_message_as_ntfy_gets_it() {
    insta::assert_snapshot!(written_at(ntfy, json).await);
}

#[tokio::test]
async fn the_request_is_that_of_the_documentation() {
    let mut message = down();
    message.brief.link = Some("https://picket.example/incidents/3".to_owned());
    let (answer, calls) = send_at(ntfy, &message).await;
    assert_eq!(answer, Ok("202 Accepted message 7".to_owned()));
    let [call] = &calls[..] else { unreachable!("one request was made") };
    // JSON goes to the server itself, not to the topic.
    assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/push/"));
    assert_eq!(call.header("content-type"), "application/json");
    assert_eq!(call.header("authorization"), format!("Bearer {TOKEN}"));
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    let keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["click", "message", "priority", "sequence_id", "tags", "title", "topic"]);
    assert_eq!((&body["topic"], &body["title"]), (&TOPIC.into(), &"Down: shop <EU> & more".into()));
    assert_eq!((&body["priority"], &body["tags"]), (&5.into(), &json!(["rotating_light"])));
    assert_eq!(body["click"], "https://picket.example/incidents/3");
    // The same at every try, so a repeated request is one notification.
    assert_eq!(body["sequence_id"], "00000000-0000-0000-0000-000000000001");
    let text = body["message"].as_str().unwrap();
    assert!(text.starts_with("What: ") && text.contains("\nSince: 2026-03-01"), "{text}");
    assert!(!text.contains("canary") && !text.contains("Backend") && !text.contains("picket.example"), "{text}");
    let (_, calls) = send_at(open, &down()).await;
    assert_eq!((calls[0].path.as_str(), calls[0].header("authorization")), ("/", ""));
}

#[tokio::test]
async fn a_message_has_4096_bytes_at_most() {
    let mut message = down();
    message.brief.headline = "ü".repeat(900);
    message.brief.rows.push(("Seen", "ü😀".repeat(3000)));
    let (_, calls) = send_at(ntfy, &message).await;
    let body: Value = serde_json::from_slice(&calls[0].body).unwrap();
    assert!((4085..=4096).contains(&body["message"].as_str().unwrap().len()), "{body}");
    assert_eq!(body["title"].as_str().unwrap().chars().count(), 250);
}

#[tokio::test]
async fn the_documented_errors_say_whether_trying_again_helps_and_what_to_do() {
    let error = |code: u32, error: &str| {
        json!({ "code": code, "http": code / 100, "error": error, "link": "https://ntfy.sh/docs" }).to_string()
    };
    let wait = error(42_901, "limit reached: too many requests");
    is_for_later(&judged_at(ntfy, 429, &[("retry-after", "5")], &wait).await, Some(5), "42901");
    is_for_later(&judged_at(ntfy, 500, &[], &error(50_001, "internal server error")).await, None, "50001");
    for (status, code, word, advice) in [
        (401, 40_101, "unauthorized", "access token is not known"),
        (403, 40_301, "forbidden", "may write to it"),
        (404, 40_401, "page not found", "no ntfy at this address"),
        (400, 40_009, "invalid request: topic invalid", ""),
        (413, 41_301, "attachment too large", ""),
    ] {
        is_final(&judged_at(ntfy, status, &[], &error(code, word)).await, &[word, advice]);
    }
    let echo = judged_at(ntfy, 404, &[], &format!("no {TOPIC} for {TOKEN}")).await;
    is_final(&echo, &["no *** for ***"]);
    let made = ntfy("https://ntfy.example.org");
    assert!(!format!("{echo:?} {made:?} {}", made.hint()).contains("canary"), "{echo:?}");
}

#[test]
fn the_server_is_ntfy_sh_unless_named_and_bad_fields_are_named() {
    let form = Form::default().with("topic", TOPIC);
    assert!(Settings::parse(Kind::Ntfy, &form).unwrap().hint().starts_with("ntfy.sh topic ***"));
    let bad = form.with("topic", "a b").with("token", "canary").with("server", "https://u:canary@ntfy.example.org");
    let wrong = Settings::parse(Kind::Ntfy, &bad).unwrap_err();
    assert_eq!(wrong.iter().map(|wrong| wrong.field).collect::<Vec<_>>(), ["topic", "token", "server"]);
    assert!(!format!("{wrong:?}").contains("canary"), "{wrong:?}");
}
