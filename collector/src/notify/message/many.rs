//! Several notices in one message: what is told to one channel within half a minute of another message.

use std::collections::BTreeMap;
use std::net::IpAddr;

use picket_shared::ids::IncidentId;
use serde_json::{Value, json};
use url::Url;

use super::sheet::Sheet;
use super::words::{duration, one_line};
use super::{Facts, IncidentFacts, MonitorFacts, Occasion, channel, declared, event, maintenance, words};
use crate::domain::outage::vote::Vote;
use crate::domain::outage::{Notice, NoticeKind};
use crate::domain::telling::cause::{self, Seen};

/// So many are named in a subject, each on a line of a mail, and on a line of a small screen.
const IN_SUBJECT: usize = 3;
const LINES: usize = 25;
const FEW_LINES: usize = 8;
/// So much of what was seen stands on a line, in characters.
const SEEN: usize = 120;

/// What sort of news it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum News {
    Down,
    /// It was, and that is over.
    WasDown,
    Up,
    Other,
}

/// One line: of an incident the last that is to be told of it.
struct Line {
    news: News,
    name: String,
    text: String,
}

pub(super) fn sheet(facts: &Facts, items: &[Occasion]) -> Sheet {
    let lines = lines(facts, items);
    let (subject, lead) = (subject(&lines), lead(items, &lines));
    let mut rows = Vec::new();
    rows.extend(shared(items).map(|shared| ("Shared", shared)));
    rows.extend(columns(&lines, LINES));
    Sheet { subject, lead, rows, link: link(facts) }
}

/// The labelled lines of the short form.
pub(super) fn rows(facts: &Facts, items: &[Occasion]) -> Vec<(&'static str, String)> {
    let shared = shared(items).map(|shared| ("Shared", shared));
    shared.into_iter().chain(columns(&lines(facts, items), FEW_LINES)).collect()
}

pub(super) fn event(items: &[Occasion]) -> Value {
    let one = |item: &Occasion| match item {
        Occasion::Notice { notice, monitor, incident } => Some(event::event(notice, monitor, incident.as_ref())),
        Occasion::Declared { kind, at, incident } => Some(declared::event(kind, *at, incident)),
        Occasion::Maintenance { kind, at, maintenance } => Some(maintenance::event(kind, *at, maintenance)),
        Occasion::Channel { kind, at, channel } => Some(channel::event(kind, channel, *at)),
        _ => None,
    };
    json!({ "notices": items.iter().filter_map(one).collect::<Vec<_>>() })
}

/// How many of which sort, for who is told no more than that.
pub(super) fn counts(items: &[Occasion]) -> String {
    let mut counts = [0_usize; 4];
    last_of_each(items).iter().for_each(|item| counts[news(item) as usize] += 1);
    count_words(counts)
}

fn count_words([down, was, up, other]: [usize; 4]) -> String {
    let words = [(down, "down"), (was, "was down"), (up, "up"), (other, "other")];
    words
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn subject(lines: &[Line]) -> String {
    let mut counts = [0_usize; 4];
    lines.iter().for_each(|line| counts[line.news as usize] += 1);
    let named: Vec<&str> = lines.iter().take(IN_SUBJECT).map(|line| line.name.as_str()).collect();
    let more = lines.len().saturating_sub(IN_SUBJECT);
    let names = if more > 0 { format!("{} and {more} more", named.join(", ")) } else { named.join(", ") };
    format!("{}: {names}", count_words(counts))
}

fn lead(items: &[Occasion], lines: &[Line]) -> String {
    let folded = items.len() - lines.len();
    let lead = format!("{} messages in one, since the last was sent within half a minute.", items.len());
    match folded {
        0 => lead,
        _ => format!("{lead} Of what changed more than once, the last is said."),
    }
}

fn columns(lines: &[Line], most: usize) -> Vec<(&'static str, String)> {
    let column = |news: News, label: &'static str| {
        let texts: Vec<&str> = lines.iter().filter(|line| line.news == news).map(|line| line.text.as_str()).collect();
        let more = texts.len().saturating_sub(most);
        let mut shown: Vec<String> = texts.iter().take(most).map(|text| (*text).to_owned()).collect();
        if more > 0 {
            shown.push(format!("and {more} more"));
        }
        (!shown.is_empty()).then(|| (label, shown.join("\n")))
    };
    [
        column(News::Down, "Down"),
        column(News::WasDown, "Was down"),
        column(News::Up, "Up"),
        column(News::Other, "Other"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn link(facts: &Facts) -> Option<String> {
    facts.public_url.as_deref().map(|url| format!("{}/incidents", url.trim_end_matches('/')))
}

/// Of each incident the last, those that are down first; what has no incident stands for itself.
fn last_of_each(items: &[Occasion]) -> Vec<&Occasion> {
    let mut last: BTreeMap<IncidentId, usize> = BTreeMap::new();
    let mut kept: Vec<Option<&Occasion>> = Vec::new();
    for item in items {
        if let Some(before) = thread(item).and_then(|id| last.insert(id, kept.len())) {
            kept[before] = None;
        }
        kept.push(Some(item));
    }
    let mut kept: Vec<&Occasion> = kept.into_iter().flatten().collect();
    kept.sort_by_key(|item| news(item));
    kept
}

fn lines(facts: &Facts, items: &[Occasion]) -> Vec<Line> {
    last_of_each(items).into_iter().map(|item| line(facts, item)).collect()
}

fn line(facts: &Facts, item: &Occasion) -> Line {
    let (name, text) = match item {
        Occasion::Notice { notice, monitor, incident } => {
            (monitor.name.clone(), notice_line(facts, notice, monitor, incident.as_ref()))
        }
        Occasion::Declared { kind, incident, .. } => {
            (incident.title.clone(), declared::sheet(facts, kind, incident).subject)
        }
        Occasion::Channel { kind, at, channel } => {
            (channel.name.clone(), channel::sheet(facts, kind, channel, *at).subject)
        }
        Occasion::Maintenance { kind, maintenance, .. } => {
            (maintenance.title.clone(), maintenance::sheet(facts, kind, maintenance).subject)
        }
        _ => (String::new(), String::new()),
    };
    Line { news: news(item), name: one_line(&name), text: one_line(&text) }
}

fn notice_line(facts: &Facts, notice: &Notice, monitor: &MonitorFacts, incident: Option<&IncidentFacts>) -> String {
    match (news_of(&notice.kind, is_over(incident)), incident) {
        (News::Down, Some(incident)) => {
            let seen: String = one_line(&incident.message).chars().take(SEEN).collect();
            format!("{} (since {:.0}): {seen}", monitor.name, incident.started_at)
        }
        (News::WasDown | News::Up, Some(incident)) => match incident.resolved_at {
            Some(at) => format!("{} (after {})", monitor.name, duration(at.since(incident.started_at))),
            None => monitor.name.clone(),
        },
        _ => words::tell(facts, notice, monitor, incident).subject,
    }
}

fn thread(item: &Occasion) -> Option<IncidentId> {
    match item {
        Occasion::Notice { incident, .. } => incident.as_ref().map(|incident| incident.id),
        Occasion::Declared { incident, .. } => Some(incident.id),
        _ => None,
    }
}

fn news(item: &Occasion) -> News {
    match item {
        Occasion::Notice { notice, incident, .. } => news_of(&notice.kind, is_over(incident.as_ref())),
        Occasion::Declared { kind, incident, .. } => news_of(kind, incident.resolved_at.is_some()),
        _ => News::Other,
    }
}

fn is_over(incident: Option<&IncidentFacts>) -> bool {
    incident.is_some_and(|incident| incident.resolved_at.is_some())
}

const fn news_of(kind: &NoticeKind, over: bool) -> News {
    match kind {
        NoticeKind::Down | NoticeKind::Reopened | NoticeKind::Reminder if over => News::WasDown,
        NoticeKind::Down | NoticeKind::Reopened | NoticeKind::Reminder => News::Down,
        NoticeKind::Up { .. } => News::Up,
        _ => News::Other,
    }
}

/// What those that are down have in common.
fn shared(items: &[Occasion]) -> Option<String> {
    let down = |item: &&Occasion| news(item) == News::Down;
    let last = last_of_each(items);
    let hosts: Vec<String> = last.iter().filter(|item| down(item)).map(|item| host(item)).collect();
    let regions: Vec<Vec<&str>> = last.iter().filter(|item| down(item)).map(|item| regions(item)).collect();
    let seen: Vec<Seen<'_>> = last
        .iter()
        .filter(|item| down(item))
        .zip(hosts.iter().zip(&regions))
        .filter_map(|(item, (host, regions))| seen(item, host, regions))
        .collect();
    let all = seen.len();
    cause::shared(&seen).map(|(cause, count)| match count == all {
        true => format!("all have {cause} in common"),
        false => format!("{count} of {all} have {cause} in common"),
    })
}

fn seen<'a>(item: &'a Occasion, host: &'a str, regions: &'a [&'a str]) -> Option<Seen<'a>> {
    let Occasion::Notice { notice, incident: Some(incident), .. } = item else { return None };
    Some(Seen {
        address: incident.evidence.get("address").and_then(|address| address.parse::<IpAddr>().ok()),
        certificate: incident.evidence.get("fingerprint"),
        host,
        failure: incident.failure,
        regions,
        elsewhere_good: notice.regions.iter().any(|line| line.vote == Vote::Ok),
    })
}

fn regions(item: &Occasion) -> Vec<&str> {
    let Occasion::Notice { notice, .. } = item else { return Vec::new() };
    notice.regions.iter().filter(|line| line.vote == Vote::Fail).map(|line| line.region.as_str()).collect()
}

/// The host of what is watched: that of a URL, or what stands in front of a port or a record's type.
fn host(item: &Occasion) -> String {
    let Occasion::Notice { monitor, .. } = item else { return String::new() };
    let target = monitor.target.as_str();
    let of_url = Url::parse(target).ok().and_then(|url| url.host_str().map(ToOwned::to_owned));
    of_url.unwrap_or_else(|| target.split([' ', ':']).next().unwrap_or_default().to_owned())
}
