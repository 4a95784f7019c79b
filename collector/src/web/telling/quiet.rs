//! Quiet hours of a channel and whose own it is, as bodies and forms say them.

use picket_shared::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{People, Wrong, rota, unfit};
use crate::domain::incident::Severity;
use crate::domain::telling::quiet::Quiet;
use crate::domain::zone::{UnknownZone, Zone};
use crate::store::channels::ChannelRow;
use crate::store::policies::{self, Manner};
use crate::store::{ChannelKey, Scoped, StoreError, UserKey};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    zone: String,
    hours: Vec<Value>,
    passes: Option<String>,
}

/// Reads a body.
///
/// # Errors
/// Every field that cannot be.
pub fn read(body: &Value) -> Result<Quiet, Vec<Wrong>> {
    let body = Body::deserialize(body).map_err(|error| vec![("quiet".to_owned(), error.to_string())])?;
    let mut wrong: Vec<Wrong> = Vec::new();
    let zone: Zone = body.zone.parse().unwrap_or_else(|error: UnknownZone| {
        wrong.push(("quiet.zone".to_owned(), error.to_string()));
        Zone::utc()
    });
    let hours = rota::hours(&body.hours).unwrap_or_else(|found| {
        wrong.extend(found.into_iter().map(|(at, says)| (format!("quiet.{at}"), says)));
        Vec::new()
    });
    let passes = body.passes.as_deref().map(str::parse::<Severity>).transpose().unwrap_or_else(|error| {
        wrong.push(("quiet.passes".to_owned(), error.to_string()));
        None
    });
    let quiet = Quiet { zone, hours, passes };
    if wrong.is_empty() {
        wrong.extend(unfit(quiet.check()));
    }
    if wrong.is_empty() { Ok(quiet) } else { Err(wrong) }
}

/// How the channels of an organization are told.
#[derive(Clone, Debug)]
pub struct Manners {
    all: Vec<Manner>,
    people: People,
}

impl Manners {
    /// Of every channel.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn of(scoped: &mut Scoped, people: People) -> Result<Self, StoreError> {
        Ok(Self { all: policies::manners(scoped).await?, people })
    }

    /// When a channel is quiet.
    pub fn quiet(&self, channel: ChannelKey) -> Option<&Quiet> {
        self.find(channel)?.quiet.as_ref()
    }

    /// Whose own it is: the member's row.
    pub fn member(&self, channel: ChannelKey) -> Option<UserKey> {
        self.find(channel)?.member
    }

    /// Whether it is a member's own, even of one who left.
    pub fn is_personal(&self, channel: ChannelKey) -> bool {
        self.find(channel).is_some_and(|manner| manner.is_personal)
    }

    /// The members of the organization.
    pub const fn people(&self) -> &People {
        &self.people
    }

    fn find(&self, channel: ChannelKey) -> Option<&Manner> {
        self.all.iter().find(|manner| manner.channel == channel)
    }
}

/// What somebody wants of a channel; what is none stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// When it is to be quiet, or that it is not to be.
    pub quiet: Option<Option<Quiet>>,
    /// Whose own it is to be, or that it is the organization's.
    pub member: Option<Option<(UserKey, Uuid)>>,
}

/// Does what differs; the caller commits. False when the channel was removed meanwhile.
///
/// # Errors
/// When the database fails.
pub async fn apply(
    scoped: &mut Scoped,
    row: &ChannelRow,
    manners: &Manners,
    change: &Change,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if let Some(quiet) = &change.quiet
        && quiet.as_ref() != manners.quiet(row.key)
        && !policies::set_quiet(scoped, row, quiet.as_ref(), now).await?
    {
        return Ok(false);
    }
    if let Some(member) = change.member
        && (member.map(|(key, _)| key), member.is_some()) != (manners.member(row.key), manners.is_personal(row.key))
    {
        return policies::set_member(scoped, row, member, now).await;
    }
    Ok(true)
}
