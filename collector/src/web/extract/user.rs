//! Who is asking.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;

use crate::login::session::{Member, Resumed, Ticket};
use crate::store::audit::Author;
use crate::store::{Scoped, StoreError};
use crate::web::{Site, ui};

/// A signed-in user; there is none without `guard::session`.
#[derive(Clone, Debug)]
pub struct User {
    /// Who, and where.
    pub member: Member,
    /// The session.
    pub ticket: Ticket,
    /// Where the request comes from.
    pub address: Option<IpAddr>,
}

impl User {
    /// A transaction for the user's organization, on the user's behalf.
    ///
    /// # Errors
    /// When no connection can be had.
    pub async fn scoped(&self, site: &Site) -> Result<Scoped, StoreError> {
        Ok(site.pools.scoped(self.member.org).await?.by(self.member.actor()).from(self.address))
    }

    /// The user, for the audit log of the user's organization.
    pub fn author(&self) -> Author {
        let origin = self.address.map(|address| address.to_string());
        Author { org: Some(self.member.org), actor: self.member.actor(), origin }
    }
}

impl FromRequestParts<Site> for User {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &Site) -> Result<Self, Response> {
        // A route without the guard in front is a defect; it lets nobody in.
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| ui::error::page(StatusCode::UNAUTHORIZED, "error.signed_out"))
    }
}

/// Who is signed in, in an organization or in none; there is nobody without `guard::session`.
#[derive(Clone, Debug)]
pub struct Person {
    /// Who, and where.
    pub resumed: Resumed,
    /// The session.
    pub ticket: Ticket,
    /// Where the request comes from.
    pub address: Option<IpAddr>,
}

impl Person {
    /// For the audit log of the organization that the session is in; outside of any, for that of the instance.
    pub fn author(&self) -> Author {
        let origin = self.address.map(|address| address.to_string());
        let actor = match &self.resumed {
            Resumed::Member(member) => member.actor(),
            Resumed::Stray(account) => format!("user:{}", account.email),
        };
        Author { org: self.resumed.org(), actor, origin }
    }
}

impl FromRequestParts<Site> for Person {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &Site) -> Result<Self, Response> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| ui::error::page(StatusCode::UNAUTHORIZED, "error.signed_out"))
    }
}
