//! The security headers of every answer, refusals included.

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::client::ClientScheme;

const FIXED: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=()",
    ),
    (header::CACHE_CONTROL, "no-store"),
];

/// How a listener is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// HTTPS, by a certificate that clients trust.
    Https,
    /// HTTPS, by a certificate of the collector's own authority.
    OwnAuthority,
    /// Plain HTTP: on loopback, or to proxies that do HTTPS.
    Plain,
}

/// Adds the headers; over HTTPS browsers are told to stay there, but not with a certificate that they warn of: they would
/// not even offer to go on.
pub async fn add(State(transport): State<Transport>, request: Request, next: Next) -> Response {
    let https = request.extensions().get() == Some(&ClientScheme::Https) && transport != Transport::OwnAuthority;
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in FIXED {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if https {
        headers
            .insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=63072000; includeSubDomains"));
    }
    headers.remove(header::SERVER);
    response
}
