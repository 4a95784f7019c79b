//! Pages say nothing beside the catalogue: every key that they use is there, every key there is used, and templates hold
//! no words of their own, nor do they let markup through.

use std::collections::BTreeSet;

/// Every key of the catalogue: `table.key`.
fn keys(catalogue: &str) -> BTreeSet<String> {
    let tables: toml::Table = toml::from_str(catalogue).unwrap();
    let keys = tables
        .iter()
        .flat_map(|(table, texts)| texts.as_table().unwrap().keys().map(move |key| format!("{table}.{key}")));
    keys.collect()
}

/// What may be a key: two words with a dot between, in quotation marks.
fn named(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').filter(|part| {
        let mut halves = part.split('.');
        let word = |half: Option<&str>| {
            half.is_some_and(|half| {
                half.starts_with(|c: char| c.is_ascii_lowercase())
                    && half.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            })
        };
        word(halves.next()) && word(halves.next()) && halves.next().is_none()
    })
}

/// Words between the tags of a template: what a reader sees and no catalogue holds.
fn words(template: &str) -> Vec<String> {
    let mut plain = template.to_owned();
    for (open, close) in [("{#", "#}"), ("{{", "}}"), ("{%", "%}")] {
        while let Some(begin) = plain.find(open) {
            let end = plain[begin..].find(close).map_or(plain.len(), |end| begin + end + close.len());
            plain.replace_range(begin..end, "");
        }
    }
    let mut found = Vec::new();
    for part in plain.split('>').map(|part| part.split('<').next().unwrap_or_default().trim()) {
        if part.chars().any(char::is_alphabetic) && !ALLOWED.contains(&part) {
            found.push(part.to_owned());
        }
    }
    for attribute in ["title=\"", "aria-label=\"", "placeholder=\"", "alt=\""] {
        let values = plain.split(attribute).skip(1).filter_map(|rest| rest.split('"').next());
        found.extend(
            values.filter(|value| value.contains(char::is_alphabetic) && !value.contains("://")).map(str::to_owned),
        );
    }
    found
}

/// The same in every language.
const ALLOWED: &[&str] = &["EU"];

/// What is wrong with pages and catalogue; `templates` and `sources` are pairs of name and text.
pub(super) fn check(catalogue: &str, templates: &[(String, String)], sources: &[(String, String)]) -> Vec<String> {
    let keys = keys(catalogue);
    let tables: BTreeSet<&str> = keys.iter().filter_map(|key| key.split('.').next()).collect();
    let mut complaints = Vec::new();
    let mut used = BTreeSet::new();
    for (file, text) in templates.iter().chain(sources) {
        for key in named(text) {
            // Words with a dot that are no keys: names of files and the like.
            if !tables.contains(key.split('.').next().unwrap_or_default()) {
                continue;
            }
            used.insert(key.to_owned());
            if !keys.contains(key) {
                complaints.push(format!("{file}: the catalogue has no {key}"));
            }
        }
    }
    // What a channel's form says is found by the names of its fields, and what a right is good for by its name; `web::texts`
    // holds each two together.
    let by_name = ["channel_", "access.", "delivery.told_", "import.source_", "control."];
    used.extend(keys.iter().filter(|key| by_name.iter().any(|begin| key.starts_with(begin))).cloned());
    complaints.extend(keys.difference(&used).map(|key| format!("nobody uses the text {key}")));
    for (file, text) in templates {
        let squeezed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let unescaped = ["|safe", "|escape_none", "escape=\"none\"", "|escape(\"none\")"];
        complaints.extend(
            unescaped
                .iter()
                .filter(|filter| squeezed.contains(**filter))
                .map(|filter| format!("{file}: {filter} lets markup through")),
        );
        complaints.extend(words(text).into_iter().map(|words| format!("{file}: {words:?} is in no catalogue")));
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    const CATALOGUE: &str = "[page]\ntitle = \"Title\"\nlead = \"{} things\"\n";

    #[track_caller]
    fn count(template: &str, source: &str, expected: usize) {
        let one = |name: &str, text: &str| vec![(name.to_owned(), text.to_owned())];
        let found = check(CATALOGUE, &one("page.html", template), &one("page.rs", source));
        assert_eq!(found.len(), expected, "{found:?}");
    }

    #[test]
    fn what_is_beside_the_catalogue_is_found() {
        let good = "<h1 class=\"big\">{{ \"page.title\"|t }}</h1><img alt=\"{{ x }}\">";
        count(good, "filled(\"page.lead\", 3)", 0);
        count("<p>{{ \"page.title\"|t }}</p>", "", 1);
        count(&format!("{good}{{{{ \"page.gone\"|t }}}}"), "text(\"page.lead\")", 1);
        count(&format!("{good}{{{{ name | safe }}}}"), "text(\"page.lead\")", 1);
        count(&format!("{good}<p>Hello</p>"), "text(\"page.lead\")", 1);
        count(&format!("{good}<p title=\"Hello\">3</p>"), "text(\"page.lead\")", 1);
    }
}
