//! The document holds every route and nothing else, and can be read by anybody.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use picket_collector::web::api::openapi;
use picket_collector::web::api::problem::Kind;
use picket_collector::web::api::schema::{REFERENCE, SCHEMAS};
use picket_collector::web::router::{ROUTES, Who};
use serde_json::Value;

use crate::common::World;

/// The document, made from the routes.
pub(super) fn of_routes() -> &'static Value {
    static DOCUMENT: LazyLock<Value> =
        LazyLock::new(|| openapi::document(ROUTES.iter().filter_map(|route| route.operation)));
    &DOCUMENT
}

#[tokio::test]
async fn the_document_is_what_is_served_and_needs_no_key() {
    let world = World::new().await;
    let request = Request::builder().uri("/api/v1/openapi.json").header(header::HOST, "localhost:8080");
    let answer = world.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/json"));
    assert_eq!(serde_json::from_str::<Value>(&answer.text).unwrap(), *of_routes());
    assert_eq!(of_routes()["openapi"], "3.1.0");
}

#[test]
fn every_route_of_the_api_is_in_the_document_with_its_scope() {
    let mut ids = BTreeSet::new();
    let mut count = 0;
    for route in ROUTES.iter().filter(|route| route.path.starts_with("/api/") && route.path != "/api/v1/openapi.json") {
        let Who::Key(right) = route.who else { panic!("{} {} asks for no key", route.method, route.path) };
        let pointer = format!("/paths/{}/{}", route.path.replace('/', "~1"), route.method.to_lowercase());
        let described = of_routes().pointer(&pointer).unwrap_or_else(|| panic!("{pointer} is not there"));
        assert_eq!(described["security"][0]["key"][0], right.as_str(), "{pointer}");
        assert!(!described["summary"].as_str().unwrap().is_empty(), "{pointer}");
        assert!(ids.insert(described["operationId"].as_str().unwrap()), "{pointer}: the id is taken");
        let operation = route.operation.unwrap();
        assert!(!operation.answers.is_empty(), "{pointer}");
        assert_eq!(operation.body.is_some(), operation.body_limit > 0, "{pointer}");
        count += 1;
    }
    let listed: usize =
        of_routes()["paths"].as_object().unwrap().values().map(|path| path.as_object().unwrap().len()).sum();
    assert_eq!(listed, count);
}

/// Every schema that is named somewhere in a value.
fn named(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(name) = fields.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix(REFERENCE))
            {
                found.insert(name.to_owned());
            }
            fields.values().for_each(|value| named(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| named(value, found)),
        _ => {}
    }
}

#[test]
fn every_schema_is_used_and_every_one_that_is_used_is_there() {
    let mut used = BTreeSet::new();
    named(of_routes(), &mut used);
    assert_eq!(used, SCHEMAS.keys().cloned().collect::<BTreeSet<_>>());
}

#[test]
fn the_text_on_the_api_names_every_route_scope_and_problem() {
    let text = include_str!("../../../../docs/api.md");
    for operation in ROUTES.iter().filter_map(|route| route.operation) {
        let row = format!("| `{} {}` | `{}` |", operation.method, operation.path, operation.right);
        assert!(text.contains(&row), "docs/api.md has no row {row}");
    }
    for kind in Kind::ALL {
        let row = format!("| `{}` | {} |", kind.slug(), kind.status().as_u16());
        assert!(text.contains(&row), "docs/api.md has no row {row}");
    }
}
