//! Credentials that other programs keep in URLs and headers, where Picket keeps none.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use picket_shared::check::{HttpAuth, HttpSpec};
use picket_shared::secret::SecretString;
use url::Url;

use super::candidate::Draft;

/// Parts of a header's name that hint at a secret.
const HINTS: [&str; 6] = ["key", "token", "secret", "password", "cookie", "auth"];

pub(super) fn basic(user: impl Into<String>, password: impl Into<String>) -> HttpAuth {
    HttpAuth::Basic { user: user.into(), password: SecretString::new(password.into()) }
}

pub(super) fn bearer(token: impl Into<String>) -> HttpAuth {
    HttpAuth::Bearer { token: SecretString::new(token.into()) }
}

/// Takes credentials out of the URL and the headers, where they would lie unsealed; `given` stand before both.
///
/// # Errors
/// When a header holds credentials of a kind that cannot be kept sealed.
pub(super) fn settle(
    draft: &mut Draft,
    http: &mut HttpSpec,
    given: Option<HttpAuth>,
) -> Result<Option<HttpAuth>, String> {
    let of_headers = from_headers(&mut http.headers)?;
    let of_url = from_url(&mut http.url);
    let named: Vec<_> = http.headers.iter().map(|(name, _)| name).filter(|name| hints_at_secret(name)).collect();
    if !named.is_empty() {
        let named = named.into_iter().cloned().collect::<Vec<_>>().join(", ");
        draft.lose("headers", format!("{named}: taken, but headers are not kept sealed, as credentials are"));
    }
    Ok(given.or(of_headers).or(of_url))
}

fn hints_at_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    HINTS.iter().any(|hint| name.contains(hint))
}

fn from_headers(headers: &mut Vec<(String, String)>) -> Result<Option<HttpAuth>, String> {
    let is = |name: &str, wanted: &str| name.trim().eq_ignore_ascii_case(wanted);
    if headers.iter().any(|(name, _)| is(name, "proxy-authorization")) {
        return Err("it has a Proxy-Authorization header, and the probes use no proxy".to_owned());
    }
    let Some(at) = headers.iter().position(|(name, _)| is(name, "authorization")) else { return Ok(None) };
    let (_, value) = headers.remove(at);
    let (scheme, rest) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
    let auth = if scheme.eq_ignore_ascii_case("bearer") {
        Some(bearer(rest.trim()))
    } else if scheme.eq_ignore_ascii_case("basic") {
        let decoded = STANDARD.decode(rest.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        decoded.and_then(|both| both.split_once(':').map(|(user, password)| basic(user, password)))
    } else {
        None
    };
    match auth {
        Some(auth) => Ok(Some(auth)),
        None => {
            Err("its Authorization header is neither Basic nor Bearer, and others cannot be kept sealed".to_owned())
        }
    }
}

fn from_url(text: &mut String) -> Option<HttpAuth> {
    let mut url = Url::parse(text).ok()?;
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let auth = basic(decoded(url.username()), decoded(url.password().unwrap_or_default()));
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    *text = url.into();
    Some(auth)
}

/// Undoes percent-encoding (RFC 3986).
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let byte = hex.filter(|_| *first == b'%').and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, header: &str, expected: Result<Option<HttpAuth>, &str>, url_after: &str) {
        let mut draft = Draft::new("k".to_owned(), "p".to_owned(), "n", "http");
        let mut http = HttpSpec::get(url);
        http.headers = vec![("X-A".to_owned(), "1".to_owned()), ("authorization".to_owned(), header.to_owned())];
        http.headers.retain(|(_, value)| !value.is_empty());
        let found = settle(&mut draft, &mut http, None);
        match expected {
            Ok(expected) => {
                assert_eq!(found, Ok(expected));
                assert_eq!((http.url.as_str(), http.headers.len()), (url_after, 1));
            }
            Err(why) => assert!(found.unwrap_err().contains(why)),
        }
    }

    #[test]
    fn credentials_leave_urls_and_headers() {
        let plain = "https://example.org/a";
        check(plain, "", Ok(None), plain);
        check("https://a%40b:c%3ad@example.org/a", "", Ok(Some(basic("a@b", "c:d"))), plain);
        check(plain, "Bearer abc", Ok(Some(bearer("abc"))), plain);
        check(plain, "basic YTpiOmM=", Ok(Some(basic("a", "b:c"))), plain);
        check("https://u:p@example.org/a", "Bearer abc", Ok(Some(bearer("abc"))), plain);
        check(plain, "Digest username=a", Err("neither"), plain);
        check(plain, "Basic !!", Err("neither"), plain);
    }

    #[test]
    fn a_header_that_looks_like_a_secret_is_named() {
        let mut draft = Draft::new("k".to_owned(), "p".to_owned(), "n", "http");
        let mut http = HttpSpec::get("https://example.org/");
        http.headers = vec![("X-Api-Key".to_owned(), "1".to_owned()), ("Accept".to_owned(), "*/*".to_owned())];
        assert_eq!(settle(&mut draft, &mut http, None), Ok(None));
        assert!(draft.lost.len() == 1 && draft.lost[0].why.starts_with("X-Api-Key: taken"));
    }
}
