//! What commands write to standard output.

use std::io::Write;

use serde::Serialize;

use super::CmdError;

/// Writes a line.
///
/// # Errors
/// When standard output is closed.
pub fn line(text: &str) -> Result<(), CmdError> {
    Ok(self::text(text)?)
}

/// Writes a text and ends its line.
///
/// # Errors
/// When standard output is closed.
pub fn text(text: &str) -> std::io::Result<()> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        // Who reads has seen enough, as `head` does: no reason to fail.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Writes a value as indented JSON.
///
/// # Errors
/// When standard output is closed.
pub fn json(value: &impl Serialize) -> Result<(), CmdError> {
    line(&serde_json::to_string_pretty(value)?)
}

/// Writes rows under their headings, each column as wide as it must be.
///
/// # Errors
/// When standard output is closed.
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> Result<(), CmdError> {
    line(&aligned(headings, rows).join("\n"))
}

/// The lines of a table, the headings first.
pub fn aligned(headings: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let widths: Vec<usize> = headings
        .iter()
        .enumerate()
        .map(|(i, heading)| {
            rows.iter()
                .filter_map(|row| row.get(i))
                .map(|cell| cell.chars().count())
                .chain([heading.len()])
                .max()
                .unwrap_or(0)
        })
        .collect();
    let render = |cells: &mut dyn Iterator<Item = &str>| {
        let padded = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let head = render(&mut headings.iter().copied());
    std::iter::once(head).chain(rows.iter().map(|row| render(&mut row.iter().map(String::as_str)))).collect()
}
