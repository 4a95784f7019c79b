//! A browser that stays signed in: an opaque token in a cookie, of which the database holds the hash.
//!
//! There is a new token at every sign-in, when its user proves again who it is, and when what it signs in with changes.

use std::time::Duration;

use picket_shared::time::Timestamp;
use serde_json::json;

use super::caller::Caller;
use super::{Identity, LoginError, Porter, note};
use crate::domain::access::{Right, Role};
use crate::domain::account_mail::About;
use crate::store::audit::Author;
use crate::store::sessions::{self, ListedSession, NewSession, SessionRow};
use crate::store::{OrgKey, StoreError, UserKey, devices, users};
use crate::vault::VaultError;
use crate::vault::token::Token;

pub use crate::store::devices::LIFE as DEVICE_LIFE;

/// A session ends after this time, however busy it is.
pub const LIFE: Duration = Duration::from_secs(30 * 86_400);
/// For so long after a password or a second factor nobody is asked again.
pub const FRESH: Duration = Duration::from_secs(10 * 60);
/// How exactly the last use is kept: a write a minute is enough.
const SEEN_EVERY: Duration = Duration::from_secs(60);

/// A token as its browser holds it: of a session, a known browser, half a sign-in, or of who asked for a link.
#[derive(Clone, Debug)]
pub struct Ticket(Token);

impl Ticket {
    /// As it came in the cookie; `None` when it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        Token::parse(text).map(Self)
    }

    pub(super) fn new() -> Result<Self, VaultError> {
        Token::new().map(Self)
    }

    pub(super) const fn of(token: Token) -> Self {
        Self(token)
    }

    /// What is stored of it.
    pub(super) fn hash(&self) -> [u8; 32] {
        self.0.hash().0
    }

    /// What the cookie holds.
    pub fn cookie(&self) -> &str {
        self.0.expose()
    }

    /// What a form of this session must carry.
    pub fn form_proof(&self) -> String {
        self.0.form_proof()
    }

    /// Whether a form carries that.
    pub fn proves(&self, proof: &str) -> bool {
        self.0.proves(proof)
    }
}

/// Who is signed in, in an organization or in none.
#[derive(Clone, Debug)]
pub struct Account {
    /// Whose session it is.
    pub user: UserKey,
    /// What names that user outside.
    pub id: uuid::Uuid,
    /// What that user signs in with.
    pub email: String,
}

/// The managing organization through which somebody acts in another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Through {
    /// What names it outside.
    pub id: uuid::Uuid,
    /// What it is called.
    pub name: String,
}

/// Who is signed in.
#[derive(Clone, Debug)]
pub struct Member {
    /// Whose session it is.
    pub user: UserKey,
    /// What names that user outside.
    pub id: uuid::Uuid,
    /// What that user signs in with.
    pub email: String,
    /// The organization.
    pub org: OrgKey,
    /// What it is called.
    pub org_name: String,
    /// The other organizations of the user, by name: what names them outside, and what they are called.
    pub others: Vec<(uuid::Uuid, String)>,
    /// What the user may do there.
    pub role: Role,
    /// Through which organization, if the user belongs to one that manages it and not to itself.
    pub through: Option<Through>,
    /// Whether the organization manages others.
    pub manages: bool,
    /// Whether the organization wants a second factor, and the user has none.
    pub lacks_factor: bool,
    /// When the user last gave a password or a second factor in this session.
    pub proven_at: Option<Timestamp>,
}

/// Whose session it is.
#[derive(Clone, Debug)]
pub enum Resumed {
    /// A member's, in an organization.
    Member(Member),
    /// Of somebody who is not in the organization (any more), or in none.
    Stray(Account),
}

impl TryFrom<SessionRow> for Resumed {
    type Error = StoreError;

    fn try_from(row: SessionRow) -> Result<Self, StoreError> {
        let (user, id, email) = (row.user_id, row.uuid, row.email);
        let (Some(org), Some(role)) = (row.org_id, row.role) else {
            return Ok(Self::Stray(Account { user, id, email }));
        };
        let unreadable = StoreError::Inconsistent { table: "memberships", column: "role", row: user.0 };
        Ok(Self::Member(Member {
            user,
            id,
            email,
            org,
            org_name: row.org_name.unwrap_or_default(),
            others: row.other_ids.into_iter().zip(row.other_names).collect(),
            role: role.parse().map_err(|_| unreadable)?,
            through: row.through_id.map(|id| Through { id, name: row.through_name.unwrap_or_default() }),
            manages: row.manages,
            lacks_factor: row.lacks_factor,
            proven_at: row.proven_at.map(Timestamp::from_micros),
        }))
    }
}

impl Resumed {
    /// Who it is, wherever.
    pub fn account(&self) -> Account {
        match self {
            Self::Member(member) => Account { user: member.user, id: member.id, email: member.email.clone() },
            Self::Stray(account) => account.clone(),
        }
    }

    /// The organization that the session is in.
    pub const fn org(&self) -> Option<OrgKey> {
        match self {
            Self::Member(member) => Some(member.org),
            Self::Stray(_) => None,
        }
    }
}

impl Member {
    /// Whether the user may do there what the right is for.
    pub fn may(&self, right: Right) -> bool {
        self.role.may(right) && !(self.through.is_some() && right.is_withheld())
    }

    /// The user, for the audit log of the organization.
    pub fn actor(&self) -> String {
        let through = self.through.as_ref().map(|through| format!(" through:{}", through.id)).unwrap_or_default();
        format!("user:{}{through}", self.email)
    }

    /// Whether the user proved lately who it is. A proof that lies ahead is none: the clock was set back since.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.proven_at.is_some_and(|at| at <= now && now.since(at) < FRESH)
    }
}

/// What a browser keeps of signing in.
#[derive(Clone, Debug)]
pub struct Begun {
    /// The session.
    pub session: Ticket,
    /// By which the browser is known again.
    pub device: Ticket,
}

impl Porter {
    /// Begins a session for who proved who they are; tells the user if nobody was let in from this browser before.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn begin(&self, identity: &Identity, caller: &Caller, now: Timestamp) -> Result<Begun, LoginError> {
        let session = Ticket::new()?;
        let user = identity.user();
        let mut auth = self.pools.auth().await?;
        let held = caller.device.as_ref().map(Ticket::hash);
        let org = users::by_key(&mut auth, user).await?.and_then(|row| row.org_id);
        let known = devices::knows(&mut auth, Some(user), held.as_ref(), now).await?;
        let device = match &caller.device {
            Some(device) if devices::is_ours(&mut auth, &device.hash(), now).await? => device.clone(),
            _ => Ticket::new()?,
        };
        let new = NewSession {
            token_hash: &session.hash(),
            user,
            org,
            proven: identity.proven,
            browser: caller.agent.browser,
            system: caller.agent.system,
        };
        sessions::insert(&mut auth, &new, now, now + LIFE).await?;
        users::signed_in(&mut auth, user, now).await?;
        devices::note(&mut auth, user, &device.hash(), now).await?;
        if !known
            && !identity.new
            && let Some(row) = users::by_key(&mut auth, user).await?
        {
            let about = About::NewSignIn { at: now, from: caller.agent.words() };
            self.tell(&mut auth, Some(user), &row.email, about, now).await?;
        }
        auth.commit().await?;
        Ok(Begun { session, device })
    }

    /// Whose session it is; `None` when it is over.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn resume(&self, ticket: &Ticket, now: Timestamp) -> Result<Option<Resumed>, StoreError> {
        let mut auth = self.pools.auth().await?;
        let found = sessions::find(&mut auth, &ticket.hash(), now, now - sessions::IDLE).await?;
        if let Some(session) = &found
            && now.since(Timestamp::from_micros(session.seen_at)) >= SEEN_EVERY
        {
            sessions::seen(&mut auth, session.id, now).await?;
            auth.commit().await?;
        }
        found.map(Resumed::try_from).transpose()
    }

    /// Every session of a user; that of `ticket` first, where who asks has one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sessions(
        &self,
        user: UserKey,
        ticket: Option<&Ticket>,
        now: Timestamp,
    ) -> Result<Vec<ListedSession>, StoreError> {
        let mut auth = self.pools.auth().await?;
        sessions::list(&mut auth, user, ticket.map(Ticket::hash).as_ref(), now).await
    }

    /// Ends a session of the user `subject`, `by` that user.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end(
        &self,
        ticket: &Ticket,
        subject: uuid::Uuid,
        by: &Author,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut auth = self.pools.auth().await?;
        sessions::end(&mut auth, &ticket.hash()).await?;
        note(&mut auth, by, "user.sign_out", subject, json!({}), now).await?;
        auth.commit().await
    }

    /// Ends a session of a user's by its name in the list. False when the user has none like it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_one(
        &self,
        user: UserKey,
        session: uuid::Uuid,
        by: &Author,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut auth = self.pools.auth().await?;
        let ended = sessions::end_one(&mut auth, user, session).await?;
        if ended && let Some(row) = users::by_key(&mut auth, user).await? {
            note(&mut auth, by, "user.end_sessions", row.uuid, json!({ "sessions": 1 }), now).await?;
        }
        auth.commit().await?;
        Ok(ended)
    }

    /// Ends every session of a user's but that of `ticket`, where who asks has one; gives how many those were.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_others(
        &self,
        user: UserKey,
        ticket: Option<&Ticket>,
        by: &Author,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut auth = self.pools.auth().await?;
        let ended = sessions::end_all(&mut auth, user, ticket.map(Ticket::hash).as_ref()).await?;
        if let Some(row) = users::by_key(&mut auth, user).await? {
            note(&mut auth, by, "user.end_sessions", row.uuid, json!({ "sessions": ended }), now).await?;
        }
        auth.commit().await?;
        Ok(ended)
    }
}
