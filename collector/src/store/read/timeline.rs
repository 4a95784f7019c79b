//! The timeline of an incident: every fact of it in one order, merged from what is stored: events, notices, deliveries.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use picket_shared::outcome::Status;
use picket_shared::time::Timestamp;
use serde_json::Value;

use super::incidents::IncidentOf;
use crate::store::results::{self, OutcomeRow};
use crate::store::{Conn, IncidentKey, Scoped, StoreError};

/// A fact of an incident.
#[derive(Clone, Debug, sqlx::FromRow)]
#[expect(missing_docs, reason = "the columns of `incident_events`")]
pub struct FactRow {
    pub at: i64,
    /// From which table it is: 0 an event, 1 a notice, 2 a delivery.
    source: i32,
    id: i64,
    /// What it is; `notice` and `delivery` are those.
    pub event: String,
    pub actor: Option<String>,
    pub assignee: Option<String>,
    pub body: Option<String>,
    pub detail: Value,
}

impl FactRow {
    /// Its place in the timeline.
    pub const fn place(&self) -> Place {
        Place { at: self.at, source: self.source, id: self.id }
    }
}

/// A place in a timeline, after which a page begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    at: i64,
    source: i32,
    id: i64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.at, self.source, self.id)
    }
}

impl FromStr for Place {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.splitn(3, '.');
        let mut next = || parts.next().unwrap_or_default();
        Ok(Self { at: next().parse()?, source: next().parse()?, id: next().parse()? })
    }
}

/// Facts of an incident after a place, in order of time, `limit` at most. A delivery stands where it was made, with how it went since.
///
/// # Errors
/// When the database fails.
pub async fn page(
    scoped: &mut Scoped,
    incident: IncidentKey,
    after: Option<Place>,
    limit: i64,
) -> Result<Vec<FactRow>, StoreError> {
    let after = after.unwrap_or(Place { at: i64::MIN, source: 0, id: 0 });
    Ok(sqlx::query_as(
        "SELECT * FROM (
             SELECT e.at, 0 AS source, e.id, e.event, e.actor, e.assignee, e.body, e.detail
             FROM incident_events e WHERE e.incident_id = $1
             UNION ALL
             SELECT n.at, 1, n.id, 'notice', NULL, NULL, NULL, jsonb_build_object('kind', n.kind, 'dispatched', n.dispatched_at IS NOT NULL,
                 'channels', (SELECT count(*) FROM deliveries d WHERE d.notice_id = n.id))
             FROM notices n WHERE n.incident_id = $1
             UNION ALL
             SELECT d.created_at, 2, d.id, 'delivery', NULL, NULL, NULL, jsonb_build_object('kind', n.kind, 'state', d.state,
                 'attempts', d.attempts, 'ended_at', d.ended_at, 'channel', jsonb_build_object('id', c.uuid, 'name', c.name, 'kind', c.kind),
                 'answer', (SELECT a.answer FROM delivery_attempts a WHERE a.delivery_id = d.id ORDER BY a.id DESC LIMIT 1))
             FROM notices n JOIN deliveries d ON d.notice_id = n.id JOIN channels c ON c.id = d.channel_id WHERE n.incident_id = $1
         ) x WHERE (at, source, id) > ($2, $3, $4) ORDER BY at, source, id LIMIT $5",
    )
    .bind(incident)
    .bind(after.at)
    .bind(after.source)
    .bind(after.id)
    .bind(limit)
    .fetch_all(scoped.conn())
    .await?)
}

/// What happened to an incident, without what was told of it, the oldest first.
///
/// # Errors
/// When the database fails.
pub async fn events(scoped: &mut Scoped, incident: IncidentKey) -> Result<Vec<FactRow>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT at, 0 AS source, id, event, actor, assignee, body, detail FROM incident_events
         WHERE incident_id = $1 ORDER BY at, id",
    )
    .bind(incident)
    .fetch_all(scoped.conn())
    .await?)
}

/// A check begins no later than this after its slot, and outcomes are known by their slot.
const LATE: Duration = Duration::from_secs(600);

/// The first failing check of an incident, and the name of its region, as long as outcomes are kept.
///
/// # Errors
/// When the database fails.
pub async fn first_check(scoped: &mut Scoped, of: &IncidentOf) -> Result<Option<(String, OutcomeRow)>, StoreError> {
    let Some(monitor) = of.monitor_id else { return Ok(None) };
    let began = Timestamp::from_micros(of.incident.started_at);
    let range = (began - LATE, began + LATE);
    let outcomes = results::raw(scoped, monitor, range, 5_000).await?;
    let start = |outcome: &OutcomeRow| outcome.at + Duration::from_micros(outcome.late_us.into());
    let is_first = |outcome: &OutcomeRow| outcome.status == Status::Down && start(outcome) >= began;
    let Some(first) = outcomes.into_iter().filter(is_first).min_by_key(start) else { return Ok(None) };
    let region: Option<String> = sqlx::query_scalar("SELECT code FROM regions WHERE id = $1")
        .bind(first.region)
        .fetch_optional(scoped.conn())
        .await?;
    Ok(region.map(|region| (region, first)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_as_what_it_was_written_as() {
        let place = Place { at: 1_790_000_000_000_000, source: 2, id: 7 };
        assert_eq!(place.to_string().parse(), Ok(place));
        assert!(["", "x", "1.2", "1.2.3.4", "1.x.2"].iter().all(|text| text.parse::<Place>().is_err()));
    }
}
