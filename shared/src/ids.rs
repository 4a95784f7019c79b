//! Newtypes for every identifier, so that a probe's id can never stand where a monitor's belongs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::time::Timestamp;

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new identifier that sorts by the time given (UUIDv7, RFC 9562 section 5.7).
            pub fn at(time: Timestamp) -> Self {
                Self(uuid_v7(time))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )+};
}

uuid_ids! {
    /// One Picket installation; the audience of every token a probe signs.
    CollectorId,
    /// One collector's process, as it leads or stands by.
    TermId,
    /// A tenant.
    OrgId,
    /// A person who signs in.
    UserId,
    /// A browser in which somebody is signed in.
    SessionId,
    /// An invitation into an organization.
    InvitationId,
    /// A breach of personal data.
    BreachId,
    /// An export that was asked for, or a piece of it.
    ExportId,
    /// An erasure of somebody without an account.
    ErasureId,
    /// A consent by which an organization is managed by another.
    ManagementId,
    /// A time for which somebody may administer the instance.
    GrantId,
    /// A mail about an account.
    AccountMailId,
    /// A process that runs checks, in exactly one region.
    ProbeId,
    /// One start of a probe; a newer boot of the same probe supersedes it.
    BootId,
    /// An escalation policy.
    PolicyId,
    /// A schedule of who is on call.
    ScheduleId,
    /// A time for which somebody stands in on a schedule.
    OverrideId,
    /// What is watched.
    MonitorId,
    /// A batch of outcomes; its embedded time is when the batch was cut.
    BatchId,
    /// A request by the judge for a check at once.
    RecheckId,
    /// What a person asked to be checked now, in one region or several.
    ManualId,
    /// From a monitor's first failing check to its first good one.
    IncidentId,
    /// A window of maintenance.
    MaintenanceId,
    /// One configured way to tell people.
    ChannelId,
    /// One message to one channel.
    DeliveryId,
}

impl BatchId {
    /// When the batch was cut, to the millisecond; `None` unless this is a UUIDv7.
    pub fn cut_at(&self) -> Option<Timestamp> {
        if self.0.get_version_num() != 7 {
            return None;
        }
        let (seconds, nanos) = self.0.get_timestamp()?.to_unix();
        let seconds = i64::try_from(seconds).ok()?;
        Some(Timestamp::from_micros(seconds.checked_mul(1_000_000)? + i64::from(nanos / 1_000)))
    }
}

fn uuid_v7(time: Timestamp) -> Uuid {
    let micros = u64::try_from(time.micros()).unwrap_or(0);
    let nanos = u32::try_from(micros % 1_000_000 * 1_000).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, micros / 1_000_000, nanos))
}

/// The name of one place from which checks run, and the unit of voting: `us-east`, `eu-1`.
///
/// 1 to 32 of `a-z`, `0-9` and `-`, beginning with a letter and not ending with a hyphen.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Region(String);

/// Why a text is no region name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a region name: use 1 to 32 of a-z, 0-9 and -, beginning with a letter, such as us-east")]
pub struct InvalidRegion(String);

impl Region {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Region {
    type Err = InvalidRegion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let well_formed = (1..=32).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.ends_with('-')
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if well_formed { Ok(Self(text.to_owned())) } else { Err(InvalidRegion(text.chars().take(64).collect())) }
    }
}

impl TryFrom<String> for Region {
    type Error = InvalidRegion;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Region> for String {
    fn from(region: Region) -> Self {
        region.0
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Region({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_id_tells_when_it_was_cut_to_the_millisecond() {
        let time = Timestamp::from_micros(1_790_000_000_123_456);
        assert_eq!(BatchId::at(time).cut_at(), Some(Timestamp::from_micros(1_790_000_000_123_000)));
        assert_eq!(BatchId(Uuid::new_v4()).cut_at(), None);
    }

    #[test]
    fn region_names_are_plain() {
        for good in ["eu", "us-east", "ap-1"] {
            assert_eq!(good.parse::<Region>().map(|r| r.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "EU", "1a", "a-", "a_b", "é", &"a".repeat(33)] {
            assert!(bad.parse::<Region>().is_err(), "{bad:?}");
        }
    }
}
