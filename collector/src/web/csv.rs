//! Tables as files of CSV, and who wants them so.

use axum::http::{HeaderMap, header};
use axum::response::Response;

use super::file::whole;

/// What a file of ours is announced as.
pub const TYPE: &str = "text/csv; charset=utf-8; header=present";

/// An answer that a browser keeps under this name.
pub fn file(name: &str, table: String) -> Response {
    whole(TYPE, name, table)
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
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn who_names_csv_before_json_gets_it() {
        let asked = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(text));
            is_preferred(&headers)
        };
        for csv in ["text/csv", "Text/CSV; q=0.5", "text/csv, application/json;q=0.9", "text/csv, */*;q=0.1", "text/*"]
        {
            assert!(asked(csv), "{csv}");
        }
        for json in ["", "*/*", "application/json", "application/json, text/csv;q=0.9", "text/csv;q=0", "text/csv;q=x"]
        {
            assert!(!asked(json), "{json}");
        }
        assert!(!is_preferred(&HeaderMap::new()));
    }
}
