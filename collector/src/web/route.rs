//! What a route is: method, path, who may, how large a body, what its requests are counted as, handler.

use axum::routing::MethodRouter;

use super::Site;
use super::api::{self, Operation};
use super::extract::form;
use super::guard::quota::Class;
use crate::domain::access::Right;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Everybody.
    Anyone,
    /// Everybody, on a page; what changes something must come from a page of ours.
    Visitor,
    /// Who is signed in, in an organization or in none.
    Person,
    /// Who is signed in, in a role that has this right.
    User(Right),
    /// The same, who gave a password or a second factor within ten minutes. It has a page at its own path.
    Proven(Right),
    /// Who administers the instance, with a second factor, who proved within ten minutes who it is. To everybody else it is
    /// not there.
    Admin,
    /// The provider of a channel, by the address and the signature of each request. The handler looks.
    Provider,
    /// Probes, by the token of each request.
    Probe,
    /// Probes that have no time yet to sign by.
    NewProbe,
    /// Programs, by an API key with this scope, whose user's role has this right.
    Key(Right),
    /// The operator's programs: of this machine, of a listed address, or with a token. The handler looks.
    Scraper,
}

/// One route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The path.
    pub path: &'static str,
    /// Who may call it.
    pub who: Who,
    /// The largest body, in bytes; its handler reads no more.
    pub body_limit: usize,
    /// What the API says of it, if it is one of the API's.
    pub operation: Option<&'static Operation>,
    /// What runs.
    pub handler: fn() -> MethodRouter<Site>,
}

/// Where others look whether this works.
pub(super) const HEALTH: &str = "/healthz";

/// What is a lot of work.
const HEAVY: [(&str, &str); 14] = [
    ("POST", "/monitors/test"),
    ("POST", "/monitors/{id}/test"),
    ("POST", "/import"),
    ("GET", "/audit/export"),
    ("GET", "/account/data/export"),
    ("POST", "/account/data"),
    ("GET", "/account/data/exports/{id}/file"),
    ("GET", api::account::EXPORT.path),
    ("POST", api::exports::ASK_ACCOUNT.path),
    ("GET", api::exports::FILE_ACCOUNT.path),
    ("POST", api::exports::ASK_ORGANIZATION.path),
    ("GET", api::exports::FILE_ORGANIZATION.path),
    ("POST", api::import::IMPORT.path),
    ("PUT", api::monitors::PUT_MANY.path),
];

impl Route {
    /// What its requests are counted as; nothing for those who have limits of their own, and for who asks whether this works.
    pub fn class(&self) -> Option<Class> {
        match (self.who, self.method) {
            (Who::Probe | Who::Scraper, _) => None,
            _ if self.path == HEALTH => None,
            (Who::Visitor, "POST") => Some(Class::Entry),
            // All that go to one provider come from few addresses.
            (Who::Provider, _) => None,
            (_, method) if HEAVY.contains(&(method, self.path)) => Some(Class::Heavy),
            (_, "GET") => Some(Class::Read),
            _ => Some(Class::Write),
        }
    }
}

/// A page, or what pages are made of.
pub(super) const fn page(path: &'static str, who: Who, handler: fn() -> MethodRouter<Site>) -> Route {
    Route { method: "GET", path, who, body_limit: 0, operation: None, handler }
}

/// What a form of a page does.
pub(super) const fn change(path: &'static str, who: Who, handler: fn() -> MethodRouter<Site>) -> Route {
    Route { method: "POST", path, who, body_limit: form::LIMIT, operation: None, handler }
}

/// What a program may ask.
pub(super) const fn api(operation: &'static Operation) -> Route {
    let Operation { method, path, right, body_limit, handler, .. } = *operation;
    Route { method, path, who: Who::Key(right), body_limit, operation: Some(operation), handler }
}

/// What probes send, up to so many bytes, or ask for.
pub(super) const fn probes(
    method: &'static str,
    path: &'static str,
    body_limit: usize,
    handler: fn() -> MethodRouter<Site>,
) -> Route {
    Route { method, path, who: Who::Probe, body_limit, operation: None, handler }
}
