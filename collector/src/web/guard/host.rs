//! Requests are answered only under the names that the operator gave: no rebinding, no poisoned links.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::{Request, State};
use axum::http::{StatusCode, header, uri::Authority};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::web::error::Problem;

/// The host names that requests may be for.
#[derive(Debug, Default)]
pub struct Hosts {
    names: RwLock<BTreeSet<String>>,
    loopback: bool,
}

impl Hosts {
    /// The host of the public URL, and with `loopback` also `localhost` and loopback addresses.
    pub fn new(public: impl IntoIterator<Item = String>, loopback: bool) -> Self {
        let hosts = Self { loopback, ..Self::default() };
        hosts.add(public);
        hosts
    }

    /// Also these, from now on: names of the certificate, and addresses that probes were told.
    pub fn add(&self, more: impl IntoIterator<Item = String>) {
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        names.extend(more.into_iter().map(|name| name.trim_matches(['[', ']']).to_ascii_lowercase()));
    }

    /// Whether a request for this host, with or without a port, is answered.
    pub fn allow(&self, authority: &str) -> bool {
        let Ok(authority) = authority.parse::<Authority>() else { return false };
        let host = authority.host().to_ascii_lowercase();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let is_loopback = bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        !authority.as_str().contains('@')
            && (self.loopback && is_loopback
                || self.names.read().unwrap_or_else(PoisonError::into_inner).contains(bare))
    }
}

/// Refuses requests for other hosts.
pub async fn check(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Response {
    // HTTP/2 names the host in the request's target, HTTP/1 in a header.
    let named = request.uri().authority().map(|authority| authority.as_str().to_owned()).or_else(|| {
        let mut values = request.headers().get_all(header::HOST).iter();
        let only = values.next().filter(|_| values.next().is_none());
        only.and_then(|value| value.to_str().ok()).map(str::to_owned)
    });
    if named.is_some_and(|host| hosts.allow(&host)) {
        next.run(request).await
    } else {
        Problem::new(StatusCode::MISDIRECTED_REQUEST, "this host name is not served here").into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_ours_are_answered() {
        let hosts = Hosts::new(["Picket.example".to_owned()], true);
        for good in ["picket.example", "PICKET.example:8443", "localhost:8080", "127.0.0.1:1", "[::1]:8080"] {
            assert!(hosts.allow(good), "{good}");
        }
        for bad in ["", "evil.example", "picket.example.evil.example", "x@picket.example", "10.0.0.1", "a b"] {
            assert!(!hosts.allow(bad), "{bad}");
        }
        assert!(!Hosts::new(["picket.example".to_owned()], false).allow("localhost"));
        hosts.add(["[2001:db8::1]".to_owned(), "192.0.2.1".to_owned()]);
        assert!(hosts.allow("[2001:db8::1]:8443") && hosts.allow("192.0.2.1:8443") && hosts.allow("picket.example"));
    }
}
