//! Alarm drills: incidents that tell of nothing, taken through dispatch and delivery like any other. How soon providers took the messages, and
//! somebody acknowledged, follows from their rows.

use std::time::Duration;

use picket_shared::ids::{IncidentId, MonitorId};
use picket_shared::time::Timestamp;
use serde_json::json;

use super::declared::{Declared, declare};
use crate::domain::incident::Severity;
use crate::store::audit::{self, Author};
use crate::store::{Auth, Conn, OrgKey, Scoped, StoreError, Worker};

/// What a drill is called, in every message.
pub const TITLE: &str = "Drill: nothing is wrong, please acknowledge";
/// A drill that nobody acknowledges ends by itself after this.
pub const LONGEST: Duration = Duration::from_secs(30 * 60);
/// Between two of those that come by themselves.
const WEEK: Duration = Duration::from_secs(7 * 86_400);
/// What the timeline says of it.
const TEXT: &str = "An alarm drill. It ends when somebody acknowledges, or after half an hour.";

/// A drill, and what came of it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct DrillRow {
    /// The incident.
    pub uuid: uuid::Uuid,
    /// `asked` or `weekly`.
    pub drill: String,
    /// When it began, in microseconds.
    pub started_at: i64,
    /// When it ended.
    pub resolved_at: Option<i64>,
    /// When somebody acknowledged it.
    pub acknowledged_at: Option<i64>,
    /// How many messages it made, which providers took, and which were given up.
    pub messages: i64,
    /// How many were taken.
    pub taken: i64,
    /// How many were given up, or could not be delivered.
    pub failed: i64,
    /// How long the first was under way until its provider took it, in microseconds.
    pub first_us: Option<i64>,
    /// The same of the last.
    pub last_us: Option<i64>,
}

impl DrillRow {
    /// As programs get it: times since it began are in seconds.
    pub fn exported(&self) -> serde_json::Value {
        let at = |micros: i64| Timestamp::from_micros(micros).exact();
        let seconds =
            |us: Option<i64>| us.map(|us| Duration::from_micros(u64::try_from(us).unwrap_or(0)).as_secs_f64());
        json!({
            "incident": self.uuid,
            "began_by": self.drill,
            "began_at": at(self.started_at),
            "ended_at": self.resolved_at.map(at),
            "messages": self.messages,
            "taken": self.taken,
            "failed": self.failed,
            "first_taken_after_s": seconds(self.first_us),
            "last_taken_after_s": seconds(self.last_us),
            "acknowledged_after_s": seconds(self.acknowledged_at.map(|at| at - self.started_at)),
        })
    }
}

/// Begins a drill of the policy that is for these monitors, or for none in particular; gives its incident. `None` where one of them is not
/// there.
///
/// # Errors
/// When the database fails.
pub async fn begin(
    conn: &mut Scoped,
    monitors: &[MonitorId],
    weekly: bool,
    now: Timestamp,
) -> Result<Option<IncidentId>, StoreError> {
    let id = IncidentId::at(now);
    let severity = Severity::Warning;
    let new = Declared { id, title: TITLE, severity, monitors, text: Some(TEXT), tells: true };
    if !declare(conn, &new, now).await?.is_empty() {
        return Ok(None);
    }
    let update = sqlx::query("UPDATE incidents SET drill = $2 WHERE uuid = $1").bind(id.0);
    let done = update.bind(if weekly { "weekly" } else { "asked" }).execute(conn.conn()).await?;
    StoreError::expect_rows("incidents", 1, done.rows_affected())?;
    Ok(Some(id))
}

/// Organizations whose weekly drill is due.
///
/// # Errors
/// When the database fails.
pub async fn due(worker: &mut Worker, now: Timestamp) -> Result<Vec<OrgKey>, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT o.id FROM organizations o WHERE o.drills_weekly AND o.deleted_at IS NULL
            AND NOT EXISTS (SELECT FROM incidents i WHERE i.org_id = o.id AND i.drill IS NOT NULL AND i.started_at > $1)
         ORDER BY o.id LIMIT 100",
    )
    .bind((now - WEEK).micros())
    .fetch_all(worker.conn())
    .await?)
}

/// Drills that end: somebody acknowledged, or nobody did for so long.
///
/// # Errors
/// When the database fails.
pub async fn over(worker: &mut Worker, now: Timestamp) -> Result<Vec<(OrgKey, IncidentId)>, StoreError> {
    let rows: Vec<(OrgKey, uuid::Uuid)> = sqlx::query_as(
        "SELECT org_id, uuid FROM incidents
         WHERE drill IS NOT NULL AND resolved_at IS NULL AND (acknowledged_at IS NOT NULL OR started_at <= $1) LIMIT 100",
    )
    .bind((now - LONGEST).micros())
    .fetch_all(worker.conn())
    .await?;
    Ok(rows.into_iter().map(|(org, id)| (org, IncidentId(id))).collect())
}

/// Drills, the newest first; of one of them where an incident is named.
///
/// # Errors
/// When the database fails.
pub async fn list(conn: &mut Scoped, one: Option<IncidentId>, limit: i64) -> Result<Vec<DrillRow>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT i.uuid, i.drill, i.started_at, i.resolved_at, i.acknowledged_at, count(d.id) AS messages,
                count(d.id) FILTER (WHERE d.state = 'sent' AND d.reported IS DISTINCT FROM 'undelivered') AS taken,
                count(d.id) FILTER (WHERE d.state = 'failed' OR d.reported = 'undelivered') AS failed,
                min(d.ended_at - i.started_at) FILTER (WHERE d.state = 'sent') AS first_us,
                max(d.ended_at - i.started_at) FILTER (WHERE d.state = 'sent') AS last_us
         FROM incidents i LEFT JOIN notices n ON n.incident_id = i.id AND n.kind = 'declared'
         LEFT JOIN deliveries d ON d.notice_id = n.id
         WHERE i.drill IS NOT NULL AND ($1::uuid IS NULL OR i.uuid = $1)
         GROUP BY i.id ORDER BY i.started_at DESC, i.id DESC LIMIT $2",
    )
    .bind(one.map(|id| id.0))
    .bind(limit)
    .fetch_all(conn.conn())
    .await?)
}

/// Whether alarms are drilled each week.
///
/// # Errors
/// When the database fails.
pub async fn are_weekly(conn: &mut Scoped) -> Result<bool, StoreError> {
    let org = conn.org();
    let query = sqlx::query_scalar("SELECT drills_weekly FROM organizations WHERE id = $1");
    Ok(query.bind(org).fetch_one(conn.conn()).await?)
}

/// Says whether alarms are drilled each week from now on; false when it was so before.
///
/// # Errors
/// When the database fails.
pub async fn set_weekly(
    auth: &mut Auth,
    org: OrgKey,
    weekly: bool,
    by: &Author,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let changed: Option<uuid::Uuid> = sqlx::query_scalar(
        "UPDATE organizations SET drills_weekly = $2 WHERE id = $1 AND drills_weekly <> $2 RETURNING uuid",
    )
    .bind(org)
    .bind(weekly)
    .fetch_optional(auth.conn())
    .await?;
    let Some(id) = changed else { return Ok(false) };
    let author = Author { org: Some(org), ..by.clone() };
    let detail = json!({ "weekly": weekly });
    audit::append(auth, &author.did("organization.alarm_drills", &id.to_string(), detail, now)).await?;
    Ok(true)
}
