//! The API as a program calls it. Every answer is held to the document: its status must be there, and its body must be
//! what the schema says.

#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "an answer that is not documented fails its test there and then"
)]

mod account;
mod channels;
mod document;
mod exports;
mod holdings;
mod import;
mod incidents;
mod invitations;
mod keys;
mod maintenance;
mod managements;
mod many;
mod matrix;
mod members;
mod monitors;
mod organization;
mod papers;
mod policies;
mod posture;
mod reads;
mod residency;
mod review;
mod schedules;
mod services;

use axum::body::Body;
use axum::http::{Request, header};
use picket_collector::domain::access::Right;
use picket_collector::web::api::Operation;
use picket_collector::web::api::problem::Fault;
use picket_collector::web::api::schema;
use picket_collector::web::router::ROUTES;
use serde_json::Value;

use crate::common::{Answer, World};

/// A program with a key.
struct Program<'a> {
    world: &'a World,
    key: String,
}

impl<'a> Program<'a> {
    /// With every scope, for a member of this role.
    async fn of(world: &'a World, role: &str) -> Self {
        let role_is = role.parse::<picket_collector::domain::access::Role>().unwrap();
        let scopes: Vec<Right> = Right::ALL.iter().copied().filter(|right| role_is.may(*right)).collect();
        Self { world, key: world.key(role, &scopes, &[]).await }
    }

    async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Reply {
        self.send("POST", path, Some(body)).await
    }

    async fn put(&self, path: &str, body: Value) -> Reply {
        self.send("PUT", path, Some(body)).await
    }

    async fn patch(&self, path: &str, body: Value) -> Reply {
        self.send("PATCH", path, Some(body)).await
    }

    async fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, None).await
    }

    async fn send(&self, method: &str, path: &str, body: Option<Value>) -> Reply {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header(header::HOST, "localhost:8080")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.key));
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.call(request.body(body).unwrap()).await
    }

    async fn call(&self, request: Request<Body>) -> Reply {
        let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
        let answer = self.world.send(request).await;
        documented(&method, &path, &answer)
    }
}

/// An answer that is as the document says.
struct Reply {
    status: u16,
    json: Value,
    answer: Answer,
}

impl Reply {
    /// A place in the body.
    fn at(&self, pointer: &str) -> &Value {
        self.json.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// A text in the body.
    #[track_caller]
    fn text(&self, pointer: &str) -> &str {
        self.at(pointer).as_str().unwrap_or_else(|| panic!("no text at {pointer} of {}", self.json))
    }

    /// The last part of a problem's type, and the fields at fault.
    fn problem(&self) -> (u16, &str, Vec<&str>) {
        let errors = self.at("/errors").as_array().into_iter().flatten();
        let fields = errors.filter_map(|error| error["field"].as_str()).collect();
        (self.status, self.text("/type").trim_start_matches("urn:picket:problem:"), fields)
    }
}

/// The operation of a request: that of the path with the fewest places.
fn operation(method: &str, path: &str) -> Option<&'static Operation> {
    let fits = |operation: &&Operation| {
        let (ours, theirs): (Vec<_>, Vec<_>) = (operation.path.split('/').collect(), path.split('/').collect());
        operation.method == method
            && ours.len() == theirs.len()
            && ours.iter().zip(&theirs).all(|(ours, theirs)| ours == theirs || ours.starts_with('{'))
    };
    let found = ROUTES.iter().filter_map(|route| route.operation).filter(fits);
    found.min_by_key(|operation| operation.path.matches('{').count())
}

/// Holds an answer to the document.
#[track_caller]
fn documented(method: &str, path: &str, answer: &Answer) -> Reply {
    let status = answer.status.as_u16();
    let what = format!("{method} {path}: {status} {}", answer.text);
    let (kind, _) = answer.header("content-type").split_once(';').unwrap_or((answer.header("content-type"), ""));
    let json: Value = match kind {
        _ if answer.text.is_empty() => Value::Null,
        "text/csv" | "text/calendar" => Value::String(answer.text.clone()),
        _ => serde_json::from_str(&answer.text).expect(&what),
    };
    assert_eq!(answer.header("cache-control"), "no-store", "{what}");
    if let Some(operation) = operation(method, path) {
        let document = document::of_routes();
        let pointer =
            format!("/paths/{}/{}/responses/{status}", operation.path.replace('/', "~1"), method.to_lowercase());
        let response = document.pointer(&pointer).unwrap_or_else(|| panic!("not in the document: {what}"));
        if matches!(kind, "text/csv" | "text/calendar") {
            assert_eq!(response["content"][kind]["schema"]["type"], "string", "{what}");
        } else if response.get("content").is_some() {
            let schema =
                response["content"][kind]["schema"]["$ref"].as_str().unwrap_or_else(|| panic!("{kind}: {what}"));
            let faults = schema::check(schema.trim_start_matches(schema::REFERENCE), &json);
            assert_eq!(faults, Vec::<Fault>::new(), "{what}");
        } else {
            assert_eq!(answer.text, "", "{what}");
        }
    }
    let answer = Answer { status: answer.status, headers: answer.headers.clone(), text: answer.text.clone() };
    Reply { status, json, answer }
}
