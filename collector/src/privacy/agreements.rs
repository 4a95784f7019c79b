//! The agreement with an organization: what it was issued, and that an owner accepts it.

use picket_shared::time::Timestamp;
use serde_json::json;

use super::office::{Office, PaperError};
use crate::domain::account_mail::{About, AgreementStep};
use crate::store::agreements::{self, Agreement};
use crate::store::audit::{self, Author};
use crate::store::{OrgKey, StoreError, organizations};

/// How accepting went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is accepted.
    Done,
    /// It was accepted before.
    Already,
    /// A newer one was issued, or there is no such version.
    NotNewest,
}

impl Office {
    /// What an organization was issued, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn agreements(&self, org: OrgKey) -> Result<Vec<Agreement>, StoreError> {
        agreements::list(&mut self.pools.auth().await?, org).await
    }

    /// The text of one, exactly as it was issued.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn agreement_text(&self, org: OrgKey, version: i32) -> Result<Option<String>, StoreError> {
        agreements::body(&mut self.pools.auth().await?, org, version).await
    }

    /// Accepts a version for the organization of `by`; whoever calls this has seen that it is an owner who does.
    ///
    /// # Errors
    /// When the database fails or a mail cannot be sealed.
    pub async fn accept(&self, org: OrgKey, version: i32, by: &Author, now: Timestamp) -> Result<Accepted, PaperError> {
        let mut auth = self.pools.auth().await?;
        let Some(name) = organizations::name(&mut auth, org).await? else { return Ok(Accepted::NotNewest) };
        let Some(hash) = agreements::accept(&mut auth, (org, version), &by.actor, now).await? else {
            let newest = agreements::list(&mut auth, org).await?.into_iter().next();
            let already = newest.is_some_and(|newest| newest.version == version && newest.accepted_at.is_some());
            return Ok(if already { Accepted::Already } else { Accepted::NotNewest });
        };
        let (step, who) = (AgreementStep::Accepted, Some(by.actor.clone()));
        let about = About::Agreement { step, at: now, organization: name, version, changed: Vec::new(), by: who };
        self.tell_owners(&mut auth, org, &about, now).await?;
        let author = Author { org: Some(org), ..by.clone() };
        let detail = json!({ "version": version, "sha256": hash });
        audit::append(&mut auth, &author.did("dpa.accept", &version.to_string(), detail, now)).await?;
        auth.commit().await?;
        Ok(Accepted::Done)
    }
}
