//! Several notices in one message, and maintenance.

use super::*;

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

pub(super) const MAINTENANCE: [NoticeKind; 4] = [
    NoticeKind::MaintenanceScheduled,
    NoticeKind::MaintenanceBegan,
    NoticeKind::MaintenanceEnded,
    NoticeKind::MaintenanceCalledOff,
];

pub(super) fn maintenance(kind: NoticeKind) -> Facts {
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
