//! `GET /api/v1/openapi.json`: the document (OpenAPI 3.1), made from the table of routes and from the schemas.

use std::sync::LazyLock;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::Operation;
use super::problem::Kind;
use super::schema::{REFERENCE, SCHEMAS};
use crate::web::router::ROUTES;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| document(ROUTES.iter().filter_map(|route| route.operation)));

/// Answers with the document.
pub async fn get_openapi() -> Response {
    let mut response = DOCUMENT.to_string().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The document of these operations.
pub fn document<'a>(operations: impl Iterator<Item = &'a Operation>) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method.to_ascii_lowercase()] = described(operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Picket",
            "version": "1",
            "description": "Monitoring of websites, DNS and TLS from many regions, with all data in the EU.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "key": [] }],
        "paths": paths,
        "components": {
            "schemas": *SCHEMAS,
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key: `Authorization: Bearer pkt_live_…`. Each operation names the scope that it needs.",
                },
            },
            "headers": {
                "RateLimit-Policy": text("How many requests (q) a key and an address may make in so many seconds (w)."),
                "RateLimit": text("How many of them are left (r), and the seconds until all are there again (t)."),
            },
        },
    })
}

fn text(what: &str) -> Value {
    json!({ "description": what, "schema": { "type": "string" } })
}

fn described(operation: &Operation) -> Value {
    let mut responses = Map::new();
    for (status, schema) in operation.answers {
        let mut answer = json!({ "description": "Done.", "headers": rate_headers() });
        if let Some(schema) = schema {
            answer["content"] = json!({ "application/json": { "schema": reference(schema) } });
            if operation.csv {
                answer["content"]["text/csv"] = json!({ "schema": { "type": "string" } });
            }
            if operation.zip {
                answer["content"]["application/zip"] = json!({ "schema": { "type": "string" } });
            }
        }
        if operation.calendar {
            answer["content"] = json!({ "text/calendar": { "schema": { "type": "string" } } });
        }
        responses.insert(status.to_string(), answer);
    }
    for (status, kinds) in refusals(operation) {
        let titles: Vec<&str> = kinds.iter().map(|kind| kind.title()).collect();
        let answer = json!({
            "description": titles.join("; "),
            "content": { "application/problem+json": { "schema": reference("Problem") } },
        });
        responses.insert(status.to_string(), answer);
    }
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "description": format!("Needs the scope `{}`, and a role that includes it.", operation.right),
        "parameters": parameters(operation),
        "responses": responses,
        "security": [{ "key": [operation.right.as_str()] }],
    });
    if let Some(schema) = operation.body {
        described["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": reference(schema) } } });
    }
    described
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("{REFERENCE}{schema}") })
}

fn rate_headers() -> Value {
    let names = ["RateLimit-Policy", "RateLimit"];
    let header = |name: &str| (name.to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }));
    Value::Object(names.into_iter().map(header).collect())
}

fn parameters(operation: &Operation) -> Value {
    let places = operation.path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let place = |name: &str| {
        let schema = match name {
            "id" => json!({ "type": "string", "format": "uuid" }),
            "key" => json!({ "type": "string", "pattern": "^[0-9A-Za-z]{8}$" }),
            _ => json!({ "type": "string", "minLength": 1, "maxLength": 500 }),
        };
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    };
    let query = operation.query.iter().map(|parameter| {
        json!({
            "name": parameter.name, "in": "query", "description": parameter.what, "schema": parameter.shape.schema(),
        })
    });
    places.map(place).chain(query).collect()
}

/// Whether an operation changes something of these.
fn is_about(operation: &Operation, parts: &[&str]) -> bool {
    operation.method != "GET" && parts.iter().any(|part| operation.path.contains(part))
}

/// Which refusals an operation can give, by status.
fn refusals(operation: &Operation) -> Vec<(u16, Vec<Kind>)> {
    let can = |kind: &Kind| match kind {
        Kind::MethodNotAllowed => false,
        Kind::NotJson | Kind::TooLarge | Kind::NotAnnouncedAsJson | Kind::InvalidBody => operation.body.is_some(),
        Kind::ChangedMeanwhile => operation.method != "GET",
        Kind::LastOwner => is_about(operation, &["/members"]),
        Kind::NotAllowed => is_about(operation, &["/members", "/invitations", "/organization", "/keys"]),
        Kind::Limit => is_about(operation, &["/monitors", "/invitations", "/members", "/keys", "/organization/import"]),
        Kind::SuccessorNeeded => operation.method == "DELETE" && operation.path == "/api/v1/members/{id}",
        Kind::NotVerified => ["/test", "/prove", "/rotate-secret"].iter().any(|end| operation.path.ends_with(end)),
        Kind::NotOpen => operation.path.ends_with("/acknowledge"),
        Kind::NoMaintenance => ["/end", "/skip"].iter().any(|end| operation.path.ends_with(end)),
        Kind::NotReopened => operation.path.ends_with("/reopen"),
        Kind::NotSigned => operation.path.ends_with("/rotate-secret"),
        Kind::NotSentAgain => operation.path.ends_with("/send-again"),
        Kind::ExportTooLarge => operation.path == super::account::EXPORT.path,
        Kind::NotReady => operation.path.ends_with("/file"),
        // Every query is read: one that knows no parameter refuses all.
        Kind::InvalidQuery
        | Kind::InvalidKey
        | Kind::WrongAddress
        | Kind::MissingScope
        | Kind::MissingRight
        | Kind::SecondFactorRequired
        | Kind::Navigation
        | Kind::TooMany
        | Kind::Unavailable => true,
        Kind::NotFound => operation.path.contains('{') || operation.maybe_off,
    };
    let mut found: Vec<(u16, Vec<Kind>)> = Vec::new();
    for kind in Kind::ALL.iter().copied().filter(can) {
        let status = kind.status().as_u16();
        match found.iter_mut().find(|(known, _)| *known == status) {
            Some((_, kinds)) => kinds.push(kind),
            None => found.push((status, vec![kind])),
        }
    }
    found
}
