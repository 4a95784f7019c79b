//! Invitations: a link for one address, that works once, within seven days, as long as who invited may still give the role. It may be
//! for a time: then the membership ends by itself.
//!
//! Who has an account accepts by signing in with that address; who has none makes one by the link, where the operator lets the
//! invited in (`[login] mode`). Where no mail can be sent, who invites is shown the link, once.

use std::time::Duration;

use picket_shared::ids::InvitationId;
use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::caller::Caller;
use super::members::{Acting, standing, written};
use super::organization::Founded;
use super::session::{Account, Ticket};
use super::{Identity, LoginError, Porter, Unfit, address, fit_password, note};
use crate::config::LoginMode;
use crate::domain::access::Role;
use crate::domain::account_mail::{About, LinkFacts};
use crate::domain::members::{Refused, Standing, may_invite};
use crate::store::audit::Author;
use crate::store::invitations::{self, Followed, InvitationRow, NewInvitation};
use crate::store::{Auth, OrgKey, StoreError, UserKey, ends, members, organizations, sessions, users};
use crate::vault::token::Token;

/// How long an invitation works.
pub const LIFE: Duration = Duration::from_secs(7 * 86_400);
/// Most invitations that an organization has open.
pub const MOST: usize = 200;

/// How inviting went.
#[derive(Clone, Debug)]
pub enum Invited {
    /// It is made, or sent again.
    Done {
        /// Its name outside.
        id: Uuid,
        /// The token of its link, shown once where no mail can be sent; else it is on its way.
        token: Option<SecretString>,
    },
    /// It is no address.
    Unfit,
    /// Somebody with this address belongs here.
    Member,
    /// The address is invited: that invitation can be sent again.
    Already,
    /// Too many are open.
    TooMany,
    /// Too many mails to this address: the next has to wait so long.
    Wait(Duration),
    /// It cannot be.
    Refused(Refused),
    /// There is no such invitation.
    Gone,
}

/// What an invitation is, seen from a browser.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What the organization is called.
    pub organization: String,
    /// Whom it is for.
    pub email: String,
    /// In which role, and until when.
    pub is: Standing,
    /// Whether somebody signs in with that address.
    pub has_account: bool,
}

/// How accepting went.
#[derive(Clone, Debug)]
pub enum Accepted {
    /// The session goes on there, under this token.
    Joined(Ticket),
    /// An account was made.
    Made(Identity),
    /// The password cannot be.
    Unfit(Unfit),
    /// It is for another address.
    Other,
    /// It does not work (any more), or nobody may make an account.
    Over,
}

impl Porter {
    /// The invitations of an organization that were neither used nor taken back.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn invitations(&self, org: OrgKey) -> Result<Vec<InvitationRow>, StoreError> {
        invitations::list(&mut self.pools.auth().await?, org).await
    }

    /// Invites an address into a role, for good or until then.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn invite(
        &self,
        acting: Acting<'_>,
        email: &str,
        is: Standing,
        now: Timestamp,
    ) -> Result<Invited, LoginError> {
        let Ok(email) = address(email) else { return Ok(Invited::Unfit) };
        let mut auth = self.pools.auth().await?;
        members::lock(&mut auth, acting.org).await?;
        if let Err(refused) = allowed(&mut auth, acting, is, now).await? {
            return Ok(Invited::Refused(refused));
        }
        if members::list(&mut auth, acting.org).await?.iter().any(|row| !row.service && row.called == email) {
            return Ok(Invited::Member);
        }
        if invitations::list(&mut auth, acting.org).await?.len() >= MOST {
            return Ok(Invited::TooMany);
        }
        let wait = self.asked.wait(&email, None, now);
        if !wait.is_zero() {
            return Ok(Invited::Wait(wait));
        }
        let (token, id) = (Token::new()?, InvitationId::at(now).0);
        let new = NewInvitation {
            id,
            org: acting.org,
            email: &email,
            is,
            token_hash: &token.hash().0,
            by: acting.user,
            expires: now + LIFE,
        };
        if !invitations::insert(&mut auth, &new, now).await? {
            return Ok(Invited::Already);
        }
        let token = self.send_invitation(&mut auth, acting, (&email, is), &token, now).await?;
        let detail = json!({ "email": email, "role": is.role.as_str(), "until": written(is.until) });
        note(&mut auth, acting.author, "invitation.add", id, detail, now).await?;
        auth.commit().await?;
        Ok(Invited::Done { id, token })
    }

    /// Sends an invitation again, with another link and for another seven days; the link before works no more.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn invite_again(&self, acting: Acting<'_>, id: Uuid, now: Timestamp) -> Result<Invited, LoginError> {
        let mut auth = self.pools.auth().await?;
        members::lock(&mut auth, acting.org).await?;
        let found = invitations::list(&mut auth, acting.org).await?.into_iter().find(|row| row.uuid == id);
        let Some(found) = found else { return Ok(Invited::Gone) };
        let is = standing_in(&found.role, found.member_until_at)?;
        if let Err(refused) = allowed(&mut auth, acting, is, now).await? {
            return Ok(Invited::Refused(refused));
        }
        let wait = self.asked.wait(&found.email, None, now);
        if !wait.is_zero() {
            return Ok(Invited::Wait(wait));
        }
        let token = Token::new()?;
        let expires = now + LIFE;
        if !invitations::renew(&mut auth, (acting.org, id), &token.hash().0, acting.user, expires).await? {
            return Ok(Invited::Gone);
        }
        let token = self.send_invitation(&mut auth, acting, (&found.email, is), &token, now).await?;
        note(&mut auth, acting.author, "invitation.send", id, json!({ "email": found.email }), now).await?;
        auth.commit().await?;
        Ok(Invited::Done { id, token })
    }

    /// Takes an invitation back. False when there is none that is open.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revoke_invitation(&self, acting: Acting<'_>, id: Uuid, now: Timestamp) -> Result<bool, LoginError> {
        let mut auth = self.pools.auth().await?;
        let revoked = invitations::revoke(&mut auth, acting.org, id, now).await?;
        if revoked {
            note(&mut auth, acting.author, "invitation.revoke", id, json!({}), now).await?;
        }
        auth.commit().await?;
        Ok(revoked)
    }

    /// What an invitation would do; nothing is used up.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn look_at_invitation(&self, link: &str, now: Timestamp) -> Result<Option<Seen>, LoginError> {
        let mut auth = self.pools.auth().await?;
        let Some((found, is)) = follow(&mut auth, link, now).await? else { return Ok(None) };
        let has_account = users::by_email(&mut auth, &found.email).await?.is_some();
        Ok(Some(Seen { organization: found.org_name, email: found.email, is, has_account }))
    }

    /// Joins the organization, by somebody who is signed in with the address.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn join(
        &self,
        link: &str,
        account: &Account,
        ticket: &Ticket,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Accepted, LoginError> {
        let mut auth = self.pools.auth().await?;
        let Some((found, is)) = follow_locked(&mut auth, link, now).await? else { return Ok(Accepted::Over) };
        if found.email != account.email {
            return Ok(Accepted::Other);
        }
        if !self.accept(&mut auth, &found, is, (account.user, account.id), caller, now).await? {
            return Ok(Accepted::Over);
        }
        let new = Ticket::new()?;
        if !sessions::choose(&mut auth, &ticket.hash(), &new.hash(), found.org_id).await? {
            return Ok(Accepted::Over);
        }
        auth.commit().await?;
        Ok(Accepted::Joined(new))
    }

    /// Makes an account by an invitation, where the operator lets the invited in.
    ///
    /// # Errors
    /// When the database or the hashing fails.
    pub async fn sign_up_invited(
        &self,
        link: &str,
        password: SecretString,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Accepted, LoginError> {
        let Some(seen) = self.look_at_invitation(link, now).await? else { return Ok(Accepted::Over) };
        if seen.has_account || self.settings.mode == LoginMode::Closed {
            return Ok(Accepted::Over);
        }
        if let Err(unfit) = fit_password(password.expose(), &seen.email) {
            return Ok(Accepted::Unfit(unfit));
        }
        let hash = self.passwords.hash(password).await?;
        let mut auth = self.pools.auth().await?;
        let Some((found, is)) = follow_locked(&mut auth, link, now).await? else { return Ok(Accepted::Over) };
        if users::by_email(&mut auth, &found.email).await?.is_some() {
            return Ok(Accepted::Over);
        }
        let (user, uuid) = users::insert(&mut auth, &found.email, &hash, now).await?;
        // The link came by mail, or from who invites: that shows nothing.
        if self.settings.mails {
            users::confirm_email(&mut auth, user, now).await?;
        }
        if !self.accept(&mut auth, &found, is, (user, uuid), caller, now).await? {
            return Ok(Accepted::Over);
        }
        auth.commit().await?;
        Ok(Accepted::Made(Identity { user, proven: true, new: true }))
    }

    /// Invites an address on behalf of the owner of an organization that is being made; the caller commits. The token of the link is
    /// given where no mail can be sent.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn invite_first(
        &self,
        auth: &mut Auth,
        into: &Founded,
        (email, role): (&str, Role),
        by: &Author,
        now: Timestamp,
    ) -> Result<Option<SecretString>, LoginError> {
        let owner = users::by_email(auth, &into.owner).await?.map(|row| row.id);
        let owner = owner.ok_or(StoreError::Inconsistent { table: "users", column: "email", row: into.org.0 })?;
        let acting = Acting { user: owner, org: into.org, ticket: None, author: by };
        let (token, id) = (Token::new()?, InvitationId::at(now).0);
        let token_hash = &token.hash().0;
        let is = Standing::for_good(role);
        let new = NewInvitation { id, org: into.org, email, is, token_hash, by: owner, expires: now + LIFE };
        StoreError::expect_rows("invitations", 1, u64::from(invitations::insert(auth, &new, now).await?))?;
        let token = self.send_invitation(auth, acting, (email, is), &token, now).await?;
        note(auth, by, "invitation.add", id, json!({ "email": email, "role": role.as_str() }), now).await?;
        Ok(token)
    }

    /// Puts a mail down, or gives the token of the link where no mail can be sent.
    async fn send_invitation(
        &self,
        auth: &mut Auth,
        acting: Acting<'_>,
        (to, is): (&str, Standing),
        token: &Token,
        now: Timestamp,
    ) -> Result<Option<SecretString>, LoginError> {
        let token = SecretString::new(token.expose().to_owned());
        if !self.settings.mails {
            return Ok(Some(token));
        }
        self.asked.failed(to, None, now);
        let by = users::called(auth, &[acting.user]).await?.remove(&acting.user).unwrap_or_default();
        let about = About::Invitation {
            link: LinkFacts { token, until: now + LIFE },
            organization: organizations::name(auth, acting.org).await?.unwrap_or_default(),
            role: is.role.as_str().to_owned(),
            by,
            member_until: is.until,
        };
        self.tell(auth, None, to, about, now).await?;
        Ok(None)
    }

    /// Uses the invitation up and makes the user a member; who is one already stays what it is.
    async fn accept(
        &self,
        auth: &mut Auth,
        found: &Followed,
        is: Standing,
        (user, uuid): (UserKey, Uuid),
        caller: &Caller,
        now: Timestamp,
    ) -> Result<bool, LoginError> {
        if !invitations::accept(auth, found.id, now).await? {
            return Ok(false);
        }
        members::add(auth, found.org_id, user, is, now).await?;
        let by = Author { org: Some(found.org_id), actor: format!("user:{}", found.email), origin: caller.origin() };
        let detail = json!({ "invitation": found.uuid, "role": is.role.as_str(), "until": written(is.until) });
        note(auth, &by, "invitation.accept", uuid, detail, now).await?;
        Ok(true)
    }
}

/// Whether who asks may invite somebody to be this now.
async fn allowed(
    auth: &mut Auth,
    acting: Acting<'_>,
    is: Standing,
    now: Timestamp,
) -> Result<Result<(), Refused>, StoreError> {
    let Some(by) = standing(auth, acting, now).await? else { return Ok(Err(Refused::Right)) };
    let past = is.until.is_some_and(|until| until <= now);
    Ok(if past { may_invite(by, is).and(Err(Refused::Past)) } else { may_invite(by, is) })
}

/// The invitation of a link, while it works and who invited may give the role for so long.
async fn follow(auth: &mut Auth, link: &str, now: Timestamp) -> Result<Option<(Followed, Standing)>, StoreError> {
    let Some(token) = Token::parse(link) else { return Ok(None) };
    let Some(found) = invitations::find(auth, &token.hash().0, now).await? else { return Ok(None) };
    let is = standing_in(&found.role, found.member_until_at)?;
    let Some(inviter) = found.inviter_role.as_deref().map(role_in).transpose()? else { return Ok(None) };
    let inviter = Standing { role: inviter, until: ends::of(auth, found.org_id, found.invited_by).await? };
    Ok(may_invite(inviter, is).is_ok().then_some((found, is)))
}

/// The same, while nobody else changes members: who invited stays what it is until this is over.
async fn follow_locked(
    auth: &mut Auth,
    link: &str,
    now: Timestamp,
) -> Result<Option<(Followed, Standing)>, StoreError> {
    let Some((found, _)) = follow(auth, link, now).await? else { return Ok(None) };
    members::lock(auth, found.org_id).await?;
    follow(auth, link, now).await
}

fn role_in(text: &str) -> Result<Role, StoreError> {
    text.parse().map_err(|_| StoreError::Inconsistent { table: "invitations", column: "role", row: 0 })
}

fn standing_in(role: &str, until: Option<i64>) -> Result<Standing, StoreError> {
    Ok(Standing { role: role_in(role)?, until: until.map(Timestamp::from_micros) })
}
