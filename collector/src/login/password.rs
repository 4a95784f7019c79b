//! Signing in with address and password, and changing the password.

use std::net::IpAddr;
use std::time::Duration;

use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;
use serde_json::json;

use super::{Identity, LoginError, Porter, Unfit, address, fit_password};
use crate::store::audit::{self, Author};
use crate::store::{UserKey, sessions, users};

/// How signing in went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignIn {
    /// This is who it is.
    Done(Identity),
    /// Nobody has this address and this password.
    Wrong,
    /// Too many failures: the next try has to wait so long.
    Wait(Duration),
}

impl Porter {
    /// Who has this address and this password. An unknown address costs the same work and gets the same answer.
    ///
    /// # Errors
    /// When the database or the hashing fails.
    pub async fn sign_in(
        &self,
        email: &str,
        password: SecretString,
        from: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<SignIn, LoginError> {
        let wait = self.throttle.wait(email, from, now);
        if !wait.is_zero() {
            return Ok(SignIn::Wait(wait));
        }
        let found = who(self, email, password, from, now).await?;
        match found {
            Some(identity) => {
                self.throttle.succeeded(email);
                Ok(SignIn::Done(identity))
            }
            None => {
                self.throttle.failed(email, from, now);
                Ok(SignIn::Wrong)
            }
        }
    }

    /// Changes a user's password, `by` that user; every session ends, so that who had the old one is out.
    ///
    /// # Errors
    /// When the user is gone, or the database or the hashing fails.
    pub async fn change_password(
        &self,
        user: UserKey,
        (old, new): (SecretString, SecretString),
        by: &Author,
        now: Timestamp,
    ) -> Result<Change, LoginError> {
        let mut auth = self.pools.auth().await?;
        let row = users::by_key(&mut auth, user).await?;
        drop(auth);
        let (uuid, hash, email) =
            row.map_or_else(Default::default, |row| (row.uuid, Some(row.password_hash), row.email));
        let subject = uuid.to_string();
        if !self.passwords.matches(old, hash).await? {
            let mut auth = self.pools.auth().await?;
            audit::append(&mut auth, &by.did("user.change_password_failed", &subject, json!({}), now)).await?;
            auth.commit().await?;
            return Ok(Change::Wrong);
        }
        if let Err(unfit) = fit_password(new.expose(), &email) {
            return Ok(Change::Unfit(unfit));
        }
        let hash = self.passwords.hash(new).await?;
        let mut auth = self.pools.auth().await?;
        users::set_password(&mut auth, user, &hash, now).await?;
        sessions::end_all(&mut auth, user).await?;
        audit::append(&mut auth, &by.did("user.change_password", &subject, json!({}), now)).await?;
        auth.commit().await?;
        Ok(Change::Done)
    }
}

async fn who(
    porter: &Porter,
    email: &str,
    password: SecretString,
    from: Option<IpAddr>,
    now: Timestamp,
) -> Result<Option<Identity>, LoginError> {
    let email = address(email).unwrap_or_default();
    let mut auth = porter.pools.auth().await?;
    let user = users::by_email(&mut auth, &email).await?;
    drop(auth);
    let right = porter.passwords.matches(password, user.as_ref().map(|user| user.password_hash.clone())).await?;
    let mut auth = porter.pools.auth().await?;
    // Whom nobody knows is not written down: it may be a password, typed in the wrong place.
    let org = user.as_ref().and_then(|user| user.org_id);
    let subject = user.as_ref().map(|user| user.uuid.to_string()).unwrap_or_default();
    let found = user.filter(|_| right);
    let actor = found.as_ref().map_or_else(|| "web".to_owned(), |user| format!("user:{}", user.email));
    let author = Author { org, actor, origin: from.map(|address| address.to_string()) };
    let action = if found.is_some() { "user.sign_in" } else { "user.sign_in_failed" };
    if let Some(user) = &found {
        users::signed_in(&mut auth, user.id, now).await?;
    }
    audit::append(&mut auth, &author.did(action, &subject, json!({}), now)).await?;
    auth.commit().await?;
    Ok(found.map(|user| Identity { user: user.id }))
}

/// How changing a password went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is changed, and every session of the user is over.
    Done,
    /// The present password was not the one given.
    Wrong,
    /// The new one cannot be.
    Unfit(Unfit),
}
