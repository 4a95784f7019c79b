//! A line of a timeline in words.

use picket_shared::time::Timestamp;
use serde_json::Value;

use super::who;
use crate::domain::access::Right;
use crate::domain::incident::paragraphs;
use crate::domain::outage::vote::Vote;
use crate::notify::message::vote;
use crate::store::read::timeline::FactRow;
use crate::web::extract::user::User;
use crate::web::texts::{filled, text};
use crate::web::ui::shape::{self, When, when};

/// A line as the page shows it.
pub(super) struct Line {
    pub(super) at: When,
    /// The name of the shape in front of it.
    pub(super) class: &'static str,
    pub(super) what: String,
    pub(super) by: Option<String>,
    /// What was written, in paragraphs of lines.
    pub(super) text: Vec<Vec<String>>,
    /// Further facts, by name.
    pub(super) facts: Vec<(String, String)>,
    /// Whether it is the first failing check, which the page shows.
    pub(super) first: bool,
}

/// A fact in words.
pub(super) fn line(user: &User, fact: &FactRow, now: Timestamp) -> Line {
    let detail = &fact.detail;
    let of = |name: &str| detail.get(name).and_then(Value::as_str).unwrap_or_default();
    let assignee = || who(user, fact.assignee.as_deref()).unwrap_or_else(|| text("incident.a_member").to_owned());
    let (class, what) = match fact.event.as_str() {
        "first_failure" => ("down", text("incident.event_first_failure").to_owned()),
        "confirmed" => ("down", text("incident.event_confirmed").to_owned()),
        "failing_again" => ("down", text("incident.event_failing_again").to_owned()),
        "resolved" => ("up", resolved(of("resolution")).to_owned()),
        "no_data" => ("unknown", text("incident.event_no_data").to_owned()),
        "edited" => ("pending", text("incident.event_edited").to_owned()),
        "found_late" => ("unknown", text("incident.event_found_late").to_owned()),
        "opened" => ("down", text("incident.event_opened").to_owned()),
        "reopened" => ("down", text("incident.event_reopened").to_owned()),
        "acknowledged" => ("recovering", text("incident.event_acknowledged").to_owned()),
        "assigned" => ("recovering", filled("incident.event_assigned", assignee())),
        "unassigned" => ("pending", text("incident.event_unassigned").to_owned()),
        "commented" => ("pending", text("incident.event_commented").to_owned()),
        "post_mortem" => ("pending", post_mortem(detail).to_owned()),
        "notice" => ("pending", filled("incident.event_notice", told(of("kind")))),
        "delivery" => delivery(user, detail),
        _ => ("unknown", text("incident.event_other").to_owned()),
    };
    Line {
        at: when(Timestamp::from_micros(fact.at), now),
        class: shape::shape(class).class,
        what,
        by: through(user, detail).or_else(|| who(user, fact.actor.as_deref())),
        text: fact.body.as_deref().map(written).unwrap_or_default(),
        facts: facts(user, fact),
        first: fact.event == "first_failure",
    }
}

/// A text that somebody wrote, in paragraphs of lines.
pub(super) fn written(text: &str) -> Vec<Vec<String>> {
    paragraphs(text).into_iter().map(|lines| lines.into_iter().map(str::to_owned).collect()).collect()
}

fn resolved(resolution: &str) -> &'static str {
    text(match resolution {
        "recovered" => "incident.event_recovered",
        "paused" => "incident.event_paused",
        "deleted" => "incident.event_deleted",
        "by_hand" => "incident.event_by_hand",
        _ => "incident.event_resolved",
    })
}

fn post_mortem(detail: &Value) -> &'static str {
    let published = detail.get("published") == Some(&Value::Bool(true));
    text(match (detail.get("characters").and_then(Value::as_i64), published) {
        (Some(0), _) => "incident.event_post_mortem_gone",
        (_, true) => "incident.event_published",
        (_, false) => "incident.event_draft",
    })
}

/// What a notice tells, in a word.
fn told(kind: &str) -> &'static str {
    text(match kind {
        "down" => "incident.told_down",
        "up" => "incident.told_up",
        "reopened" => "incident.told_reopened",
        "acknowledged" => "incident.told_acknowledged",
        "reminder" => "incident.told_reminder",
        "declared" => "incident.told_declared",
        "declared_over" => "incident.told_declared_over",
        "no_data" => "incident.told_no_data",
        "flapping" => "incident.told_flapping",
        _ => "incident.told_other",
    })
}

fn delivery(user: &User, detail: &Value) -> (&'static str, String) {
    let of = |name: &str| detail.pointer(name).and_then(Value::as_str).unwrap_or_default();
    let channel = match user.member.may(Right::ChannelsRead) {
        true => of("/channel/name"),
        false => of("/channel/kind"),
    };
    let (class, key) = match of("/state") {
        "sent" => ("up", "incident.delivery_sent"),
        "failed" => ("down", "incident.delivery_failed"),
        "superseded" => ("paused", "incident.delivery_superseded"),
        _ => ("pending", "incident.delivery_pending"),
    };
    (class, format!("{}: {}", channel, text(key)))
}

/// Who answered a message of a channel, and is known by that alone.
fn through(user: &User, detail: &Value) -> Option<String> {
    let channel = detail.pointer("/channel/name").and_then(Value::as_str).filter(|_| detail.get("who").is_some())?;
    let channel = if user.member.may(Right::ChannelsRead) { channel } else { text("incident.a_channel") };
    let named = detail.get("who").and_then(Value::as_str).filter(|_| user.member.may(Right::MembersRead));
    Some(match named {
        Some(name) => format!("{name} ({channel})"),
        None => filled("incident.through", channel),
    })
}

/// What belongs to a fact and is not said by its words.
fn facts(user: &User, fact: &FactRow) -> Vec<(String, String)> {
    let detail = &fact.detail;
    let mut facts = Vec::new();
    let mut add = |key: &'static str, value: String| {
        if !value.is_empty() {
            facts.push((text(key).to_owned(), value));
        }
    };
    let of = |name: &str| detail.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    match fact.event.as_str() {
        "first_failure" => {
            add("incident.from", of("region"));
            add("incident.seen", of("message"));
        }
        "confirmed" | "failing_again" => add("incident.votes", votes(detail)),
        "found_late" => add("incident.seen", of("message")),
        "notice" => {
            let channels = detail.get("channels").and_then(Value::as_i64).unwrap_or_default();
            add("incident.channels", channels.to_string());
        }
        "delivery" => {
            let attempts = detail.get("attempts").and_then(Value::as_i64).unwrap_or_default();
            add("incident.attempts", attempts.to_string());
            let ended = detail.get("ended_at").and_then(Value::as_i64).map(Timestamp::from_micros);
            add("incident.ended", ended.map(|at| format!("{at:.0}")).unwrap_or_default());
            if user.member.may(Right::ChannelsRead) {
                add("incident.answer", of("answer"));
            }
        }
        _ => {}
    }
    facts
}

/// What each region said: older incidents know those alone that failed.
fn votes(detail: &Value) -> String {
    let said = |line: &Value| {
        let region = line.get("region")?.as_str()?.to_owned();
        let said: Vote = serde_json::from_value(line.get("vote")?.clone()).ok()?;
        Some(format!("{region} {}", vote(said)))
    };
    let lines = detail.get("votes").and_then(Value::as_array).map(|lines| lines.iter().filter_map(said).collect());
    let regions = || detail.get("regions").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let lines: Vec<String> = lines.unwrap_or_else(|| regions().map(str::to_owned).collect());
    lines.join(", ")
}
