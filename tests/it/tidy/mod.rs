//! Rules about the source that no compiler holds: who may import whom, what each floor may not touch, sizes.
//!
//! [`lexer`] turns a file into tokens and sets its tests aside; [`paths`] finds every path that it names, `use` trees
//! and macro bodies included; [`table`] is the rules as data; [`rules`], [`documents`] and [`texts`] apply them;
//! [`controls`] holds what is promised to what is there.

mod controls;
mod documents;
mod lexer;
mod paths;
mod rules;
mod table;
mod texts;

use std::fs;
use std::path::{Path, PathBuf};

use picket_collector::domain::controls::Catalogue;

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every file with this extension below these folders: its path from the root, and its text.
fn files(folders: &[&str], extension: &str) -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn the_source_keeps_its_rules() {
    let files = files(&["shared/src", "shared/tests", "probe", "collector", "tests"], "rs");
    assert!(files.len() > 20, "only {} files: is this the root?", files.len());
    let tests: Vec<String> = files.iter().flat_map(|(name, text)| rules::test_files(name, text)).collect();
    let is_product = |name: &String| {
        ["shared/src/", "probe/src/", "collector/src/"].iter().any(|room| name.starts_with(room))
            && !rules::is_among(name, &tests)
    };
    let check = |(name, text): &(String, String)| {
        if is_product(name) { rules::check(name, text) } else { rules::check_any(name, text) }
    };
    let complaints: Vec<String> = files.iter().flat_map(check).collect();
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn documents_name_files_that_exist() {
    let mut documents = files(&["docs"], "md");
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"] {
        documents.push((name.to_owned(), fs::read_to_string(root().join(name)).unwrap()));
    }
    let exists = |path: &str| root().join(path).exists();
    let complaints: Vec<String> =
        documents.iter().flat_map(|(name, text)| documents::check(name, text, exists)).collect();
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn every_promise_has_its_line_and_what_is_built_is_there() {
    let catalogue = Catalogue::ours();
    let read = |path: &str| fs::read_to_string(root().join(path)).ok();
    let complaints = [catalogue.faults(), controls::check(catalogue, read)].concat();
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
    let (file, wanted) = (root().join("docs/controls.md"), controls::document(catalogue));
    if std::env::var_os("PICKET_WRITE").is_some() {
        fs::write(&file, &wanted).unwrap();
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    for (found, wanted) in found.lines().zip(wanted.lines()) {
        assert_eq!(
            found, wanted,
            "docs/controls.md is another than controls.toml makes: PICKET_WRITE=1 writes it anew"
        );
    }
    assert_eq!(
        found.len(),
        wanted.len(),
        "docs/controls.md lacks lines or has too many: PICKET_WRITE=1 writes it anew"
    );
}

#[test]
fn every_string_of_every_page_is_in_the_catalogue() {
    let catalogue = fs::read_to_string(root().join("collector/texts/en.toml")).unwrap();
    let templates = files(&["collector/templates"], "html");
    let sources = files(&["collector/src/web"], "rs");
    assert!(templates.len() > 5 && sources.len() > 20);
    let complaints = texts::check(&catalogue, &templates, &sources);
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn the_protocol_document_lists_every_refusal_with_its_status() {
    let text = fs::read_to_string(root().join("docs/wire.md")).unwrap();
    for code in picket_shared::wire::RefusalCode::ALL {
        let row = format!("| `{}` | {} |", code.as_str(), code.status());
        assert!(text.contains(&row), "docs/wire.md has no row {row}");
    }
    for path in ["time", "hello", "keys", "assignments", "batches", "manual"] {
        assert!(text.contains(&format!("| `/probe/v1/{path}")), "docs/wire.md has no row for {path}");
    }
}
