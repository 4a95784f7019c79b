//! Incidents of all monitors, page by page, and one with its timeline.

use picket_shared::ids::{IncidentId, MonitorId};
use serde_json::Value;
use sqlx::{Postgres, QueryBuilder};

use super::monitor::IncidentRow;
use crate::store::{Conn, IncidentKey, Scoped, StoreError};

/// An incident, and which monitor it is of.
#[derive(Debug, sqlx::FromRow)]
pub struct IncidentOf {
    /// The monitor's id.
    pub monitor: uuid::Uuid,
    /// What it is called.
    pub monitor_name: String,
    /// The incident.
    #[sqlx(flatten)]
    pub incident: IncidentRow,
}

/// Which incidents are wanted; each field that is there narrows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chosen {
    /// Of this monitor.
    pub monitor: Option<MonitorId>,
    /// Those that are open, or those that are not.
    pub open: Option<bool>,
}

const SELECT: &str = "SELECT i.id, i.uuid, m.uuid AS monitor, m.name AS monitor_name, i.started_at, i.confirmed_at,
        i.resolved_at, i.resolution, i.failure, i.message, i.detail
    FROM incidents i JOIN monitors m ON m.org_id = i.org_id AND m.id = i.monitor_id WHERE true";

/// Incidents, the newest first, `limit` at most, from the one before `before` on.
///
/// # Errors
/// When the database fails.
pub async fn page(
    scoped: &mut Scoped,
    chosen: Chosen,
    before: Option<IncidentId>,
    limit: i64,
) -> Result<Vec<IncidentOf>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new(SELECT);
    if let Some(monitor) = chosen.monitor {
        query.push(" AND m.uuid = ").push_bind(monitor.0);
    }
    if let Some(open) = chosen.open {
        query.push(" AND (i.resolved_at IS NULL) = ").push_bind(open);
    }
    if let Some(before) = before {
        query.push(" AND i.uuid < ").push_bind(before.0);
    }
    query.push(" ORDER BY i.uuid DESC LIMIT ").push_bind(limit);
    Ok(query.build_query_as().fetch_all(scoped.conn()).await?)
}

/// The incident of that id.
///
/// # Errors
/// When the database fails.
pub async fn one(scoped: &mut Scoped, id: IncidentId) -> Result<Option<IncidentOf>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new(SELECT);
    query.push(" AND i.uuid = ").push_bind(id.0);
    Ok(query.build_query_as().fetch_optional(scoped.conn()).await?)
}

/// Its timeline, the oldest first: when, what, further facts.
///
/// # Errors
/// When the database fails.
pub async fn events(scoped: &mut Scoped, incident: IncidentKey) -> Result<Vec<(i64, String, Value)>, StoreError> {
    Ok(sqlx::query_as("SELECT at, event, detail FROM incident_events WHERE incident_id = $1 ORDER BY at, id")
        .bind(incident)
        .fetch_all(scoped.conn())
        .await?)
}
