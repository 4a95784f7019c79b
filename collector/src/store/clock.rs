//! What becomes of the times in all tables when the collector's clock steps.
//!
//! Forwards nothing moves: the time that was leapt over is one that nobody knows anything of. Backwards, whatever lies ahead of
//! the new time was stamped by the clock that was ahead, and moves back by as much; so it stands where it belongs, in the order
//! in which it happened, and nothing is stored in the future.

use picket_shared::batch::MAX_AGE;
use picket_shared::time::Timestamp;
use serde_json::Value;
use sqlx::types::Json;

use super::{Conn, StoreError, Worker, partitions};

/// Every column that holds a time, table by table, but [`KEPT`] and [`FORGOTTEN`]. A test compares this with the database's catalogue.
pub const TIMES: &[(&str, &[&str])] = &[
    ("instance", &["created_at", "last_alive_at", "last_started_at", "clock_stepped_at", "retention_waits_until"]),
    ("organizations", &["managed_by_consent_at", "created_at", "deleted_at", "second_factor_since"]),
    ("regions", &["created_at"]),
    ("probes", &["created_at", "revoked_at"]),
    ("probe_status", &["hello_at", "seen_at", "batch_at", "through"]),
    ("probe_boots", &["hello_at"]),
    ("probe_keys", &["not_before", "not_after"]),
    ("probe_requests", &["expires_at"]),
    ("monitors", &["created_at", "updated_at", "paused_at", "deleted_at", "muted_at"]),
    ("maintenances", &["created_at", "updated_at", "deleted_at", "due_at"]),
    ("rechecks", &["asked_at", "due_at", "taken_at"]),
    ("results", &["at", "received_at", "fold_last"]),
    ("changes", &["at", "received_at"]),
    ("region_states", &["since", "last_at", "received_at"]),
    ("region_holds", &["until_at"]),
    ("gaps", &["from_at", "to_at", "noted_at"]),
    ("states", &["since", "dirty_at", "due_at", "judged_at"]),
    ("spans", &["from_at", "noted_at"]),
    (
        "incidents",
        &[
            "started_at",
            "confirmed_at",
            "resolved_at",
            "acknowledged_at",
            "reopened_at",
            "post_mortem_at",
            "published_at",
        ],
    ),
    ("incident_events", &["at"]),
    ("channels", &["created_at", "deleted_at", "verified_at", "unset_at", "failing_since"]),
    ("notices", &["at", "dispatched_at"]),
    (
        "deliveries",
        &["next_at", "leased_until", "created_at", "ended_at", "reported_at", "asked_again_at", "held_until"],
    ),
    ("standing_alarms", &["next_at", "leased_until"]),
    ("delivery_attempts", &["at"]),
    ("replays", &["from_at", "to_at", "noted_at"]),
    ("findings", &["first_at", "last_at"]),
    ("account_mails", &["created_at", "next_at", "leased_until", "gives_up_at", "ended_at"]),
    ("leadership", &["taken_at", "beat_at"]),
    ("escalations", &["level_due_at", "reminder_due_at"]),
];

/// Times that stay what they are: what was done to settings is on record as it was noted, and a receipt lies where the time
/// in its batch's own id says. Who may sign in is nothing that the role which moves times may touch.
pub const KEPT: &[(&str, &[&str])] = &[
    ("audit", &["at"]),
    // Times that a person named.
    ("monitors", &["regional_muted_until"]),
    ("channels", &["former_key_until"]),
    ("maintenance_occurrences", &["starts_at", "ends_at"]),
    ("audit_bases", &["removed_at"]),
    ("policies", &["created_at", "updated_at", "deleted_at"]),
    ("schedules", &["created_at", "updated_at", "deleted_at"]),
    ("member_channels", &["created_at"]),
    // Times that a person named.
    ("schedule_overrides", &["from_at", "to_at", "created_at"]),
    ("receipts", &["cut_at", "received_at"]),
    ("users", &["created_at", "password_changed_at", "signed_in_at", "deleted_at", "email_confirmed_at"]),
    ("memberships", &["created_at", "until_at", "end_told_at"]),
    ("sessions", &["created_at", "seen_at", "expires_at", "proven_at"]),
    ("one_time_links", &["created_at", "expires_at", "used_at"]),
    ("api_keys", &["created_at", "expires_at", "last_used_at", "revoked_at"]),
    ("devices", &["created_at", "seen_at", "expires_at"]),
    ("exports", &["asked_at", "leased_until", "ended_at", "expires_at"]),
    ("sign_in_failures", &["last_at", "locked_until"]),
    ("half_sign_ins", &["created_at", "expires_at"]),
    ("totp_secrets", &["created_at", "confirmed_at"]),
    ("recovery_codes", &["created_at", "used_at"]),
    ("passkeys", &["created_at", "last_used_at"]),
    ("passkey_challenges", &["created_at", "expires_at"]),
    ("account_links", &["created_at", "expires_at", "used_at"]),
    ("invitations", &["created_at", "expires_at", "accepted_at", "revoked_at", "member_until_at"]),
    ("organization_limits", &["changed_at"]),
    ("address_changes", &["created_at", "expires_at", "old_confirmed_at", "new_confirmed_at"]),
    ("admin_grants", &["from_at", "until_at", "revoked_at"]),
    ("managements", &["consented_at", "accepted_at", "until_at", "ended_at", "end_told_at"]),
    ("closures", &["closed_at", "erase_at", "restored_at", "began_at"]),
    ("erasures", &["erased_at", "copies_until"]),
    ("operator_alarms", &["first_at", "told_at"]),
    ("sub_processor_lists", &["noted_at"]),
    ("sub_processor_notices", &["told_at"]),
    ("dpa_versions", &["made_at"]),
    ("dpas", &["issued_at", "accepted_at"]),
    ("breaches", &["known_at", "reported_at", "telling_at", "opened_at", "closed_at"]),
    ("breach_notices", &["told_at"]),
    // Of the machine's own clock.
    ("heartbeats", &["beat_at", "safe_at"]),
    ("drills", &["began_at", "ended_at", "restored_to_at"]),
    ("recovery_proofs", &["proven_at"]),
];

/// Times of rows that live for an hour at most, or are made anew: those whose first lies ahead go, for nobody waits for them any more.
pub const FORGOTTEN: &[(&str, &[&str])] = &[
    ("manual_checks", &["asked_at", "expires_at", "taken_at", "ended_at"]),
    ("channel_proofs", &["created_at", "expires_at"]),
    // Counted anew in a moment.
    ("organization_summaries", &["updated_at", "failing_since", "changed_at"]),
];

const DAY_US: i64 = 86_400_000_000;

/// What is known of the clock beside the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ClockRow {
    /// How far the time of the running collector is ahead of its machine, in microseconds, while it does not follow it.
    pub clock_held_us: i64,
    /// When it last stepped, in the time after it.
    pub clock_stepped_at: Option<i64>,
    /// By how much, in microseconds; `None` if the collector did not run then, so that nobody knows.
    pub clock_stepped_us: Option<i64>,
    /// Until when nothing is deleted for its age.
    pub retention_waits_until: Option<i64>,
    /// When the collector was last known to run.
    pub last_alive_at: i64,
    /// When the installation was made.
    pub created_at: i64,
}

/// Reads it; `None` before the first start.
///
/// # Errors
/// When the database fails.
pub async fn read(conn: &mut impl Conn) -> Result<Option<ClockRow>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT clock_held_us, clock_stepped_at, clock_stepped_us, retention_waits_until, last_alive_at,
                created_at
         FROM instance",
    )
    .fetch_optional(conn.conn())
    .await?)
}

/// Notes how far the collector's time is ahead of its machine while it does not follow it; 0 when it does.
///
/// # Errors
/// When the database fails.
pub async fn note_held(worker: &mut Worker, held_us: i64) -> Result<(), StoreError> {
    sqlx::query("UPDATE instance SET clock_held_us = $1 WHERE clock_held_us <> $1")
        .bind(held_us)
        .execute(worker.conn())
        .await?;
    Ok(())
}

/// Lets nothing be deleted for its age until `until`.
///
/// # Errors
/// When the database fails.
pub async fn let_retention_wait(worker: &mut Worker, until: Timestamp) -> Result<(), StoreError> {
    sqlx::query("UPDATE instance SET retention_waits_until = greatest(retention_waits_until, $1)")
        .bind(until.micros())
        .execute(worker.conn())
        .await?;
    Ok(())
}

/// Notes that the collector's time may have leapt to `now` while it did not run.
///
/// # Errors
/// When the database fails.
pub async fn note_leap(worker: &mut Worker, now: Timestamp) -> Result<(), StoreError> {
    let done = sqlx::query("UPDATE instance SET clock_stepped_at = $1, clock_stepped_us = NULL")
        .bind(now.micros())
        .execute(worker.conn())
        .await?;
    StoreError::expect_rows("instance", 1, done.rows_affected())
}

/// How far the machine of each probe that reported since `since` is ahead of the collector's time, in microseconds.
///
/// # Errors
/// When the database fails.
pub async fn witnesses(conn: &mut impl Conn, since: Timestamp) -> Result<Vec<i64>, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT s.clock_offset_us FROM probe_status s JOIN probes p ON p.id = s.probe_id
         WHERE p.revoked_at IS NULL AND s.batch_at >= $1 AND s.clock_offset_us IS NOT NULL",
    )
    .bind(since.micros())
    .fetch_all(conn.conn())
    .await?)
}

/// Notes that the clock stepped by `by_us` and it is `now` since; the probes' own clocks did not.
///
/// # Errors
/// When the database fails.
pub async fn note_step(worker: &mut Worker, by_us: i64, now: Timestamp) -> Result<(), StoreError> {
    let done = sqlx::query("UPDATE instance SET clock_stepped_at = $1, clock_stepped_us = $2, clock_held_us = 0")
        .bind(now.micros())
        .bind(by_us)
        .execute(worker.conn())
        .await?;
    StoreError::expect_rows("instance", 1, done.rows_affected())?;
    sqlx::query("UPDATE probe_status SET clock_offset_us = clock_offset_us - $1")
        .bind(by_us)
        .execute(worker.conn())
        .await?;
    Ok(())
}

/// After a step forwards from `before` to `now`: what was up or down is not known in between, and who was heard just before is
/// heard just now.
///
/// # Errors
/// When the database fails.
pub async fn set_forward(
    worker: &mut Worker,
    before: Timestamp,
    now: Timestamp,
    heard_since: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO spans (org_id, monitor_id, from_at, verdict, noted_at)
         SELECT org_id, monitor_id, t.at, t.verdict, $2
         FROM (SELECT DISTINCT ON (monitor_id) org_id, monitor_id, from_at, verdict FROM spans
               ORDER BY monitor_id, from_at DESC, id DESC) newest,
              LATERAL (VALUES (1, greatest(from_at, $1), 'unknown'), (2, $2, newest.verdict)) AS t (n, at, verdict)
         WHERE newest.verdict IN ('up', 'down') ORDER BY monitor_id, t.n",
    )
    .bind(before.micros())
    .bind(now.micros())
    .execute(worker.conn())
    .await?;
    sqlx::query("UPDATE probe_status SET seen_at = seen_at + $1, batch_at = batch_at + $1 WHERE seen_at >= $2")
        .bind(now.micros_since(before))
        .bind(heard_since.micros())
        .execute(worker.conn())
        .await?;
    Ok(())
}

/// After a step back by `by_us` to `now`: moves every time that lies ahead back by as much. Says how many rows.
///
/// # Errors
/// When the database fails.
pub async fn set_back(worker: &mut Worker, by_us: i64, now: Timestamp) -> Result<u64, StoreError> {
    let days: Vec<i64> = sqlx::query_scalar("SELECT DISTINCT (at - $2) / $3 FROM results WHERE at > $1")
        .bind(now.micros())
        .bind(by_us)
        .bind(DAY_US)
        .fetch_all(worker.conn())
        .await?;
    for day in days {
        partitions::ensure(worker, "results", day).await?;
    }
    let mut moved = 0;
    for (table, columns) in TIMES {
        let statement = statement(table, columns);
        let done =
            sqlx::query(sqlx::AssertSqlSafe(statement)).bind(now.micros()).bind(by_us).execute(worker.conn()).await?;
        moved += done.rows_affected();
    }
    for (table, columns) in FORGOTTEN {
        let statement = format!("DELETE FROM {table} WHERE {} > $1", columns[0]);
        sqlx::query(sqlx::AssertSqlSafe(statement)).bind(now.micros()).execute(worker.conn()).await?;
    }
    // A range that began when the clock leapt has nothing left in it.
    sqlx::query("DELETE FROM gaps WHERE to_at = from_at").execute(worker.conn()).await?;
    remember_back(worker, by_us, now).await?;
    Ok(moved)
}

/// Names are our own constants; values are bound.
fn statement(table: &str, columns: &[&str]) -> String {
    let moved = |column: &str| format!("CASE WHEN {column} > $1 THEN {column} - $2 ELSE {column} END");
    let set = |column: &str| {
        let back = moved(column);
        // No end before its beginning, and no span before the one that went before.
        match (table, column) {
            ("gaps" | "replays", "to_at") => format!("to_at = greatest({back}, {})", moved("from_at")),
            ("incidents", "resolved_at" | "confirmed_at") => {
                format!("{column} = CASE WHEN {column} IS NOT NULL THEN greatest({back}, {}) END", moved("started_at"))
            }
            ("spans", "from_at") => format!(
                "from_at = greatest({back}, (SELECT max(b.from_at) FROM spans b
                     WHERE b.monitor_id = spans.monitor_id AND b.from_at <= $1))"
            ),
            _ => format!("{column} = {back}"),
        }
    };
    let ahead: Vec<_> = columns.iter().map(|column| format!("{column} > $1")).collect();
    let set: Vec<_> = columns.iter().map(|column| set(column)).collect();
    // What is older cannot have come lately, so that only a few days of results are looked at.
    let lately = if table == "results" { format!("at > $1 - {} AND", MAX_AGE.as_micros()) } else { String::new() };
    format!("UPDATE {table} SET {} WHERE {lately} ({})", set.join(", "), ahead.join(" OR "))
}

/// What the judge remembers holds times too; any number of a time's size is one.
async fn remember_back(worker: &mut Worker, by_us: i64, now: Timestamp) -> Result<(), StoreError> {
    let rows: Vec<(i64, Json<Value>)> =
        sqlx::query_as("SELECT monitor_id, data FROM states FOR UPDATE").fetch_all(worker.conn()).await?;
    for (monitor, Json(mut data)) in rows {
        if move_back(&mut data, by_us, now.micros()) {
            sqlx::query("UPDATE states SET data = $2, revision = revision + 1 WHERE monitor_id = $1")
                .bind(monitor)
                .bind(Json(data))
                .execute(worker.conn())
                .await?;
        }
    }
    Ok(())
}

fn move_back(value: &mut Value, by_us: i64, now: i64) -> bool {
    match value {
        Value::Number(number) => match number.as_i64().filter(|time| *time > now) {
            Some(time) => {
                *value = Value::from(time.saturating_sub(by_us));
                true
            }
            None => false,
        },
        Value::Array(items) => items.iter_mut().fold(false, |any, item| move_back(item, by_us, now) | any),
        Value::Object(fields) => fields.values_mut().fold(false, |any, field| move_back(field, by_us, now) | any),
        _ => false,
    }
}
