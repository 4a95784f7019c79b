//! The second of two factors: a code by time, a passkey, or a recovery code.

use std::time::Duration;

use picket_shared::time::Timestamp;
use serde_json::json;

use super::caller::Caller;
use super::failure::Counter;
use super::session::Ticket;
use super::totp::Factors;
use super::{Identity, LoginError, Porter, author, note, stranger};
use crate::store::users::UserRow;
use crate::store::{Auth, second_factors, users};

pub use crate::store::second_factors::HALF_LIFE;

/// How the second step went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecondStep {
    /// This is who it is.
    Done(Identity),
    /// The code is not right (any more).
    Wrong,
    /// It took too long, or there were too many wrong codes: begin anew.
    Over,
    /// Too many failures: the next try has to wait so long.
    Wait(Duration),
}

impl Porter {
    /// Who gave the first factor and now gives this code.
    ///
    /// # Errors
    /// When the database fails, or the secret cannot be opened.
    pub async fn second_step(
        &self,
        half: &Ticket,
        code: &str,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<SecondStep, LoginError> {
        let mut auth = self.pools.auth().await?;
        let Some(key) = second_factors::try_half(&mut auth, &half.hash(), now).await? else {
            return Ok(SecondStep::Over);
        };
        let Some(user) = users::by_key(&mut auth, key).await? else { return Ok(SecondStep::Over) };
        let known = self.knows(&mut auth, Some(&user), caller, now).await?;
        let counter = Counter::second(user.id, caller, known);
        let wait = self.wait(&counter, caller, now);
        if !wait.is_zero() {
            // Dropped without a commit: the try does not count.
            return Ok(SecondStep::Wait(wait));
        }
        let locked = self.is_locked(&mut auth, &counter, now).await?;
        let by = author(&user, caller);
        let used = if locked { None } else { self.use_code(&mut auth, &user, code, &by, now).await? };
        let Some(used) = used else {
            let by = stranger(Some(&user), caller);
            self.fail(&mut auth, &counter, Some(&user), caller, (&by, "user.sign_in_failed"), now).await?;
            auth.commit().await?;
            return Ok(SecondStep::Wrong);
        };
        let step = self.finish(&mut auth, half, &user, (caller, known), used.as_str(), now).await?;
        auth.commit().await?;
        Ok(step)
    }

    /// The second factor was right, too: wrong answers are forgotten.
    pub(super) async fn finish(
        &self,
        auth: &mut Auth,
        half: &Ticket,
        user: &UserRow,
        (caller, known): (&Caller, bool),
        second: &str,
        now: Timestamp,
    ) -> Result<SecondStep, LoginError> {
        second_factors::end_half(auth, &half.hash()).await?;
        for counter in [Counter::second(user.id, caller, known), Counter::account(&user.email, caller, known)] {
            self.forget_failures(auth, &counter).await?;
        }
        note(auth, &author(user, caller), "user.sign_in", user.uuid, json!({ "second": second }), now).await?;
        Ok(SecondStep::Done(Identity { user: user.id, proven: true, new: false }))
    }

    /// What who gave the first factor can give as the second; none when it took too long.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn factors_of_half(&self, half: &Ticket, now: Timestamp) -> Result<Option<Factors>, LoginError> {
        let mut auth = self.pools.auth().await?;
        let user = second_factors::find_half(&mut auth, &half.hash(), now).await?;
        drop(auth);
        match user {
            Some(user) => Ok(Some(self.factors(user).await?)),
            None => Ok(None),
        }
    }
}
