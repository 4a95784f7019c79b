//! The end of an account or of an organization, and the way back: closed at once, as it was again within seven days by a link from
//! the mail that tells of it. After that everything of it is erased (`privacy::erase`).
//!
//! What was closed is hidden, not changed, but for what must not work any more: sessions, keys, invitations, links and consents to
//! manage or be managed end for good. Memberships of an account, and monitors that ran, are remembered and come back.

use picket_shared::time::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::caller::Caller;
use super::link::{Look, Purpose, use_up};
use super::session::Member;
use super::{LoginError, Porter, note};
use crate::domain::access::Role;
use crate::domain::account_mail::{About, LinkFacts};
use crate::domain::ended::GRACE;
use crate::store::audit::Author;
use crate::store::closures::{self, Belonging, Closed, Closure, NewClosure, Was};
use crate::store::{
    Auth, OrgKey, StoreError, UserKey, account_links, devices, holdings, managements, members, second_factors,
    sessions, users,
};
use crate::vault::token::Token;

/// How closing went.
#[derive(Clone, Debug)]
pub enum Closing {
    /// It is closed, and will be erased then.
    Done(Timestamp),
    /// The confirmation is not what is to be closed.
    Unconfirmed,
    /// These have no other owner, and were not named to be closed too.
    Owned(Vec<Belonging>),
    /// Only an owner closes an organization.
    NotOwner,
    /// There is nothing (any more) that could be closed.
    Gone,
}

/// How bringing back went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restored {
    /// It is as it was.
    Done,
    /// Somebody else signs in with the address by now.
    Taken,
    /// The link does not work (any more).
    Over,
}

/// What somebody wants to close: the address or name as it was typed, and organizations that go along.
#[derive(Clone, Debug)]
pub struct Wish<'a> {
    /// What was typed.
    pub confirmed: &'a str,
    /// Organizations that are closed with an account.
    pub organizations: &'a [Uuid],
}

impl Porter {
    /// Where a user belongs, and what of it nobody else owns.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn belongings(&self, user: UserKey) -> Result<Vec<Belonging>, StoreError> {
        closures::belongings(&mut self.pools.auth().await?, user).await
    }

    /// Closes the account of who asks. An organization that has no other owner is closed with it if it is named, else nothing is.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn close_account(
        &self,
        member: &Member,
        wish: &Wish<'_>,
        by: &Author,
        now: Timestamp,
    ) -> Result<Closing, LoginError> {
        if wish.confirmed.trim().to_lowercase() != member.email {
            return Ok(Closing::Unconfirmed);
        }
        let mut auth = self.pools.auth().await?;
        for place in closures::belongings(&mut auth, member.user).await? {
            members::lock(&mut auth, place.org).await?;
        }
        // Another statement: it sees what was committed while this waited.
        let places = closures::belongings(&mut auth, member.user).await?;
        let open: Vec<Belonging> = places
            .iter()
            .filter(|place| place.sole_owner && !wish.organizations.contains(&place.uuid))
            .cloned()
            .collect();
        if !open.is_empty() {
            return Ok(Closing::Owned(open));
        }
        let Some(user) = users::by_key(&mut auth, member.user).await? else { return Ok(Closing::Gone) };
        let erase_at = now + GRACE;
        let was: Vec<Was> = places.iter().map(Was::from).collect();
        let new = NewClosure { of: Closed::Account(user.id), with: None, memberships: &was, owners: &[], erase_at };
        let closure = closures::insert(&mut auth, &new, now).await?;
        let along: Vec<&Belonging> = places.iter().filter(|place| place.sole_owner).collect();
        for place in &along {
            let author = Author { org: Some(place.org), ..by.clone() };
            self.close(&mut auth, (place, Some(closure)), &author, (now, erase_at)).await?;
        }
        for place in &places {
            holdings::revoke_invitations(&mut auth, place.org, user.id, now).await?;
            let author = Author { org: Some(place.org), ..by.clone() };
            let detail = json!({ "member": user.email, "role": place.role, "account_closed": true });
            note(&mut auth, &author, "member.leave", user.uuid, detail, now).await?;
        }
        closures::close_user(&mut auth, user.id, &by.actor, now).await?;
        sessions::end_all(&mut auth, user.id, None).await?;
        second_factors::end_halves(&mut auth, user.id).await?;
        devices::forget(&mut auth, user.id, None).await?;
        account_links::end_all(&mut auth, user.id, &user.email).await?;
        let organizations = along.iter().map(|place| place.name.clone()).collect();
        self.tell_closed(&mut auth, closure, (user.id, &user.email), (None, organizations), (now, erase_at)).await?;
        let detail = json!({ "organizations": along.iter().map(|place| place.uuid).collect::<Vec<_>>() });
        note(&mut auth, &Author { org: None, ..by.clone() }, "user.close", user.uuid, detail, now).await?;
        auth.commit().await?;
        self.settle_closures(now).await?;
        Ok(Closing::Done(erase_at))
    }

    /// Closes the organization in which an owner acts.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn close_organization(
        &self,
        member: &Member,
        confirmed: &str,
        by: &Author,
        now: Timestamp,
    ) -> Result<Closing, LoginError> {
        if confirmed.trim() != member.org_name {
            return Ok(Closing::Unconfirmed);
        }
        let mut auth = self.pools.auth().await?;
        members::lock(&mut auth, member.org).await?;
        let places = closures::belongings(&mut auth, member.user).await?;
        let owned = places.iter().find(|place| place.org == member.org && place.role == Role::Owner.as_str());
        let Some(place) = owned.filter(|_| member.through.is_none() && member.role == Role::Owner) else {
            return Ok(Closing::NotOwner);
        };
        let erase_at = now + GRACE;
        self.close(&mut auth, (place, None), by, (now, erase_at)).await?;
        auth.commit().await?;
        self.settle_closures(now).await?;
        Ok(Closing::Done(erase_at))
    }

    /// Closes an organization; tells its owners, with a link each unless it goes with the account of one.
    async fn close(
        &self,
        auth: &mut Auth,
        (place, with): (&Belonging, Option<i64>),
        by: &Author,
        (now, erase_at): (Timestamp, Timestamp),
    ) -> Result<(), LoginError> {
        let owners = managements::owners(auth, place.org, now).await?;
        let keys: Vec<UserKey> = owners.iter().map(|(owner, _)| *owner).collect();
        let of = Closed::Organization(place.org);
        let closure =
            closures::insert(auth, &NewClosure { of, with, memberships: &[], owners: &keys, erase_at }, now).await?;
        closures::close_organization(auth, place.org, &by.actor, now).await?;
        for (owner, email) in &owners {
            let names = (Some(place.name.clone()), Vec::new());
            self.tell_closed(auth, closure, (*owner, email), names, (now, erase_at)).await?;
        }
        note(auth, by, "organization.close", place.uuid, json!({ "name": place.name, "owners": owners.len() }), now)
            .await?;
        Ok(())
    }

    async fn tell_closed(
        &self,
        auth: &mut Auth,
        closure: i64,
        (user, email): (UserKey, &str),
        (organization, organizations): (Option<String>, Vec<String>),
        (now, erase_at): (Timestamp, Timestamp),
    ) -> Result<(), LoginError> {
        let token = Token::new()?;
        account_links::insert_restore(auth, (&token.hash().0, closure), (user, email), (now, erase_at)).await?;
        let link =
            LinkFacts { token: picket_shared::secret::SecretString::new(token.expose().to_owned()), until: erase_at };
        let about = About::Closed { link, at: now, account: email.to_owned(), organization, organizations };
        self.tell(auth, Some(user), email, about, now).await
    }

    /// Stops the monitors of organizations that were closed, and lets run again those of which it was taken back. Gives how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn settle_closures(&self, now: Timestamp) -> Result<usize, StoreError> {
        let unsettled = closures::unsettled(&mut self.pools.auth().await?).await?;
        let mut changed = 0;
        for org in unsettled {
            let mut scoped = self.pools.scoped(org).await?;
            changed += closures::settle(&mut scoped, now).await?;
            scoped.commit().await?;
        }
        Ok(changed)
    }

    /// What a link would bring back: what it is called, and whether it is an organization.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn what_comes_back(
        &self,
        closure: Option<i64>,
        now: Timestamp,
    ) -> Result<Option<(String, bool)>, StoreError> {
        let mut auth = self.pools.auth().await?;
        let Some(id) = closure else { return Ok(None) };
        let Some(closure) = closures::find_open(&mut auth, id, now).await? else { return Ok(None) };
        let (_, name) = closures::subject(&mut auth, closure.of).await?;
        Ok(Some((name, matches!(closure.of, Closed::Organization(_)))))
    }

    /// Brings back what a link is for.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn restore(&self, link: &str, caller: &Caller, now: Timestamp) -> Result<Restored, LoginError> {
        let Look::Ready(found) = self.look_at(link, None, now).await? else { return Ok(Restored::Over) };
        let mut auth = self.pools.auth().await?;
        let Some(_) = use_up(&mut auth, link, None, &[Purpose::Restore], now).await? else { return Ok(Restored::Over) };
        let Some(id) = found.closure else { return Ok(Restored::Over) };
        let Some(closure) = closures::find_open(&mut auth, id, now).await? else { return Ok(Restored::Over) };
        let by = Author { org: None, actor: format!("user:{}", found.email), origin: caller.origin() };
        let back = match closure.of {
            Closed::Organization(org) => {
                self.reopen(&mut auth, (&closure, org), &by, now).await?;
                Restored::Done
            }
            Closed::Account(user) => self.come_back(&mut auth, &closure, user, &by, now).await?,
        };
        // Without a commit the link is not used up.
        if back == Restored::Done {
            auth.commit().await?;
            self.settle_closures(now).await?;
        }
        Ok(back)
    }

    async fn come_back(
        &self,
        auth: &mut Auth,
        closure: &Closure,
        user: UserKey,
        by: &Author,
        now: Timestamp,
    ) -> Result<Restored, LoginError> {
        if !closures::reopen_user(auth, user).await? {
            return Ok(Restored::Taken);
        }
        for along in closures::with(auth, closure.id).await? {
            if let Closed::Organization(org) = along.of {
                self.reopen(auth, (&along, org), by, now).await?;
            }
        }
        let (id, email) = closures::subject(auth, closure.of).await?;
        for was in &closure.memberships {
            if closures::rejoin(auth, user, was, now).await? {
                let author = Author { org: Some(OrgKey(was.org)), ..by.clone() };
                let detail = json!({ "member": email, "role": was.role, "account_restored": true });
                note(auth, &author, "member.restore", id, detail, now).await?;
            }
        }
        closures::remove(auth, closure.id).await?;
        self.tell(auth, Some(user), &email, About::Restored { at: now, organization: None }, now).await?;
        note(auth, by, "user.restore", id, json!({}), now).await?;
        Ok(Restored::Done)
    }

    async fn reopen(
        &self,
        auth: &mut Auth,
        (closure, org): (&Closure, OrgKey),
        by: &Author,
        now: Timestamp,
    ) -> Result<(), LoginError> {
        closures::reopen_organization(auth, org).await?;
        let (id, name) = closures::subject(auth, closure.of).await?;
        closures::take_back(auth, closure.id, now).await?;
        let author = Author { org: Some(org), ..by.clone() };
        note(auth, &author, "organization.restore", id, json!({ "name": name }), now).await?;
        for (owner, email) in managements::owners(auth, org, now).await? {
            let about = About::Restored { at: now, organization: Some(name.clone()) };
            self.tell(auth, Some(owner), &email, about, now).await?;
        }
        Ok(())
    }
}
