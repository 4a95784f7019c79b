//! Texts of others inside Markdown: what they hold is shown, not read as markup.

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
    fn markup_in_a_text_is_shown_and_a_url_is_left_whole() {
        let escaped = |text| escape(text, r"\*_[]<>");
        assert_eq!(escaped(r"*a* _b_ \"), r"\*a\* \_b\_ \\");
        assert_eq!(escaped("https://shop.example/a_b (http)"), "https://shop.example/a_b (http)");
        assert_eq!(escaped("[x](https://evil.example)"), r"\[x\](https://evil.example)");
        assert_eq!(escaped("https://a.example/<@1>"), r"https://a.example/\<@1\>");
    }
}
