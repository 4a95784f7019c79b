//! Rust source as tokens, as far as the rules need it: names, punctuation, and where strings and comments were.

/// One token and the line it begins on, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) line: usize,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An identifier or keyword, without `r#`.
    Name(String),
    /// `::`
    Separator,
    /// Any other punctuation character.
    Mark(char),
    /// A number, string, character or lifetime.
    Literal,
}

impl Token {
    pub(super) fn is_name(&self, name: &str) -> bool {
        matches!(&self.kind, Kind::Name(found) if found == name)
    }

    pub(super) fn is_mark(&self, mark: char) -> bool {
        self.kind == Kind::Mark(mark)
    }
}

/// A file as tokens, with everything under `#[cfg(test)]` and `#[test]` apart.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// What is compiled into the product.
    pub(super) tokens: Vec<Token>,
    /// What is compiled for tests only.
    pub(super) test_tokens: Vec<Token>,
    /// How many lines of the file are not for tests only.
    pub(super) lines: usize,
}

/// Reads a file.
pub(super) fn read(text: &str) -> Source {
    let tokens = tokens(text);
    let mut source = Source { lines: text.lines().count(), ..Source::default() };
    let mut at = 0;
    while at < tokens.len() {
        if is_for_tests(&tokens[at..]) {
            let end = end_of_item(&tokens, at);
            let last = tokens.get(end.saturating_sub(1)).map_or(tokens[at].line, |token| token.line);
            source.lines -= last + 1 - tokens[at].line;
            source.test_tokens.extend_from_slice(&tokens[at..end]);
            at = end;
        } else {
            source.tokens.push(tokens[at].clone());
            at += 1;
        }
    }
    source
}

fn is_for_tests(tokens: &[Token]) -> bool {
    let name = |at: usize, name: &str| tokens.get(at).is_some_and(|token| token.is_name(name));
    let mark = |at: usize, mark: char| tokens.get(at).is_some_and(|token| token.is_mark(mark));
    let attribute = mark(0, '#') && mark(1, '[');
    attribute && (name(2, "test") && mark(3, ']') || name(2, "cfg") && mark(3, '(') && name(4, "test") && mark(5, ')'))
}

/// The index after the item that begins with the attribute at `at`: after its block, or its semicolon.
fn end_of_item(tokens: &[Token], mut at: usize) -> usize {
    let mut depth = 0_i32;
    while let Some(token) = tokens.get(at) {
        match token.kind {
            Kind::Mark('(' | '[' | '{') => depth += 1,
            Kind::Mark(')' | ']' | '}') => {
                depth -= 1;
                if depth == 0 && token.is_mark('}') {
                    return at + 1;
                }
            }
            Kind::Mark(';') if depth == 0 => return at + 1,
            _ => {}
        }
        at += 1;
    }
    at
}

/// All tokens of a file; comments and white space are gone.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut reader = Reader { rest: text, line: 1, tokens: Vec::new() };
    while let Some(first) = reader.rest.chars().next() {
        reader.step(first);
    }
    reader.tokens
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    tokens: Vec<Token>,
}

impl Reader<'_> {
    fn step(&mut self, first: char) {
        if self.rest.starts_with("//") {
            self.skip(self.rest.find('\n').unwrap_or(self.rest.len()));
        } else if self.rest.starts_with("/*") {
            self.skip(block_comment(self.rest));
        } else if let Some(length) = string(self.rest) {
            self.take(Kind::Literal, length);
        } else if self.rest.starts_with("::") {
            self.take(Kind::Separator, 2);
        } else if first == '_' || first.is_alphabetic() {
            let raw = self.rest.strip_prefix("r#").unwrap_or(self.rest);
            let length = word(raw);
            self.take(Kind::Name(raw[..length].to_owned()), self.rest.len() - raw.len() + length);
        } else if first.is_ascii_digit() {
            self.take(Kind::Literal, word(self.rest));
        } else if first.is_whitespace() {
            self.skip(first.len_utf8());
        } else {
            self.take(Kind::Mark(first), first.len_utf8());
        }
    }

    fn take(&mut self, kind: Kind, length: usize) {
        self.tokens.push(Token { kind, line: self.line });
        self.skip(length);
    }

    fn skip(&mut self, length: usize) {
        let (gone, rest) = self.rest.split_at(length);
        self.line += gone.matches('\n').count();
        self.rest = rest;
    }
}

fn word(text: &str) -> usize {
    text.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(text.len())
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of the string, character or lifetime that begins here.
fn string(text: &str) -> Option<usize> {
    let body = text.trim_start_matches(['b', 'c']);
    let prefix = text.len() - body.len();
    if prefix > 1 {
        return None;
    }
    if let Some(raw) = body.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let start = prefix + 1 + hashes + 1;
            return Some(text[start..].find(&end).map_or(text.len(), |at| start + at + end.len()));
        }
        return None;
    }
    if body.starts_with('"') {
        return Some(prefix + quoted(body, '"'));
    }
    let inside = body.strip_prefix('\'')?;
    let mut characters = inside.chars();
    let is_character = characters.next()? == '\\' || characters.next() == Some('\'');
    Some(prefix + if is_character { quoted(body, '\'') } else { 1 + word(inside) })
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return at + c.len_utf8();
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let name = |token: Token| if let Kind::Name(name) = token.kind { Some(name) } else { None };
        tokens(text).into_iter().filter_map(name).collect()
    }

    #[test]
    fn comments_strings_and_characters_hold_no_names() {
        let text = r####"a /* x /* y */ z */ b // c
            "d \" e" r#"f " g"# b"h" 'i' '\'' 'life j r#type '"' k"####;
        assert_eq!(names(text), ["a", "b", "j", "type", "k"]);
    }

    #[test]
    fn tests_are_set_aside_and_do_not_count_as_lines() {
        let text = "use a::b;\n#[cfg(test)]\nmod tests {\n    use c::d;\n}\nfn e() {}\n#[cfg(test)]\nuse f::g;\n";
        let source = read(text);
        let has = |tokens: &[Token], name: &str| tokens.iter().any(|token| token.is_name(name));
        assert!(has(&source.tokens, "a") && has(&source.tokens, "e"));
        assert!(!has(&source.tokens, "c") && !has(&source.tokens, "f") && has(&source.test_tokens, "c"));
        assert_eq!(source.lines, 2);
    }
}
