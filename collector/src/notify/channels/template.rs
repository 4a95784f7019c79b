//! A body that somebody else's API takes: JSON in which `{{name}}` stands for a value of the message.
//!
//! The text is read as JSON first, and values are put into its strings only then: nothing that a name or a failure holds can end a
//! string or add a field.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::InvalidSettings;
use crate::notify::message::Message;

const FIELD: &str = "template";
/// What the body of a request may have, in bytes.
const LONGEST: usize = 8192;

/// Each name, and where its value is in the event; those without a place are of the message itself.
const NAMES: [(&str, &str); 24] = [
    ("id", ""),
    ("headline", ""),
    ("text", ""),
    ("link", ""),
    ("type", "/type"),
    ("timestamp", "/timestamp"),
    ("notice", "/data/notice"),
    ("code", "/data/code"),
    ("monitor.id", "/data/monitor/id"),
    ("monitor.name", "/data/monitor/name"),
    ("monitor.kind", "/data/monitor/kind"),
    ("monitor.target", "/data/monitor/target"),
    ("monitor.owner", "/data/monitor/owner"),
    ("monitor.runbook_url", "/data/monitor/runbook_url"),
    ("incident.id", "/data/incident/id"),
    ("incident.title", "/data/incident/title"),
    ("incident.severity", "/data/incident/severity"),
    ("incident.started_at", "/data/incident/started_at"),
    ("incident.resolved_at", "/data/incident/resolved_at"),
    ("incident.failure", "/data/incident/failure/message"),
    ("maintenance.id", "/data/maintenance/id"),
    ("maintenance.title", "/data/maintenance/title"),
    ("maintenance.starts_at", "/data/maintenance/starts_at"),
    ("maintenance.ends_at", "/data/maintenance/ends_at"),
];

/// What is wrong with a template, and what would be right.
pub(super) fn complaint(template: &str) -> Option<InvalidSettings> {
    wrong(template).map(|why| InvalidSettings::new(FIELD, why))
}

fn wrong(template: &str) -> Option<String> {
    if template.len() > LONGEST {
        return Some(format!("a template may have at most {LONGEST} bytes"));
    }
    let json: Value = match serde_json::from_str(template) {
        Ok(json) => json,
        Err(error) => {
            let at = format!("line {}, column {}", error.line(), error.column());
            return Some(format!(
                "it is no JSON at {at}: placeholders stand inside of strings, as in {{\"text\": \"{{{{text}}}}\"}}"
            ));
        }
    };
    if !json.is_object() && !json.is_array() {
        return Some("it must be an object or a list, such as {\"text\": \"{{text}}\"}".to_owned());
    }
    let mut named = BTreeSet::new();
    if let Err(why) = walk(&json, &mut named) {
        return Some(why);
    }
    let known: Vec<_> = NAMES.iter().map(|(name, _)| *name).collect();
    let unknown: Vec<_> =
        named.iter().filter(|name| !known.contains(&name.as_str())).map(|name| name.as_str()).collect();
    if !unknown.is_empty() {
        return Some(format!("there is no placeholder {}: there are {}", unknown.join(", "), known.join(", ")));
    }
    let tells = named.contains("text") || named.contains("code");
    (!tells)
        .then(|| "it needs {{text}} or {{code}}: the code that verifies the channel comes in one of them".to_owned())
}

/// Gathers the names in all strings.
fn walk(json: &Value, named: &mut BTreeSet<String>) -> Result<(), String> {
    match json {
        Value::String(text) => {
            for part in parts(text)? {
                if let Part::Name(name) = part {
                    named.insert(name.to_owned());
                }
            }
        }
        Value::Array(items) => items.iter().try_for_each(|item| walk(item, named))?,
        Value::Object(fields) => {
            if fields.keys().any(|name| name.contains("{{")) {
                return Err("placeholders stand in values, not in the names of fields".to_owned());
            }
            fields.values().try_for_each(|value| walk(value, named))?;
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

enum Part<'a> {
    Text(&'a str),
    Name(&'a str),
}

/// A string in its parts: text as it stands, and names of placeholders.
fn parts(text: &str) -> Result<Vec<Part<'_>>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}") else {
            return Err("a placeholder that begins by {{ must end by }}".to_owned());
        };
        parts.push(Part::Text(before));
        parts.push(Part::Name(name.trim()));
        rest = after;
    }
    parts.push(Part::Text(rest));
    Ok(parts)
}

/// The body of a message; what has no value in it is an empty text.
///
/// # Errors
/// When the template is none, which was found when it was stored.
pub(super) fn body(template: &str, message: &Message) -> Result<Vec<u8>, String> {
    let json: Value = serde_json::from_str(template).map_err(|error| error.to_string())?;
    serde_json::to_vec(&filled(json, message)).map_err(|error| error.to_string())
}

fn filled(json: Value, message: &Message) -> Value {
    match json {
        Value::String(text) => {
            let said = |part| match part {
                Part::Text(text) => text.to_owned(),
                Part::Name(name) => value(name, message),
            };
            Value::String(parts(&text).map_or_else(|_| text.clone(), |parts| parts.into_iter().map(said).collect()))
        }
        Value::Array(items) => items.into_iter().map(|item| filled(item, message)).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, filled(value, message)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        other => other,
    }
}

fn value(name: &str, message: &Message) -> String {
    match name {
        "id" => message.id.to_string(),
        "headline" => message.brief.headline.clone(),
        "text" => message.brief.text(),
        "link" => message.brief.link.clone().unwrap_or_default(),
        _ => {
            let place = NAMES.iter().find(|(known, _)| *known == name).map_or("", |(_, place)| place);
            match message.event.pointer(place).filter(|_| !place.is_empty()) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Null) | None => String::new(),
                Some(other) => other.to_string(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_template_is_refused_with_what_would_be_right() {
        for (template, part) in [
            ("{", "no JSON at line 1, column 1"),
            (r#"{"text": {{text}}}"#, "placeholders stand inside of strings"),
            (r#""{{text}}""#, "an object or a list"),
            (r#"{"text": "{{text"}"#, "must end by }}"),
            (r#"{"{{text}}": "{{text}}"}"#, "not in the names of fields"),
            (r#"{"a": ["{{text}} {{monitor.nam}} {{x}}"]}"#, "no placeholder monitor.nam, x: there are id, headline"),
            (r#"{"a": "{{headline}}"}"#, "needs {{text}} or {{code}}"),
        ] {
            let said = wrong(template).unwrap_or_default();
            assert!(said.contains(part), "{template}: {said}");
        }
        assert!(wrong(&format!(r#"{{"a": "{{{{text}}}}{}"}}"#, "x".repeat(LONGEST))).is_some());
        let every: Vec<_> = NAMES.iter().map(|(name, _)| format!("{{{{ {name} }}}}")).collect();
        assert_eq!(wrong(&format!(r#"{{"a": "{}", "b": [1, null, true]}}"#, every.join("\\n"))), None);
    }
}
