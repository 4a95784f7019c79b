//! Slack's incoming webhooks, field by field: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>; and a bot's
//! messages: <https://docs.slack.dev/reference/methods/chat.postMessage>.

use picket_collector::notify::Settings;
use picket_collector::notify::channels::slack::Slack;
use picket_collector::notify::channels::{Form, Kind};
use picket_shared::secret::SecretString;
use serde_json::Value;

use crate::providers::{down, is_final, is_for_later, json, judged, send, written};

const PATH: &str = "/services/T024BE7LD/B024BE7LX/canaryXXXXXXXXXXXXXXXXXX";

fn slack() -> Settings {
    Settings::Slack(Slack {
        url: SecretString::new(format!("https://hooks.slack.com{PATH}")),
        channel: None,
        signing_secret: None,
    })
}

const TOKEN: &str = "xoxb-canary-7f3a";

fn bot() -> Settings {
    Settings::Slack(Slack {
        url: SecretString::new(TOKEN.to_owned()),
        channel: Some("C024BE91L".to_owned()),
        signing_secret: None,
    })
}

#[tokio::test]
async fn every_message_as_slack_gets_it() {
    insta::assert_snapshot!(written(&slack(), json).await);
}

#[tokio::test]
async fn the_request_is_that_of_the_documentation() {
    let (answer, calls) = send(&slack(), &down()).await;
    assert!(answer.is_ok(), "{answer:?}");
    let [call] = &calls[..] else { unreachable!("one request was made") };
    assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", PATH));
    assert_eq!(call.header("content-type"), "application/json");
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
    assert!(body["text"].as_str().unwrap().starts_with("Down: shop &lt;EU&gt; &amp; more | "), "{body}");
    let blocks = body["blocks"].as_array().unwrap();
    assert_eq!((&blocks[0]["type"], &blocks[0]["text"]["type"]), (&"header".into(), &"plain_text".into()));
    // Plain text is not read as mrkdwn, so it is not escaped.
    assert_eq!(blocks[0]["text"]["text"], "Down: shop <EU> & more");
    assert_eq!((&blocks[1]["type"], &blocks[1]["text"]["type"]), (&"section".into(), &"mrkdwn".into()));
    let text = blocks[1]["text"]["text"].as_str().unwrap();
    assert!(!text.contains(['<', '>']) && !text.contains("canary"), "{text}");
}

#[tokio::test]
async fn blocks_and_text_keep_their_limits() {
    let mut message = down();
    message.brief.headline = "ü<".repeat(1000);
    message.brief.rows.push(("Seen", "<&>".repeat(3000)));
    let (_, calls) = send(&slack(), &message).await;
    let body: Value = serde_json::from_slice(&calls[0].body).unwrap();
    let length = |value: &Value| value.as_str().unwrap().chars().count();
    let header = length(&body["blocks"][0]["text"]["text"]);
    let section = length(&body["blocks"][1]["text"]["text"]);
    let text = length(&body["text"]);
    assert!((140..=150).contains(&header) && (2990..=3000).contains(&section), "{header} {section}");
    assert!((3990..=4000).contains(&text), "{text}");
}

#[tokio::test]
async fn the_documented_errors_say_whether_trying_again_helps_and_what_to_do() {
    let slack = slack();
    assert_eq!(judged(&slack, 200, &[], "ok").await, Ok("200 OK ok".to_owned()));
    is_for_later(&judged(&slack, 429, &[("retry-after", "30")], "").await, Some(30), "429");
    is_for_later(&judged(&slack, 500, &[], "rollup_error").await, None, "rollup_error");
    for (status, word, advice) in [
        (400, "invalid_payload", ""),
        (400, "user_not_found", ""),
        (403, "action_prohibited", "administrator"),
        (403, "invalid_token", "make a new one"),
        (404, "channel_not_found", "make a webhook to another"),
        (404, "no_service", "make a new one"),
        (410, "channel_is_archived", "make a webhook to another"),
    ] {
        is_final(&judged(&slack, status, &[], word).await, &[word, advice]);
    }
    let echo = judged(&slack, 404, &[], &format!("no {PATH} at https://hooks.slack.com{PATH}")).await;
    is_final(&echo, &["***"]);
    assert!(!format!("{echo:?} {slack:?} {}", slack.hint()).contains("canary"), "{echo:?}");
}

#[test]
fn no_url_leads_anywhere_but_to_slacks_own_host() {
    let takes = |url: &str| Settings::parse(Kind::Slack, &Form::default().with("url", url)).is_ok();
    assert!(takes(&format!("https://hooks.slack.com{PATH}")));
    assert!(takes(&format!("https://hooks.slack-gov.com{PATH}")));
    for front in [
        "http://hooks.slack.com",
        "https://hooks.slack.com.evil.example",
        "https://hooks.slack.com:8443",
        "https://hooks.slack.com@evil.example",
        "https://me:secret@hooks.slack.com",
        "https://127.0.0.1",
    ] {
        assert!(!takes(&format!("{front}{PATH}")), "{front}");
    }
    for path in
        ["/services/T1/B1", "/services/T1/B1/x/y", "/services/../x/B1/t", "/services/T1/B1/x?y", "/services/T1//x"]
    {
        assert!(!takes(&format!("https://hooks.slack.com{path}")), "{path}");
    }
}

#[tokio::test]
async fn a_bot_posts_to_its_channel_as_the_documentation_says() {
    let (answer, calls) = send(&bot(), &down()).await;
    assert_eq!(answer, Ok("202 Accepted ok".to_owned()));
    let [call] = &calls[..] else { unreachable!("one request was made") };
    assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/api/chat.postMessage"));
    assert_eq!(call.header("content-type"), "application/json");
    assert_eq!(call.header("authorization"), format!("Bearer {TOKEN}"));
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    let mut keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["blocks", "channel", "text", "unfurl_links"]);
    assert_eq!((&body["channel"], &body["unfurl_links"]), (&"C024BE91L".into(), &false.into()));
    assert!(!String::from_utf8_lossy(&call.body).contains("canary"), "{body}");
}

#[tokio::test]
async fn what_slack_says_to_a_bot_with_a_good_status_may_be_a_refusal() {
    let bot = bot();
    let said = judged(&bot, 200, &[], r#"{"ok":true,"channel":"C024BE91L","ts":"1503435956.000247"}"#).await;
    assert_eq!(said, Ok("200 OK ok 1503435956.000247".to_owned()));
    is_for_later(
        &judged(&bot, 429, &[("retry-after", "30")], r#"{"ok":false,"error":"ratelimited"}"#).await,
        Some(30),
        "429",
    );
    for error in ["internal_error", "fatal_error", "service_unavailable", "request_timeout"] {
        let body = format!(r#"{{"ok":false,"error":"{error}"}}"#);
        is_for_later(&judged(&bot, 200, &[], &body).await, None, error);
    }
    for (error, advice) in [
        ("invalid_auth", "enter the token"),
        ("account_inactive", "enter the token"),
        ("missing_scope", "chat:write"),
        ("not_in_channel", "/invite"),
        ("channel_not_found", "check the channel's id"),
        ("is_archived", "check the channel's id"),
        ("msg_too_long", ""),
    ] {
        is_final(&judged(&bot, 200, &[], &format!(r#"{{"ok":false,"error":"{error}"}}"#)).await, &[error, advice]);
    }
    is_final(&judged(&bot, 200, &[], "").await, &["200 OK"]);
    let echo = judged(&bot, 200, &[], &format!(r#"{{"ok":false,"error":"no {TOKEN}"}}"#)).await;
    is_final(&echo, &["***"]);
    assert!(!format!("{echo:?} {bot:?} {} {}", bot.hint(), bot.name()).contains("canary"), "{echo:?}");
}

#[test]
fn a_token_has_a_channel_and_a_webhook_has_none() {
    let wrong = |url: &str, channel: &str| {
        let form = Form::default().with("url", url).with("channel", channel);
        Settings::parse(Kind::Slack, &form).err().map(|wrong| wrong.iter().map(|wrong| wrong.field).collect::<Vec<_>>())
    };
    let hook = format!("https://hooks.slack.com{PATH}");
    assert_eq!((wrong(TOKEN, "C024BE91L"), wrong(&hook, "")), (None, None));
    for channel in ["", "#general", "c024be91l", "C02"] {
        assert_eq!(wrong(TOKEN, channel), Some(vec!["channel"]), "{channel}");
    }
    assert_eq!(wrong(&hook, "C024BE91L"), Some(vec!["channel"]));
    assert_eq!(wrong("xoxp-canary-7f3a-0000", "C024BE91L"), Some(vec!["url"]), "a person's token is none of a bot");
}
