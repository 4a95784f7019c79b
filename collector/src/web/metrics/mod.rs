//! `GET /metrics`: the figures of this instance for Prometheus, to those who may read them.
//!
//! In come what the process counted ([`crate::meters`]), the figures last read from the database, and what the system
//! says of process and disk at this moment ([`system`]); out goes text. No figure says anything of a tenant.

mod families;
mod system;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ipnet::IpNet;
use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;

use super::Site;
use super::error::Problem;
use super::guard::client::ClientAddress;
use super::tls::Certificates;
use crate::config::{Config, DatabaseMode};
use crate::meters::text::CONTENT_TYPE;

/// What is shown of this instance, and to whom.
#[derive(Debug, Default)]
pub struct Instance {
    allow: Vec<IpNet>,
    token: Option<SecretString>,
    /// Where the data lies, when it lies here.
    data_dir: Option<PathBuf>,
    started_at: Timestamp,
    /// What listeners show: where it comes from, and what it is.
    certificates: Vec<(&'static str, Arc<Certificates>)>,
}

impl Instance {
    /// As the settings say.
    pub fn new(config: &Config, started_at: Timestamp, certificates: Vec<(&'static str, Arc<Certificates>)>) -> Self {
        let managed = config.database.mode == DatabaseMode::Managed;
        Self {
            allow: config.metrics.allow.clone(),
            token: config.metrics.token().cloned(),
            data_dir: managed.then(|| config.database.data_dir.clone()),
            started_at,
            certificates,
        }
    }

    /// Whether whoever asks may read: this machine, a listed address, or anybody with the token. Loopback alone is no
    /// proof: a proxy on this machine asks from there for everybody, so nothing may say that it was a proxy's request.
    fn may_read(&self, address: Option<IpAddr>, headers: &HeaderMap) -> bool {
        let listed = |address: IpAddr| self.allow.iter().any(|network| network.contains(&address));
        let here = |address: IpAddr| address.is_loopback() && !PROXIED.iter().any(|name| headers.contains_key(*name));
        self.has_token(headers) || address.is_some_and(|address| listed(address) || here(address))
    }

    fn has_token(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.split_once(' '));
        let given = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        match (&self.token, given) {
            (Some(token), Some(given)) => verify_slices_are_equal(token.expose().as_bytes(), given.as_bytes()).is_ok(),
            _ => false,
        }
    }
}

/// Headers that proxies add.
const PROXIED: [&str; 5] = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"];

/// Answers with every figure; 404 for whom it is none of their business.
pub async fn get_metrics(State(site): State<Site>, request: Request) -> Response {
    let address = request.extensions().get::<ClientAddress>().map(|client| client.0);
    if !site.instance.may_read(address, request.headers()) {
        return Problem::new(StatusCode::NOT_FOUND, "there is nothing here").into_response();
    }
    let mut response = families::text(&site).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_listed_addresses_and_the_token_may_read_and_nobody_else() {
        let instance = Instance {
            allow: vec!["192.0.2.0/24".parse().unwrap()],
            token: Some(SecretString::new("0123456789abcdef".to_owned())),
            ..Instance::default()
        };
        let may = |instance: &Instance, address: &str, name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            if !name.is_empty() {
                headers.insert(name, value.parse().unwrap());
            }
            instance.may_read(Some(address.parse().unwrap()), &headers)
        };
        assert!(may(&instance, "127.0.0.1", "", "") && may(&instance, "::1", "", ""));
        assert!(may(&instance, "192.0.2.9", "", ""));
        assert!(!may(&instance, "198.51.100.1", "", "") && !may(&instance, "0.0.0.0", "", ""));
        for name in PROXIED {
            assert!(!may(&instance, "127.0.0.1", name, "127.0.0.1"), "{name}");
        }
        assert!(may(&instance, "198.51.100.1", "authorization", "Bearer 0123456789abcdef"));
        for wrong in ["Bearer 0123456789abcdeF", "Bearer ", "Basic 0123456789abcdef", "0123456789abcdef"] {
            assert!(!may(&instance, "198.51.100.1", "authorization", wrong), "{wrong}");
        }
        assert!(!may(&Instance::default(), "198.51.100.1", "authorization", "Bearer "), "no token is set");
        assert!(!Instance::default().may_read(None, &HeaderMap::new()));
    }
}
