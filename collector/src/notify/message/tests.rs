//! What people read, as snapshots.

mod minimal;
mod reminder;
mod together;

use std::time::Duration;

use insta::assert_snapshot;
use picket_shared::ids::MaintenanceId;
use picket_shared::time::Timestamp;
use uuid::Uuid;

use super::*;
use crate::domain::outage::vote::Vote;
use crate::domain::outage::{FailureFacts, NoticeKind, Over, RegionLine, Resolution};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn monitor() -> MonitorFacts {
    MonitorFacts {
        id: MonitorId(Uuid::from_u128(2)),
        name: "shop".to_owned(),
        kind: "http".to_owned(),
        target: "https://shop.example/".to_owned(),
        briefing: Briefing::default(),
        dependents: Vec::new(),
    }
}

fn incident(resolved: Option<&str>) -> IncidentFacts {
    let mut evidence = Evidence::default();
    evidence.add("status", "503");
    evidence.add("body", "<h1>Backend\nfetch failed</h1>");
    IncidentFacts {
        id: IncidentId(Uuid::from_u128(3)),
        started_at: at("2026-03-01T10:00:00Z"),
        confirmed_at: at("2026-03-01T10:00:12Z"),
        resolved_at: resolved.map(at),
        failure: FailureKind::HttpStatus,
        message: "The status 503 is not an accepted one (200-399).".to_owned(),
        severity: incident::Severity::Critical,
        evidence,
    }
}

fn line(region: &str, vote: Vote, failing: bool) -> RegionLine {
    let message = "The status 503 is not an accepted one (200-399).".to_owned();
    let failure = failing.then_some(FailureFacts { kind: FailureKind::HttpStatus, message });
    RegionLine { region: region.parse().unwrap(), vote, failure }
}

fn facts(kind: NoticeKind, incident: Option<IncidentFacts>, now: &str) -> Facts {
    let regions =
        vec![line("ap-1", Vote::Silent, false), line("eu-1", Vote::Fail, true), line("us-1", Vote::Ok, false)];
    let started = incident.as_ref().map(|incident| incident.started_at);
    let notice = Notice { kind, at: at("2026-03-01T10:00:12Z"), incident_started_at: started, regions };
    Facts {
        delivery: DeliveryId(Uuid::from_u128(1)),
        now: at(now),
        public_url: Some("https://picket.example/".to_owned()),
        minimal: false,
        back: Back::default(),
        occasion: Occasion::Notice { notice, monitor: monitor(), incident },
    }
}

fn read(facts: &Facts) -> String {
    let message = write(facts);
    format!("{}\n\n{}", message.subject, message.text)
}

#[test]
fn a_down_message_says_what_since_when_why_what_was_seen_and_who_voted() {
    assert_snapshot!(read(&facts(NoticeKind::Down, Some(incident(None)), "2026-03-01T10:00:13Z")), @r#"
    Down: shop

    shop is down.

    What      shop: https://shop.example/ (http)
    Since     2026-03-01T10:00:00Z (sure after 12 s)
    Why       The status 503 is not an accepted one (200-399). [http_status]
    Seen      body: <h1>Backend fetch failed</h1>
              status: 503
    Regions   ap-1: silent
              eu-1: down: The status 503 is not an accepted one (200-399). [http_status]
              us-1: up

    https://picket.example/incidents/00000000-0000-0000-0000-000000000003
    "#);
}

#[test]
fn an_up_message_says_how_long_it_lasted() {
    let over = Over { at: at("2026-03-01T10:07:05Z"), resolution: Resolution::Recovered };
    let incident = incident(Some("2026-03-01T10:07:05Z"));
    assert_snapshot!(read(&facts(NoticeKind::Up { over }, Some(incident), "2026-03-01T10:07:35Z")), @r#"
    Up: shop (was down for 7 min 5 s)

    shop is up again after 7 min 5 s.

    What      shop: https://shop.example/ (http)
    Since     2026-03-01T10:00:00Z (sure after 12 s)
    Until     2026-03-01T10:07:05Z (7 min 5 s)
    Why       The status 503 is not an accepted one (200-399). [http_status]
    Seen      body: <h1>Backend fetch failed</h1>
              status: 503
    Regions   ap-1: silent
              eu-1: down: The status 503 is not an accepted one (200-399). [http_status]
              us-1: up

    https://picket.example/incidents/00000000-0000-0000-0000-000000000003
    "#);
}

#[test]
fn a_down_message_that_comes_late_says_that_it_is_over() {
    let incident = incident(Some("2026-03-01T10:07:05Z"));
    let message = write(&facts(NoticeKind::Down, Some(incident), "2026-03-01T11:00:00Z"));
    assert_eq!(message.subject, "Was down: shop");
    assert!(message.text.starts_with("shop was down, and that is over;"), "{}", message.text);
}

#[test]
fn a_message_without_an_incident_leads_to_the_monitor() {
    let failing = ["eu-1".parse().unwrap()].into();
    assert_snapshot!(read(&facts(NoticeKind::Regional { failing }, None, "2026-03-01T10:00:13Z")), @r#"
    Failing from eu-1: shop

    shop fails from eu-1 and is up from elsewhere; this is no incident.

    What      shop: https://shop.example/ (http)
    At        2026-03-01T10:00:12Z
    Regions   ap-1: silent
              eu-1: down: The status 503 is not an accepted one (200-399). [http_status]
              us-1: up

    https://picket.example/monitors/00000000-0000-0000-0000-000000000002
    "#);
}

#[test]
fn every_kind_has_a_headline_that_names_what_it_is_about() {
    let over = |resolution| NoticeKind::Up { over: Over { at: at("2026-03-01T10:07:05Z"), resolution } };
    let region = || "eu-1".parse().unwrap();
    let kinds = [
        NoticeKind::Down,
        over(Resolution::Recovered),
        over(Resolution::Paused),
        over(Resolution::Deleted),
        NoticeKind::Reminder,
        NoticeKind::NeverCameUp,
        NoticeKind::Regional { failing: [region()].into() },
        NoticeKind::RegionalOver,
        NoticeKind::NoData { since: at("2026-03-01T10:00:00Z") },
        NoticeKind::RegionSilent { region: region(), heard: None },
        NoticeKind::RegionHeard { region: region() },
        NoticeKind::RegionNetworkBad { region: region(), since: at("2026-03-01T10:00:00Z") },
        NoticeKind::RegionNetworkGood { region: region() },
        NoticeKind::Flapping { openings: 4 },
        NoticeKind::FlappingOver,
    ];
    let subjects = kinds.into_iter().map(|kind| write(&facts(kind, None, "2026-03-01T10:08:00Z")).subject);
    assert_snapshot!(subjects.collect::<Vec<_>>().join("\n"), @r#"
    Down: shop
    Up: shop
    Paused: shop
    Deleted: shop
    Still down, not acknowledged: shop
    Never came up: shop
    Failing from eu-1: shop
    Good from everywhere: shop
    No data: shop
    Silent: region eu-1
    Back: region eu-1
    Bad network: region eu-1
    Good network: region eu-1
    Flapping: shop
    Settled: shop
    "#);
}

#[test]
fn the_event_is_one_object_for_programs() {
    let event = write(&facts(NoticeKind::Down, Some(incident(None)), "2026-03-01T10:00:13Z")).event;
    assert_snapshot!(serde_json::to_string_pretty(&event).unwrap(), @r#"
    {
      "data": {
        "at": "2026-03-01T10:00:12.000Z",
        "incident": {
          "confirmed_at": "2026-03-01T10:00:12.000Z",
          "failure": {
            "evidence": {
              "body": "<h1>Backend\nfetch failed</h1>",
              "status": "503"
            },
            "kind": "http_status",
            "message": "The status 503 is not an accepted one (200-399)."
          },
          "id": "00000000-0000-0000-0000-000000000003",
          "resolved_at": null,
          "severity": "critical",
          "started_at": "2026-03-01T10:00:00.000Z"
        },
        "monitor": {
          "id": "00000000-0000-0000-0000-000000000002",
          "kind": "http",
          "name": "shop",
          "owner": null,
          "runbook_url": null,
          "severity": "critical",
          "target": "https://shop.example/"
        },
        "notice": "down",
        "over": null,
        "regions": [
          {
            "failure": null,
            "region": "ap-1",
            "vote": "silent"
          },
          {
            "failure": {
              "kind": "http_status",
              "message": "The status 503 is not an accepted one (200-399)."
            },
            "region": "eu-1",
            "vote": "fail"
          },
          {
            "failure": null,
            "region": "us-1",
            "vote": "ok"
          }
        ]
      },
      "timestamp": "2026-03-01T10:00:13.000Z",
      "type": "monitor.down"
    }
    "#);
}

#[test]
fn what_a_target_or_a_name_holds_cannot_become_markup_or_a_line() {
    let mut facts = facts(NoticeKind::Down, Some(incident(None)), "2026-03-01T10:00:13Z");
    if let Occasion::Notice { monitor, .. } = &mut facts.occasion {
        monitor.name = "a<script>\r\nBcc: x@example.org".to_owned();
    }
    let message = write(&facts);
    assert!(!message.subject.contains(['\r', '\n']), "{:?}", message.subject);
    assert!(!message.html.contains("<script>") && !message.html.contains("<h1>"), "{}", message.html);
}

#[test]
fn a_message_says_whose_a_monitor_is_what_to_do_and_how_bad_it_is_where_that_is_not_the_usual() {
    let briefed = |kind: NoticeKind, with_incident: bool| {
        let mut facts = facts(kind, with_incident.then(|| incident(None)), "2026-03-01T10:00:13Z");
        if let Occasion::Notice { monitor, incident, .. } = &mut facts.occasion {
            monitor.briefing = Briefing {
                severity: incident::Severity::Error,
                owner: Some("Team <Shop>".to_owned()),
                runbook_url: Some("https://wiki.example/shop?page=\"down\"&x=1".to_owned()),
            };
            // The monitor became less pressing since its incident was opened.
            if let Some(incident) = incident {
                incident.severity = incident::Severity::Warning;
            }
        }
        write(&facts)
    };
    let down = briefed(NoticeKind::Down, true);
    let unlinked = Brief { link: None, ..down.brief.clone() };
    assert!(
        short::sms(&down.brief).contains("Team <Shop>") && !short::sms(&down.brief).contains("wiki"),
        "no room for it"
    );
    for form in [&down.text, &down.brief.lines("\n"), &short::sms(&unlinked)] {
        assert!(
            form.contains("Team <Shop>")
                && form.contains("warning")
                && form.contains("https://wiki.example/shop?page="),
            "{form}"
        );
    }
    assert!(down.html.contains("<td>Team &lt;Shop&gt;</td>"), "{}", down.html);
    assert!(
        down.html.contains("<td><a href=\"https://wiki.example/shop?page=&quot;down&quot;&amp;x=1\">"),
        "{}",
        down.html
    );
    assert_eq!(down.event["data"]["monitor"]["severity"], "error");
    assert_eq!(down.event["data"]["monitor"]["owner"], "Team <Shop>");
    assert_eq!(down.event["data"]["incident"]["severity"], "warning");
    assert_eq!((down.alarms[0].severity, down.alarms[0].class), (Severity::Warning, Class::Outage(Severity::Warning)));
    let no_data = briefed(NoticeKind::NoData { since: at("2026-03-01T10:00:00Z") }, false);
    assert!(no_data.text.contains("Team <Shop>") && !no_data.text.contains("Severity"), "{}", no_data.text);
    assert_eq!(no_data.alarms[0].severity, Severity::Error, "how bad it is not to know is not the monitor's to say");
    let silent = briefed(NoticeKind::RegionSilent { region: "eu-1".parse().unwrap(), heard: None }, false);
    assert!(!silent.text.contains("Team") && !silent.text.contains("wiki"), "{}", silent.text);
}

#[test]
fn durations_are_written_for_people() {
    for (seconds, text) in [(0, "0 s"), (65, "1 min 5 s"), (7620, "2 h 7 min"), (349_200, "4 d 1 h")] {
        assert_eq!(duration(Duration::from_secs(seconds)), text);
    }
}

#[test]
fn every_alarm_that_is_raised_has_a_key_of_its_own_and_its_end_the_same() {
    let over = Over { at: at("2026-03-01T10:07:05Z"), resolution: Resolution::Recovered };
    let region = || "eu-1".parse().unwrap();
    let pairs = [
        (NoticeKind::Down, Some(NoticeKind::Up { over })),
        (NoticeKind::Regional { failing: [region()].into() }, Some(NoticeKind::RegionalOver)),
        (
            NoticeKind::RegionSilent { region: region(), heard: None },
            Some(NoticeKind::RegionHeard { region: region() }),
        ),
        (NoticeKind::Flapping { openings: 4 }, Some(NoticeKind::FlappingOver)),
        (NoticeKind::NeverCameUp, None),
        (NoticeKind::NoData { since: at("2026-03-01T10:00:00Z") }, None),
    ];
    let mut keys = std::collections::BTreeSet::new();
    for (begin, end) in pairs {
        let alarm = |kind: NoticeKind| {
            let incident = matches!(kind, NoticeKind::Down | NoticeKind::Up { .. }).then(|| incident(None));
            let alarms = write(&facts(kind, incident, "2026-03-01T10:00:13Z")).alarms;
            assert_eq!(alarms.len(), 1, "{alarms:?}");
            (alarms[0].act, alarms[0].key.clone())
        };
        let (act, key) = alarm(begin);
        assert_eq!(act, Act::Raise);
        if let Some(end) = end {
            assert_eq!(alarm(end), (Act::Clear, key.clone()));
        }
        assert!(keys.insert(key));
    }
    let over = write(&facts(NoticeKind::Down, Some(incident(Some("2026-03-01T10:07:05Z"))), "2026-03-01T11:00:00Z"));
    assert_eq!(over.alarms[0].severity, Severity::Warning, "nobody is woken as if it were not over");
}

#[test]
fn the_code_is_in_every_form_of_its_message_but_the_subject() {
    let (code, until) = (SecretString::new("482913".to_owned()), at("2026-03-01T10:15:00Z"));
    let occasion = Occasion::Code { code, until };
    let facts = Facts { occasion, ..facts(NoticeKind::FlappingOver, None, "2026-03-01T10:00:00Z") };
    assert!(!format!("{facts:?}").contains("482913"));
    let message = write(&facts);
    let brief = message.brief.lines("\n");
    for form in [&message.text, &message.html, &message.event.to_string(), &brief, &short::sms(&message.brief)] {
        assert!(form.contains("482913") && form.contains("2026-03-01T10:15:00"), "{form}");
    }
    assert!(!message.subject.contains("482913") && !message.brief.headline.contains("482913"));
}
