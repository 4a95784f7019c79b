//! The export of an organization (`picket-export/1`), of this or another Picket: its monitors with regions and tags, its channels, and
//! what it asks of members. What no export holds is named, and what would work without it only wrongly is made switched off.
//!
//! Tables that hold no configuration are passed over as they are read, however large they are.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Found, FoundChannel, Left, MAX_MONITORS, Reading, Unreadable, Upload, json};

/// The form that is read.
const FORMAT: &str = "picket-export/1";

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    format: String,
    organization: Option<Tables>,
    #[serde(default)]
    manifest: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Tables {
    #[serde(default)]
    organizations: Vec<Organization>,
    #[serde(default)]
    monitors: Vec<Value>,
    #[serde(default)]
    monitor_regions: Vec<MonitorRegion>,
    #[serde(default)]
    channels: Vec<Channel>,
    #[serde(default)]
    memberships: Vec<serde::de::IgnoredAny>,
    #[serde(default)]
    invitations: Vec<serde::de::IgnoredAny>,
    #[serde(default)]
    organization_limits: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Organization {
    second_factor_since: Option<Value>,
}

#[derive(Deserialize)]
struct MonitorRegion {
    monitor: Option<String>,
    region: Option<String>,
}

#[derive(Deserialize)]
struct Channel {
    name: String,
    kind: String,
    #[serde(default)]
    hint: String,
    #[serde(default)]
    minimal: bool,
    deleted_at: Option<Value>,
}

/// Fields of a monitor's row that are taken as they stand.
const SAME: [&str; 11] = [
    "name",
    "kind",
    "spec",
    "interval_s",
    "timeout_ms",
    "quorum",
    "eu_only",
    "external_key",
    "severity",
    "owner",
    "runbook_url",
];

pub(super) fn read(file: &Upload<'_>, reading: &Reading) -> Result<Found, Unreadable> {
    let wrong = |why: &str| Unreadable::of(file, why);
    let document: Document = serde_json::from_slice(file.bytes)
        .map_err(|error| Unreadable::of(file, format_args!("it is no export of Picket that can be read: {error}")))?;
    if document.format != FORMAT {
        return Err(wrong("it is no export of Picket: it does not begin with the format picket-export/1"));
    }
    let Some(tables) = document.organization else {
        return Err(wrong("it holds no organization: an owner exports it, on the page Account, Your data"));
    };
    if document.manifest.is_none() {
        return Err(wrong("it broke off, for its manifest is missing: export it again"));
    }
    if tables.monitors.len() > MAX_MONITORS {
        return Err(Unreadable::of(file, format_args!("{} monitors, {MAX_MONITORS} at most", tables.monitors.len())));
    }
    let mut regions: HashMap<String, Vec<String>> = HashMap::new();
    for row in tables.monitor_regions {
        if let (Some(monitor), Some(region)) = (row.monitor, row.region) {
            regions.entry(monitor).or_default().push(region);
        }
    }
    let mut found = Found::default();
    let is_there = |row: &&Value| row.get("deleted_at").is_none_or(Value::is_null);
    for (index, row) in tables.monitors.iter().filter(is_there).enumerate() {
        match json::candidate(index + 1, &entry(row, &regions), reading) {
            Ok(mut candidate) => {
                // Without its credentials it would be found down that is not.
                if candidate.auth_elsewhere {
                    candidate.paused = true;
                    for lost in candidate.lost.iter_mut().filter(|lost| lost.field == "credentials") {
                        "they are in no export, so it is paused: give them, then resume it".clone_into(&mut lost.why);
                    }
                }
                found.candidates.push(candidate);
            }
            Err(refused) => found.refused.push(refused),
        }
    }
    let channels = tables.channels.into_iter().filter(|channel| channel.deleted_at.as_ref().is_none_or(Value::is_null));
    found.channels =
        channels.map(|of| FoundChannel { name: of.name, kind: of.kind, hint: of.hint, minimal: of.minimal }).collect();
    found.second_factor =
        tables.organizations.iter().any(|row| row.second_factor_since.as_ref().is_some_and(|at| !at.is_null()));
    let left = [
        ("members", tables.memberships.len(), "people are invited anew"),
        ("invitations", tables.invitations.len(), "people are invited anew"),
        ("limits", tables.organization_limits.len(), "whoever runs the instance sets them: `organization limit`"),
    ];
    let left = left.into_iter().filter(|(_, count, _)| *count > 0);
    found.left = left.map(|(what, count, why)| Left { what: what.to_owned(), count, why: why.to_owned() }).collect();
    Ok(found)
}

/// A row as `monitor list --json` has it.
fn entry(row: &Value, regions: &HashMap<String, Vec<String>>) -> Value {
    let mut entry = serde_json::Map::new();
    for name in SAME {
        entry.insert(name.to_owned(), row.get(name).cloned().unwrap_or_default());
    }
    let id = row.get("uuid").and_then(Value::as_str).unwrap_or_default();
    entry.insert("id".to_owned(), json!(id));
    entry.insert("tags".to_owned(), row.get("tags").cloned().unwrap_or_else(|| json!([])));
    entry.insert("regions".to_owned(), json!(regions.get(id).cloned().unwrap_or_default()));
    entry.insert("paused".to_owned(), json!(row.get("paused_at").is_some_and(|at| !at.is_null())));
    entry.insert("holds_credentials".to_owned(), row.get("holds_secret").cloned().unwrap_or_default());
    Value::Object(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn export(text: &str) -> Result<Found, Unreadable> {
        read(&Upload { name: "e.json", bytes: text.as_bytes() }, &Reading::default())
    }

    #[test]
    fn an_export_is_read_with_regions_channels_and_what_it_asks_of_members() {
        let text = r#"{"format":"picket-export/1","account":{"users":[{"x":1}]},"organization":{
            "organizations":[{"name":"acme","second_factor_since":"2026-01-01T00:00:00Z"}],
            "monitors":[{"uuid":"m1","name":"a","kind":"http","spec":{"kind":"http","url":"https://a.example/"},"interval_s":30,"timeout_ms":2500,
                "tags":["x"],"eu_only":true,"quorum":null,"external_key":null,"paused_at":null,"deleted_at":null,"holds_secret":true},
                {"uuid":"m2","name":"gone","kind":"tcp","spec":{"kind":"tcp","host":"b.example","port":1},"deleted_at":"2026-01-01T00:00:00Z"},
                {"uuid":"m3","name":"c","kind":"tcp","spec":{"kind":"tcp","host":"c.example","port":1},"interval_s":60,"timeout_ms":5000,
                 "external_key":"k","paused_at":"2026-01-01T00:00:00Z"}],
            "monitor_regions":[{"monitor":"m1","region":"eu-1"},{"monitor":"m3","region":"us-1"},{"monitor":"m1","region":"eu-2"}],
            "results":[{"status":"u"}],"memberships":[{},{}],
            "channels":[{"name":"ops","kind":"email","hint":"o***@example.org","deleted_at":null},{"name":"old","kind":"email","deleted_at":"x"}]},
            "manifest":{"tables":[]}}"#;
        let found = export(text).unwrap();
        let [a, c] = &found.candidates[..] else { panic!("{found:?}") };
        assert_eq!((a.key.as_str(), a.paused, a.auth_elsewhere), ("picket:m1", true, true));
        assert_eq!(a.regions.iter().map(ToString::to_string).collect::<Vec<_>>(), ["eu-1", "eu-2"]);
        assert!(a.lost[0].why.contains("so it is paused"), "{:?}", a.lost);
        assert_eq!((c.key.as_str(), c.paused, c.lost.len()), ("k", true, 0));
        assert_eq!(found.channels.len(), 1);
        assert!(found.second_factor);
        assert_eq!((found.left[0].what.as_str(), found.left[0].count), ("members", 2));
    }

    #[test]
    fn what_is_no_whole_export_of_an_organization_is_refused_with_what_to_do() {
        for (text, part) in [
            ("[", "no export of Picket that can be read"),
            ("{}", "does not begin with the format"),
            (r#"{"format":"picket-export/1","account":{},"manifest":{}}"#, "holds no organization"),
            (r#"{"format":"picket-export/1","organization":{}}"#, "broke off"),
        ] {
            let error = export(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
