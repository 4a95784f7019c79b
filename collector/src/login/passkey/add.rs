//! Passkeys of who is signed in: listed, added, taken away. Adding and taking away end every other session.

use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::{Use, taken};
use crate::domain::account_mail::About;
use crate::domain::passkey::{self, NewPasskey, RelyingParty};
use crate::login::session::{Member, Ticket};
use crate::login::{LoginError, Porter, note, recovery};
use crate::store::audit::Author;
use crate::store::passkeys::{self, Purpose};
use crate::store::{UserKey, second_factors, users};

pub use crate::store::passkeys::PasskeyRow;

/// Most characters of a passkey's name.
pub const LONGEST_NAME: usize = 60;

/// What a browser is asked to make.
#[derive(Clone, Debug)]
pub struct Creation {
    /// The challenge, as base64url.
    pub challenge: String,
    /// What the authenticator keeps to tell whose it is.
    pub handle: Uuid,
    /// Passkeys of the user that there are: the same authenticator is not to make another.
    pub existing: Vec<Vec<u8>>,
}

/// How adding one went.
#[derive(Clone, Debug)]
pub enum Added {
    /// It is there.
    Done {
        /// The recovery codes, where it is the first of all second factors: shown now and never again.
        codes: Option<Vec<SecretString>>,
        /// The session, under another token.
        ticket: Ticket,
    },
    /// It has no name, or one that is too long.
    Unnamed,
    /// The browser did not send what it should, or too late.
    Refused,
    /// It is there already, or there are as many as can be.
    TooMany,
}

impl Porter {
    /// A user's passkeys, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn passkeys(&self, user: UserKey) -> Result<Vec<PasskeyRow>, LoginError> {
        let mut auth = self.pools.auth().await?;
        Ok(passkeys::list(&mut auth, user).await?)
    }

    /// What the browser of a session is asked to make.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn begin_passkey(
        &self,
        member: &Member,
        ticket: &Ticket,
        now: Timestamp,
    ) -> Result<Creation, LoginError> {
        let mut auth = self.pools.auth().await?;
        let it = Use { purpose: Purpose::Add, binding: ticket, user: Some(member.user) };
        let challenge = self.challenge(&mut auth, it, now).await?;
        let existing = passkeys::list(&mut auth, member.user).await?;
        auth.commit().await?;
        let existing = existing.into_iter().map(|row| row.credential_id).collect();
        Ok(Creation { challenge, handle: member.id, existing })
    }

    /// Adds what the browser made, under this name. Every other session ends, and from now on a second factor is asked for
    /// beside the password.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn add_passkey(
        &self,
        (member, ticket): (&Member, &Ticket),
        party: &RelyingParty,
        (new, name): (&NewPasskey, &str),
        by: &Author,
        now: Timestamp,
    ) -> Result<Added, LoginError> {
        if name.is_empty() || name.chars().count() > LONGEST_NAME {
            return Ok(Added::Unnamed);
        }
        let mut auth = self.pools.auth().await?;
        let it = Use { purpose: Purpose::Add, binding: ticket, user: Some(member.user) };
        let taken = taken(&mut auth, it, &new.client_data, now).await?;
        let made = taken.and_then(|challenge| passkey::register(party, &challenge, new));
        let Some(user) = users::by_key(&mut auth, member.user).await? else { return Ok(Added::Refused) };
        let made = match made {
            Ok(made) => made,
            Err(fault) => {
                let detail = json!({ "kind": "passkey", "why": fault.as_str() });
                note(&mut auth, by, "user.add_second_factor_failed", user.uuid, detail, now).await?;
                auth.commit().await?;
                return Ok(Added::Refused);
            }
        };
        let first = !second_factors::is_wanted(&mut auth, user.id).await?;
        let row = passkeys::NewPasskey {
            uuid: Uuid::new_v4(),
            user: user.id,
            credential_id: &made.id,
            party: party.id(),
            public_key: &made.key,
            sign_count: made.seen.count,
            name,
            backup_eligible: made.seen.eligible,
            backed_up: made.seen.backed_up,
        };
        if !passkeys::insert(&mut auth, &row, now).await? {
            auth.commit().await?;
            return Ok(Added::TooMany);
        }
        let codes = if first { Some(recovery::new_codes(&mut auth, user.id, now).await?) } else { None };
        let ticket = self.renew_alone(&mut auth, &user, ticket, now).await?;
        note(&mut auth, by, "user.add_second_factor", user.uuid, json!({ "kind": "passkey", "name": name }), now)
            .await?;
        self.tell(&mut auth, Some(user.id), &user.email, About::SecondFactorAdded { at: now }, now).await?;
        auth.commit().await?;
        Ok(Added::Done { codes, ticket })
    }

    /// Takes a passkey away. Every other session ends; the password stays, so there is a way in. None when the user has none
    /// like it.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn remove_passkey(
        &self,
        (member, ticket): (&Member, &Ticket),
        passkey: Uuid,
        by: &Author,
        now: Timestamp,
    ) -> Result<Option<Ticket>, LoginError> {
        let mut auth = self.pools.auth().await?;
        let Some(user) = users::by_key(&mut auth, member.user).await? else { return Ok(None) };
        let Some(name) = passkeys::remove(&mut auth, user.id, passkey).await? else { return Ok(None) };
        second_factors::forget_recovery_codes(&mut auth, user.id).await?;
        let ticket = self.renew_alone(&mut auth, &user, ticket, now).await?;
        let detail = json!({ "kind": "passkey", "name": name });
        note(&mut auth, by, "user.remove_second_factor", user.uuid, detail, now).await?;
        self.tell(&mut auth, Some(user.id), &user.email, About::SecondFactorRemoved { at: now }, now).await?;
        auth.commit().await?;
        Ok(Some(ticket))
    }
}
