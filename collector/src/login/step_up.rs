//! Asking again who it is, before what matters most: the second factor of who has one, the password of who has none.

use std::time::Duration;

use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;
use serde_json::json;

use super::caller::Caller;
use super::failure::Counter;
use super::session::{Member, Ticket};
use super::{LoginError, Porter, note};
use crate::store::audit::Author;
use crate::store::users::UserRow;
use crate::store::{Auth, UserKey, sessions, users};

/// What is written down of a wrong answer.
const FAILED: &str = "user.step_up_failed";

/// What somebody gives to prove it.
#[derive(Clone, Debug)]
pub enum Evidence {
    /// The password.
    Password(SecretString),
    /// A code by time, or a recovery code.
    Code(String),
}

/// How it went.
#[derive(Clone, Debug)]
pub enum StepUp {
    /// Proven; the session goes on under another token.
    Done(Ticket),
    /// Not right.
    Wrong,
    /// A password is not enough of who has a second factor.
    NotEnough,
    /// Too many failures: the next try has to wait so long.
    Wait(Duration),
    /// The session is over.
    Over,
}

/// Whether a password is the user's.
#[derive(Clone, Debug)]
pub(super) enum Checked {
    Right(UserRow),
    Wrong,
    Wait(Duration),
}

impl Porter {
    /// Takes the proof, and gives the session another token.
    ///
    /// # Errors
    /// When the database or the hashing fails, or the secret cannot be opened.
    pub async fn step_up(
        &self,
        member: &Member,
        ticket: &Ticket,
        evidence: Evidence,
        author: &Author,
        now: Timestamp,
    ) -> Result<StepUp, LoginError> {
        let by = match &evidence {
            Evidence::Password(_) => "password",
            Evidence::Code(_) => "code",
        };
        let checked = match evidence {
            // It is not looked at: whether it is right is nobody's to learn here.
            Evidence::Password(_) if self.has_second_factor(member.user).await? => return Ok(StepUp::NotEnough),
            Evidence::Password(password) => self.check_password(member.user, password, (author, FAILED), now).await?,
            Evidence::Code(code) => self.check_code(member.user, &code, author, now).await?,
        };
        let user = match checked {
            Checked::Right(user) => user,
            Checked::Wrong => return Ok(StepUp::Wrong),
            Checked::Wait(wait) => return Ok(StepUp::Wait(wait)),
        };
        let mut auth = self.pools.auth().await?;
        let step = self.proven_again(&mut auth, &user, ticket, (author, by), now).await?;
        auth.commit().await?;
        Ok(step)
    }

    /// Gives a session another token, as its user proved who it is.
    pub(super) async fn proven_again(
        &self,
        auth: &mut Auth,
        user: &UserRow,
        ticket: &Ticket,
        (author, by): (&Author, &str),
        now: Timestamp,
    ) -> Result<StepUp, LoginError> {
        let new = Ticket::new()?;
        if !sessions::renew(auth, &ticket.hash(), &new.hash(), now).await? {
            return Ok(StepUp::Over);
        }
        note(auth, author, "user.step_up", user.uuid, json!({ "by": by }), now).await?;
        Ok(StepUp::Done(new))
    }

    /// Whether it is the password of somebody who is signed in; a wrong one counts, and is written down as `failed` says.
    pub(super) async fn check_password(
        &self,
        user: UserKey,
        password: SecretString,
        failed: (&Author, &str),
        now: Timestamp,
    ) -> Result<Checked, LoginError> {
        let (counter, nowhere) = (Counter::own(user), Caller::default());
        let wait = self.wait(&counter, &nowhere, now);
        if !wait.is_zero() {
            return Ok(Checked::Wait(wait));
        }
        let mut auth = self.pools.auth().await?;
        let row = users::by_key(&mut auth, user).await?;
        let locked = self.is_locked(&mut auth, &counter, now).await?;
        drop(auth);
        let right = self.passwords.matches(password, row.as_ref().map(|row| row.password_hash.clone())).await?;
        let mut auth = self.pools.auth().await?;
        let checked = match row {
            Some(row) if right && !locked => {
                self.forget_failures(&mut auth, &counter).await?;
                Checked::Right(row)
            }
            row => {
                self.fail(&mut auth, &counter, row.as_ref(), &nowhere, failed, now).await?;
                Checked::Wrong
            }
        };
        auth.commit().await?;
        Ok(checked)
    }

    async fn check_code(
        &self,
        user: UserKey,
        code: &str,
        author: &Author,
        now: Timestamp,
    ) -> Result<Checked, LoginError> {
        let (counter, nowhere) = (Counter::own(user), Caller::default());
        let wait = self.wait(&counter, &nowhere, now);
        if !wait.is_zero() {
            return Ok(Checked::Wait(wait));
        }
        let mut auth = self.pools.auth().await?;
        let Some(row) = users::by_key(&mut auth, user).await? else { return Ok(Checked::Wrong) };
        let locked = self.is_locked(&mut auth, &counter, now).await?;
        let used = if locked { None } else { self.use_code(&mut auth, &row, code, author, now).await? };
        if used.is_some() {
            self.forget_failures(&mut auth, &counter).await?;
        } else {
            self.fail(&mut auth, &counter, Some(&row), &nowhere, (author, FAILED), now).await?;
        }
        auth.commit().await?;
        Ok(if used.is_some() { Checked::Right(row) } else { Checked::Wrong })
    }
}
