//! The shapes of bodies: `schemas.json` as it stands in the OpenAPI document, and what is held to it.
//!
//! One text is both the document and the check, so neither can say what the other does not. Of JSON Schema 2020-12 it uses
//! what [`check`] knows; a test finds any other word.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::problem::{Fault, Kind as ProblemKind};
use crate::notify::channels::Kind as ChannelKind;

/// Every schema by its name.
pub static SCHEMAS: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    let mut schemas: Map<String, Value> = serde_json::from_str(include_str!("schemas.json")).unwrap_or_default();
    schemas.insert("ChannelSettings".to_owned(), channel_settings());
    let types: Vec<String> = ProblemKind::ALL.iter().map(|kind| kind.uri()).collect();
    schemas.insert("ProblemType".to_owned(), json!({ "type": "string", "enum": types }));
    schemas
});

/// The words for a reference to a schema.
pub const REFERENCE: &str = "#/components/schemas/";

/// What is wrong with a value that should be of this schema; nothing if it is.
pub fn check(schema: &str, value: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Some(schema) = SCHEMAS.get(schema) {
        walk(schema, value, "", &mut faults);
    } else {
        faults.push(Fault::new("", format!("there is no schema {schema}")));
    }
    faults
}

/// The fields of every kind of channel.
fn channel_settings() -> Value {
    let mut properties = Map::new();
    let mut kinds = Vec::new();
    for kind in ChannelKind::ALL {
        let mut names = Vec::new();
        for field in kind.fields() {
            properties.insert(field.name.to_owned(), json!({ "type": "string", "maxLength": 8192 }));
            names.push(if field.required { field.name.to_owned() } else { format!("{} (optional)", field.name) });
        }
        kinds.push(format!("`{}`: {}", kind.as_str(), names.join(", ")));
    }
    let description = format!("Where a channel leads, by its kind. {}. Sealed when stored.", kinds.join("; "));
    json!({ "description": description, "type": "object", "properties": properties, "additionalProperties": false })
}

fn walk(schema: &Value, value: &Value, at: &str, faults: &mut Vec<Fault>) {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let target = SCHEMAS.get(name.trim_start_matches(REFERENCE));
        return target.map_or((), |target| walk(target, value, at, faults));
    }
    if let Some(options) = schema.get("oneOf").and_then(Value::as_array) {
        return one_of(schema, options, value, at, faults);
    }
    if let Some(message) = wrong_value(schema, value) {
        faults.push(Fault::new(at, message));
        return;
    }
    match value {
        Value::Object(fields) => object(schema, fields, at, faults),
        Value::Array(items) => {
            if let Some(each) = schema.get("items") {
                for (index, item) in items.iter().enumerate() {
                    walk(each, item, &format!("{at}[{index}]"), faults);
                }
            }
        }
        _ => {}
    }
}

fn object(schema: &Value, fields: &Map<String, Value>, at: &str, faults: &mut Vec<Fault>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    let path = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    for (name, value) in fields {
        match properties.get(name) {
            Some(property) => walk(property, value, &path(name), faults),
            None => faults.push(Fault::new(path(name), "there is no such field")),
        }
    }
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    for name in required.filter(|name| !fields.contains_key(*name)) {
        faults.push(Fault::new(path(name), "this field is missing"));
    }
}

/// By the field that tells them apart, or whichever fits.
fn one_of(schema: &Value, options: &[Value], value: &Value, at: &str, faults: &mut Vec<Fault>) {
    if let Some(tag) = schema.pointer("/discriminator/propertyName").and_then(Value::as_str) {
        let constant = |option: &Value| resolve(option).pointer(&format!("/properties/{tag}/const")).cloned();
        let known: Vec<Value> = options.iter().filter_map(constant).collect();
        match options.iter().find(|option| constant(option).is_some_and(|constant| value.get(tag) == Some(&constant))) {
            Some(option) => walk(option, value, at, faults),
            None if value.is_object() => {
                let field = if at.is_empty() { tag.to_owned() } else { format!("{at}.{tag}") };
                faults.push(Fault::new(field, format!("must be one of {}", listed(&known))));
            }
            None => faults.push(Fault::new(at, "must be an object")),
        }
        return;
    }
    let tried = options.iter().map(|option| {
        let mut found = Vec::new();
        walk(option, value, at, &mut found);
        found
    });
    let tried: Vec<_> = tried.collect();
    if tried.iter().any(Vec::is_empty) {
        return;
    }
    // What is wrong deep inside an option says more than that none fits.
    match tried.into_iter().find(|found| found.iter().all(|fault| fault.field != at)) {
        Some(found) => faults.extend(found),
        None => faults.push(Fault::new(at, "has none of the forms that it may have")),
    }
}

fn resolve(schema: &Value) -> &Value {
    let name = schema.get("$ref").and_then(Value::as_str).map(|name| name.trim_start_matches(REFERENCE));
    name.and_then(|name| SCHEMAS.get(name)).unwrap_or(schema)
}

/// What is wrong with the value itself, not looking into it.
fn wrong_value(schema: &Value, value: &Value) -> Option<String> {
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.iter().any(|kind| is_a(kind, value)) {
        let names: Vec<&str> = types.iter().map(|kind| spoken(kind)).collect();
        return Some(format!("must be {}", names.join(" or ")));
    }
    if let Some(constant) = schema.get("const").filter(|constant| *constant != value) {
        return Some(format!("must be {constant}"));
    }
    if let Some(known) = schema.get("enum").and_then(Value::as_array).filter(|known| !known.contains(value)) {
        return Some(format!("must be one of {}", listed(known)));
    }
    let (least, most, size, what) = match value {
        Value::Number(number) => ("minimum", "maximum", number.as_i64()?, ""),
        Value::String(text) => ("minLength", "maxLength", count(text.chars().count()), " characters"),
        Value::Array(items) => ("minItems", "maxItems", count(items.len()), " items"),
        _ => return None,
    };
    let bound = |name: &str| schema.get(name).and_then(Value::as_i64);
    match (bound(least), bound(most)) {
        (Some(least), Some(most)) if !(least..=most).contains(&size) => {
            Some(format!("must be {least} to {most}{what}"))
        }
        (Some(least), None) if size < least => Some(format!("must be at least {least}{what}")),
        (None, Some(most)) if size > most => Some(format!("must be at most {most}{what}")),
        _ => None,
    }
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

fn is_a(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        _ => false,
    }
}

fn spoken(kind: &str) -> &str {
    match kind {
        "object" => "an object",
        "array" => "a list",
        "string" => "a text",
        "boolean" => "true or false",
        "integer" => "a whole number",
        other => other,
    }
}

fn listed(known: &[Value]) -> String {
    known
        .iter()
        .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn fields(schema: &str, value: &Value) -> Vec<String> {
        check(schema, value).into_iter().map(|fault| fault.field).collect()
    }

    #[test]
    fn what_is_unknown_missing_or_wrong_is_named_by_its_path() {
        let good = json!({ "spec": { "kind": "http", "url": "https://a.example/", "auth": null }, "quorum": { "at_least": 2 } });
        assert_eq!(fields("MonitorBody", &good), Vec::<String>::new());
        for (value, wrong) in [
            (json!({}), vec!["spec"]),
            (json!([]), vec![""]),
            (json!({ "spec": { "kind": "http" } }), vec!["spec.url"]),
            (json!({ "spec": { "kind": "ping" } }), vec!["spec.kind"]),
            (json!({ "spec": { "kind": "tcp", "host": "a", "port": 0, "hots": 1 } }), vec!["spec.hots", "spec.port"]),
            (json!({ "spec": { "kind": "tcp", "host": "a", "port": 1 }, "intervall_s": 5 }), vec!["intervall_s"]),
            (json!({ "spec": { "kind": "tcp", "host": "a", "port": 1 }, "interval_s": 4 }), vec!["interval_s"]),
            (json!({ "spec": { "kind": "tcp", "host": "a", "port": 1 }, "interval_s": 60.5 }), vec!["interval_s"]),
            (json!({ "spec": { "kind": "tcp", "host": "a", "port": 1 }, "tags": ["a", 1] }), vec!["tags[1]"]),
            (
                json!({ "spec": { "kind": "tcp", "host": "a", "port": 1 }, "quorum": { "at_least": 0 } }),
                vec!["quorum.at_least"],
            ),
            (json!({ "spec": { "kind": "tcp", "host": "a", "port": 1 }, "quorum": "most" }), vec!["quorum"]),
            (
                json!({ "spec": { "kind": "http", "url": "u", "auth": { "scheme": "basic", "user": "u", "pass": "p" } } }),
                vec!["spec.auth.pass", "spec.auth.password"],
            ),
        ] {
            assert_eq!(fields("MonitorBody", &value), wrong, "{value}");
        }
    }

    /// Every word of a schema that is not known to [`walk`].
    fn unknown(schema: &Value, found: &mut Vec<String>) {
        const KNOWN: &[&str] = &[
            "$ref",
            "oneOf",
            "discriminator",
            "type",
            "const",
            "enum",
            "minimum",
            "maximum",
            "minLength",
            "maxLength",
            "minItems",
            "maxItems",
            "items",
            "properties",
            "required",
            "additionalProperties",
            "description",
            "format",
        ];
        let Some(words) = schema.as_object() else { return };
        found.extend(words.keys().filter(|word| !KNOWN.contains(&word.as_str())).cloned());
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let name = name.strip_prefix(REFERENCE).unwrap_or_default();
            if !SCHEMAS.contains_key(name) {
                found.push(format!("$ref to {name:?}"));
            }
        }
        if schema.get("properties").is_some() && schema.get("additionalProperties") != Some(&Value::Bool(false)) {
            found.push(format!("an open object: {schema}"));
        }
        for part in schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::values) {
            unknown(part, found);
        }
        for part in schema.get("oneOf").and_then(Value::as_array).into_iter().flatten().chain(schema.get("items")) {
            unknown(part, found);
        }
    }

    #[test]
    fn every_schema_uses_only_what_is_checked() {
        assert!(SCHEMAS.len() > 30);
        let mut found = Vec::new();
        SCHEMAS.values().for_each(|schema| unknown(schema, &mut found));
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn a_specification_may_hold_what_the_wire_knows_and_nothing_else() {
        use picket_shared::check::{CheckSpec, DnsSpec, HttpSpec, RecordType, TcpSpec, TlsSpec, Verify};
        let mut http = HttpSpec::get("https://a.example/");
        (http.method, http.body, http.extra_ca) = ("POST".to_owned(), Some("b".to_owned()), Some("c".to_owned()));
        http.headers.push(("a".to_owned(), "b".to_owned()));
        http.accept_status.push("204".parse().unwrap());
        (http.contains, http.must_not_contain) = (vec!["x".to_owned()], vec!["y".to_owned()]);
        (http.max_redirects, http.verify, http.http2) = (1, Verify::Off, false);
        let mut dns = DnsSpec::ask("a.example", RecordType::Mx);
        (dns.server, dns.port, dns.expect) = (Some("9.9.9.9".to_owned()), 54, vec!["x".to_owned()]);
        let mut tls = TlsSpec::connect("a.example", 444);
        (tls.server_name, tls.min_days_left, tls.verify) = (Some("b".to_owned()), 3, Verify::Off);
        tls.extra_ca = Some("c".to_owned());
        let tcp = TcpSpec { host: "a.example".to_owned(), port: 25 };
        for (name, spec) in [
            ("HttpSpec", CheckSpec::Http(http)),
            ("DnsSpec", CheckSpec::Dns(dns)),
            ("TlsSpec", CheckSpec::Tls(tls)),
            ("TcpSpec", CheckSpec::Tcp(tcp)),
        ] {
            let wire = serde_json::to_value(&spec).unwrap();
            assert_eq!(check("CheckSpec", &wire), Vec::<Fault>::new(), "{wire}");
            let names = |object: &Value| object.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
            let (written, known) = (names(&wire), names(&SCHEMAS[name]["properties"]));
            assert_eq!(written, known, "{name}");
        }
    }
}
