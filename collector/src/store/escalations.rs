//! How far incidents got in their policies. A row is there as long as somebody may still be told; who acknowledges or resolves ends it.

use picket_shared::time::Timestamp;

use super::{Conn, IncidentKey, NoticeKey, OrgKey, PolicyKey, StoreError, Worker};
use crate::domain::telling::escalation::Progress;

/// An incident of which somebody is due to be told.
#[derive(Clone, Debug)]
pub struct Due {
    /// Which.
    pub incident: IncidentKey,
    /// Whose it is.
    pub org: OrgKey,
    /// By which policy.
    pub policy: PolicyKey,
    /// What is told.
    pub notice: NoticeKey,
    /// How far it got.
    pub progress: Progress,
}

async fn begin(conn: &mut Worker, due: &Due) -> Result<(), StoreError> {
    let (level, reminders) = (small(due.progress.level), count(due.progress.reminders));
    sqlx::query(
        "INSERT INTO escalations (incident_id, org_id, policy_id, notice_id, round, level, level_due_at, reminders, reminder_due_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (incident_id) DO UPDATE SET policy_id = EXCLUDED.policy_id, notice_id = EXCLUDED.notice_id,
             round = EXCLUDED.round, level = EXCLUDED.level, level_due_at = EXCLUDED.level_due_at,
             reminders = EXCLUDED.reminders, reminder_due_at = EXCLUDED.reminder_due_at",
    )
    .bind(due.incident)
    .bind(due.org)
    .bind(due.policy)
    .bind(due.notice)
    .bind(i16::from(due.progress.round))
    .bind(level)
    .bind(due.progress.due.map(Timestamp::micros))
    .bind(reminders)
    .bind(due.progress.reminder_due.map(Timestamp::micros))
    .execute(conn.conn())
    .await?;
    Ok(())
}

/// Ends those whose incident is over or acknowledged, or was opened again meanwhile, which begins anew.
///
/// # Errors
/// When the database fails.
pub async fn end_settled(conn: &mut Worker) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "DELETE FROM escalations e USING incidents i, notices n
         WHERE i.id = e.incident_id AND n.id = e.notice_id
             AND (i.resolved_at IS NOT NULL OR i.acknowledged_at IS NOT NULL OR i.round <> n.round)",
    )
    .execute(conn.conn())
    .await?;
    Ok(done.rows_affected())
}

/// Locks up to `limit` of which something is due at `now`, the first due first, and their incidents, so that nobody acknowledges or ends
/// one meanwhile; those that another holds are passed over. What is muted or in maintenance waits, and so does an incident of which a
/// notice was not dispatched yet: what that says comes first.
///
/// # Errors
/// When the database fails.
pub async fn due(conn: &mut Worker, now: Timestamp, limit: i64) -> Result<Vec<Due>, StoreError> {
    type Row = (IncidentKey, OrgKey, PolicyKey, NoticeKey, i16, i16, Option<i64>, i32, Option<i64>);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT e.incident_id, e.org_id, e.policy_id, e.notice_id, e.round, e.level, e.level_due_at, e.reminders, e.reminder_due_at
         FROM escalations e JOIN incidents i ON i.id = e.incident_id
         WHERE least(e.level_due_at, e.reminder_due_at) <= $1 AND i.resolved_at IS NULL AND i.acknowledged_at IS NULL
            AND NOT EXISTS (SELECT FROM monitors m LEFT JOIN states s ON s.monitor_id = m.id
                WHERE m.id = i.monitor_id AND (m.muted_at IS NOT NULL OR s.data #>> '{overlays,maintenance}' = 'true'))
            AND NOT EXISTS (SELECT FROM notices n WHERE n.incident_id = i.id AND n.dispatched_at IS NULL)
         ORDER BY least(e.level_due_at, e.reminder_due_at) LIMIT $2 FOR UPDATE OF e SKIP LOCKED FOR SHARE OF i SKIP LOCKED",
    )
    .bind(now.micros())
    .bind(limit)
    .fetch_all(conn.conn())
    .await?;
    let due = |(incident, org, policy, notice, round, level, due, reminders, reminder_due): Row| Due {
        incident,
        org,
        policy,
        notice,
        progress: Progress {
            round: u8::try_from(round).unwrap_or(u8::MAX),
            level: usize::try_from(level).unwrap_or(usize::MAX),
            due: due.map(Timestamp::from_micros),
            reminders: u32::try_from(reminders).unwrap_or(u32::MAX),
            reminder_due: reminder_due.map(Timestamp::from_micros),
        },
    };
    Ok(rows.into_iter().map(due).collect())
}

/// Keeps how far it got, or ends it where nothing will be due after `now`.
///
/// # Errors
/// When the database fails.
pub async fn keep(conn: &mut Worker, due: &Due, now: Timestamp) -> Result<(), StoreError> {
    // What a policy that was shortened meanwhile left behind would be due for ever.
    let ahead = |at: &Timestamp| *at > now;
    let (level_due, reminder_due) = (due.progress.due.filter(ahead), due.progress.reminder_due.filter(ahead));
    if level_due.is_none() && reminder_due.is_none() {
        return end(conn, due.incident).await;
    }
    let progress = Progress { due: level_due, reminder_due, ..due.progress };
    begin(conn, &Due { progress, ..due.clone() }).await
}

/// Ends it.
///
/// # Errors
/// When the database fails.
pub async fn end(conn: &mut Worker, incident: IncidentKey) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM escalations WHERE incident_id = $1").bind(incident).execute(conn.conn()).await?;
    Ok(())
}

fn small(level: usize) -> i16 {
    i16::try_from(level).unwrap_or(i16::MAX)
}

fn count(reminders: u32) -> i32 {
    i32::try_from(reminders).unwrap_or(i32::MAX)
}
