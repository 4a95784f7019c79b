//! What probes call: `/probe/v1`. Every answer carries the collector's time; refusals are [`Refusal`] as JSON.

pub mod assignments;
pub mod batches;
pub mod hello;
pub mod keys;
pub mod manual;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use picket_shared::time::{Clock, Stopwatch, Timestamp};
use picket_shared::wire::{HELD_HEADER, PROTOCOL, PROTOCOL_HEADER, Refusal, RefusalCode, TIME_HEADER};
use serde::Serialize;

use super::Site;
use super::guard::body_limit::{self, Unread};
use crate::flow::verify::{Caller, Gate, Limits, Refused, RequestFacts, signature};
use crate::meters::Meters;
use crate::store::{Intake, probes};

/// The largest body of a hello, in bytes.
pub const HELLO_LIMIT: usize = 16 * 1024;

/// What a probe's request passes before anything is done for it.
#[derive(Clone, Debug)]
pub struct Door {
    /// Verifies who calls.
    pub gate: Gate,
    /// How often probes may call.
    pub limits: Arc<Limits>,
}

/// Adds the collector's time, how long it had the request, and the protocol's version to an answer.
pub async fn add_headers(State(clock): State<Clock>, request: Request, next: Next) -> Response {
    let held = Stopwatch::start();
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let held_us = u64::try_from(held.elapsed().as_micros()).unwrap_or(u64::MAX);
    headers.insert(HeaderName::from_static(HELD_HEADER), HeaderValue::from(held_us));
    headers.insert(HeaderName::from_static(TIME_HEADER), HeaderValue::from(clock.now().micros()));
    headers.insert(HeaderName::from_static(PROTOCOL_HEADER), HeaderValue::from_static(PROTOCOL));
    response
}

/// `GET /probe/v1/time`: what [`add_headers`] adds is all that is asked for.
pub async fn get_time() -> StatusCode {
    StatusCode::OK
}

/// Turns what a handler found into an answer. What is no rule of the protocol is logged here, and told without details.
fn answer<T: Serialize>(meters: &Meters, result: Result<T, Refused>, now: Timestamp) -> Response {
    let (code, message, retry_after) = match result {
        Ok(value) => return json(StatusCode::OK, &value),
        Err(Refused::Rule { code, message, retry_after }) => {
            tracing::debug!(refusal.code = code.as_str(), "Refused a request of a probe: {message}");
            (code, message, retry_after)
        }
        Err(Refused::Store(error)) if error.is_transient() => {
            tracing::warn!(error = %error, "A probe was told to come again: {error}");
            (RefusalCode::Unavailable, "the database is away".to_owned(), Some(Duration::from_secs(5)))
        }
        Err(error) => {
            tracing::error!(error = %error, "A request of a probe failed: {error}");
            (RefusalCode::Internal, "a defect in the collector; its log says more".to_owned(), None)
        }
    };
    meters.refused(code);
    let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json(status, &Refusal { error: code, message, time: now });
    if let Some(after) = retry_after {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let body = serde_json::to_vec(value).unwrap_or_default();
    let mut response = (status, body).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn token(headers: &HeaderMap) -> Result<&str, Refused> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    value
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or_else(|| Refused::rule(RefusalCode::BadToken, "a token is wanted: Authorization: Bearer ..."))
}

fn is_json(headers: &HeaderMap) -> bool {
    names(headers, header::CONTENT_TYPE, "application/json")
}

fn is_zstd(headers: &HeaderMap) -> bool {
    names(headers, header::CONTENT_ENCODING, "zstd")
}

fn names(headers: &HeaderMap, name: HeaderName, wanted: &str) -> bool {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| value.split(';').next().is_some_and(|value| value.trim().eq_ignore_ascii_case(wanted)))
}

async fn read_body(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Refused> {
    body_limit::read(headers, body, limit).await.map_err(|unread| match unread {
        Unread::TooLarge => Refused::rule(RefusalCode::TooLarge, format!("a body may have {limit} bytes here")),
        Unread::Broken => Refused::rule(RefusalCode::Malformed, "the body broke off"),
    })
}

/// Verifies a request that is not a batch, and notes that its probe was heard.
async fn caller(
    site: &Site,
    conn: &mut Intake,
    parts: &Parts,
    (body, is_hello): (&[u8], bool),
    now: Timestamp,
) -> Result<Caller, Refused> {
    let facts = RequestFacts { method: parts.method.as_str(), path: parts.uri.path(), body, is_hello };
    let caller = signature::request(conn, &site.door.gate, token(&parts.headers)?, facts, now).await?;
    site.door.limits.take(caller.row.id)?;
    probes::seen(conn, caller.row.key, now).await?;
    Ok(caller)
}
