//! What hangs on a member, and the removal of one that passes it on: keys to a service member, invitations and ownership to
//! another member. What nobody takes over ends with the membership, in the same transaction.

use picket_shared::time::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::members::{Acting, standing};
use super::session::Ticket;
use super::{LoginError, Porter, note};
use crate::domain::access::Role;
use crate::domain::members::{Change, Refused, judge};
use crate::store::holdings::{self, HeldChannel, HeldInvitation, HeldKey};
use crate::store::members::{self, MemberRow};
use crate::store::{Auth, OrgKey};

/// What a member holds.
#[derive(Clone, Debug)]
pub struct Holdings {
    /// Who.
    pub member: MemberRow,
    /// Keys that work.
    pub keys: Vec<HeldKey>,
    /// Invitations that are open.
    pub invitations: Vec<HeldInvitation>,
    /// Channels that the member added or is told by. They stay.
    pub channels: Vec<HeldChannel>,
    /// Whether there is no other owner for good.
    pub sole_owner: bool,
}

impl Holdings {
    /// Whether somebody has to say what becomes of it. What a service member holds ends with it.
    pub const fn needs_successor(&self) -> bool {
        !self.member.service && (self.sole_owner || !self.keys.is_empty() || !self.invitations.is_empty())
    }
}

/// Who takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Successor {
    /// This member.
    Member(Uuid),
    /// Nobody: keys end, and invitations are taken back.
    Nobody,
}

impl std::str::FromStr for Successor {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        if text == "none" { Ok(Self::Nobody) } else { text.parse().map(Self::Member) }
    }
}

/// How removing went.
#[derive(Clone, Debug)]
pub enum Removed {
    /// The member is out. The own session goes on under this token, elsewhere.
    Done(Option<Ticket>),
    /// There is no such member here.
    Gone,
    /// It cannot be.
    Refused(Refused),
    /// Something hangs on the member, and nobody was named who takes over.
    Needed(Box<Holdings>),
    /// Who was named is no other member here.
    NoSuccessor,
}

impl Porter {
    /// What a member holds; none when there is no such member.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn holdings(&self, org: OrgKey, id: Uuid, now: Timestamp) -> Result<Option<Holdings>, LoginError> {
        let mut auth = self.pools.auth().await?;
        let owners = members::owners_for_good(&mut auth, org).await?;
        let Some(row) = members::find(&mut auth, org, id).await? else { return Ok(None) };
        self.held(&mut auth, org, row, owners, now).await.map(Some)
    }

    async fn held(
        &self,
        auth: &mut Auth,
        org: OrgKey,
        member: MemberRow,
        owners: i64,
        now: Timestamp,
    ) -> Result<Holdings, LoginError> {
        let keys = holdings::keys(auth, org, member.user, now).await?;
        let invitations = holdings::invitations(auth, org, member.user).await?;
        let channels = if member.service {
            Vec::new()
        } else {
            holdings::channels(&mut self.pools.scoped(org).await?, &member.called).await?
        };
        let sole_owner = member.role == Role::Owner && member.until.is_none() && owners < 2;
        Ok(Holdings { member, keys, invitations, channels, sole_owner })
    }

    /// Removes a member, and passes on what hangs on it. A service member takes over keys, which are then worth no more than its
    /// role, and invitations; a person invitations, and ownership where there is no other owner for good.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn remove_member(
        &self,
        acting: Acting<'_>,
        id: Uuid,
        successor: Option<Successor>,
        now: Timestamp,
    ) -> Result<Removed, LoginError> {
        let mut auth = self.pools.auth().await?;
        let owners = members::lock(&mut auth, acting.org).await?;
        let Some(row) = members::find(&mut auth, acting.org, id).await? else { return Ok(Removed::Gone) };
        let Some(by) = standing(&mut auth, acting, now).await? else { return Ok(Removed::Refused(Refused::Right)) };
        let own = row.user == acting.user;
        // Whether it may be at all, were there another owner.
        if let Err(refused) = judge(by, row.standing(), Change::Out, own, owners + 1) {
            return Ok(Removed::Refused(refused));
        }
        let heir = match successor {
            Some(Successor::Member(heir)) => {
                let found = members::find(&mut auth, acting.org, heir).await?;
                let live = found.filter(|heir| heir.user != row.user && heir.until.is_none_or(|until| until > now));
                let Some(heir) = live else { return Ok(Removed::NoSuccessor) };
                Some(heir)
            }
            Some(Successor::Nobody) | None => None,
        };
        let held = self.held(&mut auth, acting.org, row, owners, now).await?;
        if held.sole_owner {
            // Nobody but a person who stays for good takes over, and nobody but an owner makes one.
            let fits = heir.as_ref().filter(|heir| !heir.service && heir.until.is_none());
            let Some(heir) = fits else { return Ok(Removed::Refused(Refused::LastOwner)) };
            if let Err(refused) = judge(by, heir.standing(), Change::To(Role::Owner), false, owners) {
                return Ok(Removed::Refused(refused));
            }
            self.give_role(&mut auth, acting, heir, Role::Owner, now).await?;
        }
        if held.needs_successor() && successor.is_none() {
            return Ok(Removed::Needed(Box::new(held)));
        }
        let row = &held.member;
        let moved = match &heir {
            Some(heir) if heir.service => holdings::move_keys(&mut auth, acting.org, row.user, heir.user).await?,
            _ => Vec::new(),
        };
        let invitations = match &heir {
            Some(heir) => holdings::move_invitations(&mut auth, acting.org, row.user, heir.user).await?,
            None => holdings::revoke_invitations(&mut auth, acting.org, row.user, now).await?,
        };
        let ticket = self.put_out(&mut auth, acting, row, now).await?;
        let ended: Vec<&str> = held.keys.iter().map(|key| key.public_id.as_str()).collect();
        let ended: Vec<&str> = ended.into_iter().filter(|id| !moved.iter().any(|moved| moved == id)).collect();
        let detail = json!({
            (row.kind()): row.called, "role": row.role.as_str(), "successor": heir.as_ref().map(|heir| &heir.called),
            "keys_moved": moved, "keys_ended": ended, "invitations": invitations,
            "ownership_moved": held.sole_owner,
        });
        let action = if own { "member.leave" } else { "member.remove" };
        note(&mut auth, acting.author, action, row.id, detail, now).await?;
        auth.commit().await?;
        Ok(Removed::Done(ticket))
    }
}
