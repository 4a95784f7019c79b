//! `[privacy]`: who answers for the data, who else works on it, and the agreement that organizations are offered.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use url::Url;

use super::{ConfigError, read, resolve};
use crate::domain::sub_processors::{SubProcessor, day};

/// What an agreement of the operator's own may hold in braces; each is filled in.
pub const PLACES: [&str; 11] = [
    "organization",
    "issued",
    "version",
    "controller",
    "contact",
    "dpo",
    "notice_days",
    "retention",
    "data",
    "measures",
    "sub_processors",
];

/// Who answers for the data.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Privacy {
    /// Who runs this instance: name and address.
    pub controller: Option<String>,
    /// How to reach them about data.
    pub contact: Option<String>,
    /// The data protection officer: name and how to reach them.
    pub dpo: Option<String>,
    /// A data processing agreement of one's own, in the place of the one that comes with Picket.
    pub dpa_file: Option<PathBuf>,
    /// How many days before a new sub-processor begins owners are told.
    pub notice_days: u16,
    /// Who else works on the data.
    pub sub_processors: Vec<SubProcessor>,
    /// What stands in `dpa_file`.
    #[serde(skip)]
    pub dpa_text: Option<String>,
}

impl Default for Privacy {
    fn default() -> Self {
        Self {
            controller: None,
            contact: None,
            dpo: None,
            dpa_file: None,
            notice_days: 30,
            sub_processors: Vec::new(),
            dpa_text: None,
        }
    }
}

impl Privacy {
    pub(super) fn validate(&mut self, base: &Path) -> Result<(), ConfigError> {
        for (key, text) in
            [("privacy.controller", &self.controller), ("privacy.contact", &self.contact), ("privacy.dpo", &self.dpo)]
        {
            if let Some(bad) = text.as_ref().filter(|text| !is_line(text, 300)) {
                return Err(ConfigError::invalid(key, format!("{bad:?} must be one line of 1 to 300 characters")));
            }
        }
        if !(1..=365).contains(&self.notice_days) {
            let why = format!("{} must be from 1 to 365 days", self.notice_days);
            return Err(ConfigError::invalid("privacy.notice_days", why));
        }
        for (place, one) in self.sub_processors.iter().enumerate() {
            let why = unfit(one).or_else(|| {
                let again = self.sub_processors[..place].iter().any(|other| other.name == one.name);
                again.then(|| "is there twice: give each a name of its own".to_owned())
            });
            if let Some(why) = why {
                return Err(ConfigError::invalid("privacy.sub_processors", format!("{:?} {why}", one.name)));
            }
        }
        if let Some(file) = resolve(base, &mut self.dpa_file) {
            let text = read("privacy.dpa_file", &file)?;
            if let Some(why) = unusable(&text) {
                return Err(ConfigError::invalid("privacy.dpa_file", format!("{} {why}", file.display())));
            }
            self.dpa_text = Some(text);
        }
        Ok(())
    }
}

fn is_line(text: &str, most: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= most && !text.chars().any(|c| c.is_control() || "{}".contains(c))
}

/// What is wrong with what is said of one.
fn unfit(one: &SubProcessor) -> Option<String> {
    for (key, text, most) in [("name", &one.name, 120), ("purpose", &one.purpose, 300), ("data", &one.data, 300)] {
        if !is_line(text, most) {
            return Some(format!("needs {key}: one line of 1 to {most} characters, without braces"));
        }
    }
    if one.country.len() != 2 || !one.country.bytes().all(|b| b.is_ascii_uppercase()) {
        return Some(format!("has country = {:?}: give two capital letters, such as \"DE\"", one.country));
    }
    let is_url = |url: &String| Url::parse(url).is_ok_and(|url| url.scheme() == "https" && url.host().is_some());
    if let Some(bad) = one.url.as_ref().filter(|url| !is_url(url)) {
        return Some(format!("has url = {bad:?}: give an address that begins with https://"));
    }
    let Some(since) = day(&one.since) else {
        return Some(format!("has since = {:?}: give a day, such as \"2026-12-24\"", one.since));
    };
    match one.until.as_deref().map(|until| (until, day(until))) {
        Some((until, None)) => Some(format!("has until = {until:?}: give a day, such as \"2026-12-24\"")),
        Some((until, Some(end))) if end <= since => Some(format!("has until = {until:?}, which is not after since")),
        _ => None,
    }
}

/// What is wrong with an agreement.
fn unusable(text: &str) -> Option<String> {
    if text.len() > 256 * 1024 {
        return Some("is larger than 256 KiB".to_owned());
    }
    if text.contains('\0') {
        return Some("holds a NUL".to_owned());
    }
    if !text.contains("{organization}") {
        return Some("does not say with whom it is: write {organization} where its name belongs".to_owned());
    }
    let found = text.split('{').skip(1).map(|rest| rest.split('}').next().unwrap_or_default());
    let strange = found.into_iter().find(|name| !PLACES.contains(name))?;
    let strange: String = strange.chars().take(40).collect();
    Some(format!("has {{{strange}}}, which is filled by nothing; there are {{{}}}", PLACES.join("}, {")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validate(text: &str) -> Result<(), ConfigError> {
        toml::from_str::<Privacy>(text).unwrap().validate(Path::new("/srv"))
    }

    #[track_caller]
    fn refused(text: &str, with: &str) {
        let error = validate(text).unwrap_err().to_string();
        assert!(error.contains(with), "{error}");
    }

    fn one(more: &str) -> String {
        let fields = "name = \"A\"\npurpose = \"hosting\"\ndata = \"all of it\"";
        format!("[[sub_processors]]\n{fields}\n{more}\n")
    }

    #[test]
    fn what_is_said_of_others_is_held_to_a_form() {
        let good = one("country = \"DE\"\nsince = \"2026-01-01\"\nurl = \"https://a.example/\"");
        assert!(validate(&good).is_ok());
        refused(&format!("{good}{good}"), "twice");
        refused(&one("country = \"Germany\"\nsince = \"2026-01-01\""), "two capital letters");
        refused(&one("country = \"DE\"\nsince = \"1.1.2026\""), "give a day");
        refused(&one("country = \"DE\"\nsince = \"2026-02-30\""), "give a day");
        refused(&one("country = \"DE\"\nsince = \"2026-01-02\"\nuntil = \"2026-01-01\""), "not after since");
        refused(&one("country = \"DE\"\nsince = \"2026-01-02\"\nurl = \"http://a.example\""), "https://");
        refused(&good.replace("hosting", ""), "purpose");
        refused("notice_days = 0", "1 to 365");
        refused("controller = \"two\\nlines\"", "privacy.controller");
        assert!(toml::from_str::<Privacy>(&one("country = \"DE\"\nsince = \"2026-01-01\"\ncity = \"Bonn\"")).is_err());
    }

    #[test]
    fn an_agreement_names_the_organization_and_nothing_that_is_not_filled() {
        assert_eq!(unusable("Between {controller} and {organization}."), None);
        assert!(unusable("Between us.").unwrap().contains("{organization}"));
        let strange = unusable("{organization} {price}").unwrap();
        assert!(strange.contains("{price}") && strange.contains("{measures}"), "{strange}");
        assert!(unusable("{organization} {").is_some());
    }

    #[test]
    fn an_agreement_is_read_from_its_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("dpa.md"), "# With {organization}\n").unwrap();
        let mut privacy = toml::from_str::<Privacy>("dpa_file = \"dpa.md\"").unwrap();
        privacy.validate(folder.path()).unwrap();
        assert_eq!(privacy.dpa_text.as_deref(), Some("# With {organization}\n"));
        refused("dpa_file = \"none.md\"", "privacy.dpa_file");
    }
}
