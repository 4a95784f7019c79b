//! Service members: made for programs, so that what they run on stays when people go. Nobody signs in as one; who manages members
//! makes its keys, which end with it and not with their maker.

use picket_shared::time::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::api_key::{MOST_KEYS, Made, Reach, Unmade, Wish, fits, within};
use super::members::{Acting, standing, written};
use super::{LoginError, Porter, note};
use crate::domain::access::Role;
use crate::domain::account_mail::About;
use crate::domain::members::{Refused, Standing, may_invite};
use crate::store::api_keys::{self, NewKey};
use crate::store::{Scoped, members, organizations, services, users};
use crate::vault::api_key::ApiKey;

/// Most service members of an organization.
pub const MOST: usize = 100;
/// Most characters of a name.
pub const MAX_NAME: usize = 100;

/// How making one went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// It is there, by this name outside.
    Done(Uuid),
    /// The name is empty, too long, or has more than one line.
    Name,
    /// Another service member is called so.
    Taken,
    /// There are too many.
    TooMany,
    /// It cannot be.
    Refused(Refused),
}

impl Porter {
    /// Makes a service member, for good or until then.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_service(
        &self,
        acting: Acting<'_>,
        name: &str,
        is: Standing,
        now: Timestamp,
    ) -> Result<Served, LoginError> {
        let name = name.trim();
        if !(1..=MAX_NAME).contains(&name.chars().count()) || name.chars().any(char::is_control) {
            return Ok(Served::Name);
        }
        let mut auth = self.pools.auth().await?;
        members::lock(&mut auth, acting.org).await?;
        let Some(by) = standing(&mut auth, acting, now).await? else { return Ok(Served::Refused(Refused::Right)) };
        let past = is.until.is_some_and(|until| until <= now);
        let judged = may_invite(by, is).and(match is.role {
            Role::Owner => Err(Refused::Service),
            _ if past => Err(Refused::Past),
            _ => Ok(()),
        });
        if let Err(refused) = judged {
            return Ok(Served::Refused(refused));
        }
        if members::list(&mut auth, acting.org).await?.iter().filter(|row| row.service).count() >= MOST {
            return Ok(Served::TooMany);
        }
        let Some((user, id)) = services::insert(&mut auth, acting.org, name, now).await? else {
            return Ok(Served::Taken);
        };
        members::add(&mut auth, acting.org, user, is, now).await?;
        let detail = json!({ "service": name, "role": is.role.as_str(), "until": written(is.until) });
        note(&mut auth, acting.author, "member.add_service", id, detail, now).await?;
        auth.commit().await?;
        Ok(Served::Done(id))
    }

    /// Makes a key for a service member, and tells the owners and who makes it. It does no more than the service member's role
    /// allows, and has no more than who makes it gives. None when there is no such service member.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn make_service_key(
        &self,
        mut scoped: Scoped,
        acting: Acting<'_>,
        id: Uuid,
        (wish, reach): (&Wish, &Reach),
        now: Timestamp,
    ) -> Result<Option<Result<Made, Unmade>>, LoginError> {
        let mut auth = self.pools.auth().await?;
        let found = members::find(&mut auth, acting.org, id).await?;
        let Some(row) = found.filter(|row| row.service) else { return Ok(None) };
        let limits = match fits(row.role, wish).and_then(|()| within(wish, reach, now)) {
            Ok(limits) => limits,
            Err(unmade) => return Ok(Some(Err(unmade))),
        };
        if api_keys::list(&mut scoped, Some(row.user)).await?.len() >= MOST_KEYS {
            return Ok(Some(Err(Unmade::TooMany)));
        }
        let key = ApiKey::new()?;
        let new = NewKey {
            user: row.user,
            service: Some(&row.called),
            public_id: key.id(),
            hash: key.hash(),
            name: &wish.name,
            scopes: &wish.scopes,
            networks: &limits.networks,
            expires_at: limits.expires_at,
        };
        api_keys::insert(&mut scoped, &new, now).await?;
        let organization = organizations::name(&mut auth, acting.org).await?.unwrap_or_default();
        let owners = members::list(&mut auth, acting.org).await?.into_iter().filter(|row| row.role == Role::Owner);
        let mut told: Vec<_> = owners.map(|row| (row.user, row.called)).collect();
        let maker = users::by_key(&mut auth, acting.user).await?.map(|maker| (maker.id, maker.email));
        told.extend(maker.filter(|(user, _)| !told.iter().any(|(other, _)| other == user)));
        for (user, to) in told {
            let about = About::ServiceKeyAdded {
                at: now,
                name: wish.name.clone(),
                service: row.called.clone(),
                organization: organization.clone(),
            };
            self.tell(&mut auth, Some(user), &to, about, now).await?;
        }
        // First the mails, as with keys of people.
        auth.commit().await?;
        scoped.commit().await?;
        Ok(Some(Ok(Made::of(&key))))
    }
}
