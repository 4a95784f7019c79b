//! Slack's incoming webhooks, field by field: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>.

use picket_collector::notify::Settings;
use picket_collector::notify::channels::slack::Slack;
use picket_collector::notify::channels::{Form, Kind};
use picket_shared::secret::SecretString;
use serde_json::Value;

use crate::providers::{down, is_final, is_for_later, json, judged, send, written};

const PATH: &str = "/services/T024BE7LD/B024BE7LX/canaryXXXXXXXXXXXXXXXXXX";

fn slack() -> Settings {
    Settings::Slack(Slack { url: SecretString::new(format!("https://hooks.slack.com{PATH}")) })
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
