//! The little Markdown that papers are written in: headings, paragraphs, lists and tables, with `**` around what is strong. What a
//! [`Writer`] puts down [`blocks`] reads back; a page shows blocks, so that no markup of anybody's reaches a browser.

use std::fmt::Write as _;

/// A part of a paper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A heading, by its depth from one.
    Heading(usize, String),
    /// A paragraph: pieces, and whether each is strong.
    Text(Vec<(String, bool)>),
    /// A list.
    List(Vec<String>),
    /// A table: its head and rows.
    Table(Vec<String>, Vec<Vec<String>>),
}

/// Writes a paper.
#[derive(Clone, Debug, Default)]
pub struct Writer(String);

/// One line: what would begin another block, or another cell, does not.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Writer {
    /// A heading of this depth.
    pub fn heading(&mut self, depth: usize, text: &str) {
        let _ = writeln!(self.0, "{} {}\n", "#".repeat(depth), line(text));
    }

    /// A paragraph.
    pub fn text(&mut self, text: &str) {
        let _ = writeln!(self.0, "{}\n", line(text));
    }

    /// A list.
    pub fn list(&mut self, items: impl IntoIterator<Item = impl AsRef<str>>) {
        for item in items {
            let _ = writeln!(self.0, "- {}", line(item.as_ref()));
        }
        self.0.push('\n');
    }

    /// A table.
    pub fn table(&mut self, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
        let _ = writeln!(self.0, "| {} |", head.join(" | "));
        let _ = writeln!(self.0, "|{}", "---|".repeat(head.len()));
        for row in rows {
            let cells: Vec<String> = row.iter().map(|cell| line(cell).replace('|', "\\|")).collect();
            let _ = writeln!(self.0, "| {} |", cells.join(" | "));
        }
        self.0.push('\n');
    }

    /// What was written.
    pub fn finish(self) -> String {
        let mut text = self.0;
        text.truncate(text.trim_end().len());
        text.push('\n');
        text
    }
}

/// Reads a paper.
pub fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut paragraph = String::new();
    for line in text.lines().map(str::trim).chain([""]) {
        let depth = line.bytes().take_while(|b| *b == b'#').count();
        let is_heading = (1..=6).contains(&depth) && line[depth..].starts_with(' ');
        let item = line.strip_prefix("- ").or_else(|| line.strip_prefix("* "));
        let is_row = line.len() > 1 && line.starts_with('|');
        if !(line.is_empty() || is_heading || item.is_some() || is_row) {
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(line);
            continue;
        }
        if !paragraph.is_empty() {
            blocks.push(Block::Text(pieces(&std::mem::take(&mut paragraph))));
        }
        if is_heading {
            blocks.push(Block::Heading(depth, line[depth..].trim().to_owned()));
        } else if let Some(item) = item {
            match blocks.last_mut() {
                Some(Block::List(items)) => items.push(item.to_owned()),
                _ => blocks.push(Block::List(vec![item.to_owned()])),
            }
        } else if is_row {
            row(&mut blocks, cells(line));
        } else {
            // An empty line: what follows is a block of its own.
            blocks.push(Block::Text(Vec::new()));
        }
    }
    blocks.retain(|block| *block != Block::Text(Vec::new()));
    blocks
}

fn row(blocks: &mut Vec<Block>, cells: Vec<String>) {
    let rule = cells.iter().all(|cell| !cell.is_empty() && cell.bytes().all(|b| b == b'-' || b == b':'));
    match blocks.last_mut() {
        Some(Block::Table(..)) if rule => {}
        Some(Block::Table(head, rows)) => {
            let mut cells = cells;
            cells.resize(head.len(), String::new());
            rows.push(cells);
        }
        _ => blocks.push(Block::Table(cells, Vec::new())),
    }
}

fn cells(line: &str) -> Vec<String> {
    let line = line.strip_prefix('|').unwrap_or(line);
    let (mut cells, mut cell, mut escaped) = (Vec::new(), String::new(), false);
    for c in line.chars() {
        match c {
            '\\' if !escaped => {
                escaped = true;
                continue;
            }
            '|' if !escaped => cells.push(std::mem::take(&mut cell).trim().to_owned()),
            '|' => cell.push('|'),
            c => {
                if escaped {
                    cell.push('\\');
                }
                cell.push(c);
            }
        }
        escaped = false;
    }
    if !cell.trim().is_empty() {
        cells.push(cell.trim().to_owned());
    }
    cells
}

fn pieces(text: &str) -> Vec<(String, bool)> {
    let parts: Vec<&str> = text.split("**").collect();
    // A pair that is not closed means what it is.
    if parts.len().is_multiple_of(2) {
        return vec![(text.to_owned(), false)];
    }
    let pieces = parts.into_iter().enumerate().map(|(place, part)| (part.to_owned(), place % 2 == 1));
    pieces.filter(|(part, _)| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut writer = Writer::default();
        writer.heading(1, "A paper");
        writer.text("One\nparagraph with **weight** in it.");
        writer.list(["first", "second | third"]);
        writer.table(&["A", "B"], [vec!["x|y".to_owned(), "# z".to_owned()], vec![String::new(), "-".to_owned()]]);
        writer.text("The end.");
        let text = |text: &str| text.to_owned();
        let paragraph = vec![(text("One paragraph with "), false), (text("weight"), true), (text(" in it."), false)];
        assert_eq!(
            blocks(&writer.finish()),
            [
                Block::Heading(1, text("A paper")),
                Block::Text(paragraph),
                Block::List(vec![text("first"), text("second | third")]),
                Block::Table(
                    vec![text("A"), text("B")],
                    vec![vec![text("x|y"), text("# z")], vec![String::new(), text("-")]]
                ),
                Block::Text(vec![(text("The end."), false)]),
            ]
        );
    }

    #[test]
    fn two_tables_and_two_lists_stay_apart_and_odd_marks_are_themselves() {
        let read = blocks("| A |\n|---|\n| 1 |\n\n| B |\n|---|\n\n- x\n\n- y\na ** b\n#no heading\n");
        let text = |text: &str| text.to_owned();
        assert_eq!(
            read,
            [
                Block::Table(vec![text("A")], vec![vec![text("1")]]),
                Block::Table(vec![text("B")], vec![]),
                Block::List(vec![text("x")]),
                Block::List(vec![text("y")]),
                Block::Text(vec![(text("a ** b #no heading"), false)]),
            ]
        );
        assert_eq!(blocks(""), []);
    }
}
