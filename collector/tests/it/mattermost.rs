//! Mattermost's incoming webhooks, field by field: <https://developers.mattermost.com/integrate/webhooks/incoming/>.

use picket_collector::notify::Settings;
use picket_collector::notify::channels::mattermost::Mattermost;
use picket_collector::notify::channels::{Form, Kind};
use picket_shared::secret::SecretString;
use serde_json::{Value, json};

use crate::providers::{down, is_final, is_for_later, json, judged_at, send_at, written_at};

const KEY: &str = "canaryxxxxxxxxxxxxxxxxxxxx";

fn mattermost(url: &str, channel: Option<&str>) -> Settings {
    let url = SecretString::new(format!("{url}/team/hooks/{KEY}"));
    Settings::Mattermost(Mattermost { url, channel: channel.map(ToOwned::to_owned) })
}

#[tokio::test]
async fn every_message_as_mattermost_gets_it() {
    insta::assert_snapshot!(written_at(|url| mattermost(url, None), json).await);
}

#[tokio::test]
async fn the_request_is_that_of_the_documentation() {
    let mut message = down();
    message.brief.headline = "Down: @all *x*".to_owned();
    let (answer, calls) = send_at(|url| mattermost(url, Some("on-call")), &message).await;
    assert!(answer.is_ok(), "{answer:?}");
    let [call] = &calls[..] else { unreachable!("one request was made") };
    assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", format!("/team/hooks/{KEY}").as_str()));
    assert_eq!((call.header("content-type"), call.header("authorization")), ("application/json", ""));
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    let keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["attachments", "channel", "text"]);
    assert_eq!(body["channel"], "on-call");
    // Nobody is called by the name of a monitor.
    assert_eq!(body["text"], "**Down: @\u{200b}all \\*x\\***");
    let attachment = &body["attachments"][0];
    let keys: Vec<_> = attachment.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["color", "fallback", "text"]);
    assert_eq!(attachment["color"], "#C62828");
    let text = attachment["text"].as_str().unwrap();
    assert!(text.contains("**Since:** 2026-03-01") && !text.contains("canary") && !text.contains("Backend"), "{text}");
}

#[tokio::test]
async fn text_and_attachment_keep_their_limits() {
    let mut message = down();
    message.brief.headline = "ü*".repeat(9000);
    message.brief.rows.push(("Seen", "[x]😀".repeat(9000)));
    let (_, calls) = send_at(|url| mattermost(url, None), &message).await;
    let body: Value = serde_json::from_slice(&calls[0].body).unwrap();
    let length = |value: &Value| value.as_str().unwrap().encode_utf16().count();
    assert!((16_370..=16_383).contains(&length(&body["text"])), "{}", length(&body["text"]));
    assert!((16_370..=16_383).contains(&length(&body["attachments"][0]["text"])));
    assert!((990..=1000).contains(&length(&body["attachments"][0]["fallback"])));
}

#[tokio::test]
async fn the_documented_errors_say_whether_trying_again_helps_and_what_to_do() {
    let settings = |url: &str| mattermost(url, None);
    let error = |id: &str, message: &str, status: u16| {
        json!({ "id": format!("web.incoming_webhook.{id}.app_error"), "message": message, "detailed_error": "",
                "request_id": "r", "status_code": status })
        .to_string()
    };
    assert_eq!(judged_at(settings, 200, &[], "ok").await, Ok("200 OK ok".to_owned()));
    is_for_later(&judged_at(settings, 429, &[("retry-after", "2")], "limit exceeded").await, Some(2), "limit");
    is_for_later(&judged_at(settings, 502, &[], "").await, None, "502");
    for (status, id, message, advice) in [
        (400, "invalid", "Invalid webhook.", "make a new one"),
        (404, "channel", "Couldn't find the channel.", "there is no such channel"),
        (403, "channel_locked", "This webhook is not permitted to post to the requested channel.", "name none"),
        (403, "permissions", "Inappropriate channel permissions.", "name none"),
        (501, "disabled", "Incoming webhooks have been disabled by the system admin.", "can turn them on"),
        (400, "parse", "Unable to parse incoming data.", ""),
    ] {
        is_final(&judged_at(settings, status, &[], &error(id, message, status)).await, &[message, advice]);
    }
    is_final(&judged_at(settings, 302, &[], "").await, &["302"]);
    let echo = judged_at(settings, 404, &[], &format!("no /team/hooks/{KEY} with {KEY}")).await;
    is_final(&echo, &["no *** with ***"]);
    let made = mattermost("https://chat.example.org", None);
    assert!(!format!("{echo:?} {made:?} {}", made.hint()).contains("canary"), "{echo:?}");
}

#[test]
fn what_is_no_webhook_is_refused_and_not_repeated() {
    let taken = |url: &str| Settings::parse(Kind::Mattermost, &Form::default().with("url", url));
    for url in ["https://chat.example.org", "http://10.0.0.8:8065/sub/path"] {
        assert!(taken(&format!("{url}/hooks/{KEY}")).is_ok(), "{url}");
    }
    for url in [
        format!("https://me:secret@chat.example.org/hooks/{KEY}"),
        format!("https://chat.example.org/{KEY}"),
        format!("https://chat.example.org/hooks/{KEY}/x"),
        format!("https://chat.example.org/hooks/{KEY}?x=1"),
        format!("ftp://chat.example.org/hooks/{KEY}"),
        KEY.to_owned(),
    ] {
        let wrong = taken(&url).unwrap_err();
        assert!(wrong[0].field == "url" && !wrong[0].message.contains("canary"), "{wrong:?}");
    }
    let form = Form::default().with("url", format!("https://chat.example.org/hooks/{KEY}")).with("channel", "on call");
    assert_eq!(Settings::parse(Kind::Mattermost, &form).unwrap_err()[0].field, "channel");
}
