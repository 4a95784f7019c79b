//! Discord's "Execute Webhook", field by field: <https://discord.com/developers/docs/resources/webhook#execute-webhook>.

use picket_collector::notify::Settings;
use picket_collector::notify::channels::discord::Discord;
use picket_collector::notify::channels::{Form, Kind};
use picket_shared::secret::SecretString;
use serde_json::{Value, json};

use crate::providers::{down, is_final, is_for_later, json, judged, send, written};

const TOKEN: &str = "canary-_XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX";
const ID: &str = "1234567890123456789";

fn discord(thread: Option<&str>) -> Settings {
    Settings::Discord(Discord {
        url: SecretString::new(format!("https://discord.com/api/webhooks/{ID}/{TOKEN}")),
        thread: thread.map(ToOwned::to_owned),
    })
}

fn length(value: &Value) -> usize {
    value.as_str().unwrap().encode_utf16().count()
}

#[tokio::test]
async fn every_message_as_discord_gets_it() {
    insta::assert_snapshot!(written(&discord(None), json).await);
}

#[tokio::test]
async fn the_request_is_that_of_the_documentation() {
    let (answer, calls) = send(&discord(Some("42")), &down()).await;
    assert_eq!(answer, Ok("202 Accepted message 7".to_owned()));
    let [call] = &calls[..] else { unreachable!("one request was made") };
    let path = format!("/api/v10/webhooks/{ID}/{TOKEN}?wait=true&thread_id=42");
    assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", path.as_str()));
    assert_eq!((call.header("content-type"), call.header("authorization")), ("application/json", ""));
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    let keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["allowed_mentions", "content", "embeds"]);
    // No name of a monitor pings anybody.
    assert_eq!(body["allowed_mentions"], json!({ "parse": [] }));
    assert_eq!(body["content"], r"**Down: shop \<EU\> & more**");
    assert_eq!(body["embeds"].as_array().unwrap().len(), 1);
    let text = body["embeds"][0]["description"].as_str().unwrap();
    assert!(text.contains("**Since:** 2026-03-01"), "{text}");
    assert!(!text.contains("canary") && !text.contains("Backend"), "{text}");
    assert_eq!(body["embeds"][0]["color"], 0x00C6_2828);
}

#[tokio::test]
async fn content_and_embed_keep_their_limits() {
    let mut message = down();
    message.brief.headline = "ü*😀".repeat(2000);
    message.brief.rows.push(("Seen", "[x]😀".repeat(3000)));
    let (_, calls) = send(&discord(None), &message).await;
    let body: Value = serde_json::from_slice(&calls[0].body).unwrap();
    assert!((1980..=2000).contains(&length(&body["content"])), "{}", length(&body["content"]));
    let description = length(&body["embeds"][0]["description"]);
    assert!((4080..=4096).contains(&description), "{description}");
}

#[tokio::test]
async fn the_documented_errors_say_whether_trying_again_helps_and_what_to_do() {
    let discord = discord(None);
    let error = |code: u32, message: &str| json!({ "code": code, "message": message }).to_string();
    let wait = json!({ "message": "You are being rate limited.", "retry_after": 64.57, "global": false }).to_string();
    is_for_later(&judged(&discord, 429, &[("retry-after", "65")], &wait).await, Some(65), "rate limited");
    is_for_later(&judged(&discord, 429, &[("retry-after", "9")], "error code: 1015").await, Some(9), "1015");
    is_for_later(&judged(&discord, 502, &[], "<html>Bad Gateway</html>").await, None, "502");
    for (status, code, word, advice) in [
        (401, 50_027, "Invalid Webhook Token", "make a new one"),
        (404, 10_015, "Unknown Webhook", "make a new one"),
        (404, 10_003, "Unknown Channel", "the thread is gone"),
        (400, 220_001, "Webhooks posted to forum channels must have a thread", "name a thread"),
        (403, 50_013, "Missing Permissions", ""),
    ] {
        is_final(&judged(&discord, status, &[], &error(code, word)).await, &[word, advice]);
    }
    let form = json!({
        "code": 50_035, "message": "Invalid Form Body",
        "errors": { "content": { "_errors": [{ "code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 2000 or fewer" }] } },
    });
    is_final(&judged(&discord, 400, &[], &form.to_string()).await, &["Invalid Form Body", "Must be 2000 or fewer"]);
    // 200 without a message is no message.
    is_final(&judged(&discord, 200, &[], "<html>a captive portal</html>").await, &["captive portal"]);
    let echo = judged(&discord, 404, &[], &format!("no /api/webhooks/{ID}/{TOKEN}")).await;
    is_final(&echo, &["***"]);
    assert!(!format!("{echo:?} {discord:?} {}", discord.hint()).contains("canary"), "{echo:?}");
}

#[test]
fn no_url_leads_anywhere_but_to_discords_own_host() {
    let takes = |url: &str| Settings::parse(Kind::Discord, &Form::default().with("url", url)).is_ok();
    for front in ["https://discord.com/api", "https://discordapp.com/api", "https://canary.discord.com/api/v10"] {
        assert!(takes(&format!("{front}/webhooks/{ID}/{TOKEN}")), "{front}");
    }
    for front in [
        "http://discord.com/api",
        "https://discord.com.evil.example/api",
        "https://discord.com:8443/api",
        "https://discord.com@evil.example/api",
        "https://me:secret@discord.com/api",
        "https://127.0.0.1/api",
        "https://discord.com/api/../x",
    ] {
        assert!(!takes(&format!("{front}/webhooks/{ID}/{TOKEN}")), "{front}");
    }
    for path in ["1/short", &format!("x/{TOKEN}"), &format!("{ID}/{TOKEN}/slack"), &format!("{ID}/{TOKEN}?wait=true")] {
        assert!(!takes(&format!("https://discord.com/api/webhooks/{path}")), "{path}");
    }
    let thread = Form::default().with("url", format!("https://discord.com/api/webhooks/{ID}/{TOKEN}"));
    let wrong = Settings::parse(Kind::Discord, &thread.with("thread", "general")).unwrap_err();
    assert_eq!(wrong[0].field, "thread");
}
