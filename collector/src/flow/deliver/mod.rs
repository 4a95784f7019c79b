//! Deliveries to the world: lease, send outside any transaction, record. The last stage.
//!
//! A crash between sending and recording sends again under the same id when the lease has run out. Each channel has one
//! message under way at a time, so that a slow one holds up no other, and messages of an incident keep their order.

mod again;
mod health;
mod open;
mod write;

use std::sync::Arc;
use std::time::Duration;

use picket_shared::retry::RetryPolicy;
use picket_shared::secret::SecretString;
use picket_shared::time::{Stopwatch, Timestamp};
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::meters::Meters;
use crate::notify::message::{self, Alarm, Facts, Occasion};
use crate::notify::{Client, Kind, Seen, SendError, Settings};
use crate::store::deliveries::{self, Attempt, Leased, Tried};
use crate::store::{ChannelKey, Pools, StoreError, channel_proofs, limits};
use crate::vault::{Class, Opener, Sealer};
use crate::wake::{Bell, Bells};

pub use again::{Again, again};

/// Longer than any channel may take, so that a lease runs out only after a crash.
pub const LEASE: Duration = Duration::from_secs(120);
/// What is told to people less than this after another message goes out as one.
const FOLD_WITHIN: Duration = Duration::from_secs(30);
/// So many messages are under way at once.
const AT_ONCE: usize = 16;
/// While messages are under way, others are looked for this often, and when the bell rings.
const LOOK: Duration = Duration::from_secs(2);
/// So often the record of an attempt is tried, and with such a pause.
const RECORD_TRIES: u32 = 30;
const RECORD_PAUSE: Duration = Duration::from_secs(1);
/// What could not be sent for so long is given up.
const GIVE_UP: (Duration, &str) = (Duration::from_secs(24 * 3600), "24 h");
/// A test or a proof that comes later is of no use.
const GIVE_UP_TEST: (Duration, &str) = (channel_proofs::LIFE, "15 min");
/// From seconds to half an hour.
const RETRY: RetryPolicy =
    RetryPolicy { first: Duration::from_secs(10), cap: Duration::from_secs(1800), floor: Duration::from_secs(2) };

/// What sending needs.
#[derive(Clone, Debug)]
pub struct Ctx {
    /// The way to the rows.
    pub pools: Pools,
    /// Opens the settings of channels.
    pub opener: Opener,
    /// Makes the addresses by which messages are answered.
    pub sealer: Sealer,
    /// The ways out.
    pub client: Client,
    /// Counts attempts.
    pub meters: Meters,
    /// Wakes a run that waits for a slow channel.
    pub bells: Bells,
    /// Where people find the collector; messages hold no link without it.
    pub public_url: Option<String>,
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Messages that were taken.
    pub sent: u64,
    /// Messages to be tried again.
    pub retried: u64,
    /// Messages that were given up.
    pub failed: u64,
    /// Messages that were not sent because their channel was removed, or is not verified (any more).
    pub superseded: u64,
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Sending a message broke off by a fault of this program; its lease runs out by itself.
    #[error("sending a message broke off by a fault of this program")]
    BrokeOff,
}

/// Sends everything that is due, and what becomes due meanwhile, until nothing is.
///
/// # Errors
/// When the database fails; what is under way is finished first, and leases run out by themselves.
pub async fn run(ctx: &Ctx, now: Timestamp) -> Result<Report, DeliverError> {
    let mut conn = ctx.pools.worker().await?;
    let superseded = deliveries::supersede_unwanted(&mut conn, now).await?;
    conn.commit().await?;
    let mut round = Round {
        ctx: Arc::new(ctx.clone()),
        now,
        watch: Stopwatch::start(),
        under_way: JoinSet::new(),
        busy: Vec::new(),
        report: Report { superseded, ..Report::default() },
    };
    let ended = round.until_nothing_is_due().await;
    while round.one_ends().await.is_some() {}
    ended.map(|()| round.report)
}

type Ended = (ChannelKey, Result<Attempt, StoreError>);

struct Round {
    ctx: Arc<Ctx>,
    now: Timestamp,
    watch: Stopwatch,
    under_way: JoinSet<Ended>,
    busy: Vec<ChannelKey>,
    report: Report,
}

impl Round {
    async fn until_nothing_is_due(&mut self) -> Result<(), DeliverError> {
        let bells = self.ctx.bells.clone();
        loop {
            self.start_what_is_due().await?;
            if self.under_way.is_empty() {
                return Ok(());
            }
            tokio::select! {
                Some(ended) = self.one_ends() => ended?,
                () = bells.wait(Bell::Deliver, LOOK) => {}
            }
        }
    }

    async fn start_what_is_due(&mut self) -> Result<(), StoreError> {
        let room = AT_ONCE.saturating_sub(self.busy.len());
        if room == 0 {
            return Ok(());
        }
        let now = self.now + self.watch.elapsed();
        let mut conn = self.ctx.pools.worker().await?;
        let limit = i64::try_from(room).unwrap_or(1);
        deliveries::put_off(&mut conn, &Kind::names(|kind| !kind.folds()), FOLD_WITHIN, now).await?;
        let mut ready = Vec::new();
        for leased in deliveries::lease(&mut conn, &self.busy, limit, LEASE, now).await? {
            let folded = match leased.about.is_some() && Kind::parse(&leased.channel.kind).is_some_and(Kind::folds) {
                true => deliveries::fold(&mut conn, &leased, now).await?,
                false => Vec::new(),
            };
            ready.push((leased, folded));
        }
        conn.commit().await?;
        for (leased, folded) in ready {
            self.busy.push(leased.channel.key);
            let ctx = Arc::clone(&self.ctx);
            self.under_way.spawn(async move { (leased.channel.key, deliver(&ctx, &leased, &folded, now).await) });
        }
        Ok(())
    }

    async fn one_ends(&mut self) -> Option<Result<(), DeliverError>> {
        let Ok((channel, attempt)) = self.under_way.join_next().await? else {
            return Some(Err(DeliverError::BrokeOff));
        };
        self.busy.retain(|other| *other != channel);
        match attempt {
            Ok(Attempt::Sent) => self.report.sent += 1,
            Ok(Attempt::Retry { .. }) => self.report.retried += 1,
            Ok(Attempt::Failed) => self.report.failed += 1,
            Err(error) => return Some(Err(error.into())),
        }
        Some(Ok(()))
    }
}

async fn deliver(ctx: &Ctx, leased: &Leased, folded: &[Leased], now: Timestamp) -> Result<Attempt, StoreError> {
    let watch = Stopwatch::start();
    let ready = match ready(ctx, leased, folded, now) {
        Ok(ready) if Kind::parse(&leased.channel.kind).is_some_and(Kind::is_sms) => {
            within_limit(ctx, leased, now).await.map(|()| ready)
        }
        ready => ready,
    };
    let (result, seen, alarms) = match ready {
        Ok(ready) => {
            // Whoever stood still since the lease may have been deposed, and another sends it.
            ctx.pools.confirm().await?;
            let (result, seen) = ready.send(ctx).await;
            (result, seen, ready.message.alarms)
        }
        Err(error) => (Err(error), None, Vec::new()),
    };
    let (took, at) = (watch.elapsed(), now + watch.elapsed());
    let (attempt, answer) = weigh(leased, result, at, fastrand::f64());
    ctx.meters.delivery(&leased.channel.kind, attempt.as_str());
    log(leased, attempt, &answer);
    let status = seen.as_ref().map(|seen| seen.status);
    let tried = Tried { attempt, answer, status, request_id: seen.and_then(|seen| seen.request_id), took, at };
    let mut tries = 1;
    loop {
        match record(ctx, leased, &alarms, &tried).await {
            // Once it is sent, only this record keeps it from being sent again.
            Err(error) if error.is_transient() && tries < RECORD_TRIES => {
                tries += 1;
                tokio::time::sleep(RECORD_PAUSE).await;
            }
            done => return done.map(|()| attempt),
        }
    }
}

async fn record(ctx: &Ctx, leased: &Leased, alarms: &[Alarm], tried: &Tried) -> Result<(), StoreError> {
    let mut conn = ctx.pools.worker().await?;
    let held = deliveries::record(&mut conn, leased, tried).await?;
    if held {
        again::note(&mut conn, leased, alarms, tried.attempt, tried.at).await?;
        health::note(&mut conn, leased, tried).await?;
    }
    conn.commit().await?;
    if !held {
        warn!(delivery.id = %leased.id, "The lease of delivery {} ran out while it was sent", leased.id);
    }
    Ok(())
}

/// A message, and where it goes.
struct Ready {
    settings: Settings,
    message: message::Message,
}

/// Opens the channel's settings and writes the message.
fn ready(ctx: &Ctx, leased: &Leased, folded: &[Leased], now: Timestamp) -> Result<Ready, SendError> {
    let channel = &leased.channel;
    let settings = open::settings(&ctx.opener, channel, now)?;
    let occasion = match (&leased.about, code(ctx, leased, now)?) {
        (Some(about), _) if folded.is_empty() => write::notice(about)?,
        (Some(_), _) => write::many(leased, folded)?,
        (None, Some((code, until))) => Occasion::Code { code, until },
        (None, None) => Occasion::Test { channel: leased.channel.name.clone() },
    };
    let back =
        write::back(ctx, leased).map_err(|error| retry(format!("an address for answers cannot be made: {error}")))?;
    let (minimal, public_url) = (channel.minimal, ctx.public_url.clone());
    let facts = Facts { delivery: leased.id, now, public_url, minimal, back, occasion };
    Ok(Ready { settings, message: message::write(&facts) })
}

impl Ready {
    async fn send(&self, ctx: &Ctx) -> (Result<String, SendError>, Option<Seen>) {
        let (client, watcher) = ctx.client.watched();
        let sent = self.settings.send(&self.message, &client).await.map(|answer| answer.0);
        // A receiver may repeat what it was sent, and who reads its answer need not be who reads its messages.
        match &self.message.code {
            Some(code) => (hide(sent, code.expose()), watcher.seen().map(|seen| Seen { request_id: None, ..seen })),
            None => (sent, watcher.seen()),
        }
    }
}

/// Whether an SMS may be sent: the operator may have limited how many a day.
async fn within_limit(ctx: &Ctx, leased: &Leased, now: Timestamp) -> Result<(), SendError> {
    let unread = |error: StoreError| retry(format!("the limit of SMS cannot be read: {error}"));
    let mut conn = ctx.pools.worker().await.map_err(unread)?;
    let kinds = Kind::names(Kind::is_sms);
    match limits::sms_used_up(&mut conn, leased.org, leased.key, &kinds, now).await.map_err(unread)? {
        Some(most) => Err(SendError::Permanent(format!(
            "the organization is at its limit of {most} SMS in 24 hours: ask whoever runs this Picket for more"
        ))),
        None => Ok(()),
    }
}

/// The code that a proof carries, and until when it works.
fn code(ctx: &Ctx, leased: &Leased, now: Timestamp) -> Result<Option<(SecretString, Timestamp)>, SendError> {
    let Some(proof) = &leased.proof else { return Ok(None) };
    if proof.expires_at <= now {
        return Err(SendError::Permanent("it could not be sent in 15 minutes: ask for another".to_owned()));
    }
    let Some(sealed) = &proof.code else { return Ok(None) };
    let opened = ctx.opener.open(Class::ChannelCode, leased.id.0.as_bytes(), sealed);
    let opened = opened.map_err(|error| retry(format!("the code cannot be opened: {error}")))?;
    let text = String::from_utf8_lossy(opened.expose()).into_owned();
    Ok(Some((SecretString::new(text), proof.expires_at)))
}

fn hide(sent: Result<String, SendError>, code: &str) -> Result<String, SendError> {
    let without = |text: String| text.replace(code, "***");
    match sent {
        Ok(answer) => Ok(without(answer)),
        Err(SendError::Permanent(reason)) => Err(SendError::Permanent(without(reason))),
        Err(SendError::Retry { reason, after }) => Err(SendError::Retry { reason: without(reason), after }),
    }
}

/// What follows from how sending went. `random` is uniform in 0..1.
fn weigh(leased: &Leased, result: Result<String, SendError>, at: Timestamp, random: f64) -> (Attempt, String) {
    match result {
        Ok(answer) => (Attempt::Sent, answer),
        Err(SendError::Permanent(reason)) => (Attempt::Failed, reason),
        Err(SendError::Retry { reason, after }) => {
            let failures = u32::try_from(leased.attempts).unwrap_or(0).saturating_add(1);
            let next_at = at + RETRY.delay(failures, after, random);
            let (patience, words) = if leased.about.is_some() { GIVE_UP } else { GIVE_UP_TEST };
            if next_at.since(leased.asked_at) > patience {
                (Attempt::Failed, format!("given up after {words}: {reason}"))
            } else {
                (Attempt::Retry { next_at }, reason)
            }
        }
    }
}

fn retry(reason: String) -> SendError {
    SendError::Retry { reason, after: None }
}

fn log(leased: &Leased, attempt: Attempt, answer: &str) {
    let (id, kind) = (leased.id, &leased.channel.kind);
    match attempt {
        Attempt::Sent => info!(delivery.id = %id, channel.kind = kind, "Sent delivery {id} by {kind}"),
        Attempt::Retry { next_at } => warn!(
            delivery.id = %id, channel.kind = kind, reason = answer,
            "Delivery {id} by {kind} is tried again at {next_at:.0}: {answer}"
        ),
        Attempt::Failed => warn!(
            delivery.id = %id, channel.kind = kind, reason = answer, "Gave up delivery {id} by {kind}: {answer}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use picket_shared::ids::{ChannelId, DeliveryId, MonitorId};
    use picket_shared::secret::Sealed;

    use crate::domain::outage::{Notice, NoticeKind};

    use crate::store::deliveries::{About, LeasedChannel, MonitorNow};
    use crate::store::{DeliveryKey, OrgKey};

    fn leased(attempts: i32) -> Leased {
        let at = Timestamp::from_seconds(1000);
        let channel = LeasedChannel {
            key: ChannelKey(1),
            id: ChannelId::at(at),
            name: "hook".to_owned(),
            kind: "webhook".to_owned(),
            minimal: false,
            settings: Sealed(Vec::new()),
            signing_key: None,
            former_key: None,
            former_key_until: None,
        };
        Leased {
            key: DeliveryKey(1),
            org: OrgKey(1),
            id: DeliveryId::at(at),
            until: at + LEASE,
            attempts,
            asked_at: at,
            channel,
            about: Some(about()),
            proof: None,
        }
    }

    fn about() -> About {
        let at = Timestamp::from_seconds(1000);
        let kind = NoticeKind::NeverCameUp;
        About {
            notice: Notice { kind, at, incident_started_at: None, regions: vec![] },
            monitor: Some(MonitorNow {
                id: MonitorId::at(at),
                name: "shop".to_owned(),
                kind: "tcp".to_owned(),
                target: "shop.example:443".to_owned(),
                briefing: crate::domain::briefing::Briefing::default(),
                dependents: Vec::new(),
            }),
            maintenance: None,
            incident: None,
        }
    }

    fn next(attempts: i32, after: Option<u64>, at: i64, random: f64) -> Attempt {
        let error = SendError::Retry { reason: "503".to_owned(), after: after.map(Duration::from_secs) };
        weigh(&leased(attempts), Err(error), Timestamp::from_seconds(at), random).0
    }

    #[test]
    fn tries_back_off_from_seconds_to_half_an_hour_and_obey_retry_after() {
        let at = |second| Attempt::Retry { next_at: Timestamp::from_seconds(second) };
        assert_eq!(next(0, None, 1000, 1.0), at(1010));
        assert_eq!(next(3, None, 1000, 1.0), at(1080));
        assert_eq!(next(30, None, 1000, 1.0), at(2800));
        assert_eq!(next(0, None, 1000, 0.0), at(1002));
        assert_eq!(next(0, Some(100), 1000, 0.0), at(1100));
    }

    #[test]
    fn after_24_hours_a_delivery_is_given_up() {
        assert!(matches!(next(9, None, 1000 + 86_000, 0.0), Attempt::Retry { .. }));
        assert_eq!(next(9, None, 1000 + 86_400, 0.0), Attempt::Failed);
    }

    #[test]
    fn a_test_message_is_given_up_after_15_minutes() {
        let test = Leased { about: None, ..leased(3) };
        let weighed = |at: i64| weigh(&test, Err(retry("503".to_owned())), Timestamp::from_seconds(1000 + at), 0.0);
        assert!(matches!(weighed(880).0, Attempt::Retry { .. }));
        assert_eq!(weighed(900), (Attempt::Failed, "given up after 15 min: 503".to_owned()));
    }
}
