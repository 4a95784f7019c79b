//! Help from the console for who is locked out: a link that works once, noted in the audit log, told to every owner.

use std::time::Duration;

use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;
use serde_json::json;

use super::link::Purpose;
use super::{LoginError, Porter, address, note};
use crate::domain::account_mail::About;
use crate::store::account_links::{self, NewLink};
use crate::store::audit::Author;
use crate::store::{second_factors, users};
use crate::vault::token::Token;

/// How long such a link works.
pub const LIFE: Duration = Duration::from_secs(3600);

impl Porter {
    /// The text that completes a link by which the user of an address chooses another password; none when there is no such
    /// user. `by` ran the command. A second factor stays, unless the operator takes it away too.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn recover(
        &self,
        email: &str,
        by: &str,
        remove_second_factor: bool,
        now: Timestamp,
    ) -> Result<Option<SecretString>, LoginError> {
        let email = address(email).unwrap_or_default();
        let mut auth = self.pools.auth().await?;
        let Some(user) = users::by_email(&mut auth, &email).await? else { return Ok(None) };
        let token = Token::new()?;
        let new = NewLink {
            token_hash: &token.hash().0,
            purpose: Purpose::Recover,
            email: &user.email,
            user: Some(user.id),
            browser_hash: None,
            expires: now + LIFE,
        };
        account_links::insert(&mut auth, &new, now).await?;
        let removed = remove_second_factor && second_factors::remove_all(&mut auth, user.id).await?;
        for (owner, to) in users::owners(&mut auth).await? {
            let about = About::Recovery { at: now, account: user.email.clone(), by: by.to_owned() };
            self.tell(&mut auth, Some(owner), &to, about, now).await?;
        }
        if removed {
            let about = About::SecondFactorRemoved { at: now };
            self.tell(&mut auth, Some(user.id), &user.email, about, now).await?;
        }
        let (author, detail) =
            (Author { org: user.org_id, ..Author::of_instance(by) }, json!({ "second_factor_removed": removed }));
        note(&mut auth, &author, "user.recover", user.uuid, detail, now).await?;
        auth.commit().await?;
        Ok(Some(SecretString::new(token.expose().to_owned())))
    }
}
