//! The text of a `CREATE TABLE` -> its columns, as far as rows need it: names, the one that is the row id, and the
//! defaults that rows older than a column have.

use super::record::Value;

/// One column.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    /// What a row that is older than the column has.
    pub(super) default: Value,
    /// Whether its value is the row id.
    pub(super) is_row_id: bool,
}

/// The columns in their order; `None` where the text is none of a table with columns.
pub(super) fn columns(sql: &str) -> Option<Vec<Column>> {
    let tokens = tokens(sql);
    let open = tokens.iter().position(|token| token.is("("))?;
    let mut columns = Vec::new();
    let mut definition = Vec::new();
    let mut depth = 1_usize;
    for token in &tokens[open + 1..] {
        depth += usize::from(token.is("("));
        depth -= usize::from(token.is(")"));
        if depth == 0 || (depth == 1 && token.is(",")) {
            columns.extend(column(&definition));
            definition.clear();
        } else {
            definition.push(token.clone());
        }
        if depth == 0 {
            return (!columns.is_empty()).then_some(columns);
        }
    }
    None
}

#[derive(Clone, Debug)]
struct Token {
    text: String,
    /// A name or text in quotes is never a keyword.
    quoted: bool,
}

impl Token {
    fn is(&self, word: &str) -> bool {
        !self.quoted && self.text.eq_ignore_ascii_case(word)
    }
}

/// One column, or nothing where the definition is a constraint of the table.
fn column(definition: &[Token]) -> Option<Column> {
    let (name, rest) = definition.split_first()?;
    if ["constraint", "primary", "unique", "check", "foreign"].iter().any(|word| name.is(word)) {
        return None;
    }
    let after = |word: &str| rest.iter().position(|token| token.is(word)).map(|at| &rest[at + 1..]);
    let is_key = after("primary").is_some_and(|rest| rest.first().is_some_and(|token| token.is("key")));
    let is_row_id = is_key && rest.first().is_some_and(|token| token.is("integer"));
    let default = after("default").map_or(Value::Null, literal);
    Some(Column { name: name.text.clone(), default, is_row_id })
}

/// A literal; an expression such as `(DATETIME('now'))` gives NULL, and no column of a literal's kind has one.
fn literal(tokens: &[Token]) -> Value {
    match tokens {
        [token, ..] if token.quoted => Value::Text(token.text.clone()),
        [sign, number, ..] if sign.is("-") => match literal(std::slice::from_ref(number)) {
            Value::Integer(number) => Value::Integer(-number),
            Value::Real(number) => Value::Real(-number),
            _ => Value::Null,
        },
        [token, ..] if token.is("true") => Value::Integer(1),
        [token, ..] if token.is("false") => Value::Integer(0),
        [token, ..] => match (token.text.parse(), token.text.parse()) {
            (Ok(number), _) => Value::Integer(number),
            (_, Ok(number)) if token.text.starts_with(|c: char| c.is_ascii_digit()) => Value::Real(number),
            _ => Value::Null,
        },
        [] => Value::Null,
    }
}

fn tokens(sql: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let after = &rest[first.len_utf8()..];
        let close = match first {
            '[' => Some(']'),
            '"' | '\'' | '`' => Some(first),
            _ => None,
        };
        if let Some(close) = close {
            let (text, after) = quoted(after, close);
            tokens.push(Token { text, quoted: true });
            rest = after;
        } else if rest.starts_with("--") {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
        } else if rest.starts_with("/*") {
            rest = rest.split_once("*/").map_or("", |(_, after)| after);
        } else if first.is_whitespace() {
            rest = after;
        } else {
            let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '.');
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len()).max(first.len_utf8());
            tokens.push(Token { text: rest[..length].to_owned(), quoted: false });
            rest = &rest[length..];
        }
    }
    tokens
}

/// What stands before the closing mark, which is written twice to mean itself, and what follows.
fn quoted(rest: &str, close: char) -> (String, &str) {
    let mut text = String::new();
    let mut chars = rest.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c != close {
            text.push(c);
        } else if close != ']' && chars.peek().is_some_and(|(_, next)| *next == close) {
            text.push(c);
            chars.next();
        } else {
            return (text, &rest[at + c.len_utf8()..]);
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sql: &str, expected: &[(&str, Value)]) {
        let columns = columns(sql).unwrap_or_default();
        let found: Vec<_> = columns.iter().map(|column| (column.name.as_str(), column.default.clone())).collect();
        assert_eq!(found, expected, "{sql}");
    }

    #[test]
    fn names_and_defaults_are_found_however_they_are_quoted() {
        let text = |text: &str| Value::Text(text.to_owned());
        check(
            "CREATE TABLE \"monitor\" (\n id INTEGER not null primary key autoincrement, -- (the key\n [a b] TEXT,
             `codes` TEXT default '[\"200-299\"]' not null, \"x\"\"y\" DOUBLE default 0.5, n INTEGER DEFAULT -1,
             at DATETIME default (DATETIME('now', '+1 day')) not null, 'default' BOOLEAN NOT NULL DEFAULT 1,
             t VARCHAR(20) DEFAULT 'it''s', kind decimal(10,2) /* , z */ REFERENCES other (id) ON DELETE SET DEFAULT,
             CONSTRAINT fk FOREIGN KEY (n) REFERENCES u(id), PRIMARY KEY (n, t))",
            &[
                ("id", Value::Null),
                ("a b", Value::Null),
                ("codes", text("[\"200-299\"]")),
                ("x\"y", Value::Real(0.5)),
                ("n", Value::Integer(-1)),
                ("at", Value::Null),
                ("default", Value::Integer(1)),
                ("t", text("it's")),
                ("kind", Value::Null),
            ],
        );
    }

    #[test]
    fn what_is_no_table_has_no_columns() {
        for sql in ["", "CREATE TABLE x", "CREATE TABLE x AS SELECT 1", "CREATE TABLE x (", "CREATE TABLE x ()", "(((("]
        {
            assert_eq!(columns(sql), None, "{sql}");
        }
    }

    #[test]
    fn only_an_integer_key_is_the_row_id() {
        let is = |sql: &str| columns(sql).unwrap()[0].is_row_id;
        assert!(is("CREATE TABLE x (id integer not null primary key autoincrement)"));
        assert!(!is("CREATE TABLE x (id INT primary key)") && !is("CREATE TABLE x (id integer unique)"));
    }
}
