//! What people read, as snapshots.

use std::time::Duration;

use insta::assert_snapshot;
use picket_shared::time::Timestamp;
use uuid::Uuid;

use super::*;
use crate::domain::outage::vote::Vote;
use picket_shared::ids::MaintenanceId;

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
fn a_reminder_says_how_long_it_lasts_and_that_nobody_acknowledged_it() {
    let reminder = facts(NoticeKind::Reminder, Some(incident(None)), "2026-03-01T10:30:00Z");
    assert_snapshot!(read(&reminder), @r#"
    Still down, not acknowledged: shop

    shop has been down for 30 min 0 s, and nobody has acknowledged it.

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
    let message = write(&reminder);
    assert_eq!(message.alarms, write(&facts(NoticeKind::Down, Some(incident(None)), "2026-03-01T10:30:00Z")).alarms);
    assert_snapshot!(short::sms(&message.brief), @r#"
    Still down, not acknowledged: shop
    Since: 2026-03-01T10:00:00Z
    Seen: The status 503 is not an accepted one (200-399).
    From: eu-1 down; ap-1 silent; us-1 up
    What: https://shop.example/ (http)
    https://picket.example/incidents/00000000-0000-0000-0000-000000000003
    "#);
    let minimal = write(&Facts { minimal: true, ..reminder });
    assert_snapshot!(format!("{}\n\n{}", minimal.subject, minimal.text), @r#"
    Not acknowledged

    An incident is still open, and nobody has acknowledged it.

    Since     2026-03-01T10:00:00Z (sure after 12 s)

    https://picket.example/incidents/00000000-0000-0000-0000-000000000003
    "#);
    let over = facts(NoticeKind::Reminder, Some(incident(Some("2026-03-01T10:07:05Z"))), "2026-03-01T11:00:00Z");
    assert_eq!(write(&over).subject, "Was down: shop");
}

#[test]
fn a_reminder_of_what_a_person_opened_names_it_by_its_title() {
    let incident = DeclaredFacts {
        id: IncidentId(Uuid::from_u128(3)),
        title: "Payments are slow".to_owned(),
        severity: Severity::Error,
        monitors: vec!["shop".to_owned()],
        started_at: at("2026-03-01T10:00:00Z"),
        resolved_at: None,
    };
    let occasion = Occasion::Declared { kind: NoticeKind::Reminder, at: at("2026-03-01T10:30:00Z"), incident };
    let facts = Facts { occasion, ..facts(NoticeKind::Down, None, "2026-03-01T10:30:00Z") };
    assert_snapshot!(read(&facts), @r#"
    Still open, not acknowledged: Payments are slow

    The incident "Payments are slow" is still open, and nobody has acknowledged it.

    Severity  error
    Monitors  shop
    Since     2026-03-01T10:00:00Z

    https://picket.example/incidents/00000000-0000-0000-0000-000000000003
    "#);
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
fn a_minimal_message_names_nothing_that_is_watched_in_any_form() {
    let region = || "eu-1".parse().unwrap();
    let over = Over { at: at("2026-03-01T10:07:05Z"), resolution: Resolution::Recovered };
    let kinds = [
        NoticeKind::Down,
        NoticeKind::Up { over },
        NoticeKind::Reopened,
        NoticeKind::Acknowledged,
        NoticeKind::Reminder,
        NoticeKind::NeverCameUp,
        NoticeKind::NoData { since: at("2026-03-01T10:00:00Z") },
        NoticeKind::Regional { failing: [region()].into() },
        NoticeKind::RegionalOver,
        NoticeKind::Flapping { openings: 4 },
        NoticeKind::FlappingOver,
        NoticeKind::RegionSilent { region: region(), heard: None },
        NoticeKind::RegionHeard { region: region() },
        NoticeKind::RegionNetworkBad { region: region(), since: at("2026-03-01T10:00:00Z") },
        NoticeKind::RegionNetworkGood { region: region() },
    ];
    let all = kinds.into_iter().flat_map(|kind| [(kind.clone(), None), (kind, Some(incident(None)))]);
    let mut said = all
        .map(|(kind, incident)| {
            let mut facts = Facts { minimal: true, ..facts(kind, incident, "2026-03-01T10:00:13Z") };
            if let Occasion::Notice { monitor, .. } = &mut facts.occasion {
                let severity = incident::Severity::Warning;
                let (owner, runbook_url) = (Some("Team Shop".to_owned()), Some("https://wiki.example/".to_owned()));
                monitor.briefing = Briefing { severity, owner, runbook_url };
            }
            write(&facts)
        })
        .collect::<Vec<_>>();
    for (kind, resolved) in [(NoticeKind::Declared, None), (NoticeKind::DeclaredOver, Some(at("2026-03-01T11:00:00Z")))]
    {
        let incident = DeclaredFacts {
            id: IncidentId(Uuid::from_u128(3)),
            title: "shop is slow".to_owned(),
            severity: Severity::Error,
            monitors: vec!["shop".to_owned()],
            started_at: at("2026-03-01T10:00:00Z"),
            resolved_at: resolved,
        };
        let occasion = Occasion::Declared { kind, at: at("2026-03-01T10:00:00Z"), incident };
        said.push(write(&Facts { minimal: true, occasion, ..facts(NoticeKind::Down, None, "2026-03-01T11:00:00Z") }));
    }
    said.extend(MAINTENANCE.map(|kind| write(&Facts { minimal: true, ..maintenance(kind) })));
    let occasion = Occasion::Test { channel: "shop".to_owned() };
    said.push(write(&Facts { minimal: true, occasion, ..facts(NoticeKind::Down, None, "2026-03-01T11:00:00Z") }));
    let monitor_id = Uuid::from_u128(2).to_string();
    for message in &said {
        let whole = format!("{message:?} {}", short::sms(&message.brief)).to_lowercase();
        for secret in [
            "shop",
            "http_status",
            "503",
            "eu-1",
            "us-1",
            "team",
            "wiki",
            "backend",
            "upgrade",
            "berlin",
            "read-only",
            &monitor_id,
        ] {
            assert!(!whole.contains(secret), "{secret} in {whole}");
        }
        assert!(message.brief.link.as_deref().is_some_and(|link| link.starts_with("https://picket.example/")));
    }
}

#[test]
fn a_minimal_message_says_what_sort_of_thing_since_when_and_where_to_look() {
    let minimal = |kind, incident| Facts { minimal: true, ..facts(kind, incident, "2026-03-01T10:00:13Z") };
    let down = write(&minimal(NoticeKind::Down, Some(incident(None))));
    assert_snapshot!(format!("{}\n\n{}\n{}", down.subject, down.text, down.event), @r#"
    Down

    A monitor is down.

    Since     2026-03-01T10:00:00Z (sure after 12 s)

    https://picket.example/incidents/00000000-0000-0000-0000-000000000003

    {"data":{"incident":"00000000-0000-0000-0000-000000000003","notice":"down","since":"2026-03-01T10:00:00.000Z","until":null},"timestamp":"2026-03-01T10:00:13.000Z","type":"monitor.down"}
    "#);
    // Its end is known by the same key.
    let key = |kind| write(&minimal(kind, None)).alarms[0].key.clone();
    let regional = key(NoticeKind::Regional { failing: ["eu-1".parse().unwrap()].into() });
    assert_eq!(regional, key(NoticeKind::RegionalOver));
    assert_ne!(regional, key(NoticeKind::FlappingOver));
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

fn many() -> Facts {
    let named = |name: &str, id: u128, kind: NoticeKind, resolved: Option<&str>| {
        let mut facts = facts(kind, Some(incident(resolved)), "2026-03-01T10:08:00Z");
        if let Occasion::Notice { monitor, incident: Some(incident), .. } = &mut facts.occasion {
            monitor.name = name.to_owned();
            incident.id = IncidentId(Uuid::from_u128(id));
            incident.evidence.add("address", "192.0.2.7");
        }
        facts.occasion
    };
    let up = || NoticeKind::Up { over: Over { at: at("2026-03-01T10:07:05Z"), resolution: Resolution::Recovered } };
    let items = vec![
        named("shop", 1, NoticeKind::Down, None),
        named("api <v2>", 2, NoticeKind::Down, None),
        named("mail", 3, NoticeKind::Down, Some("2026-03-01T10:07:05Z")),
        named("db", 4, NoticeKind::Down, None),
        named("mail", 3, up(), Some("2026-03-01T10:07:05Z")),
        named("web", 5, NoticeKind::Acknowledged, None),
    ];
    Facts { occasion: Occasion::Many { items }, ..facts(NoticeKind::Down, None, "2026-03-01T10:08:00Z") }
}

#[test]
fn several_notices_are_one_message_with_what_they_have_in_common() {
    let message = write(&many());
    assert_snapshot!(format!("{}\n\n{}", message.subject, message.text));
    assert_snapshot!("several_in_short", format!("{}{}", message.brief.headline, message.brief.lines("\n")));
    assert!(message.html.contains("api &lt;v2&gt;"));
    assert_eq!(message.event["data"]["notices"].as_array().unwrap().len(), 6, "programs get all");
    let minimal = write(&Facts { minimal: true, ..many() });
    assert_snapshot!("several_as_little_as_possible", format!("{}\n\n{}", minimal.subject, minimal.text));
    assert!(["shop", "api", "192.0.2.7"].iter().all(|name| !format!("{minimal:?}").contains(name)), "{minimal:?}");
}

const MAINTENANCE: [NoticeKind; 4] = [
    NoticeKind::MaintenanceScheduled,
    NoticeKind::MaintenanceBegan,
    NoticeKind::MaintenanceEnded,
    NoticeKind::MaintenanceCalledOff,
];

fn maintenance(kind: NoticeKind) -> Facts {
    let maintenance = MaintenanceFacts {
        id: MaintenanceId(Uuid::from_u128(7)),
        title: "Database upgrade".to_owned(),
        note: "The shop is read-only.\nOrders wait.".to_owned(),
        zone: "Europe/Berlin".parse().unwrap(),
        starts_at: at("2026-03-29T01:30:00Z"),
        ends_at: at("2026-03-29T03:30:00Z"),
        all: false,
        monitors: vec!["api".to_owned(), "shop".to_owned()],
    };
    Facts {
        delivery: DeliveryId(Uuid::from_u128(1)),
        now: at("2026-03-28T01:30:00Z"),
        public_url: Some("https://picket.example/".to_owned()),
        minimal: false,
        back: Back::default(),
        occasion: Occasion::Maintenance { kind, at: at("2026-03-28T01:30:00Z"), maintenance },
    }
}

#[test]
fn maintenance_is_told_by_the_clocks_of_its_zone_and_in_utc() {
    let texts: Vec<_> = MAINTENANCE.into_iter().map(|kind| read(&maintenance(kind))).collect();
    assert_snapshot!("maintenance", texts.join("\n---\n"));
    let message = write(&maintenance(NoticeKind::MaintenanceBegan));
    assert_snapshot!("maintenance_for_programs", serde_json::to_string_pretty(&message.event).unwrap());
    assert_snapshot!("maintenance_in_short", format!("{:#?}", message.brief));
    assert!(message.alarms.is_empty());
    assert!(message.html.contains("Database upgrade") && message.html.contains("/maintenance/"));
}

#[test]
fn maintenance_of_everything_or_of_nothing_says_so() {
    let told = |all: bool, count: usize| {
        let mut facts = maintenance(NoticeKind::MaintenanceBegan);
        if let Occasion::Maintenance { maintenance, .. } = &mut facts.occasion {
            maintenance.all = all;
            maintenance.monitors = (0..count).map(|n| format!("m{n}")).collect();
        }
        let text = write(&facts).text;
        text.lines().find(|line| line.starts_with("Monitors")).unwrap().to_owned()
    };
    assert!(told(true, 0).ends_with(" all") && told(false, 0).ends_with(" none"));
    assert!(told(false, 23).ends_with("m19 and 3 more"));
}

#[test]
fn minimal_maintenance_says_when_and_where_to_look() {
    let message = write(&Facts { minimal: true, ..maintenance(NoticeKind::MaintenanceCalledOff) });
    assert_snapshot!(format!("{}\n\n{}\n{}", message.subject, message.text, message.event), @r#"
    Maintenance called off

    Maintenance that was planned will not be.

    Begins    2026-03-29T01:30:00Z
    Ends      2026-03-29T03:30:00Z

    https://picket.example/maintenance

    {"data":{"incident":null,"notice":"maintenance_called_off","since":"2026-03-29T01:30:00.000Z","until":"2026-03-29T03:30:00.000Z"},"timestamp":"2026-03-28T01:30:00.000Z","type":"maintenance.called_off"}
    "#);
}
