//! A passkey is used: to sign in with nothing else, as the second of two factors, or to prove again who is signed in.
//!
//! Signing in asks no address: the authenticator says whose the passkey is, so there is nothing to tell known addresses
//! from unknown ones by. Nobody guesses a passkey, so a lock is passed, and a wrong one locks nobody out; who sends many
//! has to wait.

use std::time::Duration;

use picket_shared::time::Timestamp;
use serde_json::json;

use super::{Judged, Request, Use, counted};
use crate::domain::passkey::{Proof, RelyingParty};
use crate::login::caller::Caller;
use crate::login::failure::Counter;
use crate::login::password::SignIn;
use crate::login::second_step::SecondStep;
use crate::login::session::{Member, Ticket};
use crate::login::step_up::StepUp;
use crate::login::{Identity, LoginError, Porter, author, note, stranger};
use crate::store::audit::Author;
use crate::store::passkeys::Purpose;
use crate::store::second_factors;

/// How asking for a challenge went, for who is nobody yet.
#[derive(Clone, Debug)]
pub enum Asked {
    /// What is to be signed, and the cookie that it is bound to.
    Done(Ticket, Request),
    /// Too many were asked for from there: the next has to wait so long.
    Wait(Duration),
}

impl Porter {
    /// A challenge for who wants to sign in with a passkey, bound to a cookie of this browser.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn ask_to_sign_in(&self, caller: &Caller, now: Timestamp) -> Result<Asked, LoginError> {
        if let Some(wait) = self.drawn.take(caller.address, now) {
            return Ok(Asked::Wait(wait));
        }
        let ticket = Ticket::new()?;
        let it = Use { purpose: Purpose::SignIn, binding: &ticket, user: None };
        let mut auth = self.pools.auth().await?;
        let challenge = self.challenge(&mut auth, it, now).await?;
        auth.commit().await?;
        let request = Request { challenge, passkeys: Vec::new(), must_verify: it.must_verify() };
        Ok(Asked::Done(ticket, request))
    }

    /// Who this passkey says it is. It stands for both factors: something that one has, and, verified, who it is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sign_in_by_passkey(
        &self,
        asker: &Ticket,
        party: &RelyingParty,
        proof: &Proof,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<SignIn, LoginError> {
        let counted = counted(caller);
        let wait = self.throttle.wait(&counted, caller.address, now);
        if !wait.is_zero() {
            return Ok(SignIn::Wait(wait));
        }
        let mut auth = self.pools.auth().await?;
        let it = Use { purpose: Purpose::SignIn, binding: asker, user: None };
        let signed = match self.judge(&mut auth, it, party, proof, now).await? {
            Judged::Right(user) => {
                self.throttle.succeeded(&counted);
                self.forget_failures(&mut auth, &Counter::account(&user.email, &Caller::default(), false)).await?;
                let by = author(&user, caller);
                note(&mut auth, &by, "user.sign_in", user.uuid, json!({ "by": "passkey" }), now).await?;
                SignIn::Done(Identity { user: user.id, proven: true, new: false })
            }
            Judged::Wrong(why, user) => {
                self.throttle.failed(&counted, caller.address, now);
                let by = stranger(user.as_ref(), caller);
                self.refused(&mut auth, (&by, "user.sign_in_failed"), (why, user.as_ref()), now).await?;
                SignIn::Wrong
            }
        };
        auth.commit().await?;
        Ok(signed)
    }

    /// A challenge for who gave the first factor; none where there is no passkey, or it took too long.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn ask_for_second(
        &self,
        half: &Ticket,
        party: &RelyingParty,
        now: Timestamp,
    ) -> Result<Option<Request>, LoginError> {
        let mut auth = self.pools.auth().await?;
        let Some(user) = second_factors::find_half(&mut auth, &half.hash(), now).await? else { return Ok(None) };
        let it = Use { purpose: Purpose::SecondStep, binding: half, user: Some(user) };
        let request = self.request(&mut auth, it, user, party, now).await?;
        auth.commit().await?;
        Ok(request)
    }

    /// Who gave the first factor and now uses this passkey.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn second_step_by_passkey(
        &self,
        half: &Ticket,
        party: &RelyingParty,
        proof: &Proof,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<SecondStep, LoginError> {
        let mut auth = self.pools.auth().await?;
        let Some(key) = second_factors::try_half(&mut auth, &half.hash(), now).await? else {
            return Ok(SecondStep::Over);
        };
        let it = Use { purpose: Purpose::SecondStep, binding: half, user: Some(key) };
        let step = match self.judge(&mut auth, it, party, proof, now).await? {
            Judged::Right(user) => {
                let known = self.knows(&mut auth, Some(&user), caller, now).await?;
                self.finish(&mut auth, half, &user, (caller, known), "passkey", now).await?
            }
            Judged::Wrong(why, user) => {
                let by = stranger(user.as_ref(), caller);
                self.refused(&mut auth, (&by, "user.sign_in_failed"), (why, user.as_ref()), now).await?;
                SecondStep::Wrong
            }
        };
        auth.commit().await?;
        Ok(step)
    }

    /// A challenge for who is signed in and is asked again; none where there is no passkey.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn ask_again(
        &self,
        member: &Member,
        ticket: &Ticket,
        party: &RelyingParty,
        now: Timestamp,
    ) -> Result<Option<Request>, LoginError> {
        let mut auth = self.pools.auth().await?;
        let it = Use { purpose: Purpose::StepUp, binding: ticket, user: Some(member.user) };
        let request = self.request(&mut auth, it, member.user, party, now).await?;
        auth.commit().await?;
        Ok(request)
    }

    /// Takes a passkey as proof of who is signed in, and gives the session another token.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn step_up_by_passkey(
        &self,
        (member, ticket): (&Member, &Ticket),
        party: &RelyingParty,
        proof: &Proof,
        by: &Author,
        now: Timestamp,
    ) -> Result<StepUp, LoginError> {
        let mut auth = self.pools.auth().await?;
        let it = Use { purpose: Purpose::StepUp, binding: ticket, user: Some(member.user) };
        let step = match self.judge(&mut auth, it, party, proof, now).await? {
            Judged::Right(user) => self.proven_again(&mut auth, &user, ticket, (by, "passkey"), now).await?,
            Judged::Wrong(why, user) => {
                self.refused(&mut auth, (by, "user.step_up_failed"), (why, user.as_ref()), now).await?;
                StepUp::Wrong
            }
        };
        auth.commit().await?;
        Ok(step)
    }
}
