//! What is promised as built is there: each file, and each test in it; and the document that says so is made from the same.

use std::fmt::Write as _;

use picket_collector::domain::controls::{Catalogue, Entry, Framework, Language, Status};

/// Everything that an entry names as built and that is not there; `read` gives the text of a file, if there is one. A folder is no file.
pub(super) fn check(catalogue: &Catalogue, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut complaints = Vec::new();
    for entry in &catalogue.entries {
        let mut complain = |what: String| complaints.push(format!("{}: {what}", entry.text(Language::En)));
        for file in entry.files.iter().filter(|file| read(file).is_none()) {
            complain(format!("there is no file {file}"));
        }
        for (file, name) in entry.tests() {
            match read(file) {
                None => complain(format!("there is no file {file}")),
                Some(text) if !tests(file, &text, name) => complain(format!("{file} has no test {name}")),
                Some(_) => {}
            }
        }
    }
    complaints
}

/// Whether a file has a test of this name: a function that is one, or a step of `tests/run`.
fn tests(file: &str, text: &str, name: &str) -> bool {
    if !file.ends_with(".rs") {
        return text.lines().any(|line| line.trim_start().starts_with(&format!("step \"{name}\" ")));
    }
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_this = |line: &&str| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.strip_prefix("fn ").is_some_and(|rest| rest.split('(').next() == Some(name))
    };
    lines.iter().enumerate().filter(|(_, line)| is_this(line)).any(|(at, _)| {
        let above = lines[..at].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("//"));
        above.into_iter().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
    })
}

const HEAD: &str = "\
# Controls

What Picket promises, where the code keeps it, and the test that shows it; what is planned; and what is the part of whoever runs it. The numbers S1 to
S121 are those of the promises that comparable services make; what goes beyond them comes last.

This file is made from `collector/controls.toml`: change that, then `PICKET_WRITE=1 cargo test --locked -p picket-tests --test it -- tidy`. A test
fails where a file or a test is named that is not there. `picket-collector posture export` answers questionnaires from the same, with what is measured
([posture.md](posture.md)).

Ids are those of BSI C5:2020 (C5), ISO/IEC 27001:2022 Annex A (ISO), CSA CCM v4, with which the questions of CAIQ v4 begin (CAIQ), and GDPR Art. 32 (GDPR).
A promise that touches an id does not fulfil it alone; where none fits, none is named.
";

/// `docs/controls.md`, as the catalogue makes it.
pub(super) fn document(catalogue: &Catalogue) -> String {
    let mut text = HEAD.to_owned();
    let count = |status| catalogue.entries.iter().filter(|entry| entry.status == status).count();
    let _ = writeln!(
        text,
        "\nLines: {} built, {} planned, {} the operator's.\n",
        count(Status::Built),
        count(Status::Planned),
        count(Status::Operator)
    );
    text.push_str("| promise | status | file | test | ids |\n|---|---|---|---|---|\n");
    for entry in &catalogue.entries {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            promise(entry),
            entry.status.as_str(),
            quoted(entry.files.iter().map(String::as_str)),
            shown_by(entry),
            ids(entry)
        );
    }
    text
}

fn promise(entry: &Entry) -> String {
    let numbers = match entry.promises.is_empty() {
        true => String::new(),
        false => format!("{}: ", entry.promises.join(", ")),
    };
    let note = match (entry.status, entry.note(Language::En)) {
        (Status::Operator, Some(note)) => format!(" The operator: {note}"),
        (Status::Planned, Some(note)) => format!(" So far: {note}"),
        _ => String::new(),
    };
    format!("{numbers}{}{note}", entry.text(Language::En)).replace('|', "\\|")
}

fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Each file once, with its tests.
fn shown_by(entry: &Entry) -> String {
    let shown =
        entry.tests_by_file().into_iter().map(|(file, names)| format!("`{file}` ({})", quoted(names.into_iter())));
    shown.collect::<Vec<_>>().join(", ")
}

fn ids(entry: &Entry) -> String {
    // Ids of the GDPR have spaces in them.
    let named = [
        (Framework::C5, "C5", " "),
        (Framework::Iso27001, "ISO", " "),
        (Framework::Caiq, "CAIQ", " "),
        (Framework::Tom, "GDPR", ", "),
    ];
    let all = named.into_iter().filter(|(framework, ..)| !entry.ids(*framework).is_empty());
    let all = all.map(|(framework, called, between)| format!("{called} {}", entry.ids(framework).join(between)));
    all.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TESTS: &str = "#[test]\nfn it_holds() {}\n\n#[tokio::test(start_paused = true)]\n// Why.\nasync fn it_waits() {}\n\nfn it_helps() {}\n";

    fn read(path: &str) -> Option<String> {
        match path {
            "src/a.rs" => Some(String::new()),
            "tests/a.rs" => Some(TESTS.to_owned()),
            "tests/run" => Some("step \"clippy\" cargo clippy\n    step \"tests\" cargo test\n".to_owned()),
            _ => None,
        }
    }

    #[track_caller]
    fn count(file: &str, test: &str, expected: usize) {
        let entry = format!(
            "[[entry]]\nstatus = \"built\"\nen = \"a\"\nde = \"b\"\nfiles = [\"{file}\"]\ntests = [\"{test}\"]\nc5 = [\"OPS-06\"]\n"
        );
        let catalogue = Catalogue::parse(&entry).unwrap();
        let found = check(&catalogue, read);
        assert_eq!(found.len(), expected, "{found:?}");
    }

    #[test]
    fn what_is_not_there_is_found() {
        count("src/a.rs", "tests/a.rs: it_holds", 0);
        count("src/a.rs", "tests/a.rs: it_waits", 0);
        count("src/a.rs", "tests/run: clippy", 0);
        count("src/a.rs", "tests/run: tests", 0);
        count("src/gone.rs", "tests/a.rs: it_holds", 1);
        count("src", "tests/a.rs: it_holds", 1);
        count("src/a.rs", "tests/gone.rs: it_holds", 1);
        count("src/a.rs", "tests/a.rs: it_hold", 1);
        count("src/a.rs", "tests/a.rs: it_helps", 1);
        count("src/a.rs", "tests/run: clip", 1);
        count("src/gone.rs", "tests/gone.rs: gone", 2);
    }

    #[test]
    fn a_row_says_promise_status_file_test_and_ids() {
        let built = "[[entry]]\npromises = [\"S1\", \"S2\"]\nstatus = \"built\"\nen = \"a\"\nde = \"b\"\nfiles = [\"f\"]\ntests = [\"t: x\", \"t: y\"]\nc5 = [\"OPS-06\", \"OPS-07\"]\ntom = [\"32(1)(c)\"]\n";
        let planned =
            "[[entry]]\nstatus = \"planned\"\nen = \"c\"\nde = \"d\"\nnote_en = \"not yet.\"\nnote_de = \"e\"\n";
        let text = document(&Catalogue::parse(&format!("{built}{planned}")).unwrap());
        assert!(text.contains("\nLines: 1 built, 1 planned, 0 the operator's.\n"), "{text}");
        assert!(
            text.contains("\n| S1, S2: a | built | `f` | `t` (`x`, `y`) | C5 OPS-06 OPS-07; GDPR 32(1)(c) |\n"),
            "{text}"
        );
        assert!(text.contains("\n| c So far: not yet. | planned |  |  |  |\n"), "{text}");
    }
}
