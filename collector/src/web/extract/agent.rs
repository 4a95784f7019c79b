//! The browser that asks, for who lets people in.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;

use crate::login::caller::{Agent, Caller};
use crate::web::Site;
use crate::web::guard::client::ClientAddress;
use crate::web::guard::cookie::Kept;

impl FromRequestParts<Site> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Infallible> {
        let agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Ok(Self {
            address: parts.extensions.get::<ClientAddress>().map(|address| address.0),
            device: site.front.cookie.read(Kept::Device, &parts.headers),
            agent: Agent::parse(agent),
        })
    }
}
