//! A workflow of Microsoft Teams, field by field: <https://learn.microsoft.com/en-us/connectors/teams/#webhook>, cards:
//! <https://adaptivecards.io/explorer/AdaptiveCard.html>.

use picket_collector::notify::Settings;
use picket_collector::notify::channels::teams::Teams;
use picket_collector::notify::channels::{Form, Kind};
use picket_shared::secret::SecretString;
use serde_json::{Value, json};

use crate::providers::{down, is_final, is_for_later, json, judged, send, written};

const HOST: &str = "https://default0123456789abcdef0123456789abcd.ef.environment.api.powerplatform.com:443";
const PATH: &str = "/powerautomate/automations/direct/workflows/0123456789abcdef0123456789abcdef/triggers/manual/paths/invoke?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=canaryXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX";

fn teams() -> Settings {
    Settings::Teams(Teams { url: SecretString::new(format!("{HOST}{PATH}")) })
}

#[tokio::test]
async fn every_message_as_teams_gets_it() {
    insta::assert_snapshot!(written(&teams(), json).await);
}

#[tokio::test]
async fn the_request_is_that_of_the_documentation() {
    let (answer, calls) = send(&teams(), &down()).await;
    assert!(answer.is_ok(), "{answer:?}");
    let [call] = &calls[..] else { unreachable!("one request was made") };
    assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", PATH));
    assert_eq!((call.header("content-type"), call.header("authorization")), ("application/json", ""));
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!(body["type"], "message");
    assert_eq!(body["attachments"].as_array().unwrap().len(), 1);
    let attachment = &body["attachments"][0];
    assert_eq!(attachment["contentType"], "application/vnd.microsoft.card.adaptive");
    let card = &attachment["content"];
    assert_eq!((&card["type"], &card["version"]), (&"AdaptiveCard".into(), &"1.4".into()));
    assert_eq!(card["$schema"], "http://adaptivecards.io/schemas/adaptive-card.json");
    // Only runs: a `TextBlock` would be read as Markdown.
    let blocks = card["body"].as_array().unwrap();
    assert!(blocks.iter().all(|block| block["type"] == "RichTextBlock"), "{card}");
    let runs = blocks.iter().flat_map(|block| block["inlines"].as_array().unwrap());
    assert!(runs.clone().all(|run| run["type"] == "TextRun" && run["text"].is_string()), "{card}");
    let texts: Vec<_> = runs.map(|run| run["text"].as_str().unwrap()).collect();
    assert_eq!(texts[0], "Down: shop <EU> & more");
    assert_eq!(blocks[0]["inlines"][0]["color"], "Attention");
    assert!(texts.contains(&"Since: "), "{texts:?}");
    assert!(!texts.concat().contains("canary") && !texts.concat().contains("Backend"), "{texts:?}");
    assert!(card.get("actions").is_none(), "there is no page to link to");
}

#[tokio::test]
async fn a_message_has_28_kb_at_most() {
    let mut message = down();
    message.brief.headline = "ü".repeat(9000);
    message.brief.rows = ["What", "Since", "Until", "From", "Seen"].map(|label| (label, "…\"".repeat(9000))).into();
    message.brief.link = Some(format!("https://picket.example/{}", "x".repeat(100)));
    let (_, calls) = send(&teams(), &message).await;
    assert!((10_000..28_000).contains(&calls[0].body.len()), "{}", calls[0].body.len());
}

#[tokio::test]
async fn the_documented_errors_say_whether_trying_again_helps_and_what_to_do() {
    let teams = teams();
    let error = |code: &str, message: &str| json!({ "error": { "code": code, "message": message } }).to_string();
    assert_eq!(judged(&teams, 202, &[], "").await, Ok("202 Accepted".to_owned()));
    is_for_later(&judged(&teams, 429, &[("retry-after", "60")], "").await, Some(60), "429");
    is_for_later(&judged(&teams, 502, &[], &error("NoResponse", "no answer")).await, None, "NoResponse");
    for (status, code, advice) in [
        (401, "DirectApiAuthorizationRequired", "the workflow is gone"),
        (403, "DirectApiInvalidAuthorizationScheme", "not open to anyone"),
        (404, "WorkflowNotFound", "turned off"),
        (400, "TriggerInputSchemaMismatch", "does not take cards"),
    ] {
        is_final(&judged(&teams, status, &[], &error(code, "It failed.")).await, &[code, "It failed.", advice]);
    }
    let echo = judged(&teams, 404, &[], &format!("no {HOST}{PATH}")).await;
    is_final(&echo, &["***"]);
    assert!(!format!("{echo:?} {teams:?} {}", teams.hint()).contains("canary"), "{echo:?}");
}

#[test]
fn only_a_workflow_at_a_host_of_microsofts_is_taken() {
    let taken = |url: &str| Settings::parse(Kind::Teams, &Form::default().with("url", url));
    for host in [HOST, "https://prod-12.westeurope.logic.azure.com:443", "https://prod-1.usgovarizona.logic.azure.us"] {
        assert!(taken(&format!("{host}{PATH}")).is_ok(), "{host}");
    }
    for host in [
        "http://prod-12.westeurope.logic.azure.com",
        "https://prod-12.westeurope.logic.azure.com:8443",
        "https://logic.azure.com.evil.example",
        "https://evil-logic.azure.com",
        "https://x@prod-12.westeurope.logic.azure.com",
        "https://127.0.0.1",
    ] {
        assert!(taken(&format!("{host}{PATH}")).is_err(), "{host}");
    }
    let (front, _) = PATH.split_once("&sig=").unwrap();
    assert!(taken(&format!("{HOST}{front}")).is_err(), "a part of it was left out");
    let retired = taken("https://contoso.webhook.office.com/webhookb2/canary@canary/IncomingWebhook/canary/canary");
    let wrong = retired.unwrap_err();
    assert!(wrong[0].message.contains("retired") && !wrong[0].message.contains("canary"), "{wrong:?}");
}

#[test]
fn a_hint_shows_nothing_of_the_signature() {
    let url = "https://prod-00.westeurope.logic.azure.com/workflows/0123456789abcdef?sp=x&sv=1.0&sig=0123456789canary";
    let settings = Settings::parse(Kind::Teams, &Form::default().with("url", url)).unwrap();
    assert_eq!(settings.hint(), "workflow ***cdef");
}
