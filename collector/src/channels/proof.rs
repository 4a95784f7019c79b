//! Proofs: a code of six digits, or an event that the provider accepts. Codes are single, live 15 minutes and 5 tries, and
//! are sent a few times an hour at most; `docs/decisions/0020-what-proves-a-channel.md` says why.

use std::time::Duration;

use picket_shared::ids::DeliveryId;
use picket_shared::time::Timestamp;
use serde_json::json;

use super::ChannelError;
use crate::notify::channels::{Kind, Proof};
use crate::store::audit;
use crate::store::channel_proofs::{self, Guess, StoredCode};
use crate::store::channels::ChannelRow;
use crate::store::deliveries::{self, WithoutNotice};
use crate::store::{ChannelKey, Scoped};
use crate::vault::{Class, Sealer, token};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Within so long at most so many messages: to one channel, to all of an organization.
type Allowed = [(Duration, i64, i64); 2];
/// Nobody has agreed to these yet.
const PROOFS: Allowed = [(HOUR, 5, 20), (DAY, 15, 60)];
const TESTS: Allowed = [(HOUR, 20, 60), (DAY, 100, 300)];

/// A proof that has begun.
#[derive(Clone, Debug)]
pub struct Begun {
    /// The message that carries it; [`super::answer()`] tells what came of it.
    pub delivery: DeliveryId,
    /// What proves it.
    pub proof: Proof,
    /// Until when it works.
    pub until: Timestamp,
}

/// What came of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The channel is verified: it is told from now on.
    Verified,
    /// It was verified before.
    Already,
    /// Not the code that was sent; so many tries are left.
    Wrong {
        /// How many.
        left: i32,
    },
    /// No code works: none was sent, it ran out, or too many were wrong. Send another.
    NoneWorks,
}

/// Begins a proof, in place of one under way: a message with a code, or an event to be accepted.
///
/// # Errors
/// That enough were asked for, and when the next can be; that the database fails.
pub async fn prove(
    scoped: &mut Scoped,
    sealer: &Sealer,
    row: &ChannelRow,
    now: Timestamp,
) -> Result<Begun, ChannelError> {
    let proof = Kind::parse(&row.kind).ok_or(ChannelError::Gone)?.proof();
    if row.unset.is_some() {
        return Err(ChannelError::Unset(row.name.clone()));
    }
    throttle(scoped, row.key, WithoutNotice::Proof, now).await?;
    let delivery = DeliveryId::at(now);
    let code = match proof {
        Proof::Acceptance => None,
        Proof::Code => {
            let code = token::code()?;
            let digits = code.expose().as_bytes();
            Some(StoredCode {
                sealed: sealer.seal(Class::ChannelCode, delivery.0.as_bytes(), digits)?,
                mark: sealer.mark(Class::ChannelCode, row.id.0.as_bytes(), digits)?,
            })
        }
    };
    channel_proofs::begin(scoped, row, delivery, code.as_ref(), now).await?;
    Ok(Begun { delivery, proof, until: now + channel_proofs::LIFE })
}

/// Compares a code, and verifies the channel if it is right. Commits, for a wrong one counts too.
///
/// # Errors
/// When the database fails.
pub async fn verify(
    mut scoped: Scoped,
    sealer: &Sealer,
    row: &ChannelRow,
    code: &str,
    now: Timestamp,
) -> Result<Verdict, ChannelError> {
    if row.verified_at.is_some() {
        return Ok(Verdict::Already);
    }
    let digits: String = code.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let marks = sealer.marks(Class::ChannelCode, row.id.0.as_bytes(), digits.as_bytes())?;
    let verdict = match channel_proofs::guess(&mut scoped, row.key, &marks, now).await? {
        Guess::Right if channel_proofs::mark_verified(&mut scoped, row, "code", now).await? => Verdict::Verified,
        Guess::Right => Verdict::Already,
        Guess::Wrong { left } => Verdict::Wrong { left },
        Guess::NoneWorks => Verdict::NoneWorks,
    };
    if let Verdict::Wrong { .. } = verdict {
        audit::note(&mut scoped, "channel.verify_failed", row.id.0, json!({ "name": row.name }), now).await?;
    }
    scoped.commit().await?;
    Ok(verdict)
}

/// Verifies a channel on the word of the operator, who is at the console and owns its destination. For commands only.
///
/// # Errors
/// That it has no destination; when the database fails.
pub async fn trust(scoped: &mut Scoped, row: &ChannelRow, now: Timestamp) -> Result<bool, ChannelError> {
    if row.unset.is_some() {
        return Err(ChannelError::Unset(row.name.clone()));
    }
    Ok(channel_proofs::mark_verified(scoped, row, "operator", now).await?)
}

/// Refuses a message without a notice when enough were made.
pub(super) async fn throttle(
    scoped: &mut Scoped,
    channel: ChannelKey,
    what: WithoutNotice,
    now: Timestamp,
) -> Result<(), ChannelError> {
    let allowed = match what {
        WithoutNotice::Proof => PROOFS,
        WithoutNotice::Test => TESTS,
    };
    for (within, of_channel, of_org) in allowed {
        let made = deliveries::count_without_notice(scoped, channel, what, now - within).await?;
        let first = if made.org >= of_org {
            made.org_first
        } else if made.channel >= of_channel {
            made.channel_first
        } else {
            continue;
        };
        // Room is made by the first that is older than the time looked at.
        return Err(ChannelError::Wait(first.map_or(now, Timestamp::from_micros) + within));
    }
    Ok(())
}
