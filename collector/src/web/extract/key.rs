//! Which program asks, and on whose behalf.

use std::net::IpAddr;

use crate::login::api_key::Holder;
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
        let Holder { member, key, .. } = &self.holder;
        Ok(site.pools.scoped(member.org).await?.by(format!("key:{key} user:{}", member.email)).from(self.address))
    }
}
