//! What people do to windows of maintenance. Each deed is in the audit log, and rings for the task that sees to edges.

use picket_shared::ids::MaintenanceId;
use picket_shared::time::Timestamp;
use serde_json::json;

use super::{Kept, Row, keep, select};
use crate::domain::maintenance::Occurrence;
use crate::domain::maintenance::settings::{EARLIEST, Scope, Settings};
use crate::store::monitors::UNDO_FOR;
use crate::store::{Conn, Scoped, StoreError, audit};
use crate::wake::Bell;

/// So many times of a window are looked at to see which that were announced are still to come.
const MOST_NEAR: usize = 1000;

/// Which occurrences `o` of a window are to come and not among the wanted: those that begin or end otherwise, or never.
macro_rules! gone {
    () => {
        "o.maintenance_id = $1 AND o.starts_at > $2 AND NOT EXISTS (
            SELECT FROM unnest($3::bigint[], $4::bigint[]) x (starts_at, ends_at) WHERE x.starts_at = o.starts_at AND x.ends_at = o.ends_at)"
    };
}

/// Holds the window of that id, unless it was deleted.
///
/// # Errors
/// When the database fails or the row cannot be read.
pub async fn hold(conn: &mut Scoped, id: MaintenanceId) -> Result<Option<Kept>, StoreError> {
    let sql = select!("WHERE w.uuid = $1 AND w.deleted_at IS NULL FOR UPDATE OF w");
    let row: Option<Row> = sqlx::query_as(sql).bind(id.0).fetch_optional(conn.conn()).await?;
    row.map(Row::kept).transpose()
}

/// How many windows the organization has.
///
/// # Errors
/// When the database fails.
pub async fn count(conn: &mut Scoped) -> Result<i64, StoreError> {
    let counted = sqlx::query_scalar("SELECT count(*) FROM maintenances WHERE deleted_at IS NULL");
    Ok(counted.fetch_one(conn.conn()).await?)
}

/// Makes a window. False when a monitor of it is not there; then nothing is to be committed.
///
/// # Errors
/// When the database fails.
pub async fn add(conn: &mut Scoped, id: MaintenanceId, wanted: &Settings, now: Timestamp) -> Result<bool, StoreError> {
    let (org, by) = (conn.org(), conn.actor().to_owned());
    let sql = "INSERT INTO maintenances (uuid, title, note, zone, start, duration_s, rule, exceptions, scope, tags, holds_alerts,
            shows_on_page, counts_as, announce_before_s, updated_at, due_at, org_id, created_by, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15, $16, $17, $15)";
    let done = bound(sqlx::query(sql), id, wanted, now).bind(org).bind(by).execute(conn.conn()).await?;
    StoreError::expect_rows("maintenances", 1, done.rows_affected())?;
    let whole = name_monitors(conn, id, &wanted.scope).await?;
    keep(conn, id, &wanted.window, now).await?;
    finish(conn, "maintenance.create", id, wanted, now).await?;
    Ok(whole)
}

/// Changes a window. An occurrence that runs goes on if the window still has one that began then, until its new end; else it ends.
/// False when a monitor of it is not there; then nothing is to be committed.
///
/// # Errors
/// When the database fails.
pub async fn edit(conn: &mut Scoped, kept: &Kept, wanted: &Settings, now: Timestamp) -> Result<bool, StoreError> {
    let sql = "UPDATE maintenances SET title = $2, note = $3, zone = $4, start = $5, duration_s = $6, rule = $7, exceptions = $8,
            scope = $9, tags = $10, holds_alerts = $11, shows_on_page = $12, counts_as = $13, announce_before_s = $14,
            updated_at = $15, due_at = $15 WHERE uuid = $1 AND deleted_at IS NULL";
    touch_states(conn, kept, now).await?;
    let done = bound(sqlx::query(sql), kept.id, wanted, now).execute(conn.conn()).await?;
    StoreError::expect_rows("maintenances", 1, done.rows_affected())?;
    if kept.settings.window != wanted.window {
        let near = wanted.window.after(now).take_while(|one| one.start <= now + EARLIEST).take(MOST_NEAR);
        let (running, to_come): (Vec<_>, Vec<_>) = near.partition(|one| one.start <= now);
        move_ends(conn, kept, &running, now).await?;
        forget_to_come(conn, kept, &to_come, now).await?;
        keep(conn, kept.id, &wanted.window, now).await?;
    }
    let whole = name_monitors(conn, kept.id, &wanted.scope).await?;
    touch_states(conn, kept, now).await?;
    finish(conn, "maintenance.update", kept.id, wanted, now).await?;
    Ok(whole)
}

/// Ends the occurrence that runs. False when none does.
///
/// # Errors
/// When the database fails.
pub async fn end_now(conn: &mut Scoped, kept: &Kept, now: Timestamp) -> Result<bool, StoreError> {
    if end_running(conn, kept, now).await? == 0 {
        return Ok(false);
    }
    look_at(conn, kept, now).await?;
    finish(conn, "maintenance.end", kept.id, &kept.settings, now).await?;
    Ok(true)
}

/// Leaves the next occurrence out that has not begun; gives when it would have begun. `None` when there is none, or as many were
/// left out as can be.
///
/// # Errors
/// When the database fails.
pub async fn skip_next(conn: &mut Scoped, kept: &Kept, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let Some(next) = kept.settings.window.after(now).find(|one| one.start > now) else { return Ok(None) };
    let mut wanted = kept.settings.clone();
    wanted.window.exceptions.insert(next.local);
    if wanted.window.check().is_err() {
        return Ok(None);
    }
    edit(conn, kept, &wanted, now).await?;
    Ok(Some(next.start))
}

/// Deletes a window; what runs of it ends. It can be undone for an hour ([`restore`]).
///
/// # Errors
/// When the database fails.
pub async fn delete(conn: &mut Scoped, kept: &Kept, now: Timestamp) -> Result<(), StoreError> {
    end_running(conn, kept, now).await?;
    forget_to_come(conn, kept, &[], now).await?;
    let done = sqlx::query("UPDATE maintenances SET deleted_at = $2, updated_at = $2, due_at = $2 WHERE id = $1")
        .bind(kept.key)
        .bind(now.micros())
        .execute(conn.conn())
        .await?;
    StoreError::expect_rows("maintenances", 1, done.rows_affected())?;
    finish(conn, "maintenance.delete", kept.id, &kept.settings, now).await
}

/// Undoes a deletion of the last hour; what the deletion ended stays over. False when there is none.
///
/// # Errors
/// When the database fails.
pub async fn restore(conn: &mut Scoped, id: MaintenanceId, now: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE maintenances SET deleted_at = NULL, updated_at = $2, due_at = $2 WHERE uuid = $1 AND deleted_at > $3",
    )
    .bind(id.0)
    .bind(now.micros())
    .bind((now - UNDO_FOR).micros())
    .execute(conn.conn())
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    let lost = StoreError::RowCount { table: "maintenances", expected: 1, touched: 0 };
    let kept = hold(conn, id).await?.ok_or(lost)?;
    keep(conn, id, &kept.settings.window, now).await?;
    finish(conn, "maintenance.restore", id, &kept.settings, now).await?;
    Ok(true)
}

/// Binds $1 to $15.
fn bound<'q>(
    query: crate::store::Statement<'q>,
    id: MaintenanceId,
    wanted: &Settings,
    now: Timestamp,
) -> crate::store::Statement<'q> {
    let window = &wanted.window;
    let seconds = |duration: std::time::Duration| i32::try_from(duration.as_secs()).unwrap_or(i32::MAX);
    let tags = match &wanted.scope {
        Scope::Tags(tags) => tags.clone(),
        Scope::All | Scope::Monitors(_) => Vec::new(),
    };
    query
        .bind(id.0)
        .bind(wanted.title.clone())
        .bind(wanted.note.clone())
        .bind(window.zone.name().to_owned())
        .bind(window.start.to_string())
        .bind(seconds(window.duration))
        .bind(window.rule.as_ref().map(|rule| rule.text().to_owned()))
        .bind(window.exceptions.iter().map(ToString::to_string).collect::<Vec<_>>())
        .bind(wanted.scope.as_str())
        .bind(tags)
        .bind(wanted.effects.holds_alerts)
        .bind(wanted.effects.shows_on_page)
        .bind(wanted.effects.counts_as.as_str())
        .bind(wanted.announce_before.map(seconds))
        .bind(now.micros())
}

async fn name_monitors(conn: &mut Scoped, id: MaintenanceId, scope: &Scope) -> Result<bool, StoreError> {
    let wanted: Vec<uuid::Uuid> = match scope {
        Scope::Monitors(ids) => ids.iter().map(|id| id.0).collect(),
        Scope::All | Scope::Tags(_) => Vec::new(),
    };
    sqlx::query(
        "DELETE FROM maintenance_monitors WHERE maintenance_id = (SELECT id FROM maintenances WHERE uuid = $1)",
    )
    .bind(id.0)
    .execute(conn.conn())
    .await?;
    let done = sqlx::query(
        "INSERT INTO maintenance_monitors (org_id, maintenance_id, monitor_id)
         SELECT w.org_id, w.id, m.id FROM maintenances w, monitors m
         WHERE w.uuid = $1 AND m.org_id = w.org_id AND m.uuid = ANY ($2) AND m.deleted_at IS NULL",
    )
    .bind(id.0)
    .bind(&wanted)
    .execute(conn.conn())
    .await?;
    Ok(done.rows_affected() == wanted.len() as u64)
}

/// What runs ends when it does in `running`; now, where it is not there.
async fn move_ends(conn: &mut Scoped, kept: &Kept, running: &[Occurrence], now: Timestamp) -> Result<(), StoreError> {
    let (starts, ends) = edges_of(running);
    sqlx::query(
        "UPDATE maintenance_occurrences o SET ends_at = greatest(o.starts_at, coalesce(
             (SELECT x.ends_at FROM unnest($3::bigint[], $4::bigint[]) x (starts_at, ends_at) WHERE x.starts_at = o.starts_at), $2))
         WHERE o.maintenance_id = $1 AND o.starts_at <= $2 AND o.ends_at > $2 AND NOT o.called_off",
    )
    .bind(kept.key)
    .bind(now.micros())
    .bind(starts)
    .bind(ends)
    .execute(conn.conn())
    .await?;
    Ok(())
}

async fn end_running(conn: &mut Scoped, kept: &Kept, now: Timestamp) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "UPDATE maintenance_occurrences SET ends_at = $2 WHERE maintenance_id = $1 AND starts_at <= $2 AND ends_at > $2
            AND NOT called_off",
    )
    .bind(kept.key)
    .bind(now.micros())
    .execute(conn.conn())
    .await?;
    Ok(done.rows_affected())
}

/// Takes away what was kept of times to come that are not among `wanted` any more. What was announced of them is called off, and told as
/// that to who was told.
async fn forget_to_come(
    conn: &mut Scoped,
    kept: &Kept,
    wanted: &[Occurrence],
    now: Timestamp,
) -> Result<(), StoreError> {
    for sql in [
        concat!("DELETE FROM maintenance_occurrences o WHERE NOT announced AND ", gone!()),
        concat!("UPDATE maintenance_occurrences o SET called_off = true WHERE NOT called_off AND ", gone!()),
    ] {
        let (starts, ends) = edges_of(wanted);
        sqlx::query(sql).bind(kept.key).bind(now.micros()).bind(starts).bind(ends).execute(conn.conn()).await?;
    }
    Ok(())
}

/// Starts and ends, as statements take them.
fn edges_of(occurrences: &[Occurrence]) -> (Vec<i64>, Vec<i64>) {
    occurrences.iter().map(|one| (one.start.micros(), one.end.micros())).unzip()
}

async fn look_at(conn: &mut Scoped, kept: &Kept, now: Timestamp) -> Result<(), StoreError> {
    let done = sqlx::query("UPDATE maintenances SET updated_at = $2, due_at = $2 WHERE id = $1")
        .bind(kept.key)
        .bind(now.micros())
        .execute(conn.conn())
        .await?;
    StoreError::expect_rows("maintenances", 1, done.rows_affected())
}

/// Has the monitors judged that the window is of: before an edit those that it leaves, after it those that it reaches.
async fn touch_states(conn: &mut Scoped, kept: &Kept, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE states SET dirty_at = $2 WHERE monitor_id IN (SELECT m.id FROM maintenances w JOIN monitors m ON m.org_id = w.org_id
             WHERE w.id = $1 AND m.deleted_at IS NULL AND maintains(w.id, w.scope, w.tags, m.id, m.tags))",
    )
    .bind(kept.key)
    .bind(now.micros())
    .execute(conn.conn())
    .await?;
    conn.ring(Bell::Judge).await
}

async fn finish(
    conn: &mut Scoped,
    action: &str,
    id: MaintenanceId,
    settings: &Settings,
    now: Timestamp,
) -> Result<(), StoreError> {
    let effects = settings.effects;
    let detail = json!({
        "when": settings.window.words(), "scope": settings.scope.as_str(), "holds_alerts": effects.holds_alerts,
        "shows_on_page": effects.shows_on_page, "counts_as": effects.counts_as.as_str(),
        "announce_before_s": settings.announce_before.map(|before| before.as_secs()),
    });
    audit::note(conn, action, id.0, detail, now).await?;
    conn.ring(Bell::Maintenance).await?;
    conn.ring(Bell::Pages).await
}
