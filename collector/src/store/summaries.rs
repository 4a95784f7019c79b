//! One row an organization: how what it watches is doing. It is counted anew from the tables of tenants, by the worker alone.

use std::time::Duration;

use picket_shared::time::Timestamp;

use super::{Conn, StoreError, Worker};

/// A row in which nothing changed is still written so often: its age says that it was looked at.
const AGAIN: Duration = Duration::from_secs(60);

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Rows that were written.
    pub written: u64,
    /// Rows of organizations that are gone.
    pub removed: u64,
}

/// Counts every organization.
///
/// # Errors
/// When the database fails.
pub async fn refresh(worker: &mut Worker, now: Timestamp) -> Result<Report, StoreError> {
    let written = sqlx::query(
        "WITH working AS (
             SELECT c.id, c.org_id, c.is_personal, mc.user_id FROM channels c LEFT JOIN member_channels mc ON mc.channel_id = c.id
             WHERE c.deleted_at IS NULL AND c.verified_at IS NOT NULL),
         reaching AS (
             SELECT p.id, EXISTS (SELECT FROM policy_targets t JOIN working w ON w.org_id = t.org_id
                 WHERE t.policy_id = p.id AND (w.id = t.channel_id OR w.user_id = t.user_id OR w.user_id IN (
                     SELECT rm.user_id FROM rotations r JOIN rotation_members rm ON rm.rotation_id = r.id
                     WHERE r.schedule_id = t.schedule_id))) AS reaches
             FROM policies p WHERE p.deleted_at IS NULL),
         shown AS (
             SELECT m.org_id, CASE WHEN m.paused_at IS NULL THEN s.state ELSE 'paused' END AS state, s.since,
                    m.muted_at IS NOT NULL OR NOT coalesce(
                        (SELECT r.reaches FROM policies p JOIN reaching r ON r.id = p.id
                         WHERE p.org_id = m.org_id AND (p.id = m.policy_id OR p.tags && m.tags OR p.is_default)
                         ORDER BY CASE WHEN p.id = m.policy_id THEN 0 WHEN p.tags && m.tags THEN 1 ELSE 2 END, p.id LIMIT 1),
                        EXISTS (SELECT FROM working w WHERE w.org_id = m.org_id AND NOT w.is_personal)
                    ) AS untold
             FROM monitors m JOIN states s ON s.monitor_id = m.id WHERE m.deleted_at IS NULL),
         counted AS (
             SELECT org_id, count(*) FILTER (WHERE state = 'up') AS up, count(*) FILTER (WHERE state = 'down') AS down,
                    count(*) FILTER (WHERE state = 'suspect') AS suspect,
                    count(*) FILTER (WHERE state = 'recovering') AS recovering,
                    count(*) FILTER (WHERE state = 'pending') AS pending,
                    count(*) FILTER (WHERE state = 'paused') AS paused,
                    count(*) FILTER (WHERE state NOT IN ('up', 'down', 'suspect', 'recovering', 'pending', 'paused')) AS unknown,
                    count(*) FILTER (WHERE untold AND state <> 'paused') AS untold, max(since) AS changed_at
             FROM shown GROUP BY org_id),
         failing AS (
             SELECT org_id, count(*) AS incidents, min(started_at) AS since FROM incidents WHERE resolved_at IS NULL
             GROUP BY org_id)
         INSERT INTO organization_summaries AS old (org_id, uuid, name, up, down, suspect, recovering, unknown, pending, paused,
             open_incidents, untold, failing_since, changed_at, updated_at)
         SELECT o.id, o.uuid, o.name, coalesce(c.up, 0), coalesce(c.down, 0), coalesce(c.suspect, 0),
                coalesce(c.recovering, 0), coalesce(c.unknown, 0), coalesce(c.pending, 0), coalesce(c.paused, 0),
                coalesce(f.incidents, 0), coalesce(c.untold, 0), f.since, c.changed_at, $1
         FROM organizations o LEFT JOIN counted c ON c.org_id = o.id LEFT JOIN failing f ON f.org_id = o.id
         WHERE o.deleted_at IS NULL ORDER BY o.id
         ON CONFLICT (org_id) DO UPDATE SET name = EXCLUDED.name, up = EXCLUDED.up, down = EXCLUDED.down,
             suspect = EXCLUDED.suspect, recovering = EXCLUDED.recovering, unknown = EXCLUDED.unknown,
             pending = EXCLUDED.pending, paused = EXCLUDED.paused, open_incidents = EXCLUDED.open_incidents,
             untold = EXCLUDED.untold, failing_since = EXCLUDED.failing_since, changed_at = EXCLUDED.changed_at,
             updated_at = EXCLUDED.updated_at
         WHERE old.updated_at <= $2
             OR (old.name, old.up, old.down, old.suspect, old.recovering, old.unknown, old.pending, old.paused,
                 old.open_incidents, old.untold, old.failing_since, old.changed_at)
             IS DISTINCT FROM (EXCLUDED.name, EXCLUDED.up, EXCLUDED.down, EXCLUDED.suspect, EXCLUDED.recovering,
                 EXCLUDED.unknown, EXCLUDED.pending, EXCLUDED.paused, EXCLUDED.open_incidents, EXCLUDED.untold,
                 EXCLUDED.failing_since, EXCLUDED.changed_at)",
    )
    .bind(now.micros())
    .bind((now - AGAIN).micros())
    .execute(worker.conn())
    .await?
    .rows_affected();
    let removed = sqlx::query(
        "DELETE FROM organization_summaries s USING organizations o WHERE o.id = s.org_id AND o.deleted_at IS NOT NULL",
    )
    .execute(worker.conn())
    .await?
    .rows_affected();
    Ok(Report { written, removed })
}
