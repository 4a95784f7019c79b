//! Texts of others inside Markdown: what they hold is shown, not read as markup.

use crate::notify::message::Brief;

/// Everything below the headline but the link, labels in bold; `shown` makes a text of others what is shown of it.
pub(super) fn rows(brief: &Brief, shown: impl Fn(&str) -> String) -> String {
    let rows = brief.rows.iter().map(|(label, value)| format!("**{label}:** {}", shown(value)));
    rows.chain(brief.prose.as_deref().map(&shown)).collect::<Vec<_>>().join("\n")
}

/// Puts a backslash before every character of `special`. What begins like a URL is left as it is: those who read Markdown
/// take it whole and show a backslash in it as one.
pub(super) fn escape(text: &str, special: &str) -> String {
    let word = |word: &str| {
        let is_url =
            (word.starts_with("https://") || word.starts_with("http://")) && !word.contains(['<', '>', '[', ']']);
        if is_url {
            return word.to_owned();
        }
        let escaped = word.chars().flat_map(|c| special.contains(c).then_some('\\').into_iter().chain([c]));
        escaped.collect()
    };
    text.split(' ').map(word).collect::<Vec<String>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_labelled_and_prose_follows() {
        let brief = Brief {
            rows: vec![("What", "a*b".to_owned()), ("Since", "now".to_owned())],
            prose: Some("Well.".to_owned()),
            ..Brief::default()
        };
        assert_eq!(rows(&brief, |text| escape(text, "*")), "**What:** a\\*b\n**Since:** now\nWell.");
        assert_eq!(rows(&Brief::default(), str::to_owned), "");
    }

    #[test]
    fn markup_in_a_text_is_shown_and_a_url_is_left_whole() {
        let escaped = |text| escape(text, r"\*_[]<>");
        assert_eq!(escaped(r"*a* _b_ \"), r"\*a\* \_b\_ \\");
        assert_eq!(escaped("https://shop.example/a_b (http)"), "https://shop.example/a_b (http)");
        assert_eq!(escaped("[x](https://evil.example)"), r"\[x\](https://evil.example)");
        assert_eq!(escaped("https://a.example/<@1>"), r"https://a.example/\<@1\>");
    }
}
