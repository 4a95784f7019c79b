//! A browser that stays signed in: an opaque token in a cookie, of which the database holds the hash.

use std::time::Duration;

use picket_shared::time::Timestamp;
use serde_json::json;

use super::{Identity, LoginError, Porter};
use crate::store::audit::{self, Author};
use crate::store::sessions;
use crate::store::{OrgKey, StoreError, UserKey};
use crate::vault::token::Token;

/// A session ends after this time, however busy it is.
pub const LIFE: Duration = Duration::from_secs(30 * 86_400);
/// How exactly the last use is kept: a write a minute is enough.
const SEEN_EVERY: Duration = Duration::from_secs(60);

/// A session as its browser holds it.
#[derive(Clone, Debug)]
pub struct Ticket(Token);

impl Ticket {
    /// As it came in the cookie; `None` when it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        Token::parse(text).map(Self)
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
    /// What the user may do there.
    pub role: String,
}

impl Porter {
    /// Begins a session for who proved who they are.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn begin(&self, identity: &Identity, now: Timestamp) -> Result<Ticket, LoginError> {
        let token = Token::new()?;
        let mut auth = self.pools.auth().await?;
        sessions::insert(&mut auth, &token.hash().0, identity.user(), now, now + LIFE).await?;
        auth.commit().await?;
        Ok(Ticket(token))
    }

    /// Whose session it is; `None` when it is over.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn resume(&self, ticket: &Ticket, now: Timestamp) -> Result<Option<Member>, StoreError> {
        let mut auth = self.pools.auth().await?;
        let found = sessions::find(&mut auth, &ticket.0.hash().0, now, now - sessions::IDLE).await?;
        if let Some(session) = &found
            && now.since(Timestamp::from_micros(session.seen_at)) >= SEEN_EVERY
        {
            sessions::seen(&mut auth, session.id, now).await?;
            auth.commit().await?;
        }
        Ok(found.map(|row| Member {
            user: row.user_id,
            id: row.uuid,
            email: row.email,
            org: row.org_id,
            role: row.role,
        }))
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
        sessions::end(&mut auth, &ticket.0.hash().0).await?;
        audit::append(&mut auth, &by.did("user.sign_out", &subject.to_string(), json!({}), now)).await?;
        auth.commit().await
    }
}
