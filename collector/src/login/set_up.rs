//! The first administrator: made by whoever follows the link that the collector printed at its first start.

use std::time::Duration;

use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;
use serde_json::json;

use super::caller::Caller;
use super::{Identity, LoginError, Porter, Unfit, address, fit_password, note};
use crate::store::audit::Author;
use crate::store::{StoreError, sessions, users};
use crate::vault::token::Token;

/// How long a set-up link works; a restart of the collector prints another.
pub const LIFE: Duration = Duration::from_secs(86_400);

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetUp {
    /// There is an administrator now.
    Done(Identity),
    /// The link does not work (any more).
    Over,
    /// What was chosen cannot be.
    Unfit(Unfit),
}

impl Porter {
    /// The text that completes the link for the first administrator; `None` when there is a user already. It replaces
    /// earlier ones.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn set_up_link(&self, now: Timestamp) -> Result<Option<SecretString>, LoginError> {
        let mut auth = self.pools.auth().await?;
        if users::any(&mut auth).await? {
            return Ok(None);
        }
        let token = Token::new()?;
        sessions::replace_set_up_link(&mut auth, &token.hash().0, now, now + LIFE).await?;
        auth.commit().await?;
        Ok(Some(SecretString::new(token.expose().to_owned())))
    }

    /// Whether a link works.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_up_works(&self, link: &str, now: Timestamp) -> Result<bool, StoreError> {
        let Some(token) = Token::parse(link) else { return Ok(false) };
        let mut auth = self.pools.auth().await?;
        sessions::set_up_link_works(&mut auth, &token.hash().0, now).await
    }

    /// Makes the first administrator, who owns the organization, and uses the link up.
    ///
    /// # Errors
    /// When the database or the hashing fails.
    pub async fn set_up(
        &self,
        link: &str,
        email: &str,
        password: SecretString,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<SetUp, LoginError> {
        let Some(token) = Token::parse(link) else { return Ok(SetUp::Over) };
        if !self.set_up_works(link, now).await? {
            return Ok(SetUp::Over);
        }
        let email = match address(email).and_then(|email| fit_password(password.expose(), &email).map(|()| email)) {
            Ok(email) => email,
            Err(unfit) => return Ok(SetUp::Unfit(unfit)),
        };
        let hash = self.passwords.hash(password).await?;
        let mut auth = self.pools.auth().await?;
        if !sessions::use_set_up_link(&mut auth, &token.hash().0, now).await? || users::any(&mut auth).await? {
            return Ok(SetUp::Over);
        }
        let (user, uuid) = users::insert_owner(&mut auth, self.org, &email, &hash, now).await?;
        let author = Author { org: Some(self.org), actor: format!("user:{email}"), origin: caller.origin() };
        note(&mut auth, &author, "user.set_up", uuid, json!({ "role": "owner" }), now).await?;
        auth.commit().await?;
        Ok(SetUp::Done(Identity { user, proven: true, new: true }))
    }
}
