//! Managing channels, for pages and commands alike: settings are read, sealed and stored; proofs begin and end.
//!
//! Nothing here is sent: proofs and tests are rows that `flow::deliver` takes, and [`answer()`] waits for what came of one.
//! Every function but [`verify`] leaves the commit to its caller.

mod answer;
mod proof;

use std::time::Duration;

use picket_shared::ids::{ChannelId, DeliveryId};
use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;
use serde_json::json;

use crate::notify::Settings;
use crate::notify::channels::{Form, InvalidSettings, Kind, webhook};
use crate::store::audit::{self, Author};
use crate::store::channel_keys;
use crate::store::channels::{self, ChannelRow, NewChannel, SealedParts};
use crate::store::deliveries::{self, WithoutNotice};
use crate::store::residency::{self, Keeping};
use crate::store::{Auth, OrgKey, Scoped, StoreError};
use crate::vault::{Class, Sealer, VaultError};

pub use answer::answer;
pub use proof::{Begun, Verdict, prove, trust, verify};

/// Why a channel cannot be as somebody wants it, for a person.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// Fields cannot be.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Settings(Vec<InvalidSettings>),
    /// The name cannot be.
    #[error("name: use 1 to 200 characters on one line")]
    Name,
    /// Another channel is called so.
    #[error("a channel is called {0:?} already: choose another name")]
    NameTaken(String),
    /// The organization keeps to the EU, and the provider is not known to be there.
    #[error(
        "this organization keeps to the EU, and {0} is not known to be there: choose its region in the EU if it has one, or another kind of \
         channel"
    )]
    Abroad(&'static str),
    /// It was removed meanwhile, or is of a kind that this version does not know.
    #[error("this channel is not there any more: look at the list of channels")]
    Gone,
    /// Only what is verified is sent a test.
    #[error("{0} is not verified yet: verify it first; that shows too whether messages reach it")]
    NotVerified(String),
    /// There is no key to be rotated.
    #[error("{0} is signed by no key of Picket's: only webhooks are")]
    SignsNothing(String),
    /// Two keys for good would be none that is rotated.
    #[error("the former secret may sign for 30 days at most: give a shorter time")]
    FormerKeyLife,
    /// There is nothing to be verified.
    #[error("{0} has no destination: give it settings first")]
    Unset(String),
    /// So many messages were asked for that it has to wait.
    #[error("enough messages were asked for: the next can be at {0:.0}")]
    Wait(Timestamp),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key ring.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// For so long the former secret of a webhook may sign too, at most.
pub const FORMER_KEY_LIFE: Duration = Duration::from_secs(30 * 86_400);

/// A channel that was made, or given other settings.
#[derive(Debug)]
pub struct Made {
    /// The channel.
    pub row: ChannelRow,
    /// The signing secret, if one was made: show it, this once.
    pub secret: Option<SecretString>,
}

/// Makes a channel; it is told nothing before it was verified: go on with [`prove`].
///
/// # Errors
/// Every field that cannot be, with what would be right; that the name is taken; that the organization keeps to the EU and the provider
/// does not; that the database fails.
pub async fn add(
    scoped: &mut Scoped,
    sealer: &Sealer,
    (kind, form): (Kind, &Form),
    (name, minimal): (Option<&str>, bool),
    now: Timestamp,
) -> Result<Made, ChannelError> {
    let settings = Settings::parse(kind, form).map_err(ChannelError::Settings)?;
    let name = checked(name.map_or_else(|| settings.name(), ToOwned::to_owned))?;
    let org = scoped.org();
    let abroad = allowed(&settings, residency::of(scoped, org).await?)?;
    let id = ChannelId::at(now);
    let sealed = seal(sealer, id, &settings)?;
    let new = NewChannel { id, name: &name, kind: kind.as_str(), hint: &settings.hint(), abroad, minimal };
    channels::insert(scoped, &new, &sealed, now).await.map_err(|error| taken(error, &name))?;
    let row = channels::get(scoped, id).await?.ok_or(ChannelError::Gone)?;
    Ok(Made { row, secret: settings.made(form).cloned() })
}

/// A channel of an organization that is being made.
#[derive(Debug)]
pub struct First {
    /// What it is called.
    pub name: String,
    /// Whom it reaches, shortened.
    pub hint: String,
    /// The signing secret, if one was made: show it, this once.
    pub secret: Option<SecretString>,
}

/// Makes a channel of an organization that is being made; it is told nothing before somebody there verified it.
///
/// # Errors
/// Every field that cannot be, with what would be right; that the name is taken; that the database fails.
pub async fn add_first(
    auth: &mut Auth,
    org: OrgKey,
    sealer: &Sealer,
    (kind, form): (Kind, &Form),
    name: Option<&str>,
    by: &Author,
    now: Timestamp,
) -> Result<First, ChannelError> {
    let settings = Settings::parse(kind, form).map_err(ChannelError::Settings)?;
    let name = checked(name.map_or_else(|| settings.name(), ToOwned::to_owned))?;
    let abroad = allowed(&settings, residency::of(auth, org).await?)?;
    let (id, hint) = (ChannelId::at(now), settings.hint());
    let sealed = seal(sealer, id, &settings)?;
    let new = NewChannel { id, name: &name, kind: kind.as_str(), hint: &hint, abroad, minimal: false };
    channels::insert_first(auth, org, &new, &sealed, by, now).await.map_err(|error| taken(error, &name))?;
    Ok(First { secret: settings.made(form).cloned(), name, hint })
}

/// Gives a channel other settings, all of them, as those that are there are never shown; it has to be verified anew: go on
/// with [`prove`].
///
/// # Errors
/// Every field that cannot be, with what would be right; that it is gone; that the database fails.
pub async fn edit(
    scoped: &mut Scoped,
    sealer: &Sealer,
    row: &ChannelRow,
    form: &Form,
    now: Timestamp,
) -> Result<Made, ChannelError> {
    let kind = Kind::parse(&row.kind).ok_or(ChannelError::Gone)?;
    let settings = Settings::parse(kind, form).map_err(ChannelError::Settings)?;
    let org = scoped.org();
    let abroad = allowed(&settings, residency::of(scoped, org).await?)?;
    let sealed = seal(sealer, row.id, &settings)?;
    if !channels::replace_settings(scoped, row, (&settings.hint(), abroad), &sealed, now).await? {
        return Err(ChannelError::Gone);
    }
    let row = channels::get(scoped, row.id).await?.ok_or(ChannelError::Gone)?;
    Ok(Made { row, secret: settings.made(form).cloned() })
}

/// Gives a channel another signing secret, which is shown this once; the former one signs too for so long. It stays verified.
///
/// # Errors
/// That channels of its kind do not sign; that it has no destination; that it is gone; that the database fails.
pub async fn rotate(
    scoped: &mut Scoped,
    sealer: &Sealer,
    row: &ChannelRow,
    former_for: Duration,
    now: Timestamp,
) -> Result<SecretString, ChannelError> {
    if !Kind::parse(&row.kind).is_some_and(Kind::signs) {
        return Err(ChannelError::SignsNothing(row.name.clone()));
    }
    if former_for > FORMER_KEY_LIFE {
        return Err(ChannelError::FormerKeyLife);
    }
    if row.unset.is_some() {
        return Err(ChannelError::Unset(row.name.clone()));
    }
    let secret = webhook::make_secret().map_err(|wrong| ChannelError::Settings(vec![wrong]))?;
    let sealed = sealer.seal(Class::WebhookKey, row.id.0.as_bytes(), secret.expose().as_bytes())?;
    if channel_keys::rotate(scoped, row, &sealed, now + former_for, now).await? {
        Ok(secret)
    } else {
        Err(ChannelError::Gone)
    }
}

/// Gives a channel another name.
///
/// # Errors
/// That the name cannot be or is taken; that the channel is gone; that the database fails.
pub async fn rename(scoped: &mut Scoped, row: &ChannelRow, name: &str, now: Timestamp) -> Result<(), ChannelError> {
    let name = checked(name.trim().to_owned())?;
    let renamed = channels::rename(scoped, row, &name, now).await.map_err(|error| taken(error, &name))?;
    if renamed { Ok(()) } else { Err(ChannelError::Gone) }
}

/// Says whether the messages to a channel name nothing that is watched; it stays verified.
///
/// # Errors
/// That the channel is gone; that the database fails.
pub async fn set_minimal(
    scoped: &mut Scoped,
    row: &ChannelRow,
    minimal: bool,
    now: Timestamp,
) -> Result<(), ChannelError> {
    if channels::set_minimal(scoped, row, minimal, now).await? { Ok(()) } else { Err(ChannelError::Gone) }
}

/// Makes a test message for a verified channel; [`answer()`] tells what came of it.
///
/// # Errors
/// That it is not verified, or was sent enough tests; that the database fails.
pub async fn test(scoped: &mut Scoped, row: &ChannelRow, now: Timestamp) -> Result<DeliveryId, ChannelError> {
    if row.verified_at.is_none() {
        return Err(ChannelError::NotVerified(row.name.clone()));
    }
    proof::throttle(scoped, row.key, WithoutNotice::Test, now).await?;
    let id = DeliveryId::at(now);
    deliveries::insert_without_notice(scoped, row.key, id, WithoutNotice::Test, now).await?;
    audit::note(scoped, "channel.test", row.id.0, json!({ "name": row.name }), now).await?;
    Ok(id)
}

/// The provider, where it is not known to be in the EU; refused where the organization keeps to it.
fn allowed(settings: &Settings, keeping: Keeping) -> Result<Option<&'static str>, ChannelError> {
    match settings.abroad() {
        Some(provider) if keeping.holds() => Err(ChannelError::Abroad(provider)),
        abroad => Ok(abroad),
    }
}

fn seal(sealer: &Sealer, id: ChannelId, settings: &Settings) -> Result<SealedParts, ChannelError> {
    // Serialising cannot fail: every part is text.
    let plain = SecretString::new(serde_json::to_string(settings).map_err(|_| ChannelError::Gone)?);
    let hook = settings
        .hook_secret()
        .map(|secret| sealer.seal(Class::HookSecret, id.0.as_bytes(), secret.expose().as_bytes()));
    let settings = sealer.seal(Class::ChannelSettings, id.0.as_bytes(), plain.expose().as_bytes())?;
    Ok(SealedParts { settings, hook: hook.transpose()? })
}

fn checked(name: String) -> Result<String, ChannelError> {
    let good = !name.is_empty() && name.chars().count() <= 200 && !name.chars().any(char::is_control);
    if good { Ok(name) } else { Err(ChannelError::Name) }
}

fn taken(error: StoreError, name: &str) -> ChannelError {
    match error.constraint() {
        Some("channels_org_name") => ChannelError::NameTaken(name.to_owned()),
        _ => error.into(),
    }
}
