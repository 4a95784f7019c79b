//! `channel list`: every channel, whether it is verified, and what became of the last message to it.

use serde_json::{Value, json};

use crate::cmd::{CmdError, print};
use crate::store::Scoped;
use crate::store::channels::{self, ChannelRow, LastDelivery};
use crate::store::read::telling;

/// So much of an answer fits a line.
const ANSWER_CHARS: usize = 60;

pub(super) async fn list(scoped: &mut Scoped, as_json: bool) -> Result<(), CmdError> {
    let rows = channels::list(scoped).await?;
    if as_json {
        return print::json(&rows.iter().map(value).collect::<Vec<_>>());
    }
    if rows.is_empty() {
        return print::line("There is no channel yet: picket-collector channel add email ADDRESS");
    }
    let headings = ["NAME", "KIND", "REACHES", "VERIFIED", "LAST MESSAGE", "ID"];
    print::table(&headings, &rows.iter().map(line).collect::<Vec<_>>())?;
    match telling::of(scoped).await?.why() {
        Some(why) => print::line(&format!("\nWarning: {why}.")),
        None => Ok(()),
    }
}

fn line(row: &ChannelRow) -> Vec<String> {
    let verified = match (row.verified_at, row.verified_by.as_deref()) {
        _ if row.unset.is_some() => "NO DESTINATION".to_owned(),
        (Some(at), Some("operator")) => format!("{at:.0} (trusted)"),
        (Some(at), _) => format!("{at:.0}"),
        (None, _) => "NO".to_owned(),
    };
    vec![
        row.name.clone(),
        row.kind.clone(),
        row.hint.clone(),
        verified,
        row.last.as_ref().map_or_else(|| "none".to_owned(), last),
        row.id.to_string(),
    ]
}

fn last(last: &LastDelivery) -> String {
    let answer = last.answer.as_deref().unwrap_or_default();
    let short: String = answer.chars().take(ANSWER_CHARS).collect();
    let dots = if answer.chars().nth(ANSWER_CHARS).is_some() { "..." } else { "" };
    match last.state.as_str() {
        "sent" => format!("sent {:.0}", last.at),
        state => format!("{state} {:.0} {short}{dots}", last.at).trim_end().to_owned(),
    }
}

fn value(row: &ChannelRow) -> Value {
    json!({
        "id": row.id,
        "name": row.name,
        "kind": row.kind,
        "hint": row.hint,
        "minimal": row.minimal,
        "created_at": row.created_at.to_string(),
        "verified_at": row.verified_at.map(|at| at.to_string()),
        "verified_by": row.verified_by,
        "without_destination": row.unset.as_ref().map(|(at, why)| json!({ "since": at.to_string(), "why": why })),
        "last": row.last.as_ref().map(|last| json!({
            "state": last.state, "at": last.at.to_string(), "answer": last.answer,
        })),
    })
}
