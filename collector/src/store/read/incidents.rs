//! Incidents of all monitors, page by page, and one as a whole. Its timeline is in [`super::timeline`].

use picket_shared::ids::{IncidentId, MonitorId};
use serde::Deserialize;
use sqlx::types::Json;
use sqlx::{Postgres, QueryBuilder};

use super::monitor::IncidentRow;
use crate::store::{Conn, MonitorKey, Scoped, StoreError, UserKey};

/// An incident, and which monitors it is of.
#[derive(Debug, sqlx::FromRow)]
#[expect(missing_docs, reason = "the columns of `incidents`")]
pub struct IncidentOf {
    /// Of which monitor it is; none where a person opened it.
    pub monitor_id: Option<MonitorKey>,
    /// That monitor, or those that a person named, by name.
    pub monitors: Json<Vec<Affected>>,
    /// Whether its monitor is down by the judge's own state.
    pub fails: bool,
    pub origin: String,
    pub title: Option<String>,
    pub severity: String,
    pub tells: bool,
    pub reopened_at: Option<i64>,
    /// Who acknowledged it, as the audit log names people; `channel:` and what they are called who answered a message.
    pub acknowledged_by: Option<String>,
    /// To whom it is given.
    pub assignee: Option<UserKey>,
    /// Only where one is asked for.
    pub post_mortem: Option<String>,
    pub post_mortem_at: Option<i64>,
    pub published_at: Option<i64>,
    /// The incident.
    #[sqlx(flatten)]
    pub incident: IncidentRow,
}

impl IncidentOf {
    /// What it is called: its title, or its monitor.
    pub fn name(&self) -> &str {
        let monitor = self.monitors.first().map(|monitor| monitor.name.as_str());
        self.title.as_deref().or(monitor).unwrap_or(&self.incident.message)
    }
}

/// A monitor that an incident is of.
#[derive(Clone, Debug, Deserialize)]
pub struct Affected {
    /// Its id.
    pub id: uuid::Uuid,
    /// What it is called.
    pub name: String,
}

/// Which incidents are wanted; each field that is there narrows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chosen<'a> {
    /// Of this monitor.
    pub monitor: Option<MonitorId>,
    /// Those that are open, or those that are not.
    pub open: Option<bool>,
    /// Those that somebody looks after, or those that nobody does.
    pub acknowledged: Option<bool>,
    /// Those that the judge opened, or those that a person did.
    pub origin: Option<&'a str>,
    /// Those whose title, message or monitor has this in it, whatever its case; all if it is empty.
    pub search: &'a str,
}

const SELECT: &str = " AS post_mortem, i.id, i.uuid, i.monitor_id, i.started_at, i.confirmed_at, i.resolved_at, i.resolution, i.failure, i.message,
        i.detail, i.origin, i.title, i.severity, i.tells, i.acknowledged_at, i.reopened_at, i.post_mortem_at,
        i.published_at, coalesce(s.state IN ('down', 'recovering'), false) AS fails, a.user_id AS assignee,
        CASE WHEN i.acknowledged_at IS NOT NULL THEN (SELECT CASE WHEN e.actor LIKE 'channel:%'
                THEN 'channel:' || coalesce(e.detail ->> 'who' || ' (' || (e.detail #>> '{channel,name}') || ')', e.detail #>> '{channel,name}')
                ELSE e.actor END FROM incident_events e
            WHERE e.incident_id = i.id AND e.event = 'acknowledged' ORDER BY e.id DESC LIMIT 1) END AS acknowledged_by,
        (SELECT coalesce(json_agg(json_build_object('id', m.uuid, 'name', m.name) ORDER BY m.name), '[]') FROM monitors m
         WHERE m.id IN (SELECT i.monitor_id UNION ALL SELECT im.monitor_id FROM incident_monitors im WHERE im.incident_id = i.id)) AS monitors
    FROM incidents i LEFT JOIN states s ON s.monitor_id = i.monitor_id
    LEFT JOIN incident_assignees a ON a.incident_id = i.id WHERE true";

/// Incidents, the newest first, `limit` at most, from the one before `before` on.
///
/// # Errors
/// When the database fails.
pub async fn page(
    scoped: &mut Scoped,
    chosen: Chosen<'_>,
    before: Option<IncidentId>,
    limit: i64,
) -> Result<Vec<IncidentOf>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new("SELECT NULL::text");
    query.push(SELECT);
    narrow(&mut query, chosen);
    if let Some(before) = before {
        query.push(" AND i.uuid < ").push_bind(before.0);
    }
    query.push(" ORDER BY i.uuid DESC LIMIT ").push_bind(limit);
    Ok(query.build_query_as().fetch_all(scoped.conn()).await?)
}

fn narrow(query: &mut QueryBuilder<Postgres>, chosen: Chosen<'_>) {
    if let Some(monitor) = chosen.monitor {
        query.push(" AND EXISTS (SELECT FROM monitors c WHERE c.uuid = ").push_bind(monitor.0);
        query.push(
            " AND (c.id = i.monitor_id OR EXISTS (SELECT FROM incident_monitors im WHERE im.incident_id = i.id AND im.monitor_id = c.id)))",
        );
    }
    if let Some(open) = chosen.open {
        query.push(" AND (i.resolved_at IS NULL) = ").push_bind(open);
    }
    if let Some(acknowledged) = chosen.acknowledged {
        query.push(" AND (i.acknowledged_at IS NOT NULL) = ").push_bind(acknowledged);
    }
    if let Some(origin) = chosen.origin {
        query.push(" AND i.origin = ").push_bind(origin.to_owned());
    }
    if !chosen.search.is_empty() {
        let escaped = chosen.search.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        let pattern = format!("%{escaped}%");
        query.push(" AND (i.message ILIKE ").push_bind(pattern.clone());
        query.push(" OR EXISTS (SELECT FROM monitors c WHERE c.id = i.monitor_id AND c.name ILIKE ").push_bind(pattern);
        query.push("))");
    }
}

/// How many incidents there are as chosen: in all, open, open and not acknowledged, resolved.
///
/// # Errors
/// When the database fails.
pub async fn counts(scoped: &mut Scoped, chosen: Chosen<'_>) -> Result<(i64, i64, i64, i64), StoreError> {
    let mut query = QueryBuilder::<Postgres>::new(
        "SELECT count(*), count(*) FILTER (WHERE i.resolved_at IS NULL),
            count(*) FILTER (WHERE i.resolved_at IS NULL AND i.acknowledged_at IS NULL), count(*) FILTER (WHERE i.resolved_at IS NOT NULL)
         FROM incidents i WHERE true",
    );
    narrow(&mut query, Chosen { open: None, acknowledged: None, ..chosen });
    Ok(query.build_query_as().fetch_one(scoped.conn()).await?)
}

/// The incident of that id.
///
/// # Errors
/// When the database fails.
pub async fn one(scoped: &mut Scoped, id: IncidentId) -> Result<Option<IncidentOf>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new("SELECT i.post_mortem");
    query.push(SELECT).push(" AND i.uuid = ").push_bind(id.0);
    Ok(query.build_query_as().fetch_optional(scoped.conn()).await?)
}
