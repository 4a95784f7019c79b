//! Members of an organization: another role, out, or away by oneself; and another organization for who is in several.
//!
//! The rules are `domain::members`. They are asked under a lock of the organization, with the roles that both have then: of
//! two owners who leave at once one stays. Whoever's role changes has to sign in again; who changes the own one, or goes to
//! another organization, goes on under another token. A key goes with the membership.

use picket_shared::time::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::session::{Account, Ticket};
use super::{LoginError, Porter, note};
use crate::domain::access::Role;
use crate::domain::account_mail::About;
use crate::domain::members::{Change, Refused, judge};
use crate::store::audit::Author;
use crate::store::members::{self, MemberRow};
use crate::store::organizations::{self, Joined};
use crate::store::{Auth, OrgKey, StoreError, UserKey, sessions};

/// Who changes members, of which organization.
#[derive(Clone, Copy, Debug)]
pub struct Acting<'a> {
    /// Who.
    pub user: UserKey,
    /// Of which.
    pub org: OrgKey,
    /// The browser's session, where it is a browser.
    pub ticket: Option<&'a Ticket>,
    /// For the audit log.
    pub author: &'a Author,
}

/// How it went.
#[derive(Clone, Debug)]
pub enum Changed {
    /// It is done. The session of who asked goes on under this token; without one it is over, or as it was.
    Done(Option<Ticket>),
    /// There is no such member here.
    Gone,
    /// It cannot be.
    Refused(Refused),
}

impl Porter {
    /// Every member of an organization.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn members(&self, org: OrgKey) -> Result<Vec<MemberRow>, StoreError> {
        members::list(&mut self.pools.auth().await?, org).await
    }

    /// One member of an organization.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn member(&self, org: OrgKey, id: Uuid) -> Result<Option<MemberRow>, StoreError> {
        members::find(&mut self.pools.auth().await?, org, id).await
    }

    /// Gives a member another role, or none: then the member is out, and keys and sessions here are over.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn change_member(
        &self,
        acting: Acting<'_>,
        id: Uuid,
        change: Change,
        now: Timestamp,
    ) -> Result<Changed, LoginError> {
        let mut auth = self.pools.auth().await?;
        let owners = members::lock(&mut auth, acting.org).await?;
        let Some(row) = members::find(&mut auth, acting.org, id).await? else { return Ok(Changed::Gone) };
        let own = row.user == acting.user;
        let Some(by) = members::role_of(&mut auth, acting.org, acting.user, now).await? else {
            return Ok(Changed::Refused(Refused::Right));
        };
        if let Err(refused) = judge(by, row.role, change, own, owners) {
            return Ok(Changed::Refused(refused));
        }
        if change == Change::To(row.role) {
            return Ok(Changed::Done(None));
        }
        let ticket = self.apply(&mut auth, acting, &row, change, now).await?;
        let (action, detail) = match change {
            Change::To(role) => {
                ("member.change_role", json!({ "email": row.email, "from": row.role.as_str(), "to": role.as_str() }))
            }
            Change::Out if own => ("member.leave", json!({ "email": row.email, "role": row.role.as_str() })),
            Change::Out => ("member.remove", json!({ "email": row.email, "role": row.role.as_str() })),
        };
        note(&mut auth, acting.author, action, row.id, detail, now).await?;
        auth.commit().await?;
        Ok(Changed::Done(ticket))
    }

    /// Makes another member the owner in place of who asks, who is an administrator from then on.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn transfer(&self, acting: Acting<'_>, id: Uuid, now: Timestamp) -> Result<Changed, LoginError> {
        let mut auth = self.pools.auth().await?;
        members::lock(&mut auth, acting.org).await?;
        let all = members::list(&mut auth, acting.org).await?;
        let (to, from) = (all.iter().find(|row| row.id == id), all.iter().find(|row| row.user == acting.user));
        let Some(to) = to.filter(|to| to.user != acting.user) else { return Ok(Changed::Gone) };
        let Some(from) = from.filter(|from| from.role == Role::Owner) else {
            return Ok(Changed::Refused(Refused::Above));
        };
        if to.role != Role::Owner {
            self.apply(&mut auth, acting, to, Change::To(Role::Owner), now).await?;
        }
        let ticket = self.apply(&mut auth, acting, from, Change::To(Role::Admin), now).await?;
        let detail = json!({ "from": from.email, "to": to.email });
        note(&mut auth, acting.author, "organization.transfer", to.id, detail, now).await?;
        auth.commit().await?;
        Ok(Changed::Done(ticket))
    }

    /// Writes it, ends sessions, and tells whose membership it is. Gives the token under which the session of who asks goes on.
    async fn apply(
        &self,
        auth: &mut Auth,
        acting: Acting<'_>,
        row: &MemberRow,
        change: Change,
        now: Timestamp,
    ) -> Result<Option<Ticket>, LoginError> {
        let role = match change {
            Change::To(role) => {
                members::set_role(auth, acting.org, row.user, role).await?;
                Some(role)
            }
            Change::Out => {
                members::remove(auth, acting.org, row.user).await?;
                None
            }
        };
        let held = acting.ticket.filter(|_| row.user == acting.user);
        sessions::end_in(auth, acting.org, row.user, held.map(Ticket::hash).as_ref()).await?;
        let name = organizations::name(auth, acting.org).await?.unwrap_or_default();
        let about = About::Membership { at: now, organization: name, role: role.map(|role| role.as_str().to_owned()) };
        self.tell(auth, Some(row.user), &row.email, about, now).await?;
        let Some(held) = held else { return Ok(None) };
        let next = match change {
            Change::To(_) => Some(acting.org),
            Change::Out => organizations::of_user(auth, row.user, now).await?.first().map(|joined| joined.key),
        };
        let Some(next) = next else {
            sessions::end(auth, &held.hash()).await?;
            return Ok(None);
        };
        let new = Ticket::new()?;
        Ok(sessions::choose(auth, &held.hash(), &new.hash(), next).await?.then_some(new))
    }

    /// The organizations of a user.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn organizations(&self, user: UserKey, now: Timestamp) -> Result<Vec<Joined>, StoreError> {
        organizations::of_user(&mut self.pools.auth().await?, user, now).await
    }

    /// Takes a session into another organization of its user's, under another token. None when the user is not in it.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn choose_organization(
        &self,
        account: &Account,
        ticket: &Ticket,
        id: Uuid,
        now: Timestamp,
    ) -> Result<Option<Ticket>, LoginError> {
        let mut auth = self.pools.auth().await?;
        let joined = organizations::of_user(&mut auth, account.user, now).await?;
        let Some(joined) = joined.into_iter().find(|joined| joined.uuid == id) else { return Ok(None) };
        let new = Ticket::new()?;
        let chosen = sessions::choose(&mut auth, &ticket.hash(), &new.hash(), joined.key).await?;
        auth.commit().await?;
        Ok(chosen.then_some(new))
    }
}
