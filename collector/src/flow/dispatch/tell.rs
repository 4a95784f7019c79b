//! Messages of a notice for channels that were chosen, as far as quiet hours and the budget of SMS let them; and how it is noted who
//! was told, and who was not and why.

use std::time::Duration;

use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use crate::notify::Kind;
use crate::store::deliveries::{self, Chosen as Message};
use crate::store::notices::NoticeRow;
use crate::store::policies::reach::{self, Chosen, Hop, Miss, Target, Why};
use crate::store::{NoticeKey, StoreError, Worker};

/// The budget of SMS is one of so long.
const DAY: Duration = Duration::from_secs(86_400);

/// What is told, by which policy.
pub(super) struct Telling<'a> {
    /// The notice whose deliveries are made.
    pub(super) notice: NoticeKey,
    /// What it is about, as the first notice of it says.
    pub(super) of: &'a NoticeRow,
    /// Who chose the channels; none where the organization has no policy for it.
    pub(super) policy: Option<&'a Chosen>,
    /// Now.
    pub(super) now: Timestamp,
}

/// Who was told at once, and who was not: a line of a route.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Which level of the policy it was, from 0; none where it was not for one.
    pub(super) level: Option<usize>,
    /// How often all levels had been gone through.
    pub(super) round: u8,
    /// Channels, with the end of the quiet hours that hold the message.
    pub(super) told: Vec<(Hop, Option<Timestamp>)>,
    /// Who was not.
    pub(super) misses: Vec<Miss>,
}

impl Line {
    /// Whether anybody hears of it by this, or will when quiet hours are over.
    pub(super) fn reaches_somebody(&self) -> bool {
        !self.told.is_empty() || self.misses.iter().any(|miss| miss.why == Why::Waits)
    }

    /// Notes that a channel was not told.
    pub(super) fn misses(&mut self, hop: &Hop, why: Why) {
        self.misses.push(Miss { target: Target::Channel(hop.key), why });
    }

    /// How a route has it. Members are named by their rows, so that it names nobody any more who left.
    pub(super) fn json(&self, at: Timestamp) -> Value {
        let told = self.told.iter().map(|(hop, held_until)| {
            let mut told = json!({ "channel": hop.id, "name": hop.name, "kind": hop.kind });
            if let Some(until) = held_until {
                told["held_until"] = json!(until.to_string());
            }
            if let Some(schedule) = hop.schedule {
                told["schedule"] = json!(schedule.0);
            }
            told
        });
        let misses = self.misses.iter().map(|miss| {
            let (target, row) = match miss.target {
                Target::Channel(key) => ("channel", key.0),
                Target::Member(key) => ("member", key.0),
                Target::Schedule(key) => ("schedule", key.0),
            };
            json!({ target: row, "why": miss.why.as_str() })
        });
        json!({
            "at": at.to_string(),
            "level": self.level,
            "round": self.round,
            "told": told.collect::<Vec<_>>(),
            "misses": misses.collect::<Vec<_>>(),
        })
    }
}

/// By which policy, and why by that one, as a route has it.
pub(super) fn by(policy: Option<&Chosen>) -> Value {
    match policy {
        Some(chosen) => json!({
            "because": "policy",
            "policy": { "id": chosen.id, "name": chosen.name, "by": chosen.by.as_str() },
        }),
        None => json!({ "because": "no_policy" }),
    }
}

/// Those for whom the budget of the policy suffices; that it does not for the others is noted in `line`.
pub(super) async fn within_budget(
    conn: &mut Worker,
    policy: Option<&Chosen>,
    hops: Vec<Hop>,
    line: &mut Line,
    now: Timestamp,
) -> Result<Vec<Hop>, StoreError> {
    let Some((policy, most)) = policy.and_then(|policy| Some((policy.key, policy.sms_per_day?))) else {
        return Ok(hops);
    };
    let is_sms = |kind: &str| Kind::parse(kind).is_some_and(Kind::is_sms);
    if !hops.iter().any(|hop| is_sms(&hop.kind)) {
        return Ok(hops);
    }
    let mut left = most - reach::sent_by(conn, policy, &Kind::names(Kind::is_sms), now - DAY).await?;
    let mut within = Vec::with_capacity(hops.len());
    for hop in hops {
        if !is_sms(&hop.kind) {
            within.push(hop);
        } else if left > 0 {
            left -= 1;
            within.push(hop);
        } else {
            line.misses(&hop, Why::SmsBudget);
        }
    }
    Ok(within)
}

/// Makes a delivery for each of these channels, to be sent when it is not quiet, and notes it in `line`.
pub(super) async fn make(
    conn: &mut Worker,
    telling: &Telling<'_>,
    level: Option<usize>,
    hops: Vec<Hop>,
    line: &mut Line,
) -> Result<u64, StoreError> {
    let Telling { notice, of, policy, now } = telling;
    let severity = of.notice.kind.severity(of.severity);
    let held = |hop: &Hop| hop.quiet.as_ref().and_then(|quiet| quiet.held_until(severity, *now));
    let told: Vec<_> = hops.into_iter().map(|hop| (held(&hop), hop)).map(|(held, hop)| (hop, held)).collect();
    let messages: Vec<_> =
        told.iter().map(|(hop, held_until)| Message { channel: hop.key, level, held_until: *held_until }).collect();
    deliveries::insert_for_notice(conn, (of.org, *notice), policy.map(|policy| policy.key), &messages, *now).await?;
    line.told.extend(told);
    Ok(messages.len() as u64)
}
