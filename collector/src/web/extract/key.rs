//! Which program asks, and on whose behalf.

use std::net::IpAddr;

use crate::login::api_key::Holder;
use crate::store::audit::Author;
use crate::store::{OrgKey, Scoped, StoreError};
use crate::web::Site;

/// The holder of an API key that works; there is none without `guard::key`.
#[derive(Clone, Debug)]
pub struct Program {
    /// What the key is good for.
    pub holder: Holder,
    /// Where the request comes from.
    pub address: Option<IpAddr>,
}

impl Program {
    /// The organization that the key is for.
    pub fn org(&self) -> OrgKey {
        self.holder.member.org
    }

    /// A transaction for the key's organization, on behalf of its user by this key.
    ///
    /// # Errors
    /// When no connection can be had.
    pub async fn scoped(&self, site: &Site) -> Result<Scoped, StoreError> {
        Ok(site.pools.scoped(self.org()).await?.by(self.holder.actor()).from(self.address))
    }

    /// Who is behind it, for the audit log of the organization.
    pub fn author(&self) -> Author {
        let origin = self.address.map(|address| address.to_string());
        Author { org: Some(self.org()), actor: self.holder.actor(), origin }
    }
}
