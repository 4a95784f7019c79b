//! The message for a small screen and for others' servers: what, since when, from where, what was seen; no page bodies, and
//! no query of a URL, which may hold a token.

use super::sheet::{RUNBOOK, Sheet};
use super::words::{briefing, duration, one_line, vote, when};
use super::{Facts, IncidentFacts, MonitorFacts, Occasion};
use crate::domain::outage::vote::Vote;
use crate::domain::outage::{Notice, RegionLine};

/// So many regions are named.
const REGIONS: usize = 8;
/// What two segments of an SMS hold: 7 bits a character, or 16 where one is not in GSM's alphabet (3GPP TS 23.038).
const SMS_GSM: usize = 306;
const SMS_UCS: usize = 134;
const GSM: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// These take two places.
const GSM_TWICE: &str = "^{}\\[~]|€";

/// A message in a few short lines.
#[derive(Clone, Debug, Default)]
pub struct Brief {
    /// What happened, in one line.
    pub headline: String,
    /// Labelled lines: What, Since, Until, Begins, Ends, From, Seen, Severity, Owner, Runbook.
    pub rows: Vec<(&'static str, String)>,
    /// Sentences instead, where there is nothing to label.
    pub prose: Option<String>,
    /// Where to look.
    pub link: Option<String>,
}

impl Brief {
    /// Everything below the headline, with `between` in front of each line.
    pub fn lines(&self, between: &str) -> String {
        let rows = self.rows.iter().map(|(label, value)| format!("{label}: {value}"));
        rows.chain(self.prose.clone()).chain(self.link.clone()).map(|line| format!("{between}{line}")).collect()
    }

    /// Everything below the headline but the link, each on a line.
    pub fn text(&self) -> String {
        let rows = self.rows.iter().map(|(label, value)| format!("{label}: {value}"));
        rows.chain(self.prose.clone()).collect::<Vec<_>>().join("\n")
    }

    /// The labelled lines for a program, each value cut at `limit`.
    pub fn details(&self, limit: usize) -> serde_json::Map<String, serde_json::Value> {
        self.rows.iter().map(|(label, value)| ((*label).to_owned(), cut(value, limit).into())).collect()
    }

    /// Headline and what was seen, in one line.
    pub fn summary(&self) -> String {
        match self.row("Seen") {
            Some(seen) => format!("{}: {seen}", self.headline),
            None => self.headline.clone(),
        }
    }

    /// Where it is written what to do.
    pub fn runbook(&self) -> Option<&str> {
        self.row(RUNBOOK)
    }

    /// Who looks after what is in trouble.
    pub fn owner(&self) -> Option<&str> {
        self.row("Owner")
    }

    fn row(&self, label: &str) -> Option<&str> {
        self.rows.iter().find(|(found, _)| *found == label).map(|(_, value)| value.as_str())
    }
}

/// Writes it. `sheet` is the long form, whose subject and link it shares.
pub(super) fn brief(facts: &Facts, sheet: &Sheet) -> Brief {
    let brief = Brief { headline: one_line(&sheet.subject), link: sheet.link.clone(), ..Brief::default() };
    match &facts.occasion {
        Occasion::Notice { notice, monitor, incident } => {
            Brief { rows: rows(notice, monitor, incident.as_ref()), ..brief }
        }
        Occasion::Declared { incident, .. } => Brief { rows: super::declared::rows(incident), ..brief },
        Occasion::Many { items } => Brief { rows: super::many::rows(facts, items), ..brief },
        Occasion::Channel { .. } => {
            Brief { rows: sheet.rows.iter().map(|(label, value)| (*label, value.clone())).collect(), ..brief }
        }
        Occasion::Maintenance { maintenance, .. } => Brief { rows: super::maintenance::rows(maintenance), ..brief },
        Occasion::Test { .. } => Brief { prose: Some(sheet.lead.clone()), ..brief },
        Occasion::Code { code, until, .. } => Brief {
            prose: Some(format!(
                "Code: {}. It works once, until {until:.0}. If you do not expect it, ignore this message.",
                code.expose()
            )),
            ..brief
        },
    }
}

fn rows(notice: &Notice, monitor: &MonitorFacts, incident: Option<&IncidentFacts>) -> Vec<(&'static str, String)> {
    let mut rows = vec![("What", format!("{} ({})", one_line(&target(&monitor.target)), monitor.kind))];
    match incident {
        Some(incident) => {
            rows.push(("Since", format!("{:.0}", incident.started_at)));
            if let Some(over) = super::words::over(notice, incident) {
                rows.push(("Until", format!("{over:.0} ({})", duration(over.since(incident.started_at)))));
            }
        }
        None => rows.extend(when(notice, None)),
    }
    if !notice.regions.is_empty() {
        rows.push(("From", from(&notice.regions)));
    }
    let failure = notice.regions.iter().find_map(|line| line.failure.as_ref());
    let seen = incident.map(|incident| &incident.message).or_else(|| failure.map(|failure| &failure.message));
    rows.extend(seen.map(|seen| ("Seen", one_line(seen))));
    rows.extend(briefing(notice, monitor, incident));
    rows
}

/// Regions with what they say, those that fail first.
fn from(regions: &[RegionLine]) -> String {
    let mut sorted: Vec<_> = regions.iter().collect();
    sorted.sort_by_key(|line| match line.vote {
        Vote::Fail => 0,
        Vote::Ok => 2,
        _ => 1,
    });
    let more = sorted.len().saturating_sub(REGIONS);
    let named = sorted.iter().take(REGIONS).map(|line| format!("{} {}", line.region, vote(line.vote)));
    let text = named.collect::<Vec<_>>().join("; ");
    if more > 0 { format!("{text}; and {more} more") } else { text }
}

/// A target without what follows a `?`.
pub(super) fn target(text: &str) -> String {
    match text.split_once(['?', '#']) {
        Some((front, _)) => format!("{front}?..."),
        None => text.to_owned(),
    }
}

/// At most `limit` UTF-16 units, which are no fewer than characters; what is cut ends in dots.
pub(in crate::notify) fn cut(text: &str, limit: usize) -> String {
    fit(text, limit, |c| c.len_utf16())
}

/// At most `limit` bytes; what is cut ends in dots.
pub(in crate::notify) fn cut_bytes(text: &str, limit: usize) -> String {
    fit(text, limit, char::len_utf8)
}

/// The whole in two segments of an SMS; what matters least is left out first.
pub(in crate::notify) fn sms(brief: &Brief) -> String {
    let order = ["Since", "Until", "Begins", "Ends", "At", "Heard", "Severity", "Seen", "From", "What", "Owner"];
    let rows = order.iter().filter_map(|label| brief.row(label).map(|value| format!("{label}: {value}")));
    let mut text = brief.headline.clone();
    for line in rows.chain(brief.prose.clone()) {
        text = format!("{text}\n{line}");
    }
    // An address is there whole or not at all.
    for url in brief.link.as_deref().into_iter().chain(brief.runbook()) {
        let whole = format!("{text}\n{url}");
        text = if cost(&whole) <= room(&whole) { whole } else { text };
    }
    fit(&text, room(&text), |c| if room(&text) == SMS_GSM { place(c) } else { c.len_utf16() })
}

fn room(text: &str) -> usize {
    if text.chars().all(|c| GSM.contains(c) || GSM_TWICE.contains(c)) { SMS_GSM } else { SMS_UCS }
}

fn place(c: char) -> usize {
    if GSM_TWICE.contains(c) { 2 } else { 1 }
}

fn cost(text: &str) -> usize {
    if room(text) == SMS_GSM { text.chars().map(place).sum() } else { text.encode_utf16().count() }
}

fn fit(text: &str, limit: usize, place: impl Fn(char) -> usize) -> String {
    if text.chars().map(&place).sum::<usize>() <= limit {
        return text.to_owned();
    }
    let mut left = limit.saturating_sub(3);
    let kept = text.chars().take_while(|c| {
        let fits = place(*c) <= left;
        left = left.saturating_sub(place(*c));
        fits
    });
    let kept: String = kept.collect();
    format!("{}{}", kept.trim_end(), &"..."[..limit.min(3)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_its_limit_and_nowhere_in_a_character() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abc...");
        // A character beyond the basic plane takes two.
        assert_eq!(cut("😀😀😀😀", 7), "😀😀...");
        assert_eq!(cut("abc", 2), "..");
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn an_sms_takes_two_segments_at_most_in_either_alphabet() {
        let brief = |headline: &str| Brief { headline: headline.to_owned(), ..Brief::default() };
        assert_eq!(sms(&brief(&"a".repeat(306))).len(), 306);
        assert_eq!(sms(&brief(&"a".repeat(307))), format!("{}...", "a".repeat(303)));
        assert_eq!(sms(&brief(&"[".repeat(200))), format!("{}...", "[".repeat(151)));
        assert_eq!(sms(&brief(&"Я".repeat(200))), format!("{}...", "Я".repeat(131)));
        assert_eq!(sms(&brief("Büro")), "Büro");
    }

    #[test]
    fn a_link_is_sent_by_sms_whole_or_not_at_all() {
        let brief = |length: usize| Brief {
            headline: "a".repeat(length),
            link: Some("https://picket.example/".to_owned()),
            ..Brief::default()
        };
        assert!(sms(&brief(200)).ends_with("\nhttps://picket.example/"));
        assert_eq!(sms(&brief(300)), "a".repeat(300));
    }

    #[test]
    fn what_a_url_asks_for_is_not_told() {
        assert_eq!(target("https://shop.example/a?token=canary"), "https://shop.example/a?...");
        assert_eq!(target("shop.example A"), "shop.example A");
    }
}
