//! Answers as files: CSV for whoever fills in questionnaires, JSON for programs, Markdown for readers.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use super::answers::{Answer, Export, Known, Look, Said, Stand};
use super::{Framework, Language, Status};
use crate::domain::csv;
use crate::domain::posture::State;

/// What a file can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table that opens in a spreadsheet, in which no cell is taken for a formula.
    Csv,
    /// All there is to know, with names that stay what they are.
    Json,
    /// A text.
    Md,
}

/// Why somebody's word names no format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("name one of csv, json, md")]
pub struct UnknownFormat;

impl Format {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Csv, Self::Json, Self::Md];
    /// Their names.
    pub const NAMES: [&'static str; 3] = ["csv", "json", "md"];

    /// Its name, which is also how the name of such a file ends.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Md => "md",
        }
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Self::ALL.into_iter().find(|format| format.as_str() == name).ok_or(UnknownFormat)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a file of answers is called.
pub fn name(framework: Framework, format: Format) -> String {
    format!("picket-{framework}.{format}")
}

impl Export<'_> {
    /// The file of this format in this language. Spreadsheets know by the mark at the beginning of a table how it is encoded.
    pub fn file(&self, format: Format, language: Language) -> String {
        match format {
            Format::Csv => format!("\u{feff}{}", self.csv(language)),
            Format::Json => format!("{:#}\n", self.json(language)),
            Format::Md => self.markdown(language),
        }
    }

    /// A row for each id: those of which something is said, then the others.
    pub fn csv(&self, language: Language) -> String {
        let answered = self.answers.iter().map(|answer| {
            let words: Vec<&str> = answer.known().into_iter().map(|known| known.word(language)).collect();
            let lines = |of: fn(&Said, Language) -> Vec<String>| {
                let lines: Vec<String> = answer.said.iter().flat_map(|said| of(said, language)).collect();
                plain(&lines.join("\n"))
            };
            vec![
                self.framework.shown(&answer.id, language),
                answer.verdict.word(language).to_owned(),
                words.join(", "),
                answer.at().map(to_the_second).unwrap_or_default(),
                lines(|said, language| vec![statement(said, language)]),
                lines(evidence),
                lines(remains),
            ]
        });
        let silent = self.silent.iter().map(|id| {
            let mut row =
                vec![self.framework.shown(id, language), language.of("unanswered", "unbeantwortet").to_owned()];
            row.resize(6, String::new());
            row.push(nothing(language).to_owned());
            row
        });
        let head = match language {
            Language::En => ["id", "answer", "known by", "as of", "statement", "evidence", "what remains"],
            Language::De => ["Kennung", "Antwort", "bekannt durch", "Stand", "Aussage", "Nachweis", "was offen bleibt"],
        };
        csv::table(&head, answered.chain(silent))
    }

    /// For programs: names are English and stay, texts are of the language.
    pub fn json(&self, language: Language) -> Value {
        let unmeasured = self.unmeasured().map(|id| json!({ "id": id, "why": "not_measured" }));
        let silent = self.silent.iter().map(|id| json!({ "id": id, "why": "nothing_said" }));
        json!({
            "format": "picket-answers/1",
            "for": self.framework.as_str(),
            "standard": self.framework.title(),
            "language": language.as_str(),
            "version": env!("CARGO_PKG_VERSION"),
            "at": self.at.exact(),
            "answers": self.answers.iter().map(|answer| self.answer(answer, language)).collect::<Vec<_>>(),
            "unanswered": unmeasured.chain(silent).collect::<Vec<_>>(),
        })
    }

    fn answer(&self, answer: &Answer, language: Language) -> Value {
        json!({
            "id": answer.id,
            "name": self.framework.shown(&answer.id, language),
            "answer": answer.verdict.as_str(),
            "known": answer.known().into_iter().map(Known::as_str).collect::<Vec<_>>(),
            "at": answer.at().map(Timestamp::exact),
            "said": answer.said.iter().map(|said| said_of(said, language)).collect::<Vec<_>>(),
        })
    }

    /// A text with a heading for each id.
    pub fn markdown(&self, language: Language) -> String {
        let mut text = format!("# {}\n\n", self.framework.titled(language));
        let _ = writeln!(text, "{}\n", self.lead(language));
        for answer in &self.answers {
            let words: Vec<&str> = answer.known().into_iter().map(|known| known.word(language)).collect();
            let at = answer.at().map(|at| format!("; {} {}", language.of("as of", "Stand"), to_the_second(at)));
            let (id, verdict) = (self.framework.shown(&answer.id, language), answer.verdict.word(language));
            let known = language.of("Known by", "Bekannt durch");
            let _ = writeln!(text, "## {id}: {verdict}\n\n{known}: {}{}.\n", words.join(", "), at.unwrap_or_default());
            for said in &answer.said {
                let _ = writeln!(text, "- {}", flat(&statement(said, language)));
                for (word, lines) in [
                    (language.of("Evidence", "Nachweis"), evidence(said, language)),
                    (language.of("What remains", "Offen"), remains(said, language)),
                ] {
                    for line in lines {
                        let _ = writeln!(text, "  - {word}: {}", flat(&line));
                    }
                }
            }
            text.push('\n');
        }
        let _ = writeln!(text, "## {}\n", language.of("Unanswered", "Unbeantwortet"));
        for id in self.unmeasured() {
            let _ = writeln!(text, "- {}: {}", self.framework.shown(id, language), Stand::Unmeasured.word(language));
        }
        for id in &self.silent {
            let _ = writeln!(text, "- {}: {}", self.framework.shown(id, language), nothing(language));
        }
        text
    }

    fn lead(&self, language: Language) -> String {
        let (version, at) = (env!("CARGO_PKG_VERSION"), to_the_second(self.at));
        match language {
            Language::En => format!(
                "What Picket {version} says to it, as of {at}. It speaks for the program and for this installation; whoever runs it adds its \
                 own part. Measured: a control of this installation looked. Attested: a person vouches for it. Tested: a test of this version \
                 shows it."
            ),
            Language::De => format!(
                "Was Picket {version} dazu sagt, Stand {at}. Es spricht für das Programm und diese Installation; wer sie betreibt, ergänzt den \
                 eigenen Teil. Gemessen: Eine Kontrolle dieser Installation hat nachgesehen. Bescheinigt: Eine Person steht dafür ein. \
                 Getestet: Ein Test dieser Version zeigt es."
            ),
        }
    }
}

fn said_of(said: &Said, language: Language) -> Value {
    let entry = said.entry;
    let looks = said.looks.iter().map(|look| {
        json!({
            "control": look.control, "state": look.finding.state.as_str(), "evidence": look.finding.evidence,
            "looked_at": look.at.exact(),
        })
    });
    let tests = entry.tests().map(|(file, name)| json!({ "file": file, "name": name }));
    json!({
        "promises": entry.promises,
        "text": entry.text(language),
        "status": entry.status.as_str(),
        "stand": said.stand.as_str(),
        "known": said.known.as_str(),
        "at": said.at.map(Timestamp::exact),
        "note": entry.note(language),
        "controls": looks.collect::<Vec<_>>(),
        "files": entry.files,
        "tests": tests.collect::<Vec<_>>(),
    })
}

/// `S5`, `S8 S19`, or a word for what is beyond the numbers.
fn numbers(said: &Said, language: Language) -> String {
    match said.entry.promises.is_empty() {
        true => language.of("also", "außerdem").to_owned(),
        false => said.entry.promises.join(" "),
    }
}

fn statement(said: &Said, language: Language) -> String {
    format!("{} ({}): {}", numbers(said, language), said.stand.word(language), said.entry.text(language))
}

/// By what it is known: what controls saw, else the tests.
fn evidence(said: &Said, language: Language) -> Vec<String> {
    let numbers = numbers(said, language);
    let seen = |look: &&&Look| look.finding.state != State::NotMeasured || look.finding.is_attested();
    let looks = said
        .looks
        .iter()
        .filter(seen)
        .map(|look| format!("{numbers}: {}, {}: {}", look.control, to_the_second(look.at), look.finding.evidence));
    match said.known {
        Known::Measured | Known::Attested => looks.collect(),
        Known::Tested => {
            let files = said.entry.tests_by_file().into_iter();
            let tests: Vec<String> = files.map(|(file, names)| format!("{file} ({})", names.join(", "))).collect();
            vec![format!("{numbers}: {}", tests.join("; "))]
        }
        Known::Operator | Known::Planned => Vec::new(),
    }
}

/// What keeps the answer from being yes.
fn remains(said: &Said, language: Language) -> Vec<String> {
    let numbers = &numbers(said, language);
    let word = said.stand.word(language);
    let unseen = |wanted: State| {
        let looks = said.looks.iter().filter(move |look| look.finding.state == wanted && !look.finding.is_attested());
        looks.map(move |look| format!("{numbers} ({}): {}", state_word(wanted, language), look.finding.evidence))
    };
    match (said.stand, said.entry.status) {
        (_, Status::Planned | Status::Operator) => {
            said.entry.note(language).map(|note| format!("{numbers} ({word}): {note}")).into_iter().collect()
        }
        (Stand::Unmeasured, _) if said.looks.is_empty() => {
            let nobody = language.of("nobody has looked yet", "es hat noch niemand nachgesehen");
            vec![format!("{numbers} ({word}): {nobody}")]
        }
        _ => unseen(State::Fail).chain(unseen(State::NotMeasured)).collect(),
    }
}

const fn state_word(state: State, language: Language) -> &'static str {
    match state {
        State::Pass => Stand::Kept.word(language),
        State::Fail => Stand::NotKept.word(language),
        State::NotMeasured => Stand::Unmeasured.word(language),
    }
}

const fn nothing(language: Language) -> &'static str {
    language.of("Picket says nothing of it; the operator answers.", "Picket sagt nichts dazu; der Betreiber antwortet.")
}

/// What stands in a cell: names of files and settings without their quotation.
fn plain(text: &str) -> String {
    text.replace('`', "")
}

/// On one line.
fn flat(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

fn to_the_second(at: Timestamp) -> String {
    format!("{at:.0}")
}

#[cfg(test)]
mod tests {
    use super::super::answers::answers;
    use super::super::{Catalogue, Framework};
    use super::*;
    use crate::domain::posture::Finding;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn looks() -> Vec<Look> {
        let look = |control: &str, finding| Look { control: control.to_owned(), finding, at: NOW };
        vec![
            look("backup-age", Finding::fail("=the last base backup, \"sealed\", is 40 h old").with("bucket-of-ours")),
            look("restore-drill", Finding::pass("a restore passed 3 h ago").with("machine-of-ours")),
            look("backup-place", Finding::attested("a person said so").with("bucket-of-ours")),
            look("key-age", Finding::not_measured("the ring could not be read")),
        ]
    }

    fn rows(table: &str) -> Vec<Vec<String>> {
        let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(table.as_bytes());
        reader.records().map(|row| row.unwrap().iter().map(ToOwned::to_owned).collect()).collect()
    }

    #[test]
    fn a_table_has_a_row_for_each_id_and_no_formula() {
        let looks = looks();
        for framework in Framework::ALL {
            let export = answers(Catalogue::ours(), framework, &looks, NOW);
            for language in Language::ALL {
                let rows = rows(&export.csv(language));
                assert_eq!(rows.len(), framework.ids().len() + 1, "{framework} {language}");
                let cells = || rows.iter().flatten();
                assert!(rows.iter().all(|row| row.len() == 7));
                assert!(cells().all(|cell| !cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n'])));
                // A cell of a spreadsheet holds no more.
                assert!(cells().all(|cell| cell.len() < 32_767), "{framework} {language}");
                assert!(
                    !cells().any(|cell| cell.contains("of-ours")),
                    "what is the operator's stays with the operator"
                );
            }
        }
    }

    #[test]
    fn a_row_says_answer_source_time_statement_evidence_and_what_remains() {
        let looks = looks();
        let export = answers(Catalogue::ours(), Framework::C5, &looks, NOW);
        let row = |language, id: &str| rows(&export.csv(language)).into_iter().find(|row| row[0] == id).unwrap();
        let english = row(Language::En, "OPS-07");
        assert_eq!(english[1..4], ["no", "measured, tested", "2026-09-21T14:13:20Z"]);
        assert!(english[4].starts_with("S5 (not kept): A base backup every day"), "{english:?}");
        assert!(english[5].contains("S5: backup-age, 2026-09-21T14:13:20Z: =the last base backup"), "{english:?}");
        assert!(english[6].contains("S5 (not kept): =the last"), "{english:?}");
        let german = row(Language::De, "OPS-08");
        assert_eq!(german[1..4], ["ja", "gemessen", "2026-09-21T14:13:20Z"]);
        assert!(german[4].contains("S8 (eingehalten): Jeden Tag wird eine Wiederherstellung"), "{german:?}");
        assert_eq!(row(Language::De, "PS-01")[1..4], ["Betreiber", "Betreiber", ""]);
        assert_eq!(row(Language::De, "OIS-02")[1], "unbeantwortet");
        assert_eq!(row(Language::En, "PSS-12")[1..3], ["partly", "attested, tested, operator"]);
        let last = rows(&export.csv(Language::En)).pop().unwrap();
        assert_eq!((last[0].as_str(), last[1].as_str()), ("PSS-10", "unanswered"), "what is unanswered comes last");
    }

    #[test]
    fn programs_get_every_part_and_every_id_once() {
        let looks = looks();
        let export = answers(Catalogue::ours(), Framework::Caiq, &looks, NOW);
        let json = export.json(Language::De);
        assert_eq!((&json["for"], &json["language"]), (&json!("caiq"), &json!("de")));
        let answers = json["answers"].as_array().unwrap();
        let backup = answers.iter().find(|answer| answer["id"] == "BCR-08").unwrap();
        assert_eq!(backup["answer"], "partly");
        let first = &backup["said"][0];
        assert_eq!((&first["promises"], &first["known"]), (&json!(["S2"]), &json!("attested")));
        assert_eq!(first["controls"][0]["state"], "not_measured");
        assert!(!json.to_string().contains("of-ours"), "what is the operator's stays with the operator");
        let unmeasured = json["unanswered"].as_array().unwrap().iter().filter(|one| one["why"] == "not_measured");
        let silent = json["unanswered"].as_array().unwrap().iter().filter(|one| one["why"] == "nothing_said");
        assert_eq!(unmeasured.count(), export.unmeasured().count());
        assert_eq!(answers.len() + silent.count(), 197);
    }

    #[test]
    fn a_text_names_each_id_and_ends_with_what_is_unanswered() {
        let export = answers(Catalogue::ours(), Framework::Tom, &[], NOW);
        let text = export.file(Format::Md, Language::De);
        assert!(text.starts_with("# DSGVO Art. 32\n\nWas Picket "), "{text}");
        assert!(
            text.contains(
                "## Art. 32 Abs. 1 lit. c: Wiederherstellung: nicht gemessen\n\nBekannt durch: getestet, Betreiber.\n"
            ),
            "{text}"
        );
        let (_, end) = text.split_once("## Unbeantwortet\n").unwrap();
        assert!(end.contains("- Art. 32 Abs. 1 lit. c: Wiederherstellung: nicht gemessen\n"), "{end}");
        assert!(end.contains("- Art. 32 Abs. 2: Beurteilung des Risikos: Picket sagt nichts dazu"), "{end}");
        assert_eq!(name(Framework::Tom, Format::Md), "picket-tom.md");
        assert_eq!("xls".parse::<Format>().unwrap_err().to_string(), "name one of csv, json, md");
        assert!(Format::ALL.into_iter().zip(Format::NAMES).all(|(format, name)| name.parse() == Ok(format)));
    }
}
