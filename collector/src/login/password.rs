//! Signing in with address and password, and changing the password.

use std::net::IpAddr;
use std::time::Duration;

use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;
use serde_json::json;

use super::{Identity, LoginError, Porter, Unfit, address, fit_password};
use crate::store::audit::{self, Entry};
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
        let found = who(self, email, password, now).await?;
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

    /// Changes a user's password; every session ends, so that who had the old one is out.
    ///
    /// # Errors
    /// When the user is gone, or the database or the hashing fails.
    pub async fn change_password(
        &self,
        user: UserKey,
        old: SecretString,
        new: SecretString,
        now: Timestamp,
    ) -> Result<Change, LoginError> {
        let mut auth = self.pools.auth().await?;
        let row = users::by_key(&mut auth, user).await?;
        drop(auth);
        let (uuid, hash, email) =
            row.map_or_else(Default::default, |row| (row.uuid, Some(row.password_hash), row.email));
        if !self.passwords.matches(old, hash).await? {
            return Ok(Change::Wrong);
        }
        if let Err(unfit) = fit_password(new.expose(), &email) {
            return Ok(Change::Unfit(unfit));
        }
        let hash = self.passwords.hash(new).await?;
        let mut auth = self.pools.auth().await?;
        users::set_password(&mut auth, user, &hash, now).await?;
        sessions::end_all(&mut auth, user).await?;
        let subject = uuid.to_string();
        let action = "user.change_password";
        let entry = Entry { org: None, at: now, actor: "web", action, subject: &subject, detail: json!({}) };
        audit::append(&mut auth, &entry).await?;
        auth.commit().await?;
        Ok(Change::Done)
    }
}

async fn who(
    porter: &Porter,
    email: &str,
    password: SecretString,
    now: Timestamp,
) -> Result<Option<Identity>, LoginError> {
    let email = address(email).unwrap_or_default();
    let mut auth = porter.pools.auth().await?;
    let user = users::by_email(&mut auth, &email).await?;
    drop(auth);
    let right = porter.passwords.matches(password, user.as_ref().map(|user| user.password_hash.clone())).await?;
    let mut auth = porter.pools.auth().await?;
    let found = user.filter(|_| right);
    let (action, subject) = match &found {
        Some(user) => ("user.sign_in", user.uuid.to_string()),
        None => ("user.sign_in_failed", String::new()),
    };
    if let Some(user) = &found {
        users::signed_in(&mut auth, user.id, now).await?;
    }
    audit::append(&mut auth, &Entry { org: None, at: now, actor: "web", action, subject: &subject, detail: json!({}) })
        .await?;
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
