//! Another organization, by the operator or, where everybody may make an account, by anybody who has one; and what one asks of
//! its members.

use picket_shared::time::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::members::Acting;
use super::session::{Account, Ticket};
use super::sign_up::fits_name;
use super::{LoginError, Porter, address, note};
use crate::config::LoginMode;
use crate::domain::access::Role;
use crate::domain::members::Standing;
use crate::store::audit::Author;
use crate::store::limits::{self, Limits};
use crate::store::{Auth, OrgKey, StoreError, UserKey, members, organizations, second_factors, sessions, users};

/// Most organizations that somebody makes without the operator.
pub const MOST: usize = 20;

/// How making one went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// It is there.
    Done(Uuid),
    /// The name is empty, too long, or another's.
    Name,
    /// Nobody signs in with the address, or whoever asks may not.
    Nobody,
}

/// An organization that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Founded {
    /// Its row.
    pub org: OrgKey,
    /// Its name outside.
    pub id: Uuid,
    /// The address of who owns it.
    pub owner: String,
}

/// What is wrong with an organization that the operator wants to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfounded {
    /// The name is empty, too long, or another's.
    pub name: bool,
    /// Nobody signs in with the owner's address.
    pub owner: bool,
}

/// How asking members for a second factor went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It is so from now on.
    Done,
    /// Who asks for it has none.
    NoneOfOnesOwn,
}

impl Porter {
    /// Makes an organization owned by the user of an address; the caller commits.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn found(
        &self,
        auth: &mut Auth,
        owner: &str,
        name: &str,
        actor: &str,
        now: Timestamp,
    ) -> Result<Result<Founded, Unfounded>, LoginError> {
        let user = match address(owner) {
            Ok(email) => users::by_email(auth, &email).await?,
            Err(_) => None,
        };
        let fits = fits_name(name) && !organizations::is_called(auth, name).await?;
        let (Some(user), true) = (&user, fits) else {
            return Ok(Err(Unfounded { name: !fits, owner: user.is_none() }));
        };
        let by = Author::of_instance(actor);
        // Somebody may have taken the name meanwhile.
        let Some((org, id)) = create(auth, user.id, (name, &user.email), &by, now).await? else {
            return Ok(Err(Unfounded { name: true, owner: false }));
        };
        Ok(Ok(Founded { org, id, owner: user.email.clone() }))
    }

    /// Makes another organization, where everybody may; the session goes on there, under the token that is given back.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn create_organization(
        &self,
        account: &Account,
        ticket: &Ticket,
        name: &str,
        by: &Author,
        now: Timestamp,
    ) -> Result<Result<Ticket, Created>, LoginError> {
        let mut auth = self.pools.auth().await?;
        let own = organizations::of_user(&mut auth, account.user, now).await?;
        if !self.may_create() || own.iter().filter(|joined| joined.through.is_none()).count() >= MOST {
            return Ok(Err(Created::Nobody));
        }
        let by = Author { org: None, ..by.clone() };
        let Some((org, _)) = create(&mut auth, account.user, (name, &account.email), &by, now).await? else {
            return Ok(Err(Created::Name));
        };
        let new = Ticket::new()?;
        if !sessions::choose(&mut auth, &ticket.hash(), &new.hash(), org).await? {
            return Ok(Err(Created::Nobody));
        }
        auth.commit().await?;
        Ok(Ok(new))
    }

    /// Whether who has an account may make an organization.
    pub fn may_create(&self) -> bool {
        self.settings.mode == LoginMode::Open
    }

    /// Whether an organization wants a second factor of its members.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn wants_second_factor(&self, org: OrgKey) -> Result<bool, StoreError> {
        organizations::wants_second_factor(&mut self.pools.auth().await?, org).await
    }

    /// What the operator lets an organization have.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn limits(&self, org: OrgKey) -> Result<Limits, StoreError> {
        limits::get(&mut self.pools.auth().await?, org).await
    }

    /// Asks members for a second factor from now on, or no more. Who asks for it has one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn want_second_factor(
        &self,
        acting: Acting<'_>,
        wanted: bool,
        now: Timestamp,
    ) -> Result<Asked, LoginError> {
        let mut auth = self.pools.auth().await?;
        if wanted && !second_factors::is_wanted(&mut auth, acting.user).await? {
            return Ok(Asked::NoneOfOnesOwn);
        }
        put_second_factor(auth, acting.org, acting.author, wanted, now).await?;
        Ok(Asked::Done)
    }

    /// The same, for whoever runs the instance and signs in nowhere.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_second_factor(
        &self,
        org: OrgKey,
        by: &Author,
        wanted: bool,
        now: Timestamp,
    ) -> Result<(), LoginError> {
        put_second_factor(self.pools.auth().await?, org, by, wanted, now).await
    }
}

async fn put_second_factor(
    mut auth: Auth,
    org: OrgKey,
    by: &Author,
    wanted: bool,
    now: Timestamp,
) -> Result<(), LoginError> {
    if let Some(id) = organizations::want_second_factor(&mut auth, org, wanted, now).await? {
        note(&mut auth, by, "organization.second_factor", id, json!({ "wanted": wanted }), now).await?;
        auth.commit().await?;
    }
    Ok(())
}

/// Makes an organization and its owner. None when the name cannot be.
async fn create(
    auth: &mut Auth,
    user: UserKey,
    (name, email): (&str, &str),
    by: &Author,
    now: Timestamp,
) -> Result<Option<(OrgKey, Uuid)>, StoreError> {
    if !fits_name(name) {
        return Ok(None);
    }
    let Some((org, id)) = organizations::insert(auth, name, now).await? else { return Ok(None) };
    members::add(auth, org, user, Standing::for_good(Role::Owner), now).await?;
    note(auth, by, "organization.add", id.0, json!({ "name": name, "owner": email }), now).await?;
    Ok(Some((org, id.0)))
}
