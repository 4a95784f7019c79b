//! Shifts as a calendar (iCalendar, RFC 5545), for the programs in which people keep theirs.
//!
//! Times are in UTC, so that no program needs to know a zone or when clocks change in it. Whoever reads the calendar takes the whole of
//! it each time.

use picket_shared::time::Timestamp;

use crate::domain::zone::Zone;

/// Most bytes of a line, without its end.
const LINE: usize = 75;

/// Something in a calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Names it for ever: `id@picket`.
    pub uid: String,
    /// What it is called.
    pub summary: String,
    /// From then.
    pub from: Timestamp,
    /// Until then.
    pub to: Timestamp,
}

/// A calendar of that name, as it is at `now`.
pub fn write(name: &str, events: &[Event], now: Timestamp) -> String {
    let mut text = String::new();
    let mut line = |content: String| fold(&mut text, &content);
    for head in ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Picket//Picket//EN", "METHOD:PUBLISH"] {
        line(head.to_owned());
    }
    line(format!("X-WR-CALNAME:{}", escaped(name)));
    line("REFRESH-INTERVAL;VALUE=DURATION:PT1H".to_owned());
    for event in events {
        line("BEGIN:VEVENT".to_owned());
        line(format!("UID:{}", escaped(&event.uid)));
        line(format!("DTSTAMP:{}", utc(now)));
        line(format!("DTSTART:{}", utc(event.from)));
        line(format!("DTEND:{}", utc(event.to)));
        line(format!("SUMMARY:{}", escaped(&event.summary)));
        // Who is on call can still do something else.
        line("TRANSP:TRANSPARENT".to_owned());
        line("END:VEVENT".to_owned());
    }
    line("END:VCALENDAR".to_owned());
    text
}

fn utc(at: Timestamp) -> String {
    Zone::utc().civil(at).strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// A text that ends no line and begins no property.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => escaped.extend(['\\', c]),
            '\n' => escaped.push_str("\\n"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Adds a line, which goes on behind a space where it is too long, never within a character.
fn fold(text: &mut String, content: &str) {
    let mut room = LINE;
    for c in content.chars() {
        if c.len_utf8() > room {
            text.push_str("\r\n ");
            room = LINE - 1;
        }
        room -= c.len_utf8();
        text.push(c);
    }
    text.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(summary: &str) -> Event {
        let at = |text: &str| text.parse().unwrap();
        Event {
            uid: "7-1774861200@picket".to_owned(),
            summary: summary.to_owned(),
            from: at("2026-03-30T09:00:00Z"),
            to: at("2026-04-06T09:00:00Z"),
        }
    }

    #[test]
    fn a_calendar_has_its_shifts_in_utc() {
        let text = write("On call, shop", &[event("ada@example.org")], "2026-03-01T10:00:00Z".parse().unwrap());
        let lines: Vec<_> = text.split_terminator("\r\n").collect();
        assert_eq!(
            lines,
            [
                "BEGIN:VCALENDAR",
                "VERSION:2.0",
                "PRODID:-//Picket//Picket//EN",
                "METHOD:PUBLISH",
                "X-WR-CALNAME:On call\\, shop",
                "REFRESH-INTERVAL;VALUE=DURATION:PT1H",
                "BEGIN:VEVENT",
                "UID:7-1774861200@picket",
                "DTSTAMP:20260301T100000Z",
                "DTSTART:20260330T090000Z",
                "DTEND:20260406T090000Z",
                "SUMMARY:ada@example.org",
                "TRANSP:TRANSPARENT",
                "END:VEVENT",
                "END:VCALENDAR",
            ]
        );
    }

    #[test]
    fn what_somebody_is_called_begins_no_line_and_a_long_one_is_folded() {
        let text = write("x", &[event("a;b\\\r\nATTENDEE:mailto:eve@example.org")], Timestamp::from_seconds(0));
        assert!(text.contains("SUMMARY:a\\;b\\\\ \\nATTENDEE:mailto"), "{text}");
        let long = "ä".repeat(100);
        let text = write("x", &[event(&long)], Timestamp::from_seconds(0));
        assert!(text.lines().all(|line| line.len() <= LINE), "{text}");
        assert!(text.replace("\r\n ", "").contains(&format!("SUMMARY:{long}\r\n")));
    }
}
