//! What still stands.

use super::*;

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
