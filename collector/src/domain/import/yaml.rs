//! YAML -> the values of JSON, as far as configuration files need it.
//!
//! The parser gives events; what they build is bounded here: how deep it is, and how much aliases make of a small file.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

const DEEPEST: usize = 64;
/// Bytes that may be built beyond a few times the length of the file.
const SLACK: usize = 1 << 20;

/// The first document of a file.
///
/// # Errors
/// Where it is not YAML, or what is too much of it.
pub(super) fn read(text: &str) -> Result<Value, String> {
    let mut builder = Builder { budget: text.len().saturating_mul(4).saturating_add(SLACK), ..Builder::default() };
    for event in Parser::new_from_str(text) {
        let (event, _) = event.map_err(|error| {
            format!("line {}, column {}: {}", error.marker().line(), error.marker().col() + 1, error.info())
        })?;
        if matches!(event, Event::DocumentEnd) {
            break;
        }
        builder.take(event)?;
    }
    Ok(builder.root.unwrap_or(Value::Null))
}

#[derive(Default)]
struct Builder {
    root: Option<Value>,
    open: Vec<Open>,
    anchors: HashMap<usize, Value>,
    budget: usize,
}

/// A list or a mapping that has not ended.
struct Open {
    value: Value,
    /// The key whose value is next.
    key: Option<String>,
    anchor: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                self.spend(text.len() + 1)?;
                let is_key = self.open.last().is_some_and(|open| open.value.is_object() && open.key.is_none());
                let plain = style == ScalarStyle::Plain && !is_key;
                let value = if plain { plain_scalar(&text) } else { Value::String(text.into_owned()) };
                self.put(value, anchor)
            }
            Event::SequenceStart(anchor, _) => self.begin(Value::Array(Vec::new()), anchor),
            Event::MappingStart(anchor, _) => self.begin(Value::Object(Map::new()), anchor),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(()) };
                self.put(open.value, open.anchor)
            }
            Event::Alias(anchor) => {
                let value = self.anchors.get(&anchor).cloned().ok_or("an alias stands inside of what it names")?;
                self.spend(weight(&value))?;
                self.put(value, 0)
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
        }
    }

    fn begin(&mut self, value: Value, anchor: usize) -> Result<(), String> {
        self.spend(1)?;
        if self.open.len() == DEEPEST {
            return Err(format!("it is nested deeper than {DEEPEST} levels"));
        }
        self.open.push(Open { value, key: None, anchor });
        Ok(())
    }

    fn spend(&mut self, bytes: usize) -> Result<(), String> {
        self.budget = self.budget.checked_sub(bytes).ok_or("its aliases (*name) make too much of it")?;
        Ok(())
    }

    fn put(&mut self, value: Value, anchor: usize) -> Result<(), String> {
        if anchor > 0 {
            self.spend(weight(&value))?;
            self.anchors.insert(anchor, value.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(value);
            return Ok(());
        };
        match (&mut open.value, open.key.take()) {
            (Value::Array(list), _) => list.push(value),
            (Value::Object(map), Some(key)) if key == "<<" => merge(map, value),
            (Value::Object(map), Some(key)) => {
                map.insert(key, value);
            }
            (_, None) => match value {
                Value::String(key) => open.key = Some(key),
                _ => return Err("the key of a mapping must be a text".to_owned()),
            },
            _ => {}
        }
        Ok(())
    }
}

/// What is there already stands.
fn merge(map: &mut Map<String, Value>, value: Value) {
    match value {
        Value::Object(other) => {
            for (key, value) in other {
                map.entry(key).or_insert(value);
            }
        }
        Value::Array(list) => list.into_iter().for_each(|value| merge(map, value)),
        _ => {}
    }
}

fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 1,
        Value::Array(list) => 1 + list.iter().map(weight).sum::<usize>(),
        Value::Object(map) => 1 + map.iter().map(|(key, value)| key.len() + weight(value)).sum::<usize>(),
        _ => 1,
    }
}

/// A text without quotes may be a number or the like (YAML 1.2, core schema).
fn plain_scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let digits = text.trim_start_matches(['-', '+']);
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit());
    match (text.parse::<i64>(), text.parse::<f64>()) {
        (Ok(number), _) if is_number => Value::from(number),
        (_, Ok(number)) if is_number => Value::from(number),
        _ => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_configuration_files_hold_is_read() {
        let text = "a: 1\nb: [x, 'y', \"z\\n\", 1.5, true, ~]\n200: {c: -3}\nd: &d {e: f, g: h}\nk:\n  <<: *d\n  g: i\n\
                    m: |\n  one\n  two\nn: 2001:db8::1\n---\nsecond: document\n";
        let expected = json!({"a": 1, "b": ["x", "y", "z\n", 1.5, true, null], "200": {"c": -3}, "d": {"e": "f", "g": "h"},
                              "k": {"e": "f", "g": "i"}, "m": "one\ntwo\n", "n": "2001:db8::1"});
        assert_eq!(read(text), Ok(expected));
        assert_eq!(read(""), Ok(Value::Null));
    }

    #[test]
    fn what_is_not_yaml_is_told_with_its_line() {
        let error = read("a: 1\nb: [1, 2\nc: }").unwrap_err();
        assert!(error.starts_with("line 3"), "{error}");
        assert!(read("? [a, b]\n: c").unwrap_err().contains("must be a text"));
    }

    #[test]
    fn what_laughs_a_billion_times_is_refused() {
        let mut text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
        for level in 1..12 {
            let list = vec![format!("*a{}", level - 1); 8].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{list}]\n"));
        }
        assert!(read(&text).unwrap_err().contains("too much"));
        assert!(read(&"[".repeat(5000)).is_err());
        assert!(read("a: &a [*a]").is_err());
    }
}
