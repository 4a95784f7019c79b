//! Incidents and their timelines: what the judge does to them. [`care`] has what people do, [`declared`] those that people open.

mod care;
mod declared;
pub mod drills;

use picket_shared::ids::IncidentId;
use picket_shared::time::Timestamp;
use serde_json::Value;
use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::QueryScalar;

use super::{Conn, IncidentKey, MonitorKey, OrgKey, StoreError, Worker};

pub use care::{
    Deed, Held, Through, acknowledge, acknowledge_all_through, assign, comment, hold, reopen, resolve_by_hand,
    write_post_mortem,
};
pub use declared::{Declared, declare};

/// The open incident of a monitor.
#[derive(Debug, Clone, sqlx::FromRow)]
#[expect(missing_docs, reason = "the columns of `incidents`")]
pub struct OpenRow {
    pub id: IncidentKey,
    pub uuid: uuid::Uuid,
    pub monitor_id: MonitorKey,
    pub started_at: i64,
    pub confirmed_at: i64,
    pub reopened_at: Option<i64>,
}

/// A new incident.
#[derive(Debug)]
pub struct NewIncident<'a> {
    /// Whose.
    pub org: OrgKey,
    /// Of which monitor.
    pub monitor: MonitorKey,
    /// Its name outside.
    pub uuid: IncidentId,
    /// The start of the first failing check.
    pub started_at: Timestamp,
    /// When the judge was sure.
    pub confirmed_at: Timestamp,
    /// The kind of the first failure.
    pub failure: &'a str,
    /// The first failure in a sentence.
    pub message: &'a str,
    /// Votes by region, evidence.
    pub detail: Value,
}

/// The open incidents of these monitors.
///
/// # Errors
/// When the database fails.
pub async fn open_of(worker: &mut Worker, monitors: &[i64]) -> Result<Vec<OpenRow>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT id, uuid, monitor_id, started_at, confirmed_at, reopened_at FROM incidents
         WHERE monitor_id = ANY($1) AND resolved_at IS NULL",
    )
    .bind(monitors)
    .fetch_all(worker.conn())
    .await?)
}

/// The incident of each of these monitors that a person resolved last: monitor, start, end.
///
/// # Errors
/// When the database fails.
pub async fn by_hand(worker: &mut Worker, monitors: &[i64]) -> Result<Vec<(i64, i64, i64)>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT DISTINCT ON (monitor_id) monitor_id, started_at, resolved_at FROM incidents
         WHERE monitor_id = ANY($1) AND resolution = 'by_hand' ORDER BY monitor_id, resolved_at DESC, id DESC",
    )
    .bind(monitors)
    .fetch_all(worker.conn())
    .await?)
}

/// When incidents of these monitors were confirmed since `since`: monitor, time.
///
/// # Errors
/// When the database fails.
pub async fn openings(worker: &mut Worker, monitors: &[i64], since: Timestamp) -> Result<Vec<(i64, i64)>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT monitor_id, confirmed_at FROM incidents WHERE monitor_id = ANY($1) AND confirmed_at >= $2",
    )
    .bind(monitors)
    .bind(since.micros())
    .fetch_all(worker.conn())
    .await?)
}

/// Opens one.
///
/// # Errors
/// When another is open for the monitor, or the database fails.
pub async fn open(worker: &mut Worker, new: &NewIncident<'_>) -> Result<IncidentKey, StoreError> {
    let insert =
        "INSERT INTO incidents (uuid, org_id, monitor_id, started_at, confirmed_at, failure, message, detail, severity)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, (SELECT severity FROM monitors WHERE id = $3)) RETURNING id";
    Ok(bound(insert, new).fetch_one(worker.conn()).await?)
}

/// The statement with the columns of `new` as its first eight parameters.
fn bound<'q>(statement: &'static str, new: &'q NewIncident<'_>) -> QueryScalar<'q, Postgres, IncidentKey, PgArguments> {
    sqlx::query_scalar(statement)
        .bind(new.uuid.0)
        .bind(new.org)
        .bind(new.monitor)
        .bind(new.started_at.micros())
        .bind(new.confirmed_at.micros())
        .bind(new.failure)
        .bind(new.message)
        .bind(&new.detail)
}

/// Ends one that is open.
///
/// # Errors
/// When it is not open, or the database fails.
pub async fn resolve(worker: &mut Worker, key: IncidentKey, at: Timestamp, resolution: &str) -> Result<(), StoreError> {
    let done = sqlx::query(
        "UPDATE incidents SET resolved_at = greatest($2, started_at), resolution = $3
         WHERE id = $1 AND resolved_at IS NULL",
    )
    .bind(key)
    .bind(at.micros())
    .bind(resolution)
    .execute(worker.conn())
    .await?;
    StoreError::expect_rows("incidents", 1, done.rows_affected())
}

/// The incident of a monitor that started then, open or not.
///
/// # Errors
/// When the database fails.
pub async fn started_at(
    worker: &mut Worker,
    monitor: MonitorKey,
    started_at: Timestamp,
) -> Result<Option<(IncidentKey, uuid::Uuid)>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT id, uuid FROM incidents WHERE monitor_id = $1 AND started_at = $2 ORDER BY id DESC LIMIT 1",
    )
    .bind(monitor)
    .bind(started_at.micros())
    .fetch_optional(worker.conn())
    .await?)
}

/// Adds a line to an incident's timeline.
///
/// # Errors
/// When the database fails.
pub async fn note(
    worker: &mut Worker,
    org: OrgKey,
    incident: IncidentKey,
    at: Timestamp,
    event: &str,
    detail: &Value,
) -> Result<(), StoreError> {
    let done =
        sqlx::query("INSERT INTO incident_events (org_id, incident_id, at, event, detail) VALUES ($1, $2, $3, $4, $5)")
            .bind(org)
            .bind(incident)
            .bind(at.micros())
            .bind(event)
            .bind(detail)
            .execute(worker.conn())
            .await?;
    StoreError::expect_rows("incident_events", 1, done.rows_affected())
}

/// Writes one that was over before anybody knew of it, unless another incident of the monitor touches its time.
///
/// # Errors
/// When the database fails.
pub async fn write_past(
    worker: &mut Worker,
    new: &NewIncident<'_>,
    resolved_at: Timestamp,
    resolution: &str,
) -> Result<Option<IncidentKey>, StoreError> {
    let insert = "INSERT INTO incidents (uuid, org_id, monitor_id, started_at, confirmed_at, failure, message, detail,
                resolved_at, resolution, severity)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, (SELECT severity FROM monitors WHERE id = $3)
         WHERE NOT EXISTS (SELECT FROM incidents WHERE monitor_id = $3 AND started_at <= $9
             AND (resolved_at IS NULL OR resolved_at >= $4))
         RETURNING id";
    let insert = bound(insert, new).bind(resolved_at.micros()).bind(resolution);
    Ok(insert.fetch_optional(worker.conn()).await?)
}
