//! Telegram's `sendMessage`, field by field: <https://core.telegram.org/bots/api#sendmessage>.

use picket_collector::notify::channels::telegram::Telegram;
use picket_collector::notify::{SendError, Settings};
use picket_shared::secret::SecretString;
use serde_json::{Value, json};

use crate::providers::{client_at, code, down, is_final, is_for_later, json, judged, send, send_at, written};

const TOKEN: &str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";

fn chat(chat: &str, topic: Option<&str>) -> Settings {
    Settings::Telegram(Telegram {
        token: SecretString::new(TOKEN.to_owned()),
        chat: chat.to_owned(),
        topic: topic.map(ToOwned::to_owned),
        silent: false,
        server: None,
        hook: None,
    })
}

#[tokio::test]
async fn every_message_as_telegram_gets_it() {
    insta::assert_snapshot!(written(&chat("-1001234567890", None), json).await);
}

#[tokio::test]
async fn the_request_is_that_of_the_documentation() {
    let (answer, calls) = send(&chat("@picket_alarms", Some("42")), &down()).await;
    assert_eq!(answer, Ok("202 Accepted message 7".to_owned()));
    let [call] = &calls[..] else { unreachable!("one request was made") };
    assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", format!("/bot{TOKEN}/sendMessage").as_str()));
    assert_eq!(call.header("content-type"), "application/json");
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    let mut keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["chat_id", "link_preview_options", "message_thread_id", "parse_mode", "text"]);
    assert_eq!(body["chat_id"], "@picket_alarms");
    assert_eq!(body["message_thread_id"], 42);
    assert_eq!(body["parse_mode"], "HTML");
    assert_eq!(body["link_preview_options"], json!({ "is_disabled": true }));
    let text = body["text"].as_str().unwrap();
    // Only the tag that is ours is markup.
    assert_eq!(text.matches('<').count(), 2, "{text}");
    assert!(text.starts_with("<b>Down: shop &lt;EU&gt; &amp; more</b>\n"), "{text}");
    assert!(!text.contains("canary") && !text.contains("Backend"), "{text}");
}

#[tokio::test]
async fn a_text_has_4096_characters_at_most_after_the_markup_is_read() {
    let mut message = down();
    message.brief.rows.push(("Seen", "<&😀>".repeat(3000)));
    let (_, calls) = send(&chat("42", None), &message).await;
    let body: Value = serde_json::from_slice(&calls[0].body).unwrap();
    let text = body["text"].as_str().unwrap().replace("<b>", "").replace("</b>", "");
    let read = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    assert!((4090..=4096).contains(&read.encode_utf16().count()), "{}", read.encode_utf16().count());
    assert!(read.ends_with("..."), "{read}");
}

#[tokio::test]
async fn the_documented_errors_say_whether_trying_again_helps_and_what_to_do() {
    let chat = chat("42", None);
    let error = |code: u16, description: &str, parameters: Value| {
        json!({ "ok": false, "error_code": code, "description": description, "parameters": parameters }).to_string()
    };
    let wait = error(429, "Too Many Requests: retry after 17", json!({ "retry_after": 17 }));
    is_for_later(&judged(&chat, 429, &[], &wait).await, Some(17), "retry after 17");
    is_for_later(&judged(&chat, 500, &[], &error(500, "Internal Server Error", json!({}))).await, None, "Internal");
    is_for_later(&judged(&chat, 502, &[("retry-after", "5")], "<html>Bad Gateway</html>").await, Some(5), "502");
    for (status, description, advice) in [
        (400, "Bad Request: chat not found", "check the chat's number"),
        (401, "Unauthorized", "@BotFather"),
        (403, "Forbidden: bot was blocked by the user", "unblock it"),
        (404, "Not Found", "@BotFather"),
    ] {
        let said = judged(&chat, status, &[], &error(status, description, json!({}))).await;
        is_final(&said, &[description, advice]);
    }
    let moved = error(
        400,
        "Bad Request: group chat was upgraded to a supergroup chat",
        json!({ "migrate_to_chat_id": -1_001_234_567_890_i64 }),
    );
    is_final(&judged(&chat, 400, &[], &moved).await, &["supergroup", "its chat is -1001234567890"]);
    // 200 without `ok` is no message.
    is_final(&judged(&chat, 200, &[], "<html>a captive portal</html>").await, &["captive portal"]);
}

#[tokio::test]
async fn the_token_which_is_part_of_the_path_is_in_no_error() {
    let key = TOKEN.split_once(':').unwrap().1;
    let echo = format!("no /bot{TOKEN}/sendMessage here, nor {key}");
    let chat = chat("42", None);
    let unreachable = chat.send(&down(), &client_at("http://127.0.0.1:1")).await.map(|answer| answer.0);
    assert!(matches!(unreachable, Err(SendError::Retry { .. })), "{unreachable:?}");
    let mut seen = format!("{unreachable:?} {chat:?}");
    for status in [200, 404, 429, 500] {
        seen += &format!("{:?}", judged(&chat, status, &[], &echo).await);
        let error = json!({ "ok": false, "description": echo }).to_string();
        seen += &format!("{:?}", judged(&chat, status, &[], &error).await);
    }
    assert!(seen.contains("no /bot***/sendMessage") && !seen.contains(key), "{seen}");
}

fn own(server: &str, silent: bool) -> Settings {
    Settings::Telegram(Telegram {
        token: SecretString::new(TOKEN.to_owned()),
        chat: "42".to_owned(),
        topic: None,
        silent,
        server: Some(format!("{server}/bots")),
        hook: None,
    })
}

#[tokio::test]
async fn a_server_of_ones_own_takes_the_place_of_telegrams_and_a_message_may_make_no_sound() {
    let (answer, calls) = send_at(|server| own(server, true), &down()).await;
    assert_eq!(answer, Ok("202 Accepted message 7".to_owned()));
    assert_eq!(calls[0].path, format!("/bots/bot{TOKEN}/sendMessage"));
    let body: Value = serde_json::from_slice(&calls[0].body).unwrap();
    assert_eq!(body["disable_notification"], true);
    let (_, calls) = send_at(|server| own(server, false), &down()).await;
    let body: Value = serde_json::from_slice(&calls[0].body).unwrap();
    assert_eq!(body.get("disable_notification"), None);
}

#[tokio::test]
async fn a_server_of_ones_own_is_judged_and_what_it_says_to_a_code_is_kept_as_a_status() {
    let receiver = crate::receiver::Receiver::start().await;
    receiver.answers(200, &[], r#"{"ok":true,"description":"4 8 2 9 1 3","result":{"message_id":482913}}"#);
    let told = own(&receiver.url(""), false);
    // The address that the operator named for Telegram is nobody's, and is not asked.
    let nobody = client_at("http://127.0.0.1:1");
    assert_eq!(told.send(&code_message(), &nobody).await.map(|answer| answer.0), Ok("200 OK".to_owned()));
    let guarded = picket_collector::notify::Client::new(
        picket_collector::config::Mail::default(),
        crate::providers::outbound("http://127.0.0.1:1"),
        picket_shared::egress::EgressGuard::default(),
    );
    let refused = told.send(&down(), &guarded.unwrap()).await;
    assert!(matches!(refused, Err(SendError::Permanent(_))), "{refused:?}");
    assert_eq!(receiver.calls().len(), 1, "a private address is not reached");
}

fn code_message() -> picket_collector::notify::Message {
    picket_collector::notify::message::write(&code())
}
