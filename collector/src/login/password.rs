//! Signing in with address and password.

use std::time::Duration;

use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;
use serde_json::json;

use super::caller::Caller;
use super::failure::Counter;
use super::session::Ticket;
use super::{Identity, LoginError, Porter, address, author, note, stranger};
use crate::store::users::UserRow;
use crate::store::{Auth, devices, second_factors, users};
use crate::vault::token::Token;

/// How signing in went.
#[derive(Clone, Debug)]
pub enum SignIn {
    /// This is who it is.
    Done(Identity),
    /// The second factor has to follow.
    Second(Ticket),
    /// Nobody has this address and this password, or the account is locked.
    Wrong,
    /// Too many failures: the next try has to wait so long.
    Wait(Duration),
}

impl Porter {
    /// Who has this address and this password. An unknown address, a wrong password and a locked account cost the same
    /// work and get the same answer.
    ///
    /// # Errors
    /// When the database or the hashing fails.
    pub async fn sign_in(
        &self,
        email: &str,
        password: SecretString,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<SignIn, LoginError> {
        let email = address(email).unwrap_or_default();
        let mut auth = self.pools.auth().await?;
        let user = users::by_email(&mut auth, &email).await?;
        let known = self.knows(&mut auth, user.as_ref(), caller, now).await?;
        let counter = Counter::account(&email, caller, known);
        let locked = self.is_locked(&mut auth, &counter, now).await?;
        drop(auth);
        let wait = self.wait(&counter, caller, now);
        if !wait.is_zero() {
            return Ok(SignIn::Wait(wait));
        }
        let right = self.passwords.matches(password, user.as_ref().map(|user| user.password_hash.clone())).await?;
        let mut auth = self.pools.auth().await?;
        let signed = match user.as_ref().filter(|_| right && !locked) {
            Some(user) => self.first_factor(&mut auth, user, &counter, ("password", caller), now).await?,
            None => {
                let by = stranger(user.as_ref(), caller);
                self.fail(&mut auth, &counter, user.as_ref(), caller, (&by, "user.sign_in_failed"), now).await?;
                SignIn::Wrong
            }
        };
        auth.commit().await?;
        Ok(signed)
    }

    /// Whether a user was let in from this browser before.
    pub(super) async fn knows(
        &self,
        auth: &mut Auth,
        user: Option<&UserRow>,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<bool, LoginError> {
        let device = caller.device.as_ref().map(Ticket::hash);
        Ok(devices::knows(auth, user.map(|user| user.id), device.as_ref(), now).await?)
    }

    /// The first factor was right: done, unless there is a second. Failures are forgotten when all is done.
    pub(super) async fn first_factor(
        &self,
        auth: &mut Auth,
        user: &UserRow,
        counter: &Counter,
        (by, caller): (&str, &Caller),
        now: Timestamp,
    ) -> Result<SignIn, LoginError> {
        if second_factors::is_wanted(auth, user.id).await? {
            let token = Token::new()?;
            second_factors::insert_half(auth, &token.hash().0, user.id, now).await?;
            return Ok(SignIn::Second(Ticket::of(token)));
        }
        self.forget_failures(auth, counter).await?;
        users::signed_in(auth, user.id, now).await?;
        note(auth, &author(user, caller), "user.sign_in", user.uuid, json!({ "by": by }), now).await?;
        Ok(SignIn::Done(Identity { user: user.id, proven: by == "password", new: false }))
    }
}
