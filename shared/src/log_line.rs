//! One event, one line: no text from outside can end a line of the log early, or speak to a terminal.
//!
//! Both programs pass each finished line through here. The formatter of text escapes what terminals obey, and leaves
//! line breaks; that of JSON escapes line breaks, and leaves what terminals obey beyond ASCII.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For a person; the formatter's own colours stay if there are some.
    Text {
        /// Whether the formatter colours its lines.
        colours: bool,
    },
    /// For a program.
    Json,
}

/// What takes the formatter's lines, a whole event with each write, and passes them on clean.
#[derive(Clone, Copy, Debug)]
pub struct Lines<W> {
    form: Form,
    to: W,
}

impl<W: io::Write> Lines<W> {
    /// Passes lines of this form on to `to`.
    pub const fn new(form: Form, to: W) -> Self {
        Self { form, to }
    }
}

impl<W: io::Write> io::Write for Lines<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let clean = match self.form {
            Form::Text { colours } => text(line, colours),
            Form::Json => json(line),
        };
        self.to.write_all(&clean).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// A line of text with every control character but its end escaped; with `colours` the formatter's own stay.
pub fn text(line: &[u8], colours: bool) -> Cow<'_, [u8]> {
    escaped(line, |c| c.is_control() && !(colours && c == '\x1b'), |out, c| write!(out, "{}", c.escape_default()))
}

/// A line of JSON with every control character but its end escaped. Outside of its strings there is none.
pub fn json(line: &[u8]) -> Cow<'_, [u8]> {
    escaped(line, char::is_control, |out, c| write!(out, "\\u{:04x}", u32::from(c)))
}

fn escaped(
    line: &[u8],
    is_bad: impl Fn(char) -> bool,
    write: impl Fn(&mut String, char) -> std::fmt::Result,
) -> Cow<'_, [u8]> {
    let (body, end) = match line {
        [body @ .., b'\n'] => (body, "\n"),
        body => (body, ""),
    };
    let text = String::from_utf8_lossy(body);
    if !text.chars().any(&is_bad) {
        return Cow::Borrowed(line);
    }
    let mut out = String::with_capacity(line.len() + 16);
    for c in text.chars() {
        // Writing to a string does not fail.
        let _ = if is_bad(c) { write(&mut out, c) } else { out.write_char(c) };
    }
    out.push_str(end);
    Cow::Owned(out.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\r\nb\tc\u{1b}[31md\u{7f}e\u{9b}2Jf\u{0}g\n";

    #[test]
    fn a_hostile_text_stays_on_its_line_and_says_nothing_to_a_terminal() {
        let line = text(HOSTILE.as_bytes(), false);
        assert_eq!(std::str::from_utf8(&line).unwrap(), "a\\r\\nb\\tc\\u{1b}[31md\\u{7f}e\\u{9b}2Jf\\u{0}g\n");
        assert!(text(HOSTILE.as_bytes(), true).contains(&0x1b), "the formatter's own colours");
        assert!(matches!(text("größer — 3 µs\n".as_bytes(), false), Cow::Borrowed(_)));
    }

    #[test]
    fn json_stays_json_and_means_the_same() {
        let plain = serde_json::json!({ "message": HOSTILE }).to_string();
        let line = json(plain.as_bytes());
        let read = std::str::from_utf8(&line).unwrap();
        assert!(!read.chars().any(char::is_control), "{read:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(read).unwrap()["message"], HOSTILE);
    }
}
