//! Alarms that stand at receivers which forget them, told again: the message that raised each, with another end.
//!
//! Nothing of it is recorded but when it is due again: a receiver that is away is asked again after the same time. While one is
//! told, nothing else is sent to its channel, nor is one told while something else is: what ends it must come last.

use picket_shared::time::Timestamp;
use tokio::task::JoinSet;
use tracing::warn;

use super::{AT_ONCE, Ctx, DeliverError, LEASE, ready};
use crate::notify::Kind;
use crate::notify::message::{Act, Alarm};
use crate::store::deliveries::{Attempt, Leased};
use crate::store::{StoreError, Worker, standing_alarms};

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Again {
    /// Alarms that were taken.
    pub told: u64,
    /// Alarms that were not.
    pub failed: u64,
}

/// Tells every alarm again that is due.
///
/// # Errors
/// When the database fails.
pub async fn again(ctx: &Ctx, now: Timestamp) -> Result<Again, DeliverError> {
    let mut report = Again::default();
    let terms: Vec<_> = Kind::ALL.iter().filter_map(|kind| Some((kind.as_str(), kind.again()?))).collect();
    loop {
        let mut conn = ctx.pools.worker().await?;
        let due = standing_alarms::take_due(&mut conn, &terms, i64::try_from(AT_ONCE).unwrap_or(1), LEASE, now).await?;
        conn.commit().await?;
        if due.is_empty() {
            return Ok(report);
        }
        let mut under_way = JoinSet::new();
        for leased in due {
            let ctx = ctx.clone();
            under_way.spawn(async move { tell(&ctx, &leased, now).await });
        }
        while let Some(told) = under_way.join_next().await {
            match told {
                Ok(Ok(true)) => report.told += 1,
                Ok(Ok(false)) => report.failed += 1,
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => return Err(DeliverError::BrokeOff),
            }
        }
    }
}

async fn tell(ctx: &Ctx, leased: &Leased, now: Timestamp) -> Result<bool, StoreError> {
    let sent = match ready(ctx, leased, &[], now) {
        Ok(ready) => {
            ctx.pools.confirm().await?;
            ready.send(ctx).await.0
        }
        Err(error) => Err(error),
    };
    if let Err(error) = &sent {
        let (id, kind) = (leased.id, &leased.channel.kind);
        warn!(
            delivery.id = %id, channel.kind = kind, reason = %error,
            "The alarm of delivery {id} could not be told again by {kind}: {error}"
        );
    }
    let mut conn = ctx.pools.worker().await?;
    standing_alarms::told(&mut conn, leased).await?;
    conn.commit().await?;
    Ok(sent.is_ok())
}

/// Notes which alarms stand since an attempt, and which are over. One that could not be cleared is over too: the receiver
/// forgets it as soon as nobody tells it.
pub(super) async fn note(
    conn: &mut Worker,
    leased: &Leased,
    alarms: &[Alarm],
    attempt: Attempt,
    at: Timestamp,
) -> Result<(), StoreError> {
    let Some(term) = Kind::parse(&leased.channel.kind).and_then(Kind::again) else { return Ok(()) };
    if leased.about.is_none() {
        return Ok(());
    }
    for alarm in alarms {
        match (alarm.act, attempt) {
            (Act::Raise, Attempt::Sent) if alarm.class.ends() => {
                standing_alarms::stand(conn, leased, &alarm.key, at + term).await?;
            }
            (Act::Clear, Attempt::Sent | Attempt::Failed) => standing_alarms::end(conn, leased, &alarm.key).await?,
            _ => {}
        }
    }
    Ok(())
}
