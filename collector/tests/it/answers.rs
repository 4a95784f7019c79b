//! What messages hold by which they are answered: a link, a button, an address for the provider.

use picket_collector::domain::outage::{NoticeKind, Over, Resolution};
use picket_collector::notify::channels::{Form, Kind};
use picket_collector::notify::message::{self, Acknowledge, Back, Facts};
use picket_collector::notify::{SendError, Settings};
use picket_shared::secret::SecretString;
use serde_json::{Value, json};

use crate::providers::{at, notice, send, test};
use crate::receiver::Call;

const HOOK: &str = "https://picket.example/hooks/h00k";
/// As long as ours are.
const TOKEN: &str = "AAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn back(hook: bool) -> Back {
    let secret = |text: &str| SecretString::new(text.to_owned());
    let page = secret(&format!("https://picket.example/acknowledge/{TOKEN}"));
    Back { acknowledge: Some(Acknowledge { token: secret(TOKEN), page }), hook: hook.then(|| secret(HOOK)) }
}

fn facts(kind: NoticeKind) -> Facts {
    Facts { back: back(true), ..notice(kind, true) }
}

fn settings(kind: Kind, changed: &[(&str, &str)]) -> Settings {
    let fields = kind.fields().iter().filter(|field| field.required);
    let form: Form = fields.map(|field| (field.name.to_owned(), field.example.to_owned())).collect();
    let form = changed.iter().fold(form, |form, (name, value)| form.with(*name, *value));
    Settings::parse(kind, &form).unwrap()
}

fn body(call: &Call) -> Value {
    serde_json::from_slice(&call.body).unwrap()
}

fn up() -> NoticeKind {
    NoticeKind::Up { over: Over { at: at("2026-03-01T10:07:05Z"), resolution: Resolution::Recovered } }
}

#[tokio::test]
async fn a_bot_of_slack_that_knows_the_apps_secret_has_a_button_as_long_as_there_is_something_to_acknowledge() {
    let secret = "0123456789abcdef0123456789abcdef";
    let bot = [("url", "xoxb-not-a-real-token"), ("channel", "C024BE91L")];
    let with = settings(Kind::Slack, &[bot[0], bot[1], ("signing_secret", secret)]);
    let (_, calls) = send(&with, &message::write(&facts(NoticeKind::Down))).await;
    let blocks = body(&calls[0])["blocks"].clone();
    assert_eq!(
        blocks[2],
        json!({ "type": "actions", "elements": [{
            "type": "button", "action_id": "acknowledge", "text": { "type": "plain_text", "text": "Acknowledge" }, "value": TOKEN,
        }] })
    );
    for (settings, kind) in
        [(&with, up()), (&with, NoticeKind::Acknowledged), (&settings(Kind::Slack, &bot), NoticeKind::Down)]
    {
        let (_, calls) = send(settings, &message::write(&facts(kind.clone()))).await;
        assert_eq!(body(&calls[0])["blocks"].as_array().unwrap().len(), 2, "{kind:?}");
    }
    assert!(!format!("{with:?}").contains(secret));
    let hook = Form::default()
        .with("url", "https://hooks.slack.com/services/T024BE7LD/B024BE7LX/XXXXXXXXXXXXXXXXXXXXXXXX")
        .with("signing_secret", secret);
    let wrong = Settings::parse(Kind::Slack, &hook).unwrap_err();
    assert_eq!((wrong[0].field, wrong.len()), ("signing_secret", 1), "a webhook has no buttons");
}

#[tokio::test]
async fn telegram_is_told_with_each_trial_where_to_say_who_pressed_a_button() {
    let with = settings(Kind::Telegram, &[("buttons", "yes")]);
    let secret = with.hook_secret().unwrap().expose().clone();
    let (answer, calls) = send(&with, &message::write(&Facts { back: back(true), ..test() })).await;
    assert!(answer.is_ok(), "{answer:?}");
    let [first, second] = &calls[..] else { unreachable!("two requests were made") };
    assert!(
        first.path.ends_with("/setWebhook") && second.path.ends_with("/sendMessage"),
        "{} {}",
        first.path,
        second.path
    );
    assert_eq!(body(first), json!({ "url": HOOK, "secret_token": secret, "allowed_updates": ["callback_query"] }));
    assert!(secret.len() == 43 && secret.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)), "{secret}");
    let (_, calls) = send(&with, &message::write(&facts(NoticeKind::Down))).await;
    let [call] = &calls[..] else { unreachable!("one request was made") };
    let button = &body(call)["reply_markup"]["inline_keyboard"][0][0];
    assert_eq!(button, &json!({ "text": "Acknowledge", "callback_data": format!("a:{TOKEN}") }));
    assert!(button["callback_data"].as_str().unwrap().len() <= 64, "1-64 bytes");
    for (settings, kind) in [(&with, up()), (&settings(Kind::Telegram, &[]), NoticeKind::Down)] {
        let (_, calls) = send(settings, &message::write(&facts(kind))).await;
        assert_eq!(body(&calls[0]).get("reply_markup"), None);
    }
}

#[tokio::test]
async fn buttons_of_telegram_need_a_picket_that_is_found_by_https() {
    let with = settings(Kind::Telegram, &[("buttons", "yes")]);
    let (answer, calls) = send(&with, &message::write(&Facts { back: back(false), ..test() })).await;
    assert!(
        matches!(&answer, Err(SendError::Permanent(why)) if why.contains("https") && why.contains("leave the buttons out"))
    );
    assert_eq!(calls.len(), 0);
}

#[tokio::test]
async fn twilio_is_told_where_to_say_what_became_of_a_message_where_it_signs_by_what_we_know() {
    let told = |call: &Call| {
        url::form_urlencoded::parse(&call.body)
            .find(|(name, _)| name == "StatusCallback")
            .map(|(_, value)| value.into_owned())
    };
    let message = message::write(&facts(NoticeKind::Down));
    let by_token = settings(Kind::Twilio, &[]);
    let (_, calls) = send(&by_token, &message).await;
    assert_eq!(told(&calls[0]), Some(format!("{HOOK}?delivery=00000000-0000-0000-0000-000000000001")));
    let by_key = settings(Kind::Twilio, &[("key", "SK0123456789abcdef0123456789abcdef")]);
    let (_, calls) = send(&by_key, &message).await;
    assert_eq!(told(&calls[0]), None);
    let (_, calls) =
        send(&by_token, &message::write(&Facts { back: back(false), ..notice(NoticeKind::Down, true) })).await;
    assert_eq!(told(&calls[0]), None);
}

#[test]
fn a_mail_has_a_link_that_acknowledges_as_long_as_there_is_something_to_acknowledge() {
    let down = message::write(&facts(NoticeKind::Down));
    let link = format!("https://picket.example/acknowledge/{TOKEN}");
    assert!(down.text.ends_with(&format!("\n\nAcknowledge: {link}\n")), "{}", down.text);
    assert!(down.html.contains(&format!("<p><a href=\"{link}\">Acknowledge</a></p>")), "{}", down.html);
    let minimal = message::write(&Facts { minimal: true, ..facts(NoticeKind::Down) });
    assert!(minimal.text.contains(&link) && minimal.html.contains(&link));
    for kind in [up(), NoticeKind::Acknowledged, NoticeKind::NoData { since: at("2026-03-01T10:00:00Z") }] {
        let message = message::write(&facts(kind));
        assert!(!message.text.contains(&link) && !message.html.contains(&link), "{}", message.text);
    }
    // No program is given what presses a button.
    assert!(!down.event.to_string().contains(TOKEN));
}
