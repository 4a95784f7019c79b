//! Requests that change something come from our own pages, or from nobody's browser.
//!
//! The rule of Go's `http.CrossOriginProtection` (net/http/csrf.go), stricter where both headers are missing: a browser
//! tells with `Sec-Fetch-Site` or at least `Origin` where a request comes from, so one that carries a session and tells
//! neither is refused. `same-site` is refused too: status pages of tenants live on neighbouring hosts. Forms of a session
//! also carry its proof (`extract::form`).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::web::error::Problem;

/// Where our own pages are served from: scheme, host and port.
#[derive(Clone, Debug, Default)]
pub struct Origins(Vec<String>);

impl Origins {
    /// The origin of the public URL, and what else this collector is reached at.
    pub fn new(origins: impl IntoIterator<Item = String>) -> Self {
        Self(origins.into_iter().map(|origin| origin.trim_end_matches('/').to_ascii_lowercase()).collect())
    }

    fn allow(&self, method: &Method, headers: &HeaderMap) -> bool {
        if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
            return true;
        }
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        match (text("sec-fetch-site"), text("origin")) {
            (Some(site), _) => matches!(site, "same-origin" | "none"),
            (None, Some(origin)) => self.0.iter().any(|ours| ours.eq_ignore_ascii_case(origin)),
            (None, None) => !headers.contains_key(header::COOKIE),
        }
    }
}

/// Refuses what a foreign page sent.
pub async fn check(State(origins): State<Arc<Origins>>, request: Request, next: Next) -> Response {
    if origins.allow(request.method(), request.headers()) {
        return next.run(request).await;
    }
    Problem::new(StatusCode::FORBIDDEN, "this request does not come from a page of Picket: open Picket and try again")
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(method: Method, headers: &[(&'static str, &str)]) -> bool {
        let origins = Origins::new(["https://picket.example/".to_owned()]);
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        origins.allow(&method, &headers)
    }

    #[test]
    fn only_our_own_pages_change_anything() {
        let ours = ("origin", "https://picket.example");
        for good in [
            vec![("sec-fetch-site", "same-origin")],
            vec![("sec-fetch-site", "none"), ("cookie", "x=y")],
            vec![ours, ("cookie", "x=y")],
            vec![("origin", "https://PICKET.example")],
            vec![],
        ] {
            assert!(allowed(Method::POST, &good), "{good:?}");
        }
        for bad in [
            vec![("sec-fetch-site", "cross-site"), ours],
            vec![("sec-fetch-site", "same-site")],
            vec![("sec-fetch-site", "same-site"), ours],
            vec![("sec-fetch-site", "")],
            vec![("origin", "http://picket.example")],
            vec![("origin", "https://picket.example:8443")],
            vec![("origin", "https://picket.example.evil.example")],
            vec![("origin", "null")],
            vec![("cookie", "x=y")],
        ] {
            for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
                assert!(!allowed(method.clone(), &bad), "{method} {bad:?}");
            }
            assert!(allowed(Method::GET, &bad), "a GET changes nothing");
        }
    }
}
