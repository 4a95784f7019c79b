//! `/api/v1`: what programs may ask, with an API key.
//!
//! An [`Operation`] says of a route what the table of routes, the guard, the document and the check of bodies need; one
//! resource a file. [`Call`] is what a handler is given: who asks, with query and body held to the operation ([`query`],
//! [`schema`]); an [`Answer`] or a [`Problem`] is what it gives. [`openapi`] makes the document from the same table.

pub mod account;
pub mod alarm_drills;
pub mod audit;
pub mod channels;
pub mod deliveries;
pub mod dependencies;
pub mod erasure;
pub mod exports;
pub mod holdings;
pub mod import;
pub mod incidents;
pub mod invitations;
pub mod keys;
pub mod maintenance;
pub mod managements;
pub mod members;
pub mod monitors;
pub mod openapi;
pub mod organization;
pub mod papers;
pub mod policies;
pub mod portfolio;
pub mod posture;
pub mod problem;
pub mod query;
pub mod results;
pub mod review;
pub mod schedules;
pub mod schema;
pub mod services;

use std::collections::HashMap;

use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use self::problem::{Kind, Problem};
use self::query::{Parameter, Query};
use super::extract::key::Program;
use super::guard::body_limit::{self, Unread};
use super::{Site, csv, file};
use crate::domain::access::Right;

/// Where all of it lies.
pub const ROOT: &str = "/api/v1";
/// The largest body but for those of many monitors, in bytes.
pub const BODY: usize = 256 * 1024;

/// What a route of the API is.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// The method.
    pub method: &'static str,
    /// The path.
    pub path: &'static str,
    /// What scopes and role must include.
    pub right: Right,
    /// Its name for programs that are made from the document.
    pub id: &'static str,
    /// What it does.
    pub summary: &'static str,
    /// What its query may hold.
    pub query: &'static [Parameter],
    /// The schema of its body, if it takes one.
    pub body: Option<&'static str>,
    /// The largest body, in bytes.
    pub body_limit: usize,
    /// What it answers when it succeeds: statuses, and the schema of the body if there is one.
    pub answers: &'static [(u16, Option<&'static str>)],
    /// Whether it answers with CSV where that is asked for.
    pub csv: bool,
    /// Whether it answers with a ZIP archive where that was asked for.
    pub zip: bool,
    /// Whether it answers with a calendar.
    pub calendar: bool,
    /// Whether there may be nothing: the settings can take it away, or nothing was made yet.
    pub maybe_off: bool,
    /// What runs.
    pub handler: fn() -> MethodRouter<Site>,
}

impl Operation {
    /// One that only looks.
    const fn get(path: &'static str, right: Right, id: &'static str, handler: fn() -> MethodRouter<Site>) -> Self {
        Self {
            method: "GET",
            path,
            right,
            id,
            summary: "",
            query: &[],
            body: None,
            body_limit: 0,
            answers: &[],
            csv: false,
            zip: false,
            calendar: false,
            maybe_off: false,
            handler,
        }
    }

    const fn post(path: &'static str, right: Right, id: &'static str, handler: fn() -> MethodRouter<Site>) -> Self {
        Self { method: "POST", ..Self::get(path, right, id, handler) }
    }

    const fn put(path: &'static str, right: Right, id: &'static str, handler: fn() -> MethodRouter<Site>) -> Self {
        Self { method: "PUT", ..Self::get(path, right, id, handler) }
    }

    const fn patch(path: &'static str, right: Right, id: &'static str, handler: fn() -> MethodRouter<Site>) -> Self {
        Self { method: "PATCH", ..Self::get(path, right, id, handler) }
    }

    const fn delete(path: &'static str, right: Right, id: &'static str, handler: fn() -> MethodRouter<Site>) -> Self {
        Self { method: "DELETE", ..Self::get(path, right, id, handler) }
    }

    const fn does(self, summary: &'static str) -> Self {
        Self { summary, ..self }
    }

    const fn query(self, query: &'static [Parameter]) -> Self {
        Self { query, ..self }
    }

    const fn body(self, schema: &'static str) -> Self {
        Self { body: Some(schema), body_limit: BODY, ..self }
    }

    const fn up_to(self, body_limit: usize) -> Self {
        Self { body_limit, ..self }
    }

    const fn answers(self, answers: &'static [(u16, Option<&'static str>)]) -> Self {
        Self { answers, ..self }
    }

    /// It is not there where the settings say so, or before something was made.
    const fn maybe_off(self) -> Self {
        Self { maybe_off: true, ..self }
    }

    const fn or_zip(self) -> Self {
        Self { zip: true, ..self }
    }

    const fn as_calendar(self) -> Self {
        Self { calendar: true, ..self }
    }

    const fn or_csv(self) -> Self {
        Self { csv: true, ..self }
    }
}

/// A request that may be made, and what it says.
#[derive(Debug)]
pub struct Call {
    /// What there is to work with.
    pub site: Site,
    /// Who asks.
    pub caller: Program,
    /// What stands in the places of the path.
    places: HashMap<String, String>,
    /// Its query.
    pub query: Query,
    /// Whether it asks for CSV rather than JSON, where it can have that.
    pub prefers_csv: bool,
    /// Its body, as its schema wants it; null if none is taken.
    pub body: Value,
}

impl Call {
    /// What stands in a place of the path.
    pub fn place(&self, name: &str) -> &str {
        self.places.get(name).map(String::as_str).unwrap_or_default()
    }

    /// The id in the path, if it is one; else there is nothing there.
    ///
    /// # Errors
    /// When it is none.
    pub fn id<T: std::str::FromStr>(&self) -> Result<T, Problem> {
        self.place("id").parse().map_err(|_| Problem::not_found())
    }
}

impl FromRequest<Site> for Call {
    type Rejection = Problem;

    async fn from_request(request: Request, site: &Site) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let places = Path::<HashMap<String, String>>::from_request_parts(&mut parts, site).await;
        let places = places.map(|Path(places)| places).unwrap_or_default();
        // A route without the guard in front is a defect; it lets nobody in.
        let nobody = || Problem::new(Kind::InvalidKey, "give an API key");
        let operation = *parts.extensions.get::<&'static Operation>().ok_or_else(nobody)?;
        let caller = parts.extensions.get::<Program>().cloned().ok_or_else(nobody)?;
        let query = Query::read(parts.uri.query().unwrap_or_default(), operation.query)?;
        let prefers_csv = operation.csv && csv::is_preferred(&parts.headers);
        let body = match operation.body {
            Some(schema) => read(&parts.headers, body, operation.body_limit, schema).await?,
            None => Value::Null,
        };
        Ok(Self { site: site.clone(), caller, places, query, prefers_csv, body })
    }
}

/// A body of JSON that its schema allows. No NUL gets through: PostgreSQL takes none in a text.
async fn read(headers: &HeaderMap, body: axum::body::Body, limit: usize, schema: &str) -> Result<Value, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(Kind::NotAnnouncedAsJson, "send the body with Content-Type: application/json"));
    }
    let bytes = body_limit::read(headers, body, limit).await.map_err(|unread| match unread {
        Unread::TooLarge => Problem::new(Kind::TooLarge, format!("the body may have {} KiB at most", limit / 1024)),
        Unread::Broken => Problem::new(Kind::NotJson, "the body broke off: send it again"),
    })?;
    let value: Value =
        serde_json::from_slice(&bytes).map_err(|error| Problem::new(Kind::NotJson, format!("the body: {error}")))?;
    if has_nul(&value) {
        return Err(Problem::new(Kind::NotJson, "the body: no text may hold a NUL"));
    }
    let faults = schema::check(schema, &value);
    if faults.is_empty() { Ok(value) } else { Err(Problem::faults(Kind::InvalidBody, faults)) }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        _ => false,
    }
}

/// What an operation that succeeds gives.
#[derive(Debug)]
pub struct Answer {
    status: StatusCode,
    body: Option<Value>,
    location: Option<String>,
    /// In the place of a body of JSON: of which type the file is, what it is called, and what stands in it.
    file: Option<(&'static str, String, String)>,
}

impl Answer {
    /// What was asked for.
    pub fn ok(body: Value) -> Self {
        Self { body: Some(body), ..Self::done_with(StatusCode::OK) }
    }

    /// Something was made, which is found there.
    pub fn created(location: String, body: Value) -> Self {
        Self { body: Some(body), location: Some(location), ..Self::done_with(StatusCode::CREATED) }
    }

    /// It is done, and there is nothing to say.
    pub fn done() -> Self {
        Self::done_with(StatusCode::NO_CONTENT)
    }

    /// What was asked for, as CSV.
    pub fn csv(name: impl Into<String>, table: String) -> Self {
        Self { file: Some((csv::TYPE, name.into(), table)), ..Self::done_with(StatusCode::OK) }
    }

    /// A calendar.
    pub fn calendar(name: impl Into<String>, text: String) -> Self {
        Self { file: Some((file::CALENDAR, name.into(), text)), ..Self::done_with(StatusCode::OK) }
    }

    fn done_with(status: StatusCode) -> Self {
        Self { status, body: None, location: None, file: None }
    }

    /// A page of items.
    pub fn page(items: Vec<Value>, next: Option<String>) -> Self {
        Self::ok(json!({ "items": items, "next": next }))
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        if let Some((kind, name, text)) = self.file {
            return file::whole(kind, &name, text);
        }
        let mut response = match self.body {
            Some(body) => (self.status, body.to_string()).into_response(),
            None => return self.status.into_response(),
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(location) = self.location.and_then(|location| HeaderValue::from_str(&location).ok()) {
            headers.insert(header::LOCATION, location);
        }
        response
    }
}

/// What an operation gives.
pub type Outcome = Result<Answer, Problem>;

/// Whether an address is one of the API's: there programs are answered, whatever they say that they accept.
pub fn is_of(uri: &Uri) -> bool {
    uri.path().strip_prefix(ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A time of a column, as programs are told it.
fn micros(micros: i64) -> String {
    Timestamp::from_micros(micros).exact()
}
