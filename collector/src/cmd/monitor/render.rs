//! A monitor in one line, and as JSON.

use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use crate::store::monitors::MonitorRow;
use crate::store::read::telling::Telling;

/// The shape that tells a state without its colour.
pub(super) fn symbol(state: &str) -> &'static str {
    match state {
        "up" => "●",
        "down" => "✖",
        "suspect" | "recovering" => "◐",
        "paused" => "‖",
        _ => "○",
    }
}

/// What is shown as the state: paused hides what the judge last held.
pub(super) fn state(row: &MonitorRow) -> &str {
    if row.paused_at.is_some() { "paused" } else { &row.state }
}

/// One line of `monitor list`.
pub(super) fn row(row: &MonitorRow) -> Vec<String> {
    let regions: Vec<_> = row.regions.iter().map(ToString::to_string).collect();
    let mut target = row.settings.spec.target();
    if row.settings.spec.is_unverified() {
        target.push_str("  NOT VERIFIED");
    }
    let muted = if row.muted_at.is_some() { ", muted" } else { "" };
    vec![
        symbol(state(row)).to_owned(),
        format!("{}{muted}", state(row)),
        format!("{:.0}", row.paused_at.unwrap_or(row.since)),
        row.settings.name.clone(),
        row.settings.spec.kind().to_string(),
        target,
        format!("{} s", row.settings.interval_s),
        regions.join(" "),
        row.id.to_string(),
    ]
}

/// What every JSON form of a monitor holds.
pub(super) fn summary(row: &MonitorRow, telling: Telling) -> Value {
    json!({
        "id": row.id,
        "name": row.settings.name,
        "kind": row.settings.spec.kind(),
        "target": row.settings.spec.target(),
        "version": row.version,
        "state": state(row),
        "since": row.paused_at.unwrap_or(row.since).exact(),
        "interval_s": row.settings.interval_s,
        "timeout_ms": row.settings.timeout_ms,
        "quorum": row.settings.quorum,
        "eu_only": row.settings.eu_only,
        "verified": !row.settings.spec.is_unverified(),
        "holds_credentials": row.settings.sealed_secret.is_some(),
        "tags": row.settings.tags,
        "severity": row.settings.briefing.severity,
        "owner": row.settings.briefing.owner,
        "runbook_url": row.settings.briefing.runbook_url,
        "external_key": row.external_key,
        "muted_since": row.muted_at.map(Timestamp::exact),
        "spec": row.settings.spec,
        "region_names": row.regions,
        "told": telling.is_told(),
        "why": telling.why(),
        "created_at": row.created_at.exact(),
    })
}
