//! What answers say, in each language. What controls found and names of tests are English in all of them: they are evidence, as it was
//! written down.

use std::fmt;
use std::str::FromStr;

use super::answers::{Known, Stand, Verdict};

/// A language that answers can be given in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English.
    En,
    /// German.
    De,
}

/// Why somebody's word names no language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("name one of en, de")]
pub struct UnknownLanguage;

impl Language {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::En, Self::De];
    /// Their names.
    pub const NAMES: [&'static str; 2] = ["en", "de"];

    /// Its name (ISO 639-1).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
        }
    }

    /// The word of the two that is this language's.
    pub(super) const fn of(self, en: &'static str, de: &'static str) -> &'static str {
        match self {
            Self::En => en,
            Self::De => de,
        }
    }
}

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(name: &str) -> Result<Self, UnknownLanguage> {
        Self::ALL.into_iter().find(|language| language.as_str() == name).ok_or(UnknownLanguage)
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Verdict {
    /// Its word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Partly => "partly",
            Self::No => "no",
            Self::Operator => "operator",
            Self::Unmeasured => "not_measured",
        }
    }

    /// Its word for readers.
    pub const fn word(self, language: Language) -> &'static str {
        match self {
            Self::Yes => language.of("yes", "ja"),
            Self::Partly => language.of("partly", "teilweise"),
            Self::No => language.of("no", "nein"),
            Self::Operator => language.of("operator", "Betreiber"),
            Self::Unmeasured => language.of("not measured", "nicht gemessen"),
        }
    }
}

impl Known {
    /// Its word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Attested => "attested",
            Self::Tested => "tested",
            Self::Operator => "operator",
            Self::Planned => "planned",
        }
    }

    /// Its word for readers.
    pub const fn word(self, language: Language) -> &'static str {
        match self {
            Self::Measured => language.of("measured", "gemessen"),
            Self::Attested => language.of("attested", "bescheinigt"),
            Self::Tested => language.of("tested", "getestet"),
            Self::Operator => language.of("operator", "Betreiber"),
            Self::Planned => language.of("planned", "geplant"),
        }
    }
}

impl Stand {
    /// Its word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::NotKept => "not_kept",
            Self::Unmeasured => "not_measured",
            Self::Operator => "operator",
            Self::Planned => "planned",
        }
    }

    /// Its word for readers.
    pub const fn word(self, language: Language) -> &'static str {
        match self {
            Self::Kept => language.of("kept", "eingehalten"),
            Self::NotKept => language.of("not kept", "nicht eingehalten"),
            Self::Unmeasured => language.of("not measured", "nicht gemessen"),
            Self::Operator => language.of("operator", "Betreiber"),
            Self::Planned => language.of("planned", "geplant"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_back_as_the_language_that_it_names() {
        for (language, name) in Language::ALL.into_iter().zip(Language::NAMES) {
            assert_eq!((name.parse(), language.to_string().as_str()), (Ok(language), name));
        }
        assert_eq!("fr".parse::<Language>().unwrap_err().to_string(), "name one of en, de");
    }
}
