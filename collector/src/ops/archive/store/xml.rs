//! The little XML that S3 answers with: elements without attributes that matter, each read by its name.

use super::{Listed, StoreError};

/// What one page of a listing says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) listed: Vec<Listed>,
    /// How the next page is asked for; `None` after the last.
    pub(super) next: Option<String>,
}

/// Reads a page of a listing (`ListObjectsV2`).
///
/// # Errors
/// When it is none: a page that is cut off must not pass for a short one.
pub(super) fn page(text: &str, place: &str) -> Result<Page, StoreError> {
    let strange = || StoreError::Failed { place: place.to_owned(), why: "its list cannot be read".to_owned() };
    let inside = element(text, "ListBucketResult").ok_or_else(strange)?;
    let mut listed = Vec::new();
    let mut rest = inside;
    while let Some((content, after)) = next_element(rest, "Contents") {
        let name = element(content, "Key").and_then(unescaped).ok_or_else(strange)?;
        let size = element(content, "Size").and_then(|size| size.trim().parse().ok()).ok_or_else(strange)?;
        listed.push(Listed { name, size });
        rest = after;
    }
    let next = match element(inside, "IsTruncated").map(str::trim) {
        Some("true") => Some(element(inside, "NextContinuationToken").and_then(unescaped).ok_or_else(strange)?),
        Some("false") => None,
        _ => return Err(strange()),
    };
    Ok(Page { listed, next })
}

/// The code of an error, such as `NoSuchKey`.
pub(super) fn code(text: &str) -> Option<&str> {
    let code = element(element(text, "Error")?, "Code")?.trim();
    (!code.is_empty() && code.len() < 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(code)
}

fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    next_element(text, name).map(|(inside, _)| inside)
}

/// What stands between the next begin and end of an element, and what follows it.
fn next_element<'a>(text: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let (open, close) = (format!("<{name}"), format!("</{name}>"));
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.find(&open)?;
        let after = text.get(at + open.len()..)?;
        // Not the begin of a longer name.
        if after.starts_with(['>', ' ', '\t', '\r', '\n']) {
            let (_, inside) = after.split_once('>')?;
            return inside.split_once(close.as_str());
        }
        from = at + open.len();
    }
}

fn unescaped(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let (name, after) = after.split_once(';')?;
        plain.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            name => {
                let number = name.strip_prefix('#')?;
                let value = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(value)?
            }
        });
        rest = after;
    }
    plain.push_str(rest);
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>\
        <KeyCount>2</KeyCount><IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b=</NextContinuationToken>\
        <Contents><Key>x/1</Key><Size>3</Size></Contents><Contents><Key>x&#47;2</Key><Size>4</Size></Contents></ListBucketResult>";

    #[test]
    fn a_page_is_read_and_says_how_the_next_is_asked_for() {
        let page = page(PAGE, "here").unwrap();
        let names: Vec<_> = page.listed.iter().map(|listed| (listed.name.as_str(), listed.size)).collect();
        assert_eq!(names, [("x/1", 3), ("x/2", 4)]);
        assert_eq!(page.next.as_deref(), Some("a&b="));
    }

    #[test]
    fn what_is_cut_off_or_no_list_is_an_error_and_not_an_empty_list() {
        for length in 0..PAGE.len() {
            assert!(page(&PAGE[..length], "here").is_err(), "{length}");
        }
        assert!(page("<html>busy</html>", "here").is_err());
    }

    #[test]
    fn the_code_of_an_error_is_read() {
        assert_eq!(code("<Error><Code>NoSuchKey</Code><Message>x</Message></Error>"), Some("NoSuchKey"));
        for bad in ["", "<Error></Error>", "<Error><Code>a b</Code></Error>", "<Code>NoSuchKey</Code>"] {
            assert_eq!(code(bad), None, "{bad}");
        }
    }
}
