//! What the tests of providers share: a client that finds them at a receiver, and one message of each sort.

use picket_collector::config::{Config, Mail, Outbound};
use picket_collector::domain::briefing::Briefing;
use picket_collector::domain::incident::Severity;
use picket_collector::domain::outage::vote::Vote;
use picket_collector::domain::outage::{FailureFacts, Notice, NoticeKind, Over, RegionLine, Resolution};
use picket_collector::notify::message::{self, Back, Facts, IncidentFacts, Message, MonitorFacts, Occasion};
use picket_collector::notify::{Client, SendError, Settings};
use picket_shared::egress::EgressGuard;
use picket_shared::ids::{DeliveryId, IncidentId, MonitorId};
use picket_shared::outcome::{Evidence, FailureKind};
use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;
use uuid::Uuid;

use crate::receiver::{Call, Receiver};
use crate::telling::{email, webhook};

const FAILURE: &str = "The status 503 is not an accepted one (200-399).";

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A client to which every provider is at `receiver`.
pub(crate) fn client(receiver: &Receiver) -> Client {
    client_at(&receiver.url(""))
}

pub(crate) fn client_at(url: &str) -> Client {
    // Servers of tenants are at a receiver on this machine too.
    let guard = EgressGuard::new(vec!["127.0.0.0/8".parse().unwrap()]);
    Client::new(Mail::default(), outbound(url), guard).unwrap()
}

/// The way out when every provider is at `url`.
pub(crate) fn outbound(url: &str) -> Outbound {
    let named = ["telegram", "twilio", "slack", "pagerduty", "discord", "teams", "pushover", "opsgenie"];
    let named = named.map(|kind| format!("{kind}_url = \"{url}\"\n")).concat();
    let config: Config = toml::from_str(&format!("[outbound]\n{named}")).unwrap();
    config.checked(std::path::Path::new("/")).unwrap().outbound
}

fn facts(occasion: Occasion) -> Facts {
    Facts {
        delivery: DeliveryId(Uuid::from_u128(1)),
        now: at("2026-03-01T10:08:00Z"),
        public_url: None,
        minimal: false,
        back: Back::default(),
        occasion,
    }
}

/// What has to be told of the monitor `shop`, with or without an incident.
pub(crate) fn notice(kind: NoticeKind, with_incident: bool) -> Facts {
    let line = |region: &str, vote: Vote, failing: bool| RegionLine {
        region: region.parse().unwrap(),
        vote,
        failure: failing.then(|| FailureFacts { kind: FailureKind::HttpStatus, message: FAILURE.to_owned() }),
    };
    let regions =
        vec![line("ap-1", Vote::Silent, false), line("eu-1", Vote::Fail, true), line("us-1", Vote::Ok, false)];
    let mut evidence = Evidence::default();
    evidence.add("status", "503");
    evidence.add("body", "<h1>Backend\nfetch failed</h1>");
    let incident = with_incident.then(|| IncidentFacts {
        id: IncidentId(Uuid::from_u128(3)),
        started_at: at("2026-03-01T10:00:00Z"),
        confirmed_at: at("2026-03-01T10:00:12Z"),
        resolved_at: None,
        failure: FailureKind::HttpStatus,
        message: FAILURE.to_owned(),
        severity: Severity::Critical,
        evidence,
    });
    let started = incident.as_ref().map(|incident| incident.started_at);
    let notice = Notice { kind, at: at("2026-03-01T10:00:12Z"), incident_started_at: started, regions };
    let monitor = MonitorFacts {
        id: MonitorId(Uuid::from_u128(2)),
        name: "shop <EU> & more".to_owned(),
        kind: "http".to_owned(),
        target: "https://shop.example/cart?token=canary&id=1".to_owned(),
        briefing: Briefing::default(),
        dependents: Vec::new(),
    };
    facts(Occasion::Notice { notice, monitor, incident })
}

/// An outage of a monitor that is less pressing, has an owner and a runbook.
pub(crate) fn briefed() -> Facts {
    let mut facts = notice(NoticeKind::Down, true);
    if let Occasion::Notice { monitor, incident: Some(incident), .. } = &mut facts.occasion {
        incident.severity = Severity::Error;
        let (owner, runbook_url) =
            ("Team <Shop> & Co".to_owned(), "https://wiki.example.org/shop_down?v=1&w=2".to_owned());
        monitor.briefing = Briefing { severity: Severity::Error, owner: Some(owner), runbook_url: Some(runbook_url) };
    }
    facts
}

pub(crate) fn test() -> Facts {
    facts(Occasion::Test { channel: "on call".to_owned() })
}

pub(crate) fn code() -> Facts {
    let (code, until) = (SecretString::new("482913".to_owned()), at("2026-03-01T10:23:00Z"));
    facts(Occasion::Code { code, until })
}

pub(crate) fn down() -> Message {
    message::write(&notice(NoticeKind::Down, true))
}

/// One of each sort that people get.
pub(crate) fn samples() -> Vec<(&'static str, Message)> {
    let over = Over { at: at("2026-03-01T10:07:05Z"), resolution: Resolution::Recovered };
    let mut linked = notice(NoticeKind::Down, true);
    linked.public_url = Some("https://picket.example".to_owned());
    let facts = [
        ("down", notice(NoticeKind::Down, true)),
        ("down, with a page to look at", linked),
        ("down, with owner, runbook and severity", briefed()),
        ("up", notice(NoticeKind::Up { over }, true)),
        ("reminder", notice(NoticeKind::Reminder, true)),
        ("regional", notice(NoticeKind::Regional { failing: ["eu-1".parse().unwrap()].into() }, false)),
        ("flapping", notice(NoticeKind::Flapping { openings: 4 }, false)),
        ("test", test()),
        ("code", code()),
    ];
    facts.map(|(name, facts)| (name, message::write(&facts))).into()
}

/// What a provider says that took a message, in the words of each.
const TAKEN: &str = r#"{"ok":true,"result":{"message_id":7},"status":"queued","sid":"SM1","id":"7"}"#;

/// Sends a message; gives the answer and the requests that the receiver got.
pub(crate) async fn send(settings: &Settings, message: &Message) -> (Result<String, SendError>, Vec<Call>) {
    send_at(|_| settings.clone(), message).await
}

/// The same to a server that the settings name.
pub(crate) async fn send_at(
    settings: impl Fn(&str) -> Settings,
    message: &Message,
) -> (Result<String, SendError>, Vec<Call>) {
    let receiver = Receiver::start().await;
    receiver.answers(202, &[], TAKEN);
    let sent = settings(&receiver.url("")).send(message, &client(&receiver)).await;
    (sent.map(|answer| answer.0), receiver.calls())
}

/// What a provider's answer is taken for.
pub(crate) async fn judged(
    settings: &Settings,
    status: u16,
    headers: &[(&'static str, &str)],
    body: &str,
) -> Result<String, SendError> {
    judged_at(|_| settings.clone(), status, headers, body).await
}

/// The same of a server that the settings name.
pub(crate) async fn judged_at(
    settings: impl Fn(&str) -> Settings,
    status: u16,
    headers: &[(&'static str, &str)],
    body: &str,
) -> Result<String, SendError> {
    let receiver = Receiver::start().await;
    receiver.answers(status, headers, body.to_owned());
    settings(&receiver.url("")).send(&down(), &client(&receiver)).await.map(|answer| answer.0)
}

/// All samples as the channel sends them, each body by `read`.
pub(crate) async fn written(settings: &Settings, read: impl Fn(&Call) -> String) -> String {
    written_at(|_| settings.clone(), read).await
}

/// The same to a server that the settings name.
pub(crate) async fn written_at(settings: impl Fn(&str) -> Settings, read: impl Fn(&Call) -> String) -> String {
    let mut text = String::new();
    for (name, message) in samples() {
        let (_, calls) = send_at(&settings, &message).await;
        assert!(!calls.is_empty(), "{name}");
        for call in &calls {
            text += &format!("== {name}\n{}\n\n", read(call));
        }
    }
    text
}

/// A JSON body, indented, with its keys in order.
pub(crate) fn json(call: &Call) -> String {
    let value: serde_json::Value = serde_json::from_slice(&call.body).unwrap();
    serde_json::to_string_pretty(&value).unwrap()
}

#[track_caller]
pub(crate) fn is_final(result: &Result<String, SendError>, words: &[&str]) {
    let good = matches!(result, Err(SendError::Permanent(reason)) if words.iter().all(|word| reason.contains(word)));
    assert!(good, "{words:?} for good in {result:?}");
}

#[track_caller]
pub(crate) fn is_for_later(result: &Result<String, SendError>, seconds: Option<u64>, word: &str) {
    let wait = seconds.map(std::time::Duration::from_secs);
    let good = matches!(result, Err(SendError::Retry { reason, after }) if reason.contains(word) && *after == wait);
    assert!(good, "{word} after {seconds:?} in {result:?}");
}

#[test]
fn mails_and_events_of_every_sort() {
    let mut text = String::new();
    for (name, message) in samples() {
        let event = serde_json::to_string_pretty(&message.event).unwrap();
        text += &format!("== {name}\n{}\n\n{}\n{event}\n\n", message.subject, message.text);
    }
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn a_mail_and_a_webhook_say_what_the_samples_say() {
    // Both carry the forms above as they are, which their own tests check; here, that neither refuses any.
    for (name, message) in samples() {
        let receiver = Receiver::start().await;
        let guard = EgressGuard::new(vec!["127.0.0.0/8".parse().unwrap()]);
        let client = Client::new(Mail::default(), Outbound::default(), guard).unwrap();
        webhook(&receiver.url("/")).send(&message, &client).await.unwrap();
        let event: serde_json::Value = serde_json::from_slice(&receiver.calls()[0].body).unwrap();
        assert_eq!(event, message.event, "{name}");
        let without_server = email("oncall@example.org").send(&message, &client).await;
        assert!(without_server.is_err(), "{name}");
    }
}
