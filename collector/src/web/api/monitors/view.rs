//! A monitor as the API shows it, and how two of them differ.

use picket_shared::check::CheckSpec;
use picket_shared::time::Timestamp;
use serde_json::{Map, Value, json};

use crate::store::monitors::{FailingFrom, MonitorRow, Settings};

/// Everything about a monitor but its credentials.
pub(super) fn whole(row: &MonitorRow) -> Value {
    let settings = &row.settings;
    let state = if row.paused_at.is_some() { "paused" } else { row.state.as_str() };
    json!({
        "id": row.id,
        "external_key": row.external_key,
        "name": settings.name,
        "kind": settings.spec.kind(),
        "target": settings.spec.target(),
        "spec": settings.spec,
        "holds_credentials": settings.sealed_secret.is_some(),
        "interval_s": settings.interval_s,
        "timeout_ms": settings.timeout_ms,
        "quorum": settings.quorum,
        "eu_only": settings.eu_only,
        "tags": settings.tags,
        "severity": settings.briefing.severity,
        "owner": settings.briefing.owner,
        "runbook_url": settings.briefing.runbook_url,
        "regions": row.regions,
        "policy": row.policy,
        "paused": row.paused_at.is_some(),
        "version": row.version,
        "state": state,
        "since": row.paused_at.unwrap_or(row.since).exact(),
        "failing_from": row.failing_from.iter().map(failing).collect::<Vec<_>>(),
        "regional_alert": json!({
            "told": row.regional.told,
            "muted_until": row.regional.muted_until.map(Timestamp::exact),
        }),
        "muted_since": row.muted_at.map(Timestamp::exact),
        "verified": !settings.spec.is_unverified(),
        "created_at": row.created_at.exact(),
    })
}

fn failing(from: &FailingFrom) -> Value {
    json!({ "region": from.region, "since": from.since.map(|since| Timestamp::from_micros(since).exact()) })
}

/// What is set of a monitor, field by field, as [`differences`] compares it.
pub(super) fn fields(settings: &Settings, regions: &[String], paused: bool) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut add = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    add("name", json!(settings.name));
    add("interval_s", json!(settings.interval_s));
    add("timeout_ms", json!(settings.timeout_ms));
    add("quorum", json!(settings.quorum));
    add("eu_only", json!(settings.eu_only));
    add("tags", json!(settings.tags));
    add("severity", json!(settings.briefing.severity));
    add("owner", json!(settings.briefing.owner));
    add("runbook_url", json!(settings.briefing.runbook_url));
    add("regions", json!(regions));
    add("paused", json!(paused));
    for (name, value) in spec(&settings.spec) {
        add(&format!("spec.{name}"), value);
    }
    fields
}

/// A specification as on the wire.
pub(super) fn spec(spec: &CheckSpec) -> Map<String, Value> {
    match serde_json::to_value(spec) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// Each field that differs; credentials only as that they do.
pub(super) fn differences(old: &Map<String, Value>, new: &Map<String, Value>) -> Vec<Value> {
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    let differs = |name: &&String| old.get(*name) != new.get(*name);
    let line = |name: &String| difference(name, old.get(name).cloned(), new.get(name).cloned());
    names.into_iter().filter(differs).map(line).collect()
}

/// One field that differs.
pub(super) fn difference(field: &str, from: Option<Value>, to: Option<Value>) -> Value {
    json!({ "field": field, "from": from, "to": to })
}
