//! What one signs in with, changed by who is signed in: the password, and the address, which the present and the other one
//! both have to agree to.

use std::time::Duration;

use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;
use serde_json::json;

use super::caller::Caller;
use super::link::{CONFIRM_LIFE, Purpose, use_up};
use super::session::Member;
use super::step_up::Checked;
use super::{LoginError, Porter, Unfit, address, author, fit_password, note};
use crate::domain::account_mail::About;
use crate::store::account_links::Link;
use crate::store::address_changes::{self, Side};
use crate::store::audit::Author;
use crate::store::{Auth, UserKey, account_links, sessions, users};

/// How changing a password went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is changed, and every session of the user is over.
    Done,
    /// The present password was not the one given.
    Wrong,
    /// Too many wrong ones: the next try has to wait so long.
    Wait(Duration),
    /// The new one cannot be.
    Unfit(Unfit),
}

/// How asking for another address went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Both addresses are asked by mail.
    Asked,
    /// It is no address, or the one that is there.
    Unfit,
    /// Too many mails were asked for: the next has to wait so long.
    Wait(Duration),
}

/// How following a link to an address went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreed {
    /// The address is known to be the user's.
    Confirmed,
    /// The other address has to agree too.
    Half,
    /// Both agreed: the address is changed, and every session is over.
    Changed,
    /// Somebody signs in with that address.
    Taken,
    /// The link does not work (any more).
    Over,
}

impl Porter {
    /// Changes a user's password; every session ends, so that who had the old one is out.
    ///
    /// # Errors
    /// When the database or the hashing fails.
    pub async fn change_password(
        &self,
        user: UserKey,
        (old, new): (SecretString, SecretString),
        by: &Author,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Change, LoginError> {
        let user = match self.check_password(user, old, (by, "user.change_password_failed"), now).await? {
            Checked::Right(user) => user,
            Checked::Wrong => return Ok(Change::Wrong),
            Checked::Wait(wait) => return Ok(Change::Wait(wait)),
        };
        if let Err(unfit) = fit_password(new.expose(), &user.email) {
            return Ok(Change::Unfit(unfit));
        }
        let hash = self.passwords.hash(new).await?;
        let mut auth = self.pools.auth().await?;
        self.replace_password(&mut auth, &user, &hash, caller.device.as_ref(), now).await?;
        note(&mut auth, by, "user.change_password", user.uuid, json!({}), now).await?;
        auth.commit().await?;
        Ok(Change::Done)
    }

    /// Whether mail to a user's address is known to arrive.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn is_confirmed(&self, user: UserKey) -> Result<bool, LoginError> {
        let mut auth = self.pools.auth().await?;
        Ok(users::by_key(&mut auth, user).await?.is_some_and(|row| row.email_confirmed_at.is_some()))
    }

    /// Mails a link that shows that mail to the address arrives. How long the next has to wait; zero when it is put down.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn ask_to_confirm(&self, member: &Member, now: Timestamp) -> Result<Duration, LoginError> {
        let wait = self.asked.wait(&member.email, None, now);
        if wait.is_zero() {
            self.asked.failed(&member.email, None, now);
            let mut auth = self.pools.auth().await?;
            self.mail_link(&mut auth, member.user, &member.email, Purpose::Confirm, About::ConfirmLink, now).await?;
            auth.commit().await?;
        }
        Ok(wait)
    }

    /// Asks the present and the other address. That somebody has the other one is not told: then no mail goes there.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn want_address(
        &self,
        member: &Member,
        new: &str,
        by: &Author,
        now: Timestamp,
    ) -> Result<Wanted, LoginError> {
        let Some(new) = address(new).ok().filter(|new| *new != member.email) else { return Ok(Wanted::Unfit) };
        let wait = self.asked.wait(&member.email, None, now);
        if !wait.is_zero() {
            return Ok(Wanted::Wait(wait));
        }
        self.asked.failed(&member.email, None, now);
        let (user, old) = (member.user, &member.email);
        let mut auth = self.pools.auth().await?;
        let Some(row) = users::by_key(&mut auth, user).await? else { return Ok(Wanted::Unfit) };
        account_links::end_changes(&mut auth, user).await?;
        address_changes::begin(&mut auth, user, &new, now, now + CONFIRM_LIFE).await?;
        let from = |link| About::ChangeFrom { link, new: new.clone() };
        self.mail_link(&mut auth, user, old, Purpose::ChangeOld, from, now).await?;
        self.mail_link(&mut auth, user, &new, Purpose::ChangeNew, About::ChangeTo, now).await?;
        note(&mut auth, by, "user.want_address", row.uuid, json!({}), now).await?;
        auth.commit().await?;
        Ok(Wanted::Asked)
    }

    /// Follows a link that was mailed to an address of somebody who is signed in somewhere.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn agree(&self, link: &str, caller: &Caller, now: Timestamp) -> Result<Agreed, LoginError> {
        let mut auth = self.pools.auth().await?;
        let purposes = [Purpose::Confirm, Purpose::ChangeOld, Purpose::ChangeNew];
        let Some(link) = use_up(&mut auth, link, None, &purposes, now).await? else {
            return Ok(Agreed::Over);
        };
        let agreed = match link.purpose {
            Purpose::Confirm => confirm(&mut auth, &link, caller, now).await?,
            Purpose::ChangeOld => self.change_address(&mut auth, &link, Side::Old, caller, now).await?,
            _ => self.change_address(&mut auth, &link, Side::New, caller, now).await?,
        };
        // Without a commit nothing has agreed.
        if agreed != Agreed::Over {
            auth.commit().await?;
        }
        Ok(agreed)
    }

    async fn change_address(
        &self,
        auth: &mut Auth,
        link: &Link,
        side: Side,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Agreed, LoginError> {
        let Some(user) = link.user else { return Ok(Agreed::Over) };
        let Some(row) = users::by_key(auth, user).await? else { return Ok(Agreed::Over) };
        let Some((new, both)) = address_changes::agree(auth, user, side, now).await? else { return Ok(Agreed::Over) };
        // What the link was made for must be what is wanted now.
        let meant = if side == Side::Old { &row.email } else { &new };
        if link.email != *meant {
            return Ok(Agreed::Over);
        }
        if !both {
            return Ok(Agreed::Half);
        }
        if !users::set_email(auth, user, &new, now).await? {
            address_changes::end(auth, user).await?;
            return Ok(Agreed::Taken);
        }
        address_changes::end(auth, user).await?;
        account_links::end_all(auth, user, &row.email).await?;
        sessions::end_all(auth, user, None).await?;
        note(auth, &author(&row, caller), "user.change_address", row.uuid, json!({}), now).await?;
        for to in [&row.email, &new] {
            let about = About::AddressChanged { at: now, new: new.clone() };
            self.tell(auth, Some(user), to, about, now).await?;
        }
        Ok(Agreed::Changed)
    }
}

async fn confirm(auth: &mut Auth, link: &Link, caller: &Caller, now: Timestamp) -> Result<Agreed, LoginError> {
    let row = users::by_email(auth, &link.email).await?.filter(|row| Some(row.id) == link.user);
    let Some(row) = row else { return Ok(Agreed::Over) };
    if users::confirm_email(auth, row.id, now).await? {
        note(auth, &author(&row, caller), "user.confirm_address", row.uuid, json!({}), now).await?;
    }
    Ok(Agreed::Confirmed)
}
