//! Every string that people read in pages: one catalogue a language, compiled in.
//!
//! `texts/en.toml` has a table a page and a key a text; `{}` in a text is filled by what the page gives. A test holds
//! templates and pages to it: no key that is missing, none that nobody uses, no text beside it.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::domain::access::Right;
use crate::privacy::documents::Measure;

/// The catalogue as its translators see it.
pub const ENGLISH: &str = include_str!("../../texts/en.toml");

static CATALOGUE: LazyLock<HashMap<String, String>> = LazyLock::new(|| read(ENGLISH));

/// The text of `key`; the key itself if there is none, which a test keeps from happening.
pub fn text(key: &'static str) -> &'static str {
    known(key).unwrap_or(key)
}

/// The text of `key`, where it is put together from names that somebody else gave.
pub fn known(key: &str) -> Option<&'static str> {
    CATALOGUE.get(key).map(String::as_str)
}

/// What a right is good for, in words.
pub fn right(right: Right) -> &'static str {
    known(&key_of(right)).unwrap_or_else(|| right.as_str())
}

/// What a control is about, in words; none for one that only another version has.
pub fn control(id: &str) -> Option<&'static str> {
    known(&format!("control.{}", id.replace('-', "_")))
}

/// Every measure that a control looks at, in words, by its name.
pub fn measures() -> Vec<Measure> {
    let named = |(key, says): (&String, &String)| {
        let control = key.strip_prefix("control.")?.replace('_', "-");
        Some(Measure { control, says: says.clone() })
    };
    let mut measures: Vec<Measure> = CATALOGUE.iter().filter_map(named).collect();
    measures.sort_by(|a, b| a.control.cmp(&b.control));
    measures
}

fn key_of(right: Right) -> String {
    format!("access.{}", right.as_str().replace(':', "_"))
}

/// The text of `key` with its first `{}` replaced by `value`.
pub fn filled(key: &'static str, value: impl std::fmt::Display) -> String {
    text(key).replacen("{}", &value.to_string(), 1)
}

fn read(toml: &str) -> HashMap<String, String> {
    let tables: HashMap<String, HashMap<String, String>> = toml::from_str(toml).unwrap_or_default();
    let keys = tables
        .into_iter()
        .flat_map(|(page, texts)| texts.into_iter().map(move |(key, text)| (format!("{page}.{key}"), text)));
    keys.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_every_channel_has_its_words_and_no_other() {
        use crate::notify::channels::Kind;
        let mut wanted: Vec<String> = Vec::new();
        for kind in Kind::ALL {
            let table = format!("channel_{}", kind.as_str());
            wanted.extend(["label", "lead"].map(|key| format!("{table}.{key}")));
            for field in kind.fields() {
                wanted.extend([format!("{table}.{}", field.name), format!("{table}.{}_help", field.name)]);
            }
        }
        let mut found: Vec<&String> = CATALOGUE.keys().filter(|key| key.starts_with("channel_")).collect();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted.iter().collect::<Vec<_>>());
    }

    #[test]
    fn every_right_has_its_words_and_no_other() {
        let mut wanted: Vec<String> = Right::ALL.iter().map(|right| key_of(*right)).collect();
        let mut found: Vec<&String> = CATALOGUE.keys().filter(|key| key.starts_with("access.")).collect();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted.iter().collect::<Vec<_>>());
    }

    #[test]
    fn the_catalogue_can_be_read_and_fills_in() {
        assert!(CATALOGUE.len() > 50);
        assert_eq!(text("nowhere.nothing"), "nowhere.nothing");
        assert_eq!(filled("time.minutes", 3), "3 min");
    }
}
