//! What is said where as little as possible is to be said.

use super::together::{MAINTENANCE, maintenance};
use super::*;

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
