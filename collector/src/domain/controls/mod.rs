//! What is promised, as a catalogue: each promise with what keeps it, what shows it, and the ids that it answers elsewhere.
//!
//! `controls.toml` is the one source. `docs/controls.md` is made from it, [`answers`] makes a questionnaire's answers of it and of what
//! controls found, [`words`] says them in a language, and [`files`] writes them as CSV, JSON or Markdown. [`frameworks`] knows which ids
//! there are.

pub mod answers;
pub mod files;
pub mod frameworks;
pub mod words;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde::Deserialize;

pub use self::frameworks::Framework;
pub use self::words::Language;

/// How many promises there are: S1 to S121.
pub const PROMISES: u32 = 121;

/// Every promise, with what is said of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// In the order of the numbers; what is beyond them comes last.
    #[serde(rename = "entry")]
    pub entries: Vec<Entry>,
}

/// A promise, or a part of one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its numbers, such as `S5`; none for what is beyond them.
    #[serde(default)]
    pub promises: Vec<String>,
    /// Whether it is kept, and by whom.
    pub status: Status,
    en: String,
    de: String,
    note_en: Option<String>,
    note_de: Option<String>,
    /// What keeps it, from the root of the repository.
    #[serde(default)]
    pub files: Vec<String>,
    #[serde(default)]
    tests: Vec<String>,
    /// The controls that look at it while the collector runs.
    #[serde(default)]
    pub controls: Vec<String>,
    /// The controls without which there is nothing to keep here; what shows the promise are tests.
    #[serde(default)]
    pub rests_on: Vec<String>,
    #[serde(default)]
    c5: Vec<String>,
    #[serde(default)]
    iso27001: Vec<String>,
    #[serde(default)]
    caiq: Vec<String>,
    #[serde(default)]
    tom: Vec<String>,
}

/// Whether a promise is kept, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// By the program; a test shows it.
    Built,
    /// By nobody yet.
    Planned,
    /// By whoever runs it: people, contracts, machines.
    Operator,
}

impl Status {
    /// Its word in the catalogue and for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Built => "built",
            Self::Planned => "planned",
            Self::Operator => "operator",
        }
    }
}

/// The catalogue of this version; a test keeps it readable.
static OURS: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::parse(include_str!("../../../controls.toml")).unwrap_or_default());

impl Catalogue {
    /// The one of this version.
    pub fn ours() -> &'static Self {
        &OURS
    }

    /// Reads one.
    ///
    /// # Errors
    /// When it is no catalogue, with the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    /// Everything that is wrong with it in itself; whether files and tests exist is seen where they are.
    pub fn faults(&self) -> Vec<String> {
        let mut faults: Vec<String> = self.entries.iter().flat_map(Entry::faults).collect();
        let said: BTreeSet<&str> = self.entries.iter().flat_map(Entry::numbers).collect();
        let lacking = (1..=PROMISES).map(|number| format!("S{number}")).filter(|name| !said.contains(name.as_str()));
        faults.extend(lacking.map(|name| format!("nothing is said of {name}")));
        for language in Language::ALL {
            let mut texts = BTreeSet::new();
            let again = self.entries.iter().map(|entry| entry.text(language)).filter(|text| !texts.insert(*text));
            faults.extend(again.map(|text| format!("is there twice: {text}")));
        }
        faults
    }

    /// The numbers of the promises that a control looks at.
    pub fn looked_at(&self, control: &str) -> BTreeSet<&str> {
        let named = self.entries.iter().filter(|entry| entry.controls.iter().any(|name| name == control));
        named.flat_map(Entry::numbers).collect()
    }
}

impl Entry {
    /// What is promised.
    pub fn text(&self, language: Language) -> &str {
        match language {
            Language::En => &self.en,
            Language::De => &self.de,
        }
    }

    /// How far it is, where it is planned; what the operator does, where it is the operator's.
    pub fn note(&self, language: Language) -> Option<&str> {
        match language {
            Language::En => self.note_en.as_deref(),
            Language::De => self.note_de.as_deref(),
        }
    }

    /// The ids that it answers.
    pub fn ids(&self, framework: Framework) -> &[String] {
        match framework {
            Framework::C5 => &self.c5,
            Framework::Iso27001 => &self.iso27001,
            Framework::Caiq => &self.caiq,
            Framework::Tom => &self.tom,
        }
    }

    /// What shows it: a file, and the name of the test in it.
    pub fn tests(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tests.iter().map(|test| test.split_once(": ").unwrap_or((test, "")))
    }

    /// The tests, each file once.
    pub fn tests_by_file(&self) -> Vec<(&str, Vec<&str>)> {
        let mut files: Vec<(&str, Vec<&str>)> = Vec::new();
        for (file, name) in self.tests() {
            match files.iter_mut().find(|(known, _)| *known == file) {
                Some((_, names)) => names.push(name),
                None => files.push((file, vec![name])),
            }
        }
        files
    }

    fn numbers(&self) -> impl Iterator<Item = &str> {
        self.promises.iter().map(String::as_str)
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |what: String| faults.push(format!("{}: {what}", self.en));
        for name in self.numbers().filter(|name| !is_promise(name)) {
            fault(format!("there is no promise {name}"));
        }
        if [&self.en, &self.de].iter().any(|text| text.trim().is_empty()) {
            fault("is not said in every language".to_owned());
        }
        match self.status {
            Status::Built if self.files.is_empty() || self.tests.is_empty() => {
                fault("is built, so name a file that keeps it and a test that shows it".to_owned());
            }
            Status::Planned | Status::Operator
                if ![&self.controls, &self.rests_on, &self.tests].iter().all(|list| list.is_empty()) =>
            {
                fault("is not built, so nothing tests it or looks at it".to_owned());
            }
            _ => {}
        }
        if !self.controls.is_empty() && !self.rests_on.is_empty() {
            fault("is looked at by a control, or rests on one, not both".to_owned());
        }
        let notes = [&self.note_en, &self.note_de].map(|note| note.as_ref().is_some_and(|note| !note.is_empty()));
        if notes != [self.status != Status::Built; 2] {
            fault(
                "has a note in every language where it is planned or the operator's, and none where it is built"
                    .to_owned(),
            );
        }
        if self.tests().any(|(file, name)| file.is_empty() || name.is_empty()) {
            fault("write each test as FILE: NAME".to_owned());
        }
        for framework in Framework::ALL {
            let known = framework.ids();
            for id in self.ids(framework).iter().filter(|id| !known.contains(id)) {
                fault(format!("{} has no {id}", framework.title()));
            }
        }
        let lists = [&self.promises, &self.files, &self.tests, &self.controls, &self.rests_on].into_iter();
        for list in lists.chain([&self.c5, &self.iso27001, &self.caiq, &self.tom]) {
            let once: BTreeSet<&String> = list.iter().collect();
            if once.len() != list.len() {
                fault(format!("names something twice: {}", list.join(", ")));
            }
        }
        faults
    }
}

/// Whether it is `S1` to `S121`, written so.
fn is_promise(name: &str) -> bool {
    let number = name.strip_prefix('S').and_then(|digits| digits.parse::<u32>().ok());
    number.is_some_and(|number| (1..=PROMISES).contains(&number) && name == format!("S{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What every promise is but one that is written differently.
    fn with(entry: &str) -> Vec<String> {
        let rest = (2..=PROMISES).map(|number| {
            format!(
                "[[entry]]\npromises = [\"S{number}\"]\nstatus = \"planned\"\nen = \"en {number}\"\nde = \"de {number}\"\nnote_en = \"n\"\nnote_de = \"n\"\n"
            )
        });
        Catalogue::parse(&format!("[[entry]]\n{entry}\n{}", rest.collect::<String>())).unwrap().faults()
    }

    const GOOD: &str =
        "promises = [\"S1\"]\nstatus = \"built\"\nen = \"a\"\nde = \"b\"\nfiles = [\"f\"]\ntests = [\"f: t\"]\n";

    #[test]
    fn the_catalogue_of_this_version_is_whole() {
        let ours = Catalogue::parse(include_str!("../../../controls.toml")).unwrap();
        assert_eq!(ours.faults(), Vec::<String>::new());
        assert_eq!(Catalogue::ours().entries.len(), ours.entries.len());
    }

    #[test]
    fn each_mistake_is_found() {
        assert_eq!(with(GOOD), Vec::<String>::new());
        for (written, instead, says) in [
            ("S1\"", "S122\"", "there is no promise S122"),
            ("S1\"", "S01\"", "there is no promise S01"),
            ("S1\"", "S2\"", "nothing is said of S1"),
            ("de = \"b\"", "de = \" \"", "not said in every language"),
            ("en = \"a\"", "en = \"en 2\"", "is there twice: en 2"),
            ("files = [\"f\"]\n", "", "name a file that keeps it"),
            ("tests = [\"f: t\"]\n", "", "a test that shows it"),
            ("f: t", "f", "FILE: NAME"),
            ("\"built\"", "\"operator\"", "nothing tests it"),
            ("tests = [\"f: t\"]\n", "tests = [\"f: t\"]\nnote_en = \"n\"\n", "has a note"),
            ("files", "controls = [\"a\"]\nrests_on = [\"b\"]\nfiles", "not both"),
            ("files", "c5 = [\"OPS-25\"]\nfiles", "BSI C5:2020 has no OPS-25"),
            ("files", "iso27001 = [\"A.8.35\"]\nfiles", "has no A.8.35"),
            ("files", "caiq = [\"CEK-3\"]\nfiles", "has no CEK-3"),
            ("files", "tom = [\"32(1)(e)\"]\nfiles", "has no 32(1)(e)"),
            ("[\"f\"]", "[\"f\", \"f\"]", "names something twice: f, f"),
        ] {
            let faults = with(&GOOD.replacen(written, instead, 1));
            assert!(faults.iter().any(|fault| fault.contains(says)), "{instead}: {faults:?}");
        }
        assert!(Catalogue::parse("[[entry]]\nstatus = \"done\"").is_err());
    }
}
