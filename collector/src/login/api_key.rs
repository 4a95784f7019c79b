//! Programs let in by an API key, and the making of one.
//!
//! A key stands for one user in one organization. What it may do is asked anew with each request: its scopes, and the role
//! that its user has now. Without the membership there is no key.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;
use serde_json::json;

use super::session::Member;
use super::{LoginError, Porter};
use crate::domain::access::{Right, Role};
use crate::domain::account_mail::About;
use crate::store::api_keys::{self, HolderRow, NewKey};
use crate::store::audit::{self, Author};
use crate::store::{Scoped, StoreError};
use crate::vault::api_key::ApiKey;

/// How exactly the last use is kept: a write a minute is enough.
const USED_EVERY: Duration = Duration::from_secs(60);
/// That a key was used from elsewhere is not said again for so long.
const AGAIN: Duration = Duration::from_secs(3600);
/// Most keys that a member has at a time.
pub const MOST_KEYS: usize = 50;
/// Most networks that a key names.
pub const MOST_NETWORKS: usize = 50;
/// Most days until a key ends.
pub const MOST_DAYS: u64 = 3_660;

/// Who holds a key that works.
#[derive(Clone, Debug)]
pub struct Holder {
    /// For whom it stands.
    pub member: Member,
    /// Whether that is a service member: its name is in the place of the address.
    pub service: bool,
    /// Its id.
    pub key: String,
    /// Its scopes.
    pub scopes: Vec<Right>,
    /// From where it works; from anywhere if empty.
    pub networks: Vec<IpNet>,
    /// When it ends, if it does by itself.
    pub expires_at: Option<Timestamp>,
}

impl Holder {
    /// Who is behind it, for the audit log.
    pub fn actor(&self) -> String {
        let kind = if self.service { "service" } else { "user" };
        format!("key:{} {kind}:{}", self.key, self.member.email)
    }

    /// Whether both the key and its user's present role have the right.
    pub fn may(&self, right: Right) -> bool {
        self.scopes.contains(&right) && self.member.may(right)
    }

    /// What a key that this one makes has at most: what it has itself.
    pub fn reach(&self) -> Reach {
        let rights = Right::ALL.iter().copied().filter(|right| self.may(*right)).collect();
        Reach { rights, networks: self.networks.clone(), expires_at: self.expires_at }
    }
}

/// What a key has at most, by who or what makes it.
#[derive(Clone, Debug)]
pub struct Reach {
    /// What it may do.
    pub rights: Vec<Right>,
    /// From where it works; from anywhere if empty.
    pub networks: Vec<IpNet>,
    /// When it ends, if it must.
    pub expires_at: Option<Timestamp>,
}

impl Reach {
    /// That of a person with these rights: from anywhere, for good.
    pub fn of(may: impl Fn(Right) -> bool) -> Self {
        let rights = Right::ALL.iter().copied().filter(|right| may(*right)).collect();
        Self { rights, networks: Vec::new(), expires_at: None }
    }
}

/// A key that was made.
#[derive(Debug)]
pub struct Made {
    /// What names it.
    pub id: String,
    /// The key, this once: only its hash is stored.
    pub key: SecretString,
}

/// Why a key lets nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It has not the form of a key or its checksum is wrong; the database was not asked.
    Malformed,
    /// There is no such key, or it was revoked, or whom it stood for is gone.
    Unknown,
    /// It ended by itself.
    Expired,
    /// It works, but not from there.
    Elsewhere,
}

/// What somebody wants a key to be.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What to call it.
    pub name: String,
    /// What it may do at most.
    pub scopes: Vec<Right>,
    /// After how long it ends, if it does by itself.
    pub life: Option<Duration>,
    /// From where it works; from anywhere if empty.
    pub networks: Vec<IpNet>,
}

/// Why a key cannot be as somebody wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmade {
    /// The name is empty, too long, or has more than one line.
    Name,
    /// No scope is chosen.
    NoScope,
    /// A scope is chosen that the role does not include, or that its maker has not.
    BeyondRole(Right),
    /// It would work from where its maker does not.
    BeyondNetworks(IpNet),
    /// It would outlive its maker, which ends then.
    BeyondEnd(Timestamp),
    /// Too many networks.
    Networks,
    /// The life is too long.
    Life,
    /// Too many keys.
    TooMany,
}

impl Porter {
    /// Who holds this key, and may use it from this address.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn admit(&self, text: &str, from: IpAddr, now: Timestamp) -> Result<Result<Holder, Refusal>, StoreError> {
        let Some(key) = ApiKey::parse(text) else { return Ok(Err(Refusal::Malformed)) };
        let mut auth = self.pools.auth().await?;
        let found = api_keys::holder(&mut auth, key.id(), now).await?;
        let Some(row) = found.filter(|row| key.is(&row.key_hash) && row.revoked_at.is_none()) else {
            return Ok(Err(Refusal::Unknown));
        };
        if row.expires_at.is_some_and(|at| at <= now.micros()) {
            return Ok(Err(Refusal::Expired));
        }
        if !works_from(&row.networks, from) {
            // Whoever has the key has it from somewhere: its organization learns of it.
            let by = Author {
                org: Some(row.org_id),
                actor: format!("key:{}", key.id()),
                origin: Some(from.to_canonical().to_string()),
            };
            let entry = by.did("key.refuse", key.id(), json!({ "why": "network" }), now);
            audit::append_once(&mut auth, &entry, now - AGAIN).await?;
            auth.commit().await?;
            return Ok(Err(Refusal::Elsewhere));
        }
        if row.last_used_at.is_none_or(|at| now.since(Timestamp::from_micros(at)) >= USED_EVERY) {
            api_keys::used(&mut auth, row.id, now).await?;
            auth.commit().await?;
        }
        holder(&key, row).map(Ok)
    }

    /// Makes a key for a member within what its maker gives at most, and tells its user.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn make_key(
        &self,
        mut scoped: Scoped,
        member: &Member,
        (wish, reach): (&Wish, &Reach),
        now: Timestamp,
    ) -> Result<Result<Made, Unmade>, LoginError> {
        let limits = match fits(member.role, wish).and_then(|()| within(wish, reach, now)) {
            Ok(limits) => limits,
            Err(unmade) => return Ok(Err(unmade)),
        };
        if api_keys::list(&mut scoped, Some(member.user)).await?.len() >= MOST_KEYS {
            return Ok(Err(Unmade::TooMany));
        }
        let key = ApiKey::new()?;
        let new = NewKey {
            user: member.user,
            service: None,
            public_id: key.id(),
            hash: key.hash(),
            name: &wish.name,
            scopes: &wish.scopes,
            networks: &limits.networks,
            expires_at: limits.expires_at,
        };
        api_keys::insert(&mut scoped, &new, now).await?;
        // First the mail: a mail about a key that then failed does less harm than a key of which nobody was told.
        let mut auth = self.pools.auth().await?;
        let about = About::KeyAdded { at: now, name: wish.name.clone() };
        self.tell(&mut auth, Some(member.user), &member.email, about, now).await?;
        auth.commit().await?;
        scoped.commit().await?;
        Ok(Ok(Made::of(&key)))
    }
}

impl Made {
    pub(super) fn of(key: &ApiKey) -> Self {
        Self { id: key.id().to_owned(), key: SecretString::new(key.expose().to_owned()) }
    }
}

fn holder(key: &ApiKey, row: HolderRow) -> Result<Holder, StoreError> {
    let unreadable = StoreError::Inconsistent { table: "memberships", column: "role", row: row.user_id.0 };
    let role = row.role.parse().map_err(|_| unreadable)?;
    let member = Member {
        user: row.user_id,
        id: row.uuid,
        email: row.called,
        org: row.org_id,
        org_name: row.org_name,
        others: Vec::new(),
        role,
        // A key goes with a membership: there is none for who acts here through another organization.
        through: None,
        manages: false,
        lacks_factor: row.lacks_factor,
        proven_at: None,
    };
    Ok(Holder {
        member,
        service: row.service,
        key: key.id().to_owned(),
        scopes: api_keys::rights(&row.scopes),
        networks: row.networks.iter().filter_map(|text| text.parse().ok()).collect(),
        expires_at: row.expires_at.map(Timestamp::from_micros),
    })
}

/// Whether an address is in one of the networks. What cannot be read as a network admits nobody.
fn works_from(networks: &[String], from: IpAddr) -> bool {
    let from = from.to_canonical();
    networks.is_empty() || networks.iter().any(|text| text.parse().is_ok_and(|network: IpNet| network.contains(&from)))
}

/// Whether a key can be so, for who has this role.
pub(super) fn fits(role: Role, wish: &Wish) -> Result<(), Unmade> {
    let length = wish.name.chars().count();
    if !(1..=200).contains(&length) || wish.name.chars().any(char::is_control) {
        return Err(Unmade::Name);
    }
    if wish.scopes.is_empty() {
        return Err(Unmade::NoScope);
    }
    if let Some(right) = wish.scopes.iter().find(|right| !role.may(**right)) {
        return Err(Unmade::BeyondRole(*right));
    }
    if wish.networks.len() > MOST_NETWORKS {
        return Err(Unmade::Networks);
    }
    let longest = Duration::from_secs(MOST_DAYS * 86_400);
    if wish.life.is_some_and(|life| life.is_zero() || life > longest) { Err(Unmade::Life) } else { Ok(()) }
}

/// From where and until when a key works: as wished or, where nothing is wished, as its maker does; never beyond that.
pub(super) fn within(wish: &Wish, reach: &Reach, now: Timestamp) -> Result<Limits, Unmade> {
    if let Some(right) = wish.scopes.iter().find(|right| !reach.rights.contains(right)) {
        return Err(Unmade::BeyondRole(*right));
    }
    let covers = |network: &IpNet| reach.networks.iter().any(|known| known.contains(network));
    let networks = if wish.networks.is_empty() { &reach.networks } else { &wish.networks };
    if let Some(network) = networks.iter().find(|network| !reach.networks.is_empty() && !covers(network)) {
        return Err(Unmade::BeyondNetworks(*network));
    }
    let expires_at = wish.life.map(|life| now + life).or(reach.expires_at);
    match reach.expires_at {
        Some(end) if expires_at.is_none_or(|at| at > end) => Err(Unmade::BeyondEnd(end)),
        _ => Ok(Limits { networks: networks.clone(), expires_at }),
    }
}

/// From where and until when a key works.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) networks: Vec<IpNet>,
    pub(super) expires_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_a_key_makes_goes_beyond_it_in_nothing() {
        let now = Timestamp::from_micros(1_000_000);
        let networks = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpNet>>();
        let days = |days: u64| Duration::from_secs(days * 86_400);
        let wish = |life: Option<Duration>, texts: &[&str]| Wish {
            name: "k".to_owned(),
            scopes: vec![Right::MonitorsRead],
            life,
            networks: networks(texts),
        };
        let reach = Reach {
            rights: vec![Right::MonitorsRead],
            networks: networks(&["198.51.100.0/24", "2001:db8::/32"]),
            expires_at: Some(now + days(30)),
        };
        let same = Limits { networks: reach.networks.clone(), expires_at: reach.expires_at };
        assert_eq!(within(&wish(None, &[]), &reach, now), Ok(same));
        let less = Limits { networks: networks(&["198.51.100.128/25"]), expires_at: Some(now + days(29)) };
        assert_eq!(within(&wish(Some(days(29)), &["198.51.100.128/25"]), &reach, now), Ok(less));
        for wider in ["198.51.0.0/16", "203.0.113.0/24", "::/0"] {
            let beyond = Err(Unmade::BeyondNetworks(wider.parse().unwrap()));
            assert_eq!(within(&wish(None, &["198.51.100.0/25", wider]), &reach, now), beyond);
        }
        assert_eq!(within(&wish(Some(days(31)), &[]), &reach, now), Err(Unmade::BeyondEnd(now + days(30))));
        let more = Wish { scopes: vec![Right::MonitorsWrite], ..wish(None, &[]) };
        assert_eq!(within(&more, &reach, now), Err(Unmade::BeyondRole(Right::MonitorsWrite)));
        let person = Reach::of(|right| right == Right::MonitorsRead);
        let free = Limits { networks: Vec::new(), expires_at: None };
        assert_eq!(within(&wish(None, &[]), &person, now), Ok(free));
    }

    #[test]
    fn a_key_works_from_its_networks_alone() {
        let works = |networks: &[&str], from: &str| {
            works_from(&networks.iter().map(ToString::to_string).collect::<Vec<_>>(), from.parse().unwrap())
        };
        assert!(works(&[], "203.0.113.9"));
        assert!(works(&["198.51.100.0/24", "2001:db8::/32"], "2001:db8::1"));
        assert!(works(&["198.51.100.0/24"], "::ffff:198.51.100.7"));
        assert!(!works(&["198.51.100.0/24"], "198.51.101.1") && !works(&["nonsense"], "198.51.100.1"));
    }
}
