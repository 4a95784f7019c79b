//! Members of an organization: another role or end, out, or away by oneself; and another organization for who is in several.
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
use crate::domain::members::{Change, Refused, Standing, judge};
use crate::store::audit::Author;
use crate::store::members::{self, MemberRow};
use crate::store::organizations::{self, Joined};
use crate::store::{Auth, OrgKey, StoreError, UserKey, ends, services, sessions};

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

impl<'a> Acting<'a> {
    /// The session that asks, where the membership is the own one.
    fn own_ticket(&self, row: &MemberRow) -> Option<&'a Ticket> {
        self.ticket.filter(|_| row.user == self.user)
    }
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

    /// Gives a member another role or another end, one after the other and all or nothing; or puts the member out: then keys and
    /// sessions here are over.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn change_member(
        &self,
        acting: Acting<'_>,
        id: Uuid,
        changes: &[Change],
        now: Timestamp,
    ) -> Result<Changed, LoginError> {
        let mut auth = self.pools.auth().await?;
        let owners = members::lock(&mut auth, acting.org).await?;
        let Some(row) = members::find(&mut auth, acting.org, id).await? else { return Ok(Changed::Gone) };
        let own = row.user == acting.user;
        let Some(by) = standing(&mut auth, acting, now).await? else { return Ok(Changed::Refused(Refused::Right)) };
        let mut of = row.standing();
        for change in changes {
            let past = matches!(change, Change::Until(Some(until)) if *until <= now && of.until != Some(*until));
            let judged = match change {
                _ if past => Err(Refused::Past),
                Change::To(Role::Owner) if row.service => Err(Refused::Service),
                _ => judge(by, of, *change, own, owners),
            };
            if let Err(refused) = judged {
                return Ok(Changed::Refused(refused));
            }
            let Some(then) = change.of(of) else { break };
            of = then;
        }
        let mut ticket = None;
        for change in changes {
            let held = self.apply(&mut auth, acting, &row, *change, now).await?;
            ticket = held.or(ticket);
        }
        auth.commit().await?;
        Ok(Changed::Done(ticket))
    }

    /// Makes another member the owner in place of who asks, who is an administrator from then on.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn transfer(&self, acting: Acting<'_>, id: Uuid, now: Timestamp) -> Result<Changed, LoginError> {
        let mut auth = self.pools.auth().await?;
        let owners = members::lock(&mut auth, acting.org).await?;
        let all = members::list(&mut auth, acting.org).await?;
        let (to, from) = (all.iter().find(|row| row.id == id), all.iter().find(|row| row.user == acting.user));
        let Some(to) = to.filter(|to| to.user != acting.user) else { return Ok(Changed::Gone) };
        let Some(from) = from.filter(|from| from.role == Role::Owner) else {
            return Ok(Changed::Refused(Refused::Above));
        };
        if to.service {
            return Ok(Changed::Refused(Refused::Service));
        }
        // Who takes over for a time is no owner for good.
        let gained = i64::from(to.until.is_none() && to.role != Role::Owner);
        if let Err(refused) = judge(from.standing(), from.standing(), Change::To(Role::Admin), true, owners + gained) {
            return Ok(Changed::Refused(refused));
        }
        if to.role != Role::Owner {
            self.give_role(&mut auth, acting, to, Role::Owner, now).await?;
        }
        let ticket = self.give_role(&mut auth, acting, from, Role::Admin, now).await?;
        let detail = json!({ "from": from.called, "to": to.called });
        note(&mut auth, acting.author, "organization.transfer", to.id, detail, now).await?;
        auth.commit().await?;
        Ok(Changed::Done(ticket))
    }

    /// Does one thing of what is asked, and logs it, if anything is another then. Gives the token under which the session of who
    /// asks goes on.
    async fn apply(
        &self,
        auth: &mut Auth,
        acting: Acting<'_>,
        row: &MemberRow,
        change: Change,
        now: Timestamp,
    ) -> Result<Option<Ticket>, LoginError> {
        let (mut ticket, is) = (None, row.standing());
        let (action, detail) = match change {
            _ if change.of(is) == Some(is) => return Ok(None),
            Change::To(role) => {
                ticket = self.give_role(auth, acting, row, role, now).await?;
                (
                    "member.change_role",
                    json!({ (row.kind()): row.called, "from": row.role.as_str(), "to": role.as_str() }),
                )
            }
            Change::Until(until) => {
                ends::set(auth, acting.org, row.user, until).await?;
                let detail = json!({ (row.kind()): row.called, "from": written(row.until), "to": written(until) });
                ("member.change_end", detail)
            }
            Change::Out => {
                ticket = self.put_out(auth, acting, row, now).await?;
                let action = if row.user == acting.user { "member.leave" } else { "member.remove" };
                (action, json!({ (row.kind()): row.called, "role": row.role.as_str() }))
            }
        };
        note(auth, acting.author, action, row.id, detail, now).await?;
        Ok(ticket)
    }

    /// Writes the role, ends sessions, and tells whose membership it is; the own session goes on.
    pub(super) async fn give_role(
        &self,
        auth: &mut Auth,
        acting: Acting<'_>,
        row: &MemberRow,
        role: Role,
        now: Timestamp,
    ) -> Result<Option<Ticket>, LoginError> {
        members::set_role(auth, acting.org, row.user, role).await?;
        self.over(auth, acting, row, Some(role), now).await?;
        let Some(held) = acting.own_ticket(row) else { return Ok(None) };
        let new = Ticket::new()?;
        Ok(sessions::choose(auth, &held.hash(), &new.hash(), acting.org).await?.then_some(new))
    }

    /// Removes the membership, with keys and sessions; the own session goes on in another organization, if there is one.
    pub(super) async fn put_out(
        &self,
        auth: &mut Auth,
        acting: Acting<'_>,
        row: &MemberRow,
        now: Timestamp,
    ) -> Result<Option<Ticket>, LoginError> {
        members::remove(auth, acting.org, row.user).await?;
        if row.service {
            services::end(auth, row.user, now).await?;
        }
        self.over(auth, acting, row, None, now).await?;
        let Some(held) = acting.own_ticket(row) else { return Ok(None) };
        let Some(next) = organizations::of_user(auth, row.user, now).await?.first().map(|joined| joined.key) else {
            sessions::end(auth, &held.hash()).await?;
            return Ok(None);
        };
        let new = Ticket::new()?;
        Ok(sessions::choose(auth, &held.hash(), &new.hash(), next).await?.then_some(new))
    }

    /// Ends sessions here but the own one, and tells whose membership it is what it is from then on.
    async fn over(
        &self,
        auth: &mut Auth,
        acting: Acting<'_>,
        row: &MemberRow,
        role: Option<Role>,
        now: Timestamp,
    ) -> Result<(), LoginError> {
        let held = acting.own_ticket(row).map(Ticket::hash);
        sessions::end_in(auth, acting.org, row.user, held.as_ref()).await?;
        if row.service {
            return Ok(());
        }
        let name = organizations::name(auth, acting.org).await?.unwrap_or_default();
        let about = About::Membership { at: now, organization: name, role: role.map(|role| role.as_str().to_owned()) };
        self.tell(auth, Some(row.user), &row.called, about, now).await
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

/// What who acts is there now; nothing who is not (any more).
pub(super) async fn standing(
    auth: &mut Auth,
    acting: Acting<'_>,
    now: Timestamp,
) -> Result<Option<Standing>, StoreError> {
    let Some(role) = members::role_of(auth, acting.org, acting.user, now).await? else { return Ok(None) };
    Ok(Some(Standing { role, until: ends::of(auth, acting.org, acting.user).await? }))
}

/// An end, as the audit log has it.
pub(super) fn written(until: Option<Timestamp>) -> Option<String> {
    until.map(|until| format!("{until:.0}"))
}
