//! What a record asks of a web server.

use picket_shared::check::{HttpAuth, HttpSpec, StatusRange, Verify};
use serde_json::{Map, Value as Json};

use super::super::auth::{self, basic, bearer};
use super::super::candidate::Draft;
use super::record::Record;

const MOST_REDIRECTS: i64 = 10;

/// The specification and the credentials.
///
/// # Errors
/// Why it cannot be asked.
pub(super) fn spec(record: &Record, draft: &mut Draft) -> Result<(HttpSpec, Option<HttpAuth>), String> {
    let mut http = HttpSpec::get(record.text("url").trim());
    let method = record.text("method").trim().to_ascii_uppercase();
    if !method.is_empty() {
        http.method = method;
    }
    http.headers = headers(&record.text("headers"), draft);
    body(record, &mut http);
    http.accept_status = statuses(&record.text("accepted_statuscodes_json"), draft);
    http.max_redirects = redirects(record, draft);
    if record.flag("ignore_tls") {
        http.verify = Verify::Off;
    }
    keyword(record, &mut http, draft);
    let given = credentials(record)?;
    let auth = auth::settle(draft, &mut http, given)?;
    Ok((http, auth))
}

/// Kuma keeps them as the text of a JSON object.
fn headers(text: &str, draft: &mut Draft) -> Vec<(String, String)> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    let Ok(headers) = serde_json::from_str::<Map<String, Json>>(text) else {
        draft.lose("headers", "they are no JSON object, so none is sent");
        return Vec::new();
    };
    let value = |value: Json| if let Json::String(text) = value { text } else { value.to_string() };
    headers.into_iter().map(|(name, text)| (name, value(text))).collect()
}

/// Kuma says what a body is by a header, which its own headers may replace.
fn body(record: &Record, http: &mut HttpSpec) {
    let text = record.text("body");
    if text.trim().is_empty() {
        return;
    }
    let kind = match record.text("http_body_encoding").as_str() {
        "" | "json" => Some("application/json"),
        "form" => Some("application/x-www-form-urlencoded"),
        "xml" => Some("text/xml; charset=utf-8"),
        _ => None,
    };
    let named = http.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    http.headers.extend(kind.filter(|_| !named).map(|kind| ("Content-Type".to_owned(), kind.to_owned())));
    http.body = Some(text);
}

fn statuses(text: &str, draft: &mut Draft) -> Vec<StatusRange> {
    let texts: Vec<String> = serde_json::from_str(text).unwrap_or_default();
    let mut ranges = Vec::new();
    for text in texts {
        match text.parse() {
            Ok(range) => ranges.push(range),
            Err(_) => draft.lose("accepted_statuscodes", format!("{text:?} is no range of statuses from 100 to 599")),
        }
    }
    if ranges.is_empty() {
        ranges.push(StatusRange { from: 200, to: 299 });
    }
    ranges
}

fn redirects(record: &Record, draft: &mut Draft) -> u8 {
    let wanted = record.integer("maxredirects").unwrap_or(MOST_REDIRECTS).max(0);
    if wanted > MOST_REDIRECTS {
        draft.lose("maxredirects", format!("{wanted} became {MOST_REDIRECTS}, the most that are followed"));
    }
    u8::try_from(wanted.min(MOST_REDIRECTS)).unwrap_or(10)
}

fn keyword(record: &Record, http: &mut HttpSpec, draft: &mut Draft) {
    if record.kind() != "keyword" {
        return;
    }
    let keyword = record.text("keyword");
    if keyword.is_empty() {
        draft.lose("keyword", "it names none");
    } else if record.flag("invert_keyword") {
        http.must_not_contain = vec![keyword];
    } else {
        http.contains = vec![keyword];
    }
}

fn credentials(record: &Record) -> Result<Option<HttpAuth>, String> {
    let (user, password) = (record.text("basic_auth_user"), record.text("basic_auth_pass"));
    match record.text("auth_method").as_str() {
        "basic" => Ok(Some(basic(user, password))),
        "bearer" => Ok(Some(bearer(record.text("bearer_token")))),
        // A user that is left of a method that was turned off is not sent.
        "" | "null" => Ok(None),
        "oauth2-cc" => Err("it fetches a token by OAuth 2, which probes do not: see --bearer-file".to_owned()),
        "ntlm" => Err("it logs in by NTLM, which probes do not".to_owned()),
        "mtls" => Err("it shows a certificate of its own (mTLS), which probes do not".to_owned()),
        other => Err(format!("it logs in by {other:?}, which Picket does not know")),
    }
}
