//! A message about another channel, whose messages do not arrive or do again.

use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use super::Facts;
use super::alarm::{Act, Alarm, Class, Severity};
use super::sheet::Sheet;
use super::words::one_line;
use crate::domain::outage::{ChannelFacts, NoticeKind};

pub(super) fn sheet(facts: &Facts, kind: &NoticeKind, of: &ChannelFacts, at: Timestamp) -> Sheet {
    let name = &of.name;
    let (subject, lead, mut rows) = match kind {
        NoticeKind::ChannelWorks { .. } => (
            format!("Channel works again: {name}"),
            format!("Messages to the channel {name} arrive again."),
            Vec::new(),
        ),
        _ => (
            format!("Channel fails: {name}"),
            format!("Messages to the channel {name} do not arrive; whoever relies on it is not told."),
            vec![("Answer", one_line(&of.why))],
        ),
    };
    rows.insert(0, ("What", format!("{name} ({})", of.sort)));
    rows.insert(1, ("Since", format!("{at:.0}")));
    let link = facts.public_url.as_deref().map(|url| format!("{}/channels/{}", url.trim_end_matches('/'), of.id));
    Sheet { subject, lead, rows, link }
}

pub(super) fn event(kind: &NoticeKind, of: &ChannelFacts, at: Timestamp) -> Value {
    let channel = json!({ "id": of.id, "name": of.name, "kind": of.sort });
    json!({ "notice": kind.as_str(), "at": at.to_string(), "channel": channel, "answer": of.why })
}

pub(super) fn alarm(kind: &NoticeKind, of: &ChannelFacts, at: Timestamp) -> Alarm {
    let (act, severity) = match kind {
        NoticeKind::ChannelWorks { .. } => (Act::Clear, Severity::Info),
        _ => (Act::Raise, Class::Channel.severity()),
    };
    let key = format!("picket-channel-{}", of.id);
    Alarm { act, key, class: Class::Channel, about: of.name.clone(), severity, source: of.sort.clone(), since: at }
}
