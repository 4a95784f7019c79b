//! What people do to incidents. Each deed is in the timeline and in the audit log, and whoever looks at a page sees it at once.
//!
//! Who deals with an incident holds it first, and its monitor's state before it: in the order in which the judge does, so that of
//! both only one goes on.

use picket_shared::ids::IncidentId;
use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use crate::domain::outage::{Notice, NoticeKind};
use crate::store::{Conn, IncidentKey, MonitorKey, Scoped, StoreError, UserKey, audit, monitors, notices};
use crate::wake::Bell;

/// An incident that nobody else changes before this transaction ends.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Held {
    /// Its row.
    #[sqlx(rename = "id")]
    pub key: IncidentKey,
    /// Its name outside.
    #[sqlx(rename = "uuid")]
    pub id: uuid::Uuid,
    /// Of which monitor it is; none where a person opened it.
    #[sqlx(rename = "monitor_id")]
    monitor: Option<MonitorKey>,
    /// Whether that monitor was deleted.
    gone: bool,
    tells: bool,
    started_at: i64,
    resolved_at: Option<i64>,
    acknowledged_at: Option<i64>,
    post_mortem: Option<String>,
    published_at: Option<i64>,
}

/// What became of what a person wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It is done.
    Done,
    /// It was so already.
    Already,
    /// The incident is over.
    NotOpen,
    /// Another incident of the monitor is open.
    OtherOpen,
    /// Its monitor was deleted.
    MonitorGone,
}

/// By which channel somebody acknowledges who is not signed in.
#[derive(Clone, Copy, Debug)]
pub struct Through<'a> {
    /// Its id.
    pub channel: uuid::Uuid,
    /// What it is called.
    pub name: &'a str,
    /// Who, as its provider calls them, if it said so.
    pub who: Option<&'a str>,
}

/// What is added to a timeline.
#[derive(Default)]
pub(super) struct Fact<'a> {
    pub(super) event: &'a str,
    pub(super) assignee: Option<&'a str>,
    pub(super) body: Option<&'a str>,
    pub(super) detail: Value,
}

/// Holds the incident of that id, if there is one.
///
/// # Errors
/// When the database fails.
pub async fn hold(conn: &mut Scoped, id: IncidentId) -> Result<Option<Held>, StoreError> {
    let found: Option<Option<MonitorKey>> = sqlx::query_scalar("SELECT monitor_id FROM incidents WHERE uuid = $1")
        .bind(id.0)
        .fetch_optional(conn.conn())
        .await?;
    let Some(monitor) = found else { return Ok(None) };
    sqlx::query("SELECT FROM states WHERE monitor_id = $1 FOR UPDATE").bind(monitor).execute(conn.conn()).await?;
    // A statement of its own: it sees what was committed while this waited.
    Ok(sqlx::query_as(
        "SELECT i.id, i.uuid, i.monitor_id, coalesce(m.deleted_at IS NOT NULL, false) AS gone, i.tells, i.started_at, i.resolved_at,
                i.acknowledged_at, i.post_mortem, i.published_at
         FROM incidents i LEFT JOIN monitors m ON m.id = i.monitor_id WHERE i.uuid = $1 FOR UPDATE OF i",
    )
    .bind(id.0)
    .fetch_optional(conn.conn())
    .await?)
}

/// Says that somebody looks after it. Pagers that were told of it are told that too.
///
/// # Errors
/// When the database fails.
pub async fn acknowledge(conn: &mut Scoped, held: &Held, now: Timestamp) -> Result<Deed, StoreError> {
    acknowledged(conn, held, json!({}), now).await
}

/// The same by a link or a button of a message, or at the provider of a channel.
///
/// # Errors
/// When the database fails.
async fn acknowledge_through(
    conn: &mut Scoped,
    held: &Held,
    through: Through<'_>,
    now: Timestamp,
) -> Result<Deed, StoreError> {
    let detail = json!({ "channel": { "id": through.channel, "name": through.name }, "who": through.who });
    acknowledged(conn, held, detail, now).await
}

/// Acknowledges several at once by an answer to the message that told of them; gives what became of each that is there.
///
/// # Errors
/// When the database fails.
pub async fn acknowledge_all_through(
    conn: &mut Scoped,
    incidents: &[IncidentId],
    through: Through<'_>,
    now: Timestamp,
) -> Result<Vec<Deed>, StoreError> {
    let mut deeds = Vec::new();
    for incident in incidents {
        if let Some(held) = hold(conn, *incident).await? {
            deeds.push(acknowledge_through(conn, &held, through, now).await?);
        }
    }
    Ok(deeds)
}

async fn acknowledged(conn: &mut Scoped, held: &Held, detail: Value, now: Timestamp) -> Result<Deed, StoreError> {
    if held.resolved_at.is_some() {
        return Ok(Deed::NotOpen);
    }
    if held.acknowledged_at.is_some() {
        return Ok(Deed::Already);
    }
    let update = sqlx::query("UPDATE incidents SET acknowledged_at = $2 WHERE id = $1 AND acknowledged_at IS NULL");
    let done = update.bind(held.key).bind(now.micros()).execute(conn.conn()).await?;
    StoreError::expect_rows("incidents", 1, done.rows_affected())?;
    note(conn, held.key, now, Fact { event: "acknowledged", detail: detail.clone(), ..Fact::default() }).await?;
    let told: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM notices WHERE incident_id = $1 AND kind IN ('down', 'reopened', 'declared'))",
    )
    .bind(held.key)
    .fetch_one(conn.conn())
    .await?;
    if told {
        tell(conn, held, NoticeKind::Acknowledged, now).await?;
    }
    finish(conn, held, "incident.acknowledge", detail, now).await
}

/// Gives it to a member, or to nobody. What names the member outside goes into the audit log, what the member is called into the
/// timeline.
///
/// # Errors
/// When the user is no member any more or the database fails.
pub async fn assign(
    conn: &mut Scoped,
    held: &Held,
    to: Option<(UserKey, uuid::Uuid, &str)>,
    now: Timestamp,
) -> Result<Deed, StoreError> {
    let had: Option<UserKey> = sqlx::query_scalar("SELECT user_id FROM incident_assignees WHERE incident_id = $1")
        .bind(held.key)
        .fetch_optional(conn.conn())
        .await?;
    if had == to.map(|(user, ..)| user) {
        return Ok(Deed::Already);
    }
    let Some((user, id, called)) = to else {
        let delete = sqlx::query("DELETE FROM incident_assignees WHERE incident_id = $1");
        delete.bind(held.key).execute(conn.conn()).await?;
        note(conn, held.key, now, Fact { event: "unassigned", ..Fact::default() }).await?;
        return finish(conn, held, "incident.assign", json!({ "member": null }), now).await;
    };
    let done = sqlx::query(
        "INSERT INTO incident_assignees (org_id, incident_id, user_id) VALUES ($1, $2, $3)
         ON CONFLICT (incident_id) DO UPDATE SET user_id = EXCLUDED.user_id",
    )
    .bind(conn.org())
    .bind(held.key)
    .bind(user)
    .execute(conn.conn())
    .await?;
    StoreError::expect_rows("incident_assignees", 1, done.rows_affected())?;
    note(conn, held.key, now, Fact { event: "assigned", assignee: Some(called), ..Fact::default() }).await?;
    finish(conn, held, "incident.assign", json!({ "member": id }), now).await
}

/// Writes into its timeline.
///
/// # Errors
/// When the database fails.
pub async fn comment(conn: &mut Scoped, held: &Held, text: &str, now: Timestamp) -> Result<Deed, StoreError> {
    note(conn, held.key, now, Fact { event: "commented", body: Some(text), ..Fact::default() }).await?;
    finish(conn, held, "incident.comment", json!({ "characters": text.chars().count() }), now).await
}

/// Says that it is over. The judge tells of one of its own, and opens no other before the monitor was up once.
///
/// # Errors
/// When the database fails.
pub async fn resolve_by_hand(conn: &mut Scoped, held: &Held, now: Timestamp) -> Result<Deed, StoreError> {
    if held.resolved_at.is_some() {
        return Ok(Deed::Already);
    }
    let done = sqlx::query(
        "UPDATE incidents SET resolved_at = greatest($2, started_at), resolution = 'by_hand'
         WHERE id = $1 AND resolved_at IS NULL",
    )
    .bind(held.key)
    .bind(now.micros())
    .execute(conn.conn())
    .await?;
    StoreError::expect_rows("incidents", 1, done.rows_affected())?;
    let detail = json!({ "resolution": "by_hand" });
    note(conn, held.key, now, Fact { event: "resolved", detail, ..Fact::default() }).await?;
    match held.monitor {
        Some(monitor) => monitors::mark_dirty(conn, monitor, now).await?,
        None if held.tells => tell(conn, held, NoticeKind::DeclaredOver, now).await?,
        None => {}
    }
    finish(conn, held, "incident.resolve", json!({}), now).await
}

/// Opens it again: it goes on as if it had never ended, and nobody looks after it yet.
///
/// # Errors
/// When the database fails.
pub async fn reopen(conn: &mut Scoped, held: &Held, now: Timestamp) -> Result<Deed, StoreError> {
    if held.resolved_at.is_none() {
        return Ok(Deed::Already);
    }
    if held.gone {
        return Ok(Deed::MonitorGone);
    }
    let other: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM incidents WHERE monitor_id = $1 AND resolved_at IS NULL)")
            .bind(held.monitor)
            .fetch_one(conn.conn())
            .await?;
    if other {
        return Ok(Deed::OtherOpen);
    }
    let done = sqlx::query(
        "UPDATE incidents SET resolved_at = NULL, resolution = NULL, acknowledged_at = NULL, reopened_at = $2, round = round + 1
         WHERE id = $1 AND resolved_at IS NOT NULL",
    )
    .bind(held.key)
    .bind(now.micros())
    .execute(conn.conn())
    .await?;
    StoreError::expect_rows("incidents", 1, done.rows_affected())?;
    note(conn, held.key, now, Fact { event: "reopened", ..Fact::default() }).await?;
    match held.monitor {
        Some(monitor) => monitors::mark_dirty(conn, monitor, now).await?,
        None if held.tells => tell(conn, held, NoticeKind::Declared, now).await?,
        None => {}
    }
    finish(conn, held, "incident.reopen", json!({}), now).await
}

/// Writes what was learnt of it, or takes that away; published it may be read by others.
///
/// # Errors
/// When the database fails.
pub async fn write_post_mortem(
    conn: &mut Scoped,
    held: &Held,
    text: Option<&str>,
    published: bool,
    now: Timestamp,
) -> Result<Deed, StoreError> {
    let published = published && text.is_some();
    if held.post_mortem.as_deref() == text && held.published_at.is_some() == published {
        return Ok(Deed::Already);
    }
    // When it was last written says when its text changed; when it was published, since when it has been.
    let done = sqlx::query(
        "UPDATE incidents SET post_mortem = $2,
                post_mortem_at = CASE WHEN $2 IS NULL THEN NULL WHEN post_mortem IS DISTINCT FROM $2 THEN $4 ELSE post_mortem_at END,
                published_at = CASE WHEN $3 THEN coalesce(published_at, $4) END
         WHERE id = $1",
    )
    .bind(held.key)
    .bind(text)
    .bind(published)
    .bind(now.micros())
    .execute(conn.conn())
    .await?;
    StoreError::expect_rows("incidents", 1, done.rows_affected())?;
    let detail = json!({ "characters": text.map_or(0, |text| text.chars().count()), "published": published });
    note(conn, held.key, now, Fact { event: "post_mortem", detail: detail.clone(), ..Fact::default() }).await?;
    finish(conn, held, "incident.post_mortem", detail, now).await
}

/// Adds to a timeline what who is behind the connection did.
pub(super) async fn note(
    conn: &mut Scoped,
    incident: IncidentKey,
    at: Timestamp,
    fact: Fact<'_>,
) -> Result<(), StoreError> {
    let actor = conn.actor().to_owned();
    let detail = if fact.detail.is_null() { json!({}) } else { fact.detail };
    let done = sqlx::query(
        "INSERT INTO incident_events (org_id, incident_id, at, event, actor, assignee, body, detail)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(conn.org())
    .bind(incident)
    .bind(at.micros())
    .bind(fact.event)
    .bind(actor)
    .bind(fact.assignee)
    .bind(fact.body)
    .bind(detail)
    .execute(conn.conn())
    .await?;
    StoreError::expect_rows("incident_events", 1, done.rows_affected())
}

pub(super) async fn tell(conn: &mut Scoped, held: &Held, kind: NoticeKind, now: Timestamp) -> Result<(), StoreError> {
    let notice = Notice::by_a_person(kind, now, Timestamp::from_micros(held.started_at));
    notices::write_by_a_person(conn, held, &notice).await
}

pub(super) async fn finish(
    conn: &mut Scoped,
    held: &Held,
    action: &str,
    detail: Value,
    now: Timestamp,
) -> Result<Deed, StoreError> {
    conn.ring(Bell::Pages).await?;
    audit::note(conn, action, held.id, detail, now).await?;
    Ok(Deed::Done)
}
