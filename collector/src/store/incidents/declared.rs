//! Incidents that people open: with a title, of monitors or of none. No check opens or ends them.

use picket_shared::ids::{IncidentId, MonitorId};
use picket_shared::time::Timestamp;
use serde_json::json;

use super::care::{self, Fact};
use crate::domain::incident::Severity;
use crate::domain::outage::NoticeKind;
use crate::store::{Conn, MonitorKey, Scoped, StoreError};

/// An incident that a person opens.
#[derive(Debug)]
pub struct Declared<'a> {
    /// Its name outside.
    pub id: IncidentId,
    /// What it is called.
    pub title: &'a str,
    /// How bad it is.
    pub severity: Severity,
    /// Which monitors are affected.
    pub monitors: &'a [MonitorId],
    /// What is known of it.
    pub text: Option<&'a str>,
    /// Whether channels are told of it.
    pub tells: bool,
}

/// Opens it. The places of monitors that are not there are given instead, and then nothing is written.
///
/// # Errors
/// When the database fails.
pub async fn declare(conn: &mut Scoped, new: &Declared<'_>, now: Timestamp) -> Result<Vec<usize>, StoreError> {
    let wanted: Vec<uuid::Uuid> = new.monitors.iter().map(|id| id.0).collect();
    let found: Vec<(MonitorKey, uuid::Uuid)> =
        sqlx::query_as("SELECT id, uuid FROM monitors WHERE uuid = ANY ($1) AND deleted_at IS NULL")
            .bind(&wanted)
            .fetch_all(conn.conn())
            .await?;
    let is_missing = |id: &uuid::Uuid| !found.iter().any(|(_, known)| known == id);
    let missing: Vec<usize> = wanted.iter().enumerate().filter(|(_, id)| is_missing(id)).map(|(at, _)| at).collect();
    if !missing.is_empty() {
        return Ok(missing);
    }
    let org = conn.org();
    sqlx::query(
        "INSERT INTO incidents (uuid, org_id, origin, title, severity, tells, started_at, confirmed_at, failure, message, detail)
         VALUES ($1, $2, 'person', $3, $4, $5, $6, $6, 'declared', $3, '{}')",
    )
    .bind(new.id.0)
    .bind(org)
    .bind(new.title)
    .bind(new.severity.as_str())
    .bind(new.tells)
    .bind(now.micros())
    .execute(conn.conn())
    .await?;
    let lost = StoreError::RowCount { table: "incidents", expected: 1, touched: 0 };
    let held = care::hold(conn, new.id).await?.ok_or(lost)?;
    sqlx::query(
        "INSERT INTO incident_monitors (org_id, incident_id, monitor_id) SELECT $1, $2, m FROM unnest($3::bigint[]) m",
    )
    .bind(org)
    .bind(held.key)
    .bind(found.iter().map(|(key, _)| key.0).collect::<Vec<_>>())
    .execute(conn.conn())
    .await?;
    care::note(conn, held.key, now, Fact { event: "opened", body: new.text, ..Fact::default() }).await?;
    if new.tells {
        care::tell(conn, &held, NoticeKind::Declared, now).await?;
    }
    let detail = json!({ "severity": new.severity.as_str(), "monitors": wanted, "told": new.tells });
    care::finish(conn, &held, "incident.open", detail, now).await?;
    Ok(Vec::new())
}
