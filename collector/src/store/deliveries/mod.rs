//! Deliveries: one message to one channel. They are leased, sent outside any transaction, and every attempt is recorded.
//!
//! A lease that ran out is taken by the next: the message then goes out again under the same id, by which the receiver
//! knows it. Only the holder of the lease may end a delivery.

mod fold;
mod lease;
mod make;

use std::time::Duration;

use picket_shared::ids::{ChannelId, DeliveryId, IncidentId, MaintenanceId, MonitorId};
use picket_shared::outcome::FailureKind;
use picket_shared::secret::Sealed;
use picket_shared::time::Timestamp;

use super::{ChannelKey, Conn, DeliveryKey, OrgKey, Scoped, StoreError, Worker, channel_proofs};
use crate::domain::briefing::Briefing;
use crate::domain::incident::Severity;
use crate::domain::outage::Notice;
use crate::domain::zone::Zone;

pub use fold::{fold, put_off};
pub(super) use lease::one_at_a_time;
pub use lease::{lease, read, supersede_unwanted};
pub use make::{
    Chosen, Made, WithoutNotice, ask_again, count_without_notice, insert_for_notice, insert_without_notice,
};

/// A delivery that is this process's to send until `until`.
#[derive(Clone, Debug)]
pub struct Leased {
    /// Its row.
    pub key: DeliveryKey,
    /// Whose it is.
    pub org: OrgKey,
    /// Its id, the same at every attempt.
    pub id: DeliveryId,
    /// When the lease ends.
    pub until: Timestamp,
    /// How many attempts were made.
    pub attempts: i32,
    /// When it was made, its channel's quiet hours ended, or it was asked for again.
    pub asked_at: Timestamp,
    /// Where it goes.
    pub channel: LeasedChannel,
    /// What it tells; none in a test message or a proof.
    pub about: Option<About>,
    /// The proof that it carries.
    pub proof: Option<Proof>,
}

/// The proof that a leased delivery carries.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The code, sealed; none where the provider's acceptance proves.
    pub code: Option<Sealed>,
    /// Until when it works.
    pub expires_at: Timestamp,
}

/// The channel of a leased delivery.
#[derive(Clone, Debug)]
pub struct LeasedChannel {
    /// Its row.
    pub key: ChannelKey,
    /// Its id, the context of its sealed settings.
    pub id: ChannelId,
    /// What it is called.
    pub name: String,
    /// Which of `notify::channels` it is.
    pub kind: String,
    /// Whether its messages name nothing that is watched.
    pub minimal: bool,
    /// Its settings.
    pub settings: Sealed,
    /// By which it signs, where that is not the key of the settings any more.
    pub signing_key: Option<Sealed>,
    /// By which it signed before, where that was not the key of the settings.
    pub former_key: Option<Sealed>,
    /// Until when it signs by the key before too.
    pub former_key_until: Option<Timestamp>,
}

/// The notice of a leased delivery, and what it is about as that is now.
#[derive(Clone, Debug)]
pub struct About {
    /// What has to be told.
    pub notice: Notice,
    /// The monitor; none where a person opened the incident.
    pub monitor: Option<MonitorNow>,
    /// Its incident.
    pub incident: Option<IncidentNow>,
    /// The maintenance, where it is of one.
    pub maintenance: Option<MaintenanceNow>,
}

/// A monitor as it is when the message is written.
#[derive(Clone, Debug)]
pub struct MonitorNow {
    /// Its id.
    pub id: MonitorId,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// What it watches.
    pub target: String,
    /// What messages say of it beside what was found.
    pub briefing: Briefing,
    /// The names of monitors that depend on it, 200 at most.
    pub dependents: Vec<String>,
}

/// What a person said of an incident when opening it.
#[derive(Clone, Debug)]
pub struct DeclaredNow {
    /// What it is called.
    pub title: String,
    /// The names of the monitors that are affected.
    pub monitors: Vec<String>,
}

/// An occurrence of maintenance as it is when the message is written.
#[derive(Clone, Debug)]
pub struct MaintenanceNow {
    /// The window's id.
    pub id: MaintenanceId,
    /// What it is called.
    pub title: String,
    /// What is to be known of it.
    pub note: String,
    /// By whose clocks it is told.
    pub zone: Zone,
    /// When it begins.
    pub starts_at: Timestamp,
    /// When it ends.
    pub ends_at: Timestamp,
    /// Whether it is of all monitors.
    pub all: bool,
    /// The names of its monitors, where it is not of all.
    pub monitors: Vec<String>,
}

/// An incident as it is when the message is written.
#[derive(Clone, Debug)]
pub struct IncidentNow {
    /// Its id.
    pub id: IncidentId,
    /// The start of the first failing check.
    pub started_at: Timestamp,
    /// When the judge was sure.
    pub confirmed_at: Timestamp,
    /// When it was over.
    pub resolved_at: Option<Timestamp>,
    /// What failed.
    pub failure: FailureKind,
    /// The same for a person.
    pub message: String,
    /// How bad it is.
    pub severity: Severity,
    /// Votes and evidence of the first failing check.
    pub detail: serde_json::Value,
    /// What a person said who opened it.
    pub declared: Option<DeclaredNow>,
}

/// How an attempt went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It was taken.
    Sent,
    /// Try again then.
    Retry {
        /// When.
        next_at: Timestamp,
    },
    /// It cannot be sent, or was tried for too long.
    Failed,
}

impl Attempt {
    /// Its word in tables and figures.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Retry { .. } => "retry",
            Self::Failed => "failed",
        }
    }
}

/// A try, and how it went.
#[derive(Clone, Debug)]
pub struct Tried {
    /// What follows.
    pub attempt: Attempt,
    /// What the provider said, shortened, without secrets.
    pub answer: String,
    /// The code of its answer, if there was one.
    pub status: Option<u16>,
    /// What it calls the request.
    pub request_id: Option<String>,
    /// How long it took.
    pub took: Duration,
    /// When it had ended.
    pub at: Timestamp,
}

/// Where a delivery stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// `pending`, `sent`, `failed` or `superseded`.
    pub state: String,
    /// How many attempts were made.
    pub attempts: i32,
    /// The answer to the last one.
    pub answer: Option<String>,
}

/// Records an attempt, and ends the delivery (and settles the proof that it carries) or sets its next try, if the lease is
/// still held. False when it was not.
///
/// # Errors
/// When the database fails.
pub async fn record(conn: &mut Worker, leased: &Leased, tried: &Tried) -> Result<bool, StoreError> {
    let Tried { attempt, at, .. } = *tried;
    sqlx::query(
        "INSERT INTO delivery_attempts (org_id, delivery_id, at, took_us, result, answer, status, request_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(leased.org)
    .bind(leased.key)
    .bind(at.micros())
    .bind(i64::try_from(tried.took.as_micros()).unwrap_or(i64::MAX))
    .bind(attempt.as_str())
    .bind(&tried.answer)
    .bind(tried.status.filter(|status| (100..1000).contains(status)).map(i32::from))
    .bind(&tried.request_id)
    .execute(conn.conn())
    .await?;
    let (state, next_at) = match attempt {
        Attempt::Retry { next_at } => ("pending", Some(next_at.micros())),
        ended => (ended.as_str(), None),
    };
    let done = sqlx::query(
        "UPDATE deliveries SET state = $3, attempts = attempts + 1, leased_until = NULL,
                next_at = coalesce($4, next_at), ended_at = CASE WHEN $4 IS NULL THEN $5 END
         WHERE id = $1 AND state = 'pending' AND leased_until = $2",
    )
    .bind(leased.key)
    .bind(leased.until.micros())
    .bind(state)
    .bind(next_at)
    .bind(at.micros())
    .execute(conn.conn())
    .await?;
    let held = done.rows_affected() == 1;
    if held {
        fold::follow(conn, leased.key, attempt, at).await?;
    }
    if let Some(proof) = leased.proof.as_ref().filter(|_| held && next_at.is_none()) {
        channel_proofs::settle(conn, leased, attempt == Attempt::Sent && proof.code.is_none(), at).await?;
    }
    Ok(held)
}

/// When the next delivery is due or its lease runs out; `None` when nothing waits.
///
/// # Errors
/// When the database fails.
pub async fn next_due(conn: &mut Worker) -> Result<Option<Timestamp>, StoreError> {
    let due: Option<i64> = sqlx::query_scalar(
        "SELECT min(greatest(next_at, coalesce(leased_until, 0))) FROM deliveries WHERE state = 'pending'",
    )
    .fetch_one(conn.conn())
    .await?;
    Ok(due.map(Timestamp::from_micros))
}

/// Where a delivery stands; `None` when there is no such delivery.
///
/// # Errors
/// When the database fails.
pub async fn progress(conn: &mut Scoped, id: DeliveryId) -> Result<Option<Progress>, StoreError> {
    let row: Option<(String, i32, Option<String>)> = sqlx::query_as(
        "SELECT d.state, d.attempts, (SELECT answer FROM delivery_attempts a WHERE a.delivery_id = d.id ORDER BY a.id DESC LIMIT 1)
         FROM deliveries d WHERE d.uuid = $1",
    )
    .bind(id.0)
    .fetch_optional(conn.conn())
    .await?;
    Ok(row.map(|(state, attempts, answer)| Progress { state, attempts, answer }))
}
