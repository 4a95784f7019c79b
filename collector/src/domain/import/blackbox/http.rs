//! A target and the options of the http prober -> a candidate.

use picket_shared::check::{CheckSpec, HttpAuth, HttpSpec, StatusRange};
use serde_json::{Map, Value};

use super::super::auth::{self, basic, bearer};
use super::super::candidate::{Candidate, Draft, Refused};
use super::module::{is_true, lose_ip_option, tls_config};

pub(super) fn candidate(target: &str, options: &Map<String, Value>, mut draft: Draft) -> Result<Candidate, Refused> {
    let url = if target.contains("://") { target.to_owned() } else { format!("http://{target}") };
    let mut asked = Asked { http: HttpSpec::get(url), auth: None };
    // The exporter's default is narrower than Picket's.
    asked.http.accept_status = vec![StatusRange { from: 200, to: 299 }];
    for (name, value) in options {
        asked.take(name, value, &mut draft).map_err(|why| draft.refuse(why))?;
    }
    let Asked { mut http, auth } = asked;
    let auth = auth::settle(&mut draft, &mut http, auth).map_err(|why| draft.refuse(why))?;
    draft.finish(CheckSpec::Http(http), auth)
}

struct Asked {
    http: HttpSpec,
    auth: Option<HttpAuth>,
}

impl Asked {
    /// # Errors
    /// Why the monitor cannot be taken.
    fn take(&mut self, name: &str, value: &Value, draft: &mut Draft) -> Result<(), String> {
        match name {
            "method" => self.http.method = text(value).to_ascii_uppercase(),
            "body" => self.http.body = value.as_str().filter(|body| !body.is_empty()).map(str::to_owned),
            "headers" => {
                let headers = value.as_object().into_iter().flatten();
                self.http.headers = headers.map(|(name, value)| (name.clone(), text(value))).collect();
            }
            "valid_status_codes" => self.statuses(value, draft),
            "follow_redirects" if !is_true(value) => self.http.max_redirects = 0,
            "no_follow_redirects" if is_true(value) => self.http.max_redirects = 0,
            "enable_http2" => self.http.http2 = is_true(value),
            "follow_redirects" | "no_follow_redirects" => {}
            "fail_if_ssl" if is_true(value) => {
                return Err("it is good only without TLS (fail_if_ssl), and Picket has no such check".to_owned());
            }
            "fail_if_not_ssl" if is_true(value) && !self.http.url.starts_with("https:") => {
                draft.lose(name, "a last answer without TLS is no failure");
            }
            "fail_if_ssl" | "fail_if_not_ssl" => {}
            "fail_if_body_matches_regexp" => self.http.must_not_contain = literals(name, value, draft),
            "fail_if_body_not_matches_regexp" => self.http.contains = literals(name, value, draft),
            "fail_if_header_matches" | "fail_if_header_not_matches" => {
                draft.lose(name, "headers of an answer are not compared");
            }
            "tls_config" => self.tls(value, draft)?,
            "basic_auth" | "authorization" | "bearer_token" | "bearer_token_file" | "oauth2" => {
                self.credentials(name, value, draft)?;
            }
            "proxy_url"
            | "proxy_from_environment"
            | "proxy_connect_header"
            | "no_proxy"
            | "skip_resolve_phase_with_proxy" => {
                draft.lose(name, "probes ask directly, not by a proxy");
            }
            "preferred_ip_protocol" | "ip_protocol_fallback" => lose_ip_option(name, value, draft),
            "compression" => draft.lose(name, "probes take answers as they come"),
            "body_size_limit" => draft.lose(name, "how much of a body is read is set for all monitors"),
            "body_file" => draft.lose(name, "the file lies at the exporter: give it by --body-file"),
            "valid_http_versions" => draft.lose(name, "the version of HTTP is not compared"),
            _ => draft.lose(name, "Picket does not know it"),
        }
        Ok(())
    }

    fn statuses(&mut self, value: &Value, draft: &mut Draft) {
        let mut ranges = Vec::new();
        for status in value.as_array().into_iter().flatten() {
            match text(status).parse() {
                Ok(range) => ranges.push(range),
                Err(_) => draft.lose("valid_status_codes", format!("{status} is no status from 100 to 599")),
            }
        }
        if !ranges.is_empty() {
            self.http.accept_status = ranges;
        }
    }

    fn tls(&mut self, value: &Value, draft: &mut Draft) -> Result<(), String> {
        let tls = tls_config(value, draft)?;
        if tls.server_name.is_some() {
            draft.lose("tls_config.server_name", "the name in the URL is expected in the certificate");
        }
        (self.http.verify, self.http.extra_ca) = (tls.verify, tls.ca);
        Ok(())
    }

    fn credentials(&mut self, name: &str, value: &Value, draft: &mut Draft) -> Result<(), String> {
        let part = |part: &str| value.get(part).and_then(Value::as_str).map(str::to_owned);
        match name {
            "basic_auth" => match (part("username"), part("password")) {
                (Some(user), Some(password)) => self.auth = Some(basic(user, password)),
                (Some(user), None) if part("password_file").is_none() => self.auth = Some(basic(user, "")),
                _ => lose_file(draft, name, "--basic-user and --basic-password-file"),
            },
            "bearer_token" => self.auth = Some(bearer(text(value))),
            "authorization" => match (part("type"), part("credentials")) {
                (None, Some(token)) => self.auth = Some(bearer(token)),
                (Some(scheme), Some(token)) if scheme.eq_ignore_ascii_case("bearer") => self.auth = Some(bearer(token)),
                (_, Some(_)) => return Err("its authorization is not Bearer, and cannot be kept sealed".to_owned()),
                _ => lose_file(draft, name, "--bearer-file"),
            },
            "oauth2" => return Err("it fetches a token by OAuth 2, which probes do not: see --bearer-file".to_owned()),
            _ => lose_file(draft, name, "--bearer-file"),
        }
        Ok(())
    }
}

/// Credentials in a file that is not here.
fn lose_file(draft: &mut Draft, name: &str, option: &str) {
    draft.auth_elsewhere = true;
    draft.lose(name, format!("the file lies at the exporter: give it by {option}"));
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Patterns that match one text alone; others are named as lost.
fn literals(name: &str, value: &Value, draft: &mut Draft) -> Vec<String> {
    let mut texts = Vec::new();
    for pattern in value.as_array().into_iter().flatten().filter_map(Value::as_str) {
        match literal(pattern) {
            Some(text) => texts.push(text),
            None => draft.lose(name, format!("{pattern:?} is a pattern, and only texts are looked for in a body")),
        }
    }
    texts
}

/// The text that a regular expression matches, where it matches one alone.
fn literal(pattern: &str) -> Option<String> {
    let mut text = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.push(chars.next().filter(char::is_ascii_punctuation)?),
            '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$' => return None,
            c => text.push(c),
        }
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_pattern_of_one_text_is_a_text() {
        assert_eq!(literal("Log in").as_deref(), Some("Log in"));
        assert_eq!(literal(r"v1\.2 \(stable\)").as_deref(), Some("v1.2 (stable)"));
        for pattern in ["", "^OK", "a|b", r"\d+", "a.c", "(?i)ok", "a\\"] {
            assert_eq!(literal(pattern), None, "{pattern}");
        }
    }
}
