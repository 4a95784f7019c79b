//! Links in mails: a look shows what one would do and changes nothing, since mail scanners follow links; following it is
//! another request, and works once.
//!
//! Who asks for a link gets the same answer and costs the same work whether somebody has the address or not: whether a mail
//! goes out is decided where mails are sent. A link that lets in works for 15 minutes, for the address that it was made for,
//! in the browser that asked.

use std::time::Duration;

use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;
use serde_json::json;

use super::caller::Caller;
use super::failure::Counter;
use super::password::SignIn;
use super::session::Ticket;
use super::{LoginError, Porter, Unfit, address, author, fit_password, note};
use crate::domain::account_mail::{About, LinkFacts};
use crate::store::account_links::{self, NewLink};
use crate::store::users::UserRow;
use crate::store::{Auth, StoreError, UserKey, devices, second_factors, sessions, users};
use crate::vault::token::Token;

pub use crate::store::account_links::{Link, Purpose};

/// How long a link works that lets in.
pub const LIFE: Duration = Duration::from_secs(15 * 60);
/// How long one works that shows whose an address is.
pub const CONFIRM_LIFE: Duration = Duration::from_secs(24 * 3600);

/// How asking for a link went.
#[derive(Clone, Debug)]
pub enum Asked {
    /// A mail goes out if somebody has the address. The cookie binds the link to this browser.
    Done(Ticket),
    /// It is no address.
    Unfit(Unfit),
    /// Too many were asked for: the next has to wait so long.
    Wait(Duration),
}

/// What a link is, seen from a browser.
#[derive(Clone, Debug)]
pub enum Look {
    /// It would do this.
    Ready(Link),
    /// It was asked for in another browser.
    OtherBrowser,
    /// It does not work (any more).
    Over,
}

/// How choosing another password by a link went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// It is changed, and every session is over.
    Done,
    /// What was chosen cannot be.
    Unfit(Unfit),
    /// The link does not work (any more) or not here.
    Over,
}

impl Porter {
    /// Asks for a link of this purpose for an address.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn ask_for_link(
        &self,
        email: &str,
        purpose: Purpose,
        asker: Option<&Ticket>,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Asked, LoginError> {
        let email = match address(email) {
            Ok(email) => email,
            Err(unfit) => return Ok(Asked::Unfit(unfit)),
        };
        let wait = self.asked.wait(&email, caller.address, now);
        if !wait.is_zero() {
            return Ok(Asked::Wait(wait));
        }
        self.asked.failed(&email, caller.address, now);
        let asker = asker.cloned().map_or_else(Ticket::new, Ok)?;
        let token = Token::new()?;
        let browser = asker.hash();
        let until = now + if purpose == Purpose::SignUp { CONFIRM_LIFE } else { LIFE };
        let new = NewLink {
            token_hash: &token.hash().0,
            purpose,
            email: &email,
            user: None,
            browser_hash: Some(&browser),
            expires: until,
        };
        let link = LinkFacts { token: SecretString::new(token.expose().to_owned()), until };
        let about = match purpose {
            Purpose::SignUp => About::SignUpLink(link),
            Purpose::Reset => About::ResetLink(link),
            _ => About::SignInLink(link),
        };
        let mut auth = self.pools.auth().await?;
        account_links::insert(&mut auth, &new, now).await?;
        self.tell(&mut auth, None, &email, about, now).await?;
        auth.commit().await?;
        Ok(Asked::Done(asker))
    }

    /// What a link would do in this browser; nothing is used up.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn look_at(&self, link: &str, asker: Option<&Ticket>, now: Timestamp) -> Result<Look, LoginError> {
        let mut auth = self.pools.auth().await?;
        Ok(look(&mut auth, link, asker, now).await?)
    }

    /// Lets in by a link; where there is a second factor it follows. A lock is passed, and wrong answers are forgotten.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn sign_in_by_link(
        &self,
        link: &str,
        asker: Option<&Ticket>,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<SignIn, LoginError> {
        let mut auth = self.pools.auth().await?;
        let Some(found) = use_up(&mut auth, link, asker, &[Purpose::SignIn], now).await? else {
            return Ok(SignIn::Wrong);
        };
        let Some(user) = users::by_email(&mut auth, &found.email).await? else { return Ok(SignIn::Wrong) };
        users::confirm_email(&mut auth, user.id, now).await?;
        let counter = Counter::account(&user.email, &Caller::default(), false);
        let signed = self.first_factor(&mut auth, &user, &counter, ("link", caller), now).await?;
        auth.commit().await?;
        Ok(signed)
    }

    /// Gives a user another password by a link. Every session ends; a second factor stays, and is asked for next.
    ///
    /// # Errors
    /// When the database or the hashing fails.
    pub async fn reset_password(
        &self,
        link: &str,
        asker: Option<&Ticket>,
        new: SecretString,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Reset, LoginError> {
        let Look::Ready(found) = self.look_at(link, asker, now).await? else { return Ok(Reset::Over) };
        if let Err(unfit) = fit_password(new.expose(), &found.email) {
            return Ok(Reset::Unfit(unfit));
        }
        let hash = self.passwords.hash(new).await?;
        let mut auth = self.pools.auth().await?;
        let purposes = [Purpose::Reset, Purpose::Recover];
        let Some(found) = use_up(&mut auth, link, asker, &purposes, now).await? else {
            return Ok(Reset::Over);
        };
        let Some(user) = users::by_email(&mut auth, &found.email).await? else { return Ok(Reset::Over) };
        self.replace_password(&mut auth, &user, &hash, None, now).await?;
        if found.purpose == Purpose::Reset {
            users::confirm_email(&mut auth, user.id, now).await?;
        }
        let counter = Counter::account(&user.email, &Caller::default(), false);
        self.forget_failures(&mut auth, &counter).await?;
        let detail = json!({ "by": found.purpose.as_str() });
        note(&mut auth, &author(&user, caller), "user.reset_password", user.uuid, detail, now).await?;
        auth.commit().await?;
        Ok(Reset::Done)
    }

    /// Another password: every session, half a sign-in, known browser and link that is under way ends, and the user is told.
    pub(super) async fn replace_password(
        &self,
        auth: &mut Auth,
        user: &UserRow,
        hash: &str,
        device: Option<&Ticket>,
        now: Timestamp,
    ) -> Result<(), LoginError> {
        users::set_password(auth, user.id, hash, now).await?;
        sessions::end_all(auth, user.id, None).await?;
        second_factors::end_halves(auth, user.id).await?;
        devices::forget(auth, user.id, device.map(Ticket::hash).as_ref()).await?;
        account_links::end_all(auth, user.id, &user.email).await?;
        self.tell(auth, Some(user.id), &user.email, About::PasswordChanged { at: now }, now).await
    }

    /// Puts down a mail with a link for somebody who is signed in, which works in any browser.
    pub(super) async fn mail_link(
        &self,
        auth: &mut Auth,
        user: UserKey,
        to: &str,
        purpose: Purpose,
        about: impl FnOnce(LinkFacts) -> About,
        now: Timestamp,
    ) -> Result<(), LoginError> {
        let token = Token::new()?;
        let until = now + CONFIRM_LIFE;
        let new = NewLink {
            token_hash: &token.hash().0,
            purpose,
            email: to,
            user: Some(user),
            browser_hash: None,
            expires: until,
        };
        account_links::insert(auth, &new, now).await?;
        let link = LinkFacts { token: SecretString::new(token.expose().to_owned()), until };
        self.tell(auth, Some(user), to, about(link), now).await
    }
}

async fn look(auth: &mut Auth, link: &str, asker: Option<&Ticket>, now: Timestamp) -> Result<Look, StoreError> {
    let Some(token) = Token::parse(link) else { return Ok(Look::Over) };
    let Some(found) = account_links::find(auth, &token.hash().0, now).await? else { return Ok(Look::Over) };
    let asked_here = |hash: &Vec<u8>| asker.is_some_and(|asker| asker.hash().as_slice() == hash.as_slice());
    let here = found.browser_hash.as_ref().is_none_or(asked_here);
    Ok(if here { Look::Ready(found) } else { Look::OtherBrowser })
}

/// Uses a link of one of these purposes up.
pub(super) async fn use_up(
    auth: &mut Auth,
    link: &str,
    asker: Option<&Ticket>,
    purposes: &[Purpose],
    now: Timestamp,
) -> Result<Option<Link>, StoreError> {
    let (Some(token), Look::Ready(found)) = (Token::parse(link), look(auth, link, asker, now).await?) else {
        return Ok(None);
    };
    if !purposes.contains(&found.purpose) {
        return Ok(None);
    }
    account_links::use_up(auth, &token.hash().0, now).await
}
