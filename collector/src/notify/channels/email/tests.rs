//! The letter itself; sending it is tested against a real server in `tests/notify.rs`.

use picket_shared::ids::{DeliveryId, IncidentId};
use picket_shared::time::Timestamp;
use uuid::Uuid;

use super::*;
use crate::notify::message::{Back, Brief};

fn message(subject: &str) -> Message {
    Message {
        id: DeliveryId(Uuid::from_u128(1)),
        thread: Some(IncidentId(Uuid::from_u128(3))),
        at: Timestamp::from_seconds(1_772_359_213),
        subject: subject.to_owned(),
        text: "shop is down.\n".to_owned(),
        html: "<p>shop is down.</p>\n".to_owned(),
        event: serde_json::Value::Null,
        brief: Brief::default(),
        alarms: Vec::new(),
        code: None,
        back: Back::default(),
    }
}

fn write(to: &str, subject: &str) -> Result<String, SendError> {
    let from = "Picket <picket@example.org>".parse().unwrap();
    let letter = letter(&Email { to: to.to_owned() }, from, &message(subject))?;
    Ok(String::from_utf8(letter.formatted()).unwrap())
}

#[test]
fn the_letter_can_be_told_from_others_and_is_marked_as_written_by_a_program() {
    let letter = write("oncall@example.org", "Down: shop").unwrap();
    for line in [
        "Message-ID: <00000000-0000-0000-0000-000000000001@example.org>",
        "X-Picket-Delivery: 00000000-0000-0000-0000-000000000001",
        "In-Reply-To: <incident.00000000-0000-0000-0000-000000000003@example.org>",
        "Auto-Submitted: auto-generated",
        "Subject: Down: shop",
        "To: oncall@example.org",
        "Date: Sun, 01 Mar 2026 10:00:13 +0000",
    ] {
        assert!(letter.contains(&format!("{line}\r\n")), "{line} is missing in\n{letter}");
    }
    assert!(letter.contains("text/plain") && letter.contains("text/html"), "{letter}");
}

#[test]
fn a_line_break_in_a_header_field_is_refused() {
    for (to, subject) in [
        ("oncall@example.org", "Down\r\nBcc: evil@example.org"),
        ("oncall@example.org", "Down\nBcc: evil@example.org"),
        ("oncall@example.org\r\nBcc: evil@example.org", "Down"),
        ("oncall@example.org\n", "Down"),
    ] {
        assert!(matches!(write(to, subject), Err(SendError::Permanent(_))), "{to:?} {subject:?}");
    }
}

#[test]
fn only_addresses_are_addresses_and_the_hint_shortens_them() {
    let email = |to: &str| Email { to: to.to_owned() };
    assert_eq!(email("oncall@example.org").check(), []);
    assert_eq!(email("oncall@example.org").hint(), "o***@example.org");
    assert!(!format!("{:?}", email("oncall@example.org")).contains("oncall"));
    for bad in ["", "oncall", "a b@example.org", "a@example.org, b@example.org", "a@", "@example.org"] {
        assert_eq!(email(bad).check().len(), 1, "{bad:?}");
    }
}
