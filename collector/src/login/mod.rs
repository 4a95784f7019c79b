//! Ways in: who is asking, never what is answered.
//!
//! [`set_up`] makes the first administrator from a link that the collector printed, [`sign_up`] others where that is
//! allowed; [`password`] turns an address and a password into an [`Identity`], [`second_step`] asks for the second factor
//! where there is one ([`totp`], [`passkey`], [`recovery`]), [`passkey`] alone can do, and [`link`] lets in by mail.
//! [`session`] keeps a browser signed in, [`step_up`] asks again before what matters most, [`account`] changes what one
//! signs in with. [`members`] changes who belongs to an organization, [`ends`] for how long, [`holdings`] passes on what somebody
//! held, [`review`] shows who has access, [`invite`] lets others join it, [`organization`] makes another, [`service`] members that
//! nobody signs in as, [`management`] lets one manage another. [`api_key`] lets programs in, [`administration`] says who administers
//! the instance. [`caller`] is the browser
//! that asks; [`throttle`] and [`failure`] slow guessing down; [`mail`] puts mails about accounts down for `flow`.

pub mod account;
pub mod administration;
pub mod api_key;
pub mod caller;
pub mod closing;
pub mod common;
pub mod ends;
pub mod failure;
pub mod holdings;
pub mod invite;
pub mod link;
mod mail;
pub mod management;
pub mod members;
pub mod organization;
pub mod passkey;
pub mod password;
pub mod recover;
pub mod recovery;
mod refusal;
pub mod review;
pub mod second_step;
pub mod service;
pub mod session;
pub mod set_up;
pub mod sign_up;
pub mod step_up;
pub mod throttle;
pub mod totp;

use std::sync::Arc;

use picket_shared::time::Timestamp;
use serde_json::Value;

use crate::config::{Config, LoginMode};
use crate::store::audit::{self, Author};
use crate::store::users::UserRow;
use crate::store::{Auth, OrgKey, Pools, StoreError, UserKey};
use crate::vault::password::Passwords;
use crate::vault::{Opener, Sealer, VaultError};
use caller::Caller;
use passkey::allowance::Allowance;
use throttle::Throttle;

/// Lets people in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Porter {
    pools: Pools,
    passwords: Passwords,
    /// Of wrong answers.
    throttle: Arc<Throttle>,
    /// Of mails that somebody asks for.
    asked: Arc<Throttle>,
    /// Of challenges that nobody known draws.
    drawn: Arc<Allowance>,
    org: OrgKey,
    sealer: Sealer,
    opener: Opener,
    settings: Settings,
}

/// What the operator decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Who may make an account.
    pub mode: LoginMode,
    /// Whether mail can be sent at all.
    pub mails: bool,
}

impl Settings {
    /// As the file says.
    pub fn of(config: &Config) -> Self {
        Self { mode: config.login.mode, mails: config.mail.host.is_some() }
    }
}

impl Porter {
    /// A porter; `org` is what the first administrator will own.
    ///
    /// # Errors
    /// When the machine gives no random bytes.
    pub fn new(
        pools: Pools,
        org: OrgKey,
        sealer: Sealer,
        opener: Opener,
        settings: Settings,
    ) -> Result<Self, VaultError> {
        let passwords = Passwords::new()?;
        let (throttle, asked, drawn) = (Arc::default(), Arc::default(), Arc::default());
        Ok(Self { pools, passwords, throttle, asked, drawn, org, sealer, opener, settings })
    }

    /// The same porter with other ways to the rows: a task's are of its term.
    #[must_use]
    pub fn on(&self, pools: Pools) -> Self {
        Self { pools, ..self.clone() }
    }

    /// What the operator decided.
    pub const fn settings(&self) -> Settings {
        self.settings
    }

    /// How many hashes of passwords were made so far.
    pub fn hashes(&self) -> u64 {
        self.passwords.worked()
    }
}

/// A user who acts from a browser, for the audit log of the user's organization.
fn author(user: &UserRow, caller: &Caller) -> Author {
    Author { org: user.org_id, actor: format!("user:{}", user.email), origin: caller.origin() }
}

/// Whoever gave this user's address, or one that nobody has. Such an address is not written down: it may be a password,
/// typed in the wrong place.
fn stranger(user: Option<&UserRow>, caller: &Caller) -> Author {
    Author { org: user.and_then(|user| user.org_id), actor: "web".to_owned(), origin: caller.origin() }
}

/// Adds an entry about a user, or about nobody known.
async fn note(
    auth: &mut Auth,
    by: &Author,
    action: &str,
    subject: uuid::Uuid,
    detail: Value,
    now: Timestamp,
) -> Result<(), StoreError> {
    let subject = if subject.is_nil() { String::new() } else { subject.to_string() };
    audit::append(auth, &by.did(action, &subject, detail, now)).await
}

/// Who proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    user: UserKey,
    /// Whether by a password or a second factor; a link in a mail is weaker.
    proven: bool,
    /// Whether the account was made just now.
    new: bool,
}

impl Identity {
    /// Whose row it is.
    pub const fn user(&self) -> UserKey {
        self.user
    }
}

/// Why nobody could be let in, other than for a wrong answer.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// A statement.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Randomness or memory.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A mail could not be put into bytes.
    #[error("a mail about an account could not be written down")]
    Unwritable,
}

/// What is wrong with an address or a password that somebody chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Not an e-mail address.
    Email,
    /// Fewer than [`MIN_PASSWORD`] characters.
    Short,
    /// More than [`MAX_PASSWORD`] characters.
    Long,
    /// The address is (part of) the password, or one character is repeated.
    Guessable,
    /// It is among those that are tried first.
    Common,
}

/// Fewest characters of a password.
pub const MIN_PASSWORD: usize = 12;
/// Most characters of a password: each is hashed.
pub const MAX_PASSWORD: usize = 128;

/// An address as it is stored: trimmed, in lower case.
///
/// # Errors
/// [`Unfit::Email`] unless it has the form of an address that mail can be sent to.
pub fn address(text: &str) -> Result<String, Unfit> {
    let address = text.trim().to_lowercase();
    let (local, domain) = address.rsplit_once('@').ok_or(Unfit::Email)?;
    let plain = address.chars().all(|c| !c.is_control() && !c.is_whitespace() && !"<>\",;:\\()[]".contains(c));
    let fits = !local.is_empty()
        && local.len() <= 64
        && (3..=254).contains(&address.len())
        && domain.split('.').all(|label| !label.is_empty())
        && plain
        && !local.contains('@');
    if fits { Ok(address) } else { Err(Unfit::Email) }
}

/// Whether a password may be chosen by who has this address. Its characters are free: no composition rules.
///
/// # Errors
/// What is wrong with it.
pub fn fit_password(password: &str, address: &str) -> Result<(), Unfit> {
    let count = password.chars().count();
    if count < MIN_PASSWORD {
        return Err(Unfit::Short);
    }
    if count > MAX_PASSWORD {
        return Err(Unfit::Long);
    }
    let lower = password.to_lowercase();
    let same = password.chars().all(|c| password.starts_with(c));
    if same || (!address.is_empty() && lower.contains(address)) {
        return Err(Unfit::Guessable);
    }
    if common::is_common(&lower) { Err(Unfit::Common) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_stored_in_one_spelling() {
        assert_eq!(address(" Ada@Example.ORG\n"), Ok("ada@example.org".to_owned()));
        for bad in
            ["", "ada", "@example.org", "ada@", "a b@example.org", "a@b..c", "<a@b.c>", "a@b@c.d", "a@b\r\nBcc: c@d.e"]
        {
            assert_eq!(address(bad), Err(Unfit::Email), "{bad:?}");
        }
    }

    #[test]
    fn a_password_is_long_enough_and_not_its_owner() {
        let check = |password: &str| fit_password(password, "ada@example.org");
        assert_eq!(check("elevenchars"), Err(Unfit::Short));
        assert_eq!(check(&"x1".repeat(65)), Err(Unfit::Long));
        assert_eq!(check("aaaaaaaaaaaaaa"), Err(Unfit::Guessable));
        assert_eq!(check("Ada@Example.org!"), Err(Unfit::Guessable));
        assert_eq!(check("twelve chars"), Ok(()));
        assert_eq!(check("пароль из слов"), Ok(()));
    }
}
