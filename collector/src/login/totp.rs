//! Codes by time as a second factor (RFC 6238): set up with a QR code, shown once to work, then asked for at every sign-in.
//!
//! A code works within its own 30 s and once: the step that was used last is kept, and comparing and keeping are one
//! statement.

use picket_shared::secret::{SecretBytes, SecretString};
use picket_shared::time::Timestamp;
use serde_json::json;

use super::recovery;
use super::session::{Member, Ticket};
use super::{LoginError, Porter, note};
use crate::domain::account_mail::About;
use crate::store::audit::Author;
use crate::store::second_factors::{self, Totp};
use crate::store::users::UserRow;
use crate::store::{Auth, UserKey, passkeys, sessions, users};
use crate::vault::{Class, totp};

/// A second factor that is being set up.
#[derive(Clone, Debug)]
pub struct Enrolment {
    /// What the QR code holds.
    pub uri: SecretString,
    /// The secret, as it is typed where no camera is.
    pub text: SecretString,
}

/// Which second factors a user has, and how many recovery codes are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factors {
    /// Since when codes by time are asked for.
    pub since: Option<Timestamp>,
    /// How many passkeys there are.
    pub passkeys: i64,
    /// Unused recovery codes.
    pub codes_left: i64,
}

impl Factors {
    /// Whether there is any.
    pub const fn any(&self) -> bool {
        self.since.is_some() || self.passkeys > 0
    }
}

/// How adding it went.
#[derive(Clone, Debug)]
pub enum Added {
    /// It is asked for from now on.
    Done {
        /// The recovery codes, where it is the first of all second factors: shown now and never again.
        codes: Option<Vec<SecretString>>,
        /// The session, under another token.
        ticket: Ticket,
    },
    /// The code is not right.
    Wrong,
    /// Nothing is being set up (any more).
    Nothing,
}

/// Which kind of code was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Used {
    Totp,
    RecoveryCode,
}

impl Used {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::RecoveryCode => "recovery_code",
        }
    }
}

impl Porter {
    /// What a user has.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn factors(&self, user: UserKey) -> Result<Factors, LoginError> {
        let mut auth = self.pools.auth().await?;
        let since = second_factors::find(&mut auth, user).await?.and_then(|totp| totp.confirmed_at);
        let passkeys = passkeys::count(&mut auth, user).await?;
        Ok(Factors { since, passkeys, codes_left: second_factors::recovery_codes_left(&mut auth, user).await? })
    }

    /// Begins to set one up, with a new secret. False when there is one.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn begin_totp(&self, member: &Member, now: Timestamp) -> Result<bool, LoginError> {
        let secret = totp::secret()?;
        let mut auth = self.pools.auth().await?;
        let Some(user) = users::by_key(&mut auth, member.user).await? else { return Ok(false) };
        let sealed = self.sealer.seal(Class::TotpSecret, user.uuid.as_bytes(), secret.expose())?;
        let begun = second_factors::begin(&mut auth, user.id, &sealed, now).await?;
        auth.commit().await?;
        Ok(begun)
    }

    /// What is being set up.
    ///
    /// # Errors
    /// When the database fails, or the secret cannot be opened.
    pub async fn enrolment(&self, member: &Member) -> Result<Option<Enrolment>, LoginError> {
        let mut auth = self.pools.auth().await?;
        let Some(user) = users::by_key(&mut auth, member.user).await? else { return Ok(None) };
        let Some(found) = second_factors::find(&mut auth, user.id).await? else { return Ok(None) };
        if found.confirmed_at.is_some() {
            return Ok(None);
        }
        let text = totp::text(&self.open_totp(&user, &found)?);
        let label: String = url::form_urlencoded::byte_serialize(user.email.as_bytes()).collect();
        let uri = format!(
            "otpauth://totp/Picket:{label}?secret={}&issuer=Picket&algorithm=SHA1&digits={}&period={}",
            text.expose(),
            totp::DIGITS,
            totp::STEP_SECONDS
        );
        Ok(Some(Enrolment { uri: SecretString::new(uri), text }))
    }

    /// The code shows that the user's authenticator has the secret: from now on it is asked for. Every other session ends.
    ///
    /// # Errors
    /// When the machine gives no random bytes, the database fails, or the secret cannot be opened.
    pub async fn add_totp(
        &self,
        member: &Member,
        ticket: &Ticket,
        code: &str,
        by: &Author,
        now: Timestamp,
    ) -> Result<Added, LoginError> {
        let mut auth = self.pools.auth().await?;
        let Some(user) = users::by_key(&mut auth, member.user).await? else { return Ok(Added::Nothing) };
        let found = second_factors::find(&mut auth, user.id).await?.filter(|found| found.confirmed_at.is_none());
        let Some(found) = found else { return Ok(Added::Nothing) };
        let step = totp::step(now);
        if !self.is_code(&user, &found, code, step)? {
            return Ok(Added::Wrong);
        }
        let first = !second_factors::is_wanted(&mut auth, user.id).await?;
        if !second_factors::confirm(&mut auth, user.id, step, now).await? {
            return Ok(Added::Nothing);
        }
        let codes = if first { Some(recovery::new_codes(&mut auth, user.id, now).await?) } else { None };
        let ticket = self.renew_alone(&mut auth, &user, ticket, now).await?;
        note(&mut auth, by, "user.add_second_factor", user.uuid, json!({ "kind": "totp" }), now).await?;
        self.tell(&mut auth, Some(user.id), &user.email, About::SecondFactorAdded { at: now }, now).await?;
        auth.commit().await?;
        Ok(Added::Done { codes, ticket })
    }

    /// Takes codes by time away. Every other session ends. None when there was none.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn remove_totp(
        &self,
        member: &Member,
        ticket: &Ticket,
        by: &Author,
        now: Timestamp,
    ) -> Result<Option<Ticket>, LoginError> {
        let mut auth = self.pools.auth().await?;
        let Some(user) = users::by_key(&mut auth, member.user).await? else { return Ok(None) };
        if !second_factors::remove_totp(&mut auth, user.id).await? {
            return Ok(None);
        }
        second_factors::forget_recovery_codes(&mut auth, user.id).await?;
        let ticket = self.renew_alone(&mut auth, &user, ticket, now).await?;
        note(&mut auth, by, "user.remove_second_factor", user.uuid, json!({ "kind": "totp" }), now).await?;
        self.tell(&mut auth, Some(user.id), &user.email, About::SecondFactorRemoved { at: now }, now).await?;
        auth.commit().await?;
        Ok(Some(ticket))
    }

    /// Uses a code up: by time, or a recovery code. None when it is not right (any more).
    pub(super) async fn use_code(
        &self,
        auth: &mut Auth,
        user: &UserRow,
        code: &str,
        by: &Author,
        now: Timestamp,
    ) -> Result<Option<Used>, LoginError> {
        if self.use_recovery_code(auth, user, code, by, now).await? {
            return Ok(Some(Used::RecoveryCode));
        }
        let found = second_factors::find(auth, user.id).await?.filter(|found| found.confirmed_at.is_some());
        let Some(found) = found else { return Ok(None) };
        let step = totp::step(now);
        let right = self.is_code(user, &found, code, step)? && second_factors::use_step(auth, user.id, step).await?;
        Ok(right.then_some(Used::Totp))
    }

    fn is_code(&self, user: &UserRow, found: &Totp, typed: &str, step: i64) -> Result<bool, LoginError> {
        Ok(totp::is_code(&self.open_totp(user, found)?, step, typed))
    }

    fn open_totp(&self, user: &UserRow, found: &Totp) -> Result<SecretBytes, LoginError> {
        Ok(self.opener.open(Class::TotpSecret, user.uuid.as_bytes(), &found.sealed)?)
    }

    /// After a change of what one signs in with: every other session ends, and this one goes on under another token.
    pub(super) async fn renew_alone(
        &self,
        auth: &mut Auth,
        user: &UserRow,
        ticket: &Ticket,
        now: Timestamp,
    ) -> Result<Ticket, LoginError> {
        sessions::end_all(auth, user.id, Some(&ticket.hash())).await?;
        second_factors::end_halves(auth, user.id).await?;
        let new = Ticket::new()?;
        sessions::renew(auth, &ticket.hash(), &new.hash(), now).await?;
        Ok(new)
    }
}
