//! Wrong answers are counted twice: in memory, where each costs a longer wait ([`throttle`]), and in the database, where ten
//! in a row lock the account for 15 minutes against browsers that it does not know. A browser that it knows has a count of
//! its own, so that nobody can lock a user out by guessing; a link in a mail asks for no password.
//!
//! The same is done for an address that nobody has, statement by statement.
//!
//! [`throttle`]: super::throttle

use std::time::Duration;

use picket_shared::time::Timestamp;
use serde_json::json;

use super::caller::Caller;
use super::session::Ticket;
use super::{LoginError, Porter, note};
use crate::domain::account_mail::About;
use crate::store::audit::Author;
use crate::store::users::UserRow;
use crate::store::{Auth, StoreError, UserKey, sign_in_failures};
use crate::vault::token::fingerprint;

/// A user is told of wrong answers once in so long.
const TOLD_EVERY: Duration = Duration::from_secs(3600);

/// What is counted by.
#[derive(Clone, Debug)]
pub(super) struct Counter {
    key: [u8; 32],
    name: String,
}

impl Counter {
    /// An account, as somebody without a session gave its address; from a browser that it knows, that browser's.
    pub(super) fn account(email: &str, caller: &Caller, known: bool) -> Self {
        match caller.device.as_ref().filter(|_| known) {
            Some(device) => Self::of_device(email, &device.hash()),
            None => Self { key: fingerprint(&[b"account", email.as_bytes()]).0, name: email.to_owned() },
        }
    }

    fn of_device(email: &str, device: &[u8; 32]) -> Self {
        let key = fingerprint(&[b"device", email.as_bytes(), device]).0;
        Self { key, name: format!("device {}", hex(&key)) }
    }

    /// Somebody who gave the first of two factors. Nobody else can lock it: neither who guesses passwords nor, where the
    /// browser is known, who has one.
    pub(super) fn second(user: UserKey, caller: &Caller, known: bool) -> Self {
        Self::of_second(user, &caller.device.as_ref().filter(|_| known).map(Ticket::hash).unwrap_or_default())
    }

    fn of_second(user: UserKey, device: &[u8; 32]) -> Self {
        let key = fingerprint(&[b"second", &user.0.to_be_bytes(), device]).0;
        Self { key, name: format!("second {}", hex(&key)) }
    }

    /// Somebody who is signed in and is asked again.
    pub(super) fn own(user: UserKey) -> Self {
        let key = fingerprint(&[b"own", &user.0.to_be_bytes()]).0;
        Self { key, name: format!("own {}", hex(&key)) }
    }

    /// Every count by which wrong answers can lock a user out, who was let in from these browsers.
    pub(super) fn all(user: UserKey, email: &str, devices: &[[u8; 32]]) -> Vec<Self> {
        let nowhere = Caller::default();
        let any = [Self::account(email, &nowhere, false), Self::second(user, &nowhere, false), Self::own(user)];
        let known = devices.iter().flat_map(|device| [Self::of_device(email, device), Self::of_second(user, device)]);
        any.into_iter().chain(known).collect()
    }

    /// What it is counted under.
    pub(super) const fn key(&self) -> [u8; 32] {
        self.key
    }
}

impl Porter {
    /// How long the next try has to wait; zero if not at all.
    pub(super) fn wait(&self, counter: &Counter, caller: &Caller, now: Timestamp) -> Duration {
        self.throttle.wait(&counter.name, caller.address, now)
    }

    pub(super) async fn is_locked(
        &self,
        auth: &mut Auth,
        counter: &Counter,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        sign_in_failures::is_locked(auth, &counter.key, now).await
    }

    /// Counts a wrong answer, tells whose account it is, and writes down who did what.
    pub(super) async fn fail(
        &self,
        auth: &mut Auth,
        counter: &Counter,
        user: Option<&UserRow>,
        caller: &Caller,
        (by, action): (&Author, &str),
        now: Timestamp,
    ) -> Result<(), LoginError> {
        self.throttle.failed(&counter.name, caller.address, now);
        let locks = sign_in_failures::count(auth, &counter.key, now).await?;
        let (key, uuid, to) = user.map_or_else(
            || (None, uuid::Uuid::nil(), "nobody@invalid"),
            |user| (Some(user.id), user.uuid, user.email.as_str()),
        );
        self.tell_once_in(auth, TOLD_EVERY, key, to, About::FailedSignIn { at: now }, now).await?;
        if locks {
            let until = now + sign_in_failures::LOCK;
            self.tell_once_in(auth, sign_in_failures::LOCK, key, to, About::Locked { until }, now).await?;
        }
        note(auth, by, action, uuid, json!({}), now).await?;
        Ok(())
    }

    /// Forgets wrong answers: somebody got in.
    pub(super) async fn forget_failures(&self, auth: &mut Auth, counter: &Counter) -> Result<(), StoreError> {
        self.throttle.succeeded(&counter.name);
        sign_in_failures::forget(auth, &counter.key).await
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
