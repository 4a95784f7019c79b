//! Draws what one check found for a person: a bar for each phase, hop by hop, the certificate, the verdict. Pure.

use crate::check::CheckSpec;
use crate::manual::ManualOutcome;
use crate::outcome::{Certificate, Failure, Hop, Phases, Status};
use crate::time::Timestamp;

/// Columns of a bar that lasts as long as the check.
const WIDTH: usize = 48;
const NAMES_SHOWN: usize = 6;

/// The picture as text that ends with a line break; `now` is for the days a certificate has left.
pub fn draw(spec: &CheckSpec, found: &ManualOutcome, now: Timestamp, colour: bool) -> String {
    let mut page = Page { text: String::new(), colour };
    page.headline(spec, found);
    let whole = sum(&found.phases).max(found.total_us).max(1);
    if found.hops.is_empty() {
        page.bars(&found.phases, 0, whole);
    } else {
        let mut offset = 0;
        for (number, hop) in found.hops.iter().enumerate() {
            page.hop(number + 1, hop);
            offset = page.bars(&hop.phases, offset, whole);
        }
    }
    if found.phases != Phases::default() {
        page.total(found.total_us);
    }
    if let Some(certificate) = &found.certificate {
        page.certificate(certificate, now, spec.is_unverified());
    }
    if let Some(answers) = &found.answers {
        page.answers(answers);
    }
    if let Some(failure) = &found.failure {
        page.evidence(failure, found.certificate.is_some());
    }
    page.text
}

#[derive(Clone, Copy)]
enum Ink {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Phase(u8),
}

struct Page {
    text: String,
    colour: bool,
}

impl Page {
    fn ink(&self, ink: Ink, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match ink {
            Ink::Bold => "1".to_owned(),
            Ink::Dim => "2".to_owned(),
            Ink::Red => "1;31".to_owned(),
            Ink::Green => "1;32".to_owned(),
            Ink::Yellow => "1;33".to_owned(),
            Ink::Phase(number) => format!("38;5;{number}"),
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn headline(&mut self, spec: &CheckSpec, found: &ManualOutcome) {
        let (ink, word) = match found.status {
            Status::Up => (Ink::Green, "UP"),
            Status::Degraded => (Ink::Yellow, "DEGRADED"),
            Status::Down => (Ink::Red, "DOWN"),
            Status::Unmeasured | Status::Other => (Ink::Yellow, "UNMEASURED"),
        };
        let mut parts = Vec::new();
        match (spec, found.code) {
            (CheckSpec::Http(_), Some(code)) => parts.push(format!("HTTP {code}")),
            (CheckSpec::Dns(_), Some(code)) => parts.push(rcode(code)),
            _ => {}
        }
        if let Some(address) = found.address {
            parts.push(format!("from {address}"));
        }
        if found.total_us > 0 {
            parts.push(format!("in {}", milliseconds(found.total_us)));
        }
        let line = format!("{}  {}  {}", self.ink(ink, word), self.ink(Ink::Bold, &spec.target()), parts.join(" "));
        self.line(&line);
        if let Some(failure) = &found.failure {
            let kind = self.ink(Ink::Dim, failure.kind.as_str());
            let line = format!("{} {}  {kind}", self.ink(ink, "└─"), failure.message);
            self.line(&line);
        }
    }

    fn hop(&mut self, number: usize, hop: &Hop) {
        let code = hop.code.map_or_else(|| "no answer".to_owned(), |code| code.to_string());
        let address = hop.address.map(|address| address.to_string()).unwrap_or_default();
        let line = format!("\n{number}. {}  {code}  {}", self.ink(Ink::Bold, &hop.url), self.ink(Ink::Dim, &address));
        self.line(&line);
    }

    /// One bar a phase, each beginning where the last one ended; says where the last one ended.
    fn bars(&mut self, phases: &Phases, mut offset: u32, whole: u32) -> u32 {
        const INKS: [u8; 6] = [75, 79, 141, 180, 214, 110];
        for ((name, duration), ink) in phases.in_order().into_iter().zip(INKS) {
            let Some(duration) = duration else { continue };
            let (start, end) = (columns(offset, whole), columns(offset.saturating_add(duration), whole));
            let start = start.min(WIDTH - 1);
            let bar = "█".repeat(end.saturating_sub(start).max(1));
            let after = WIDTH.saturating_sub(start + end.saturating_sub(start).max(1));
            let line = format!(
                "  {name:<8}{:>10}  {}{}{}",
                milliseconds(duration),
                self.ink(Ink::Dim, &"·".repeat(start)),
                self.ink(Ink::Phase(ink), &bar),
                self.ink(Ink::Dim, &"·".repeat(after)),
            );
            self.line(&line);
            offset = offset.saturating_add(duration);
        }
        offset
    }

    fn total(&mut self, total_us: u32) {
        let line = self.ink(Ink::Bold, &format!("  {:<8}{:>10}", "total", milliseconds(total_us)));
        self.line(&line);
    }

    fn certificate(&mut self, certificate: &Certificate, now: Timestamp, unverified: bool) {
        let days = certificate.not_after.micros_since(now).div_euclid(86_400_000_000);
        let (ink, left) = match days {
            ..0 => (Ink::Red, format!("ended {} days ago", -days)),
            0..14 => (Ink::Yellow, format!("{days} days left")),
            _ => (Ink::Green, format!("{days} days left")),
        };
        let shown: Vec<&str> = certificate.names.iter().take(NAMES_SHOWN).map(String::as_str).collect();
        let more = certificate.names.len().saturating_sub(NAMES_SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let note = if unverified { self.ink(Ink::Yellow, "  not verified") } else { String::new() };
        let title = self.ink(Ink::Bold, "certificate");
        self.line(&format!("\n{title}{note}"));
        let (subject, issuer) = (or_none(&certificate.subject), or_none(&certificate.issuer));
        self.pair("subject", subject);
        self.pair("issuer", issuer);
        self.pair("names", &format!("{}{more}", or_none(&shown.join(", "))));
        let valid = format!("{:.0} to {:.0}, {}", certificate.not_before, certificate.not_after, self.ink(ink, &left));
        self.pair("valid", &valid);
        self.pair("sha-256", &certificate.fingerprint);
    }

    fn answers(&mut self, answers: &[String]) {
        let title = self.ink(Ink::Bold, "answer");
        self.line(&format!("\n{title}"));
        for answer in answers {
            self.line(&format!("  {}", clean(answer)));
        }
    }

    /// What was seen, but for what the certificate above says already.
    fn evidence(&mut self, failure: &Failure, certificate_shown: bool) {
        let repeated = ["subject", "issuer", "names", "not_before", "not_after", "fingerprint"];
        let evidence: Vec<(&str, &str)> =
            failure.evidence.iter().filter(|(what, _)| !(certificate_shown && repeated.contains(what))).collect();
        if evidence.is_empty() {
            return;
        }
        let title = self.ink(Ink::Bold, "evidence");
        self.line(&format!("\n{title}"));
        for (what, value) in evidence {
            let value = clean(value).replace('\n', &format!("\n  {:<14}", ""));
            self.line(&format!("  {} {value}", self.ink(Ink::Dim, &format!("{what:<13}"))));
        }
    }

    fn pair(&mut self, what: &str, value: &str) {
        let line = format!("  {} {}", self.ink(Ink::Dim, &format!("{what:<8}")), value);
        self.line(&line);
    }
}

fn sum(phases: &Phases) -> u32 {
    phases.in_order().into_iter().filter_map(|(_, duration)| duration).fold(0, u32::saturating_add)
}

fn columns(offset: u32, whole: u32) -> usize {
    let exact = f64::from(offset) / f64::from(whole) * f64::from(u32::try_from(WIDTH).unwrap_or(u32::MAX));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to WIDTH")]
    let rounded = exact.round() as usize;
    rounded.min(WIDTH)
}

fn milliseconds(micros: u32) -> String {
    match micros {
        0..10_000 => format!("{:.2} ms", f64::from(micros) / 1e3),
        10_000..1_000_000 => format!("{:.1} ms", f64::from(micros) / 1e3),
        _ => format!("{:.2} s", f64::from(micros) / 1e6),
    }
}

fn rcode(code: u16) -> String {
    match code {
        0 => "NOERROR".to_owned(),
        2 => "SERVFAIL".to_owned(),
        3 => "NXDOMAIN".to_owned(),
        5 => "REFUSED".to_owned(),
        other => format!("RCODE {other}"),
    }
}

const fn or_none(text: &str) -> &str {
    if text.is_empty() { "(none)" } else { text }
}

/// What a target sent must not steer the terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::HttpSpec;
    use crate::outcome::{FailureKind, SelfCheck};

    #[test]
    fn a_failed_check_is_drawn_with_its_phases_its_reason_and_without_colour_when_asked() {
        let found = ManualOutcome {
            at: Timestamp::default(),
            self_check: SelfCheck::Good,
            status: Status::Down,
            total_us: 30_000,
            phases: Phases { connect: Some(10_000), wait: Some(20_000), ..Phases::default() },
            address: "192.0.2.1".parse().ok(),
            code: Some(500),
            failure: Some(Failure::new(FailureKind::HttpStatus, "status 500").seen("body", "oh\u{1b}[2J no")),
            hops: Vec::new(),
            certificate: None,
            answers: None,
        };
        let spec = CheckSpec::Http(HttpSpec::get("http://example.org/"));
        let text = draw(&spec, &found, Timestamp::default(), false);
        assert!(text.starts_with("DOWN  http://example.org/  HTTP 500 from 192.0.2.1 in 30.0 ms\n"), "{text}");
        assert!(text.contains(&format!("  connect    10.0 ms  {}{}\n", "█".repeat(16), "·".repeat(32))), "{text}");
        assert!(text.contains(&format!("  wait       20.0 ms  {}{}\n", "·".repeat(16), "█".repeat(32))), "{text}");
        assert!(text.contains("http_status") && !text.contains('\u{1b}'), "{text}");
    }
}
