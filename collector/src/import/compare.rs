//! What differs between a monitor and what a file says of it.

use std::collections::BTreeSet;

use picket_shared::check::CheckSpec;
use serde_json::{Map, Value};

use crate::store::monitors::{MonitorRow, Settings};

/// The names of what differs; credentials are compared by their fingerprints.
pub(super) fn differences(old: &MonitorRow, new: &Settings, paused: bool, credentials: Option<&String>) -> Vec<String> {
    let set = |tags: &[String]| tags.iter().cloned().collect::<BTreeSet<_>>();
    let regions = |settings: &Settings| settings.regions.iter().map(|region| region.0).collect::<BTreeSet<_>>();
    let known = old.imported.as_ref().and_then(|imported| imported.credentials.as_ref());
    let is = &old.settings;
    let named = [
        ("name", is.name != new.name),
        ("interval", is.interval_s != new.interval_s),
        ("timeout", is.timeout_ms != new.timeout_ms),
        ("quorum", is.quorum != new.quorum),
        ("eu_only", is.eu_only != new.eu_only),
        ("severity", is.briefing.severity != new.briefing.severity),
        ("owner", is.briefing.owner != new.briefing.owner),
        ("runbook", is.briefing.runbook_url != new.briefing.runbook_url),
        ("tags", set(&is.tags) != set(&new.tags)),
        ("regions", regions(is) != regions(new)),
        ("paused", old.paused_at.is_some() != paused),
        ("credentials", is.sealed_secret.is_some() != new.sealed_secret.is_some() || known != credentials),
    ];
    let named = named.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name.to_owned());
    named.chain(spec_fields(&is.spec, &new.spec)).collect()
}

/// The fields of a specification, as on the wire.
fn spec_fields(old: &CheckSpec, new: &CheckSpec) -> Vec<String> {
    let fields = |spec: &CheckSpec| match serde_json::to_value(spec) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let (old, new) = (fields(old), fields(new));
    let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    names.into_iter().filter(|name| old.get(*name) != new.get(*name)).cloned().collect()
}
