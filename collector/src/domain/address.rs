//! Pure: an address by which somebody is looked for, and whether a text names it. The database asks the same of its texts
//! (`name_pattern` of the migrations); this is for what is sealed.

use serde_json::Value;

/// Longest address that is looked for, in characters.
const LONGEST: usize = 320;

/// An address: of mail or chat, with an `@`, or a telephone number that begins with `+`. In lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// Reads one.
    ///
    /// # Errors
    /// A sentence that says what is wanted.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim().to_lowercase();
        let wrong = || {
            Err("give an address of mail or chat (it has an @), or a telephone number with its country, such as +4930123456"
                .to_owned())
        };
        if let Some(digits) = text.strip_prefix('+') {
            let digits: String = digits.chars().filter(|c| !" -.()/".contains(*c)).collect();
            let is_number = (6..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
            return if is_number { Ok(Self(format!("+{digits}"))) } else { wrong() };
        }
        let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !"\"\\'<>,;(){}[]".contains(c);
        let (short, long) = (text.chars().count() < 5, text.chars().count() > LONGEST);
        if short || long || !text.contains('@') || text.ends_with('@') || !text.chars().all(is_plain) {
            return wrong();
        }
        Ok(Self(text))
    }

    /// It, in lower case; of a telephone number `+` and digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a text names it: it stands there for itself, and is not part of a longer one.
    pub fn is_in(&self, text: &str) -> bool {
        let text: Vec<char> = text.to_lowercase().chars().collect();
        let name: Vec<char> = self.0.chars().collect();
        (0..text.len()).any(|start| {
            let before = start.checked_sub(1).and_then(|at| text.get(at));
            before.is_none_or(|c| !joins(*c))
                && text.get(start..).and_then(|rest| self.end(rest, &name)).is_some_and(ends)
        })
    }

    /// What stands behind it in a text that begins with it.
    fn end<'a>(&self, mut rest: &'a [char], name: &[char]) -> Option<&'a [char]> {
        let is_number = self.0.starts_with('+');
        for (at, wanted) in name.iter().enumerate() {
            // People set digits apart.
            while is_number && at > 1 && rest.first().is_some_and(|c| " -.()/".contains(*c)) {
                rest = rest.get(1..)?;
            }
            rest = rest.strip_prefix(std::slice::from_ref(wanted))?;
        }
        Some(rest)
    }

    /// Whether any text of a document names it; of bytes that are no document, whether they do.
    pub fn is_in_bytes(&self, bytes: &[u8]) -> bool {
        let Ok(text) = std::str::from_utf8(bytes) else { return false };
        match serde_json::from_str::<Value>(text) {
            Ok(value) => self.is_in_value(&value),
            Err(_) => self.is_in(text),
        }
    }

    fn is_in_value(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.is_in(text),
            Value::Array(values) => values.iter().any(|value| self.is_in_value(value)),
            Value::Object(fields) => fields.iter().any(|(name, value)| self.is_in(name) || self.is_in_value(value)),
            Value::Number(number) => self.is_in(&number.to_string()),
            Value::Null | Value::Bool(_) => false,
        }
    }
}

/// Whether a character makes an address longer.
fn joins(c: char) -> bool {
    c.is_alphanumeric() || "._%+-".contains(c)
}

/// Whether nothing of this makes an address longer that stands before it; a full stop may end a sentence.
fn ends(rest: &[char]) -> bool {
    match rest {
        [] => true,
        ['.', next, ..] => !next.is_alphanumeric(),
        ['.'] => true,
        [c, ..] => !joins(*c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_what_is_none_is_refused() {
        assert_eq!(Address::parse(" Ada@Example.org ").unwrap().as_str(), "ada@example.org");
        assert_eq!(Address::parse("+49 (30) 123-456").unwrap().as_str(), "+4930123456");
        assert_eq!(Address::parse("@ada:example.org").unwrap().as_str(), "@ada:example.org");
        for bad in
            ["", "ada", "a@b", "+49", "+49x30123456", "ada@example.org, bob@example.org", "a\"@example.org", "ada@"]
        {
            assert!(Address::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_address_is_named_where_it_stands_for_itself() {
        let ada = Address::parse("ada@example.org").unwrap();
        for text in [
            "ada@example.org",
            "ask Ada@Example.org.",
            "<ada@example.org>",
            "user:ada@example.org",
            "x\nada@example.org\n",
        ] {
            assert!(ada.is_in(text), "{text:?}");
        }
        for text in
            ["nada@example.org", "x.ada@example.org", "ada@example.organic", "ada@example.org.uk", "ada@example", "ada"]
        {
            assert!(!ada.is_in(text), "{text:?}");
        }
        let phone = Address::parse("+4930123456").unwrap();
        assert!(phone.is_in("call +49 (30) 123-456 at night") && phone.is_in("+4930123456"));
        assert!(!phone.is_in("+49301234567") && !phone.is_in("49 30 123456"));
    }

    #[test]
    fn documents_are_looked_through() {
        let ada = Address::parse("ada@example.org").unwrap();
        assert!(ada.is_in_bytes(br#"{"to":["x","a\nada@example.org"]}"#));
        assert!(!ada.is_in_bytes(br#"{"to":"nada@example.org"}"#) && !ada.is_in_bytes(&[0xff, 0xfe]));
        assert!(ada.is_in_bytes(b"ada@example.org"));
    }
}
