//! Adding probes, for pages and commands alike: a probe is made with its secret, and its token says all that it must know.
//!
//! [`place`] finds the address at which it is to call, from what [`machine`] knows of this machine.

pub mod machine;
pub mod place;

use std::sync::Arc;

use picket_shared::enrolment::EnrolmentToken;
use picket_shared::ids::{CollectorId, ProbeId, Region};
use picket_shared::secret::{Secret, SecretString};
use picket_shared::time::Timestamp;
use serde_json::json;

use crate::config::Config;
use crate::store::audit::{self, Author};
use crate::store::probes::{self, NewProbe};
use crate::store::regions::{self, RegionRow};
use crate::store::{Auth, OrgKey, Pools, StoreError, organizations};
use crate::vault::token::random_bytes;
use crate::vault::{Authority, Class, Sealer, VaultError};
use machine::Machine;
use place::Place;

/// What adding a probe uses. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Desk {
    /// The ways to the database.
    pub pools: Pools,
    /// Seals the probe's secret.
    pub sealer: Sealer,
    /// The audience of the probe's tokens.
    pub collector: CollectorId,
    /// Where probes reach this collector unless told otherwise.
    pub config: Arc<Config>,
}

/// What a person says of a new probe.
#[derive(Clone, Debug)]
pub struct New {
    /// Its region; made when it is new.
    pub region: Region,
    /// The provider or autonomous system that a new region is in; one of its own unless given.
    pub network: Option<String>,
    /// Whether a new region lies in the EU.
    pub eu: bool,
    /// What to call the probe; the region's name unless given.
    pub name: Option<String>,
    /// Where it reaches this collector, if not by the public URL or an address of this machine.
    pub url: Option<String>,
}

/// A probe that was added.
#[derive(Debug)]
pub struct Added {
    /// Who it is.
    pub id: ProbeId,
    /// Where it is.
    pub region: Region,
    /// What it is called.
    pub name: String,
    /// What it is started with: show it, this once.
    pub token: SecretString,
    /// Where it is to call.
    pub place: Place,
    /// The certificate that it must find there, if it is of our own authority.
    pub pin: Option<String>,
}

/// Why no probe was added.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The secret could not be made or sealed, or our own authority not read.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The URL that was given is none.
    #[error("{0:?} is no address of a collector: write it as https://HOST:PORT")]
    Url(String),
    /// There is no address to tell.
    #[error("this machine knows no address of its own that a probe could call: give one, as https://HOST:PORT")]
    Nowhere,
    /// There is no pin to put into the token.
    #[error("the collector has not made its own authority yet: start it once, with `picket-collector serve`")]
    NoAuthority,
    /// An existing region was described otherwise.
    #[error("{0} exists already, in network {1:?}, {2}: leave network and EU out, or choose another name")]
    OtherRegion(Region, String, &'static str),
}

/// Adds a probe, and its region when that is new, as `by` asks.
///
/// # Errors
/// When it could not be done, with what to do instead.
pub async fn add(desk: &Desk, new: New, by: &Author, now: Timestamp) -> Result<Added, AddError> {
    let place = place::find(new.url.as_deref(), &desk.config.http, &Machine::look())?;
    let pin = match place.pinned {
        true => Some(Authority::load(desk.config.keys.directory())?.ok_or(AddError::NoAuthority)?.pin().to_owned()),
        false => None,
    };
    let secret = random_bytes::<32>()?;
    let id = ProbeId::at(now);
    let sealed = desk.sealer.seal(Class::ProbeSecret, id.0.as_bytes(), &secret)?;
    let name = new.name.clone().unwrap_or_else(|| new.region.to_string());
    let mut conn = desk.pools.auth().await?;
    let region = region(&mut conn, &new, by, now).await?;
    let row = NewProbe { id, region: region.key, name: &name, secret: &sealed, url: &place.url };
    probes::insert(&mut conn, row, now).await?;
    let detail = json!({ "name": name, "region": region.code, "url": place.url });
    audit::append(&mut conn, &by.did("probe.add", &id.to_string(), detail, now)).await?;
    conn.commit().await?;
    let token = EnrolmentToken {
        probe: id,
        collector: desk.collector,
        secret: Secret::new(secret.to_vec()),
        url: Some(place.url.clone()),
        pin: pin.clone(),
    };
    Ok(Added { id, region: region.code, name, token: token.to_text(), place, pin })
}

/// Whether an organization runs the instance's probes: the operator's does, which is the first one, made by the set-up link.
///
/// # Errors
/// When the database fails.
pub async fn are_run_by(desk: &Desk, org: OrgKey) -> Result<bool, StoreError> {
    organizations::is_first(&mut desk.pools.auth().await?, org).await
}

/// The region of that name, made when it is new.
async fn region(conn: &mut Auth, new: &New, by: &Author, now: Timestamp) -> Result<RegionRow, AddError> {
    let Some(found) = regions::find(conn, &new.region).await? else {
        // A region that names no network counts as one of its own.
        let network = new.network.as_deref().unwrap_or(new.region.as_str());
        let made = regions::insert(conn, &new.region, network, new.eu, now).await?;
        let detail = json!({ "network": made.network, "eu": made.eu });
        audit::append(conn, &by.did("region.add", made.code.as_str(), detail, now)).await?;
        return Ok(made);
    };
    let same = new.network.as_ref().is_none_or(|network| *network == found.network) && (found.eu || !new.eu);
    if same {
        return Ok(found);
    }
    let place = if found.eu { "in the EU" } else { "outside the EU" };
    Err(AddError::OtherRegion(new.region.clone(), found.network, place))
}

/// Refuses everything from a probe, at once and for ever, as `by` asks. False when there is none of that id, or it was refused already.
///
/// # Errors
/// When the database fails.
pub async fn revoke(desk: &Desk, id: ProbeId, by: &Author, now: Timestamp) -> Result<bool, StoreError> {
    let mut conn = desk.pools.auth().await?;
    let revoked = probes::revoke(&mut conn, id, now).await?;
    if revoked {
        audit::append(&mut conn, &by.did("probe.revoke", &id.to_string(), json!({}), now)).await?;
    }
    conn.commit().await?;
    Ok(revoked)
}
