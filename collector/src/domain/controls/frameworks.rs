//! Which ids the catalogues of others have. Their texts are theirs, and are not here.

use std::fmt;
use std::str::FromStr;

use super::Language;

/// A catalogue of somebody else, whose questions are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framework {
    /// Criteria of the BSI's C5.
    C5,
    /// Controls of Annex A of ISO/IEC 27001.
    Iso27001,
    /// Questions of the CAIQ, by the control that each begins with.
    Caiq,
    /// Technical and organisational measures of GDPR Art. 32.
    Tom,
}

/// Cloud Computing Compliance Criteria Catalogue, BSI, 2020: 121 criteria in 17 areas, each `AREA-01` and on.
const C5: [(&str, u32); 17] = [
    ("OIS", 7),
    ("SP", 3),
    ("HR", 6),
    ("AM", 6),
    ("PS", 7),
    ("OPS", 24),
    ("IDM", 9),
    ("CRY", 4),
    ("COS", 8),
    ("PI", 3),
    ("DEV", 10),
    ("SSO", 5),
    ("SIM", 5),
    ("BCM", 4),
    ("COM", 4),
    ("INQ", 4),
    ("PSS", 12),
];

/// ISO/IEC 27001:2022, Annex A: 93 controls in 4 themes, each `A.THEME.1` and on.
const ISO27001: [(u32, u32); 4] = [(5, 37), (6, 8), (7, 14), (8, 34)];

/// Cloud Controls Matrix 4.0, CSA, 2021: 197 controls in 17 domains, each `DOMAIN-01` and on. The questions of the CAIQ 4.0 add `.1` and on
/// to the id of a control.
const CCM: [(&str, u32); 17] = [
    ("A&A", 6),
    ("AIS", 7),
    ("BCR", 11),
    ("CCC", 9),
    ("CEK", 21),
    ("DCS", 15),
    ("DSP", 19),
    ("GRC", 8),
    ("HRS", 13),
    ("IAM", 16),
    ("IPY", 4),
    ("IVS", 9),
    ("LOG", 13),
    ("SEF", 8),
    ("STA", 14),
    ("TVM", 10),
    ("UEM", 14),
];

/// Regulation (EU) 2016/679, Art. 32: what it asks for, taken apart where one letter asks for several things; with our words for it in
/// English and German. Art. 32(3) asks for nothing.
const TOM: [(&str, &str, &str); 10] = [
    ("32(1)(a) pseudonymisation", "Art. 32(1)(a): pseudonymisation", "Art. 32 Abs. 1 lit. a: Pseudonymisierung"),
    ("32(1)(a) encryption", "Art. 32(1)(a): encryption", "Art. 32 Abs. 1 lit. a: Verschlüsselung"),
    ("32(1)(b) confidentiality", "Art. 32(1)(b): confidentiality", "Art. 32 Abs. 1 lit. b: Vertraulichkeit"),
    ("32(1)(b) integrity", "Art. 32(1)(b): integrity", "Art. 32 Abs. 1 lit. b: Integrität"),
    ("32(1)(b) availability", "Art. 32(1)(b): availability", "Art. 32 Abs. 1 lit. b: Verfügbarkeit"),
    ("32(1)(b) resilience", "Art. 32(1)(b): resilience", "Art. 32 Abs. 1 lit. b: Belastbarkeit"),
    ("32(1)(c)", "Art. 32(1)(c): bringing data back", "Art. 32 Abs. 1 lit. c: Wiederherstellung"),
    ("32(1)(d)", "Art. 32(1)(d): regular tests", "Art. 32 Abs. 1 lit. d: regelmäßige Überprüfung"),
    ("32(2)", "Art. 32(2): judging the risk", "Art. 32 Abs. 2: Beurteilung des Risikos"),
    ("32(4)", "Art. 32(4): people who have access", "Art. 32 Abs. 4: Personen mit Zugang"),
];

/// Why somebody's word names no catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("name one of c5, iso27001, caiq, tom")]
pub struct UnknownFramework;

impl Framework {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::C5, Self::Iso27001, Self::Caiq, Self::Tom];
    /// Their names.
    pub const NAMES: [&'static str; 4] = ["c5", "iso27001", "caiq", "tom"];

    /// Its name for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::C5 => "c5",
            Self::Iso27001 => "iso27001",
            Self::Caiq => "caiq",
            Self::Tom => "tom",
        }
    }

    /// What it is called, with its year.
    pub const fn title(self) -> &'static str {
        match self {
            Self::C5 => "BSI C5:2020",
            Self::Iso27001 => "ISO/IEC 27001:2022 Annex A",
            Self::Caiq => "CSA CAIQ v4 (CCM v4)",
            Self::Tom => "GDPR Art. 32",
        }
    }

    /// What readers of a language call it.
    pub fn titled(self, language: Language) -> &'static str {
        match (self, language) {
            (Self::Tom, Language::De) => "DSGVO Art. 32",
            _ => self.title(),
        }
    }

    /// Every id that it has, in its order.
    pub fn ids(self) -> Vec<String> {
        let two_digits = |areas: &[(&str, u32)]| {
            areas.iter().flat_map(|(area, count)| (1..=*count).map(move |n| format!("{area}-{n:02}"))).collect()
        };
        match self {
            Self::C5 => two_digits(&C5),
            Self::Caiq => two_digits(&CCM),
            Self::Iso27001 => {
                ISO27001.iter().flat_map(|(theme, count)| (1..=*count).map(move |n| format!("A.{theme}.{n}"))).collect()
            }
            Self::Tom => TOM.iter().map(|(id, ..)| (*id).to_owned()).collect(),
        }
    }

    /// An id as readers of a language write it.
    pub fn shown(self, id: &str, language: Language) -> String {
        let named = TOM.iter().find(|(known, ..)| self == Self::Tom && *known == id);
        match (named, language) {
            (Some((_, en, _)), Language::En) => (*en).to_owned(),
            (Some((.., de)), Language::De) => (*de).to_owned(),
            (None, _) => id.to_owned(),
        }
    }
}

impl FromStr for Framework {
    type Err = UnknownFramework;

    fn from_str(name: &str) -> Result<Self, UnknownFramework> {
        Self::ALL.into_iter().find(|framework| framework.as_str() == name).ok_or(UnknownFramework)
    }
}

impl fmt::Display for Framework {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_catalogue_has_as_many_ids_as_it_says_of_itself() {
        for (framework, count, first, last) in [
            (Framework::C5, 121, "OIS-01", "PSS-12"),
            (Framework::Iso27001, 93, "A.5.1", "A.8.34"),
            (Framework::Caiq, 197, "A&A-01", "UEM-14"),
            (Framework::Tom, 10, "32(1)(a) pseudonymisation", "32(4)"),
        ] {
            let ids = framework.ids();
            assert_eq!((ids.len(), ids[0].as_str(), ids[count - 1].as_str()), (count, first, last));
        }
    }

    #[test]
    fn a_name_comes_back_as_what_it_names_and_others_are_refused() {
        for (framework, name) in Framework::ALL.into_iter().zip(Framework::NAMES) {
            assert_eq!((name.parse(), framework.to_string().as_str()), (Ok(framework), name));
        }
        assert_eq!("C5".parse::<Framework>().unwrap_err().to_string(), "name one of c5, iso27001, caiq, tom");
        assert_eq!(Framework::Tom.shown("32(1)(c)", Language::De), "Art. 32 Abs. 1 lit. c: Wiederherstellung");
        assert_eq!(Framework::C5.shown("OPS-06", Language::De), "OPS-06");
    }
}
