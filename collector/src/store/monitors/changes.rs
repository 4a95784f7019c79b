//! What an edit of a monitor changed, for the audit log: before and after, without what may be secret.

use std::collections::HashMap;

use picket_shared::time::Timestamp;
use serde_json::{Map, Value, json};

use super::{MonitorRow, by_keys};
use crate::store::{Scoped, StoreError, audit};

/// Audits what became of each of these, which were read before they were changed.
pub(in crate::store) async fn note_changes(
    conn: &mut Scoped,
    action: &str,
    before: &[MonitorRow],
    now: Timestamp,
) -> Result<(), StoreError> {
    let keys: Vec<i64> = before.iter().map(|row| row.key.0).collect();
    let after = by_keys(conn, &keys).await?;
    StoreError::expect_rows("monitors", keys.len() as u64, after.len() as u64)?;
    let was: HashMap<i64, &MonitorRow> = before.iter().map(|row| (row.key.0, row)).collect();
    let noted = after.iter().filter_map(|row| Some((row.id.0, changes(was.get(&row.key.0)?, row))));
    audit::note_all(conn, action, &noted.collect::<Vec<_>>(), now).await
}

/// What was and what is, of each field that differs. URLs may hold tokens in paths and queries, headers and bodies anything:
/// of the target only where it is is told, of the rest of the check which parts differ.
fn changes(before: &MonitorRow, after: &MonitorRow) -> Value {
    let (was, is) = (fields(before), fields(after));
    let mut detail =
        json!({ "name": place(&after.settings.name), "kind": after.settings.spec.kind(), "version": after.version });
    let (mut old, mut new) = (Map::new(), Map::new());
    for ((name, was), (_, is)) in was.into_iter().zip(is) {
        if was != is {
            old.insert(name.to_owned(), was);
            new.insert(name.to_owned(), is);
        }
    }
    let runbook = |row: &MonitorRow| row.settings.briefing.runbook_url.clone();
    if runbook(before) != runbook(after) {
        old.insert("runbook".to_owned(), json!(runbook(before).as_deref().map(place)));
        new.insert("runbook".to_owned(), json!(runbook(after).as_deref().map(place)));
    }
    detail["before"] = Value::Object(old);
    detail["after"] = Value::Object(new);
    let parts = parts(before, after);
    if !parts.is_empty() {
        detail["check"] = json!(parts);
    }
    let (was, is) = (&before.settings.sealed_secret, &after.settings.sealed_secret);
    if was != is {
        detail["credentials"] = json!(match (was, is) {
            (None, _) => "added",
            (_, None) => "removed",
            _ => "replaced",
        });
    }
    detail
}

fn fields(row: &MonitorRow) -> [(&'static str, Value); 11] {
    let set = &row.settings;
    [
        ("name", json!(place(&set.name))),
        ("host", json!(place(&set.spec.target()))),
        ("interval_s", json!(set.interval_s)),
        ("timeout_ms", json!(set.timeout_ms)),
        ("quorum", json!(set.quorum)),
        ("eu_only", json!(set.eu_only)),
        ("tags", json!(set.tags)),
        ("severity", json!(set.briefing.severity.as_str())),
        ("owner", json!(set.briefing.owner)),
        ("regions", json!(row.regions)),
        ("paused", json!(row.paused_at.is_some())),
    ]
}

/// Where a target is: scheme, host and port of a URL; what is no URL has no more than that. A monitor that was given no name
/// is called as its target.
pub(in crate::store) fn place(target: &str) -> String {
    match url::Url::parse(target) {
        Ok(url) if url.has_host() => url.origin().ascii_serialization(),
        _ => target.to_owned(),
    }
}

/// The parts of the check that differ, by name.
fn parts(before: &MonitorRow, after: &MonitorRow) -> Vec<String> {
    let parts = |row: &MonitorRow| match serde_json::to_value(&row.settings.spec) {
        Ok(Value::Object(parts)) => parts,
        _ => Map::new(),
    };
    let (was, is) = (parts(before), parts(after));
    let mut names: Vec<String> =
        was.keys().chain(is.keys()).filter(|name| was.get(*name) != is.get(*name)).cloned().collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_url_only_where_it_leads_is_told() {
        assert_eq!(place("https://me:pw@example.org:8443/hook/T0KEN?key=s3cret"), "https://example.org:8443");
        assert_eq!(place("https://example.org/"), "https://example.org");
        assert_eq!(place("example.org:443"), "example.org:443");
        assert_eq!(place("MX example.org"), "MX example.org");
    }
}
