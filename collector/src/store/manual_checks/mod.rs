//! Manual checks: asked for by a tenant, handed to one probe of each region once, answered by that probe alone.
//!
//! [`ask()`] and [`read`] are for people, [`take`] and [`answer`] for probes. Rows are worth nothing after a minute or so
//! and are deleted after an hour.

mod ask;
mod hand;

use picket_shared::check::CheckSpec;
use picket_shared::ids::{ManualId, MonitorId, Region};
use picket_shared::manual::ManualOutcome;
use picket_shared::time::Timestamp;
use serde_json::Value;
use sqlx::Row;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use uuid::Uuid;

pub use ask::{Asked, Credentials, NewManual, ask};
pub use hand::{TakenRow, Taker, answer, note_takes, refuse, take};

use super::{Conn, Scoped, StoreError, Worker};
use crate::domain::manual::Unable;

/// A manual check in all its regions.
#[derive(Clone, Debug, PartialEq)]
pub struct Manual {
    /// Which one.
    pub id: ManualId,
    /// What is asked of the target.
    pub spec: CheckSpec,
    /// The saved monitor whose credentials it uses.
    pub monitor: Option<MonitorId>,
    /// Milliseconds after which the check is given up.
    pub timeout_ms: i32,
    /// Who asked.
    pub asked_by: String,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// Until when it is waited for.
    pub until: Timestamp,
    /// How it stands in each region, by name.
    pub regions: Vec<ManualRow>,
}

/// A manual check in one region.
#[derive(Clone, Debug, PartialEq)]
pub struct ManualRow {
    /// Where.
    pub region: Region,
    /// The network it is in.
    pub network: String,
    /// How it stands.
    pub state: State,
    /// When it was answered or refused.
    pub ended_at: Option<Timestamp>,
}

/// How a manual check stands in one region.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// No probe has taken it yet.
    Waiting,
    /// A probe has taken it.
    Running,
    /// This was found.
    Done(Box<ManualOutcome>),
    /// The region cannot run it; it was told at once.
    Refused(Unable),
    /// Nobody answered in time; whether a probe took it.
    Expired {
        /// A probe took it and did not answer.
        taken: bool,
    },
}

impl State {
    /// Its name in JSON.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done(_) => "done",
            Self::Refused(_) => "refused",
            Self::Expired { .. } => "expired",
        }
    }

    /// Whether nothing more comes.
    pub const fn is_over(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Refused(_) | Self::Expired { .. })
    }
}

impl Manual {
    /// Whether nothing more comes from any region.
    pub fn is_over(&self) -> bool {
        self.regions.iter().all(|row| row.state.is_over())
    }
}

/// How a manual check of this organization stands; `None` when there is none of that id.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn read(conn: &mut Scoped, id: ManualId, now: Timestamp) -> Result<Option<Manual>, StoreError> {
    let rows = sqlx::query(
        "SELECT c.spec, m.uuid, c.timeout_ms, c.asked_by, c.asked_at, c.expires_at, r.id, r.code, r.network, c.refused,
                c.taken_at IS NOT NULL, c.outcome, c.ended_at
         FROM manual_checks c JOIN regions r ON r.id = c.region_id LEFT JOIN monitors m ON m.id = c.monitor_id
         WHERE c.uuid = $1 ORDER BY r.code",
    )
    .bind(id.0)
    .fetch_all(conn.conn())
    .await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let until = Timestamp::from_micros(first.try_get(5)?);
    Ok(Some(Manual {
        id,
        spec: first.try_get::<Json<CheckSpec>, _>(0)?.0,
        monitor: first.try_get::<Option<Uuid>, _>(1)?.map(MonitorId),
        timeout_ms: first.try_get(2)?,
        asked_by: first.try_get(3)?,
        asked_at: Timestamp::from_micros(first.try_get(4)?),
        until,
        regions: rows.iter().map(|row| region(row, until, now)).collect::<Result<_, _>>()?,
    }))
}

fn region(row: &PgRow, until: Timestamp, now: Timestamp) -> Result<ManualRow, StoreError> {
    let key: i64 = row.try_get(6)?;
    let broken = |table, column| StoreError::Inconsistent { table, column, row: key };
    let refused: Option<String> = row.try_get(9)?;
    let taken: bool = row.try_get(10)?;
    let outcome: Option<Json<Value>> = row.try_get(11)?;
    let state = match (refused, outcome) {
        (Some(why), _) => State::Refused(Unable::named(&why).ok_or_else(|| broken("manual_checks", "refused"))?),
        (None, Some(json)) => {
            State::Done(serde_json::from_value(json.0).map_err(|_| broken("manual_checks", "outcome"))?)
        }
        (None, None) if now >= until => State::Expired { taken },
        (None, None) if taken => State::Running,
        (None, None) => State::Waiting,
    };
    Ok(ManualRow {
        region: row.try_get::<String, _>(7)?.parse().map_err(|_| broken("regions", "code"))?,
        network: row.try_get(8)?,
        state,
        ended_at: row.try_get::<Option<i64>, _>(12)?.map(Timestamp::from_micros),
    })
}

/// Deletes those asked before a time, `limit` rows at most; how many went.
///
/// # Errors
/// When the database fails.
pub async fn delete_old(worker: &mut Worker, before: Timestamp, limit: i64) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "DELETE FROM manual_checks WHERE (uuid, region_id) IN
             (SELECT uuid, region_id FROM manual_checks WHERE asked_at < $1 LIMIT $2)",
    )
    .bind(before.micros())
    .bind(limit)
    .execute(worker.conn())
    .await?;
    Ok(done.rows_affected())
}
