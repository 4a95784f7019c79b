//! What `monitor list --json` prints: a list of monitors, or an object that has one as `monitors`.

use picket_shared::check::{CheckSpec, HttpAuth, Kind};
use picket_shared::ids::Region;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::domain::briefing::{self, Briefing};
use crate::domain::incident::NoSeverity;

use super::candidate::{Candidate, Draft, Refused};
use super::{Found, MAX_MONITORS, Reading, Unreadable, Upload, auth, target};

/// What says how a monitor is now, or is told by other fields too.
const PASSED_OVER: [&str; 8] =
    ["version", "since", "verified", "created_at", "muted_since", "target", "kind", "holds_credentials"];

pub(super) fn read(file: &Upload<'_>, reading: &Reading) -> Result<Found, Unreadable> {
    let json: Value = serde_json::from_slice(file.bytes)
        .map_err(|error| Unreadable::of(file, format_args!("it is not JSON: {error}")))?;
    let Some(monitors) = json.as_array().or_else(|| json.get("monitors").and_then(Value::as_array)) else {
        let why = "it holds no list of monitors: give what `picket-collector monitor list --json` prints";
        return Err(Unreadable::of(file, why));
    };
    if monitors.len() > MAX_MONITORS {
        return Err(Unreadable::of(file, format_args!("{} monitors, {MAX_MONITORS} at most", monitors.len())));
    }
    let mut found = Found::default();
    for (index, monitor) in monitors.iter().enumerate() {
        match candidate(index + 1, monitor, reading) {
            Ok(candidate) => found.candidates.push(candidate),
            Err(refused) => found.refused.push(refused),
        }
    }
    Ok(found)
}

pub(super) fn candidate(number: usize, monitor: &Value, reading: &Reading) -> Result<Candidate, Refused> {
    let text = |name: &str| monitor.get(name).and_then(Value::as_str);
    let name = text("name").or_else(|| text("target")).unwrap_or_default();
    let key = match (text("external_key"), text("id")) {
        (Some(key), _) if !key.is_empty() => key.to_owned(),
        (_, Some(id)) => format!("picket:{id}"),
        _ => format!("json:{name}"),
    };
    let mut draft = Draft::new(key, format!("entry {number}"), name, text("kind").unwrap_or_default());
    let Some(fields) = monitor.as_object() else { return Err(draft.refuse("it is no object")) };
    match fill(fields, reading, &mut draft) {
        Ok((spec, auth)) => draft.finish(spec, auth),
        Err(why) => Err(draft.refuse(why)),
    }
}

fn fill(
    fields: &Map<String, Value>,
    reading: &Reading,
    draft: &mut Draft,
) -> Result<(CheckSpec, Option<HttpAuth>), String> {
    let mut spec = match fields.get("spec") {
        Some(spec) => read_as(spec, "spec")?,
        None => {
            let kind: Option<Kind> = fields.get("kind").map(|kind| read_as(kind, "kind")).transpose()?;
            target::spec(kind, fields.get("target").and_then(Value::as_str).unwrap_or_default())?
        }
    };
    draft.interval_s = reading.interval_s.map(f64::from);
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        match name.as_str() {
            "interval_s" => draft.interval_s = Some(read_as(value, name)?),
            "timeout_ms" => draft.timeout_s = Some(read_as::<f64>(value, name)? / 1000.0),
            "quorum" => draft.quorum = Some(read_as(value, name)?),
            "eu_only" => draft.eu_only = Some(read_as(value, name)?),
            "severity" | "owner" | "runbook_url" => brief(draft.briefing.get_or_insert_default(), name, value)?,
            "tags" => draft.tags = read_as(value, name)?,
            "region_names" | "regions" => draft.regions = read_as::<Vec<Region>>(value, name)?,
            "paused" => draft.paused |= read_as::<bool>(value, name)?,
            "state" => draft.paused |= value == "paused",
            "spec" | "name" | "id" | "external_key" => {}
            name if PASSED_OVER.contains(&name) => {}
            _ => draft.lose(name, "Picket does not know it"),
        }
    }
    let CheckSpec::Http(http) = &mut spec else { return Ok((spec, None)) };
    let given = http.auth.take();
    let auth = auth::settle(draft, http, given)?;
    if auth.is_none() && fields.get("holds_credentials") == Some(&Value::Bool(true)) {
        draft.auth_elsewhere = true;
        draft.lose("credentials", "they are in no export: give them by `monitor edit`");
    }
    Ok((spec, auth))
}

/// A field of what messages say of it.
fn brief(briefing: &mut Briefing, name: &str, value: &Value) -> Result<(), String> {
    let text: String = read_as(value, name)?;
    let wrong = |why: &str| format!("{name}: {why}");
    match name {
        "severity" => briefing.severity = text.parse().map_err(|error: NoSeverity| wrong(&error.to_string()))?,
        "owner" => briefing.owner = briefing::owner(&text).map_err(wrong)?,
        _ => briefing.runbook_url = briefing::runbook_url(&text).map_err(wrong)?,
    }
    Ok(())
}

fn read_as<T: DeserializeOwned>(value: &Value, name: &str) -> Result<T, String> {
    serde_json::from_value(value.clone()).map_err(|error| format!("{name}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Result<Found, Unreadable> {
        read(&Upload { name: "m.json", bytes: text.as_bytes() }, &Reading::default())
    }

    #[test]
    fn a_list_is_read_with_everything_that_it_says() {
        let text = r#"[{"id": "018f", "name": "a", "kind": "http", "target": "https://a.example/", "version": 3, "state": "paused",
            "interval_s": 30, "timeout_ms": 2500, "quorum": {"at_least": 2}, "eu_only": true, "tags": ["x"], "region_names": ["eu"],
            "holds_credentials": true, "colour": "red",
            "spec": {"kind": "http", "url": "https://a.example/", "contains": ["ok"]}},
            {"name": "b", "external_key": "k", "target": "b.example:25", "kind": "tcp"}]"#;
        let found = list(text).unwrap();
        let [a, b] = &found.candidates[..] else { panic!("{found:?}") };
        assert_eq!((a.key.as_str(), a.interval_s, a.timeout_ms, a.paused), ("picket:018f", 30, 2500, true));
        assert_eq!((a.eu_only, a.tags.len(), a.regions.len()), (Some(true), 1, 1));
        assert_eq!(a.lost.iter().map(|lost| lost.field.as_str()).collect::<Vec<_>>(), ["colour", "credentials"]);
        assert_eq!((b.key.as_str(), b.spec.target(), b.lost.len()), ("k", "b.example:25".to_owned(), 0));
    }

    #[test]
    fn what_is_wrong_is_told_entry_by_entry() {
        let text = r#"{"monitors": [1, {"name": "a"}, {"name": "b", "spec": {"kind": "ping"}}, {"name": "c", "target": "https://c.example/",
            "interval_s": "often"}, {"name": "d", "spec": {"kind": "http"}}]}"#;
        let found = list(text).unwrap();
        let whys: Vec<_> = found.refused.iter().map(|refused| refused.why.as_str()).collect();
        let parts = [
            "no object",
            "target is empty",
            "does not know this kind",
            "interval_s: invalid type",
            "missing field `url`",
        ];
        assert_eq!(whys.len(), parts.len(), "{whys:?}");
        for (why, part) in whys.iter().zip(parts) {
            assert!(why.contains(part), "{why}");
        }
        assert!(list("[").unwrap_err().to_string().contains("not JSON"));
        assert!(list("{}").unwrap_err().to_string().contains("no list of monitors"));
    }
}
