//! Within one import no two candidates have the same external key, nor the same name.

use std::collections::{HashMap, HashSet};

use super::Found;
use super::candidate::{Lost, Refused};

const LONGEST: usize = 200;

/// Refuses all but the first of each key, and renames all but the first of each name.
pub(super) fn settle(found: &mut Found) {
    let mut keys = HashSet::new();
    // Each name that is taken, and the number to try next for another one of it.
    let mut names = HashMap::new();
    let mut kept = Vec::with_capacity(found.candidates.len());
    for mut candidate in std::mem::take(&mut found.candidates) {
        if !keys.insert(candidate.key.clone()) {
            found.refused.push(Refused {
                why: format!("another one of this import has the external key {:?} too", candidate.key),
                kind: candidate.spec.kind().to_string(),
                place: candidate.place,
                name: candidate.name,
            });
            continue;
        }
        if names.contains_key(&candidate.name) {
            let name = free(&mut names, &candidate.name);
            let why = format!("another one is called {:?} too, so this one is called {name:?}", candidate.name);
            candidate.lost.push(Lost { field: "name".to_owned(), why });
            candidate.name = name;
        }
        names.insert(candidate.name.clone(), 2);
        kept.push(candidate);
    }
    found.candidates = kept;
}

/// `shop (2)`, or the first number that is free.
fn free(names: &mut HashMap<String, usize>, name: &str) -> String {
    let mut number = names.get(name).copied().unwrap_or(2);
    loop {
        let end = format!(" ({number})");
        let begin: String = name.chars().take(LONGEST - end.len()).collect();
        let numbered = format!("{begin}{end}");
        number += 1;
        if !names.contains_key(&numbered) {
            names.insert(name.to_owned(), number);
            return numbered;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::import::candidate::Draft;
    use picket_shared::check::{CheckSpec, HttpSpec};

    #[test]
    fn the_second_of_a_name_is_numbered_and_the_second_of_a_key_is_refused() {
        let candidate = |key: &str, name: &str| {
            let draft = Draft::new(key.to_owned(), format!("line {key}"), name, "http");
            draft.finish(CheckSpec::Http(HttpSpec::get("https://example.org/")), None).unwrap()
        };
        let long = "x".repeat(200);
        let candidates = [("1", "a"), ("2", "a"), ("3", "a (2)"), ("1", "b"), ("4", &long), ("5", &long), ("6", "a")];
        let candidates = candidates.into_iter().map(|(key, name)| candidate(key, name)).collect();
        let mut found = Found { candidates, ..Found::default() };
        settle(&mut found);
        let names: Vec<_> = found.candidates.iter().map(|candidate| candidate.name.as_str()).collect();
        assert_eq!(names, ["a", "a (2)", "a (2) (2)", &long, &format!("{} (2)", "x".repeat(196)), "a (3)"]);
        assert_eq!((found.refused.len(), found.refused[0].name.as_str()), (1, "b"));
    }
}
