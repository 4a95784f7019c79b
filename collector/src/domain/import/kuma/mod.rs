//! Uptime Kuma 1 and 2: its database (SQLite), or the backup (JSON) that version 1 exports.
//!
//! [`record`] makes both into the same records; [`monitor`] makes candidates of records, with [`http`] for those that ask a
//! web server; [`certificate`] watches what Kuma tells beside them; [`kinds`] says what Picket has instead of what it has not.

mod certificate;
mod http;
mod kinds;
mod monitor;
mod record;

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Found, Left, Unreadable, Upload};
use certificate::Certificates;
use record::{Kuma, Record};

/// How deep groups may lie in groups; beyond it somebody made a circle.
const DEEPEST: usize = 32;

pub(super) fn read(file: &Upload<'_>, further: &[Upload<'_>]) -> Result<Found, Unreadable> {
    let kuma = record::read(file, further)?;
    let groups = Groups::of(&kuma.records);
    let mut found = Found::default();
    let mut certificates = Certificates::new(&kuma.expiry_days);
    for record in &kuma.records {
        if record.kind() == "group" {
            continue;
        }
        match monitor::candidate(record, &groups.around(record)) {
            Ok(candidate) => {
                certificates.note(record, &candidate);
                found.candidates.push(candidate);
            }
            Err(refused) => found.refused.push(refused),
        }
    }
    for certificate in certificates.candidates() {
        match certificate {
            Ok(candidate) => found.candidates.push(candidate),
            Err(refused) => found.refused.push(refused),
        }
    }
    found.left = left(&kuma, &groups);
    Ok(found)
}

fn left(kuma: &Kuma, groups: &Groups) -> Vec<Left> {
    let why: BTreeMap<&str, &str> = [
        ("notifications", "make channels instead: picket-collector channel add"),
        ("maintenance", "maintenance windows are not taken over"),
        ("status pages", "status pages are not taken over"),
        ("proxies", "probes ask directly"),
    ]
    .into();
    let others = kuma.others.iter().filter(|(_, count)| *count > 0).map(|(what, count)| Left {
        what: (*what).to_owned(),
        count: *count,
        why: why.get(what).copied().unwrap_or_default().to_owned(),
    });
    let mut left: Vec<_> = others.collect();
    if !groups.0.is_empty() {
        let why = "each became a tag on the monitors in it".to_owned();
        left.push(Left { what: "groups".to_owned(), count: groups.0.len(), why });
    }
    left
}

/// The groups by their ids: name, whether it runs, and the group around it.
struct Groups(HashMap<i64, (String, bool, Option<i64>)>);

/// What the groups around a monitor say of it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Around {
    /// Their names, the innermost first.
    names: Vec<String>,
    /// Whether one of them is paused.
    paused: bool,
}

impl Groups {
    fn of(records: &[Record]) -> Self {
        let groups = records.iter().filter(|record| record.kind() == "group");
        Self(groups.map(|g| (g.id, (g.text("name"), g.flag_or("active", true), g.integer("parent")))).collect())
    }

    fn around(&self, record: &Record) -> Around {
        let mut around = Around::default();
        let mut seen = HashSet::new();
        let mut next = record.integer("parent");
        while let Some((name, active, parent)) = next.and_then(|id| self.0.get(&id)) {
            if seen.len() == DEEPEST || !seen.insert(next) {
                break;
            }
            around.names.push(name.clone());
            around.paused |= !active;
            next = *parent;
        }
        around
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKUP: &str = r#"{"version": "1.23.17", "notificationList": [{"id": 1}, {"id": 2}], "monitorList": [
        {"id": 1, "type": "group", "name": "Shop", "active": true, "parent": 2},
        {"id": 2, "type": "group", "name": "All", "active": false, "parent": 1},
        {"id": 3, "type": "http", "name": "front", "url": "https://example.org/", "active": 1, "parent": 1,
         "interval": 60, "timeout": 48, "accepted_statuscodes": ["200-299", "404"], "ignoreTls": true,
         "tags": [{"name": "env", "value": "prod"}, {"name": "web", "value": ""}], "headers": "{\"X-A\": \"b\"}"}]}"#;

    fn upload(bytes: &[u8]) -> Upload<'_> {
        Upload { name: "kuma.json", bytes }
    }

    #[test]
    fn a_backup_is_read_and_groups_become_tags_even_where_they_go_round() {
        let found = read(&upload(BACKUP.as_bytes()), &[]).unwrap();
        let [front] = &found.candidates[..] else { panic!("{found:?}") };
        assert_eq!(front.tags, ["env:prod", "web", "Shop", "All"]);
        assert_eq!((front.paused, front.interval_s, front.timeout_ms), (true, 60, 48_000));
        let json = serde_json::to_value(&front.spec).unwrap();
        assert_eq!(json["accept_status"], serde_json::json!(["200-299", "404"]));
        assert_eq!((&json["verify"], &json["headers"][0][0]), (&"off".into(), &"X-A".into()));
        let left: Vec<_> = found.left.iter().map(|left| (left.what.as_str(), left.count)).collect();
        assert_eq!(left, [("notifications", 2), ("groups", 2)]);
    }

    #[test]
    fn what_is_no_kuma_is_refused_with_what_to_do() {
        for (bytes, why) in [
            (&b"-- MariaDB dump 10.19\nCREATE TABLE"[..], "MariaDB"),
            (b"{\"monitors\": []}", "monitorList"),
            (b"{\"monitorList\": 1}", "monitorList"),
            (b"{", "not JSON"),
            (b"", "empty"),
            (b"\x00\x01\x02", "neither"),
            (b"SQLite format 3\0", "cut short"),
        ] {
            let error = read(&upload(bytes), &[]).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
