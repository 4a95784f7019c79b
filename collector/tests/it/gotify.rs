//! Gotify's "Create message", field by field: <https://gotify.net/docs/pushmsg>.

use picket_collector::notify::Settings;
use picket_collector::notify::channels::gotify::Gotify;
use picket_collector::notify::channels::{Form, Kind};
use picket_shared::secret::SecretString;
use serde_json::{Value, json};

use crate::providers::{down, is_final, is_for_later, json, judged_at, send_at, written_at};

const TOKEN: &str = "AcanaryMqQ.wl-Iy";

fn gotify(url: &str) -> Settings {
    Settings::Gotify(Gotify { server: format!("{url}/gotify"), token: SecretString::new(TOKEN.to_owned()) })
}

#[tokio::test]
async fn every_message_as_gotify_gets_it() {
    insta::assert_snapshot!(written_at(gotify, json).await);
}

#[tokio::test]
async fn the_request_is_that_of_the_documentation() {
    let mut message = down();
    message.brief.link = Some("https://picket.example/incidents/3".to_owned());
    let (answer, calls) = send_at(gotify, &message).await;
    assert_eq!(answer, Ok("202 Accepted message 7".to_owned()));
    let [call] = &calls[..] else { unreachable!("one request was made") };
    // The token is no part of the URL, where logs would hold it.
    assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/gotify/message"));
    assert_eq!(call.header("content-type"), "application/json");
    assert_eq!(call.header("authorization"), format!("Bearer {TOKEN}"));
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    let keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["extras", "message", "priority", "title"]);
    assert_eq!((&body["title"], &body["priority"]), (&"Down: shop <EU> & more".into(), &8.into()));
    let extras = json!({
        "client::display": { "contentType": "text/plain" },
        "client::notification": { "click": { "url": "https://picket.example/incidents/3" } },
    });
    assert_eq!(body["extras"], extras);
    let text = body["message"].as_str().unwrap();
    assert!(text.starts_with("What: ") && text.contains("\nSince: 2026-03-01"), "{text}");
    assert!(!text.contains("canary") && !text.contains("Backend") && !text.contains("picket.example"), "{text}");
}

#[tokio::test]
async fn a_message_is_no_longer_than_a_phone_shows() {
    let mut message = down();
    message.brief.headline = "ü".repeat(900);
    message.brief.rows.push(("Seen", "ü😀".repeat(3000)));
    let (_, calls) = send_at(gotify, &message).await;
    let body: Value = serde_json::from_slice(&calls[0].body).unwrap();
    assert!((3990..=4000).contains(&body["message"].as_str().unwrap().encode_utf16().count()), "{body}");
    assert_eq!(body["title"].as_str().unwrap().chars().count(), 250);
}

#[tokio::test]
async fn the_documented_errors_say_whether_trying_again_helps_and_what_to_do() {
    let error = |code: u16, error: &str, description: &str| {
        json!({ "error": error, "errorCode": code, "errorDescription": description }).to_string()
    };
    is_for_later(&judged_at(gotify, 503, &[("retry-after", "5")], "").await, Some(5), "503");
    is_for_later(&judged_at(gotify, 500, &[], &error(500, "Internal Server Error", "no disk")).await, None, "no disk");
    for (status, word, description, advice) in [
        (401, "Unauthorized", "you need to provide a valid access token", "no application's"),
        (403, "Forbidden", "you are not allowed to access this api", "no application's"),
        (404, "Not Found", "page not found", "no Gotify at this address"),
        (400, "Bad Request", "Field 'message' is required", ""),
    ] {
        let said = judged_at(gotify, status, &[], &error(status, word, description)).await;
        is_final(&said, &[word, description, advice]);
    }
    let echo = judged_at(gotify, 404, &[], &format!("nothing for {TOKEN}")).await;
    is_final(&echo, &["nothing for ***"]);
    let made = gotify("https://gotify.example.org");
    assert!(!format!("{echo:?} {made:?} {}", made.hint()).contains("canary"), "{echo:?}");
}

#[test]
fn bad_fields_are_named_and_not_repeated() {
    let form = |server: &str, token: &str| Form::default().with("server", server).with("token", token);
    let wrong = Settings::parse(Kind::Gotify, &form("https://gotify.example.org/?token=canary", "Ccanary.wl-Iy0"));
    let wrong = wrong.unwrap_err();
    assert_eq!(wrong.iter().map(|wrong| wrong.field).collect::<Vec<_>>(), ["server", "token"]);
    assert!(!format!("{wrong:?}").contains("canary"), "{wrong:?}");
    assert!(Settings::parse(Kind::Gotify, &form("http://10.0.0.8:8080/gotify", TOKEN)).is_ok());
}
