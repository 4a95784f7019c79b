//! What people enter to set a channel up: fields with their words, values as entered, and what is wrong with them.

use std::collections::BTreeMap;

use picket_shared::secret::SecretString;

/// One thing that is asked. Its words for people are in the catalogue of the pages, by its name.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name in a form.
    pub name: &'static str,
    /// A value that would be taken.
    pub example: &'static str,
    /// Whether it is never shown again.
    pub secret: bool,
    /// Whether it must be given.
    pub required: bool,
    /// The only values that it may have; none when it is free.
    pub choices: &'static [&'static str],
    /// Whether it may have several lines.
    pub lines: bool,
}

impl Field {
    pub(super) const fn new(name: &'static str, example: &'static str) -> Self {
        Self { name, example, secret: false, required: true, choices: &[], lines: false }
    }

    pub(super) const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    pub(super) const fn optional(self) -> Self {
        Self { required: false, ..self }
    }

    pub(super) const fn lines(self) -> Self {
        Self { lines: true, ..self }
    }

    pub(super) const fn one_of(self, choices: &'static [&'static str]) -> Self {
        Self { choices, ..self }
    }
}

/// Values as entered, by the names of fields. Any may be a secret, so none is printed.
#[derive(Clone, Debug, Default)]
pub struct Form(BTreeMap<String, SecretString>);

impl Form {
    /// With this value.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.insert(name.into(), SecretString::new(value.into()));
        self
    }

    /// With this value, if there is one.
    #[must_use]
    pub fn with_some(self, name: &str, value: Option<String>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// A value without the spaces around it; `None` when nothing was entered.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.expose().trim()).filter(|value| !value.is_empty())
    }

    /// The same, empty when nothing was entered: the check then says what is missing.
    pub(super) fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }

    /// Whether `yes` was entered; `no` and nothing are the other.
    pub(super) fn yes(&self, name: &'static str) -> Result<bool, InvalidSettings> {
        match self.text(name).to_ascii_lowercase().as_str() {
            "yes" => Ok(true),
            "" | "no" => Ok(false),
            _ => Err(InvalidSettings::new(name, "use yes or no")),
        }
    }

    /// The same as a secret.
    pub(super) fn secret(&self, name: &str) -> SecretString {
        SecretString::new(self.text(name))
    }
}

impl FromIterator<(String, String)> for Form {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(values: T) -> Self {
        Self(values.into_iter().map(|(name, value)| (name, SecretString::new(value))).collect())
    }
}

/// A field of a channel's settings that cannot be, with what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct InvalidSettings {
    /// The field at fault.
    pub field: &'static str,
    /// What is wrong and what would be right; it never repeats the value.
    pub message: String,
}

impl InvalidSettings {
    pub(super) fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into() }
    }

    /// A complaint, unless `good`.
    pub(super) fn unless(good: bool, field: &'static str, message: &str) -> Option<Self> {
        (!good).then(|| Self::new(field, message))
    }
}

/// Between `least` and `most` characters, each a letter or digit of ASCII.
pub(super) fn is_alphanumeric(text: &str, least: usize, most: usize) -> bool {
    is_token(text, least, most, "")
}

/// The same, where each may also be one of `others`.
pub(super) fn is_token(text: &str, least: usize, most: usize, others: &str) -> bool {
    (least..=most).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

/// Between `least` and `most` digits.
pub(super) fn is_digits(text: &str, least: usize, most: usize) -> bool {
    (least..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The first `front` and the last `back` characters, with stars between; only stars when little else would be hidden.
pub(super) fn masked(text: &str, front: usize, back: usize) -> String {
    let count = text.chars().count();
    if count < front + back + 3 {
        return "***".to_owned();
    }
    let first: String = text.chars().take(front).collect();
    let last: String = text.chars().skip(count - back).collect();
    format!("{first}***{last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_around_a_value_are_nobodys_wish_and_nothing_is_nothing() {
        let form = Form::default().with("a", "  x \n").with("b", "  ");
        assert_eq!((form.get("a"), form.get("b"), form.get("c")), (Some("x"), None, None));
        assert!(!format!("{form:?}").contains('x'));
    }

    #[test]
    fn a_short_text_is_hidden_whole() {
        assert_eq!(masked("+4915112345678", 3, 2), "+49***78");
        assert_eq!(masked("12345", 3, 2), "***");
        assert_eq!(masked("", 0, 4), "***");
    }
}
