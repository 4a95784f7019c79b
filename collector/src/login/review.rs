//! The review of access: who may do what in an organization, and by what they come in. That it was read is an entry of the audit
//! log.

use picket_shared::time::Timestamp;
use serde_json::json;

use super::{LoginError, Porter, note};
use crate::store::OrgKey;
use crate::store::audit::Author;
use crate::store::read::review::{self, ReviewRow};

impl Porter {
    /// Every member of an organization with what it comes in by, `by` whom and `form` as what it is read: `page`, `json` or `csv`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn review(
        &self,
        org: OrgKey,
        by: &Author,
        form: &str,
        now: Timestamp,
    ) -> Result<Vec<ReviewRow>, LoginError> {
        let mut auth = self.pools.auth().await?;
        let rows = review::read(&mut auth, org, now).await?;
        let detail = json!({ "form": form, "members": rows.len() });
        note(&mut auth, by, "member.review", uuid::Uuid::nil(), detail, now).await?;
        auth.commit().await?;
        Ok(rows)
    }
}
