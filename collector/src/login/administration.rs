//! Who administers the instance: by a grant that ends, looked up with every request; and what is done to grants and users.
//!
//! What is done to a user stands in the log of the user's organization, as all that happens to the user does; what is done
//! to the instance, and that somebody looked, in the instance's.

use std::collections::HashMap;

use picket_shared::time::Timestamp;
use serde_json::json;

use super::failure::Counter;
use super::session::{Member, Resumed, Ticket};
use super::{LoginError, Porter, address, note};
use crate::domain::account_mail::About;
use crate::domain::administration::Term;
use crate::store::admin_grants::{self, GrantRow};
use crate::store::audit::{self, Author};
use crate::store::read::users::{self as read, ListedUser};
use crate::store::users::UserRow;
use crate::store::{Auth, StoreError, UserKey, devices, second_factors, sessions, sign_in_failures, users};

/// Somebody who is signed in and may administer the instance.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Who.
    pub member: Member,
    /// Until when.
    pub until: Timestamp,
}

/// How giving a grant went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granted {
    /// It is given.
    Done {
        /// When it ends.
        until: Timestamp,
        /// Whether its user has the second factor that is wanted there.
        second_factor: bool,
    },
    /// Nobody signs in with that address.
    Nobody,
    /// Who gives it would have it: nobody prolongs the own one.
    Oneself,
}

/// A user as administration sees it.
#[derive(Clone, Debug)]
pub struct Person {
    /// Address and times.
    pub row: ListedUser,
    /// Whether a second factor is asked for.
    pub second_factor: bool,
    /// Until when wrong answers lock some way in.
    pub locked_until: Option<Timestamp>,
}

impl Porter {
    /// Who is signed in and may administer the instance. What is not there asks this too, so that nobody can tell one from
    /// the other by the work.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn administrator(&self, ticket: &Ticket, now: Timestamp) -> Result<Option<Admission>, StoreError> {
        let Some(Resumed::Member(member)) = self.resume(ticket, now).await? else { return Ok(None) };
        let mut auth = self.pools.auth().await?;
        let until = admin_grants::live(&mut auth, member.user, now).await?;
        Ok(until.map(|until| Admission { member, until }))
    }

    /// Until when a user may administer the instance; none who may not.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn administers_until(&self, user: UserKey, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        admin_grants::live(&mut self.pools.auth().await?, user, now).await
    }

    /// Whether a user is asked for a second factor.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_second_factor(&self, user: UserKey) -> Result<bool, StoreError> {
        second_factors::is_wanted(&mut self.pools.auth().await?, user).await
    }

    /// Writes down that an administrator looked at a page.
    ///
    /// # Errors
    /// When the database fails; then the page must not be shown.
    pub async fn note_look(&self, by: &Author, page: &str, now: Timestamp) -> Result<(), StoreError> {
        let mut auth = self.pools.auth().await?;
        audit::append(&mut auth, &by.did("admin.look", page, json!({}), now)).await?;
        auth.commit().await
    }

    /// Lets whoever signs in with an address administer the instance, and tells that user. `giver` is the user who gives it;
    /// none at the console.
    ///
    /// # Errors
    /// When the database fails or the mail cannot be sealed.
    pub async fn grant(
        &self,
        email: &str,
        term: Term,
        giver: Option<UserKey>,
        by: &Author,
        now: Timestamp,
    ) -> Result<Granted, LoginError> {
        let mut auth = self.pools.auth().await?;
        let Some(user) = user_of(&mut auth, email).await? else { return Ok(Granted::Nobody) };
        if giver == Some(user.id) {
            return Ok(Granted::Oneself);
        }
        let until = now + term.duration();
        admin_grants::insert(&mut auth, user.id, &by.actor, now, until).await?;
        let second_factor = second_factors::is_wanted(&mut auth, user.id).await?;
        let detail = json!({ "address": user.email, "until": until.to_string() });
        note(&mut auth, by, "admin.grant", user.uuid, detail, now).await?;
        let about = About::Administrator { at: now, until, by: by.actor.clone() };
        self.tell(&mut auth, Some(user.id), &user.email, about, now).await?;
        auth.commit().await?;
        Ok(Granted::Done { until, second_factor })
    }

    /// Ends a grant by its name in the list. False when none goes on by that name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revoke_grant(&self, grant: uuid::Uuid, by: &Author, now: Timestamp) -> Result<bool, StoreError> {
        let mut auth = self.pools.auth().await?;
        let Some(revoked) = admin_grants::revoke(&mut auth, grant, &by.actor, now).await? else { return Ok(false) };
        note(&mut auth, by, "admin.revoke", revoked.uuid, json!({ "address": revoked.email }), now).await?;
        auth.commit().await?;
        Ok(true)
    }

    /// Ends what lets whoever signs in with an address administer the instance. False when nothing did; none when nobody
    /// has the address.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revoke_grants_of(&self, email: &str, by: &Author, now: Timestamp) -> Result<Option<bool>, StoreError> {
        let mut auth = self.pools.auth().await?;
        let Some(user) = user_of(&mut auth, email).await? else { return Ok(None) };
        let ended = admin_grants::end(&mut auth, user.id, &by.actor, now).await?;
        if ended {
            note(&mut auth, by, "admin.revoke", user.uuid, json!({ "address": user.email }), now).await?;
        }
        auth.commit().await?;
        Ok(Some(ended))
    }

    /// The last grants that were given, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn grants(&self) -> Result<Vec<GrantRow>, StoreError> {
        admin_grants::list(&mut self.pools.auth().await?).await
    }

    /// Users by address, of which `search` is a part, from the one after `after` on: a page, and one more if there is one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn people(&self, search: &str, after: &str, now: Timestamp) -> Result<Vec<Person>, StoreError> {
        let mut auth = self.pools.auth().await?;
        let rows = read::page(&mut auth, &search.to_lowercase(), after, now).await?;
        let keys: Vec<UserKey> = rows.iter().map(|row| row.id).collect();
        let guarded = second_factors::wanted_of(&mut auth, &keys).await?;
        let mut browsers: HashMap<UserKey, Vec<[u8; 32]>> = HashMap::new();
        for (user, hash) in devices::of(&mut auth, &keys).await? {
            browsers.entry(user).or_default().push(hash);
        }
        let counts = |row: &ListedUser| {
            let known = browsers.get(&row.id).map(Vec::as_slice).unwrap_or_default();
            Counter::all(row.id, &row.email, known).iter().map(Counter::key).collect::<Vec<_>>()
        };
        let all: Vec<[u8; 32]> = rows.iter().flat_map(counts).collect();
        let locked = sign_in_failures::locked(&mut auth, &all, now).await?;
        let person = |row: ListedUser| Person {
            second_factor: guarded.contains(&row.id),
            locked_until: counts(&row).iter().filter_map(|key| locked.get(key).copied()).max(),
            row,
        };
        Ok(rows.into_iter().map(person).collect())
    }

    /// Forgets a user's wrong answers, so that no way in is locked. False when there is no such user.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unlock(&self, user: uuid::Uuid, by: &Author, now: Timestamp) -> Result<bool, LoginError> {
        let mut auth = self.pools.auth().await?;
        let Some(row) = users::by_uuid(&mut auth, user).await? else { return Ok(false) };
        let browsers: Vec<[u8; 32]> =
            devices::of(&mut auth, &[row.id]).await?.into_iter().map(|(_, hash)| hash).collect();
        for counter in Counter::all(row.id, &row.email, &browsers) {
            self.forget_failures(&mut auth, &counter).await?;
        }
        note(&mut auth, &told_to(&row, by), "user.unlock", row.uuid, json!({ "as": "administrator" }), now).await?;
        auth.commit().await?;
        Ok(true)
    }

    /// Ends every session of a user, and whatever half of signing in was begun; gives how many sessions those were, none
    /// when there is no such user.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_all(&self, user: uuid::Uuid, by: &Author, now: Timestamp) -> Result<Option<u64>, LoginError> {
        let mut auth = self.pools.auth().await?;
        let Some(row) = users::by_uuid(&mut auth, user).await? else { return Ok(None) };
        second_factors::end_halves(&mut auth, row.id).await?;
        let ended = sessions::end_all(&mut auth, row.id, None).await?;
        let detail = json!({ "sessions": ended, "as": "administrator" });
        note(&mut auth, &told_to(&row, by), "user.end_sessions", row.uuid, detail, now).await?;
        auth.commit().await?;
        Ok(Some(ended))
    }
}

async fn user_of(auth: &mut Auth, email: &str) -> Result<Option<UserRow>, StoreError> {
    match address(email) {
        Ok(email) => users::by_email(auth, &email).await,
        Err(_) => Ok(None),
    }
}

/// The same author, in the log of the user's organization.
fn told_to(user: &UserRow, by: &Author) -> Author {
    Author { org: user.org_id, ..by.clone() }
}
