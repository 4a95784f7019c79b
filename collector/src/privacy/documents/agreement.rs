//! The data processing agreement, with everything filled in but with whom it is and when it is issued; and which of its parts makes a
//! version another one.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use picket_shared::daykeys::hex;

use super::Said;
use super::markdown::Writer;
use crate::domain::column_class::Subject;
use crate::store::agreements::Version;
use crate::store::catalogue::{Catalogue, Table};

/// The agreement that comes with Picket.
pub const BUILT_IN: &str = include_str!("../../../texts/dpa.md");

/// What of a table is an organization's, or of people whom it names, and is given to it in an export: which tables, and what for.
fn data(catalogue: &Catalogue) -> Vec<(String, Vec<String>)> {
    let of_people = |table: &Table| {
        let theirs = table.columns.iter().filter(|column| {
            let class = &column.class;
            class.subject == Subject::Contact || (class.subject == Subject::Tenant && class.export)
        });
        let purposes: Vec<String> = theirs.map(|column| column.class.purpose.clone()).collect();
        (!purposes.is_empty()).then(|| (table.name.clone(), purposes))
    };
    catalogue.tables().iter().filter_map(of_people).collect()
}

/// The version that the settings and the database make now; its number follows `before`. None if it is the same.
pub fn next(catalogue: &Catalogue, said: &Said, before: Option<&Version>) -> Option<Version> {
    let template = said.privacy.dpa_text.as_deref().unwrap_or(BUILT_IN);
    let data = data(catalogue);
    // Words may be put better: what makes a version another one is which data, which measures, who, and for how long.
    let names = |list: Vec<&str>| list.join("\n");
    let parts = [
        ("text", template.to_owned()),
        ("parties", [said.controller(), said.contact(), said.dpo(), said.privacy.notice_days.to_string()].join("\n")),
        ("data", names(data.iter().map(|(table, _)| table.as_str()).collect())),
        ("retention", said.limits().join("\n") + &said.backups()),
        ("measures", names(said.measures.iter().map(|measure| measure.control.as_str()).collect())),
        ("sub-processors", said.privacy.sub_processors.iter().map(|one| one.told()).collect::<Vec<_>>().join("\n")),
    ];
    let parts: BTreeMap<String, String> =
        parts.into_iter().map(|(name, text)| (name.to_owned(), hash(&text))).collect();
    let whole = hash(&parts.iter().map(|(name, hash)| format!("{name} {hash}\n")).collect::<String>());
    if before.is_some_and(|before| before.hash == whole) {
        return None;
    }
    let was = before.map(|before| &before.parts);
    let changed = parts.iter().filter(|(name, hash)| was.is_some_and(|was| was.get(*name) != Some(hash)));
    let changed = changed.map(|(name, _)| name.clone()).collect();
    let number = before.map_or(1, |before| before.number.saturating_add(1));
    let body = fill(template, said, &data, number);
    Some(Version { number, hash: whole, parts, changed, body })
}

fn hash(text: &str) -> String {
    hex(digest(&SHA256, text.as_bytes()).as_ref())
}

fn written(write: impl FnOnce(&mut Writer)) -> String {
    let mut writer = Writer::default();
    write(&mut writer);
    writer.finish().trim_end().to_owned()
}

fn fill(template: &str, said: &Said, data: &[(String, Vec<String>)], number: i32) -> String {
    let rows = data.iter().map(|(table, purposes)| vec![table.replace('_', " "), purposes.join("; ")]);
    let filled = |name: &str| match name {
        "version" => Some(number.to_string()),
        "controller" => Some(said.controller()),
        "contact" => Some(said.contact()),
        "dpo" => Some(said.dpo()),
        "notice_days" => Some(said.privacy.notice_days.to_string()),
        "data" => Some(written(|to| to.table(&["What", "Each of its values"], rows.clone()))),
        "retention" => Some(written(|to| {
            to.list(said.limits());
            to.text(&said.backups());
        })),
        "measures" => Some(written(|to| match said.measures.is_empty() {
            true => to.text("None."),
            false => to.list(said.measures.iter().map(|measure| &measure.says)),
        })),
        "sub_processors" => Some(written(|to| said.list_others(to, None))),
        // Filled when it is issued.
        _ => None,
    };
    let mut parts = template.split('{');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').unwrap_or((part, ""));
        match filled(name) {
            Some(value) => text.push_str(&value),
            None => {
                text.push('{');
                text.push_str(name);
                text.push('}');
            }
        }
        text.push_str(rest);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PLACES;
    use crate::privacy::documents::Measure;

    #[test]
    fn the_agreement_that_comes_with_picket_uses_every_place_and_no_other() {
        let found: Vec<&str> = BUILT_IN.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
        for place in PLACES {
            assert!(found.contains(&place), "{place}");
        }
        assert!(found.iter().all(|name| PLACES.contains(name)), "{found:?}");
        for point in
            ["instructions", "Confidentiality", "Security", "Sub-processors", "Rights", "32 to 36", "erased", "audits"]
        {
            assert!(BUILT_IN.contains(point), "Article 28(3) wants {point}");
        }
    }

    #[test]
    fn a_version_is_another_one_when_something_that_matters_is() {
        let (catalogue, said) = (Catalogue::none(), Said::default());
        let first = next(&catalogue, &said, None).unwrap();
        assert_eq!((first.number, first.changed.len()), (1, 0));
        assert!(first.body.contains("{organization}") && first.body.contains("{issued}"));
        assert!(first.body.contains("not stated: set [privacy] controller") && first.body.contains("Version 1"));
        assert_eq!(next(&catalogue, &said, Some(&first)), None);
        let mut other = said.clone();
        other.privacy.controller = Some("Example Ltd".to_owned());
        other.measures.push(Measure { control: "x".to_owned(), says: "It is so".to_owned() });
        let second = next(&catalogue, &other, Some(&first)).unwrap();
        assert_eq!((second.number, second.changed.join(" ")), (2, "measures parties".to_owned()));
        other.measures[0].says = "It is said otherwise".to_owned();
        assert_eq!(next(&catalogue, &other, Some(&second)), None);
        other.privacy.dpa_text = Some("With {organization}.".to_owned());
        let third = next(&catalogue, &other, Some(&second)).unwrap();
        assert_eq!((third.changed.join(" ").as_str(), third.body.as_str()), ("text", "With {organization}."));
    }
}
