//! Texts of others inside markup of angle brackets: shown, and never read as markup.

/// A text between tags: the three characters that Slack, Telegram and HTML read as their own.
pub(super) fn text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A text between tags or in a quoted attribute of HTML.
pub(super) fn html(plain: &str) -> String {
    text(plain).replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_escaped_is_markup() {
        assert_eq!(text("a<b> & \"c\""), "a&lt;b&gt; &amp; \"c\"");
        assert_eq!(html("a<b> & \"c\""), "a&lt;b&gt; &amp; &quot;c&quot;");
    }
}
