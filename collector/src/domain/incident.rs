//! What people say of incidents: how bad one is, and texts within their bounds.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The longest title, in characters.
pub const MOST_TITLE: usize = 200;
/// The longest comment, in characters.
pub const MOST_COMMENT: usize = 10_000;
/// The longest post-mortem, in characters.
pub const MOST_POST_MORTEM: usize = 50_000;
/// For so long a mute of failures from some regions may last.
pub const MOST_MUTED: Duration = Duration::from_secs(366 * 86_400);
/// Most monitors that one incident names.
pub const MOST_MONITORS: usize = 100;

/// How bad an incident is, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something does not work.
    Critical,
    /// Much of it does not.
    Error,
    /// Part of it, or it is slow.
    Warning,
}

impl Severity {
    /// Every one, the worst first.
    pub const ALL: [Self; 3] = [Self::Critical, Self::Error, Self::Warning];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use critical, error or warning")]
pub struct NoSeverity;

impl FromStr for Severity {
    type Err = NoSeverity;

    fn from_str(text: &str) -> Result<Self, NoSeverity> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == text).ok_or(NoSeverity)
    }
}

/// A title: one line of 1 to 200 characters, without white space around it.
pub fn title(text: &str) -> Option<&str> {
    let text = text.trim();
    let fits = (1..=MOST_TITLE).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    fits.then_some(text)
}

/// A text that was written, as it is kept: with plain line ends, without white space around it; `None` where nothing was written
/// or it has more than `most` characters.
pub fn written(text: &str, most: usize) -> Option<String> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let text = text.trim();
    (1..=most).contains(&text.chars().count()).then(|| text.to_owned())
}

/// The paragraphs of a text, each in its lines: what is between empty lines.
pub fn paragraphs(text: &str) -> Vec<Vec<&str>> {
    let mut found: Vec<Vec<&str>> = Vec::new();
    let mut between = true;
    for line in text.lines() {
        if line.trim().is_empty() {
            between = true;
        } else if std::mem::take(&mut between) {
            found.push(vec![line]);
        } else if let Some(last) = found.last_mut() {
            last.push(line);
        }
    }
    found
}

/// Who did something, for people: of `channel:WHO` who answered a message; of `key:ID user:EMAIL` and `user:EMAIL through:ID` the address, of a service member its name.
pub fn called(actor: &str) -> &str {
    // What follows is of others' wording.
    if let Some(who) = actor.strip_prefix("channel:") {
        return who;
    }
    let named = actor.split(' ').find(|part| part.starts_with("user:"));
    match (named, actor.split_once("service:")) {
        (Some(user), _) => user.trim_start_matches("user:"),
        (None, Some((_, name))) => name,
        (None, None) => actor,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_one_line_and_a_text_has_plain_line_ends() {
        assert_eq!(title("  The shop is slow "), Some("The shop is slow"));
        assert!([" ", "two\nlines", &"x".repeat(201)].iter().all(|text| title(text).is_none()));
        assert_eq!(written(" one\r\ntwo\rthree \n", 20).as_deref(), Some("one\ntwo\nthree"));
        assert!(written(" \r\n", 20).is_none() && written("abc", 2).is_none());
        assert_eq!(written("äöü", 3).as_deref(), Some("äöü"), "characters count, not bytes");
    }

    #[test]
    fn paragraphs_are_what_is_between_empty_lines() {
        assert_eq!(paragraphs("a\nb\n\n \nc\n"), [vec!["a", "b"], vec!["c"]]);
        assert!(paragraphs("\n\n").is_empty());
    }

    #[test]
    fn who_did_it_is_called_by_address_or_name() {
        let names =
            ["user:a@b.example through:1-2", "key:Ab12Cd34 user:a@b.example", "key:x service:deploy bot", "erased"];
        assert_eq!(names.map(called), ["a@b.example", "a@b.example", "deploy bot", "erased"]);
    }

    #[test]
    fn severities_come_back_as_what_they_name() {
        assert!(Severity::ALL.iter().all(|severity| severity.as_str().parse() == Ok(*severity)));
        assert_eq!("info".parse::<Severity>(), Err(NoSeverity));
    }
}
